use super::*;
use crate::session::{EventKind, JobStatus, LeaseRecord, RequestKind, RunnerRecord, SessionStatus};
use indexmap::IndexMap;
use jiff::Timestamp;

fn session(id: &str) -> SessionRecord {
    SessionRecord {
        record_version: 1,
        session_id: SessionId::new(id).unwrap(),
        pipeline_id: "etl".into(),
        version: "abc".into(),
        file: "etl.toml".into(),
        directory: "/x".into(),
        status: SessionStatus::Created,
        created_at: Timestamp::UNIX_EPOCH,
        started_at: None,
        ended_at: None,
        labels: IndexMap::new(),
        parameters: serde_json::Map::new(),
        given: Vec::new(),
        secrets: Vec::new(),
        runner: RunnerRecord { host: "h".into(), pid: 1, user: "u".into(), bunsui: "0".into() },
        lease: None,
        active_ms: 0,
        jobs: 1,
        created_by: None,
        git: None,
        plugins: Vec::new(),
        slice: None,
        exclusive: None,
        pause: None,
        retries: 0,
        retrying: None,
    }
}

fn event(number: u64) -> SessionEvent {
    SessionEvent { number, at: Timestamp::UNIX_EPOCH, kind: EventKind::SessionStarted }
}

#[tokio::test]
async fn what_was_stored_is_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path()).unwrap();
    let session = session("20261122-091530-k3f9qa");
    store.create(&session, &[event(1)]).await.unwrap();
    let mut job = JobRecord::pending("a");
    job.status = JobStatus::Running;
    let commit = Commit {
        session_id: Some(session.session_id.clone()),
        events: vec![event(2), event(3)],
        jobs: vec![job.clone()],
        ..Commit::default()
    };
    store.append(commit).await.unwrap();
    let again = SqliteStore::open_existing(folder.path()).unwrap().unwrap();
    assert_eq!(again.session(&session.session_id).await.unwrap(), Some(session.clone()));
    assert_eq!(again.jobs(&session.session_id).await.unwrap(), [job]);
    assert_eq!(again.events(&session.session_id, 1, 10).await.unwrap(), [event(2), event(3)]);
}

#[tokio::test]
async fn a_taken_number_refuses_the_whole_commit() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path()).unwrap();
    let session = session("20261122-091530-k3f9qa");
    store.create(&session, &[event(1), event(2)]).await.unwrap();
    let commit = Commit {
        session_id: Some(session.session_id.clone()),
        events: vec![event(2), event(3)],
        jobs: vec![JobRecord::pending("a")],
        ..Commit::default()
    };
    let error = store.append(commit).await.unwrap_err();
    assert!(matches!(error, StoreError::Fenced { number: 2, .. }), "{error}");
    assert_eq!(store.events(&session.session_id, 0, 10).await.unwrap().len(), 2);
    assert_eq!(store.jobs(&session.session_id).await.unwrap(), []);
}

#[tokio::test]
async fn a_lease_that_another_took_cannot_be_renewed() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path()).unwrap();
    let lease = |event| {
        Some(LeaseRecord { event, taken_at: Timestamp::UNIX_EPOCH, expires_at: Timestamp::UNIX_EPOCH })
    };
    let mut session = session("20261122-091530-k3f9qa");
    session.lease = lease(2);
    store.create(&session, &[event(1), event(2)]).await.unwrap();
    session.active_ms = 5;
    store.renew(&session).await.unwrap();
    assert_eq!(store.session(&session.session_id).await.unwrap().unwrap().active_ms, 5);
    let mut stale = session.clone();
    session.lease = lease(3);
    let commit = Commit {
        session: Some(session.clone()),
        session_id: Some(session.session_id.clone()),
        events: vec![event(3)],
        ..Commit::default()
    };
    store.append(commit).await.unwrap();
    stale.active_ms = 7;
    assert!(matches!(store.renew(&stale).await.unwrap_err(), StoreError::Fenced { .. }));
    assert_eq!(store.session(&session.session_id).await.unwrap(), Some(session));
}

#[tokio::test]
async fn requests_are_read_in_order_and_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path()).unwrap();
    let id = SessionId::new("20261122-091530-k3f9qa").unwrap();
    let other = SessionId::new("20261122-091530-k3f9qb").unwrap();
    let request = |kind| RequestRecord {
        kind,
        by: "me".into(),
        reason: "why".into(),
        at: Timestamp::UNIX_EPOCH,
        until: None,
    };
    store.put_request(&id, &request(RequestKind::Pause)).await.unwrap();
    store.put_request(&other, &request(RequestKind::Cancel)).await.unwrap();
    store.put_request(&id, &request(RequestKind::Cancel)).await.unwrap();
    let all = store.requests(&id, 0).await.unwrap();
    let kinds: Vec<RequestKind> = all.iter().map(|(_, request)| request.kind).collect();
    assert_eq!(kinds, [RequestKind::Pause, RequestKind::Cancel]);
    assert_eq!(store.requests(&id, all[0].0).await.unwrap().len(), 1);
    assert_eq!(store.requests(&id, all[1].0).await.unwrap(), []);
}

#[tokio::test]
async fn lists_are_filtered_and_newest_first() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path()).unwrap();
    for (second, id) in
        ["20261122-091530-aaaaaa", "20261122-091531-bbbbbb", "20261122-091532-cccccc"].into_iter().enumerate()
    {
        let mut session = session(id);
        session.created_at = Timestamp::from_second(second as i64).unwrap();
        session.status = if second == 1 { SessionStatus::Failed } else { SessionStatus::Succeeded };
        store.create(&session, &[]).await.unwrap();
    }
    let ids = async |filter: SessionFilter| -> Vec<String> {
        let sessions = store.sessions(&filter).await.unwrap();
        sessions.iter().map(|session| session.session_id.as_str()[16..].to_owned()).collect()
    };
    let all = SessionFilter { limit: 10, ..SessionFilter::default() };
    assert_eq!(ids(all.clone()).await, ["cccccc", "bbbbbb", "aaaaaa"]);
    assert_eq!(ids(SessionFilter { limit: 1, ..all.clone() }).await, ["cccccc"]);
    let failed = SessionFilter { statuses: vec![SessionStatus::Failed], ..all.clone() };
    assert_eq!(ids(failed).await, ["bbbbbb"]);
    assert_eq!(ids(SessionFilter { id_part: Some("530-a".into()), ..all.clone() }).await, ["aaaaaa"]);
    assert!(ids(SessionFilter { pipeline: Some("other".into()), ..all }).await.is_empty());
}

#[test]
fn a_file_that_is_no_store_is_refused_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bunsui.db");
    std::fs::write(
        &path,
        "this is not a database, and it is long enough to have a header of its own".repeat(30),
    )
    .unwrap();
    let before = std::fs::read(&path).unwrap();
    let error = SqliteStore::open(folder.path()).unwrap_err();
    assert!(matches!(error, StoreError::Unusable { .. }), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn a_newer_store_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    drop(SqliteStore::open(folder.path()).unwrap());
    let connection = Connection::open(folder.path().join("bunsui.db")).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    let error = SqliteStore::open(folder.path()).unwrap_err();
    assert!(matches!(error, StoreError::Newer { found: 99, .. }), "{error}");
}
