//! What is particular to each type of state.

use super::fields::{Fields, Place, Problems, child, type_name};
use super::read::{LONGEST, machine};
use super::{Kind, Map, Rule, Task, Wait, check};
use crate::expression::expression_of;
use crate::state_machine::timestamp;
use serde_json::Value as Json;
use std::collections::HashSet;

pub(super) fn task(fields: &Fields<'_>, problems: &mut Problems) -> Option<Task> {
    let resource = fields.required_string("Resource", problems)?;
    if !resource.starts_with("arn:") {
        problems.report(fields.pointer_to("Resource"), format!("`{resource}` is not an ARN"));
    }
    let timeout = fields.integer_or_expression("TimeoutSeconds", 1, LONGEST, problems);
    let heartbeat = fields.integer_or_expression("HeartbeatSeconds", 1, LONGEST, problems);
    if let (Some(timeout), Some(heartbeat)) =
        (timeout.as_ref().and_then(Json::as_u64), heartbeat.as_ref().and_then(Json::as_u64))
        && heartbeat >= timeout
    {
        let message = "`HeartbeatSeconds` must be smaller than `TimeoutSeconds`";
        problems.report(fields.pointer_to("HeartbeatSeconds"), message);
    }
    Some(Task {
        resource: resource.to_owned(),
        arguments: arguments(fields, problems),
        timeout,
        heartbeat,
        credentials: credentials(fields, problems),
    })
}

/// An object, or an expression that must give one.
fn arguments(fields: &Fields<'_>, problems: &mut Problems) -> Option<Json> {
    let value = fields.template("Arguments", Place::State, problems)?;
    let is_expression = value.as_str().is_some_and(|text| expression_of(text).is_some());
    if !value.is_object() && !is_expression {
        let message = format!("`Arguments` is {}, not an object or an expression", type_name(&value));
        problems.report(fields.pointer_to("Arguments"), message);
    }
    Some(value)
}

fn credentials(fields: &Fields<'_>, problems: &mut Problems) -> Option<Json> {
    let value = fields.template("Credentials", Place::State, problems)?;
    match &value {
        Json::String(text) if expression_of(text).is_some() => {}
        Json::Object(object) if object.len() == 1 && object.contains_key("RoleArn") => {}
        _ => {
            problems.report(fields.pointer_to("Credentials"), "`Credentials` has `RoleArn` and nothing else");
        }
    }
    Some(value)
}

pub(super) fn choice(fields: &Fields<'_>, problems: &mut Problems) -> Option<Vec<Rule>> {
    if !fields.has("Choices") {
        problems.report(fields.pointer.clone(), "`Choices` is missing");
    }
    let items = fields.array("Choices", problems)?;
    if items.is_empty() {
        problems.report(fields.pointer_to("Choices"), "`Choices` has no rule");
    }
    let rules: Vec<Rule> = items
        .iter()
        .enumerate()
        .filter_map(|(index, item)| {
            let rule = Fields::of(item, format!("{}/{index}", fields.pointer_to("Choices")), problems)?;
            rule_of(&rule, problems)
        })
        .collect();
    (rules.len() == items.len()).then_some(rules)
}

fn rule_of(fields: &Fields<'_>, problems: &mut Problems) -> Option<Rule> {
    fields.only(&["Comment", "Condition", "Next", "Assign", "Output"], "a rule of a Choice", problems);
    let condition = fields.template("Condition", Place::State, problems);
    match &condition {
        None => problems.report(fields.pointer.clone(), "`Condition` is missing"),
        Some(Json::Bool(_)) => {}
        Some(Json::String(text)) if expression_of(text).is_some() => {}
        Some(_) => problems.report(
            fields.pointer_to("Condition"),
            "`Condition` is an expression `{% … %}`, or `true` or `false`",
        ),
    }
    let next = fields.required_string("Next", problems);
    let assign = check::assign(fields, Place::State, problems);
    let output = fields.template("Output", Place::State, problems);
    Some(Rule { condition: condition?, next: next?.to_owned(), assign, output })
}

pub(super) fn wait(fields: &Fields<'_>, problems: &mut Problems) -> Option<Wait> {
    match (fields.has("Seconds"), fields.has("Timestamp")) {
        (true, false) => fields.integer_or_expression("Seconds", 0, LONGEST, problems).map(Wait::Seconds),
        (false, true) => {
            let value = fields.text("Timestamp", problems)?;
            let text = value.as_str().unwrap_or_default();
            if expression_of(text).is_none() && timestamp::parse(text).is_none() {
                let message = format!("`{text}` is no timestamp like `2026-01-31T06:30:00Z`");
                problems.report(fields.pointer_to("Timestamp"), message);
            }
            Some(Wait::Timestamp(value))
        }
        _ => {
            problems
                .report(fields.pointer.clone(), "a Wait has `Seconds` or `Timestamp`, exactly one of them");
            None
        }
    }
}

