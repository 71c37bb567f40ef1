//! Asks plugins what a role has to allow, and refuses what no role should be given for one operation.
//!
//! Takes: operations, and the place where they run. Gives: IAM statements.
//! Deliberately does not: judge whether an operation needs what its plugin says, or group statements.

use super::catalogue::Plugins;
use super::hosted::body;
use crate::pipeline::{AccountPlace, CatalogueError, PermissionsRequest, Statement, partition};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

/// What the call is said to do.
const WHAT: &str = "name the permissions of";

#[derive(Serialize)]
struct PermissionsBody<'a> {
    job: &'a str,
    operation: &'a str,
    keys: &'a Json,
    partition: &'static str,
    region: &'a str,
    account: &'a str,
    bucket: &'a str,
}

#[derive(Deserialize)]
pub(super) struct StatementBody {
    actions: Vec<String>,
    resources: Vec<String>,
    condition: Option<Json>,
}

/// It is not known what a role has to allow.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum PermissionsError {
    /// A plugin did not say.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Catalogue(#[from] CatalogueError),
    /// A plugin asks for what no role is given.
    #[error(
        "the permissions that plugin `{plugin}` names for operation `{operation}` are not given: {reason}"
    )]
    #[diagnostic(
        code("bunsui::plugin::unusable_permissions"),
        help("this is a fault of plugin `{plugin}`: a role is given what its operations need, by name")
    )]
    Unusable {
        /// The plugin.
        plugin: String,
        /// `job.operation`.
        operation: String,
        /// What is wrong with them.
        reason: String,
    },
}

impl Plugins {
    /// What the state machines' role has to allow, for each of these operations.
    pub fn permissions(
        &self,
        requests: &[PermissionsRequest],
        place: &AccountPlace,
    ) -> Result<Vec<Vec<Statement>>, PermissionsError> {
        let AccountPlace { region, account, bucket } = place;
        let name = |request: &PermissionsRequest| format!("{}.{}", request.job, request.operation);
        let replies = self.ask(
            WHAT,
            requests.iter().map(|request| {
                let PermissionsRequest { kind, job, operation, keys } = request;
                let partition = partition(region);
                let asked = PermissionsBody { job, operation, keys, partition, region, account, bucket };
                (kind.as_str(), name(request), body("permissions", kind, &asked))
            }),
        )?;
        let mut needs = Vec::with_capacity(requests.len());
        for (request, reply) in requests.iter().zip(replies) {
            let found: Vec<StatementBody> = serde_json::from_str(reply.get())
                .map_err(|error| self.not_understood(WHAT, &request.kind, &name(request), &error))?;
            let mut statements = Vec::with_capacity(found.len());
            for StatementBody { actions, resources, condition } in found {
                let statement = Statement { actions, resources, condition };
                if let Some(reason) = obstacle(&statement) {
                    let plugin = self.plugin(&request.kind).map_or_else(String::new, |it| it.name.clone());
                    return Err(PermissionsError::Unusable { plugin, operation: name(request), reason });
                }
                statements.push(statement);
            }
            needs.push(statements);
        }
        Ok(needs)
    }
}

/// Why no role is given a statement; none where it can be.
fn obstacle(statement: &Statement) -> Option<String> {
    let Statement { actions, resources, .. } = statement;
    if actions.is_empty() {
        return Some("a statement has no action".to_owned());
    }
    if resources.is_empty() {
        return Some(format!("the statement of action `{}` has no resource", actions[0]));
    }
    let is_everywhere = resources.iter().any(|resource| resource == "*");
    let of_resource = |resource: &String| {
        let is_arn = resource == "*" || resource.starts_with("arn:");
        (!is_arn).then(|| format!("resource `{resource}` is no ARN"))
    };
    let of_action = |action: &String| about_action(action, is_everywhere);
    actions.iter().find_map(of_action).or_else(|| resources.iter().find_map(of_resource))
}

fn about_action(action: &str, is_everywhere: bool) -> Option<String> {
    match action.split_once(':') {
        None if action == "*" => Some("action `*` is every action of every service".to_owned()),
        None => Some(format!("action `{action}` names no service, as `s3:GetObject` does")),
        Some((service, _)) if service.contains(['*', '?']) || service.is_empty() => {
            Some(format!("action `{action}` is every action of every service"))
        }
        Some((service, "*")) if is_everywhere => {
            Some(format!("action `{action}` is every action of `{service}`, on every resource"))
        }
        Some(_) => None,
    }
}
