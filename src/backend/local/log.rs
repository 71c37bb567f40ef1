//! Log lines of operations: JSON Lines below `logs/`, one file an operation and attempt.

use crate::backend::{LineSource, LineSources};
use crate::plugin::LogLine;
use crate::runner::Redaction;
use crate::runner::port::{StoreError, logs_key};
use crate::session::{LogFilter, LogOrigin, LogRecord, SessionId};
use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::Value as Json;
use std::collections::{HashSet, VecDeque};
use std::fs::File;
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
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

/// A session's files of lines, as far as they are wanted. Asked again, it gives those that have come since.
#[derive(Debug)]
pub struct LogFiles {
    root: PathBuf,
    filter: Arc<LogFilter>,
    known: HashSet<PathBuf>,
}

impl LogFiles {
    /// Of a session whose objects lie in a folder.
    pub fn new(objects: &Path, session: &SessionId, filter: Arc<LogFilter>) -> Self {
        Self { root: objects.join(logs_key(session)), filter, known: HashSet::new() }
    }
}

#[async_trait]
impl LineSources for LogFiles {
    async fn next(&mut self) -> Result<Vec<Box<dyn LineSource>>, StoreError> {
        let mut found: Vec<Box<dyn LineSource>> = Vec::new();
        if !self.filter.wants_source(LogOrigin::Operation) {
            return Ok(found);
        }
        for job in sorted_entries(&self.root)? {
            if !job.file_name().and_then(|name| name.to_str()).is_some_and(|name| self.filter.wants_job(name))
            {
                continue;
            }
            for file in sorted_entries(&job)? {
                if self.known.insert(file.clone()) {
                    found.push(Box::new(LogFile::new(file, self.filter.clone())?));
                }
            }
        }
        Ok(found)
    }
}

/// Bytes that are read of a file at once, and more only where a line is longer. The file is not kept open in between: there may be
/// more of them than a process can have open.
const CHUNK: usize = 64 * 1024;
/// Bytes in which the time of the first line is found.
const HEAD: usize = 64;

/// The lines of one file.
#[derive(Debug)]
struct LogFile {
    path: PathBuf,
    filter: Arc<LogFilter>,
    not_before: String,
    /// Whole lines have been read up to here.
    read: u64,
    is_past: bool,
}

impl LogFile {
    fn new(path: PathBuf, filter: Arc<LogFilter>) -> Result<Self, StoreError> {
        let mut head = Vec::new();
        let file = File::open(&path).map_err(|error| unusable(&path, &error))?;
        file.take(HEAD as u64).read_to_end(&mut head).map_err(|error| unusable(&path, &error))?;
        let not_before = first_time(&head).unwrap_or_default().to_owned();
        Ok(Self { path, filter, not_before, read: 0, is_past: false })
    }

    /// Whole lines from where it stands; empty at the end of the file.
    fn chunk(&mut self) -> std::io::Result<Vec<u8>> {
        let mut file = File::open(&self.path)?;
        if file.metadata()?.len() <= self.read {
            return Ok(Vec::new());
        }
        file.seek(SeekFrom::Start(self.read))?;
        let mut bytes = Vec::with_capacity(CHUNK);
        loop {
            let count = Read::by_ref(&mut file).take(CHUNK as u64).read_to_end(&mut bytes)?;
            if let Some(end) = bytes.iter().rposition(|byte| *byte == b'\n') {
                bytes.truncate(end + 1);
            } else if count > 0 {
                continue;
            } else if serde_json::from_slice::<LogRecord>(&bytes).is_err() {
                // It is still being written, or was cut off.
                return Ok(Vec::new());
            }
            self.read += bytes.len() as u64;
            return Ok(bytes);
        }
    }

    /// Lines that are no JSON (a crash cut them off) are passed over.
    fn wanted(&mut self, chunk: &[u8]) -> Vec<LogRecord> {
        let mut lines = Vec::new();
        for line in chunk.split(|byte| *byte == b'\n') {
            let Ok(record) = serde_json::from_slice::<LogRecord>(line) else { continue };
            self.is_past |= self.filter.is_past(&record.ts);
            if self.filter.wants(&record) {
                lines.push(record);
            }
        }
        lines
    }
}

