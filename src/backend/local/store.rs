//! Sessions in SQLite: WAL, synchronous=NORMAL. All that was committed survives the death of the process; a power cut may
//! take the last moments.

use crate::runner::port::{Commit, SessionFilter, SessionStore, StoreError};
use crate::session::{JobRecord, RequestRecord, SessionEvent, SessionId, SessionRecord};
use async_trait::async_trait;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, params};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The schema's version, kept as SQLite's `user_version`.
const SCHEMA_VERSION: i64 = 2;

const SCHEMA: &str = "
    CREATE TABLE sessions (
        session_id  TEXT PRIMARY KEY,
        pipeline_id TEXT NOT NULL,
        status      TEXT NOT NULL,
        created_at  TEXT NOT NULL,
        record      TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX sessions_by_time ON sessions (created_at);
    CREATE INDEX sessions_by_pipeline ON sessions (pipeline_id, created_at);
    CREATE TABLE jobs (
        session_id TEXT NOT NULL,
        job_key    TEXT NOT NULL,
        record     TEXT NOT NULL,
        PRIMARY KEY (session_id, job_key)
    ) WITHOUT ROWID;
    CREATE TABLE events (
        session_id TEXT NOT NULL,
        number     INTEGER NOT NULL,
        event      TEXT NOT NULL,
        PRIMARY KEY (session_id, number)
    ) WITHOUT ROWID;
";

/// Since version 2.
const REQUESTS: &str = "
    CREATE TABLE requests (
        number     INTEGER PRIMARY KEY,
        session_id TEXT NOT NULL,
        request    TEXT NOT NULL
    );
    CREATE INDEX requests_by_session ON requests (session_id, number);
";

/// The local session store. What is asked of it is done at once, by who asks: a commit takes less time than handing it to
/// another thread would, and a runner can do nothing before it is stored.
#[derive(Debug, Clone)]
pub struct SqliteStore {
    path: PathBuf,
    connection: Arc<Mutex<Connection>>,
    /// Of the file that is open: SQLite would go on writing to one that was deleted.
    identity: Option<(u64, u64)>,
}

impl SqliteStore {
    /// Opens the store of a state folder, and makes both where they are not there.
    pub fn open(state: &Path) -> Result<Self, StoreError> {
        make_state_folder(state)?;
        Self::start(state.join("bunsui.db"), OpenFlags::default())
    }

    /// Opens the store of a state folder if it is there.
    pub fn open_existing(state: &Path) -> Result<Option<Self>, StoreError> {
        let path = state.join("bunsui.db");
        if !path.exists() {
            return Ok(None);
        }
        Self::start(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX).map(Some)
    }

    fn start(path: PathBuf, flags: OpenFlags) -> Result<Self, StoreError> {
        let connection = connect(&path, flags)?;
        let identity = identity(&path);
        Ok(Self { path, connection: Arc::new(Mutex::new(connection)), identity })
    }

    fn call<T>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, rusqlite::Error>,
    ) -> Result<T, StoreError> {
        // Whatever panicked while it was held: a transaction that was not committed has been rolled back.
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        work(&mut connection).map_err(|error| sqlite_error(&self.path, &error))
    }

    fn read<T: DeserializeOwned>(&self, key: &str, text: &str) -> Result<T, StoreError> {
        serde_json::from_str(text).map_err(|error| StoreError::Damaged {
            place: self.path.display().to_string(),
            key: key.to_owned(),
            message: error.to_string(),
        })
    }
}

#[async_trait]
impl SessionStore for SqliteStore {
    async fn create(&self, session: &SessionRecord, events: &[SessionEvent]) -> Result<(), StoreError> {
        self.append(Commit {
            session: Some(session.clone()),
            session_id: Some(session.session_id.clone()),
            events: events.to_vec(),
            jobs: Vec::new(),
        })
        .await
    }

    async fn append(&self, commit: Commit) -> Result<(), StoreError> {
        let Some(session_id) = commit.session_id.clone() else { return Ok(()) };
        if identity(&self.path) != self.identity {
            let help = "what was stored since it was opened is lost; the next `bunsui run` makes a new one";
            return Err(unusable(&self.path, "it was deleted or replaced while it was in use", Some(help)));
        }
        let id = session_id.to_string();
        let taken = self.call(|connection| append(connection, session_id.as_str(), &commit))?;
        match taken {
            Some(number) => Err(StoreError::Fenced { session: id, number }),
            None => Ok(()),
        }
    }

    async fn renew(&self, session: &SessionRecord) -> Result<(), StoreError> {
        let taken = self.call(|connection| renew(connection, session))?;
        match taken {
            Some(number) => Err(StoreError::Fenced { session: session.session_id.to_string(), number }),
            None => Ok(()),
        }
    }

