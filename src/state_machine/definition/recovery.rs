//! Retry and Catch.

use super::fields::{Fields, Place, Problems};
use super::{Catcher, Recovery, Retrier, check};
use serde_json::Value as Json;
use std::time::Duration;

const ALL: &str = "States.ALL";

pub(super) fn recovery(state: &Fields<'_>, problems: &mut Problems) -> Recovery {
    let retry = entries(state, "Retry", problems, retrier);
    let catch = entries(state, "Catch", problems, catcher);
    Recovery { retry, catch }
}

/// Reads each entry of a list, and holds `States.ALL` to the last one.
fn entries<T>(
    state: &Fields<'_>,
    key: &str,
    problems: &mut Problems,
    read: fn(&Fields<'_>, usize, Vec<String>, &mut Problems) -> Option<T>,
) -> Vec<T> {
    let items = state.array(key, problems).unwrap_or_default();
    let mut entries = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let pointer = format!("{}/{index}", state.pointer_to(key));
        let Some(fields) = Fields::of(item, pointer, problems) else { continue };
        let errors = errors(&fields, problems);
        if errors.iter().any(|error| error == ALL) && index + 1 < items.len() {
            problems.report(
                fields.pointer_to("ErrorEquals"),
                format!("`{ALL}` must be in the last entry of {key}"),
            );
        }
        entries.extend(read(&fields, index, errors, problems));
    }
    entries
}

fn errors(fields: &Fields<'_>, problems: &mut Problems) -> Vec<String> {
    let pointer = fields.pointer_to("ErrorEquals");
    if !fields.has("ErrorEquals") {
        problems.report(fields.pointer.clone(), "`ErrorEquals` is missing");
        return Vec::new();
    }
    let items = fields.array("ErrorEquals", problems).unwrap_or_default();
    let names: Vec<String> = items.iter().filter_map(Json::as_str).map(str::to_owned).collect();
    if names.len() != items.len() || names.is_empty() {
        problems.report(pointer, "`ErrorEquals` is a list of at least one error name");
    } else if names.len() > 1 && names.iter().any(|name| name == ALL) {
        problems.report(pointer, format!("`{ALL}` must stand alone"));
    }
    names
}

fn retrier(fields: &Fields<'_>, _: usize, errors: Vec<String>, problems: &mut Problems) -> Option<Retrier> {
    const LONGEST: u64 = 99_999_999;
    let known = [
        "Comment",
        "ErrorEquals",
        "IntervalSeconds",
        "MaxAttempts",
        "BackoffRate",
        "MaxDelaySeconds",
        "JitterStrategy",
    ];
    fields.only(&known, "Retry", problems);
    let interval = fields.integer("IntervalSeconds", 1, LONGEST, problems).unwrap_or(1);
    let max_attempts = fields.integer("MaxAttempts", 0, LONGEST, problems).unwrap_or(3);
    let max_delay = fields.integer("MaxDelaySeconds", 1, 31_622_399, problems);
    if max_delay.is_some_and(|longest| longest <= interval) {
        problems.report(
            fields.pointer_to("MaxDelaySeconds"),
            "`MaxDelaySeconds` must be greater than `IntervalSeconds`",
        );
    }
    Some(Retrier {
        errors,
        interval: Duration::from_secs(interval),
        max_attempts: u32::try_from(max_attempts).unwrap_or(u32::MAX),
        backoff_rate: backoff_rate(fields, problems),
        max_delay: max_delay.map(Duration::from_secs),
        has_jitter: has_jitter(fields, problems),
    })
}

fn backoff_rate(fields: &Fields<'_>, problems: &mut Problems) -> f64 {
    let Some(value) = fields.object.get("BackoffRate") else { return 2.0 };
    let rate = value.as_f64().filter(|rate| *rate >= 1.0);
    if rate.is_none() {
        problems.report(
            fields.pointer_to("BackoffRate"),
            format!("`BackoffRate` is `{value}`, not a number of at least 1.0"),
        );
    }
    rate.unwrap_or(2.0)
}

fn has_jitter(fields: &Fields<'_>, problems: &mut Problems) -> bool {
    match fields.string("JitterStrategy", problems) {
        None | Some("NONE") => false,
        Some("FULL") => true,
        Some(other) => {
            problems.report(
                fields.pointer_to("JitterStrategy"),
                format!("`JitterStrategy` is `{other}`, not `FULL` or `NONE`"),
            );
            false
        }
    }
}

fn catcher(
    fields: &Fields<'_>,
    position: usize,
    errors: Vec<String>,
    problems: &mut Problems,
) -> Option<Catcher> {
    fields.only(&["Comment", "ErrorEquals", "Next", "Assign", "Output"], "Catch", problems);
    let next = fields.required_string("Next", problems);
    let assign = check::assign(fields, Place::Catcher, problems);
    let output = fields.template("Output", Place::Catcher, problems);
    Some(Catcher { position, errors, next: next?.to_owned(), assign, output })
}
