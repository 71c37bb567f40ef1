//! Commits as transactions: an event is put only if its number is free, together with the records that it changes.
//!
//! A transaction holds 100 items and 4 MB. A commit of more becomes several, in the order of its events: what is stored if one of
//! them is refused is a beginning of the commit, as if it had been cut there.

use super::DynamoStore;
use super::item::{self, Item, Keys};
use crate::backend::aws::error::{AwsError, classify};
use crate::runner::LEASE;
use crate::runner::port::{Commit, StoreError};
use crate::session::{JobRecord, SessionEvent, SessionId, SessionRecord};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    CancellationReason, ConditionCheck, Delete, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem,
};
use serde::Serialize;
use std::collections::{HashMap, HashSet};
use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

/// Items of a transaction, with room for the guard, the session's record and a hold.
const ITEMS: usize = 90;

/// Bytes of a transaction's items; 4 MB are the most.
const BYTES: usize = 3_000_000;

/// How often a transaction is tried again that others got in the way of.
const TRIES: u32 = 12;

/// What an item of a transaction is there for: what it means when its condition fails.
enum Purpose {
    /// The event before is there.
    Guard,
    /// An event's number is free, or it is this event that has it where an answer was lost before.
    Event(u64, String),
    /// Nothing can fail.
    Record,
    /// The lease is this session's.
    Lease,
    /// The key is free, or this session's.
    Hold(String),
}

#[derive(Default)]
struct Transaction {
    items: Vec<TransactWriteItem>,
    purposes: Vec<Purpose>,
    bytes: usize,
}

impl Transaction {
    fn push(&mut self, item: TransactWriteItem, purpose: Purpose) {
        self.items.push(item);
        self.purposes.push(purpose);
    }

    fn put(&mut self, table: &str, item: Item, condition: Option<&str>, purpose: Purpose) {
        self.bytes += item.values().filter_map(|value| value.as_s().ok()).map(String::len).sum::<usize>();
        let put = Put::builder().table_name(table).set_item(Some(item));
        let put = put
            .set_condition_expression(condition.map(str::to_owned))
            .set_return_values_on_condition_check_failure(
                condition.map(|_| ReturnValuesOnConditionCheckFailure::AllOld),
            )
            .build();
        self.push_built(put.map(|put| TransactWriteItem::builder().put(put).build()), purpose);
    }

    /// Everything that a builder wants is given above.
    fn push_built<E: std::fmt::Debug>(&mut self, item: Result<TransactWriteItem, E>, purpose: Purpose) {
        match item {
            Ok(item) => self.push(item, purpose),
            Err(error) => debug_assert!(false, "{error:?}"),
        }
    }
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

const IS_FREE: &str = "attribute_not_exists(session_id)";

impl DynamoStore {
    pub(super) async fn write(&self, commit: Commit) -> Result<(), StoreError> {
        let Some(id) = commit.session_id.clone() else { return Ok(()) };
        let session = commit.session.clone();
        let mut transactions = self.transactions(&id, commit);
        if let (Some(session), Some(last)) = (&session, transactions.last_mut()) {
            last.put(&self.sessions, item::session(session, self.ttl(&id)), None, Purpose::Record);
            self.push_hold(session, last);
        }
        for transaction in transactions {
            self.transact(&id, transaction).await?;
        }
        match &session {
            Some(SessionRecord { lease: None, exclusive: Some(key), .. }) => {
                // Not within the transaction: that another holds it by now must not keep this session from ending.
                self.delete_hold(key, &id, None).await
            }
            _ => Ok(()),
        }
    }

    /// Stores a session's record alone, while its lease is the stored one.
    pub(super) async fn write_lease(&self, session: &SessionRecord) -> Result<(), StoreError> {
        let id = &session.session_id;
        let event = session.lease.as_ref().map_or(0, |lease| lease.event);
        let put = Put::builder()
            .table_name(&self.sessions)
            .set_item(Some(item::session(session, self.ttl(id))))
            .condition_expression("lease_event = :event")
            .expression_attribute_values(":event", item::whole(event))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build();
        let mut transaction = Transaction::default();
        transaction.push_built(put.map(|put| TransactWriteItem::builder().put(put).build()), Purpose::Lease);
        self.push_hold(session, &mut transaction);
        self.transact(id, transaction).await
    }

    fn ttl(&self, id: &SessionId) -> i64 {
        item::ttl(id, self.retention)
    }

