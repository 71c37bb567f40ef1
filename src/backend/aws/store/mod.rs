//! Sessions in DynamoDB. Which item answers which question, and what it costs, is in docs/data-model.md.

mod item;
mod write;

use super::client::Connection;
use super::error::{AwsError, Call, classify};
use crate::runner::port::{Commit, HoldRecord, Readable, SessionFilter, SessionStore, StoreError};
use crate::session::{JobRecord, RequestRecord, SessionEvent, SessionId, SessionRecord};
use async_trait::async_trait;
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{
    AttributeValue, DeleteRequest, ReturnValuesOnConditionCheckFailure, WriteRequest,
};
use item::{Item, Keys};
use jiff::{Timestamp, ToSpan, tz::TimeZone};
use serde::de::DeserializeOwned;
use std::collections::{HashMap, HashSet};
use std::sync::Mutex;
use std::time::Duration;

/// The session store of one account, region and prefix.
#[derive(Debug)]
pub struct DynamoStore {
    client: aws_sdk_dynamodb::Client,
    sessions: String,
    history: String,
    /// Items are gone so long after their session was created.
    retention: Duration,
    /// First events of transactions whose answers were lost: they may have been carried out.
    uncertain: Mutex<HashSet<(SessionId, u64)>>,
}

/// Months that a list goes back, at most.
const MONTHS: i32 = 60;

/// Deletions in one request.
const BATCH: usize = 25;

impl DynamoStore {
    /// The tables of the settings' prefix.
    pub fn new(connection: &Connection, retention: Duration) -> Self {
        let table = |name: &str| format!("{}{name}", connection.prefix());
        Self {
            client: connection.dynamodb(),
            sessions: table("sessions"),
            history: table("job-history"),
            retention,
            uncertain: Mutex::default(),
        }
    }

    fn call(&self, operation: &'static str, table: &str) -> Call {
        Call::new("dynamodb", operation, format!("table `{table}`"))
    }

    fn read<T: DeserializeOwned>(&self, table: &str, item: &Item, attribute: &str) -> Result<T, StoreError> {
        let text = item.get(attribute).and_then(|value| value.as_s().ok()).map_or("", String::as_str);
        serde_json::from_str(text).map_err(|error| StoreError::Damaged {
            place: table.to_owned(),
            key: item::described(item),
            message: error.to_string(),
        })
    }

    /// Items of a session in the history table whose sort keys lie between two, in order; at most `limit`.
    async fn history(
        &self,
        id: &SessionId,
        (from, to): (&str, &str),
        limit: usize,
        is_forward: bool,
    ) -> Result<Vec<Item>, StoreError> {
        let mut items = Vec::new();
        let mut start = None;
        loop {
            let left = i32::try_from(limit - items.len()).unwrap_or(i32::MAX);
            let page = self
                .client
                .query()
                .table_name(&self.history)
                .key_condition_expression("session_id = :id AND #item BETWEEN :from AND :to")
                .expression_attribute_names("#item", "item")
                .expression_attribute_values(":id", item::text(id.as_str()))
                .expression_attribute_values(":from", item::text(from))
                .expression_attribute_values(":to", item::text(to))
                .consistent_read(true)
                .scan_index_forward(is_forward)
                .limit(left)
                .set_exclusive_start_key(start)
                .send()
                .await
                .map_err(|error| classify(error, &self.call("Query", &self.history)))?;
            items.extend(page.items.unwrap_or_default());
            start = page.last_evaluated_key;
            if start.is_none() || items.len() >= limit {
                return Ok(items);
            }
        }
    }

    async fn session_item(&self, id: &SessionId) -> Result<Option<Item>, StoreError> {
        let found = self
            .client
            .query()
            .table_name(&self.sessions)
            .key_condition_expression("session_id = :id")
            .expression_attribute_values(":id", item::text(id.as_str()))
            .consistent_read(true)
            .limit(1)
            .send()
            .await
            .map_err(|error| classify(error, &self.call("Query", &self.sessions)))?;
        Ok(found.items.unwrap_or_default().into_iter().next())
    }

