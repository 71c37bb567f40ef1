//! What every backend's stores promise (see src/runner/port.rs), checked by the same functions against each of them.

use bunsui::runner::LEASE;
use bunsui::runner::port::{Commit, ObjectStore, SessionFilter, SessionStore, StoreError};
use bunsui::session::{
    EventKind, JobRecord, JobStatus, LeaseRecord, RequestKind, RequestRecord, RunnerRecord, SessionEvent,
    SessionId, SessionRecord, SessionStatus,
};
use jiff::Timestamp;
use std::sync::Arc;

/// Runs each check against a backend: `$stores` gives an empty session store and an empty object store.
macro_rules! conformance {
    ($backend:ident, $stores:expr) => {
        mod $backend {
            conformance!(@ $stores;
                what_was_stored_is_read_back,
                a_taken_number_refuses_the_whole_commit,
                of_many_who_put_one_number_one_does,
                a_lease_that_another_took_cannot_be_renewed,
                requests_are_read_in_order_and_once,
                lists_are_filtered_and_newest_first,
                a_key_is_held_by_one_session_at_a_time,
                a_hold_ends_with_its_lease_or_when_it_is_given_back,
                a_hold_that_was_seen_can_be_ended,
                a_deleted_session_is_gone_and_takes_nothing_any_more,
                a_session_in_which_something_happened_is_not_deleted,
                records_of_jobs_can_be_removed,
                many_jobs_and_events_are_kept_apart,
                objects_are_kept_by_key_and_replaced_whole,
                objects_are_deleted,
                of_many_who_put_a_new_object_one_does,
            );
        }
    };
    (@ $stores:expr; $($check:ident),* $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $check() {
                let (stores, _keep) = $stores;
                super::$check(stores).await;
            }
        )*
    };
}

conformance!(local, super::local());
#[cfg(feature = "aws")]
conformance!(aws, {
    let Some(stores) = crate::aws::stores().await else { return };
    stores
});

// A second opinion on what DynamoDB and S3 do.
#[cfg(feature = "aws")]
conformance!(moto, {
    let Some(stores) = crate::aws::stores_in_moto().await else { return };
    stores
});

/// Both stores of a backend.
pub(crate) struct Stores {
    pub(crate) sessions: Arc<dyn SessionStore>,
    pub(crate) objects: Arc<dyn ObjectStore>,
}

fn local() -> (Stores, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let store = bunsui::backend::local::SqliteStore::open(folder.path()).unwrap();
    let objects = bunsui::backend::local::FileObjects::new(folder.path().join("objects"));
    (Stores { sessions: Arc::new(store), objects: Arc::new(objects) }, folder)
}

const FIRST: &str = "20261122-091530-k3f9qa";
const SECOND: &str = "20261122-091531-k3f9qb";

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + second).unwrap()
}

fn session(id: &str) -> SessionRecord {
    let runner = RunnerRecord { host: "h".into(), pid: 1, user: "u".into(), bunsui: "0".into() };
    let pinned = ("etl".into(), "abc".into());
    SessionRecord {
        file: "etl.toml".into(),
        directory: "/x".into(),
        status: SessionStatus::Running,
        labels: [("team".to_owned(), "data".to_owned())].into_iter().collect(),
        jobs: 1,
        ..SessionRecord::new(SessionId::new(id).unwrap(), pinned, runner, at(0))
    }
}

/// Held from a second on, by an event.
fn lease(event: u64, from: i64) -> Option<LeaseRecord> {
    Some(LeaseRecord { event, taken_at: at(from), expires_at: at(from) + LEASE })
}

fn event(number: u64) -> SessionEvent {
    SessionEvent { number, at: at(number as i64), kind: EventKind::SessionStarted }
}

fn events(numbers: std::ops::RangeInclusive<u64>) -> Vec<SessionEvent> {
    numbers.map(event).collect()
}

/// A commit that changes the session's record.
fn commit(session: &SessionRecord, numbers: std::ops::RangeInclusive<u64>) -> Commit {
    Commit {
        session: Some(session.clone()),
        session_id: Some(session.session_id.clone()),
        events: events(numbers),
        ..Commit::default()
    }
}

