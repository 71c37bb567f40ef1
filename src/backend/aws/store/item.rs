//! The form of items: keys, attributes, times to live.

use crate::runner::port::HoldRecord;
use crate::session::{SessionId, SessionRecord};
use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use std::collections::HashMap;
use std::time::Duration;

pub(super) type Item = HashMap<String, AttributeValue>;

/// Sort keys of jobs' records: a job's key begins with a letter, and all else with `@`, which comes before them.
pub(super) const JOBS: (&str, &str) = ("A", "~");

pub(super) fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

pub(super) fn whole(number: impl std::fmt::Display) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

/// Primary keys.
pub(super) struct Keys;

impl Keys {
    /// Of an item in the history table.
    pub(super) fn history(id: &SessionId, sort: &str) -> Item {
        HashMap::from([("session_id".to_owned(), text(id.as_str())), ("item".to_owned(), text(sort))])
    }

    /// Of the hold of an exclusive pipeline's key: in the table of sessions, and in none of its indexes.
    pub(super) fn hold(key: &str) -> Item {
        HashMap::from([
            ("session_id".to_owned(), text(&format!("hold#{key}"))),
            ("created_at".to_owned(), text("hold")),
        ])
    }

    /// The key of an item that was read.
    pub(super) fn of(item: &Item, sort: &str) -> Item {
        let names = ["session_id", sort];
        names.iter().filter_map(|name| Some(((*name).to_owned(), item.get(*name)?.clone()))).collect()
    }
}

/// An item of the history table.
pub(super) fn history(id: &SessionId, sort: &str, attribute: &str, value: String, ttl: i64) -> Item {
    let mut item = Keys::history(id, sort);
    item.insert(attribute.to_owned(), AttributeValue::S(value));
    item.insert("ttl".to_owned(), whole(ttl));
    item
}

/// A session's item. What stands beside the record is what queries and conditions need.
pub(super) fn session(session: &SessionRecord, ttl: i64) -> Item {
    let created_at = session.created_at.to_string();
    let mut item = HashMap::from([
        ("session_id".to_owned(), text(session.session_id.as_str())),
        ("created_month".to_owned(), text(created_at.get(..7).unwrap_or_default())),
        ("created_at".to_owned(), AttributeValue::S(created_at)),
        ("pipeline_id".to_owned(), text(&session.pipeline_id)),
        ("status".to_owned(), text(session.status.name())),
        ("record".to_owned(), AttributeValue::S(serde_json::to_string(session).unwrap_or_default())),
        ("ttl".to_owned(), whole(ttl)),
    ]);
    if let Some(lease) = &session.lease {
        item.insert("lease_event".to_owned(), whole(lease.event));
    }
    item
}

/// When items of a session are gone: seconds since 1970. The session's own time is in its id.
pub(super) fn ttl(id: &SessionId, retention: Duration) -> i64 {
    let digits: String = id.as_str().chars().filter(char::is_ascii_digit).take(14).collect();
    let created = jiff::civil::DateTime::strptime("%Y%m%d%H%M%S", &digits)
        .ok()
        .and_then(|time| time.to_zoned(jiff::tz::TimeZone::UTC).ok())
        .map_or_else(Timestamp::now, |time| time.timestamp());
    created.as_second() + i64::try_from(retention.as_secs()).unwrap_or(i64::MAX / 2)
}

/// The number in an item's sort key.
pub(super) fn number(item: &Item, prefix: &str) -> u64 {
    let sort = item.get("item").and_then(|value| value.as_s().ok());
    sort.and_then(|sort| sort.strip_prefix(prefix)?.parse().ok()).unwrap_or_default()
}

/// A hold as it is stored.
pub(super) fn hold(item: &Item) -> Option<HoldRecord> {
    let session_id = SessionId::new(item.get("holder")?.as_s().ok()?).ok()?;
    let expires_at = item.get("expires_at")?.as_n().ok()?.parse().ok()?;
    Some(HoldRecord { session_id, expires_at: Timestamp::from_millisecond(expires_at).ok()? })
}

/// An item's key, for messages.
pub(super) fn described(item: &Item) -> String {
    let part = |name: &str| item.get(name).and_then(|value| value.as_s().ok()).map(String::as_str);
    ["session_id", "item"].iter().filter_map(|name| part(name)).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_live_from_the_time_in_the_id_on() {
        let id = SessionId::new("20261122-091530-9f9qa0").unwrap();
        let created: Timestamp = "2026-11-22T09:15:30Z".parse().unwrap();
        assert_eq!(ttl(&id, Duration::from_secs(60)), created.as_second() + 60);
    }

    #[test]
    fn jobs_lie_apart_from_all_else() {
        for sort in ["@#000000000001", "@r#000000000001"] {
            assert!(sort < JOBS.0);
        }
        for key in ["A", "a-b", "zz", "load[3]"] {
            assert!((JOBS.0..JOBS.1).contains(&key), "{key}");
        }
    }
}
