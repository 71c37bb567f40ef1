//! A stand-in for AWS Step Functions: an HTTP server on loopback, in the process of the tests.
//!
//! Takes: quotas, a speed, a delay of consistency, and a script that says of each execution how long it takes and how it ends. Gives: the
//! answers of AWS to those who start, watch, stop and redrive executions - throttling, idempotency, eventual consistency and eligibility
//! included -, events of ends to a queue, and to the tests what was called and what became of it.
//! Deliberately does not: interpret definitions. They are kept, and are what a version runs; what happens in them the script says.
//!
//! Each part follows an AWS document, which its own header names. What no document says is marked as a guess.

mod clock;
mod events;
mod executions;
mod history;
mod machines;
mod quotas;
mod redrive;
mod request;
mod script;
mod server;
#[cfg(test)]
mod tests;
mod versions;
mod world;

pub use events::EventQueue;
pub use executions::Status;
pub use quotas::{Quota, Quotas};
pub use request::ApiError;
pub use script::{End, Script, Started};

use crate::loopback::Loopback;
use clock::Clock;
use events::Announcer;
use quotas::Buckets;
use request::Request;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use world::World;

/// What a stand-in is made from.
#[derive(Debug, Clone)]
pub struct Options {
    /// The region of its ARNs, and of its quotas.
    pub region: String,
    /// Twelve digits.
    pub account: String,
    /// Other quotas than those that AWS publishes for the region.
    pub quotas: Option<Quotas>,
    /// So many seconds of its time pass in one of the machine's. At 0 it stands still, and only [`StandIn::advance`] moves it.
    pub speed: f64,
    /// So long, in its time, what happened is not seen yet by DescribeExecution, ListExecutions, DescribeStateMachine, and by starts that
    /// name no version.
    pub consistency_delay: Duration,
    /// Where EventBridge would send the events of ends.
    pub events: Option<EventQueue>,
    /// The same for GetExecutionHistory. That it is ever late is a guess: the API reference says so of the others alone.
    pub history_delay: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            region: "ap-northeast-1".to_owned(),
            account: "123456789012".to_owned(),
            quotas: None,
            speed: 1.0,
            consistency_delay: Duration::ZERO,
            history_delay: Duration::ZERO,
            events: None,
        }
    }
}

/// A server that runs until this is dropped.
pub struct StandIn {
    /// `http://127.0.0.1:PORT`: for Step Functions and for STS.
    pub address: String,
    world: Arc<Mutex<World>>,
    _server: Loopback,
    _announcer: Option<Announcer>,
}

/// The calls of one API.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Calls {
    /// All, those that were throttled among them.
    pub calls: u64,
    /// Those that were throttled.
    pub throttled: u64,
    /// Each of them, in order.
    pub each: Vec<Call>,
}

/// A call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// When, in the stand-in's time, since the Unix epoch.
    pub at: Duration,
    /// Whether it was refused for the quota.
    pub is_throttled: bool,
}

/// The calls of StartExecution for one execution that were answered well.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Starts {
    /// Those that started one. Two are possible only where the first was deleted.
    pub created: u32,
    /// Those that were given the reply of the first again.
    pub repeated: u32,
}

/// An execution as it is, whatever the delay of consistency.
#[derive(Debug, Clone, PartialEq)]
pub struct Execution {
    /// Its ARN.
    pub arn: String,
    /// Its name.
    pub name: String,
    /// ARN of its state machine.
    pub machine: String,
    /// The version that it was started by.
    pub version: Option<u32>,
    /// The definition that it runs.
    pub definition: String,
    /// As it was sent.
    pub input: String,
    /// Where it stands.
    pub status: Status,
    /// Its start, and each redrive.
    pub attempts: Vec<AttemptTimes>,
}

/// From when to when an execution ran, in the stand-in's time, since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttemptTimes {
    /// Its start, or a redrive.
    pub began_at: Duration,
    /// None: it runs.
    pub ended_at: Option<Duration>,
}

impl Calls {
    fn count(&mut self, call: Call) {
        self.calls += 1;
        self.throttled += u64::from(call.is_throttled);
        self.each.push(call);
    }
}

