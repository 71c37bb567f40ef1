//! What passes is waited for: a lost network, credentials that have expired, a service that is down or throttled by others.
//!
//! Takes: the stores and the engine of a backend. Gives: the same, whose calls are made again until they answer; and to whoever
//! watches the session, a word when the waiting begins and when it is over.
//! Nothing is started while a call waits, for what is to be started is stored first. Each call may be made twice: a store knows its own
//! events again, and executions are known by their names.
//! Deliberately does not: wait for what does not pass, or for longer than it is told to.

use super::dispatcher::Executions;
use super::port::{
    ApiUse, Commit, Engine, EngineError, ExecutionEnd, HoldRecord, Leftovers, ObjectStore, Readable,
    Redrivable, SessionFilter, SessionStore, StartExecution, StoreError,
};
use crate::session::{JobRecord, RequestRecord, SessionEvent, SessionId, SessionRecord};
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Between two tries: at first and at last.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LAST_PAUSE: Duration = Duration::from_secs(10);

/// Told of the surroundings while a session is driven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Surroundings {
    /// Something cannot be reached or used, and is waited for.
    Waiting {
        /// What it says, in one line.
        error: String,
        /// Its code.
        code: Option<String>,
        /// What to do.
        help: Option<String>,
        /// How long it is waited for at most.
        limit: Duration,
    },
    /// It answers again.
    Back {
        /// After how long.
        after: Duration,
    },
}

/// Hears of the surroundings.
pub(super) type Notice = dyn Fn(Surroundings) + Send + Sync;

/// How long to wait, whom to tell, and what ends it.
pub struct Patience {
    limit: Duration,
    leave: CancellationToken,
    notice: Box<Notice>,
    waiting: Mutex<Waiting>,
}

/// Calls that wait.
#[derive(Debug, Default)]
struct Waiting {
    count: usize,
    /// Of the first of them.
    since: Option<Instant>,
    /// One of those that waited has been answered.
    is_answered: bool,
}

/// A failure that may pass.
trait MayPass {
    fn passes(&self) -> bool;
}

impl MayPass for StoreError {
    fn passes(&self) -> bool {
        matches!(self, Self::Outage(_))
    }
}

impl MayPass for EngineError {
    fn passes(&self) -> bool {
        matches!(self, Self::Outage(_))
    }
}

impl Patience {
    /// Waits for `limit` at most, and no longer once `leave` is cancelled.
    pub fn new(limit: Duration, leave: CancellationToken, notice: Box<Notice>) -> Arc<Self> {
        Arc::new(Self { limit, leave, notice, waiting: Mutex::default() })
    }

    /// A store of sessions that waits.
    pub fn sessions(self: &Arc<Self>, inner: Arc<dyn SessionStore>) -> Arc<dyn SessionStore> {
        Arc::new(Patient { inner, patience: self.clone() })
    }

    /// A store of objects that waits.
    pub fn objects(self: &Arc<Self>, inner: Arc<dyn ObjectStore>) -> Arc<dyn ObjectStore> {
        Arc::new(Patient { inner, patience: self.clone() })
    }

    /// An engine that waits.
    pub fn engine(self: &Arc<Self>, inner: Arc<dyn Engine>) -> Arc<dyn Engine> {
        Arc::new(Patient { inner, patience: self.clone() })
    }

    /// Makes a call until it answers, fails for what does not pass, or the patience is over.
    async fn call<T, E, F>(&self, mut make: impl FnMut() -> F) -> Result<T, E>
    where
        E: MayPass + miette::Diagnostic,
        F: Future<Output = Result<T, E>>,
    {
        let began = Instant::now();
        let mut pause = FIRST_PAUSE;
        let mut lost: Option<Lost<'_>> = None;
        loop {
            let answer = make().await;
            let error = match &answer {
                Err(error)
                    if error.passes() && began.elapsed() < self.limit && !self.leave.is_cancelled() =>
                {
                    error
                }
                _ => {
                    if let Some(lost) = &mut lost {
                        lost.is_answered = answer.as_ref().map_or_else(|error| !error.passes(), |_| true);
                    }
                    return answer;
                }
            };
            lost.get_or_insert_with(|| self.lost(error));
            tokio::select! {
                () = self.leave.cancelled() => {}
                () = tokio::time::sleep(pause) => pause = (pause * 2).min(LAST_PAUSE),
            }
        }
    }

