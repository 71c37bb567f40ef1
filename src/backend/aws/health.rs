//! What of AWS is there, for `doctor`.

use super::client::Connection;
use super::error::{AwsError, Call, classify};
use super::events::Events;
use aws_sdk_dynamodb::types::{TableStatus, TimeToLiveStatus};

/// One thing that was looked at.
#[derive(Debug)]
pub struct Looked {
    /// `table bunsui-sessions`
    pub what: String,
    /// What was found, or why it could not be.
    pub found: Result<String, AwsError>,
}

impl Connection {
    /// Looks at tables, bucket and the queue of events, and changes nothing.
    pub async fn look(&self) -> Vec<Looked> {
        let mut looked = Vec::new();
        for name in ["sessions", "job-history", "pipelines"] {
            let table = format!("{}{name}", self.prefix());
            looked.push(Looked { what: format!("table {table}"), found: self.table(&table).await });
        }
        looked.push(Looked { what: "bucket".to_owned(), found: self.look_at_bucket().await });
        if let Some(events) = Events::of(self) {
            looked.push(Looked { what: events.what(), found: events.look().await });
        }
        looked
    }

    async fn table(&self, table: &str) -> Result<String, AwsError> {
        let call = |operation| Call::new("dynamodb", operation, format!("table `{table}`"));
        let client = self.dynamodb();
        let found = client.describe_table().table_name(table).send().await;
        let found = found.map_err(|error| classify(error, &call("DescribeTable")))?;
        let is_active = found.table().and_then(|table| table.table_status()) == Some(&TableStatus::Active);
        let ttl = client.describe_time_to_live().table_name(table).send().await;
        let ttl = ttl.map_err(|error| classify(error, &call("DescribeTimeToLive")))?;
        let has_ttl = ttl.time_to_live_description().and_then(|ttl| ttl.time_to_live_status())
            == Some(&TimeToLiveStatus::Enabled);
        let status = if is_active { "active" } else { "not active yet" };
        Ok(if has_ttl || table.ends_with("pipelines") {
            status.to_owned()
        } else {
            format!("{status}; nothing expires, for its TTL is off")
        })
    }

    /// Whether the bucket of the settings is there.
    pub async fn look_at_bucket(&self) -> Result<String, AwsError> {
        let bucket = self.bucket()?;
        let call = Call::new("s3", "ListBucket", format!("bucket `{bucket}`"));
        let found = self.s3().head_bucket().bucket(bucket).send().await;
        // A HEAD has no body, so an error has no name of AWS's but its status.
        match found {
            Ok(_) => Ok(format!("{bucket} can be reached")),
            Err(error) => Err(match error.raw_response().map(|response| response.status().as_u16()) {
                Some(404) => AwsError::NotFound {
                    action: "s3:ListBucket".to_owned(),
                    resource: format!("bucket `{bucket}`"),
                    message: "it is not there".to_owned(),
                    request: String::new(),
                },
                Some(403) => AwsError::Denied {
                    action: "s3:ListBucket".to_owned(),
                    resource: format!("bucket `{bucket}`"),
                    message: "it is another's, or no policy allows it".to_owned(),
                    request: String::new(),
                },
                _ => classify(error, &call),
            }),
        }
    }
}
