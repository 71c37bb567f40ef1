//! An exception as a function's runtime reports it.
//!
//! Takes: `{"errorType", "errorMessage", "stackTrace" or "trace", "cause"}`, as the runtimes of Python, Node, Java, .NET, Ruby and Go write
//! them. Gives: its kind, its message, its trace as the language prints it.
//! Deliberately does not: say what it means.

use bunsui_plugin_sdk::cause;
use serde_json::Value as Json;

/// Deeper than anybody reads.
const DEPTH: usize = 8;

/// An exception, and those that caused it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Exception {
    /// `KeyError`, `java.io.IOException`; empty where the runtime did not say it.
    pub(super) kind: String,
    /// What it says; may have several lines.
    pub(super) message: String,
    frames: Vec<String>,
    /// What caused it.
    pub(super) causes: Vec<Exception>,
}

impl Exception {
    /// Reads one; none where the value has no such form.
    pub(super) fn of(value: &Json) -> Option<Self> {
        Self::read(value, DEPTH)
    }

    fn read(value: &Json, depth: usize) -> Option<Self> {
        let kind = value.get("errorType").and_then(Json::as_str);
        let message = value.get("errorMessage");
        if kind.is_none() && message.is_none() {
            return None;
        }
        let (message, inner) = match message {
            Some(Json::String(text)) => said(text),
            Some(Json::Null) | None => (String::new(), None),
            Some(other) => (other.to_string(), None),
        };
        let deeper = |value: &Json| depth.checked_sub(1).and_then(|depth| Self::read(value, depth));
        // Java and .NET have one cause, .NET's AggregateException several.
        let several = value.get("causes").and_then(Json::as_array).into_iter().flatten();
        let causes = value.get("cause").into_iter().chain(several).chain(inner.as_ref());
        Some(Self {
            kind: without_phase(kind.unwrap_or_default()).to_owned(),
            message,
            frames: frames(value),
            causes: causes.filter_map(deeper).collect(),
        })
    }

    /// `KeyError: 'year'`
    fn head(&self) -> String {
        match (self.kind.as_str(), self.message.as_str()) {
            ("", message) => message.to_owned(),
            (kind, "") => kind.to_owned(),
            (kind, message) => format!("{kind}: {message}"),
        }
    }

    /// What the language would print; none where one line says it all.
    pub(super) fn trace(&self) -> Option<String> {
        let is_python = self.frames.iter().any(|frame| frame.trim_start().starts_with("File "));
        // A summary has the first line of it.
        let has_more = self.message.contains('\n') || !self.causes.is_empty();
        let is_headed = self.frames.first().is_some_and(|frame| self.head().starts_with(frame.as_str()));
        let mut lines = Vec::new();
        if is_python {
            lines.push("Traceback (most recent call last):".to_owned());
            lines.extend(self.frames.iter().cloned());
            lines.extend(has_more.then(|| self.head()));
        } else {
            lines.extend((has_more && !is_headed).then(|| self.head()));
            lines.extend(self.indented());
        }
        for cause in &self.causes {
            cause.print_as_cause(&mut lines);
        }
        (!lines.is_empty()).then(|| lines.join("\n"))
    }

    fn print_as_cause(&self, lines: &mut Vec<String>) {
        lines.push(format!("Caused by: {}", self.head()));
        lines.extend(self.indented());
        for cause in &self.causes {
            cause.print_as_cause(lines);
        }
    }

    /// Frames as `    at …`; Node's list begins with the exception itself, which stays as it is.
    fn indented(&self) -> impl Iterator<Item = String> {
        let mut is_head = self.frames.iter().any(|frame| frame.trim_start().starts_with("at "));
        self.frames.iter().map(move |frame| {
            let frame = frame.trim();
            is_head &= !frame.starts_with("at ");
            match frame {
                head if is_head => head.to_owned(),
                frame if frame.starts_with("at ") || frame.starts_with("---") => format!("    {frame}"),
                frame => format!("    at {frame}"),
            }
        })
    }
}

/// What a message says. One that is an exception or an answer in JSON, as of a function that called another, says it inside.
fn said(text: &str) -> (String, Option<Json>) {
    if !text.trim_start().starts_with('{') {
        return (text.to_owned(), None);
    }
    let value = cause::open(text);
    if let Some(inner) = Exception::read(&value, 0) {
        return (inner.head(), value.get("stackTrace").is_some().then_some(value));
    }
    let message = ["message", "Message", "error", "Error"].iter().find_map(|key| value.get(key)?.as_str());
    (message.unwrap_or(text).to_owned(), None)
}

/// Ruby's runtime says `Function<KeyError>` and `Init<LoadError>`.
fn without_phase(kind: &str) -> &str {
    let inner = kind.strip_prefix("Function<").or_else(|| kind.strip_prefix("Init<"));
    inner.and_then(|inner| inner.strip_suffix('>')).unwrap_or(kind)
}