async fn what_was_stored_is_read_back(Stores { sessions, .. }: Stores) {
    let session = session(FIRST);
    let id = &session.session_id;
    assert_eq!(sessions.session(id).await.unwrap(), None);
    assert_eq!(sessions.last_event(id).await.unwrap(), 0);
    sessions.create(&session, &events(1..=1)).await.unwrap();
    let job = JobRecord { status: JobStatus::Running, attempt: 1, ..JobRecord::pending("a") };
    let more = Commit { session: None, jobs: vec![job.clone()], ..commit(&session, 2..=3) };
    sessions.append(more).await.unwrap();
    assert_eq!(sessions.session(id).await.unwrap(), Some(session.clone()));
    assert_eq!(sessions.jobs(id).await.unwrap(), [job]);
    assert_eq!(sessions.events(id, 1, 10).await.unwrap(), events(2..=3));
    assert_eq!(sessions.events(id, 0, 2).await.unwrap(), events(1..=2));
    assert_eq!(sessions.last_event(id).await.unwrap(), 3);
}

async fn a_taken_number_refuses_the_whole_commit(Stores { sessions, .. }: Stores) {
    let mut session = session(FIRST);
    sessions.create(&session, &events(1..=2)).await.unwrap();
    let id = session.session_id.clone();
    let before = session.clone();
    session.status = SessionStatus::Failed;
    let late = Commit { jobs: vec![JobRecord::pending("a")], ..commit(&session, 2..=3) };
    let error = sessions.append(late).await.unwrap_err();
    assert!(matches!(error, StoreError::Fenced { number: 2, .. }), "{error}");
    assert_eq!(sessions.last_event(&id).await.unwrap(), 2);
    assert_eq!(sessions.jobs(&id).await.unwrap(), []);
    assert_eq!(sessions.session(&id).await.unwrap(), Some(before));
    // The same session cannot be created twice.
    let error = sessions.create(&session, &events(1..=2)).await.unwrap_err();
    assert!(matches!(error, StoreError::Fenced { number: 1, .. }), "{error}");
}

async fn of_many_who_put_one_number_one_does(Stores { sessions, .. }: Stores) {
    let session = session(FIRST);
    sessions.create(&session, &events(1..=1)).await.unwrap();
    let all: Vec<_> = (0..16)
        .map(|who| {
            let sessions = sessions.clone();
            let mine =
                Commit { jobs: vec![JobRecord::pending(&format!("of-{who}"))], ..commit(&session, 2..=3) };
            tokio::spawn(async move { sessions.append(mine).await.is_ok() })
        })
        .collect();
    let mut drove = 0;
    for one in all {
        drove += usize::from(one.await.unwrap());
    }
    assert_eq!(drove, 1);
    assert_eq!(sessions.jobs(&session.session_id).await.unwrap().len(), 1, "no write of a loser lands");
    assert_eq!(sessions.last_event(&session.session_id).await.unwrap(), 3);
}

async fn a_lease_that_another_took_cannot_be_renewed(Stores { sessions, .. }: Stores) {
    let mut session = session(FIRST);
    session.lease = lease(2, 0);
    sessions.create(&session, &events(1..=2)).await.unwrap();
    session.active_ms = 5;
    sessions.renew(&session).await.unwrap();
    let id = session.session_id.clone();
    assert_eq!(sessions.session(&id).await.unwrap().unwrap().active_ms, 5);
    let mut stale = session.clone();
    session.lease = lease(3, 40);
    sessions.append(commit(&session, 3..=3)).await.unwrap();
    stale.active_ms = 7;
    let error = sessions.renew(&stale).await.unwrap_err();
    assert!(matches!(error, StoreError::Fenced { .. }), "{error}");
    assert_eq!(sessions.session(&id).await.unwrap(), Some(session));
}

async fn requests_are_read_in_order_and_once(Stores { sessions, .. }: Stores) {
    let (id, other) = (SessionId::new(FIRST).unwrap(), SessionId::new(SECOND).unwrap());
    let request = |kind| {
        let until = (kind == RequestKind::Pause).then(|| at(90));
        RequestRecord { kind, by: "me".into(), reason: "why".into(), at: at(1), until }
    };
    sessions.put_request(&id, &request(RequestKind::Pause)).await.unwrap();
    sessions.put_request(&other, &request(RequestKind::Cancel)).await.unwrap();
    sessions.put_request(&id, &request(RequestKind::Resume)).await.unwrap();
    sessions.put_request(&id, &request(RequestKind::Cancel)).await.unwrap();
    let all = sessions.requests(&id, 0).await.unwrap();
    let read: Vec<RequestRecord> = all.iter().map(|(_, request)| request.clone()).collect();
    assert_eq!(read, [RequestKind::Pause, RequestKind::Resume, RequestKind::Cancel].map(request));
    assert_eq!(sessions.requests(&id, all[0].0).await.unwrap().len(), 2);
    assert_eq!(sessions.requests(&id, all[2].0).await.unwrap(), []);
}

