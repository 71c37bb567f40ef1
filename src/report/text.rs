//! Small forms of text that several reports share.

use crate::session::PauseRecord;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value as Json;
use std::borrow::Cow;

/// Text of an operation's, safe for a terminal: control characters (escape sequences begin with one) are shown, not sent. So are
/// those that turn the direction of writing, with which a text can look like another.
pub fn printable(text: &str) -> Cow<'_, str> {
    let is_harmful = |c: char| is_harmful(c) && c != '\t';
    if text.bytes().all(|byte| (b' '..0x7f).contains(&byte)) || !text.contains(is_harmful) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(
        text.chars()
            .map(|c| if is_harmful(c) { c.escape_default().to_string() } else { c.to_string() })
            .collect(),
    )
}

/// The same for JSON, whose own escapes leave some of them out: the value stays as it is.
pub fn printable_json(value: &impl serde::Serialize) -> String {
    let text = serde_json::to_string(value).unwrap_or_default();
    if text.is_ascii() && !text.contains('\u{7f}') {
        return text;
    }
    let escaped = |c: char| if is_harmful(c) { format!("\\u{:04x}", u32::from(c)) } else { c.to_string() };
    text.chars().map(escaped).collect()
}

pub(super) fn is_harmful(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The same for text of several lines: line ends stay.
pub fn printable_lines(text: &str) -> String {
    text.lines().map(printable).collect::<Vec<_>>().join("\n")
}

/// `0.4s`, `12.0s`, `3m 05s`, `2h 00m`.
pub fn duration(duration: SignedDuration) -> String {
    let millis = duration.as_millis().max(0);
    let seconds = millis / 1000;
    match seconds {
        0..=59 => format!("{}.{}s", seconds, millis % 1000 / 100),
        60..=3599 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h {:02}m", seconds / 3600, seconds % 3600 / 60),
    }
}

/// From one time to another.
pub fn between(from: Timestamp, to: Timestamp) -> String {
    duration(to.duration_since(from))
}

/// `paused by ann: lunch, until 2026-11-25 08:00:00 UTC`
pub fn pause_line(pause: &PauseRecord) -> String {
    let until = pause.until.map(|until| format!(", until {}", moment(until))).unwrap_or_default();
    format!("paused by {}: {}{until}", pause.by, one_line(&pause.reason, 200))
}

/// `2026-11-25 08:00:00 UTC`
pub fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// What two versions of a text differ in, as a unified diff; `names` are what its head calls them.
pub fn difference(before: &str, now: &str, names: (&str, &str), colour: bool) -> String {
    let diff = similar::TextDiff::from_lines(before, now);
    let text = diff.unified_diff().context_radius(2).header(names.0, names.1).to_string();
    let paint = |line: &str| {
        let line = printable(line);
        match line.as_bytes().first() {
            Some(b'+') if colour => format!("\u{1b}[32m{line}\u{1b}[0m"),
            Some(b'-') if colour => format!("\u{1b}[31m{line}\u{1b}[0m"),
            _ => line.into_owned(),
        }
    };
    text.lines().map(paint).collect::<Vec<_>>().join("\n")
}

/// The first line of a text, at most `width` characters, with `…` where something is left out.
pub fn one_line(text: &str, width: usize) -> String {
    let first = text.lines().next().unwrap_or_default();
    let is_cut = first.chars().count() > width || text.lines().nth(1).is_some();
    let kept: String = printable(first).chars().take(width.saturating_sub(usize::from(is_cut))).collect();
    if is_cut { format!("{}…", kept.trim_end()) } else { kept }
}

/// Of several members none may take the whole line.
fn member(text: &str) -> String {
    const MOST: usize = 48;
    one_line(text, MOST)
}

/// A value in one line: an object as `key: value, …`, a text without quotes, else JSON.
pub fn value_line(value: &Json, width: usize) -> String {
    let text = match value {
        Json::Null => return String::new(),
        Json::String(text) => text.clone(),
        Json::Object(object) => object
            .iter()
            .map(|(key, value)| match value {
                Json::String(text) => format!("{key}: {}", member(text)),
                value => format!("{key}: {}", member(&value.to_string())),
            })
            .collect::<Vec<_>>()
            .join(", "),
        other => other.to_string(),
    };
    one_line(&text, width)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn escapes_do_not_reach_the_terminal() {
        assert_eq!(printable("a\u{1b}[31mb\tc"), "a\\u{1b}[31mb\tc");
        assert_eq!(printable("雨 ok"), "雨 ok");
        assert_eq!(printable_lines("a\r\nb\u{7}"), "a\nb\\u{7}");
        assert_eq!(printable("a\u{202e}b\u{9b}"), "a\\u{202e}b\\u{9b}");
    }

    #[test]
    fn escapes_do_not_reach_the_terminal_as_json_either() {
        let value = json!({"雨\u{9b}": "a\u{7f}\u{1b}\u{2066}"});
        let text = printable_json(&value);
        assert_eq!(text, r#"{"雨\u009b":"a\u007f\u001b\u2066"}"#);
        assert_eq!(serde_json::from_str::<Json>(&text).unwrap(), value);
    }

    #[test]
    fn durations_are_short() {
        let cases =
            [(449, "0.4s"), (12_000, "12.0s"), (185_000, "3m 05s"), (7_200_000, "2h 00m"), (-5, "0.0s")];
        for (millis, expected) in cases {
            assert_eq!(duration(SignedDuration::from_millis(millis)), expected);
        }
    }

    #[test]
    fn values_take_one_line() {
        assert_eq!(
            value_line(&json!({"rows": 365, "target": "out/x.csv"}), 80),
            "rows: 365, target: out/x.csv"
        );
        assert_eq!(value_line(&json!({"a": "x\ny"}), 80), "a: x…");
        assert_eq!(value_line(&json!("abcdef"), 4), "abc…");
        assert_eq!(value_line(&json!(null), 4), "");
    }
}