impl StandIn {
    /// Starts one. Until there is a script, each execution succeeds after a second with an empty object.
    ///
    /// # Panics
    ///
    /// Where loopback has no free port, or the speed is negative.
    pub fn start(options: Options) -> Self {
        let quotas = options.quotas.unwrap_or_else(|| Quotas::published(&options.region));
        let world = World {
            region: options.region,
            account: options.account,
            consistency_delay: options.consistency_delay,
            history_delay: options.history_delay,
            clock: Clock::new(options.speed),
            buckets: Buckets::new(quotas),
            script: Arc::new(|_| Script::default()),
            machines: BTreeMap::new(),
            executions: BTreeMap::new(),
            started: 0,
            starts: BTreeMap::new(),
            calls: BTreeMap::new(),
        };
        let world = Arc::new(Mutex::new(world));
        let server = server::start(world.clone());
        let announcer = options.events.map(|queue| Announcer::start(queue, world.clone()));
        Self { address: server.url(), world, _server: server, _announcer: announcer }
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says what becomes of executions that start or are redriven from now on. It must not ask the stand-in, which waits for it.
    pub fn script(&self, script: impl Fn(&Started) -> Script + Send + Sync + 'static) {
        self.world().script = Arc::new(script);
    }

    /// The stand-in's time, since the Unix epoch.
    pub fn now(&self) -> Duration {
        self.world().clock.now()
    }

    /// Moves its time on.
    pub fn advance(&self, by: Duration) {
        self.world().clock.advance(by);
    }

    /// What was called, by API. Calls of STS are not counted.
    pub fn calls(&self) -> BTreeMap<String, Calls> {
        self.world().calls.clone()
    }

    /// Forgets what was called.
    pub fn forget_calls(&self) {
        self.world().calls.clear();
    }

    /// How often each execution was started, by ARN; also of those that were deleted since.
    pub fn starts(&self) -> BTreeMap<String, Starts> {
        self.world().starts.clone()
    }

    /// All executions, in the order of their starts.
    pub fn executions(&self) -> Vec<Execution> {
        let mut world = self.world();
        let now = world.clock.now();
        world.settle(now);
        let mut found: Vec<_> = world.executions.values().collect();
        found.sort_by_key(|execution| execution.sequence);
        found.into_iter().map(|execution| view(execution, now)).collect()
    }

    /// Somebody else stops an execution, without a word why.
    ///
    /// # Errors
    ///
    /// As of StopExecution.
    pub fn abort_execution(&self, arn: &str) -> Result<(), ApiError> {
        self.act("StopExecution", json!({"executionArn": arn}))
    }

    /// Somebody else redrives an execution.
    ///
    /// # Errors
    ///
    /// As of RedriveExecution.
    pub fn redrive_execution(&self, arn: &str) -> Result<(), ApiError> {
        self.act("RedriveExecution", json!({"executionArn": arn}))
    }

    /// An execution is there no more, as after 90 days, and its name can be used again. Whether there was one.
    pub fn delete_execution(&self, arn: &str) -> bool {
        self.world().executions.remove(arn).is_some()
    }

    /// Somebody else deletes a state machine.
    ///
    /// # Errors
    ///
    /// As of DeleteStateMachine.
    pub fn delete_state_machine(&self, arn: &str) -> Result<(), ApiError> {
        self.act("DeleteStateMachine", json!({"stateMachineArn": arn}))
    }

    /// Somebody else deletes a version of a state machine.
    ///
    /// # Errors
    ///
    /// As of DeleteStateMachineVersion.
    pub fn delete_version(&self, arn: &str) -> Result<(), ApiError> {
        self.act("DeleteStateMachineVersion", json!({"stateMachineVersionArn": arn}))
    }

    /// Somebody else gives a state machine another definition.
    ///
    /// # Errors
    ///
    /// As of UpdateStateMachine.
    pub fn update_state_machine(&self, arn: &str, definition: &str) -> Result<(), ApiError> {
        self.act("UpdateStateMachine", json!({"stateMachineArn": arn, "definition": definition}))
    }

    /// Somebody else uses up what is left of an API's quota.
    pub fn drain(&self, api: &str) {
        let mut world = self.world();
        let now = world.clock.now();
        world.buckets.drain(api, now);
    }

    /// Neither counted nor throttled: it is somebody else's.
    #[allow(clippy::needless_pass_by_value, reason = "each caller writes it out")]
    fn act(&self, api: &str, request: Json) -> Result<(), ApiError> {
        let mut world = self.world();
        let now = world.clock.now();
        world.act(api, Request(&request), now).map(|_| ())
    }
}

impl std::fmt::Debug for StandIn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StandIn").field("address", &self.address).finish_non_exhaustive()
    }
}

fn view(execution: &executions::Execution, now: Duration) -> Execution {
    let times = |attempt: &executions::Attempt| AttemptTimes {
        began_at: attempt.began_at,
        ended_at: (attempt.status(now) != Status::Running).then(|| attempt.ended_at()),
    };
    Execution {
        arn: execution.arn.clone(),
        name: execution.name.clone(),
        machine: execution.machine.clone(),
        version: execution.version,
        definition: execution.definition.to_string(),
        input: execution.input.clone(),
        status: execution.last().status(now),
        attempts: execution.attempts.iter().map(times).collect(),
    }
}