    /// One transaction or more, each an event or several with the records that they change.
    fn transactions(&self, id: &SessionId, commit: Commit) -> Vec<Transaction> {
        let mut records = records_by_event(&commit.events, commit.jobs);
        let mut removed = Some(commit.removed_jobs);
        let ttl = self.ttl(id);
        let mut all = vec![Transaction::default()];
        let last = commit.events.len().saturating_sub(1);
        for (at, event) in commit.events.iter().enumerate() {
            let mine = records.remove(&at).unwrap_or_default();
            let is_full = all
                .last()
                .is_some_and(|open| open.items.len() + mine.len() + 1 > ITEMS || open.bytes > BYTES);
            if is_full {
                all.push(Transaction::default());
            }
            let Some(open) = all.last_mut() else { continue };
            if open.items.is_empty() && event.number > 1 {
                self.push_guard(id, event.number - 1, open);
            }
            let sort = event_key(event.number);
            let text = json(event);
            let stored = item::history(id, &sort, "event", text.clone(), ttl);
            open.put(&self.history, stored, Some(IS_FREE), Purpose::Event(event.number, text));
            for record in mine {
                let stored = item::history(id, &record.job_key, "record", json(&record), ttl);
                open.put(&self.history, stored, None, Purpose::Record);
            }
            for job in removed.take_if(|_| at == last).into_iter().flatten() {
                let delete = Delete::builder()
                    .table_name(&self.history)
                    .set_key(Some(Keys::history(id, &job)))
                    .build();
                open.push_built(
                    delete.map(|delete| TransactWriteItem::builder().delete(delete).build()),
                    Purpose::Record,
                );
            }
        }
        all
    }

    fn push_guard(&self, id: &SessionId, number: u64, transaction: &mut Transaction) {
        let check = ConditionCheck::builder()
            .table_name(&self.history)
            .set_key(Some(Keys::history(id, &event_key(number))))
            .condition_expression("attribute_exists(session_id)")
            .build();
        transaction.push_built(
            check.map(|check| TransactWriteItem::builder().condition_check(check).build()),
            Purpose::Guard,
        );
    }

    /// Takes or renews the hold of an exclusive pipeline's key.
    fn push_hold(&self, session: &SessionRecord, transaction: &mut Transaction) {
        let (Some(key), Some(lease)) = (&session.exclusive, &session.lease) else { return };
        let expires_at = lease.expires_at.as_millisecond();
        let renewed_at = expires_at - i64::try_from(LEASE.as_millis()).unwrap_or_default();
        let mut hold = Keys::hold(key);
        hold.insert("holder".to_owned(), item::text(session.session_id.as_str()));
        hold.insert("expires_at".to_owned(), item::whole(expires_at));
        hold.insert("ttl".to_owned(), item::whole(expires_at / 1000 + 86_400));
        let put = Put::builder()
            .table_name(&self.sessions)
            .set_item(Some(hold))
            .condition_expression("attribute_not_exists(session_id) OR holder = :me OR expires_at <= :now")
            .expression_attribute_values(":me", item::text(session.session_id.as_str()))
            .expression_attribute_values(":now", item::whole(renewed_at))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build();
        transaction.push_built(
            put.map(|put| TransactWriteItem::builder().put(put).build()),
            Purpose::Hold(key.clone()),
        );
    }

    fn lock_uncertain(&self) -> MutexGuard<'_, HashSet<(SessionId, u64)>> {
        self.uncertain.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn transact(&self, id: &SessionId, transaction: Transaction) -> Result<(), StoreError> {
        let Transaction { items, purposes, .. } = transaction;
        if items.is_empty() {
            return Ok(());
        }
        let call = self.call("TransactWriteItems", &self.history);
        // The same for each try: one that is in progress is not carried out twice.
        let token = format!("{:032x}", rand::random::<u128>());
        let mut pause = Duration::from_millis(20);
        for attempt in 1.. {
            let sent = self
                .client
                .transact_write_items()
                .client_request_token(&token)
                .set_transact_items(Some(items.clone()))
                .send()
                .await;
            let Err(error) = sent else { return Ok(()) };
            let first = purposes.iter().find_map(|purpose| match purpose {
                Purpose::Event(number, _) => Some((id.clone(), *number)),
                _ => None,
            });
            let reasons = match error.as_service_error() {
                Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
                    cancelled.cancellation_reasons().to_vec()
                }
                Some(TransactWriteItemsError::TransactionInProgressException(_)) => Vec::new(),
                _ => {
                    let error = classify(error, &call);
                    // It may have been carried out all the same, and may be tried again.
                    if error.can_be_waited_for() {
                        self.lock_uncertain().extend(first);
                    }
                    return Err(error.into());
                }
            };
            if first.is_some_and(|first| self.lock_uncertain().contains(&first))
                && is_stored(&purposes, &reasons)
            {
                return Ok(());
            }
            if let Some(refusal) = refusal(id, &purposes, &reasons) {
                return Err(refusal);
            }
            let is_in_the_way = reasons.is_empty() || reasons.iter().any(is_passing);
            if !is_in_the_way || attempt >= TRIES {
                return Err(rejected(classify(error, &call), &reasons).into());
            }
            tokio::time::sleep(pause + pause.mul_f64(rand::random::<f64>())).await;
            pause = (pause * 2).min(Duration::from_secs(1));
        }
        Ok(())
    }
}

/// `@#000000000042`
fn event_key(number: u64) -> String {
    format!("@#{number:012}")
}

