//! This command's connection, and what is made of it: stores and engine.

use super::NotDeployed;
use crate::backend::Stores;
use crate::backend::aws::{
    AwsError, Connection, ConnectionOptions, DynamoStore, EngineParts, S3Objects, StepFunctions,
};
use crate::cli::preflight::aws_access;
use crate::cli::{Context, Failure};
use crate::pipeline::{Pipeline, parse_duration};
use crate::plugin::Plugins;
use crate::runner::Redaction;
use crate::runner::port::Engine;
use crate::session::DeploymentRecord;
use std::sync::Arc;
use std::time::Duration;

/// How long sessions are kept where the settings do not say it.
const RETENTION: Duration = Duration::from_secs(400 * 86_400);

/// This command's connection; the first who asks opens it, which checks whose account it is.
pub(in crate::cli) async fn connect(context: &Context) -> Result<&Connection, Failure> {
    open(context).await.map_err(failure)
}

pub(super) async fn open(context: &Context) -> Result<&Connection, AwsError> {
    let open = || async {
        let options = ConnectionOptions {
            settings: context.settings.aws.clone(),
            profile: context.profile.clone(),
            keys: None,
        };
        Connection::open(&options).await
    };
    context.connection.get_or_try_init(open).await
}

pub(in crate::cli) async fn stores(context: &Context) -> Result<Stores, Failure> {
    let connection = connect(context).await?;
    let retention = context.settings.aws.retention.as_deref().and_then(|text| parse_duration(text).ok());
    let sessions = DynamoStore::new(connection, retention.unwrap_or(RETENTION));
    let objects = S3Objects::new(connection).map_err(failure)?;
    Ok(Stores { sessions: Arc::new(sessions), objects: Arc::new(objects) })
}

/// Starts executions of a deployment.
pub(in crate::cli) async fn engine(
    pipeline: &Arc<Pipeline>,
    plugins: &Arc<Plugins>,
    deployment: &DeploymentRecord,
    redaction: &Arc<Redaction>,
    context: &Context,
) -> Result<(Arc<dyn Engine>, String), Failure> {
    let connection = connect(context).await?;
    let version = |job: &crate::pipeline::Id| {
        deployment.machines.get(job.as_str()).cloned().ok_or_else(|| {
            Failure::bad_input(NotDeployed {
                what: format!("job `{job}` of pipeline `{}` is not deployed", pipeline.name),
                file: deployment.file.clone(),
            })
        })
    };
    let versions = pipeline.jobs.keys().map(version).collect::<Result<Vec<_>, _>>()?;
    let bucket = connection.bucket().map_err(failure)?.to_owned();
    let objects = Arc::new(S3Objects::new(connection).map_err(failure)?);
    let parts = EngineParts {
        pipeline: pipeline.clone(),
        plugins: plugins.clone(),
        versions,
        objects,
        access: aws_access(context),
        redaction: redaction.clone(),
        collect: context.settings.logs.collect,
    };
    let engine = StepFunctions::open(connection, parts).await;
    Ok((Arc::new(engine), bucket))
}

/// Settings that are missing or of another account are the user's to mend; all else are the surroundings.
pub(in crate::cli) fn failure(error: AwsError) -> Failure {
    match error {
        AwsError::NoRegion
        | AwsError::NoBucket
        | AwsError::PolicyTooLarge { .. }
        | AwsError::OtherAccount { .. } => Failure::bad_input(error),
        // CloudFormation's word for a parameter that it does not take.
        error @ AwsError::Rejected { .. } if error.to_string().contains("ValidationError") => {
            Failure::bad_input(error)
        }
        error => Failure::surroundings(error),
    }
}
