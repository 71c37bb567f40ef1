//! Log lines of a session. Those of operations are stored as JSON Lines, an object an operation and attempt or more.

use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

/// One line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogRecord {
    /// RFC 3339, UTC, milliseconds. The first member: a reader finds it without the rest.
    pub ts: String,
    /// `debug`, `info`, `warn`, `error`.
    pub level: String,
    /// Who said it.
    #[serde(default)]
    pub source: LogOrigin,
    /// The session.
    pub session_id: String,
    /// The job key; empty where the line is about the whole session.
    pub job_id: String,
    /// The operation; empty where it is about the whole job.
    pub operation: String,
    /// The job's attempt, from 1; 0 where it is about none.
    pub attempt: u32,
    /// The task's try, from 1; 0 where it is about none.
    #[serde(rename = "try")]
    pub try_number: u32,
    /// The line.
    pub message: String,
    /// More, where the operation says more.
    #[serde(default)]
    pub fields: Map<String, Json>,
}

/// Who says a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogOrigin {
    /// What drives the session: its events.
    Runner,
    /// What an operation does: a function, a container, a process.
    #[default]
    Operation,
    /// Step Functions: the history of an execution.
    StepFunctions,
}

/// Which lines to read.
#[derive(Debug, Clone, Default)]
pub struct LogFilter {
    /// Of one job key.
    pub job: Option<String>,
    /// Of one operation.
    pub operation: Option<String>,
    /// At least as bad as this.
    pub level: Option<String>,
    /// Of one attempt of its job.
    pub attempt: Option<u32>,
    /// From then on, as [`LogRecord::ts`] is written.
    pub since: Option<String>,
    /// Before then, as [`LogRecord::ts`] is written.
    pub until: Option<String>,
    /// Whose message has a match of this.
    pub pattern: Option<Regex>,
    /// Of these; empty: of all.
    pub sources: Vec<LogOrigin>,
}

impl LogFilter {
    /// What a pattern means, or what is wrong with it.
    ///
    /// # Errors
    /// Where it is no regular expression: why, in a line.
    pub fn regex(pattern: &str, ignores_case: bool) -> Result<Regex, String> {
        RegexBuilder::new(pattern).case_insensitive(ignores_case).build().map_err(|error| match &error {
            regex::Error::CompiledTooBig(most) => format!("it takes more than {most} bytes of memory"),
            // The last line says what; those before it show where.
            error => {
                let message = error.to_string();
                message.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
            }
        })
    }

    /// Whether lines of a job are wanted.
    pub fn wants_job(&self, job: &str) -> bool {
        self.job.as_ref().is_none_or(|wanted| wanted == job)
    }

    /// Whether lines of operations of that name are wanted.
    pub fn wants_operation(&self, operation: &str) -> bool {
        self.operation.as_ref().is_none_or(|wanted| wanted == operation)
    }

    /// Whether lines of attempts of that number are wanted.
    pub fn wants_attempt(&self, attempt: u32) -> bool {
        self.attempt.is_none_or(|wanted| wanted == attempt)
    }

    /// Whether lines of a source are wanted.
    pub fn wants_source(&self, source: LogOrigin) -> bool {
        self.sources.is_empty() || self.sources.contains(&source)
    }

    /// Whether a line is of too late a time.
    pub fn is_past(&self, ts: &str) -> bool {
        self.until.as_ref().is_some_and(|until| ts >= until.as_str())
    }

    /// Whether a line is wanted.
    pub fn wants(&self, record: &LogRecord) -> bool {
        self.wants_source(record.source)
            && self.wants_job(&record.job_id)
            && self.wants_operation(&record.operation)
            && self.wants_attempt(record.attempt)
            && self.wants_level(record)
            && self.since.as_ref().is_none_or(|since| record.ts >= *since)
            && !self.is_past(&record.ts)
            && self.pattern.as_ref().is_none_or(|pattern| pattern.is_match(&record.message))
    }

    /// Where neither level nor source is asked for, the single steps of runners and executions are left out.
    fn wants_level(&self, record: &LogRecord) -> bool {
        let least = match (&self.level, record.source) {
            (Some(level), _) => level,
            (None, LogOrigin::Operation) => return true,
            (None, LogOrigin::Runner | LogOrigin::StepFunctions) if self.sources.is_empty() => "info",
            (None, LogOrigin::Runner | LogOrigin::StepFunctions) => return true,
        };
        rank(&record.level) >= rank(least)
    }
}

fn rank(level: &str) -> usize {
    ["debug", "info", "warn", "error"].iter().position(|known| *known == level).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(source: LogOrigin, level: &str, ts: &str) -> LogRecord {
        LogRecord {
            ts: ts.into(),
            level: level.into(),
            source,
            session_id: String::new(),
            job_id: "load".into(),
            operation: "copy".into(),
            attempt: 2,
            try_number: 1,
            message: "400 rows".into(),
            fields: Map::new(),
        }
    }

    #[track_caller]
    fn check(filter: LogFilter, expected: bool) {
        let line = line(LogOrigin::Operation, "warn", "2026-11-24T09:15:30.123Z");
        assert_eq!(filter.wants(&line), expected, "{filter:?}");
    }

    #[test]
    fn each_part_of_a_filter_can_refuse_a_line() {
        let text = |text: &str| Some(text.to_owned());
        check(LogFilter::default(), true);
        check(LogFilter { attempt: Some(2), ..LogFilter::default() }, true);
        check(LogFilter { attempt: Some(1), ..LogFilter::default() }, false);
        check(LogFilter { level: text("warn"), ..LogFilter::default() }, true);
        check(LogFilter { level: text("error"), ..LogFilter::default() }, false);
        check(LogFilter { since: text("2026-11-24T09:15:30.123Z"), ..LogFilter::default() }, true);
        check(LogFilter { since: text("2026-11-24T09:15:30.124Z"), ..LogFilter::default() }, false);
        check(LogFilter { until: text("2026-11-24T09:15:30.124Z"), ..LogFilter::default() }, true);
        check(LogFilter { until: text("2026-11-24T09:15:30.123Z"), ..LogFilter::default() }, false);
        check(LogFilter { pattern: Regex::new("^4.0").ok(), ..LogFilter::default() }, true);
        check(LogFilter { pattern: Regex::new("^rows").ok(), ..LogFilter::default() }, false);
        check(LogFilter { sources: vec![LogOrigin::Runner], ..LogFilter::default() }, false);
    }

    #[test]
    fn steps_of_a_runner_are_shown_where_they_are_asked_for() {
        let step = line(LogOrigin::Runner, "debug", "");
        let said = line(LogOrigin::Operation, "debug", "");
        assert!(!LogFilter::default().wants(&step) && LogFilter::default().wants(&said));
        assert!(LogFilter { level: Some("debug".into()), ..LogFilter::default() }.wants(&step));
        assert!(LogFilter { sources: vec![LogOrigin::Runner], ..LogFilter::default() }.wants(&step));
    }

    #[test]
    fn lines_of_older_versions_are_operations() {
        let old = r#"{"ts":"2026-11-24T09:15:30.123Z","level":"info","session_id":"s","job_id":"a","operation":"b",
            "attempt":1,"try":1,"message":"m"}"#;
        assert_eq!(serde_json::from_str::<LogRecord>(old).unwrap().source, LogOrigin::Operation);
    }
}