/// Each record with the last event that is about its job; those that none names, with the last of all.
fn records_by_event(events: &[SessionEvent], jobs: Vec<JobRecord>) -> HashMap<usize, Vec<JobRecord>> {
    let mut last_of: HashMap<String, usize> = HashMap::new();
    for (at, event) in events.iter().enumerate() {
        for job in event.kind.jobs() {
            last_of.insert(job.to_owned(), at);
        }
    }
    // A later record of the same job replaces an earlier one; a transaction may name an item once.
    let mut newest: HashMap<String, JobRecord> = HashMap::new();
    let mut order = Vec::new();
    for job in jobs {
        if newest.insert(job.job_key.clone(), job.clone()).is_none() {
            order.push(job.job_key);
        }
    }
    let mut by_event: HashMap<usize, Vec<JobRecord>> = HashMap::new();
    for key in order {
        let at = last_of.get(&key).copied().unwrap_or(events.len().saturating_sub(1));
        by_event.entry(at).or_default().extend(newest.remove(&key));
    }
    by_event
}

/// Whether the transaction was carried out before: then each of its events is there as it would be put.
fn is_stored(purposes: &[Purpose], reasons: &[CancellationReason]) -> bool {
    let mut events = purposes.iter().zip(reasons).filter_map(|(purpose, reason)| match purpose {
        Purpose::Event(_, text) => Some((text, reason)),
        _ => None,
    });
    let is_ours = |(text, reason): (&String, &CancellationReason)| {
        reason.item().and_then(|item| item.get("event")?.as_s().ok()).is_some_and(|stored| stored == text)
    };
    let first = events.next();
    first.is_some_and(is_ours) && events.all(is_ours)
}

/// What a failed condition means.
fn refusal(id: &SessionId, purposes: &[Purpose], reasons: &[CancellationReason]) -> Option<StoreError> {
    let session = id.to_string();
    let failed =
        purposes.iter().zip(reasons).find(|(_, reason)| reason.code() == Some("ConditionalCheckFailed"))?;
    Some(match failed {
        (Purpose::Guard, _) => StoreError::Gone { session },
        (Purpose::Event(number, _), _) => StoreError::Fenced { session, number: *number },
        (Purpose::Lease, reason) => match reason.item() {
            None => StoreError::Gone { session },
            Some(item) => {
                let event = item.get("lease_event").and_then(|value| value.as_n().ok());
                let number = event.and_then(|event| event.parse().ok()).unwrap_or_default();
                StoreError::Fenced { session, number }
            }
        },
        (Purpose::Hold(key), reason) => {
            let holder = reason.item().and_then(|item| item.get("holder")?.as_s().ok());
            StoreError::Held { key: key.clone(), session: holder.cloned().unwrap_or_default() }
        }
        (Purpose::Record, _) => return None,
    })
}

/// Somebody was in the way, or too much was asked for; it may go the next time.
fn is_passing(reason: &CancellationReason) -> bool {
    matches!(
        reason.code(),
        Some(
            "TransactionConflict"
                | "ThrottlingError"
                | "ProvisionedThroughputExceeded"
                | "RequestLimitExceeded"
        )
    )
}

/// The service's error, with the reasons that its message has only as a list.
fn rejected(error: AwsError, reasons: &[CancellationReason]) -> AwsError {
    let reasons: Vec<String> = reasons
        .iter()
        .filter(|reason| reason.code().is_some_and(|code| code != "None"))
        .map(|reason| {
            format!("{}: {}", reason.code().unwrap_or_default(), reason.message().unwrap_or_default())
        })
        .collect();
    match error {
        AwsError::Rejected { action, resource, code, request, help, .. } if !reasons.is_empty() => {
            AwsError::Rejected { action, resource, code, message: reasons.join("; "), request, help }
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::EventKind;
    use jiff::Timestamp;

    #[test]
    fn a_record_goes_with_the_last_event_about_its_job() {
        let event = |number, kind| SessionEvent { number, at: Timestamp::UNIX_EPOCH, kind };
        let skipped = |job: &str| EventKind::JobSkipped { job: job.into(), reason: String::new() };
        let events = [
            event(1, skipped("a")),
            event(2, skipped("b")),
            event(3, skipped("a")),
            event(
                4,
                EventKind::JobsReset {
                    jobs: vec!["c".into()],
                    redriven: Vec::new(),
                    not_redriven: Default::default(),
                },
            ),
            event(5, EventKind::SessionStarted),
        ];
        let jobs = ["a", "b", "c", "d"].map(JobRecord::pending).to_vec();
        let found = records_by_event(&events, jobs);
        let at = |job: &str| {
            found.iter().find(|(_, jobs)| jobs.iter().any(|one| one.job_key == job)).map(|(at, _)| *at)
        };
        assert_eq!(["a", "b", "c", "d"].map(at), [Some(2), Some(1), Some(3), Some(4)]);
    }
}
