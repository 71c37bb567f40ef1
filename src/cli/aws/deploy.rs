//! Deployments: compared, made, pruned, deleted.

use super::connect::{connect, failure};
use super::needs::Needs;
use super::{DeployMode, NotDeployed};
use crate::backend::Stores;
use crate::backend::aws::{
    Change, Connection, Deployer, MachineSettings, Prepared, Reason, RoleState, S3Objects, policy_document,
};
use crate::cli::load::check;
use crate::cli::pipeline::by_need;
use crate::cli::plan::{Deployed, DeployedJob};
use crate::cli::{Context, Failure};
use crate::diagnostic::Severity;
use crate::plan::Plan;
use crate::plugin::Plugins;
use crate::report::text::difference;
use crate::runner::port::{deployment_key, durations_key};
use crate::session::DeploymentRecord;
use crate::state_machine::{self, StateMachine};
use std::collections::BTreeMap;

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
    // What is written last is looked at first.
    connection.look_at_bucket().await.map_err(failure)?;
    let prepared = prepare_role(plan, plugins, &deployer, connection, context).await?;
    let now = settings(name, &deployer, connection).await?;
    let difference = deployer.difference(&wanted, latest.as_ref(), &now).await.map_err(failure)?;
    let changes = difference.iter().filter(|(_, change)| *change != Change::Same).count();
    let is_role_same = prepared.as_ref().is_none_or(|prepared| prepared.changes.is_empty());
    if let Some(latest) =
        latest.as_ref().filter(|latest| changes == 0 && is_role_same && latest.text == wanted.text)
    {
        console.talk(format!("pipeline {name} is deployed as it is: version {}", latest.version));
        return Ok(latest.clone());
    }
    console.talk(format!(
        "deployment of pipeline {name} to account {}, {}: {changes} of {} state machines change",
        connection.account(),
        connection.region(),
        difference.len()
    ));
    let before = former_definitions(latest.as_ref(), &difference, plugins);
    for ((job, change), machine) in difference.iter().zip(&plan.machines) {
        match change {
            Change::Same => {}
            Change::Create => console.talk(format!("  create  {job}")),
            Change::Update(reason) => {
                console.talk(format!("  update  {job}: {reason}"));
                if let Some(text) = definition_difference(job, &before, machine, console.colour) {
                    console.talk(text);
                }
            }
        }
    }
    if mode == DeployMode::DryRun {
        if let Some(prepared) = prepared {
            deployer.discard(prepared).await.map_err(failure)?;
        }
        console.talk("nothing was done (`--dry-run`)");
        return Ok(wanted);
    }
    let settings = match prepared {
        Some(prepared) => deployer.make_role(prepared).await.map_err(failure)?,
        None => now.clone(),
    };
    let difference = if settings == now {
        difference
    } else {
        deployer.difference(&wanted, latest.as_ref(), &settings).await.map_err(failure)?
    };
    let changes = difference.iter().filter(|(_, change)| *change != Change::Same).count();
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
    deployer.forget_machines(&unneeded, &*stores.objects).await.map_err(Failure::surroundings)?;
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
    let (_, mut machines) = Deployer::unneeded(deployments, &[]);
    // A deployment that failed has left what it made, and is registered nowhere.
    machines.extend(deployer.machines_of(name).await.map_err(failure)?);
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
        let key = deployment_key(name, &deployment.version);
        stores.objects.delete(&key).await.map_err(Failure::surroundings)?;
    }
    stores.objects.delete(&durations_key(name)).await.map_err(Failure::surroundings)?;
    context.console.talk(format!("pipeline {name} is deleted; its sessions can still be looked at"));
    Ok(())
}