async fn lists_are_filtered_and_newest_first(Stores { sessions, .. }: Stores) {
    let ids = ["20260921-141320-aaaaaa", "20260921-141321-bbbbbb", "20260921-141322-cccccc"];
    for (second, id) in ids.into_iter().enumerate() {
        let mut session = session(id);
        session.created_at = at(second as i64);
        session.status = if second == 1 { SessionStatus::Failed } else { SessionStatus::Succeeded };
        if second == 2 {
            session.pipeline_id = "other".into();
        }
        session.labels.insert("n".into(), second.to_string());
        session.parameters.insert("year".into(), (2015 + second).into());
        session.parameters.insert("text".into(), second.to_string().into());
        session.secrets.push("token".into());
        sessions.create(&session, &events(1..=1)).await.unwrap();
    }
    let found = async |filter: SessionFilter| -> Vec<String> {
        let found = sessions.sessions(&filter).await.unwrap();
        found.iter().map(|session| session.session_id.as_str()[16..].to_owned()).collect()
    };
    let all = SessionFilter { limit: usize::MAX, ..SessionFilter::default() };
    assert_eq!(found(all.clone()).await, ["cccccc", "bbbbbb", "aaaaaa"]);
    assert_eq!(found(SessionFilter { limit: 1, ..all.clone() }).await, ["cccccc"]);
    let failed = SessionFilter { statuses: vec![SessionStatus::Failed], ..all.clone() };
    assert_eq!(found(failed).await, ["bbbbbb"]);
    assert_eq!(found(SessionFilter { id_part: Some("320-a".into()), ..all.clone() }).await, ["aaaaaa"]);
    assert_eq!(
        found(SessionFilter { pipeline: Some("etl".into()), ..all.clone() }).await,
        ["bbbbbb", "aaaaaa"]
    );
    assert_eq!(found(SessionFilter { created_before: Some(at(1)), ..all.clone() }).await, ["aaaaaa"]);
    for pipeline in [None, Some("etl".to_owned())] {
        let of = SessionFilter { pipeline, ..all.clone() };
        let since = SessionFilter { created_since: Some(at(1)), created_before: Some(at(2)), ..of.clone() };
        assert_eq!(found(since).await, ["bbbbbb"]);
        // Between two seconds.
        let half = at(1) + jiff::SignedDuration::from_millis(500);
        assert_eq!(
            found(SessionFilter { created_before: Some(half), ..of.clone() }).await,
            ["bbbbbb", "aaaaaa"]
        );
        assert!(found(SessionFilter { created_since: Some(at(3)), ..of }).await.is_empty());
    }
    let pair = |key: &str, value: &str| vec![(key.to_owned(), value.to_owned())];
    let with = |parameters| SessionFilter { parameters, ..all.clone() };
    assert_eq!(found(with(pair("year", "2016"))).await, ["bbbbbb"]);
    assert_eq!(found(with(pair("text", "2"))).await, ["cccccc"]);
    assert!(found(with([pair("year", "2016"), pair("text", "2")].concat())).await.is_empty());
    assert!(found(with(pair("token", "hunter22"))).await.is_empty());
    assert_eq!(found(SessionFilter { labels: pair("n", "0"), ..all.clone() }).await, ["aaaaaa"]);
    assert!(found(SessionFilter { labels: pair("n", "3"), ..all.clone() }).await.is_empty());
    assert_eq!(
        found(SessionFilter { limit: 1, labels: pair("team", "data"), ..all.clone() }).await,
        ["cccccc"]
    );
    assert!(found(SessionFilter { pipeline: Some("none".into()), ..all }).await.is_empty());
}

fn exclusive(id: &str, from: i64) -> SessionRecord {
    SessionRecord { exclusive: Some("etl/2015".into()), lease: lease(2, from), ..session(id) }
}

#[track_caller]
fn assert_held_by(error: StoreError, id: &str) {
    match error {
        StoreError::Held { key, session } => assert_eq!((key.as_str(), session.as_str()), ("etl/2015", id)),
        other => panic!("{other}"),
    }
}