    /// Sessions of one partition of an index, newest first, as far as they pass the filter, until there are enough.
    async fn of_index(
        &self,
        index: Index<'_>,
        filter: &SessionFilter,
        found: &mut Readable,
    ) -> Result<(), StoreError> {
        let (from, to) = index.bounds(filter);
        let mut start = None;
        loop {
            let page = self
                .client
                .query()
                .table_name(&self.sessions)
                .index_name(index.name)
                .key_condition_expression("#key = :value AND #sort BETWEEN :from AND :to")
                .expression_attribute_names("#key", index.key)
                .expression_attribute_names("#sort", index.sort)
                .expression_attribute_values(":value", item::text(index.value))
                .expression_attribute_values(":from", item::text(&from))
                .expression_attribute_values(":to", item::text(&to))
                .scan_index_forward(false)
                .set_exclusive_start_key(start)
                .send()
                .await
                .map_err(|error| classify(error, &self.call("Query", &self.sessions)))?;
            for item in page.items.unwrap_or_default() {
                match self.read::<SessionRecord>(&self.sessions, &item, "record") {
                    Ok(session) if filter.wants(&session) => found.sessions.push(session),
                    Ok(_) => {}
                    Err(error) => found.damaged.push(error),
                }
                if found.sessions.len() >= filter.limit {
                    return Ok(());
                }
            }
            start = page.last_evaluated_key;
            if start.is_none() {
                return Ok(());
            }
        }
    }

    async fn delete_items(&self, table: &str, keys: Vec<Item>) -> Result<(), StoreError> {
        let delete = |key: &Item| {
            let request = DeleteRequest::builder().set_key(Some(key.clone())).build();
            request.map(|request| WriteRequest::builder().delete_request(request).build())
        };
        for chunk in keys.chunks(BATCH) {
            let mut left: Vec<WriteRequest> = chunk.iter().filter_map(|key| delete(key).ok()).collect();
            let mut pause = Duration::from_millis(50);
            while !left.is_empty() {
                let done = self
                    .client
                    .batch_write_item()
                    .request_items(table, left)
                    .send()
                    .await
                    .map_err(|error| classify(error, &self.call("BatchWriteItem", table)))?;
                left = done.unprocessed_items.and_then(|mut items| items.remove(table)).unwrap_or_default();
                if !left.is_empty() {
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(2));
                }
            }
        }
        Ok(())
    }
}

/// One partition of an index.
#[derive(Clone, Copy)]
struct Index<'a> {
    name: &'static str,
    key: &'static str,
    value: &'a str,
    sort: &'static str,
    /// How the sort key begins for a time; both sort by time, with a second's fractions or a random end behind it.
    second: &'static str,
}

impl Index<'_> {
    /// Between which sort keys the wanted sessions lie.
    fn bounds(&self, filter: &SessionFilter) -> (String, String) {
        let second = |time: Timestamp| time.strftime(self.second).to_string();
        let from = filter.created_since.map_or_else(|| "0".to_owned(), second);
        (from, filter.created_before.map(second).unwrap_or_default() + "~")
    }
}

#[async_trait]
impl SessionStore for DynamoStore {
    async fn append(&self, commit: Commit) -> Result<(), StoreError> {
        self.write(commit).await
    }

    async fn renew(&self, session: &SessionRecord) -> Result<(), StoreError> {
        self.write_lease(session).await
    }

