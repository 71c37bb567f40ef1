//! What `doctor` looks at.

use super::connect::open;
use crate::backend::aws::{AwsError, Connection, Deployer, Looked, Offset, RoleState, Stacks};
use crate::cli::Context;
use crate::cli::doctor::Finding;
use crate::cli::plan::ROLE_HELP;
use jiff::SignedDuration;

/// Leases of sessions last seconds, and are judged by the clock of whoever looks.
fn clock(offset: Offset) -> Finding {
    const TOLERATED: SignedDuration = SignedDuration::from_secs(10);
    let found = format!("{offset} AWS's");
    if offset.0.abs() < TOLERATED {
        return Finding::well("clock", found);
    }
    let help = "set this machine's clock: by a wrong one a runner takes another's session for abandoned, \
                and from 5 minutes on AWS refuses what it signs";
    Finding::wrong("clock", found, help)
}

/// The policies of runners and deployers, and the boundary of pipelines' roles. Whoever has their own need not have these.
async fn policies(connection: &Connection) -> Finding {
    let stack = format!("{}policies", connection.prefix());
    match Stacks::new(connection).state(&stack).await {
        Ok(Some(state)) if state.outputs.contains_key("BoundaryArn") => {
            Finding::well("policies", format!("stack {stack}: {}", state.words()))
        }
        Ok(Some(state)) => {
            let help = "to make it anew: bunsui infra deploy";
            Finding::wrong("policies", format!("stack {stack} is {}", state.status), help)
        }
        Ok(None) => Finding::well(
            "policies",
            format!(
                "there is no stack {stack}: roles of pipelines have no boundary; `bunsui infra deploy` makes it"
            ),
        ),
        // Who only runs pipelines may not look.
        Err(error) => Finding::well("policies", format!("not looked at: {error}")),
    }
}

/// What `doctor` looks at.
pub(in crate::cli) async fn findings(context: &Context) -> Vec<Finding> {
    let connection = match open(context).await {
        Ok(connection) => connection,
        Err(error) => return vec![Finding::error("credentials", &error)],
    };
    let whose = format!("of account {}, in {}", connection.account(), connection.region());
    let mut findings = vec![Finding::well("credentials", whose)];
    findings.extend(connection.clock().map(clock));
    findings.push(Finding::well("calls of Step Functions, at most", connection.quotas().join("; ")));
    if let Some(role) = connection.execution_role() {
        let what = "execution role";
        findings.push(match Deployer::new(connection).try_role(role).await {
            RoleState::Usable => Finding::well(what, role),
            RoleState::NotKnown(why) => Finding::well(what, format!("{role}; not looked at: {why}")),
            RoleState::Refused(why) => Finding::wrong(what, why, ROLE_HELP),
        });
    }
    findings.push(policies(connection).await);
    findings.extend(connection.look().await.into_iter().map(|Looked { what, found }| match found {
        Ok(found) => Finding::well(what, found),
        Err(AwsError::NotFound { message, .. }) => {
            Finding::wrong(what, message, "to make what is not there: bunsui infra deploy")
        }
        Err(error) => Finding::error(what, &error),
    }));
    findings
}
