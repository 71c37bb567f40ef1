//! `bunsui plan FILE`: what a run would do.

use super::drive::plugin_names;
use super::load::{load_pipeline, report};
use super::output::Output;
use super::parameters::{ParameterArgs, given};
use super::preflight::preflight;
use super::store::block_on;
use super::{Context, Exit, Failure, Outcome, compile};
use crate::backend::local::check_runnable;
use crate::diagnostic::{Diagnostic, Severity, Sink, views};
use crate::pipeline::{Job, Pipeline, RunIf, format_duration};
use crate::plan::{Plan, Selection, plan, resolve_parameters};
use crate::runner::deployment_record;
use crate::settings::BackendKind;
use crate::state_machine::{self, StateMachine};
use indexmap::IndexMap;
use jiff::Timestamp;
use serde_json::json;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The pipeline file
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    parameters: ParameterArgs,
    /// Ask nobody: say nothing of what is deployed
    #[arg(long)]
    offline: bool,
    /// Text for people, or JSON
    #[arg(long, value_enum, default_value_t = Output::Human)]
    output: Output,
}

pub(super) fn run(args: &Args, context: &Context) -> Outcome {
    let loaded = load_pipeline(&args.file, context)?;
    let pipeline = &loaded.pipeline;
    let mut sink = Sink::new();
    if context.settings.backend == BackendKind::Local {
        check_runnable(pipeline, &Selection::all(pipeline), &*loaded.plugins, &mut sink);
    }
    let given = given(&args.parameters, pipeline, context)?;
    let parameters = resolve_parameters(pipeline, &given, &mut sink);
    report(pipeline, &loaded.file, sink, context)?;
    let parameters = parameters.ok_or_else(Failure::reported)?;
    let machines = state_machine::compile(pipeline, &*loaded.plugins).map_err(compile::failure)?;
    let plan = plan(pipeline.clone(), machines, parameters, Selection::all(pipeline));
    let is_asked = context.settings.backend == BackendKind::Aws && !args.offline;
    let deployed = if is_asked {
        let wanted = deployment_record(&plan, &loaded.file, plugin_names(&loaded.plugins), Timestamp::now());
        Some(block_on(super::aws::compared(&plan, &loaded.plugins, &wanted, context))??)
    } else {
        None
    };
    let mut found = Vec::new();
    if let Some(deployed) = &deployed {
        found.extend(role_finding(deployed));
        found.extend(deployed.beyond_boundary.clone());
        found.extend(block_on(preflight(&plan.pipeline, &plan.machines, &loaded.plugins, context))?);
    }
    match args.output {
        Output::Json => context.console.data(as_json(&plan, deployed.as_ref(), &found)),
        Output::Human => {
            context.console.raw(&as_text(&plan));
            if let Some(deployed) = &deployed {
                context.console.raw(&permissions_text(&deployed.permissions));
                context.console.raw(&deployed_text(deployed));
            }
            context.console.diagnostics(&plan.pipeline.source, &found);
        }
    }
    let is_well = found.iter().all(|found| found.severity != Severity::Error);
    if is_well { Ok(Exit::Done) } else { Err(Failure { report: None, exit: Exit::Surroundings }) }
}

/// What to do about a role that cannot be used.
pub(super) const ROLE_HELP: &str =
    "it has to trust states.amazonaws.com, and who deploys needs iam:PassRole on it";

/// The role that state machines have is not to be had, or may not be tried.
fn role_finding(deployed: &Deployed) -> Option<Diagnostic> {
    let (severity, problem) = deployed.role_problem.clone()?;
    let claim = match severity {
        Severity::Error => "Step Functions cannot take on the role",
        Severity::Warning => "it is not known whether Step Functions can take on the role",
    };
    let message = format!("{claim} `{}`: {problem}", deployed.role);
    let finding = Diagnostic::error("bunsui::aws::preflight", message).help(ROLE_HELP);
    Some(Diagnostic { severity, ..finding })
}

/// What is deployed, beside what the file says.
#[derive(Debug, serde::Serialize)]
pub(super) struct Deployed {
    /// The latest version; none where there is none.
    pub(super) version: Option<String>,
    /// Whether that was deployed from this very text.
    pub(super) is_same_text: bool,
    /// ARN of the role that state machines have; empty where it is still to be made.
    pub(super) role: String,
    /// Why Step Functions cannot take it on, or why that is not known.
    #[serde(skip)]
    pub(super) role_problem: Option<(Severity, String)>,
    /// The policy that its role needs: what the plugins say of the operations.
    pub(super) permissions: serde_json::Value,
    /// What the boundary of its role does not allow.
    #[serde(skip)]
    pub(super) beyond_boundary: Option<Diagnostic>,
    /// By job.
    pub(super) jobs: IndexMap<String, DeployedJob>,
}

/// What a deployment would do with a job's state machine.
#[derive(Debug, serde::Serialize)]
pub(super) struct DeployedJob {
    /// `create`, `update`, `same`
    pub(super) change: String,
    /// Why it would be updated.
    pub(super) reason: Option<String>,
    /// How its definition differs, line by line.
    pub(super) difference: Option<String>,
}

/// `  lambda:InvokeFunction on arn:…`, a line for each statement's actions.
fn permissions_text(policy: &serde_json::Value) -> String {
    let texts = |value: &serde_json::Value| {
        let items = value.as_array().into_iter().flatten().filter_map(serde_json::Value::as_str);
        items.map(str::to_owned).collect::<Vec<_>>()
    };
    let statements = policy["Statement"].as_array().map(Vec::as_slice).unwrap_or_default();
    if statements.is_empty() {
        return "\npermissions of its role: none\n".to_owned();
    }
    let mut text = "\npermissions of its role:\n".to_owned();
    for statement in statements {
        text.push_str(&format!("  {}\n", texts(&statement["Action"]).join(", ")));
        for resource in texts(&statement["Resource"]) {
            text.push_str(&format!("    on {resource}\n"));
        }
        if let Some(condition) = statement.get("Condition") {
            text.push_str(&format!("    if {condition}\n"));
        }
    }
    text
}