    async fn put_request(&self, id: &SessionId, request: &RequestRecord) -> Result<(), StoreError> {
        self.call(|connection| {
            connection
                .prepare_cached("INSERT INTO requests (session_id, request) VALUES (?1, ?2)")?
                .execute(params![id.as_str(), json(request)])
                .map(|_| ())
        })
    }

    async fn requests(&self, id: &SessionId, after: u64) -> Result<Vec<(u64, RequestRecord)>, StoreError> {
        let rows: Vec<(i64, String)> = self.call(|connection| {
            connection
                .prepare_cached(
                    "SELECT number, request FROM requests WHERE session_id = ?1 AND number > ?2 ORDER BY number",
                )?
                .query_map(params![id.as_str(), after as i64], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect()
        })?;
        rows.iter().map(|(number, text)| Ok((*number as u64, self.read(id.as_str(), text)?))).collect()
    }

    async fn last_event(&self, id: &SessionId) -> Result<u64, StoreError> {
        let last: Option<i64> = self.call(|connection| {
            connection
                .prepare_cached("SELECT max(number) FROM events WHERE session_id = ?1")?
                .query_row([id.as_str()], |row| row.get(0))
        })?;
        Ok(last.unwrap_or_default() as u64)
    }

    async fn session(&self, id: &SessionId) -> Result<Option<SessionRecord>, StoreError> {
        let key = id.as_str();
        let text: Option<String> = self.call(|connection| {
            connection
                .prepare_cached("SELECT record FROM sessions WHERE session_id = ?1")?
                .query_row([key], |row| row.get(0))
                .optional()
        })?;
        text.map(|text| self.read(key, &text)).transpose()
    }

    async fn sessions(&self, filter: &SessionFilter) -> Result<Vec<SessionRecord>, StoreError> {
        let rows: Vec<(String, String)> = self.call(|connection| {
            let statuses: Vec<&str> = filter.statuses.iter().map(|status| status.name()).collect();
            let statuses = serde_json::to_string(&statuses).unwrap_or_default();
            connection
                .prepare_cached(
                    "SELECT session_id, record FROM sessions
                         WHERE (?1 IS NULL OR pipeline_id = ?1)
                           AND (?2 = '[]' OR status IN (SELECT value FROM json_each(?2)))
                           AND (?3 IS NULL OR instr(session_id, ?3) > 0)
                         ORDER BY created_at DESC, session_id DESC LIMIT ?4",
                )?
                .query_map(params![filter.pipeline, statuses, filter.id_part, filter.limit as i64], |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })?
                .collect()
        })?;
        rows.iter().map(|(key, text)| self.read(key, text)).collect()
    }

    async fn jobs(&self, id: &SessionId) -> Result<Vec<JobRecord>, StoreError> {
        let key = id.as_str();
        let rows: Vec<String> = self.call(|connection| {
            connection
                .prepare_cached("SELECT record FROM jobs WHERE session_id = ?1")?
                .query_map([key], |row| row.get(0))?
                .collect()
        })?;
        rows.iter().map(|text| self.read(key, text)).collect()
    }

    async fn events(
        &self,
        id: &SessionId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<SessionEvent>, StoreError> {
        let key = id.as_str();
        let rows: Vec<String> = self.call(|connection| {
            connection
                .prepare_cached(
                    "SELECT event FROM events WHERE session_id = ?1 AND number > ?2 ORDER BY number LIMIT ?3",
                )?
                .query_map(params![key, after as i64, limit as i64], |row| row.get(0))?
                .collect()
        })?;
        rows.iter().map(|text| self.read(key, text)).collect()
    }
}

/// Device and inode.
fn identity(path: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()))
}

/// Stores a commit in one transaction; gives the first event number that is taken, and then stores nothing.
fn append(
    connection: &mut Connection,
    session_id: &str,
    commit: &Commit,
) -> Result<Option<u64>, rusqlite::Error> {
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    {
        let mut put_event = transaction.prepare_cached(
            "INSERT INTO events (session_id, number, event) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
        )?;
        for event in &commit.events {
            if put_event.execute(params![session_id, event.number as i64, json(event)])? == 0 {
                return Ok(Some(event.number));
            }
        }
        let mut put_job = transaction.prepare_cached(
            "INSERT OR REPLACE INTO jobs (session_id, job_key, record) VALUES (?1, ?2, ?3)",
        )?;
        for job in &commit.jobs {
            put_job.execute(params![session_id, job.job_key, json(job)])?;
        }
        if let Some(session) = &commit.session {
            transaction
                .prepare_cached(
                    "INSERT OR REPLACE INTO sessions (session_id, pipeline_id, status, created_at, record)
                     VALUES (?1, ?2, ?3, ?4, ?5)",
                )?
                .execute(params![
                    session_id,
                    session.pipeline_id,
                    session.status.name(),
                    session.created_at.to_string(),
                    json(session)
                ])?;
        }
    }
    transaction.commit()?;
    Ok(None)
}