/// Lists of texts, but for Go's of objects and a single text of many lines.
fn frames(value: &Json) -> Vec<String> {
    match value.get("stackTrace").or_else(|| value.get("trace")) {
        Some(Json::Array(frames)) => frames.iter().filter_map(frame).collect(),
        Some(Json::String(frames)) => frames.lines().map(ToOwned::to_owned).collect(),
        _ => Vec::new(),
    }
}

fn frame(frame: &Json) -> Option<String> {
    if let Some(text) = frame.as_str() {
        return Some(text.trim_end().to_owned());
    }
    let text = |key| frame.get(key).and_then(Json::as_str);
    let line = frame.get("line").map_or_else(|| "?".to_owned(), ToString::to_string);
    Some(format!("{} ({}:{line})", text("label").unwrap_or("?"), text("path")?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check(value: Json, trace: Option<&str>) {
        let exception = Exception::of(&value).expect("it is an exception");
        assert_eq!(exception.trace().as_deref(), trace);
    }

    #[test]
    fn python_prints_a_traceback() {
        let frames = ["  File \"/var/task/etl.py\", line 4, in handler\n    event[\"year\"]\n"];
        check(
            json!({"errorMessage": "'year'", "errorType": "KeyError", "requestId": "1", "stackTrace": frames}),
            Some(
                "Traceback (most recent call last):\n  File \"/var/task/etl.py\", line 4, in handler\n    event[\"year\"]",
            ),
        );
        check(
            json!({"errorMessage": "two\nlines", "errorType": "ValueError", "stackTrace": frames}),
            Some(
                "Traceback (most recent call last):\n  File \"/var/task/etl.py\", line 4, in handler\n    event[\"year\"]\nValueError: two\nlines",
            ),
        );
    }

    #[test]
    fn node_has_the_exception_in_its_trace_or_not() {
        let trace =
            ["TypeError: x is not a function", "    at f (/var/task/f.mjs:1:1)", "    at async main.mjs:2:2"];
        check(
            json!({"errorMessage": "x is not a function", "errorType": "TypeError", "trace": trace}),
            Some("TypeError: x is not a function\n    at f (/var/task/f.mjs:1:1)\n    at async main.mjs:2:2"),
        );
        check(
            json!({"errorMessage": "no", "errorType": "E", "stackTrace": ["at f (f.mjs:1:1)"]}),
            Some("    at f (f.mjs:1:1)"),
        );
    }

    #[test]
    fn java_prints_what_caused_it() {
        check(
            json!({
                "errorMessage": "cannot read the list", "errorType": "java.lang.RuntimeException",
                "stackTrace": ["example.Handler.handleRequest(Handler.java:12)"],
                "cause": {
                    "errorMessage": "disk full", "errorType": "java.io.IOException", "stackTrace": ["example.Disk.read(Disk.java:3)"],
                    "cause": { "errorMessage": null, "errorType": "java.lang.NullPointerException", "stackTrace": [] },
                },
            }),
            Some(
                "java.lang.RuntimeException: cannot read the list\n    at example.Handler.handleRequest(Handler.java:12)\n\
                 Caused by: java.io.IOException: disk full\n    at example.Disk.read(Disk.java:3)\n\
                 Caused by: java.lang.NullPointerException",
            ),
        );
    }

    #[test]
    fn other_runtimes_differ_a_little() {
        let ruby = json!({
            "errorMessage": "key not found", "errorType": "Function<KeyError>", "stackTrace": ["/var/task/f.rb:3:in `fetch'"],
        });
        assert_eq!(Exception::of(&ruby).unwrap().kind, "KeyError");
        check(ruby, Some("    at /var/task/f.rb:3:in `fetch'"));
        check(
            json!({"errorMessage": "no", "errorType": "errorString", "stackTrace": [{"path": "main.go", "line": 7, "label": "main"}]}),
            Some("    at main (main.go:7)"),
        );
        check(
            json!({
                "errorMessage": "One or more errors occurred.", "errorType": "AggregateException", "stackTrace": ["at F.Handler()"],
                "causes": [{"errorMessage": "a", "errorType": "A"}, {"errorMessage": "b", "errorType": "B"}],
            }),
            Some(
                "AggregateException: One or more errors occurred.\n    at F.Handler()\nCaused by: A: a\nCaused by: B: b",
            ),
        );
        check(json!({"errorMessage": "one line", "errorType": "E", "trace": []}), None);
    }

    #[test]
    fn a_message_that_is_json_says_what_is_inside() {
        let of = |message: Json| {
            Exception::of(&json!({"errorMessage": message.to_string(), "errorType": "Exception"}))
                .unwrap()
                .message
        };
        assert_eq!(of(json!({"message": "no such table", "code": 7})), "no such table");
        assert_eq!(of(json!({"errorMessage": "'year'", "errorType": "KeyError"})), "KeyError: 'year'");
        assert_eq!(of(json!({"Error": "E", "Cause": "{\"errorMessage\": \"no\"}"})), "no");
        assert_eq!(of(json!({"rows": 3})), "{\"rows\":3}");
        assert_eq!(Exception::of(&json!({"other": 1})), None);
        assert_eq!(Exception::of(&json!("a text")), None);
    }
}