async fn a_key_is_held_by_one_session_at_a_time(Stores { sessions, .. }: Stores) {
    let first = exclusive(FIRST, 0);
    sessions.create(&first, &events(1..=2)).await.unwrap();
    let second = exclusive(SECOND, 10);
    assert_held_by(sessions.create(&second, &events(1..=2)).await.unwrap_err(), FIRST);
    assert_eq!(sessions.session(&second.session_id).await.unwrap(), None, "nothing of it is stored");
    assert_eq!(sessions.last_event(&second.session_id).await.unwrap(), 0);
    // Another key is another matter.
    let other = SessionRecord { exclusive: Some("etl/2016".into()), ..exclusive(SECOND, 10) };
    sessions.create(&other, &events(1..=2)).await.unwrap();
}

async fn a_hold_ends_with_its_lease_or_when_it_is_given_back(Stores { sessions, .. }: Stores) {
    let mut first = exclusive(FIRST, 0);
    sessions.create(&first, &events(1..=2)).await.unwrap();
    // Renewed at 20, it holds until 50.
    first.lease = lease(2, 20);
    sessions.renew(&first).await.unwrap();
    assert_held_by(sessions.create(&exclusive(SECOND, 40), &events(1..=2)).await.unwrap_err(), FIRST);
    let second = exclusive(SECOND, 50);
    sessions.create(&second, &events(1..=2)).await.unwrap();
    // The first has slept meanwhile: it is told, and stores nothing.
    first.lease = lease(2, 55);
    assert_held_by(sessions.renew(&first).await.unwrap_err(), SECOND);
    assert_held_by(sessions.append(commit(&first, 3..=3)).await.unwrap_err(), SECOND);
    assert_eq!(sessions.last_event(&first.session_id).await.unwrap(), 2);
    // A session that ends gives it back.
    let ended = SessionRecord { lease: None, status: SessionStatus::Succeeded, ..second };
    sessions.append(commit(&ended, 3..=3)).await.unwrap();
    assert_eq!(sessions.hold("etl/2015").await.unwrap(), None);
    first.lease = lease(3, 60);
    sessions.append(commit(&first, 3..=3)).await.unwrap();
    assert_eq!(sessions.hold("etl/2015").await.unwrap().unwrap().session_id.as_str(), FIRST);
}

async fn a_hold_that_was_seen_can_be_ended(Stores { sessions, .. }: Stores) {
    let mut first = exclusive(FIRST, 0);
    sessions.create(&first, &events(1..=2)).await.unwrap();
    let seen = sessions.hold("etl/2015").await.unwrap().unwrap();
    assert_eq!((seen.session_id.as_str(), seen.expires_at), (FIRST, at(0) + LEASE));
    first.lease = lease(2, 10);
    sessions.renew(&first).await.unwrap();
    // It was renewed since: its runner lives.
    sessions.end_hold("etl/2015", &seen).await.unwrap();
    let seen = sessions.hold("etl/2015").await.unwrap().unwrap();
    sessions.end_hold("etl/2015", &seen).await.unwrap();
    assert_eq!(sessions.hold("etl/2015").await.unwrap(), None);
    sessions.create(&exclusive(SECOND, 12), &events(1..=2)).await.unwrap();
}

async fn a_deleted_session_is_gone_and_takes_nothing_any_more(Stores { sessions, .. }: Stores) {
    let session = exclusive(FIRST, 0);
    let id = session.session_id.clone();
    let first = Commit { jobs: vec![JobRecord::pending("a")], ..commit(&session, 1..=3) };
    sessions.append(first).await.unwrap();
    let request = RequestRecord {
        kind: RequestKind::Pause,
        by: "me".into(),
        reason: String::new(),
        at: at(1),
        until: None,
    };
    sessions.put_request(&id, &request).await.unwrap();
    sessions.delete(&id, 3).await.unwrap();
    assert_eq!(sessions.session(&id).await.unwrap(), None);
    assert_eq!(sessions.jobs(&id).await.unwrap(), []);
    assert_eq!(sessions.events(&id, 0, 9).await.unwrap(), []);
    assert_eq!(sessions.requests(&id, 0).await.unwrap(), []);
    assert_eq!(sessions.hold("etl/2015").await.unwrap(), None);
    // A runner that slept through all of it.
    let error = sessions.append(commit(&session, 4..=4)).await.unwrap_err();
    assert!(matches!(error, StoreError::Gone { .. }), "{error}");
    let error = sessions.renew(&session).await.unwrap_err();
    assert!(matches!(error, StoreError::Gone { .. } | StoreError::Fenced { .. }), "{error}");
    assert_eq!(sessions.session(&id).await.unwrap(), None);
    // Once more is once.
    sessions.delete(&id, 3).await.unwrap();
}

