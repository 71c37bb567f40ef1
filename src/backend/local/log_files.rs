//! Reads log lines of operations, as they were written.
//!
//! Takes: a session's events, which tell of its attempts. Gives: a source of lines for each attempt, whose files are looked for when its
//! time has come.
//! Deliberately does not: list what is there: a session may have ten thousand files.

use crate::backend::{FoundSources, LineSource, LineSources};
use crate::runner::port::{SessionStore, StoreError, logs_key};
use crate::session::{EventKind, LogFilter, LogOrigin, LogRecord, SessionEvent, SessionId};
use async_trait::async_trait;
use std::collections::{HashMap, HashSet, VecDeque};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A session's files of lines, as far as they are wanted: found by its events, which tell of its attempts.
pub struct LogFiles {
    root: PathBuf,
    store: Arc<dyn SessionStore>,
    session: SessionId,
    filter: Arc<LogFilter>,
    /// The last event that was read.
    seen: u64,
    /// Attempts that have not ended, as far as events have told.
    running: HashMap<(String, u32), Arc<AtomicBool>>,
}

/// Events that are read at once.
const PAGE: usize = 500;

impl LogFiles {
    /// Of a session whose objects lie in a folder.
    pub fn new(
        objects: &Path,
        store: Arc<dyn SessionStore>,
        session: &SessionId,
        filter: Arc<LogFilter>,
    ) -> Self {
        let root = objects.join(logs_key(session));
        Self { root, store, session: session.clone(), filter, seen: 0, running: HashMap::new() }
    }

    /// What an event tells of attempts.
    fn note(&mut self, event: &SessionEvent) -> Option<AttemptFiles> {
        match &event.kind {
            EventKind::JobStarted { job, attempt, .. } => {
                let is_wanted = self.filter.wants_job(job) && self.filter.wants_attempt(*attempt);
                let not_before = format!("{:.3}", event.at);
                if !is_wanted || self.filter.is_past(&not_before) {
                    return None;
                }
                let is_over: Arc<AtomicBool> = Arc::default();
                self.running.insert((job.clone(), *attempt), is_over.clone());
                return Some(AttemptFiles {
                    folder: self.root.join(job),
                    attempt: *attempt,
                    filter: self.filter.clone(),
                    not_before,
                    is_over,
                    known: HashSet::new(),
                    files: VecDeque::new(),
                    is_done: false,
                });
            }
            EventKind::JobSucceeded { job, attempt, .. }
            | EventKind::JobFailed { job, attempt, .. }
            | EventKind::JobTimedOut { job, attempt, .. }
            | EventKind::JobCancelled { job, attempt, .. }
            | EventKind::AttemptLost { job, attempt } => {
                if let Some(is_over) = self.running.remove(&(job.clone(), *attempt)) {
                    is_over.store(true, Ordering::Relaxed);
                }
            }
            _ => {}
        }
        None
    }
}

#[async_trait]
impl LineSources for LogFiles {
    async fn next(&mut self) -> Result<FoundSources, StoreError> {
        let mut found = FoundSources::default();
        if !self.filter.wants_source(LogOrigin::Operation) {
            return Ok(found);
        }
        let events = self.store.events(&self.session, self.seen, PAGE).await?;
        for event in &events {
            self.seen = event.number;
            found.sources.extend(self.note(event).map(|files| Box::new(files) as Box<dyn LineSource>));
        }
        let last = events.last().filter(|_| events.len() == PAGE);
        found.rest_from = last.map(|event| format!("{:.3}", event.at));
        Ok(found)
    }
}

/// The files of an attempt, one an operation. They run one after another, and so do their lines.
struct AttemptFiles {
    folder: PathBuf,
    attempt: u32,
    filter: Arc<LogFilter>,
    not_before: String,
    /// Nothing is written any more.
    is_over: Arc<AtomicBool>,
    known: HashSet<PathBuf>,
    /// Those that are not read to their ends, the earliest first; the last one may grow.
    files: VecDeque<LogFile>,
    /// All was read.
    is_done: bool,
}

impl AttemptFiles {
    /// Whether there are files that were not known.
    fn find(&mut self) -> Result<bool, StoreError> {
        let mut found = Vec::new();
        for path in entries(&self.folder)? {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let is_wanted = name.rsplit_once('.').is_some_and(|(name, extension)| {
                let (operation, number) = name.rsplit_once('.').unwrap_or_default();
                let attempt = number.split('-').next().and_then(|attempt| attempt.parse().ok());
                extension == "jsonl"
                    && attempt == Some(self.attempt)
                    && self.filter.wants_operation(operation)
            });
            if is_wanted && self.known.insert(path.clone()) {
                found.push(LogFile::new(path, self.filter.clone()));
            }
        }
        if found.len() > 1 {
            found.sort_by_cached_key(LogFile::first_time);
        }
        let is_new = !found.is_empty();
        self.files.extend(found);
        Ok(is_new)
    }
}

