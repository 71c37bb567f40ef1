//! Asks plugins what of an operation's surroundings on AWS is missing or does not fit.

use super::catalogue::{FindingBody, Plugins};
use super::frame::Answer;
use super::hosted::{Plugin, body};
use crate::pipeline::{CatalogueError, Finding, PreflightRequest};
use futures::{StreamExt, stream};
use serde::Serialize;
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
        let failed = |message: String, help: Option<String>| CatalogueError {
            plugin: self.plugin(kind).map_or(kind.clone(), |plugin| plugin.name.clone()),
            what: "look at the surroundings of",
            operation: format!("{job}.{operation}"),
            message,
            help,
        };
        let plugin: &Arc<Plugin> = self
            .plugin(kind)
            .ok_or_else(|| failed(format!("no plugin knows operation type `{kind}`"), None))?;
        let timeout_seconds = timeout.map(|timeout| timeout.as_secs());
        let asked = PreflightBody { job, operation, keys, timeout_seconds, aws };
        let host = plugin.host_async().await.map_err(|error| failed(error.to_string(), None))?;
        let answers = host.ask_async(vec![body("preflight", kind, &asked)]).await;
        let answers = answers.map_err(|error| failed(error.to_string(), None))?;
        match answers.into_iter().next() {
            Some(Answer::Ok(reply)) => {
                let findings: Vec<FindingBody> = serde_json::from_str(reply.get())
                    .map_err(|error| failed(format!("its answer is not understood: {error}"), None))?;
                Ok(findings.into_iter().map(Finding::from).collect())
            }
            Some(Answer::Failed { message, help, .. }) => Err(failed(message, help)),
            None => Err(failed("it gave no answer".to_owned(), None)),
        }
    }
}
