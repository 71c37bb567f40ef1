//! `retry`, of an operation or of `[defaults]`.

use super::fields::{self, Place, list};
use crate::diagnostic::{Diagnostic, Sink, Span, nearest};
use crate::document::ValueKind;
use crate::pipeline::{Jitter, Retry};
use std::collections::HashMap;
use std::num::NonZeroU32;
use std::time::Duration;

const KEYS: &[&str] = &["max_attempts", "interval", "backoff_rate", "max_delay", "jitter", "on"];
const JITTER: &[(&str, Jitter)] = &[("full", Jitter::Full), ("none", Jitter::None)];
const THREE: NonZeroU32 = NonZeroU32::new(3).expect("three is not zero");

/// The names that Step Functions reserves; others are a task's own.
const STATES_ERRORS: &[&str] = &[
    "States.ALL",
    "States.BranchFailed",
    "States.DataLimitExceeded",
    "States.ExceedToleratedFailureThreshold",
    "States.HeartbeatTimeout",
    "States.Http.Socket",
    "States.IntrinsicFailure",
    "States.ItemReaderFailed",
    "States.NoChoiceMatched",
    "States.ParameterPathFailure",
    "States.Permissions",
    "States.QueryEvaluationError",
    "States.ResultPathMatchFailure",
    "States.ResultWriterFailed",
    "States.Runtime",
    "States.TaskFailed",
    "States.Timeout",
];

/// Reads and checks the table at `retry`. What it leaves out: three tries, one second before the second, doubled each
/// time, no jitter, on any error.
pub(super) fn read(place: Place<'_, '_>, sink: &mut Sink) -> Option<Retry> {
    let value = place.table.value("retry")?;
    let before = sink.errors();
    let ValueKind::Table(table) = &value.kind else {
        let help =
            "write `retry = { max_attempts = 3, interval = \"5s\" }`; one try only is `{ max_attempts = 1 }`";
        sink.report(fields::wrong_type("retry", value, "a table").help(help));
        return None;
    };
    let inner = Place { table, what: "`retry`", header: value.span };
    fields::refuse_unknown(inner, KEYS, sink);
    let retry = Retry {
        max_attempts: fields::count(inner, "max_attempts", sink).unwrap_or(THREE),
        interval: fields::duration(inner, "interval", sink).unwrap_or(Duration::from_secs(1)),
        backoff_rate: backoff_rate(inner, sink).unwrap_or(2.0),
        max_delay: fields::duration(inner, "max_delay", sink),
        jitter: fields::choice(inner, "jitter", JITTER, sink).unwrap_or(Jitter::None),
        on: on(inner, sink),
    };
    check_max_delay(inner, &retry, sink);
    (sink.errors() == before).then_some(retry)
}

fn backoff_rate(place: Place<'_, '_>, sink: &mut Sink) -> Option<f64> {
    let value = place.table.value("backoff_rate")?;
    let rate = match value.kind {
        #[expect(
            clippy::cast_precision_loss,
            reason = "no rate is near the integers that a double cannot hold"
        )]
        ValueKind::Integer(rate) => rate as f64,
        ValueKind::Float(rate) => rate,
        _ => {
            sink.report(fields::wrong_type("backoff_rate", value, "a number"));
            return None;
        }
    };
    if rate.is_finite() && rate >= 1.0 {
        return Some(rate);
    }
    sink.report(fields::out_of_range("backoff_rate", value, rate, "1 or more"));
    None
}

fn check_max_delay(place: Place<'_, '_>, retry: &Retry, sink: &mut Sink) {
    let Some(max_delay) = retry.max_delay.filter(|delay| *delay <= retry.interval) else { return };
    let Some(value) = place.table.value("max_delay") else { return };
    let message = format!(
        "`max_delay` is {}s, which is not longer than the interval of {}s",
        max_delay.as_secs(),
        retry.interval.as_secs()
    );
    let mut diagnostic = Diagnostic::error("bunsui::pipeline::out_of_range", message)
        .label(value.span, "must be longer than `interval`")
        .help("Step Functions wants the longest wait to be longer than the first one");
    if let Some(interval) = place.table.value("interval") {
        diagnostic = diagnostic.label(interval.span, "the first wait");
    }
    sink.report(diagnostic);
}

fn on(place: Place<'_, '_>, sink: &mut Sink) -> Vec<String> {
    let Some(value) = place.table.value("on") else { return vec!["States.ALL".to_owned()] };
    let names = fields::strings("on", value, sink);
    if names.is_empty() && matches!(&value.kind, ValueKind::Array(items) if items.is_empty()) {
        sink.report(
            fields::out_of_range("on", value, "empty", "at least one error name")
                .help("leave it out for any error"),
        );
    }
    let mut seen: HashMap<&str, Span> = HashMap::new();
    for (name, span) in &names {
        if let Some(first) = seen.insert(name, *span) {
            sink.report(
                Diagnostic::error("bunsui::pipeline::error_name", format!("`{name}` is named twice"))
                    .label(*span, "again here")
                    .label(first, "first here"),
            );
        }
        check_name(name, *span, names.len(), sink);
    }
    names.into_iter().map(|(name, _)| name.to_owned()).collect()
}

/// Step Functions' own name that differs only in case.
fn misspelt(name: &str) -> Option<&'static str> {
    STATES_ERRORS.iter().copied().find(|known| known.eq_ignore_ascii_case(name) && *known != name)
}

fn check_name(name: &str, span: Span, count: usize, sink: &mut Sink) {
    let report = |message: String, label: &str, help: String| {
        Diagnostic::error("bunsui::pipeline::error_name", message).label(span, label).help(help)
    };
    if name.is_empty() {
        sink.report(report("an error name is empty".into(), "empty", "remove it".into()));
    } else if name == "States.ALL" && count > 1 {
        let help = "keep only `States.ALL`, or name the errors".to_owned();
        sink.report(report("`States.ALL` stands alone".into(), "includes the other names", help));
    } else if name == "States.Runtime" {
        let help = "an execution that fails with it fails again in the same way; remove the name".to_owned();
        sink.report(report("`States.Runtime` cannot be retried".into(), "never retried", help));
    } else if name.starts_with("States.") && !STATES_ERRORS.contains(&name) {
        let help = match nearest(name, STATES_ERRORS.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("Step Functions' own names: {}", list(STATES_ERRORS.iter().copied())),
        };
        sink.report(report(format!("Step Functions knows no error `{name}`"), "unknown name", help));
    } else if let Some(known) = misspelt(name) {
        let help = format!("did you mean `{known}`?");
        sink.report(report(format!("unknown error `{name}`"), "unknown name", help));
    }
}