/// Whether a pipeline that is not registered has left something all the same: of a deployment that failed.
pub(in crate::cli) async fn has_leftovers(name: &str, context: &Context) -> Result<bool, Failure> {
    let deployer = Deployer::new(connect(context).await?);
    Ok(deployer.role(name).await.map_err(failure)?.is_some()
        || !deployer.machines_of(name).await.map_err(failure)?.is_empty())
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
    let settings = settings(name, &deployer, connection).await?;
    let jobs = deployer.difference(wanted, latest.as_ref(), &settings).await.map_err(failure)?;
    let state = match settings.role.as_str() {
        // The deployment will make it.
        "" => RoleState::Usable,
        role => deployer.try_role(role).await,
    };
    let before = former_definitions(latest.as_ref(), &jobs, plugins);
    let needs = Needs::of(&plan.pipeline, &plan.machines, plugins, connection)?;
    Ok(Deployed {
        is_same_text: latest.as_ref().is_some_and(|latest| latest.text == wanted.text),
        version: latest.map(|latest| latest.version),
        role: settings.role,
        permissions: policy_document(&needs.statements()),
        beyond_boundary: needs.beyond_boundary(&deployer, connection).await?,
        role_problem: match state {
            RoleState::Usable => None,
            RoleState::Refused(why) => Some((Severity::Error, why)),
            RoleState::NotKnown(why) => Some((Severity::Warning, why)),
        },
        jobs: jobs
            .into_iter()
            .zip(&plan.machines)
            .map(|((job, change), machine)| {
                let difference = definition_difference(&job, &before, machine, false);
                (job, deployed_job(change, difference))
            })
            .collect(),
    })
}

fn deployed_job(change: Change, difference: Option<String>) -> DeployedJob {
    let reason = match change {
        Change::Update(reason) => Some(reason.to_string()),
        Change::Create | Change::Same => None,
    };
    DeployedJob { change: change.to_string(), reason, difference }
}

/// What state machines have besides their definitions, as far as it is there. A role that is set comes without a log group: whether it
/// may write to one is not known.
async fn settings(
    name: &str,
    deployer: &Deployer,
    connection: &Connection,
) -> Result<MachineSettings, Failure> {
    match connection.execution_role() {
        Some(role) => Ok(MachineSettings { role: role.to_owned(), log_group: None }),
        None => Ok(deployer.role(name).await.map_err(failure)?.unwrap_or_default()),
    }
}

/// What is to change in the stack of the pipeline's role, said, and what its boundary keeps from it; none where a role is set.
async fn prepare_role(
    plan: &Plan,
    plugins: &Plugins,
    deployer: &Deployer,
    connection: &Connection,
    context: &Context,
) -> Result<Option<Prepared>, Failure> {
    if connection.execution_role().is_some() {
        return Ok(None);
    }
    let needs = Needs::of(&plan.pipeline, &plan.machines, plugins, connection)?;
    let beyond = needs.beyond_boundary(deployer, connection).await?;
    context.console.diagnostics(&plan.pipeline.source, beyond.as_slice());
    let name = plan.pipeline.name.as_str();
    let prepared = deployer.prepare_role(name, &needs.statements()).await.map_err(failure)?;
    for change in &prepared.changes {
        let action = change.action.to_lowercase();
        let line = format!("  {action}  {} of the pipeline's stack ({})", change.resource, change.kind);
        context.console.talk(line);
    }
    Ok(Some(prepared))
}

/// The definitions of a deployment, by job: what its file compiles to with the plugins of now. Empty where it is valid no more, or
/// no definition is another now.
fn former_definitions(
    latest: Option<&DeploymentRecord>,
    difference: &[(String, Change)],
    plugins: &Plugins,
) -> BTreeMap<String, String> {
    let is_another = |(_, change): &(String, Change)| *change == Change::Update(Reason::Definition);
    let Some(latest) = latest.filter(|_| difference.iter().any(is_another)) else { return BTreeMap::new() };
    let checked = check(&latest.file, latest.text.clone().into_bytes(), plugins);
    let Some(pipeline) = checked.pipeline else { return BTreeMap::new() };
    let Ok(machines) = state_machine::compile(&pipeline, plugins) else { return BTreeMap::new() };
    pipeline.jobs.keys().zip(machines).map(|(job, machine)| (job.to_string(), pretty(&machine))).collect()
}

fn pretty(machine: &StateMachine) -> String {
    let parsed: Result<serde_json::Value, _> = serde_json::from_str(&machine.text());
    parsed.map(|definition| format!("{definition:#}\n")).unwrap_or_default()
}

/// How a job's definition differs from what was deployed; none where it does not, or that is not known.
fn definition_difference(
    job: &str,
    before: &BTreeMap<String, String>,
    machine: &StateMachine,
    colour: bool,
) -> Option<String> {
    let (before, now) = (before.get(job)?, pretty(machine));
    (*before != now).then(|| difference(before, &now, ("deployed", job), colour))
}
