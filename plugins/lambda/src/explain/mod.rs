//! What an error of a function means.

use bunsui_plugin_sdk::Explanation;
use serde_json::Value as Json;

pub(crate) fn explain(error: &str, cause: &str) -> Option<Explanation> {
    let body: Json = serde_json::from_str(cause).unwrap_or_default();
    let message = body["errorMessage"].as_str().unwrap_or_else(|| if body.is_null() { cause } else { "" });
    if body.is_null() && !error.starts_with("Lambda.") {
        return None;
    }
    let (recoverable, help) = advice(error, message);
    Some(Explanation {
        summary: summary(error, message),
        detail: trace(&body),
        recoverable,
        help: help.map(ToOwned::to_owned),
    })
}

fn summary(error: &str, message: &str) -> String {
    // The request's id says nothing to who reads one line.
    let message = match message.strip_prefix("RequestId: ").and_then(|rest| rest.split_once(" Error: ")) {
        Some((_, message)) => message,
        None => message,
    };
    let first = message.lines().next().unwrap_or_default();
    match error {
        "" => first.to_owned(),
        _ if first.is_empty() => error.to_owned(),
        // What Lambda itself says is a sentence already; its error's name adds nothing.
        "Runtime.ExitError" | "Runtime.InvalidEntrypoint" | "Sandbox.Timedout" => first.to_owned(),
        _ => format!("{error}: {first}"),
    }
}

/// Python's frames are whole lines with line ends, Node's one line each.
fn trace(body: &Json) -> Option<String> {
    let frames = body.get("stackTrace").or_else(|| body.get("trace"))?.as_array()?;
    let frames: Vec<&str> = frames.iter().filter_map(Json::as_str).map(str::trim_end).collect();
    if frames.is_empty() {
        return None;
    }
    let is_python = frames.iter().any(|frame| frame.trim_start().starts_with("File "));
    let heading = is_python.then_some("Traceback (most recent call last):");
    let lines = heading.into_iter().map(ToOwned::to_owned).chain(
        frames.iter().map(
            |frame| {
                if is_python { (*frame).to_owned() } else { format!("    {}", frame.trim()) }
            },
        ),
    );
    Some(lines.collect::<Vec<_>>().join("\n"))
}

fn advice(error: &str, message: &str) -> (Option<bool>, Option<&'static str>) {
    match error {
        "Lambda.TooManyRequestsException" => {
            (Some(true), Some("lower `max_concurrency`, or raise the function's reserved concurrency"))
        }
        "Lambda.ResourceNotFoundException" => (
            Some(false),
            Some(
                "is the function deployed in this account and region, with the alias or version that the operation names?",
            ),
        ),
        "Lambda.AWSLambdaException" | "Lambda.AccessDeniedException"
            if message.contains("not authorized") =>
        {
            (
                Some(false),
                Some(
                    "the role that the state machine has may not invoke this function; `bunsui deploy` makes one that may",
                ),
            )
        }
        "Lambda.InvalidRequestContentException" => {
            (Some(false), Some("`payload` has to be what the function takes"))
        }
        "Lambda.ServiceException"
        | "Lambda.AWSLambdaException"
        | "Lambda.SdkClientException"
        | "Lambda.ResourceNotReadyException"
        | "Lambda.EC2ThrottledException"
        | "Lambda.ClientExecutionTimeoutException" => (Some(true), None),
        "Runtime.InvalidEntrypoint" if message.contains("not on the PATH") => {
            (Some(false), Some("install it, or put the folder it is in on the PATH"))
        }
        "Runtime.InvalidEntrypoint" => (Some(false), None),
        "Runtime.ImportModuleError" => {
            (Some(false), Some("is the file where `local.handler` says, and is what it imports installed?"))
        }
        "Runtime.HandlerNotFound" => {
            (Some(false), Some("does the file have the function that `local.handler` names?"))
        }
        "Runtime.UserCodeSyntaxError" | "Runtime.MarshalError" | "Function.ResponseSizeTooLarge" => {
            (Some(false), None)
        }
        "Lambda.RequestTooLargeException" => (Some(false), Some("leave the data in S3 and pass its place")),
        "Runtime.ExitError" if message.contains("signal: killed") || message.contains("signal 9") => {
            (None, Some("the process was killed, often for using too much memory"))
        }
        "Sandbox.Timedout" | "Lambda.Unknown" if message.contains("timed out") => {
            (None, Some("give the function more time, or less to do at once"))
        }
        // Mistakes of a program do not go away by themselves.
        "KeyError"
        | "TypeError"
        | "AttributeError"
        | "NameError"
        | "IndexError"
        | "ReferenceError"
        | "SyntaxError"
        | "ImportError"
        | "ModuleNotFoundError"
        | "ZeroDivisionError"
        | "AssertionError" => (Some(false), None),
        "TimeoutError" | "ConnectionError" | "ConnectionResetError" | "ConnectionRefusedError" => {
            (Some(true), None)
        }
        _ => (None, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check(error: &str, cause: &str, summary: &str, detail: Option<&str>) {
        let explanation = explain(error, cause).expect("it is explained");
        assert_eq!(explanation.summary, summary);
        assert_eq!(explanation.detail.as_deref(), detail);
    }

    #[test]
    fn an_exception_is_said_in_a_line_and_its_trace_as_python_prints_it() {
        let cause = json!({
            "errorMessage": "'year'", "errorType": "KeyError",
            "stackTrace": ["  File \"etl/extract.py\", line 4, in handler\n    event[\"year\"]\n"],
        });
        check(
            "KeyError",
            &cause.to_string(),
            "KeyError: 'year'",
            Some(
                "Traceback (most recent call last):\n  File \"etl/extract.py\", line 4, in handler\n    event[\"year\"]",
            ),
        );
    }

    #[test]
    fn what_lambda_refuses_says_whether_trying_again_helps() {
        let recoverable =
            |error: &str, cause: &str| explain(error, cause).expect("it is explained").recoverable;
        let missing = "Function not found: arn:aws:lambda:eu-west-1:123456789012:function:etl";
        let denied = "User: arn:aws:sts::123456789012:assumed-role/etl is not authorized to perform: lambda:InvokeFunction";
        assert_eq!(recoverable("Lambda.ResourceNotFoundException", missing), Some(false));
        assert_eq!(recoverable("Lambda.AWSLambdaException", denied), Some(false));
        assert_eq!(recoverable("Lambda.AWSLambdaException", "Service unavailable"), Some(true));
    }

    #[test]
    fn nodes_frames_are_indented() {
        let cause = json!({"errorMessage": "x is not defined", "errorType": "ReferenceError", "stackTrace": ["at handler (f.mjs:1:1)"]});
        check(
            "ReferenceError",
            &cause.to_string(),
            "ReferenceError: x is not defined",
            Some("    at handler (f.mjs:1:1)"),
        );
    }

    #[test]
    fn the_request_id_is_left_out() {
        let cause = json!({"errorMessage": "RequestId: 1-2 Error: Runtime exited with error: exit status 3"});
        check("Runtime.ExitError", &cause.to_string(), "Runtime exited with error: exit status 3", None);
        assert_eq!(explain("States.Timeout", "timed out"), None);
    }
}
