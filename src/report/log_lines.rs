//! Log lines for people.
//!
//! Takes: a line. Gives: its text, which cannot do anything to a terminal, and cannot pass for another line.
//! Deliberately does not: cut: what was said is shown whole.

use super::text::{printable, printable_lines};
use crate::session::{LogOrigin, LogRecord};

/// The form of a session's lines.
#[derive(Debug, Clone)]
pub struct LogText {
    /// Lines of another day have their date.
    day: String,
}

impl LogText {
    /// Of a session that began on a day, `2026-11-24`.
    pub fn new(day: &str) -> Self {
        Self { day: day.to_owned() }
    }

    /// `09:15:30.123 extract/fetch  message`, with the level where it is not `info`. Further lines of the message are indented.
    pub fn line(&self, record: &LogRecord) -> String {
        let time = self.time(&record.ts);
        let whose = whose(record);
        let level =
            if record.level == "info" { String::new() } else { format!("{} ", record.level.to_uppercase()) };
        let head = format!("{time} {whose}");
        let message = printable_lines(&record.message).replace('\n', "\n    ");
        format!("{}{}{message}", printable(&head), printable(&level))
    }

    fn time<'a>(&self, ts: &'a str) -> std::borrow::Cow<'a, str> {
        match ts.split_once('T') {
            Some((day, time)) if day == self.day => time.trim_end_matches('Z').into(),
            Some((day, time)) => format!("{day} {}", time.trim_end_matches('Z')).into(),
            None => ts.into(),
        }
    }
}

/// Who said a line; a runner's own name the job in their words.
fn whose(record: &LogRecord) -> String {
    let attempt = match (record.attempt, record.try_number) {
        (1, 0 | 1) => String::new(),
        (attempt, 0) => format!(" [attempt {attempt}]"),
        (attempt, tried) => format!(" [attempt {attempt}, try {tried}]"),
    };
    match (record.source, record.operation.as_str()) {
        (LogOrigin::Runner, _) => "[runner] ".to_owned(),
        (LogOrigin::Operation, operation) => format!("{}/{operation}{attempt}  ", record.job_id),
        (LogOrigin::StepFunctions, "") => format!("[step-functions] {}{attempt}  ", record.job_id),
        (LogOrigin::StepFunctions, operation) => {
            format!("[step-functions] {}/{operation}{attempt}  ", record.job_id)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value as Json, json};

    #[track_caller]
    fn check(change: Json, expected: &str) {
        let mut line = json!({
            "ts": "2026-11-24T09:15:30.123Z", "level": "info", "session_id": "s", "job_id": "load", "operation": "copy",
            "attempt": 1, "try": 1, "message": "400 rows",
        });
        let changes = change.as_object().unwrap().clone();
        line.as_object_mut().unwrap().extend(changes);
        let line: LogRecord = serde_json::from_value(line).unwrap();
        assert_eq!(LogText::new("2026-11-24").line(&line), expected);
    }

    #[test]
    fn a_line_says_when_and_by_whom() {
        check(json!({}), "09:15:30.123 load/copy  400 rows");
        check(
            json!({"level": "warn", "attempt": 2}),
            "09:15:30.123 load/copy [attempt 2, try 1]  WARN 400 rows",
        );
        check(json!({"ts": "2026-11-25T00:00:00.000Z"}), "2026-11-25 00:00:00.000 load/copy  400 rows");
        check(json!({"source": "runner", "message": "load started"}), "09:15:30.123 [runner] load started");
        let history =
            json!({"source": "step-functions", "operation": "", "try": 0, "message": "ExecutionStarted"});
        check(history, "09:15:30.123 [step-functions] load  ExecutionStarted");
    }

    #[test]
    fn nothing_that_is_said_moves_the_cursor_or_passes_for_another_line() {
        check(
            json!({"message": "a\u{1b}[2Jb\r\n09:15:31.000 x/y  forged\u{9b}31m"}),
            "09:15:30.123 load/copy  a\\u{1b}[2Jb\n    09:15:31.000 x/y  forged\\u{9b}31m",
        );
        check(json!({"job_id": "a\nb", "level": "\u{7}", "message": ""}), "09:15:30.123 a\\nb/copy  \\u{7} ");
        check(json!({"message": "safe \u{202e}txt.exe"}), "09:15:30.123 load/copy  safe \\u{202e}txt.exe");
    }
}
