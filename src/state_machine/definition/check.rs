//! What holds between states: targets, ends, names of variables.

use super::fields::{Fields, Place, Problems, child};
use super::{Kind, Machine, State};
use indexmap::IndexSet;
use serde_json::Value as Json;
use std::collections::{BTreeSet, HashSet};

/// Assign: an object whose keys are names of variables.
pub(super) fn assign(fields: &Fields<'_>, place: Place, problems: &mut Problems) -> Option<Json> {
    let value = fields.template("Assign", place, problems)?;
    let pointer = fields.pointer_to("Assign");
    let Json::Object(variables) = &value else {
        problems.report(pointer, "`Assign` is an object of variables");
        return None;
    };
    for name in variables.keys() {
        if !is_variable_name(name) {
            problems.report(child(&pointer, name), format!("`{name}` cannot be the name of a variable"));
        }
    }
    Some(value)
}

/// Letters, digits and `_`, no digit first, at most 80 characters; `states` is taken.
fn is_variable_name(name: &str) -> bool {
    let mut characters = name.chars();
    let begins_well = characters.next().is_some_and(|first| first.is_alphabetic() || first == '_');
    begins_well
        && characters.all(|character| character.is_alphanumeric() || character == '_')
        && name.chars().count() <= 80
        && name != "states"
}

/// Every variable that the machine's own states assign, each with where.
pub(super) fn assigned(machine: &Machine) -> BTreeSet<&str> {
    machine
        .states
        .values()
        .flat_map(|state| {
            let rules = match &state.kind {
                Kind::Choice(rules) => rules.as_slice(),
                _ => &[],
            };
            std::iter::once(&state.assign)
                .chain(state.recovery.catch.iter().map(|catcher| &catcher.assign))
                .chain(rules.iter().map(|rule| &rule.assign))
        })
        .filter_map(|assign| assign.as_ref().and_then(Json::as_object))
        .flat_map(|variables| variables.keys().map(String::as_str))
        .collect()
}

/// A variable of an outer scope may be read inside, not assigned.
pub(super) fn scopes(machine: &Machine, pointer: &str, outer: &BTreeSet<&str>, problems: &mut Problems) {
    let own = assigned(machine);
    for name in own.intersection(outer) {
        problems.report(
            pointer,
            format!("the variable `{name}` belongs to an outer scope and cannot be assigned in here"),
        );
    }
    let visible: BTreeSet<&str> = own.union(outer).copied().collect();
    for state in machine.states.values() {
        let at = child(&child(pointer, "States"), &state.name);
        match &state.kind {
            Kind::Parallel { branches, .. } => {
                for (index, branch) in branches.iter().enumerate() {
                    scopes(branch, &format!("{at}/Branches/{index}"), &visible, problems);
                }
            }
            Kind::Map(map) => {
                // A distributed Map's items are executions of their own, which see nothing of this one.
                let nothing = BTreeSet::new();
                let outer = if map.is_distributed { &nothing } else { &visible };
                scopes(&map.processor, &child(&at, "ItemProcessor"), outer, problems);
            }
            Kind::Pass
            | Kind::Succeed
            | Kind::Task(_)
            | Kind::Choice(_)
            | Kind::Wait(_)
            | Kind::Fail { .. } => {}
        }
    }
}

/// Every state that is led to exists, and every state is led to.
pub(super) fn transitions(
    machine: &Machine,
    declared: &IndexSet<&str>,
    pointer: &str,
    problems: &mut Problems,
) {
    let mut reached: HashSet<&str> = HashSet::from([machine.start_at.as_str()]);
    if !declared.contains(machine.start_at.as_str()) {
        let message = format!("`StartAt` names `{}`, and there is no such state", machine.start_at);
        problems.report(child(pointer, "StartAt"), message);
    }
    for state in machine.states.values() {
        let at = child(&child(pointer, "States"), &state.name);
        for (field, target) in targets(state) {
            reached.insert(target);
            if !declared.contains(target) {
                problems.report(format!("{at}/{field}"), format!("there is no state `{target}`"));
            }
        }
    }
    for name in declared.iter().filter(|name| !reached.contains(**name)) {
        problems
            .report(child(&child(pointer, "States"), name), format!("nothing leads to the state `{name}`"));
    }
}

/// There is an end.
pub(super) fn ends(machine: &Machine, pointer: &str, problems: &mut Problems) {
    let is_end = |state: &State| !matches!(state.kind, Kind::Choice(_)) && state.next.is_none();
    if !machine.states.values().any(is_end) {
        let message = "no state ends this: one needs `\"End\": true`, or is a Succeed or Fail";
        problems.report(child(pointer, "States"), message);
    }
}

fn targets(state: &State) -> Vec<(String, &str)> {
    let mut targets = Vec::new();
    if let Some(next) = &state.next {
        let field = if matches!(state.kind, Kind::Choice(_)) { "Default" } else { "Next" };
        targets.push((field.to_owned(), next.as_str()));
    }
    if let Kind::Choice(rules) = &state.kind {
        targets.extend(
            rules.iter().enumerate().map(|(i, rule)| (format!("Choices/{i}/Next"), rule.next.as_str())),
        );
    }
    let catch = state.recovery.catch.iter();
    targets.extend(catch.map(|catcher| (format!("Catch/{}/Next", catcher.position), catcher.next.as_str())));
    targets
}
