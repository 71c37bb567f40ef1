//! Whether the function is there, in the version that is named, and fits.

use aws_sdk_lambda::operation::get_function_configuration::GetFunctionConfigurationOutput as Configuration;
use aws_sdk_lambda::types::{LastUpdateStatus, State};
use bunsui_plugin_sdk::aws::{Refusal, block_on, configuration};
use bunsui_plugin_sdk::{Finding, PluginError, PreflightRequest};
use serde_json::Value as Json;

pub(crate) fn preflight(request: &PreflightRequest) -> Result<Vec<Finding>, PluginError> {
    // What a parameter decides is not known before a run.
    let text = |key: &str| request.keys.get(key).and_then(Json::as_str).filter(|text| !text.contains("{%"));
    let Some(function) = text("function") else { return Ok(Vec::new()) };
    let qualifier = text("qualifier");
    block_on(async {
        let client = aws_sdk_lambda::Client::new(&configuration(&request.aws, "lambda").await);
        let ask = async |qualifier: Option<&str>| {
            let asked = client.get_function_configuration().function_name(function);
            let asked = asked.set_qualifier(qualifier.map(str::to_owned)).send().await;
            asked.map_err(|error| Refusal::of(&error))
        };
        match ask(qualifier).await {
            Ok(found) => fits(&found, function, request.timeout_seconds),
            Err(refusal) if refusal.code.as_deref() == Some("ResourceNotFoundException") => {
                let is_there = match qualifier {
                    Some(_) => ask(None).await.is_ok(),
                    None => false,
                };
                vec![missing(function, qualifier.filter(|_| is_there), request.aws.region.as_deref())]
            }
            Err(refusal) => vec![not_known(function, &refusal)],
        }
    })
}

fn missing(function: &str, missing_qualifier: Option<&str>, region: Option<&str>) -> Finding {
    match missing_qualifier {
        Some(qualifier) => Finding::error(
            "/qualifier",
            format!("function `{function}` has no version or alias `{qualifier}`"),
        )
        .help(format!("to see those it has: aws lambda list-aliases --function-name {function}")),
        None => {
            let place = region.map(|region| format!(" in {region}")).unwrap_or_default();
            Finding::error("/function", format!("there is no function `{function}`{place}"))
                .help("deploy it, or mend its name; a function of another account is named by its ARN")
        }
    }
}

/// Who may plan need not be allowed to look at every function.
fn not_known(function: &str, refusal: &Refusal) -> Finding {
    Finding::warning("/function", format!("whether function `{function}` is there is not known: {refusal}"))
        .help("looking needs `lambda:GetFunctionConfiguration` on it")
}

fn fits(found: &Configuration, function: &str, timeout: Option<u64>) -> Vec<Finding> {
    let mut findings = Vec::new();
    if found.state() == Some(&State::Failed) {
        let reason = found.state_reason().unwrap_or("AWS does not say why");
        findings
            .push(Finding::error("/function", format!("function `{function}` cannot be called: {reason}")));
    }
    if found.last_update_status() == Some(&LastUpdateStatus::Failed) {
        let reason = found.last_update_status_reason().unwrap_or("AWS does not say why");
        let message = format!("the last update of function `{function}` failed: {reason}");
        findings.push(Finding::warning("/function", message).help("what runs is what was there before"));
    }
    let own = found.timeout().and_then(|seconds| u64::try_from(seconds).ok());
    if let (Some(own), Some(given)) = (own, timeout)
        && own > given
    {
        let message = format!(
            "function `{function}` may run for {own} s, and the operation's `timeout` is {given} s: a call that \
             is given up goes on"
        );
        findings.push(
            Finding::warning("/function", message)
                .help(format!("give the operation `timeout = \"{own}s\"` or more, or the function less")),
        );
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found()
    -> aws_sdk_lambda::operation::get_function_configuration::builders::GetFunctionConfigurationOutputBuilder
    {
        Configuration::builder().timeout(60).state(State::Active)
    }

    #[test]
    fn a_function_that_fits_is_not_worth_a_word() {
        assert_eq!(fits(&found().build(), "f", Some(60)), []);
        assert_eq!(fits(&found().build(), "f", None), []);
    }

    #[test]
    fn what_does_not_fit_is_said() {
        let of = |found: Configuration, timeout| fits(&found, "f", timeout).remove(0);
        let late = of(found().build(), Some(30));
        assert!(late.message.contains("may run for 60 s, and the operation's `timeout` is 30 s"), "{late:?}");
        let failed = of(found().state(State::Failed).state_reason("its image is gone").build(), None);
        assert_eq!(failed.message, "function `f` cannot be called: its image is gone");
        let stale = of(found().last_update_status(LastUpdateStatus::Failed).build(), None);
        assert!(stale.message.starts_with("the last update of function `f` failed"), "{stale:?}");
    }

    #[test]
    fn a_missing_version_is_told_from_a_missing_function() {
        assert_eq!(missing("f", Some("live"), None).pointer, "/qualifier");
        assert_eq!(missing("f", None, Some("eu-west-1")).message, "there is no function `f` in eu-west-1");
    }
}
