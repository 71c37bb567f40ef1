//! Watches executions with as few calls as there can be: each is looked at when it is likely to have ended, and more often while
//! the account's quotas have room.
//!
//! Takes: executions that run, what is known of how long such ones take, and hints that one has ended. Gives: how each ended.
//! Two APIs tell of an end, with a quota each: DescribeExecution, and the last event that GetExecutionHistory gives.
//! Deliberately does not: start, stop or explain anything, or fail for what passes by itself.

use super::durations::{Durations, Model};
use super::error::{AwsError, Call, classify};
use super::events::{Events, Hint, hear};
use super::hearing::{Hearing, Whose};
use super::limiter::Limiter;
use super::seen::Seen;
use aws_sdk_sfn::config::retry::RetryConfig;
use aws_sdk_sfn::types::ExecutionStatus;
use jiff::Timestamp;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::{Notify, oneshot};
use tokio::task::AbortHandle;
use tokio::time::Instant;

/// Between two choices of what to look at.
const TICK: Duration = Duration::from_millis(100);
/// Between two looks at one execution, at least, in seconds.
const SHORTEST_SILENCE: f64 = 0.3;
/// How likely an end must be for a look: with full buckets, and with empty ones.
const LIKELY: (f64, f64) = (0.35, 0.9);
/// The longest that nobody looks while there is room. Where nothing is known of its duration, as seconds and as a share of its age;
/// else as a share of that duration, and at least and at most in seconds: it may end long before.
const SILENCE_UNKNOWN: (f64, f64) = (0.7, 0.08);
const SILENCE_KNOWN: (f64, f64, f64) = (0.55, 3.0, 600.0);
/// The same while there is no room: so many times as long as it takes to look at each once.
const TURNS: f64 = 3.0;
/// Where events tell of ends: how likely one must be for a look all the same; how many times as long nobody looks, and so many seconds
/// at most unless it were as long anyway: an event may be lost.
const SURE: f64 = 0.97;
const STRETCH: (f64, f64) = (10.0, 900.0);
/// An event comes before its end is described, now and then: so many looks, each after twice as long, until it counts for nothing.
const LOOKS_FOR_EVENT: i32 = 6;
/// Of executions of one kind, of which none was seen to end yet, so many are looked at: they tell of the others.
const SCOUTS: usize = 8;
/// A look finds no execution so long after its start: it is seen late. After that it is gone.
const SEEN_LATE: f64 = 20.0;
/// An answer of the network's or of credentials that have expired: the next look at anything comes so much later, in seconds.
const TROUBLE_PAUSE: f64 = 2.0;
/// Step Functions ends what is over its timeout a moment later.
const TIMEOUT_MARGIN: f64 = 1.0;

const DESCRIBE: &str = "DescribeExecution";
const HISTORY: &str = "GetExecutionHistory";

/// An execution to be watched.
#[derive(Debug, Clone)]
pub(super) struct Watch {
    pub(super) arn: String,
    pub(super) job: String,
    /// Jobs of one kind take about as long.
    pub(super) kind: String,
    /// By AWS's clock.
    pub(super) started_at: Timestamp,
    /// How old it is now.
    pub(super) age: Duration,
    pub(super) timeout: Option<Duration>,
    /// How often it was redriven: an end that it had before is none.
    pub(super) redrives: u32,
}

/// Looks at executions as long as somebody waits for one.
#[derive(Debug)]
pub(super) struct Watcher {
    client: aws_sdk_sfn::Client,
    limiter: Limiter,
    /// How much faster than a real clock ages grow; 1 but for benchmarks.
    speed: f64,
    watched: Mutex<HashMap<String, Watched>>,
    durations: Mutex<Durations>,
    /// Nothing is looked at before.
    paused_until: Mutex<Option<Instant>>,
    more: Notify,
    /// None: no events are heard.
    hearing: Option<Mutex<Hearing>>,
    /// Something is to be heard of.
    to_hear: Arc<Notify>,
    /// Hears.
    ear: OnceLock<AbortHandle>,
}

/// Why an execution is looked at before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    Not,
    /// It was asked to end.
    Stopped,
    /// An event says that it ended; it was seen to run so often since.
    Heard(i32),
}