fn deployed_text(deployed: &Deployed) -> String {
    let Some(version) = &deployed.version else {
        return "\ndeployed: not yet\n".to_owned();
    };
    let mut text = format!("\ndeployed: version {version}");
    let differing: Vec<_> = deployed.jobs.iter().filter(|(_, job)| job.change != "same").collect();
    text.push_str(match (differing.is_empty(), deployed.is_same_text) {
        (true, true) => ", of this very file\n",
        (true, false) => "; the file has changed, and no state machine with it\n",
        (false, _) => "; a deployment would\n",
    });
    for (job, DeployedJob { change, reason, difference }) in differing {
        let reason = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        text.push_str(&format!("  {change}  {job}{reason}\n"));
        text.extend(difference.iter().map(|difference| format!("{difference}\n")));
    }
    text
}

/// How many jobs stand between a job and the first ones: all of one level may run at once.
fn levels(pipeline: &Pipeline) -> Vec<usize> {
    let mut levels = vec![0; pipeline.jobs.len()];
    for job in &pipeline.graph.order {
        levels[*job] =
            pipeline.graph.upstreams[*job].iter().map(|upstream| levels[*upstream] + 1).max().unwrap_or(0);
    }
    levels
}

fn as_text(plan: &Plan) -> String {
    let (pipeline, machines, parameters) = (&plan.pipeline, &plan.machines, &plan.parameters);
    let jobs = pipeline.jobs.len();
    let mut text = format!("pipeline {}: {jobs} {}\n", pipeline.name, if jobs == 1 { "job" } else { "jobs" });
    if let Some(timeout) = pipeline.timeout {
        text.push_str(&format!("timeout {}\n", format_duration(timeout)));
    }
    for (name, value) in &parameters.values {
        let shown = if parameters.secrets.contains(name) { "[secret]".into() } else { value.to_string() };
        text.push_str(&format!("param {name} = {shown}\n"));
    }
    let levels = levels(pipeline);
    let mut order: Vec<usize> = pipeline.graph.order.clone();
    order.sort_by_key(|job| levels[*job]);
    let mut last = None;
    for index in order {
        if last != Some(levels[index]) {
            text.push_str(&format!("\nstep {}\n", levels[index] + 1));
            last = Some(levels[index]);
        }
        text.push_str(&job_text(&pipeline.jobs[index], &machines[index]));
    }
    text
}

fn job_text(job: &Job, machine: &StateMachine) -> String {
    let mut line = format!("  {}", job.id);
    if !job.depends_on.is_empty() {
        let names: Vec<&str> = job.depends_on.iter().map(crate::pipeline::Id::as_str).collect();
        line.push_str(&format!("  after {}", names.join(", ")));
    }
    let mut conditions = Vec::new();
    match job.run_if {
        RunIf::AllSucceeded => {}
        RunIf::NoneFailed => conditions.push("if none failed".to_owned()),
        RunIf::AnyFailed => conditions.push("if any failed".to_owned()),
        RunIf::Always => conditions.push("whatever they come to".to_owned()),
    }
    if let Some(when) = &job.when {
        conditions.push(match when.as_written() {
            serde_json::Value::String(text) => format!("when {text}"),
            other => format!("when {other}"),
        });
    }
    if job.allow_failure {
        conditions.push("may fail".into());
    }
    if !conditions.is_empty() {
        line.push_str(&format!("  ({})", conditions.join(", ")));
    }
    line.push('\n');
    for operation in &job.operations {
        line.push_str(&format!("    {} ({})", operation.name, operation.kind));
        if let Some(timeout) = operation.timeout {
            line.push_str(&format!(", timeout {}", format_duration(timeout)));
        }
        if let Some(retry) = operation.retry.as_ref().filter(|retry| retry.max_attempts.get() > 1) {
            line.push_str(&format!(", {} tries", retry.max_attempts));
        }
        line.push('\n');
    }
    line.push_str(&format!("    definition of {} bytes\n", machine.text().len()));
    line
}

fn as_json(plan: &Plan, deployed: Option<&Deployed>, found: &[Diagnostic]) -> serde_json::Value {
    let (pipeline, machines, parameters) = (&plan.pipeline, &plan.machines, &plan.parameters);
    let levels = levels(pipeline);
    let jobs: Vec<_> = pipeline
        .graph
        .order
        .iter()
        .map(|index| {
            let job = &pipeline.jobs[*index];
            json!({
                "job": job.id,
                "step": levels[*index] + 1,
                "depends_on": job.depends_on,
                "run_if": job.run_if,
                "when": job.when.as_ref().map(crate::expression::Template::as_written),
                "allow_failure": job.allow_failure,
                "operations": job.operations.iter().map(|operation| json!({
                    "name": operation.name,
                    "type": operation.kind,
                    "timeout": operation.timeout.map(format_duration),
                })).collect::<Vec<_>>(),
                "definition_bytes": machines[*index].text().len(),
            })
        })
        .collect();
    json!({
        "pipeline": pipeline.name,
        "timeout": pipeline.timeout.map(format_duration),
        "parameters": parameters.without_secrets(),
        "secrets": parameters.secrets,
        "jobs": jobs,
        "deployed": deployed,
        "preflight": deployed.map(|_| views(&pipeline.source, found)),
    })
}
