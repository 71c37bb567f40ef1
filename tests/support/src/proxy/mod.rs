//! A proxy that injects faults, in front of any HTTP server.
//!
//! Takes: the server's address, and a plan that says of each request which fault it gets. Gives: an address of its own, and counts of
//! requests and of faults by API. Requests go on with their headers, `Host` among them, so that signatures hold.
//! Deliberately does not: speak TLS, or stream: each body is read whole before it goes on.

mod api;
mod connection;
mod plan;
#[cfg(test)]
mod tests;

pub use plan::{RandomPlan, Rule};

use crate::loopback::Loopback;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// What is done to a request instead of handing it on and its answer back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Status 500 and the service's own name for its failures. It is not handed on.
    InternalError,
    /// The service's own error for too many requests. It is not handed on.
    Throttled,
    /// Status 400 and the service's error of this name. It is not handed on.
    Error(&'static str),
    /// The connection is reset. It is not handed on: there is no effect.
    ResetBefore,
    /// It is handed on and answered; instead of the answer the connection is reset: there is an effect.
    ResetAfter,
    /// It is handed on only after so long.
    Slow(Duration),
    /// It is handed on and answered; of the answer comes the head with its full length and half of the body, and the connection ends.
    /// An answer without a body cannot be halved, and is a reset.
    Truncated,
}

/// A request, as plans see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked<'a> {
    /// `AWSStepFunctions.StartExecution` or `DynamoDB_20120810.PutItem` where there is an `X-Amz-Target`; the `Action` of the query protocol;
    /// else service and method, such as `S3.PUT`.
    pub api: &'a str,
    /// How many of this API there were, this one included.
    pub number: u64,
    /// Path and query.
    pub path: &'a str,
    /// The body.
    pub body: &'a [u8],
}

/// What came of one API.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProxyCounts {
    /// All, those with faults among them.
    pub requests: u64,
    /// By the name of the fault.
    pub faults: BTreeMap<&'static str, u64>,
}

/// A proxy that runs until this is dropped.
#[derive(Debug)]
pub struct Proxy {
    /// `http://127.0.0.1:PORT`
    pub address: String,
    shared: Arc<Shared>,
    _server: Loopback,
}

/// What the connections and the tests share.
struct Shared {
    /// `ADDRESS:PORT`
    target: String,
    state: Mutex<State>,
    is_offline: watch::Sender<bool>,
}

/// Which request gets which fault.
type Plan = Box<dyn FnMut(&Asked) -> Option<Fault> + Send>;

struct State {
    plan: Plan,
    counts: BTreeMap<String, ProxyCounts>,
}

impl Fault {
    /// As counts name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::InternalError => "internal error",
            Self::Throttled => "throttled",
            Self::Error(name) => name,
            Self::ResetBefore => "reset before",
            Self::ResetAfter => "reset after",
            Self::Slow(_) => "slow",
            Self::Truncated => "truncated",
        }
    }
}

impl ProxyCounts {
    /// Faults of all kinds.
    pub fn faulty(&self) -> u64 {
        self.faults.values().sum()
    }
}

impl Proxy {
    /// In front of `http://ADDRESS:PORT`. Until there is a plan, all is handed on; where nothing answers there, that is status 502.
    ///
    /// # Panics
    ///
    /// Where loopback has no free port.
    pub fn start(target: &str) -> Self {
        let target = target.trim_start_matches("http://").trim_end_matches('/');
        let shared = Arc::new(Shared {
            target: target.to_owned(),
            state: Mutex::new(State { plan: Box::new(|_| None), counts: BTreeMap::new() }),
            is_offline: watch::Sender::new(false),
        });
        let server = {
            let shared = shared.clone();
            Loopback::start(move |stream| connection::serve(stream, shared.clone()))
        };
        Self { address: server.url(), shared, _server: server }
    }

    /// Which request gets which fault from now on. It must not ask the proxy, which waits for it.
    pub fn plan(&self, plan: impl FnMut(&Asked) -> Option<Fault> + Send + 'static) {
        self.shared.state().plan = Box::new(plan);
    }

    /// The first so many requests of an API get a fault, and nothing else does.
    pub fn first(&self, requests: u64, api: &str, fault: Fault) {
        let api = api.to_owned();
        let before = self.counts().get(&api).map_or(0, |counts| counts.requests);
        self.plan(move |asked| (asked.api == api && asked.number - before <= requests).then_some(fault));
    }

    /// All that is open is reset, and so is what is opened, until it is online again.
    pub fn go_offline(&self) {
        self.shared.is_offline.send_replace(true);
    }

    /// As it was before.
    pub fn go_online(&self) {
        self.shared.is_offline.send_replace(false);
    }

    /// What was asked, and what was done to it, by API.
    pub fn counts(&self) -> BTreeMap<String, ProxyCounts> {
        self.shared.state().counts.clone()
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a request, and asks the plan what becomes of it.
    fn fault(&self, api: &str, path: &str, body: &[u8]) -> Option<Fault> {
        let mut state = self.state();
        let State { plan, counts } = &mut *state;
        let counts = counts.entry(api.to_owned()).or_default();
        counts.requests += 1;
        let fault = plan(&Asked { api, number: counts.requests, path, body })?;
        *counts.faults.entry(fault.name()).or_default() += 1;
        Some(fault)
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("target", &self.target).finish_non_exhaustive()
    }
}
