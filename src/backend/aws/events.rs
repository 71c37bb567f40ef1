//! Hears of ends: EventBridge sends what Step Functions says of executions to a queue.
//!
//! Takes: a queue, which all runners of a prefix share, and a [`Watcher`]. Gives: hints to the watcher that an execution may have ended.
//! A message is received by one runner alone, whosever execution it is about: who gets another's gives it back.
//! Deliberately does not: say how an execution ended, which is looked at; fail, or hold anything up: without the queue ends are found by
//! looks alone.

use super::client::{Connection, LONG_POLL};
use super::error::{AwsError, Call, classify};
use super::hearing::Whose;
use super::limiter::Limiter;
use super::watch::Watcher;
use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry, Message,
    MessageSystemAttributeName,
};
use jiff::Timestamp;
use serde::Deserialize;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::Notify;

/// So long nobody else sees what was received: if whoever received it dies, others soon do.
const HIDDEN: i32 = 5;
/// The most that a call receives.
const BATCH: i32 = 10;
/// Who gave something back waits so long, for another to receive it.
const GIVE_WAY: Duration = Duration::from_millis(150);
/// What was received so often is nobody's, and deleted. By then it is older than the queue of the stack `events` keeps it.
const NOBODYS: u32 = 16;
/// What was given back several times rests so long, in seconds, at most.
const LONGEST_REST: u32 = 5;
/// Between two tries to hear: of what may pass at first, and of all at most.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// What may pass is said once it failed so often.
const SAID_AFTER: u32 = 4;

/// The queue of `[aws] events`.
#[derive(Debug, Clone)]
pub(super) struct Events {
    client: aws_sdk_sqs::Client,
    limiter: Limiter,
    /// Its name or URL.
    queue: String,
}

/// An execution is said to have ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hint {
    /// Its ARN.
    pub(super) execution: String,
    /// When, by AWS's clock.
    stopped_at: Option<Timestamp>,
    /// How often it had been redriven by then.
    redrives: Option<u32>,
}

/// What is read of an event, as Step Functions sends it (developer guide, "Step Functions event examples") or as the rule of the stack
/// `events` shortens it.
#[derive(Debug, Deserialize)]
struct Event {
    detail: Detail,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Detail {
    execution_arn: String,
    status: String,
    /// Milliseconds since 1970.
    stop_date: Option<i64>,
    redrive_count: Option<u32>,
}

impl Hint {
    /// None of what is no event of an end.
    pub(super) fn of(body: &str) -> Option<Self> {
        let Event { detail } = serde_json::from_str(body).ok()?;
        (detail.status != "RUNNING").then_some(Self {
            execution: detail.execution_arn,
            stopped_at: detail.stop_date.and_then(|stopped| Timestamp::from_millisecond(stopped).ok()),
            redrives: detail.redrive_count,
        })
    }

    /// Whether it tells of an end that the execution had before it was redriven: so often, the last time at that moment.
    pub(super) fn is_of_before(&self, started_at: Timestamp, redrives: u32) -> bool {
        self.stopped_at.is_some_and(|stopped_at| stopped_at < started_at)
            || self.redrives.is_some_and(|found| found < redrives)
    }
}

/// Hears until it is aborted, or nobody has the watcher any more. Nothing is asked while nothing is watched.
pub(super) async fn hear(events: Events, watcher: Weak<Watcher>, more: Arc<Notify>) {
    let mut url = None;
    let (mut failures, mut is_said) = (0, false);
    loop {
        match watcher.upgrade().map(|watcher| watcher.is_watching()) {
            None => return,
            Some(false) => more.notified().await,
            Some(true) => match events.turn(&mut url, &watcher).await {
                Ok(pause) => {
                    failures = 0;
                    tokio::time::sleep(pause).await;
                }
                Err(error) => {
                    failures += 1;
                    // The queue may be made anew.
                    url = None;
                    watcher.upgrade().iter().for_each(|watcher| watcher.deaf());
                    if !is_said && is_worth_a_word(&error, failures) {
                        is_said = true;
                        tracing::warn!(
                            "events of executions are not heard, ends are found by looks alone: {error}"
                        );
                    }
                    tokio::time::sleep(pause_after(failures, &error)).await;
                }
            },
        }
    }
}

/// Whoever drives the session hears of credentials anyway.
fn is_worth_a_word(error: &AwsError, failures: u32) -> bool {
    if error.passes() { failures >= SAID_AFTER } else { !error.can_be_waited_for() }
}

fn pause_after(failures: u32, error: &AwsError) -> Duration {
    let (first, longest) = PAUSES;
    if error.can_be_waited_for() { (first * 2_u32.pow(failures.min(10) - 1)).min(longest) } else { longest }
}

/// For how many seconds a message rests that was received so often and is another's; none: it is nobody's.
///
/// The first time another may have it at once. Each receipt finds one of those who ask, so of a few the right one soon has it; what is
/// nobody's does not go round and round.
fn rest(receipts: u32) -> Option<u32> {
    (receipts < NOBODYS).then(|| receipts.saturating_sub(1).min(LONGEST_REST))
}

impl Events {
    /// None where no events are wanted.
    pub(super) fn of(connection: &Connection) -> Option<Self> {
        let queue = connection.events_queue()?;
        Some(Self { client: connection.sqs(), limiter: connection.limiter(), queue })
    }

