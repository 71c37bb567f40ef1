//! Sessions in SQLite: WAL, synchronous=NORMAL. All that was committed survives the death of the process; a power cut may
//! take the last moments.

use crate::runner::LEASE;
use crate::runner::port::{Commit, HoldRecord, Readable, SessionFilter, SessionStore, StoreError};
use crate::session::{JobRecord, RequestRecord, SessionEvent, SessionId, SessionRecord};
use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, params};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The schema's version, kept as SQLite's `user_version`.
const SCHEMA_VERSION: i64 = 3;

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

/// Since version 3, as are events that older versions do not know. Times are milliseconds since 1970.
const HOLDS: &str = "
    CREATE TABLE holds (
        key        TEXT PRIMARY KEY,
        session_id TEXT NOT NULL,
        expires_at INTEGER NOT NULL
    ) WITHOUT ROWID;
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
    async fn append(&self, commit: Commit) -> Result<(), StoreError> {
        let Some(session_id) = commit.session_id.clone() else { return Ok(()) };
        if identity(&self.path) != self.identity {
            let help = "what was stored since it was opened is lost; the next `bunsui run` makes a new one";
            return Err(unusable(&self.path, "it was deleted or replaced while it was in use", Some(help)));
        }
        let refusal = self.call(|connection| append(connection, session_id.as_str(), &commit))?;
        refusal.map_or(Ok(()), |refusal| Err(refusal.of(&session_id)))
    }

    async fn renew(&self, session: &SessionRecord) -> Result<(), StoreError> {
        let refusal = self.call(|connection| renew(connection, session))?;
        refusal.map_or(Ok(()), |refusal| Err(refusal.of(&session.session_id)))
    }

    async fn hold(&self, key: &str) -> Result<Option<HoldRecord>, StoreError> {
        let row: Option<(String, i64)> = self.call(|connection| {
            connection
                .prepare_cached("SELECT session_id, expires_at FROM holds WHERE key = ?1")?
                .query_row([key], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()
        })?;
        let Some((session, expires_at)) = row else { return Ok(None) };
        let damaged = |message: String| StoreError::Damaged {
            place: self.path.display().to_string(),
            key: key.to_owned(),
            message,
        };
        Ok(Some(HoldRecord {
            session_id: SessionId::new(&session).map_err(|error| damaged(error.to_string()))?,
            expires_at: Timestamp::from_millisecond(expires_at)
                .map_err(|error| damaged(error.to_string()))?,
        }))
    }

    async fn end_hold(&self, key: &str, hold: &HoldRecord) -> Result<(), StoreError> {
        let HoldRecord { session_id, expires_at } = hold;
        self.call(|connection| {
            connection
                .prepare_cached("DELETE FROM holds WHERE key = ?1 AND session_id = ?2 AND expires_at = ?3")?
                .execute(params![key, session_id.as_str(), expires_at.as_millisecond()])
                .map(|_| ())
        })
    }

    async fn delete(&self, id: &SessionId, last_event: u64) -> Result<(), StoreError> {
        let refusal = self.call(|connection| delete(connection, id.as_str(), last_event))?;
        refusal.map_or(Ok(()), |refusal| Err(refusal.of(id)))
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
        self.call(|connection| last_event(connection, id.as_str()))
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

    async fn readable_sessions(&self, filter: &SessionFilter) -> Result<Readable, StoreError> {
        self.call(|connection| {
            let statuses: Vec<&str> = filter.statuses.iter().map(|status| status.name()).collect();
            let statuses = serde_json::to_string(&statuses).unwrap_or_default();
            // Fractions of seconds are written as they are needed: the time's own order is not that of its text.
            let second = |time: Timestamp| time.strftime("%Y-%m-%dT%H:%M:%S").to_string();
            let mut query = connection.prepare_cached(
                "SELECT session_id, record FROM sessions
                     WHERE (?1 IS NULL OR pipeline_id = ?1)
                       AND (?2 = '[]' OR status IN (SELECT value FROM json_each(?2)))
                       AND (?3 IS NULL OR instr(session_id, ?3) > 0)
                       AND (?4 IS NULL OR created_at >= ?4)
                       AND (?5 IS NULL OR created_at < ?5 || '~')
                     ORDER BY created_at DESC, session_id DESC",
            )?;
            let (since, before) = (filter.created_since.map(second), filter.created_before.map(second));
            let mut rows = query.query(params![filter.pipeline, statuses, filter.id_part, since, before])?;
            let mut found = Readable::default();
            while found.sessions.len() < filter.limit
                && let Some(row) = rows.next()?
            {
                // What is no text is no record either.
                let text = row.get_ref(1)?.as_str().unwrap_or_default();
                match self.read::<SessionRecord>(row.get_ref(0)?.as_str()?, text) {
                    Ok(session) if filter.wants(&session) => found.sessions.push(session),
                    Ok(_) => {}
                    Err(error) => found.damaged.push(error),
                }
            }
            Ok(found)
        })
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

/// Why a transaction ended with nothing stored.
enum Refusal {
    /// An event of this number is there.
    Taken(u64),
    /// The event before the first is not there.
    Gone,
    /// Another session holds the key.
    Held { key: String, session: String },
}

impl Refusal {
    fn of(self, session: &SessionId) -> StoreError {
        let id = session.to_string();
        match self {
            Self::Taken(number) => StoreError::Fenced { session: id, number },
            Self::Gone => StoreError::Gone { session: id },
            Self::Held { key, session } => StoreError::Held { key, session },
        }
    }
}

fn begin(connection: &mut Connection) -> Result<rusqlite::Transaction<'_>, rusqlite::Error> {
    connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)
}

/// Stores a commit in one transaction.
fn append(
    connection: &mut Connection,
    session_id: &str,
    commit: &Commit,
) -> Result<Option<Refusal>, rusqlite::Error> {
    let transaction = begin(connection)?;
    if let Some(first) = commit.events.first().filter(|first| first.number > 1)
        && !has_event(&transaction, session_id, first.number - 1)?
    {
        return Ok(Some(Refusal::Gone));
    }
    {
        let mut put_event = transaction.prepare_cached(
            "INSERT INTO events (session_id, number, event) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
        )?;
        for event in &commit.events {
            if put_event.execute(params![session_id, event.number as i64, json(event)])? == 0 {
                return Ok(Some(Refusal::Taken(event.number)));
            }
        }
        let mut put_job = transaction.prepare_cached(
            "INSERT OR REPLACE INTO jobs (session_id, job_key, record) VALUES (?1, ?2, ?3)",
        )?;
        for job in &commit.jobs {
            put_job.execute(params![session_id, job.job_key, json(job)])?;
        }
        let mut remove_job =
            transaction.prepare_cached("DELETE FROM jobs WHERE session_id = ?1 AND job_key = ?2")?;
        for job_key in &commit.removed_jobs {
            remove_job.execute(params![session_id, job_key])?;
        }
        if let Some(session) = &commit.session {
            if let Some(held) = hold(&transaction, session)? {
                return Ok(Some(held));
            }
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

fn has_event(connection: &Connection, session_id: &str, number: u64) -> Result<bool, rusqlite::Error> {
    connection
        .prepare_cached("SELECT 1 FROM events WHERE session_id = ?1 AND number = ?2")?
        .exists(params![session_id, number as i64])
}

fn last_event(connection: &Connection, session_id: &str) -> Result<u64, rusqlite::Error> {
    let last: Option<i64> = connection
        .prepare_cached("SELECT max(number) FROM events WHERE session_id = ?1")?
        .query_row([session_id], |row| row.get(0))?;
    Ok(last.unwrap_or_default() as u64)
}

/// Takes, renews or gives back the hold of a session's `exclusive` key.
fn hold(connection: &Connection, session: &SessionRecord) -> Result<Option<Refusal>, rusqlite::Error> {
    let Some(key) = &session.exclusive else { return Ok(None) };
    let id = session.session_id.as_str();
    let Some(lease) = &session.lease else {
        connection
            .prepare_cached("DELETE FROM holds WHERE key = ?1 AND session_id = ?2")?
            .execute(params![key, id])?;
        return Ok(None);
    };
    let renewed_at = lease.expires_at.as_millisecond() - LEASE.as_millis() as i64;
    let is_taken = connection
        .prepare_cached(
            "INSERT INTO holds (key, session_id, expires_at) VALUES (?1, ?2, ?3)
             ON CONFLICT (key) DO UPDATE SET session_id = ?2, expires_at = ?3
             WHERE session_id = ?2 OR expires_at <= ?4",
        )?
        .execute(params![key, id, lease.expires_at.as_millisecond(), renewed_at])?
        > 0;
    if is_taken {
        return Ok(None);
    }
    let session = connection
        .prepare_cached("SELECT session_id FROM holds WHERE key = ?1")?
        .query_row([key], |row| row.get(0))?;
    Ok(Some(Refusal::Held { key: key.clone(), session }))
}

/// Stores a session's record if the lease in it is the stored one.
fn renew(connection: &mut Connection, session: &SessionRecord) -> Result<Option<Refusal>, rusqlite::Error> {
    let id = session.session_id.as_str();
    let transaction = begin(connection)?;
    let stored: Option<Option<i64>> = transaction
        .prepare_cached("SELECT json_extract(record, '$.lease.event') FROM sessions WHERE session_id = ?1")?
        .query_row([id], |row| row.get(0))
        .optional()?;
    let Some(stored) = stored else { return Ok(Some(Refusal::Gone)) };
    if stored != session.lease.as_ref().map(|lease| lease.event as i64) {
        let last = last_event(&transaction, id)?;
        return Ok(Some(Refusal::Taken(stored.map_or(last, |event| event as u64))));
    }
    if let Some(held) = hold(&transaction, session)? {
        return Ok(Some(held));
    }
    transaction
        .prepare_cached("UPDATE sessions SET record = ?2 WHERE session_id = ?1")?
        .execute(params![id, json(session)])?;
    transaction.commit()?;
    Ok(None)
}

fn delete(
    connection: &mut Connection,
    session_id: &str,
    seen: u64,
) -> Result<Option<Refusal>, rusqlite::Error> {
    let transaction = begin(connection)?;
    let last = last_event(&transaction, session_id)?;
    if last > seen {
        return Ok(Some(Refusal::Taken(last)));
    }
    for table in ["sessions", "jobs", "events", "requests", "holds"] {
        transaction.execute(&format!("DELETE FROM {table} WHERE session_id = ?1"), [session_id])?;
    }
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
    if version < 3 {
        connection.execute_batch(HOLDS)?;
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
    super::make_state_folder(state).map_err(fail)
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
