//! What the schema cannot say: whether Step Functions has the integration, in the pattern, with such arguments.
//!
//! Takes: the keys as written. Gives: findings, each with what to write instead.
//! Deliberately does not: look into arguments deeper than their names, or at anything where `unchecked = true`.

mod arguments;
mod patterns;
mod spelling;

use crate::integration::Integration;
use crate::optimised::{self, Pattern};
use crate::table;
use bunsui_plugin_sdk::Finding;
use serde_json::Value as Json;

/// What is newer than the table can be said all the same.
const UNCHECKED: &str = "`unchecked = true` says that it is newer than this bunsui";

pub(crate) fn check(keys: &Json) -> Vec<Finding> {
    let Some(text) = keys.get("action").and_then(Json::as_str) else { return Vec::new() };
    let Some(integration) = Integration::parse(text) else { return vec![not_an_action(text)] };
    if keys.get("unchecked") == Some(&Json::Bool(true)) {
        return Vec::new();
    }
    if let Some(finding) = unknown(&integration) {
        return vec![finding];
    }
    let pattern = Pattern::of(keys);
    let mut findings = Vec::from_iter(unlisted(&integration));
    findings.extend(patterns::check(&integration, pattern));
    findings.extend(arguments::check(&integration, keys));
    findings.extend(patterns::check_token(pattern, keys));
    findings.extend(unknown_to_iam(&integration, keys));
    findings
}

/// A text of another form: a whole ARN, a pattern at the end, an action without a service.
fn not_an_action(text: &str) -> Finding {
    let bare = text.split_once(":states:::").map_or(text, |(_, bare)| bare);
    let (action, key) = [(".sync:2", "sync"), (".sync", "sync"), (".waitForTaskToken", "wait_for_callback")]
        .into_iter()
        .find_map(|(suffix, key)| Some((bare.strip_suffix(suffix)?, Some(key))))
        .unwrap_or((bare, None));
    if Integration::parse(action).is_some() && action != text {
        let what = if bare == text { "the pattern is a key of its own" } else { "it is a whole `Resource`" };
        let also = key.map(|key| format!(" and `{key} = true`")).unwrap_or_default();
        return Finding::error("/action", format!("`{text}` is more than an action: {what}"))
            .help(format!("write `action = \"{action}\"`{also}"));
    }
    let found = if text.contains(':') { Vec::new() } else { spelling::by_action(text) };
    let help = match found.as_slice() {
        [] => {
            "an action is `service:action`, as `glue:startJobRun`; `aws-sdk:` may stand before it".to_owned()
        }
        [only] => format!("did you mean `{only}`?"),
        many => {
            let shown: Vec<String> = many.iter().take(4).map(|one| format!("`{one}`")).collect();
            format!("an action is `service:action`: {}", shown.join(", "))
        }
    };
    Finding::error("/action", format!("`{text}` names no service and action")).help(help)
}

/// What Step Functions does not have.
fn unknown(integration: &Integration<'_>) -> Option<Finding> {
    let Integration { text, service, action, optimised } = *integration;
    if optimised.is_some() {
        return None;
    }
    let found = table::service(service);
    if found.is_some_and(|found| found.action(action).is_some()) {
        return None;
    }
    if found.is_some_and(|found| found.refused().any(|refused| refused == action)) {
        let help =
            "what streams, and what hands out credentials, is not for state machines; a function can call it";
        return Some(Finding::error("/action", format!("Step Functions does not offer `{text}`")).help(help));
    }
    let message = if found.is_some() || optimised::all().any(|one| one.service == service) {
        format!("service `{service}` has no action `{action}`")
    } else {
        format!("Step Functions has no service `{service}`")
    };
    let help = match spelling::meant(service, action) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => UNCHECKED.to_owned(),
    };
    Some(Finding::error("/action", message).help(help))
}

/// A service that the guide's list did not have when the table was made.
fn unlisted(integration: &Integration<'_>) -> Option<Finding> {
    let service = table::service(integration.service).filter(|service| !service.is_listed)?;
    if integration.optimised.is_some() {
        return None;
    }
    let message = format!(
        "whether Step Functions has service `{}` is not known: the list of its services that this bunsui has does not name it",
        service.name
    );
    Some(Finding::warning("/action", message).help(
        "newer services often are there: `bunsui deploy` asks Step Functions, which refuses what it does not have",
    ))
}

/// An action for which no permission can be derived.
fn unknown_to_iam(integration: &Integration<'_>, keys: &Json) -> Option<Finding> {
    let (service, action) = integration.facts()?;
    if action.is_known_to_iam || ["permissions", "role"].iter().any(|key| keys.get(key).is_some()) {
        return None;
    }
    let message = format!("which permission `{}` needs is not known", integration.text);
    Some(Finding::warning("/action", message).help(format!(
        "say it: `permissions = [{{ actions = [\"{}:…\"], resources = [\"*\"] }}]`",
        service.prefix
    )))
}

#[cfg(test)]
mod tests;