#[async_trait]
impl LineSource for AttemptFiles {
    fn not_before(&self) -> &str {
        &self.not_before
    }

    async fn next(&mut self) -> Result<Vec<LogRecord>, StoreError> {
        if self.is_done {
            return Ok(Vec::new());
        }
        // Before it is read.
        let is_over = self.is_over.load(Ordering::Relaxed);
        loop {
            if let Some(file) = self.files.front_mut() {
                let lines = file.next()?;
                if !lines.is_empty() {
                    return Ok(lines);
                }
                // One that another was seen beside is whole.
                if self.files.len() > 1 {
                    self.files.pop_front();
                    continue;
                }
            }
            if !self.find()? {
                break;
            }
        }
        self.is_done = is_over;
        Ok(Vec::new())
    }
}

/// Bytes that are read of a file at once, and more only where a line is longer. The file is not kept open in between: there may be
/// more of them than a process can have open.
const CHUNK: usize = 64 * 1024;
/// Bytes in which the time of the first line is found.
const HEAD: u64 = 64;

/// The lines of one file.
#[derive(Debug)]
struct LogFile {
    path: PathBuf,
    filter: Arc<LogFilter>,
    /// Whole lines have been read up to here.
    read: u64,
    is_past: bool,
}

impl LogFile {
    fn new(path: PathBuf, filter: Arc<LogFilter>) -> Self {
        Self { path, filter, read: 0, is_past: false }
    }

    /// The time of its first line; empty where that cannot be told.
    fn first_time(&self) -> String {
        let mut head = Vec::new();
        let read = File::open(&self.path).and_then(|file| file.take(HEAD).read_to_end(&mut head));
        read.ok().and_then(|_| first_time(&head)).unwrap_or_default().to_owned()
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
            let before = bytes.len();
            let count = Read::by_ref(&mut file).take(CHUNK as u64).read_to_end(&mut bytes)?;
            // Only in what is new: a line of many chunks is looked through once.
            if let Some(end) = bytes[before..].iter().rposition(|byte| *byte == b'\n') {
                bytes.truncate(before + end + 1);
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

    /// The next lines that are wanted; none at its end.
    fn next(&mut self) -> Result<Vec<LogRecord>, StoreError> {
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

/// The time at the beginning of a file, as [`LogWriter`](super::log::LogWriter) writes it.
fn first_time(head: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(head.strip_prefix(b"{\"ts\":\"")?).ok()?;
    text.split_once('"').map(|(time, _)| time)
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, StoreError> {
    match std::fs::read_dir(folder).and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect()) {
        // Nothing was said yet.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        found => found.map_err(|error| unusable(folder, &error)),
    }
}

fn unusable(path: &Path, error: &std::io::Error) -> StoreError {
    StoreError::Unusable { place: path.display().to_string(), message: error.to_string(), help: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::Lines;
    use std::io::Write;

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

    fn attempt_files(folder: &Path) -> (AttemptFiles, Arc<AtomicBool>) {
        let is_over: Arc<AtomicBool> = Arc::default();
        let files = AttemptFiles {
            folder: folder.to_owned(),
            attempt: 1,
            filter: Arc::default(),
            not_before: String::new(),
            is_over: is_over.clone(),
            known: HashSet::new(),
            files: VecDeque::new(),
            is_done: false,
        };
        (files, is_over)
    }

    fn append(path: PathBuf, text: &str) {
        let mut file = File::options().create(true).append(true).open(path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    #[tokio::test]
    async fn files_come_one_after_another_cut_off_lines_are_passed_over_and_growth_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name);
        let (files, is_over) = attempt_files(folder.path());
        let mut lines = Lines::default();
        lines.add(Box::new(files));
        assert!(rest(&mut lines).await.is_empty(), "nothing was said yet");
        // Longer than a chunk.
        let long = "x".repeat(CHUNK * 2);
        append(file("o.1-1.jsonl"), &(text("3", "a") + &text("4", &long) + "{\"ts\":\"5\","));
        append(file("z.1-1.jsonl"), &(text("1", "b") + "no JSON\n" + text("2", "e").trim_end()));
        append(file("o.2-1.jsonl"), &text("9", "of another attempt"));
        lines.again().await.unwrap();
        assert_eq!(rest(&mut lines).await, ["b", "e", "a", long.as_str()]);
        append(file("o.1-1.jsonl"), &text("5", "d").replacen("{\"ts\":\"5\",", "", 1));
        append(file("p.1-1.jsonl"), &text("6", "f"));
        lines.again().await.unwrap();
        assert_eq!(rest(&mut lines).await, ["d", "f"]);
        is_over.store(true, Ordering::Relaxed);
        lines.again().await.unwrap();
        assert!(rest(&mut lines).await.is_empty());
        // Its files are not opened any more.
        append(file("p.1-1.jsonl"), &text("7", "g"));
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