/// Stores a session's record if the lease in it is the stored one; else gives the number of a later event.
fn renew(connection: &mut Connection, session: &SessionRecord) -> Result<Option<u64>, rusqlite::Error> {
    let id = session.session_id.as_str();
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let stored: Option<i64> = transaction
        .prepare_cached("SELECT json_extract(record, '$.lease.event') FROM sessions WHERE session_id = ?1")?
        .query_row([id], |row| row.get(0))
        .optional()?
        .flatten();
    if stored != session.lease.as_ref().map(|lease| lease.event as i64) {
        let last: Option<i64> = transaction
            .prepare_cached("SELECT max(number) FROM events WHERE session_id = ?1")?
            .query_row([id], |row| row.get(0))?;
        return Ok(Some(stored.or(last).unwrap_or_default() as u64));
    }
    transaction
        .prepare_cached("UPDATE sessions SET record = ?2 WHERE session_id = ?1")?
        .execute(params![id, json(session)])?;
    transaction.commit()?;
    Ok(None)
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("stored forms hold only string keys and finite numbers")
}

/// How long a lock of another process is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// Tries again while another process holds a lock: SQLite's own waiting does not cover the change to WAL mode, which two
/// processes that make a store at the same time both attempt.
fn patiently<T>(work: impl Fn() -> Result<T, rusqlite::Error>) -> Result<T, rusqlite::Error> {
    let began = std::time::Instant::now();
    loop {
        match work() {
            Err(error)
                if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
                    && began.elapsed() < PATIENCE =>
            {
                std::thread::sleep(Duration::from_millis(20));
            }
            result => return result,
        }
    }
}

fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, StoreError> {
    let connection = Connection::open_with_flags(path, flags).map_err(|error| sqlite_error(path, &error))?;
    let prepare = || -> Result<i64, rusqlite::Error> {
        connection.busy_timeout(PATIENCE)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        // In pages, 16 MB of them: each time the log is written back, a session waits for the disk.
        connection.pragma_update(None, "wal_autocheckpoint", 4000)?;
        // The next one that opens it finds the log as it is: nobody waits for the disk at the end of a session.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        connection.query_row("PRAGMA user_version", [], |row| row.get(0))
    };
    let version = patiently(prepare).map_err(|error| sqlite_error(path, &error))?;
    if version > SCHEMA_VERSION {
        return Err(StoreError::Newer {
            place: path.display().to_string(),
            found: version,
            known: SCHEMA_VERSION,
        });
    }
    if version < SCHEMA_VERSION {
        patiently(|| bring_up_to_date(&connection)).map_err(|error| sqlite_error(path, &error))?;
    }
    Ok(connection)
}

/// Two runners may open a new store at once: the one that gets the lock second finds the schema made.
fn bring_up_to_date(connection: &Connection) -> Result<(), rusqlite::Error> {
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if version < 1 {
        connection.execute_batch(SCHEMA)?;
    }
    if version < 2 {
        connection.execute_batch(REQUESTS)?;
    }
    connection.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    connection.execute_batch("COMMIT")
}

fn make_state_folder(state: &Path) -> Result<(), StoreError> {
    let fail = |error: std::io::Error| {
        if state.is_file() {
            let help = "move the file away, or set `[local] state` to a folder";
            return unusable(state, "it is a file, not a folder", Some(help));
        }
        let help = match error.kind() {
            std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => {
                Some("make the folder writable, or set `[local] state` to one that is")
            }
            _ => None,
        };
        unusable(state, &error.to_string(), help)
    };
    std::fs::create_dir_all(state).map_err(fail)?;
    let ignore = state.join(".gitignore");
    if !ignore.exists() {
        std::fs::write(ignore, "*\n").map_err(fail)?;
    }
    Ok(())
}

fn unusable(path: &Path, message: &str, help: Option<&str>) -> StoreError {
    StoreError::Unusable {
        place: path.display().to_string(),
        message: message.to_owned(),
        help: help.map(str::to_owned),
    }
}

fn sqlite_error(path: &Path, error: &rusqlite::Error) -> StoreError {
    let help = match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            "another process holds it locked: wait for it, or end it"
        }
        Some(ErrorCode::DiskFull) => "the disk is full: free some space; what was stored before is kept",
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
            "make the folder writable, or set `[local] state` to one that is"
        }
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
            "the file is damaged, or no bunsui store: move it away, and a new one is made"
        }
        Some(ErrorCode::SystemIoFailure) => "the file may have been deleted or its disk may have failed",
        _ => "keep a copy of the folder before you change anything in it",
    };
    unusable(path, &error.to_string(), Some(help))
}

#[cfg(test)]
mod tests;