    async fn hold(&self, key: &str) -> Result<Option<HoldRecord>, StoreError> {
        let found = self
            .client
            .get_item()
            .table_name(&self.sessions)
            .set_key(Some(Keys::hold(key)))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| classify(error, &self.call("GetItem", &self.sessions)))?;
        Ok(found.item.as_ref().and_then(item::hold))
    }

    async fn end_hold(&self, key: &str, hold: &HoldRecord) -> Result<(), StoreError> {
        self.delete_hold(key, &hold.session_id, Some(hold.expires_at)).await
    }

    async fn delete(&self, id: &SessionId, last_event: u64) -> Result<(), StoreError> {
        let last = self.last_event(id).await?;
        if last > last_event {
            return Err(StoreError::Fenced { session: id.to_string(), number: last });
        }
        // The last events first: whoever would put a next one finds that the one before is gone.
        let mut items = self.history(id, ("@#", "@#~"), usize::MAX, false).await?;
        items.extend(self.history(id, ("@r", "@s"), usize::MAX, true).await?);
        items.extend(self.history(id, item::JOBS, usize::MAX, true).await?);
        self.delete_items(&self.history, items.iter().map(|item| Keys::of(item, "item")).collect()).await?;
        // The session last: one that was cut off can be deleted again.
        let Some(session) = self.session_item(id).await? else { return Ok(()) };
        let record: SessionRecord = self.read(&self.sessions, &session, "record")?;
        if let Some(key) = &record.exclusive {
            self.delete_hold(key, id, None).await?;
        }
        self.delete_items(&self.sessions, vec![Keys::of(&session, "created_at")]).await
    }

    async fn put_request(&self, id: &SessionId, request: &RequestRecord) -> Result<(), StoreError> {
        let call = self.call("PutItem", &self.history);
        let ttl = item::ttl(id, self.retention);
        loop {
            // Numbers without gaps: whoever reads on from one misses none.
            let last = self.history(id, ("@r#", "@r#~"), 1, false).await?;
            let next = last.first().map_or(0, |item| item::number(item, "@r#")) + 1;
            let text = serde_json::to_string(request).unwrap_or_default();
            let put = self
                .client
                .put_item()
                .table_name(&self.history)
                .set_item(Some(item::history(id, &format!("@r#{next:012}"), "request", text, ttl)))
                .condition_expression("attribute_not_exists(session_id)")
                .send()
                .await;
            match put {
                Ok(_) => return Ok(()),
                Err(error)
                    if error
                        .as_service_error()
                        .is_some_and(PutItemError::is_conditional_check_failed_exception) => {}
                Err(error) => return Err(classify(error, &call).into()),
            }
        }
    }

    async fn requests(&self, id: &SessionId, after: u64) -> Result<Vec<(u64, RequestRecord)>, StoreError> {
        let from = format!("@r#{:012}", after + 1);
        let items = self.history(id, (&from, "@r#~"), usize::MAX, true).await?;
        items
            .iter()
            .map(|item| Ok((item::number(item, "@r#"), self.read(&self.history, item, "request")?)))
            .collect()
    }

    async fn last_event(&self, id: &SessionId) -> Result<u64, StoreError> {
        let last = self.history(id, ("@#", "@#~"), 1, false).await?;
        Ok(last.first().map_or(0, |item| item::number(item, "@#")))
    }

    async fn session(&self, id: &SessionId) -> Result<Option<SessionRecord>, StoreError> {
        let item = self.session_item(id).await?;
        item.map(|item| self.read(&self.sessions, &item, "record")).transpose()
    }

    async fn readable_sessions(&self, filter: &SessionFilter) -> Result<Readable, StoreError> {
        let mut found = Readable::default();
        if let Some(pipeline) = &filter.pipeline {
            let (sort, second) = ("created_at", "%Y-%m-%dT%H:%M:%S");
            let index = Index { name: "by-pipeline", key: "pipeline_id", value: pipeline, sort, second };
            self.of_index(index, filter, &mut found).await?;
            return Ok(found);
        }
        // From tomorrow on: another machine's clock may be ahead.
        let newest = filter.created_before.unwrap_or_else(|| Timestamp::now() + 24.hours());
        let newest = newest.to_zoned(TimeZone::UTC).date().first_of_month();
        let oldest = filter.created_since.map(|since| since.to_zoned(TimeZone::UTC).date().first_of_month());
        for back in 0..MONTHS {
            if found.sessions.len() >= filter.limit {
                break;
            }
            let Ok(month) = newest.checked_sub(back.months()) else { break };
            if oldest.is_some_and(|oldest| month < oldest) {
                break;
            }
            let month = month.strftime("%Y-%m").to_string();
            let (sort, second) = ("session_id", "%Y%m%d-%H%M%S");
            let index = Index { name: "by-month", key: "created_month", value: &month, sort, second };
            self.of_index(index, filter, &mut found).await?;
        }
        Ok(found)
    }

    async fn jobs(&self, id: &SessionId) -> Result<Vec<JobRecord>, StoreError> {
        let items = self.history(id, item::JOBS, usize::MAX, true).await?;
        items.iter().map(|item| self.read(&self.history, item, "record")).collect()
    }

    async fn events(
        &self,
        id: &SessionId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<SessionEvent>, StoreError> {
        let from = format!("@#{:012}", after + 1);
        let items = self.history(id, (&from, "@#~"), limit, true).await?;
        items.iter().map(|item| self.read(&self.history, item, "event")).collect()
    }
}

impl DynamoStore {
    /// Deletes a session's hold of a key, if it is that session's still, and as it was seen.
    async fn delete_hold(
        &self,
        key: &str,
        id: &SessionId,
        expires_at: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        let mut condition = "holder = :id".to_owned();
        let mut values = HashMap::from([(":id".to_owned(), item::text(id.as_str()))]);
        if let Some(expires_at) = expires_at {
            condition.push_str(" AND expires_at = :at");
            values.insert(":at".to_owned(), AttributeValue::N(expires_at.as_millisecond().to_string()));
        }
        let deleted = self
            .client
            .delete_item()
            .table_name(&self.sessions)
            .set_key(Some(Keys::hold(key)))
            .condition_expression(condition)
            .set_expression_attribute_values(Some(values))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::None)
            .send()
            .await;
        match deleted {
            Ok(_) => Ok(()),
            // Another's by now, or nobody's.
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(DeleteItemError::is_conditional_check_failed_exception) =>
            {
                Ok(())
            }
            Err(error) => Err(classify(error, &self.call("DeleteItem", &self.sessions)).into()),
        }
    }
}

impl From<AwsError> for StoreError {
    fn from(error: AwsError) -> Self {
        if error.can_be_waited_for() { Self::Outage(Box::new(error)) } else { Self::Service(Box::new(error)) }
    }
}
