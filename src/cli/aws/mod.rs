//! From settings to AWS.

#[cfg(feature = "aws")]
mod connect;
#[cfg(feature = "aws")]
mod deploy;
#[cfg(feature = "aws")]
mod doctor;
#[cfg(feature = "aws")]
mod logs;
#[cfg(feature = "aws")]
mod needs;
#[cfg(not(feature = "aws"))]
mod without;

#[cfg(feature = "aws")]
pub(super) use connect::{connect, engine, failure, stores};
#[cfg(feature = "aws")]
pub(super) use deploy::{compared, delete_pipeline, deployed, has_leftovers, prune};
#[cfg(feature = "aws")]
pub(super) use doctor::findings;
#[cfg(feature = "aws")]
pub(super) use logs::session_logs;
#[cfg(feature = "aws")]
pub(super) use needs::beyond_boundary;
#[cfg(not(feature = "aws"))]
pub(super) use without::{
    beyond_boundary, compared, delete_pipeline, deployed, engine, findings, has_leftovers, prune,
    session_logs, stores,
};

/// What to do where a file is not what is deployed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DeployMode {
    /// Refuse.
    Refuse,
    /// Deploy it.
    Deploy,
    /// Say what would be done, and do nothing.
    DryRun,
}

/// The file is not what is deployed.
#[cfg(feature = "aws")]
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("{what}")]
#[diagnostic(
    code("bunsui::aws::not_deployed"),
    help("deploy it first: bunsui deploy {file}; or with the run: `--deploy`")
)]
struct NotDeployed {
    what: String,
    file: String,
}
