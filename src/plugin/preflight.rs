//! Asks plugins of an operation's surroundings on AWS: what is missing or does not fit, what a stop has left, where logs are.

use super::catalogue::{FindingBody, Plugins};
use super::frame::Answer;
use super::hosted::{Plugin, body};
use crate::pipeline::{CatalogueError, Finding, PreflightRequest};
use futures::{StreamExt, stream};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::sync::Arc;

/// How plugins reach AWS: as bunsui itself does.
#[derive(Debug, Clone, Default, Serialize)]
pub struct AwsAccess {
    /// The region; none: the SDK's own settings decide, as for the rest.
    pub region: Option<String>,
    /// A profile of the user's AWS files.
    pub profile: Option<String>,
    /// A role to take on, by its ARN.
    pub role: Option<String>,
    /// Another address for all services.
    pub endpoint_url: Option<String>,
    /// Other addresses of single services.
    pub endpoint_urls: BTreeMap<String, String>,
}

/// Operations that are looked at, at once: each asks AWS a question or more.
const AT_ONCE: usize = 16;

#[derive(Serialize)]
struct PreflightBody<'a> {
    job: &'a str,
    operation: &'a str,
    keys: &'a Json,
    timeout_seconds: Option<u64>,
    aws: &'a AwsAccess,
}

#[derive(Serialize)]
struct StopBody<'a> {
    keys: &'a Json,
    execution_arn: &'a str,
    submitted: Option<&'a Json>,
    aws: &'a AwsAccess,
}

#[derive(Serialize)]
struct LogsBody<'a> {
    keys: &'a Json,
    submitted: Option<&'a Json>,
    aws: &'a AwsAccess,
}

/// An operation of an execution that is there.
#[derive(Debug, Clone, Copy)]
pub struct OperationRun<'a> {
    /// Its type.
    pub kind: &'a str,
    /// Its job.
    pub job: &'a str,
    /// Its name.
    pub operation: &'a str,
    /// Its keys, references already JSONata.
    pub keys: &'a Json,
    /// What the submission of its task returned, where that is known.
    pub submitted: Option<&'a Json>,
}

/// What a plugin ended, and what it could not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct StopReport {
    /// What was ended.
    #[serde(default)]
    pub ended: Vec<String>,
    /// What may still run, and why.
    #[serde(default)]
    pub left: Vec<String>,
}

/// A place in CloudWatch Logs.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct LogSource {
    /// Log group.
    pub group: String,
    /// Streams that begin so; all, where it is empty.
    #[serde(default)]
    pub stream_prefix: String,
    /// A filter pattern that picks the task's own lines.
    pub pattern: Option<String>,
    /// Another region than the session's.
    pub region: Option<String>,
}

impl Plugins {
    /// What each operation's plugin found, in the order of the requests.
    pub async fn preflight(
        &self,
        requests: &[PreflightRequest],
        aws: &AwsAccess,
    ) -> Vec<Result<Vec<Finding>, CatalogueError>> {
        let look = |request| self.look(request, aws);
        stream::iter(requests).map(look).buffered(AT_ONCE).collect().await
    }

    async fn look(
        &self,
        request: &PreflightRequest,
        aws: &AwsAccess,
    ) -> Result<Vec<Finding>, CatalogueError> {
        let PreflightRequest { kind, job, operation, keys, timeout } = request;
        let timeout_seconds = timeout.map(|timeout| timeout.as_secs());
        let asked = PreflightBody { job, operation, keys, timeout_seconds, aws };
        let what = Question { kind, call: "preflight", what: "look at the surroundings of", job, operation };
        let findings: Vec<FindingBody> = self.answer(what, &asked).await?;
        Ok(findings.into_iter().map(Finding::from).collect())
    }

    /// After an execution was stopped: has an operation's plugin end what Step Functions may have left of it.
    pub async fn stop(
        &self,
        of: &OperationRun<'_>,
        execution_arn: &str,
        aws: &AwsAccess,
    ) -> Result<StopReport, CatalogueError> {
        let OperationRun { kind, job, operation, keys, submitted } = *of;
        let asked = StopBody { keys, execution_arn, submitted, aws };
        self.answer(Question { kind, call: "stop", what: "end what is left of", job, operation }, &asked)
            .await
    }

    /// Where AWS keeps an operation's output.
    pub async fn log_sources(
        &self,
        of: &OperationRun<'_>,
        aws: &AwsAccess,
    ) -> Result<Vec<LogSource>, CatalogueError> {
        let OperationRun { kind, job, operation, keys, submitted } = *of;
        let asked = LogsBody { keys, submitted, aws };
        self.answer(
            Question { kind, call: "logs", what: "say where the logs are of", job, operation },
            &asked,
        )
        .await
    }

    /// A plugin's answer to one question about one operation.
    async fn answer<T: DeserializeOwned>(
        &self,
        question: Question<'_>,
        asked: &impl Serialize,
    ) -> Result<T, CatalogueError> {
        let Question { kind, call, what, job, operation } = question;
        let failed = |message: String, help: Option<String>| CatalogueError {
            plugin: self.plugin(kind).map_or(kind.to_owned(), |plugin| plugin.name.clone()),
            what,
            operation: format!("{job}.{operation}"),
            message,
            help,
        };
        let plugin: &Arc<Plugin> = self
            .plugin(kind)
            .ok_or_else(|| failed(format!("no plugin knows operation type `{kind}`"), None))?;
        let host = plugin.host_async().await.map_err(|error| failed(error.to_string(), None))?;
        let answers = host.ask_async(vec![body(call, kind, asked)]).await;
        let answers = answers.map_err(|error| failed(error.to_string(), None))?;
        match answers.into_iter().next() {
            Some(Answer::Ok(reply)) => serde_json::from_str(reply.get())
                .map_err(|error| failed(format!("its answer is not understood: {error}"), None)),
            Some(Answer::Failed { message, help, .. }) => Err(failed(message, help)),
            None => Err(failed("it gave no answer".to_owned(), None)),
        }
    }
}

/// One question to a plugin.
#[derive(Clone, Copy)]
struct Question<'a> {
    kind: &'a str,
    call: &'static str,
    /// What it cannot do if it fails.
    what: &'static str,
    job: &'a str,
    operation: &'a str,
}
