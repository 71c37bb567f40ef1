//! Deployments: compared, made, pruned, deleted.

use super::connect::{connect, failure};
use super::{DeployMode, NotDeployed};
use crate::backend::Stores;
use crate::backend::aws::{
    Change, Connection, Deployer, MachineSettings, RoleState, S3Objects, policy_document,
};
use crate::cli::pipeline::by_need;
use crate::cli::plan::{Deployed, DeployedJob};
use crate::cli::{Context, Failure};
use crate::diagnostic::Severity;
use crate::pipeline::{AccountPlace, PermissionsRequest, Statement};
use crate::plan::Plan;
use crate::plugin::Plugins;
use crate::session::DeploymentRecord;

/// The latest deployment, if it is of this very file and these definitions; else what `mode` says.
pub(in crate::cli) async fn deployed(
    plan: &Plan,
    plugins: &Plugins,
    wanted: DeploymentRecord,
    mode: DeployMode,
    stores: &Stores,
    context: &Context,
) -> Result<DeploymentRecord, Failure> {
    let connection = connect(context).await?;
    let deployer = Deployer::new(connection);
    let name = plan.pipeline.name.as_str();
    let latest = deployer.latest(name, &*stores.objects).await.map_err(Failure::surroundings)?;
    let console = &context.console;
    if mode == DeployMode::Refuse {
        let what = match &latest {
            None => format!("pipeline `{name}` is not deployed in account {}", connection.account()),
            Some(latest) if latest.text == wanted.text && latest.definitions == wanted.definitions => {
                return Ok(latest.clone());
            }
            Some(latest) => format!(
                "{} is not what version {} of `{name}` was deployed from",
                wanted.file, latest.version
            ),
        };
        return Err(Failure::bad_input(NotDeployed { what, file: wanted.file }));
    }
    let settings = role(plan, plugins, mode, &deployer, connection, context).await?;
    let difference = deployer.difference(&wanted, latest.as_ref(), &settings).await.map_err(failure)?;
    let changes = difference.iter().filter(|(_, change)| *change != Change::Same).count();
    if let Some(latest) = latest.as_ref().filter(|latest| changes == 0 && latest.text == wanted.text) {
        console.talk(format!("pipeline {name} is deployed as it is: version {}", latest.version));
        return Ok(latest.clone());
    }
    console.talk(format!(
        "deployment of pipeline {name} to account {}, {}: {changes} of {} state machines change",
        connection.account(),
        connection.region(),
        difference.len()
    ));
    for (job, change) in &difference {
        match change {
            Change::Same => {}
            Change::Create => console.talk(format!("  create  {job}")),
            Change::Update(reason) => console.talk(format!("  update  {job}: {reason}")),
        }
    }
    if mode == DeployMode::DryRun {
        console.talk("nothing was done (`--dry-run`)");
        return Ok(wanted);
    }
    let mut done = 0;
    let mut told = |job: &str, change: Change| {
        if change != Change::Same {
            done += 1;
            console.talk(format!("  {done}/{changes} {job}"));
        }
    };
    let deployed = deployer
        .deploy(
            (&plan.pipeline, &plan.machines),
            wanted,
            latest.as_ref(),
            (&settings, &difference),
            &*stores.objects,
            &mut told,
        )
        .await
        .map_err(Failure::surroundings)?;
    console.talk(format!("pipeline {name} is deployed: version {}", deployed.version));
    Ok(deployed)
}

/// Deletes state machines and versions that neither the latest deployment needs, nor a session that has not ended.
pub(in crate::cli) async fn prune(
    latest: &DeploymentRecord,
    stores: &Stores,
    context: &Context,
) -> Result<(), Failure> {
    let connection = connect(context).await?;
    let deployer = Deployer::new(connection);
    let name = &latest.pipeline_id;
    let (unneeded, needed) = by_need(name, &latest.version, stores).await?;
    let (versions, machines) = Deployer::unneeded(&unneeded, &needed);
    for version in &versions {
        deployer.delete_version(version).await.map_err(failure)?;
        context.console.talk(format!("  deleted  {version}"));
    }
    for machine in &machines {
        deployer.delete_machine(machine, name).await.map_err(failure)?;
        context.console.talk(format!("  deleted  {machine}"));
    }
    if versions.is_empty() && machines.is_empty() {
        context.console.talk("nothing is left of earlier deployments");
    }
    Ok(())
}

