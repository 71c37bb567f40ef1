//! What operations need of their pipeline's role, and what its boundary keeps from them.

use super::connect::{connect, failure};
use crate::backend::aws::{Connection, Deployer};
use crate::cli::{Context, Failure};
use crate::diagnostic::{Diagnostic, name_list};
use crate::pipeline::{AccountPlace, Job, Operation, PermissionsRequest, Pipeline, Statement};
use crate::plugin::Plugins;
use crate::state_machine::{StateMachine, operations_with_keys};
use std::borrow::Borrow;
use std::collections::BTreeSet;

/// What each operation of a pipeline needs, as its plugin says.
pub(super) struct Needs<'a>(Vec<(&'a Job, &'a Operation, Vec<Statement>)>);

impl<'a> Needs<'a> {
    pub(super) fn of(
        pipeline: &'a Pipeline,
        machines: &'a [impl Borrow<StateMachine>],
        plugins: &Plugins,
        connection: &Connection,
    ) -> Result<Self, Failure> {
        let place = AccountPlace {
            region: connection.region().to_owned(),
            account: connection.account().to_owned(),
            bucket: connection.bucket().map_err(failure)?.to_owned(),
        };
        let (operations, requests): (Vec<_>, Vec<_>) = operations_with_keys(pipeline, machines)
            .map(|(job, operation, keys)| {
                let request = PermissionsRequest {
                    kind: operation.kind.clone(),
                    job: job.id.to_string(),
                    operation: operation.name.to_string(),
                    keys: keys.clone(),
                };
                ((job, operation), request)
            })
            .unzip();
        let answers = plugins.permissions(&requests, &place).map_err(Failure::surroundings)?;
        let needs = operations.into_iter().zip(answers);
        Ok(Self(needs.map(|((job, operation), statements)| (job, operation, statements)).collect()))
    }

    /// Of all operations.
    pub(super) fn statements(&self) -> Vec<Statement> {
        self.0.iter().flat_map(|(_, _, statements)| statements).cloned().collect()
    }

    /// A warning of what the boundary of pipelines' roles does not allow; none where it allows all, a role is set that bunsui did not
    /// make, or what the boundary allows is not known.
    pub(super) async fn beyond_boundary(
        &self,
        deployer: &Deployer,
        connection: &Connection,
    ) -> Result<Option<Diagnostic>, Failure> {
        if connection.execution_role().is_some() {
            return Ok(None);
        }
        let Some(boundary) = deployer.boundary().await.map_err(failure)? else { return Ok(None) };
        let mut all = BTreeSet::new();
        let mut places = Vec::new();
        for (job, operation, statements) in &self.0 {
            let missing: BTreeSet<&str> =
                statements.iter().flat_map(|statement| boundary.missing(statement)).collect();
            if !missing.is_empty() {
                let needed = name_list(missing.iter().copied());
                places.push((
                    operation.span,
                    format!("`{}` of job `{}` needs {needed}", operation.name, job.id),
                ));
                all.extend(missing);
            }
        }
        if places.is_empty() {
            return Ok(None);
        }
        let message = format!(
            "the boundary of pipelines' roles, of the stack {}, does not allow {}",
            boundary.stack,
            name_list(all.iter().copied())
        );
        let help = format!(
            "until it does, AWS refuses what {} there; an administrator widens it: \
             bunsui infra deploy --parameter ExecutionActions={}",
            match places.len() {
                1 => "is called".to_owned(),
                operations => format!("these {operations} operations call"),
            },
            boundary.widened(&all)
        );
        let warning = Diagnostic::warning("bunsui::aws::boundary", message).help(help);
        Ok(Some(places.into_iter().fold(warning, |warning, (span, said)| warning.label(span, said))))
    }
}

/// The same of a pipeline that is only looked at.
pub(in crate::cli) async fn beyond_boundary(
    pipeline: &Pipeline,
    machines: &[impl Borrow<StateMachine>],
    plugins: &Plugins,
    context: &Context,
) -> Result<Option<Diagnostic>, Failure> {
    let connection = connect(context).await?;
    let needs = Needs::of(pipeline, machines, plugins, connection)?;
    needs.beyond_boundary(&Deployer::new(connection), connection).await
}
