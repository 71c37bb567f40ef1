//! Objects in S3, under the keys of docs/data-model.md.

use super::client::Connection;
use super::error::{AwsError, Call, classify};
use crate::runner::port::{ObjectStore, StoreError};
use async_trait::async_trait;
use aws_sdk_s3::operation::get_object::GetObjectError;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use std::time::Duration;

/// One bucket.
#[derive(Debug, Clone)]
pub struct S3Objects {
    client: aws_sdk_s3::Client,
    bucket: String,
}

/// What is larger goes up in parts of this size; S3 wants parts of at least 5 MiB.
const PART: usize = 8 * 1024 * 1024;

/// So often a write is tried that met another of the same key.
const CONFLICTS: usize = 10;

/// So often an object is read whose connection ends within it. The SDK asks again where no answer comes, not where half of one does.
const READS: u32 = 4;

impl S3Objects {
    /// The bucket of the settings.
    pub fn new(connection: &Connection) -> Result<Self, AwsError> {
        Ok(Self { client: connection.s3(), bucket: connection.bucket()?.to_owned() })
    }

    fn call(&self, operation: &'static str, key: &str) -> Call {
        Call::new("s3", operation, format!("`s3://{}/{key}`", self.bucket))
    }

    async fn put_in_parts(&self, key: &str, bytes: Vec<u8>) -> Result<(), AwsError> {
        let (bucket, client) = (&self.bucket, &self.client);
        let call = self.call("PutObject", key);
        let begun = client.create_multipart_upload().bucket(bucket).key(key).content_type(content_type(key));
        let begun = begun.send().await;
        let upload = begun.map_err(|error| classify(error, &call))?.upload_id.unwrap_or_default();
        let put = async || {
            let parts = self.put_parts(key, &upload, &bytes).await?;
            let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
            let ended = client.complete_multipart_upload().bucket(bucket).key(key).upload_id(&upload);
            ended.multipart_upload(parts).send().await.map_err(|error| classify(error, &call))
        };
        let done = put().await;
        if done.is_err() {
            // What is left of it would be billed; that it cannot be taken away is no reason to say less of why it failed.
            let _ = client.abort_multipart_upload().bucket(bucket).key(key).upload_id(&upload).send().await;
        }
        done.map(|_| ())
    }

    async fn put_parts(&self, key: &str, upload: &str, bytes: &[u8]) -> Result<Vec<CompletedPart>, AwsError> {
        let call = self.call("PutObject", key);
        let mut parts = Vec::new();
        for (number, part) in (1..).zip(bytes.chunks(PART)) {
            let put = self.client.upload_part().bucket(&self.bucket).key(key).upload_id(upload);
            let put = put.part_number(number).body(ByteStream::from(part.to_vec())).send().await;
            let put = put.map_err(|error| classify(error, &call))?;
            parts.push(CompletedPart::builder().part_number(number).set_e_tag(put.e_tag).build());
        }
        Ok(parts)
    }
}

/// What a browser is told that an object is.
fn content_type(key: &str) -> &'static str {
    match key.rsplit_once('.') {
        Some((_, "html")) => "text/html; charset=utf-8",
        Some((_, "json")) => "application/json",
        Some((_, "jsonl")) => "application/jsonl",
        _ => "application/octet-stream",
    }
}

#[async_trait]
impl ObjectStore for S3Objects {
    async fn put(&self, key: &str, bytes: Vec<u8>) -> Result<(), StoreError> {
        if bytes.len() > PART {
            return Ok(self.put_in_parts(key, bytes).await?);
        }
        let put = self.client.put_object().bucket(&self.bucket).key(key).content_type(content_type(key));
        put.body(ByteStream::from(bytes))
            .send()
            .await
            .map_err(|error| classify(error, &self.call("PutObject", key)))?;
        Ok(())
    }

    async fn put_new(&self, key: &str, bytes: Vec<u8>) -> Result<bool, StoreError> {
        let call = self.call("PutObject", key);
        for _ in 0..CONFLICTS {
            let body = ByteStream::from(bytes.clone());
            let put = self.client.put_object().bucket(&self.bucket).key(key).if_none_match("*").body(body);
            let Err(error) = put.send().await else { return Ok(true) };
            match error.raw_response().map(|response| response.status().as_u16()) {
                Some(412) => return Ok(false),
                // Another writes it at this moment, and it is not known yet who will have done so.
                Some(409) => tokio::time::sleep(Duration::from_millis(200)).await,
                _ => return Err(classify(error, &call).into()),
            }
        }
        Ok(false)
    }

    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let call = self.call("GetObject", key);
        let mut pause = Duration::from_millis(100);
        for read in 1.. {
            let got = match self.client.get_object().bucket(&self.bucket).key(key).send().await {
                Ok(got) => got,
                Err(error) if error.as_service_error().is_some_and(GetObjectError::is_no_such_key) => break,
                Err(error) => return Err(classify(error, &call).into()),
            };
            match got.body.collect().await {
                Ok(body) => return Ok(Some(body.into_bytes().to_vec())),
                Err(_) if read < READS => tokio::time::sleep(pause).await,
                // The object is whole; the connection was not.
                Err(error) => {
                    let message =
                        format!("the connection ended within `s3://{}/{key}`: {error}", self.bucket);
                    return Err(AwsError::Unreachable { action: call.action(), message }.into());
                }
            }
            pause *= 2;
        }
        Ok(None)
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        let call = self.call("ListBucket", prefix);
        let mut pages =
            self.client.list_objects_v2().bucket(&self.bucket).prefix(prefix).into_paginator().send();
        let mut keys = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| classify(error, &call))?;
            keys.extend(page.contents.unwrap_or_default().into_iter().filter_map(|object| object.key));
        }
        keys.sort();
        Ok(keys)
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        let deleted = self.client.delete_object().bucket(&self.bucket).key(key).send().await;
        deleted.map_err(|error| classify(error, &self.call("DeleteObject", key)))?;
        Ok(())
    }
}