/// Deletes all that a pipeline's deployments made.
pub(in crate::cli) async fn delete_pipeline(
    name: &str,
    deployments: &[DeploymentRecord],
    is_dry_run: bool,
    stores: &Stores,
    context: &Context,
) -> Result<(), Failure> {
    let connection = connect(context).await?;
    let deployer = Deployer::new(connection);
    let (_, machines) = Deployer::unneeded(deployments, &[]);
    for machine in &machines {
        context.console.talk(format!("  {}  {machine}", if is_dry_run { "would go" } else { "deleted" }));
        if !is_dry_run {
            deployer.delete_machine(machine, name).await.map_err(failure)?;
        }
    }
    if is_dry_run {
        context.console.talk("nothing was done (`--dry-run`)");
        return Ok(());
    }
    if deployer.delete_role(name).await.map_err(failure)? {
        context.console.talk("  deleted  the pipeline's role");
    }
    for deployment in deployments {
        deployer.unregister(name, &deployment.version).await.map_err(failure)?;
        let key = crate::runner::port::deployment_key(name, &deployment.version);
        stores.objects.delete(&key).await.map_err(Failure::surroundings)?;
    }
    context.console.talk(format!("pipeline {name} is deleted; its sessions can still be looked at"));
    Ok(())
}

/// What is deployed, beside what a file says; nothing is changed.
pub(in crate::cli) async fn compared(
    plan: &Plan,
    plugins: &Plugins,
    wanted: &DeploymentRecord,
    context: &Context,
) -> Result<Deployed, Failure> {
    let connection = connect(context).await?;
    let deployer = Deployer::new(connection);
    let objects = S3Objects::new(connection).map_err(failure)?;
    let name = &wanted.pipeline_id;
    let latest = deployer.latest(name, &objects).await.map_err(Failure::surroundings)?;
    // A role that is set is compared; one that a deployment would make is the pipeline's own.
    let settings = match connection.execution_role() {
        Some(role) => own_role(role),
        None => deployer.role(name).await.map_err(failure)?.unwrap_or_default(),
    };
    let jobs = deployer.difference(wanted, latest.as_ref(), &settings).await.map_err(failure)?;
    let state = match settings.role.as_str() {
        // The deployment will make it.
        "" => RoleState::Usable,
        role => deployer.try_role(role).await,
    };
    Ok(Deployed {
        is_same_text: latest.as_ref().is_some_and(|latest| latest.text == wanted.text),
        version: latest.map(|latest| latest.version),
        role: settings.role,
        permissions: policy_document(&statements(plan, plugins, connection)?),
        role_problem: match state {
            RoleState::Usable => None,
            RoleState::Refused(why) => Some((Severity::Error, why)),
            RoleState::NotKnown(why) => Some((Severity::Warning, why)),
        },
        jobs: jobs.into_iter().map(|(job, change)| (job, deployed_job(change))).collect(),
    })
}

fn deployed_job(change: Change) -> DeployedJob {
    let reason = match change {
        Change::Update(reason) => Some(reason.to_string()),
        Change::Create | Change::Same => None,
    };
    DeployedJob { change: change.to_string(), reason }
}

/// A role that is set comes without a log group: whether it may write to one is not known.
fn own_role(role: &str) -> MachineSettings {
    MachineSettings { role: role.to_owned(), log_group: None }
}

/// The role that is set, or that of the pipeline's own stack, which is brought up to date; what changes is said first.
async fn role(
    plan: &Plan,
    plugins: &Plugins,
    mode: DeployMode,
    deployer: &Deployer,
    connection: &Connection,
    context: &Context,
) -> Result<MachineSettings, Failure> {
    if let Some(role) = connection.execution_role() {
        return Ok(own_role(role));
    }
    let name = plan.pipeline.name.as_str();
    let statements = statements(plan, plugins, connection)?;
    let prepared = deployer.prepare_role(name, &statements).await.map_err(failure)?;
    for change in &prepared.changes {
        let action = change.action.to_lowercase();
        context
            .console
            .talk(format!("  {action}  {} of the pipeline's role ({})", change.resource, change.kind));
    }
    if mode == DeployMode::DryRun {
        deployer.discard(prepared).await.map_err(failure)?;
        return Ok(deployer.role(name).await.map_err(failure)?.unwrap_or_default());
    }
    deployer.make_role(prepared).await.map_err(failure)
}

/// What the plan's operations need, as their plugins say.
fn statements(plan: &Plan, plugins: &Plugins, connection: &Connection) -> Result<Vec<Statement>, Failure> {
    let place = AccountPlace {
        region: connection.region().to_owned(),
        account: connection.account().to_owned(),
        bucket: connection.bucket().map_err(failure)?.to_owned(),
    };
    let requests: Vec<PermissionsRequest> = plan
        .pipeline
        .jobs
        .values()
        .zip(&plan.machines)
        .flat_map(|(job, machine)| job.operations.iter().zip(&machine.keys).map(move |one| (job, one)))
        .map(|(job, (operation, keys))| PermissionsRequest {
            kind: operation.kind.clone(),
            job: job.id.to_string(),
            operation: operation.name.to_string(),
            keys: keys.clone(),
        })
        .collect();
    plugins.permissions(&requests, &place).map_err(Failure::surroundings)
}