#[derive(Debug)]
struct Watched {
    watch: Watch,
    since: Instant,
    /// Its age when it was last seen to run, in seconds.
    looked: f64,
    is_being_looked_at: bool,
    expected: Expected,
    waiter: oneshot::Sender<Result<Seen, AwsError>>,
}

impl Watched {
    /// Seconds from its start to now.
    fn age(&self, now: Instant, speed: f64) -> f64 {
        self.watch.age.as_secs_f64() + now.duration_since(self.since).as_secs_f64() * speed
    }

    /// Whether its end is expected after so many seconds without a look.
    fn is_expected(&self, silence: f64) -> bool {
        match self.expected {
            Expected::Not => false,
            Expected::Stopped => true,
            Expected::Heard(looks) => silence >= SHORTEST_SILENCE * 2_f64.powi(looks),
        }
    }

    /// Unless it tells of the end that it had before it was redriven.
    fn hear(&mut self, hint: &Hint) {
        let Watch { started_at, redrives, .. } = self.watch;
        if !hint.is_of_before(started_at, redrives) && self.expected != Expected::Stopped {
            self.expected = Expected::Heard(0);
        }
    }
}

impl Watcher {
    pub(super) fn new(
        client: aws_sdk_sfn::Client,
        limiter: Limiter,
        durations: Durations,
        speed: f64,
        events: Option<Events>,
    ) -> Arc<Self> {
        // Whether another call is worth it is decided here.
        let config = client.config().to_builder().retry_config(RetryConfig::disabled());
        let watcher = Arc::new(Self {
            client: aws_sdk_sfn::Client::from_conf(config.build()),
            limiter,
            speed,
            watched: Mutex::default(),
            durations: Mutex::new(durations),
            paused_until: Mutex::default(),
            more: Notify::new(),
            hearing: events.is_some().then(Mutex::default),
            to_hear: Arc::default(),
            ear: OnceLock::new(),
        });
        tokio::spawn(run(Arc::downgrade(&watcher)));
        if let Some(events) = events {
            let ear = tokio::spawn(hear(events, Arc::downgrade(&watcher), watcher.to_hear.clone()));
            let _ = watcher.ear.set(ear.abort_handle());
        }
        watcher
    }

    /// Waits for the end of an execution.
    pub(super) async fn end_of(&self, watch: Watch) -> Result<Seen, AwsError> {
        let (waiter, end) = oneshot::channel();
        let arn = watch.arn.clone();
        let mut watched = Watched {
            looked: watch.age.as_secs_f64(),
            watch,
            since: Instant::now(),
            is_being_looked_at: false,
            expected: Expected::Not,
            waiter,
        };
        {
            // Until both know it: an event of it may come now.
            let mut all = lock(&self.watched);
            if let Some(hearing) = &self.hearing {
                lock(hearing).begins(&arn).into_iter().for_each(|hint| watched.hear(hint));
            }
            all.insert(arn.clone(), watched);
        }
        self.to_hear.notify_one();
        self.more.notify_one();
        end.await.unwrap_or_else(|_| {
            let call = Call::new("states", DESCRIBE, format!("execution `{arn}`"));
            Err(AwsError::Unreachable { action: call.action(), message: "nobody watches any more".into() })
        })
    }

    /// An execution was asked to end: it is looked at soon.
    pub(super) fn expect_end(&self, arn: &str) {
        if let Some(watched) = lock(&self.watched).get_mut(arn) {
            watched.expected = Expected::Stopped;
        }
    }

    /// An event tells of an end: if it is of what is watched here, it is looked at soon.
    pub(super) fn heard(&self, hint: Hint) -> Whose {
        let Some(hearing) = &self.hearing else { return Whose::Others };
        let mut all = lock(&self.watched);
        let watched = all.get_mut(&hint.execution);
        let is_watched = watched.is_some();
        watched.into_iter().for_each(|watched| watched.hear(&hint));
        lock(hearing).hears(hint, is_watched, Instant::now())
    }

    /// Events cannot be heard for now.
    pub(super) fn deaf(&self) {
        self.hearing.iter().for_each(|hearing| lock(hearing).is_deaf());
    }

    /// Whether anything is watched.
    pub(super) fn is_watching(&self) -> bool {
        !lock(&self.watched).is_empty()
    }

    /// What was learned of durations, with what was known before.
    pub(super) fn durations(&self) -> Durations {
        lock(&self.durations).clone()
    }