pub(super) fn parallel<'j>(
    fields: &Fields<'j>,
    names: &mut HashSet<&'j str>,
    problems: &mut Problems,
) -> Option<Kind> {
    if !fields.has("Branches") {
        problems.report(fields.pointer.clone(), "`Branches` is missing");
    }
    let items = fields.array("Branches", problems)?;
    if items.is_empty() {
        problems.report(fields.pointer_to("Branches"), "`Branches` has no branch");
    }
    let mut branches = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let pointer = child(&fields.pointer_to("Branches"), &index.to_string());
        let Some(branch) = Fields::of(item, pointer, problems) else { continue };
        branch.only(&["Comment", "StartAt", "States"], "a branch", problems);
        branches.extend(machine(&branch, names, problems));
    }
    let arguments = fields.template("Arguments", Place::State, problems);
    (branches.len() == items.len()).then_some(Kind::Parallel { branches, arguments })
}

pub(super) fn map<'j>(
    fields: &Fields<'j>,
    names: &mut HashSet<&'j str>,
    problems: &mut Problems,
) -> Option<Map> {
    for key in ["ItemReader", "ItemBatcher", "ResultWriter"] {
        if fields.has(key) {
            problems.report(
                fields.pointer_to(key),
                format!("`{key}` is not interpreted here: it needs Amazon S3"),
            );
        }
    }
    if fields.string("Label", problems).is_some_and(|label| label.is_empty() || label.chars().count() > 40) {
        problems.report(fields.pointer_to("Label"), "`Label` has 1 to 40 characters");
    }
    let Some(processor) = fields.object.get("ItemProcessor") else {
        problems.report(fields.pointer.clone(), "`ItemProcessor` is missing");
        return None;
    };
    let processor = Fields::of(processor, fields.pointer_to("ItemProcessor"), problems)?;
    processor.only(&["Comment", "ProcessorConfig", "StartAt", "States"], "an item processor", problems);
    let is_distributed = is_distributed(&processor, problems);
    if !is_distributed {
        for key in ["ToleratedFailureCount", "ToleratedFailurePercentage"] {
            if fields.has(key) {
                problems.report(
                    fields.pointer_to(key),
                    format!("`{key}` needs a processor of mode `DISTRIBUTED`"),
                );
            }
        }
    }
    let machine = machine(&processor, names, problems);
    Some(Map {
        items: items(fields, problems),
        selector: fields.template("ItemSelector", Place::State, problems),
        processor: machine?,
        max_concurrency: fields.integer_or_expression("MaxConcurrency", 0, LONGEST, problems),
        is_distributed,
        tolerated_count: fields.integer_or_expression("ToleratedFailureCount", 0, LONGEST, problems),
        tolerated_percentage: fields.integer_or_expression("ToleratedFailurePercentage", 0, 100, problems),
    })
}

/// An array, or an expression that must give one.
fn items(fields: &Fields<'_>, problems: &mut Problems) -> Option<Json> {
    let value = fields.template("Items", Place::State, problems)?;
    let is_expression = value.as_str().is_some_and(|text| expression_of(text).is_some());
    if !value.is_array() && !is_expression {
        let message = format!("`Items` is {}, not an array or an expression", type_name(&value));
        problems.report(fields.pointer_to("Items"), message);
    }
    Some(value)
}

fn is_distributed(processor: &Fields<'_>, problems: &mut Problems) -> bool {
    let Some(config) = processor.object.get("ProcessorConfig") else { return false };
    let Some(config) = Fields::of(config, processor.pointer_to("ProcessorConfig"), problems) else {
        return false;
    };
    config.only(&["Mode", "ExecutionType"], "ProcessorConfig", problems);
    let execution_type = config.string("ExecutionType", problems);
    match config.string("Mode", problems) {
        None | Some("INLINE") => {
            if execution_type.is_some() {
                problems.report(
                    config.pointer_to("ExecutionType"),
                    "`ExecutionType` needs the mode `DISTRIBUTED`",
                );
            }
            false
        }
        Some("DISTRIBUTED") => {
            if !matches!(execution_type, Some("STANDARD" | "EXPRESS")) {
                problems.report(config.pointer.clone(), "`ExecutionType` is `STANDARD` or `EXPRESS`");
            }
            true
        }
        Some(other) => {
            problems.report(
                config.pointer_to("Mode"),
                format!("`Mode` is `{other}`, not `INLINE` or `DISTRIBUTED`"),
            );
            false
        }
    }
}