    /// `queue bunsui-events`
    pub(super) fn what(&self) -> String {
        format!("queue {}", self.queue)
    }

    fn call(&self, operation: &'static str) -> Call {
        Call::new("sqs", operation, format!("queue `{}`", self.queue))
    }

    /// Whether it is there and can be received from. What it has is left to be received.
    pub(super) async fn look(&self) -> Result<String, AwsError> {
        let url = self.url().await?;
        self.receive(&url, Duration::ZERO, 0).await?;
        Ok("it can be received from".to_owned())
    }

    /// Receives once, and says how long to wait before the next time.
    async fn turn(&self, url: &mut Option<String>, watcher: &Weak<Watcher>) -> Result<Duration, AwsError> {
        let url = match url {
            Some(url) => url,
            None => url.insert(self.url().await?),
        };
        let messages = self.receive(url, LONG_POLL, HIDDEN).await?;
        let Some(watcher) = watcher.upgrade() else { return Ok(Duration::ZERO) };
        let (mut done, mut others) = (Vec::new(), Vec::new());
        for message in messages {
            let Some(receipt) = message.receipt_handle() else { continue };
            let whose = message.body().and_then(Hint::of).map(|hint| watcher.heard(hint));
            match rest(receipts(&message)) {
                Some(rest) if whose == Some(Whose::Others) => others.push((receipt.to_owned(), rest)),
                // Its own, what is no event, or nobody's.
                _ => done.push(receipt.to_owned()),
            }
        }
        drop(watcher);
        let pause = if others.is_empty() { Duration::ZERO } else { GIVE_WAY };
        tokio::try_join!(self.delete(url, done), self.give_back(url, others))?;
        Ok(pause)
    }

    async fn url(&self) -> Result<String, AwsError> {
        if self.queue.contains("://") {
            return Ok(self.queue.clone());
        }
        self.limiter.take("GetQueueUrl").await;
        let found = self.client.get_queue_url().queue_name(&self.queue).send().await;
        let found = found.map_err(|error| classify(error, &self.call("GetQueueUrl")))?;
        Ok(found.queue_url.unwrap_or_default())
    }

    async fn receive(&self, url: &str, wait: Duration, hidden: i32) -> Result<Vec<Message>, AwsError> {
        self.limiter.take("ReceiveMessage").await;
        let received = self
            .client
            .receive_message()
            .queue_url(url)
            .max_number_of_messages(BATCH)
            .wait_time_seconds(i32::try_from(wait.as_secs()).unwrap_or_default())
            .visibility_timeout(hidden)
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount)
            .send()
            .await;
        let received = received.map_err(|error| classify(error, &self.call("ReceiveMessage")))?;
        Ok(received.messages.unwrap_or_default())
    }

    /// A message that cannot be deleted comes again, and tells nothing new.
    async fn delete(&self, url: &str, receipts: Vec<String>) -> Result<(), AwsError> {
        if receipts.is_empty() {
            return Ok(());
        }
        self.limiter.take("DeleteMessageBatch").await;
        let entry = |(id, receipt): (usize, String)| {
            let builder = DeleteMessageBatchRequestEntry::builder().id(id.to_string());
            builder.receipt_handle(receipt).build().expect("both are there")
        };
        let entries = receipts.into_iter().enumerate().map(entry).collect();
        let deleted =
            self.client.delete_message_batch().queue_url(url).set_entries(Some(entries)).send().await;
        deleted.map(|_| ()).map_err(|error| classify(error, &self.call("DeleteMessage")))
    }