    /// Chooses what is looked at now, and by which call.
    fn choose(&self, now: Instant) -> Vec<(String, &'static str)> {
        if lock(&self.paused_until).is_some_and(|until| now < until) {
            return Vec::new();
        }
        let mut watched = lock(&self.watched);
        watched.retain(|_, watched| !watched.waiter.is_closed());
        let candidates = self.candidates(&watched, now);
        let mut chosen = Vec::new();
        for (_, arn) in candidates {
            let Some(one) = watched.get_mut(&arn) else { continue };
            // The last event of a history does not say of which redrive it is.
            let apis: &[_] = if one.watch.redrives > 0 { &[DESCRIBE] } else { &[DESCRIBE, HISTORY] };
            let Some(api) = self.spare_call(apis, now) else { break };
            one.is_being_looked_at = true;
            chosen.push((arn, api));
        }
        chosen
    }

    /// What is worth a look, the likeliest end first.
    fn candidates(&self, watched: &HashMap<String, Watched>, now: Instant) -> Vec<(f64, String)> {
        let room = self.limiter.fullness(DESCRIBE, now).max(self.limiter.fullness(HISTORY, now));
        let events_tell = self.hearing.as_ref().is_some_and(|hearing| lock(hearing).is_relied_on(now));
        let likely = if events_tell { SURE } else { LIKELY.1 + (LIKELY.0 - LIKELY.1) * room };
        // Where there are many, looks are for those that are likely to have ended; the others have their turn, but not often.
        let rate = self.limiter.spare_rate(DESCRIBE) + self.limiter.spare_rate(HISTORY);
        let turn = TURNS * watched.len() as f64 / rate * self.speed;
        let durations = lock(&self.durations);
        let mut models: HashMap<(&str, &str), Model> = HashMap::new();
        let mut scouts: HashMap<&str, usize> = HashMap::new();
        let mut oldest: Vec<&Watched> = watched.values().collect();
        oldest.sort_by(|a, b| (a.since, &a.watch.arn).cmp(&(b.since, &b.watch.arn)));
        let mut found = Vec::new();
        for one in oldest {
            let Watch { job, kind, .. } = &one.watch;
            let model = models.entry((job, kind)).or_insert_with(|| durations.model(job, kind));
            let age = one.age(now, self.speed);
            let silence = age - one.looked;
            let median = model.median();
            let is_scout = median.is_some() || {
                let count = scouts.entry(kind).or_default();
                *count += 1;
                *count <= SCOUTS
            };
            if one.is_being_looked_at || silence < SHORTEST_SILENCE {
                continue;
            }
            let is_over = one.is_expected(silence)
                || one.watch.timeout.is_some_and(|timeout| age > timeout.as_secs_f64() + TIMEOUT_MARGIN);
            let chance = if is_over { 1.0 } else { model.ended_between(one.looked, age) };
            let longest = match median {
                None => SILENCE_UNKNOWN.0.max(SILENCE_UNKNOWN.1 * age),
                Some(median) => (SILENCE_KNOWN.0 * median).clamp(SILENCE_KNOWN.1, SILENCE_KNOWN.2),
            };
            let longest = if events_tell { longest.max(STRETCH.1.min(longest * STRETCH.0)) } else { longest };
            if chance >= likely && is_scout || silence >= longest.max(turn) {
                found.push((chance, one.watch.arn.clone()));
            }
        }
        found.sort_by(|a, b| b.0.total_cmp(&a.0));
        found
    }