#[async_trait]
impl LineSource for LogFile {
    fn not_before(&self) -> &str {
        &self.not_before
    }

    async fn next(&mut self) -> Result<Vec<LogRecord>, StoreError> {
        while !self.is_past {
            let chunk = match self.chunk() {
                Ok(chunk) => chunk,
                // Its session was deleted meanwhile.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
                Err(error) => return Err(unusable(&self.path, &error)),
            };
            if chunk.is_empty() {
                break;
            }
            let lines = self.wanted(&chunk);
            if !lines.is_empty() {
                return Ok(lines);
            }
        }
        Ok(Vec::new())
    }
}

/// The time at the beginning of a file, as [`LogWriter`] writes it.
fn first_time(head: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(head.strip_prefix(b"{\"ts\":\"")?).ok()?;
    text.split_once('"').map(|(time, _)| time)
}

fn sorted_entries(folder: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unusable(folder, &error)),
    };
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()
        .map_err(|error| unusable(folder, &error))?;
    paths.sort();
    Ok(paths)
}

fn unusable(path: &Path, error: &std::io::Error) -> StoreError {
    StoreError::Unusable { place: path.display().to_string(), message: error.to_string(), help: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::Lines;

    fn text(ts: &str, message: &str) -> String {
        format!(
            "{{\"ts\":\"{ts}\",\"level\":\"info\",\"session_id\":\"s\",\"job_id\":\"j\",\"operation\":\"o\",\
             \"attempt\":1,\"try\":1,\"message\":\"{message}\",\"fields\":{{}}}}\n"
        )
    }

    async fn rest(lines: &mut Lines) -> Vec<String> {
        let mut found = Vec::new();
        while let Some(line) = lines.next(None).await.unwrap() {
            found.push(line.message);
        }
        found
    }

    #[tokio::test]
    async fn files_are_merged_cut_off_lines_passed_over_and_growth_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let id = SessionId::new("20261122-091530-9f9qa0").unwrap();
        let job = folder.path().join(logs_key(&id)).join("j");
        std::fs::create_dir_all(&job).unwrap();
        // Longer than a chunk.
        let long = "x".repeat(CHUNK * 2);
        std::fs::write(job.join("o.1-1.jsonl"), text("1", "a") + &text("3", &long) + "{\"ts\":\"4\",")
            .unwrap();
        std::fs::write(job.join("p.1-1.jsonl"), text("2", "b") + "no JSON\n" + text("5", "e").trim_end())
            .unwrap();
        let mut files = LogFiles::new(folder.path(), &id, Arc::default());
        let mut lines = Lines::default();
        files.next().await.unwrap().into_iter().for_each(|file| lines.add(file));
        assert_eq!(rest(&mut lines).await, ["a", "b", long.as_str(), "e"]);
        let rest_of_line = text("4", "d").replacen("{\"ts\":\"4\",", "", 1);
        let mut file = File::options().append(true).open(job.join("o.1-1.jsonl")).unwrap();
        file.write_all(rest_of_line.as_bytes()).unwrap();
        std::fs::write(job.join("q.1-1.jsonl"), text("6", "f")).unwrap();
        lines.again().await.unwrap();
        files.next().await.unwrap().into_iter().for_each(|file| lines.add(file));
        assert_eq!(rest(&mut lines).await, ["d", "f"]);
        lines.again().await.unwrap();
        assert!(rest(&mut lines).await.is_empty());
    }

    #[test]
    fn a_files_beginning_tells_its_first_time() {
        assert_eq!(
            first_time(text("2026-11-22T09:15:30.000Z", "").as_bytes()),
            Some("2026-11-22T09:15:30.000Z")
        );
        assert_eq!(first_time(b"{\"level\":"), None);
    }
}