    /// Lets others have them after a rest, in seconds.
    async fn give_back(&self, url: &str, others: Vec<(String, u32)>) -> Result<(), AwsError> {
        if others.is_empty() {
            return Ok(());
        }
        self.limiter.take("ChangeMessageVisibilityBatch").await;
        let entry = |(id, (receipt, rest)): (usize, (String, u32))| {
            let builder = ChangeMessageVisibilityBatchRequestEntry::builder().id(id.to_string());
            let builder = builder.visibility_timeout(i32::try_from(rest).unwrap_or_default());
            builder.receipt_handle(receipt).build().expect("both are there")
        };
        let entries = others.into_iter().enumerate().map(entry).collect();
        let change = self.client.change_message_visibility_batch().queue_url(url).set_entries(Some(entries));
        let changed = change.send().await;
        changed.map(|_| ()).map_err(|error| classify(error, &self.call("ChangeMessageVisibility")))
    }
}

/// How often it was received, this time included.
fn receipts(message: &Message) -> u32 {
    let attributes = message.attributes.as_ref();
    let count = attributes.and_then(|all| all.get(&MessageSystemAttributeName::ApproximateReceiveCount));
    count.and_then(|count| count.parse().ok()).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const EXECUTION: &str = "arn:aws:states:eu-west-1:123456789012:execution:bunsui-etl--load:s--load-1";

    fn hint(detail: serde_json::Value) -> Option<Hint> {
        Hint::of(&json!({"version": "0", "source": "aws.states", "detail": detail}).to_string())
    }

    #[test]
    fn an_event_tells_which_execution_ended_and_when() {
        let detail = json!({
            "executionArn": EXECUTION, "status": "SUCCEEDED", "stopDate": 1_700_000_001_000_i64, "redriveCount": 1,
            "output": null, "outputDetails": {"included": false}
        });
        let hint = hint(detail).expect("it is one");
        assert_eq!(hint.execution, EXECUTION);
        let at = |seconds: i64| Timestamp::from_second(1_700_000_000 + seconds).unwrap();
        assert!(!hint.is_of_before(at(0), 1));
        assert!(hint.is_of_before(at(2), 1), "it ended before that start");
        assert!(hint.is_of_before(at(0), 2), "it was redriven since");
    }

    #[test]
    fn what_is_no_event_of_an_end_is_none() {
        assert_eq!(hint(json!({"executionArn": EXECUTION, "status": "RUNNING"})), None);
        assert_eq!(hint(json!({"status": "SUCCEEDED"})), None);
        for body in ["", "[]", "{", "\"text\"", "{\"detail\": null}", "\u{0}"] {
            assert_eq!(Hint::of(body), None, "{body}");
        }
    }

    #[test]
    fn what_the_rule_sends_is_read() {
        let template = super::super::template("events");
        let line = template.lines().map(str::trim).find_map(|line| line.strip_prefix("InputTemplate: '"));
        let text = line.and_then(|line| line.strip_suffix('\'')).expect("it has one");
        let sent = text
            .replace("<execution>", &json!(EXECUTION).to_string())
            .replace("<status>", "\"FAILED\"")
            .replace("<stopped>", "1700000001000");
        let hint = Hint::of(&sent).expect("it is one");
        assert_eq!((hint.execution.as_str(), hint.redrives), (EXECUTION, None));
        assert_eq!(hint.stopped_at, Timestamp::from_second(1_700_000_001).ok());
    }

    #[test]
    fn what_is_anothers_rests_the_longer_the_more_often_it_came() {
        let rests: Vec<Option<u32>> = (1..=NOBODYS).map(rest).collect();
        assert_eq!(rests[..7], [0, 1, 2, 3, 4, 5, 5].map(Some));
        assert_eq!(rests.last(), Some(&None));
        let all: u32 = rests.into_iter().flatten().sum();
        assert!(all >= 60, "it was to be had for {all} s");
    }
}
