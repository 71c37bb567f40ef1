//! What plugins find of a pipeline's surroundings on AWS, as findings in its file.

use super::Context;
use crate::diagnostic::{Diagnostic, Severity};
use crate::pipeline::{CatalogueError, Finding, Operation, Pipeline, PreflightRequest};
use crate::plugin::{AwsAccess, Plugins};
use crate::state_machine::{StateMachine, operations_with_keys};
use std::borrow::Borrow;

/// Asks each operation's plugin whether what it names is there and fits.
pub(super) async fn preflight(
    pipeline: &Pipeline,
    machines: &[impl Borrow<StateMachine>],
    plugins: &Plugins,
    context: &Context,
) -> Vec<Diagnostic> {
    let (operations, requests): (Vec<&Operation>, Vec<PreflightRequest>) =
        operations_with_keys(pipeline, machines)
            .map(|(job, operation, keys)| {
                let request = PreflightRequest {
                    kind: operation.kind.clone(),
                    job: job.id.to_string(),
                    operation: operation.name.to_string(),
                    keys: keys.clone(),
                    timeout: operation.timeout,
                };
                (operation, request)
            })
            .unzip();
    let access = aws_access(context);
    let answers = plugins.preflight(&requests, &access).await;
    operations
        .into_iter()
        .zip(answers)
        .flat_map(|(operation, answer)| match answer {
            Ok(findings) => findings.into_iter().map(|finding| placed(operation, finding)).collect(),
            Err(error) => vec![not_asked(operation, &error)],
        })
        .collect()
}

/// How plugins reach AWS: as this command does.
pub(super) fn aws_access(context: &Context) -> AwsAccess {
    let aws = &context.settings.aws;
    AwsAccess {
        region: aws.region.clone(),
        profile: context.profile.clone(),
        role: aws.assume_role.clone(),
        endpoint_url: aws.endpoint_url.clone(),
        endpoint_urls: aws.endpoint_urls.clone(),
    }
}

fn placed(operation: &Operation, finding: Finding) -> Diagnostic {
    let key = finding.pointer.trim_end_matches('#').split('/').nth(1).unwrap_or_default();
    let span = operation.key_spans.get(key).copied().unwrap_or(operation.span);
    let diagnostic = Diagnostic::error("bunsui::aws::preflight", finding.message)
        .label(span, format!("says the plugin of `{}`, which asked AWS", operation.kind))
        .maybe_help(finding.help);
    Diagnostic { severity: finding.severity, ..diagnostic }
}

/// A plugin that cannot say anything of AWS keeps nobody from running.
fn not_asked(operation: &Operation, error: &CatalogueError) -> Diagnostic {
    let diagnostic = Diagnostic::error("bunsui::plugin::call_failed", error.to_string())
        .label(operation.span, "not looked at")
        .maybe_help(error.help.clone());
    Diagnostic { severity: Severity::Warning, ..diagnostic }
}
