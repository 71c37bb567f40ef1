//! Writes log lines of operations: JSON Lines below `logs/`, one file an operation and attempt.

use crate::plugin::LogLine;
use crate::runner::Redaction;
use crate::runner::port::logs_key;
use crate::session::{LogOrigin, LogRecord, SessionId};
use jiff::Timestamp;
use serde_json::Value as Json;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Last lines kept in memory, for whoever explains a failure.
const LAST_LINES: usize = 10;

/// Writes the lines of one operation of one attempt; the file is made by the first line.
#[derive(Debug)]
pub(super) struct LogWriter {
    path: PathBuf,
    file: Option<BufWriter<File>>,
    template: LogRecord,
    redaction: Arc<Redaction>,
    last: VecDeque<String>,
    /// The first error of writing: told once, since the operation itself goes on.
    failed: bool,
}

impl LogWriter {
    pub(super) fn new(
        objects: &Path,
        session: &SessionId,
        job_key: &str,
        operation: &str,
        attempt: u32,
        redaction: Arc<Redaction>,
    ) -> Self {
        let path =
            objects.join(logs_key(session)).join(job_key).join(format!("{operation}.{attempt}-1.jsonl"));
        let template = LogRecord {
            ts: String::new(),
            level: String::new(),
            source: LogOrigin::Operation,
            session_id: session.to_string(),
            job_id: job_key.to_owned(),
            operation: operation.to_owned(),
            attempt,
            try_number: 1,
            message: String::new(),
            fields: serde_json::Map::new(),
        };
        Self { path, file: None, template, redaction, last: VecDeque::new(), failed: false }
    }

    pub(super) fn begin_try(&mut self, try_number: u32) {
        self.template.try_number = try_number;
        self.last.clear();
    }

    pub(super) fn write(&mut self, line: LogLine, now: Timestamp) {
        let record = LogRecord {
            ts: format!("{now:.3}"),
            level: line.level,
            message: self.redaction.text(&line.message).into_owned(),
            fields: match self.redaction.value(Json::Object(line.fields)) {
                Json::Object(fields) => fields,
                _ => serde_json::Map::new(),
            },
            ..self.template.clone()
        };
        if let Err(error) = self.put(&record)
            && !std::mem::replace(&mut self.failed, true)
        {
            self.say_lost(&error);
        }
        if self.last.len() == LAST_LINES {
            self.last.pop_front();
        }
        self.last.push_back(record.message);
    }

    fn say_lost(&self, error: &std::io::Error) {
        let LogRecord { job_id, operation, .. } = &self.template;
        let path = self.path.display();
        tracing::error!("log lines of {job_id}/{operation} are lost: `{path}` cannot be written: {error}");
    }

    fn put(&mut self, record: &LogRecord) -> std::io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => {
                if let Some(folder) = self.path.parent() {
                    std::fs::create_dir_all(folder)?;
                }
                let file = File::options().create(true).append(true).open(&self.path)?;
                none.insert(BufWriter::new(file))
            }
        };
        serde_json::to_writer(&mut *file, record)?;
        file.write_all(b"\n")
    }

    /// Hands what is buffered to the file, so that a reader sees it and a crash keeps it.
    pub(super) fn flush(&mut self) {
        if let Some(file) = &mut self.file
            && let Err(error) = file.flush()
            && !std::mem::replace(&mut self.failed, true)
        {
            self.say_lost(&error);
        }
    }

    pub(super) fn last_lines(&self) -> Vec<String> {
        self.last.iter().cloned().collect()
    }
}
