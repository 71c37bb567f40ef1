//! What EventBridge sends of ends: a message in a queue of SQS for each.
//!
//! Follows the Step Functions developer guide, "Automating Step Functions event delivery with EventBridge": best effort, so one may be
//! late, come twice, or never. How long one takes the guide does not say.

use super::executions::{Execution, Status};
use super::script::End;
use super::world::World;
use crate::ask::ask;
use serde_json::{Value as Json, json};
use std::collections::HashSet;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// A queue, and how events come to it.
#[derive(Debug, Clone)]
pub struct EventQueue {
    /// `http://127.0.0.1:PORT`: of SQS.
    pub address: String,
    /// Its name, in the stand-in's account.
    pub name: String,
    /// So long after the end an event comes, in the stand-in's time.
    pub delay: Duration,
    /// So often it comes.
    pub copies: usize,
    /// After so many ends no event comes any more.
    pub stops_after: usize,
}

impl EventQueue {
    /// Each event comes at once, and once.
    pub fn new(address: &str, name: &str) -> Self {
        Self {
            address: address.to_owned(),
            name: name.to_owned(),
            delay: Duration::ZERO,
            copies: 1,
            stops_after: usize::MAX,
        }
    }

    /// Sends at most ten at once.
    fn send(&self, region: &str, account: &str, events: &[&Json]) {
        let scope = format!("{account}/20261124/{region}/sqs/aws4_request");
        let signature =
            format!("Authorization: AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0");
        let headers = [
            signature.as_str(),
            "X-Amz-Target: AmazonSQS.SendMessageBatch",
            "Content-Type: application/x-amz-json-1.0",
        ];
        let url = format!("{}/{account}/{}", self.address, self.name);
        let entry =
            |(id, event): (usize, &&Json)| json!({"Id": id.to_string(), "MessageBody": event.to_string()});
        let entries: Vec<Json> = events.iter().enumerate().map(entry).collect();
        let body = json!({"QueueUrl": url, "Entries": entries});
        // A queue that is not there is what a test is about.
        let _ = ask(&self.address, "POST /", &headers, body.to_string());
    }
}

/// Looks for ends so often.
const TICK: Duration = Duration::from_millis(20);

/// Sends events until it is dropped.
pub(super) struct Announcer {
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Announcer {
    pub(super) fn start(queue: EventQueue, world: Arc<Mutex<World>>) -> Self {
        let (end, ended) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let mut announced = HashSet::new();
            while ended.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
                let (events, region, account) = {
                    let world = world.lock().unwrap_or_else(PoisonError::into_inner);
                    (world.ends(queue.delay, &mut announced), world.region.clone(), world.account.clone())
                };
                let sent = announced.len() - events.len();
                let wanted = events.iter().take(queue.stops_after.saturating_sub(sent));
                let copies: Vec<&Json> =
                    wanted.flat_map(|event| std::iter::repeat_n(event, queue.copies)).collect();
                copies.chunks(10).for_each(|some| queue.send(&region, &account, some));
            }
        });
        Self { end: Some(end), thread: Some(thread) }
    }
}

impl Drop for Announcer {
    fn drop(&mut self) {
        self.end.take();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl World {
    /// Events of attempts that ended so long ago and were not announced yet.
    fn ends(&self, delay: Duration, announced: &mut HashSet<(String, usize)>) -> Vec<Json> {
        let now = self.clock.now().saturating_sub(delay);
        let mut events = Vec::new();
        for execution in self.executions.values() {
            for (redrives, attempt) in execution.attempts.iter().enumerate() {
                if attempt.status(now) != Status::Running
                    && announced.insert((execution.arn.clone(), redrives))
                {
                    events.push(self.event(execution, redrives));
                }
            }
        }
        events
    }

    fn event(&self, execution: &Execution, redrives: usize) -> Json {
        let (first, attempt) = (&execution.attempts[0], &execution.attempts[redrives]);
        let (error, cause) = attempt.failure();
        let output = match (&attempt.stop, &attempt.script.end) {
            (None, End::Succeeded(output)) => Some(output.to_string()),
            _ => None,
        };
        let milliseconds = |at: Duration| u64::try_from(at.as_millis()).unwrap_or(u64::MAX);
        let included = json!({"included": true});
        json!({
            "version": "0",
            "id": format!("{:08x}-0000-4000-8000-{redrives:012x}", execution.sequence),
            "detail-type": "Step Functions Execution Status Change",
            "source": "aws.states",
            "account": self.account,
            "time": "2026-11-24T00:00:00Z",
            "region": self.region,
            "resources": [execution.arn],
            "detail": {
                "executionArn": execution.arn,
                "stateMachineArn": execution.machine,
                "name": execution.name,
                "status": attempt.status(attempt.ended_at()).as_str(),
                "startDate": milliseconds(first.began_at),
                "stopDate": milliseconds(attempt.ended_at()),
                "input": execution.input,
                "inputDetails": included,
                "output": output,
                "outputDetails": output.as_ref().map(|_| included.clone()),
                "stateMachineVersionArn": execution.version.map(|version| format!("{}:{version}", execution.machine)),
                "redriveCount": redrives,
                "redriveDate": (redrives > 0).then(|| milliseconds(attempt.began_at)),
                "error": error,
                "cause": cause,
            },
        })
    }
}