async fn a_session_in_which_something_happened_is_not_deleted(Stores { sessions, .. }: Stores) {
    let session = session(FIRST);
    sessions.create(&session, &events(1..=3)).await.unwrap();
    let error = sessions.delete(&session.session_id, 2).await.unwrap_err();
    assert!(matches!(error, StoreError::Fenced { .. }), "{error}");
    assert_eq!(sessions.last_event(&session.session_id).await.unwrap(), 3);
}

async fn records_of_jobs_can_be_removed(Stores { sessions, .. }: Stores) {
    let session = session(FIRST);
    let jobs = ["a", "b"].map(JobRecord::pending).to_vec();
    sessions.append(Commit { jobs, ..commit(&session, 1..=1) }).await.unwrap();
    let removed_jobs = vec!["a".to_owned(), "never-there".to_owned()];
    sessions.append(Commit { removed_jobs, ..commit(&session, 2..=2) }).await.unwrap();
    let left = sessions.jobs(&session.session_id).await.unwrap();
    assert_eq!(left, [JobRecord::pending("b")]);
}

async fn many_jobs_and_events_are_kept_apart(Stores { sessions, .. }: Stores) {
    let (first, second) = (session(FIRST), session(SECOND));
    sessions.create(&first, &events(1..=1)).await.unwrap();
    sessions.create(&second, &events(1..=1)).await.unwrap();
    for chunk in 0..60_u64 {
        let jobs = (0..40).map(|job| JobRecord::pending(&format!("job-{chunk}-{job}"))).collect();
        let number = chunk + 2;
        sessions.append(Commit { session: None, jobs, ..commit(&first, number..=number) }).await.unwrap();
    }
    assert_eq!(sessions.jobs(&first.session_id).await.unwrap().len(), 2400);
    assert_eq!(sessions.jobs(&second.session_id).await.unwrap(), []);
    assert_eq!(sessions.last_event(&first.session_id).await.unwrap(), 61);
    assert_eq!(sessions.last_event(&second.session_id).await.unwrap(), 1);
}

async fn objects_are_kept_by_key_and_replaced_whole(Stores { objects, .. }: Stores) {
    assert_eq!(objects.list("logs/").await.unwrap(), [""; 0]);
    objects.put("logs/b", b"2".to_vec()).await.unwrap();
    objects.put("logs/a/c", b"1".to_vec()).await.unwrap();
    objects.put("logs/b", b"3".to_vec()).await.unwrap();
    objects.put("outputs/x", vec![7; 1 << 20]).await.unwrap();
    assert_eq!(objects.get("logs/b").await.unwrap(), Some(b"3".to_vec()));
    assert_eq!(objects.get("outputs/x").await.unwrap(), Some(vec![7; 1 << 20]));
    assert_eq!(objects.get("logs/x").await.unwrap(), None);
    assert_eq!(objects.list("logs/").await.unwrap(), ["logs/a/c", "logs/b"]);
    assert_eq!(objects.list("logs/a").await.unwrap(), ["logs/a/c"]);
}

async fn objects_are_deleted(Stores { objects, .. }: Stores) {
    objects.put("outputs/s/a", b"1".to_vec()).await.unwrap();
    objects.put("outputs/t/a", b"1".to_vec()).await.unwrap();
    objects.delete("outputs/s/a").await.unwrap();
    objects.delete("outputs/s/a").await.unwrap();
    assert_eq!(objects.get("outputs/s/a").await.unwrap(), None);
    assert_eq!(objects.list("").await.unwrap(), ["outputs/t/a"]);
}

async fn of_many_who_put_a_new_object_one_does(stores: Stores) {
    let tries = (0..8_u8).map(|number| {
        let objects = stores.objects.clone();
        tokio::spawn(async move { objects.put_new("new/object", vec![number]).await.unwrap() })
    });
    let done: Vec<bool> =
        futures::future::join_all(tries).await.into_iter().map(|done| done.unwrap()).collect();
    assert_eq!(done.iter().filter(|done| **done).count(), 1, "{done:?}");
    let winner = done.iter().position(|done| *done).unwrap();
    assert_eq!(stores.objects.get("new/object").await.unwrap(), Some(vec![winner as u8]));
    assert!(!stores.objects.put_new("new/object", b"again".to_vec()).await.unwrap());
}