    /// A call waits from now on. Says it once, however many do.
    fn lost(&self, error: &dyn miette::Diagnostic) -> Lost<'_> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.count += 1;
        if waiting.count == 1 {
            waiting.since = Some(Instant::now());
            (self.notice)(Surroundings::Waiting {
                error: error.to_string(),
                code: error.code().map(|code| code.to_string()),
                help: error.help().map(|help| help.to_string()),
                limit: self.limit,
            });
        }
        Lost { patience: self, is_answered: false }
    }
}

/// A call that waits: until it is answered, or nobody wants the answer any more.
struct Lost<'a> {
    patience: &'a Patience,
    is_answered: bool,
}

impl Drop for Lost<'_> {
    fn drop(&mut self) {
        let mut waiting = self.patience.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.count -= 1;
        waiting.is_answered |= self.is_answered;
        if waiting.count == 0
            && let Some(since) = waiting.since.take()
            && std::mem::take(&mut waiting.is_answered)
        {
            (self.patience.notice)(Surroundings::Back { after: since.elapsed() });
        }
    }
}

struct Patient<T: ?Sized> {
    patience: Arc<Patience>,
    inner: Arc<T>,
}

#[async_trait]
impl SessionStore for Patient<dyn SessionStore> {
    async fn append(&self, commit: Commit) -> Result<(), StoreError> {
        self.patience.call(|| self.inner.append(commit.clone())).await
    }

    async fn renew(&self, session: &SessionRecord) -> Result<(), StoreError> {
        self.patience.call(|| self.inner.renew(session)).await
    }

    async fn hold(&self, key: &str) -> Result<Option<HoldRecord>, StoreError> {
        self.patience.call(|| self.inner.hold(key)).await
    }

    async fn end_hold(&self, key: &str, hold: &HoldRecord) -> Result<(), StoreError> {
        self.patience.call(|| self.inner.end_hold(key, hold)).await
    }

    async fn delete(&self, id: &SessionId, last_event: u64) -> Result<(), StoreError> {
        self.patience.call(|| self.inner.delete(id, last_event)).await
    }

    async fn put_request(&self, id: &SessionId, request: &RequestRecord) -> Result<(), StoreError> {
        // Not made again: the same request twice is two.
        self.inner.put_request(id, request).await
    }

    async fn requests(&self, id: &SessionId, after: u64) -> Result<Vec<(u64, RequestRecord)>, StoreError> {
        self.patience.call(|| self.inner.requests(id, after)).await
    }

    async fn last_event(&self, id: &SessionId) -> Result<u64, StoreError> {
        self.patience.call(|| self.inner.last_event(id)).await
    }

    async fn session(&self, id: &SessionId) -> Result<Option<SessionRecord>, StoreError> {
        self.patience.call(|| self.inner.session(id)).await
    }

    async fn readable_sessions(&self, filter: &SessionFilter) -> Result<Readable, StoreError> {
        self.patience.call(|| self.inner.readable_sessions(filter)).await
    }

    async fn jobs(&self, id: &SessionId) -> Result<Vec<JobRecord>, StoreError> {
        self.patience.call(|| self.inner.jobs(id)).await
    }

    async fn events(
        &self,
        id: &SessionId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<SessionEvent>, StoreError> {
        self.patience.call(|| self.inner.events(id, after, limit)).await
    }
}

#[async_trait]
impl ObjectStore for Patient<dyn ObjectStore> {
    async fn put(&self, key: &str, bytes: Vec<u8>) -> Result<(), StoreError> {
        self.patience.call(|| self.inner.put(key, bytes.clone())).await
    }

    async fn put_new(&self, key: &str, bytes: Vec<u8>) -> Result<bool, StoreError> {
        self.patience.call(|| self.inner.put_new(key, bytes.clone())).await
    }

    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.patience.call(|| self.inner.get(key)).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        self.patience.call(|| self.inner.list(prefix)).await
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.patience.call(|| self.inner.delete(key)).await
    }
}

#[async_trait]
impl Engine for Patient<dyn Engine> {
    async fn start(&self, start: StartExecution) -> Result<(), EngineError> {
        self.patience.call(|| self.inner.start(start.clone())).await
    }