    /// One call that can be spared, of the API that has more of them.
    fn spare_call(&self, apis: &[&'static str], now: Instant) -> Option<&'static str> {
        let fullest = |a: &&&'static str, b: &&&'static str| {
            self.limiter.fullness(a, now).total_cmp(&self.limiter.fullness(b, now))
        };
        apis.iter().max_by(fullest).copied().filter(|api| self.limiter.take_spare(api, now))
    }

    async fn look(&self, arn: &str, api: &'static str, asked_at: Instant) {
        let call = Call::new("states", api, format!("execution `{arn}`"));
        let seen =
            if api == HISTORY { self.last_event(arn, &call).await } else { self.describe(arn, &call).await };
        match seen {
            Ok(None) => self.runs(arn, asked_at),
            Ok(Some(seen)) if self.is_of_before(arn, &seen) => self.runs(arn, asked_at),
            Ok(Some(seen)) => self.ended(arn, Ok(seen)),
            Err(error @ AwsError::NotFound { .. }) => {
                let is_young = lock(&self.watched)
                    .get(arn)
                    .is_some_and(|watched| watched.age(Instant::now(), self.speed) < SEEN_LATE);
                // Right after its start it may not be seen yet.
                if is_young { self.runs(arn, asked_at) } else { self.ended(arn, Err(error)) }
            }
            Err(error) if error.can_be_waited_for() => {
                if matches!(error, AwsError::Throttled { .. }) {
                    self.limiter.throttled(api);
                    self.put_back(arn);
                } else {
                    // Whoever waits says so, and asks again.
                    let pause = Duration::from_secs_f64(TROUBLE_PAUSE / self.speed);
                    *lock(&self.paused_until) = Some(Instant::now() + pause);
                    self.ended(arn, Err(error));
                }
            }
            Err(error) => self.ended(arn, Err(error)),
        }
    }

    async fn describe(&self, arn: &str, call: &Call) -> Result<Option<Seen>, AwsError> {
        let described = self.client.describe_execution().execution_arn(arn).send().await;
        Ok(Seen::of_description(described.map_err(|error| classify(error, call))?))
    }

    async fn last_event(&self, arn: &str, call: &Call) -> Result<Option<Seen>, AwsError> {
        let history = self.client.get_execution_history().execution_arn(arn).reverse_order(true);
        let history = history.max_results(1).send().await.map_err(|error| classify(error, call))?;
        Ok(history.events().first().and_then(Seen::of_event))
    }

    /// Nothing was learned of it.
    fn put_back(&self, arn: &str) {
        if let Some(watched) = lock(&self.watched).get_mut(arn) {
            watched.is_being_looked_at = false;
        }
    }

    /// Right after a redrive the end that the execution had before may still be seen.
    fn is_of_before(&self, arn: &str, seen: &Seen) -> bool {
        lock(&self.watched).get(arn).is_some_and(|watched| seen.redrives < watched.watch.redrives)
    }

    fn runs(&self, arn: &str, asked_at: Instant) {
        if let Some(watched) = lock(&self.watched).get_mut(arn) {
            watched.looked = watched.age(asked_at, self.speed);
            watched.is_being_looked_at = false;
            if let Expected::Heard(looks) = watched.expected {
                let is_worth_more = looks + 1 < LOOKS_FOR_EVENT;
                watched.expected = if is_worth_more { Expected::Heard(looks + 1) } else { Expected::Not };
            }
        }
    }

    fn ended(&self, arn: &str, seen: Result<Seen, AwsError>) {
        let watched = {
            // Until both know it: an event of it may come now.
            let mut all = lock(&self.watched);
            let Some(watched) = all.remove(arn) else { return };
            if let Some(hearing) = self.hearing.as_ref().filter(|_| seen.is_ok()) {
                let began = (watched.watch.started_at, watched.watch.redrives);
                lock(hearing).ended(arn, began, Instant::now());
            }
            watched
        };
        let Watch { job, kind, started_at, redrives, .. } = &watched.watch;
        // What was stopped, failed, or did only a part, says little of how long such a job takes.
        if let Ok(Seen { status: ExecutionStatus::Succeeded, ended_at: Some(ended_at), .. }) = &seen
            && *redrives == 0
        {
            let seconds = ended_at.duration_since(*started_at).as_secs_f64();
            lock(&self.durations).record(job, kind, seconds);
        }
        // Whoever waited may be gone.
        let _ = watched.waiter.send(seen);
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.ear.get().iter().for_each(|ear| ear.abort());
    }
}

/// Looks until nobody has the watcher any more.
async fn run(watcher: Weak<Watcher>) {
    loop {
        let Some(this) = watcher.upgrade() else { return };
        let now = Instant::now();
        for (arn, api) in this.choose(now) {
            let this = Arc::clone(&this);
            tokio::spawn(async move { this.look(&arn, api, now).await });
        }
        let is_idle = lock(&this.watched).is_empty();
        if is_idle {
            // Not held while it sleeps: who made it may let it go.
            let more = async move { this.more.notified().await };
            let _ = tokio::time::timeout(Duration::from_secs(1), more).await;
        } else {
            let tick = TICK.div_f64(this.speed);
            drop(this);
            tokio::time::sleep(tick).await;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
