//! The same where this executable was built without AWS: each says so.

use super::DeployMode;
use crate::backend::{LineSources, Stores};
use crate::cli::doctor::Finding;
use crate::cli::load::NoAwsBackend;
use crate::cli::plan::Deployed;
use crate::cli::{Context, Failure};
use crate::diagnostic::Diagnostic;
use crate::pipeline::Pipeline;
use crate::plan::Plan;
use crate::plugin::Plugins;
use crate::runner::Redaction;
use crate::runner::port::Engine;
use crate::session::{DeploymentRecord, LogFilter, SessionRecord};
use crate::state_machine::StateMachine;
use std::borrow::Borrow;
use std::sync::Arc;

pub(in crate::cli) async fn stores(_context: &Context) -> Result<Stores, Failure> {
    Err(Failure::bad_input(NoAwsBackend))
}

pub(in crate::cli) async fn engine(
    _pipeline: &Arc<Pipeline>,
    _plugins: &Arc<Plugins>,
    _deployment: &DeploymentRecord,
    _redaction: &Arc<Redaction>,
    _context: &Context,
) -> Result<(Arc<dyn Engine>, String), Failure> {
    Err(Failure::bad_input(NoAwsBackend))
}

pub(in crate::cli) async fn session_logs(
    _session: &SessionRecord,
    _stores: &Stores,
    _filter: Arc<LogFilter>,
    _context: &Context,
) -> Result<Option<Box<dyn LineSources>>, Failure> {
    Err(Failure::bad_input(NoAwsBackend))
}

pub(in crate::cli) async fn deployed(
    _plan: &Plan,
    _plugins: &Plugins,
    _wanted: DeploymentRecord,
    _mode: DeployMode,
    _stores: &Stores,
    _context: &Context,
) -> Result<DeploymentRecord, Failure> {
    Err(Failure::bad_input(NoAwsBackend))
}

pub(in crate::cli) async fn findings(_context: &Context) -> Vec<Finding> {
    let help = "build bunsui with its default features";
    vec![Finding::wrong("AWS", "this bunsui was built without it", help)]
}

pub(in crate::cli) async fn beyond_boundary(
    _pipeline: &Pipeline,
    _machines: &[impl Borrow<StateMachine>],
    _plugins: &Plugins,
    _context: &Context,
) -> Result<Option<Diagnostic>, Failure> {
    Ok(None)
}

pub(in crate::cli) async fn compared(
    _plan: &Plan,
    _plugins: &Plugins,
    _wanted: &DeploymentRecord,
    _context: &Context,
) -> Result<Deployed, Failure> {
    Err(Failure::bad_input(NoAwsBackend))
}

pub(in crate::cli) async fn delete_pipeline(
    _name: &str,
    _deployments: &[DeploymentRecord],
    _is_dry_run: bool,
    _stores: &Stores,
    _context: &Context,
) -> Result<(), Failure> {
    Err(Failure::bad_input(NoAwsBackend))
}

pub(in crate::cli) async fn prune(
    _latest: &DeploymentRecord,
    _stores: &Stores,
    _context: &Context,
) -> Result<(), Failure> {
    Err(Failure::bad_input(NoAwsBackend))
}

pub(in crate::cli) async fn has_leftovers(_name: &str, _context: &Context) -> Result<bool, Failure> {
    Err(Failure::bad_input(NoAwsBackend))
}