    async fn take_up(&self, start: StartExecution) -> Result<bool, EngineError> {
        self.patience.call(|| self.inner.take_up(start.clone())).await
    }

    async fn redrivable(&self, job: usize, execution: &str) -> Result<Redrivable, EngineError> {
        self.patience.call(|| self.inner.redrivable(job, execution)).await
    }

    async fn wait(&self, execution: &str) -> Result<ExecutionEnd, EngineError> {
        self.patience.call(|| self.inner.wait(execution)).await
    }

    async fn stop(&self, execution: &str) -> Result<Leftovers, EngineError> {
        self.patience.call(|| self.inner.stop(execution)).await
    }

    fn executions(&self) -> Executions {
        self.inner.executions()
    }

    async fn finish(&self) {
        self.inner.finish().await;
    }

    fn used(&self) -> BTreeMap<&'static str, ApiUse> {
        self.inner.used()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[derive(Debug, thiserror::Error, miette::Diagnostic)]
    #[error("no network")]
    #[diagnostic(code("test::gone"))]
    struct Gone;

    type Heard = Arc<Mutex<Vec<Surroundings>>>;

    fn patience(limit: u64, leave: &CancellationToken) -> (Arc<Patience>, Heard) {
        let heard = Heard::default();
        let ear = heard.clone();
        let notice = move |said| ear.lock().unwrap().push(said);
        (Patience::new(Duration::from_secs(limit), leave.clone(), Box::new(notice)), heard)
    }

    /// A call that fails so often before it answers.
    async fn calls(patience: &Patience, failures: u32) -> Result<u32, StoreError> {
        let made = AtomicU32::new(0);
        let call = || async {
            let made = made.fetch_add(1, Ordering::Relaxed) + 1;
            if made <= failures { Err(StoreError::Outage(Box::new(Gone))) } else { Ok(made) }
        };
        patience.call(call).await
    }

    #[tokio::test(start_paused = true)]
    async fn what_passes_is_waited_for_and_said_once() {
        let (patience, heard) = patience(900, &CancellationToken::new());
        let both = tokio::join!(calls(&patience, 4), calls(&patience, 4));
        assert_eq!((both.0.unwrap(), both.1.unwrap()), (5, 5));
        let heard = heard.lock().unwrap().clone();
        assert!(
            matches!(&heard[0], Surroundings::Waiting { error, code: Some(_), .. } if error == "no network")
        );
        assert!(matches!(heard[1], Surroundings::Back { after } if after.as_secs() == 15), "{heard:?}");
        assert_eq!(heard.len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_nobody_wants_any_more_is_not_waited_for() {
        let (patience, heard) = patience(900, &CancellationToken::new());
        let given_up = tokio::time::timeout(Duration::from_secs(1), calls(&patience, u32::MAX));
        assert!(tokio::join!(given_up, calls(&patience, 3)).0.is_err());
        assert!(matches!(heard.lock().unwrap()[1..], [Surroundings::Back { .. }]));
    }

    #[tokio::test(start_paused = true)]
    async fn patience_has_an_end() {
        let (patience, heard) = patience(60, &CancellationToken::new());
        let began = Instant::now();
        assert!(matches!(calls(&patience, u32::MAX).await, Err(StoreError::Outage(_))));
        assert!((60..75).contains(&began.elapsed().as_secs()));
        assert_eq!(heard.lock().unwrap().len(), 1, "nothing answers");
    }

    #[tokio::test(start_paused = true)]
    async fn who_leaves_does_not_wait() {
        let leave = CancellationToken::new();
        let (patience, _) = patience(900, &leave);
        let waiting = calls(&patience, u32::MAX);
        let leaving = async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            leave.cancel();
        };
        let (end, ()) = tokio::join!(waiting, leaving);
        assert!(matches!(end, Err(StoreError::Outage(_))));
    }

    #[tokio::test(start_paused = true)]
    async fn what_does_not_pass_is_not_waited_for() {
        let (patience, heard) = patience(900, &CancellationToken::new());
        let refused = || async { Err::<(), _>(StoreError::Fenced { session: "s".into(), number: 1 }) };
        assert!(matches!(patience.call(refused).await, Err(StoreError::Fenced { .. })));
        assert!(heard.lock().unwrap().is_empty());
    }
}
