//! JSON to machines and states.

use super::fields::{Fields, Place, Problems, type_name};
use super::kinds::{choice, map, parallel, task, wait};
use super::recovery::recovery;
use super::{Definition, Kind, Machine, Recovery, State, check};
use indexmap::{IndexMap, IndexSet};
use serde_json::Value as Json;
use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

/// A year of seconds and some: what Step Functions takes for a timeout or a wait.
pub(super) const LONGEST: u64 = 99_999_999;
const NAME_LENGTH: usize = 80;

pub(super) fn definition(json: &Json, problems: &mut Problems) -> Option<Definition> {
    let fields = Fields::of(json, String::new(), problems)?;
    match fields.string("QueryLanguage", problems) {
        Some("JSONata") => {}
        found => {
            let found =
                found.map_or("absent, which means JSONPath".to_owned(), |language| format!("`{language}`"));
            let pointer = if fields.has("QueryLanguage") { "/QueryLanguage" } else { "" };
            problems.report(
                pointer,
                format!("`QueryLanguage` is {found}; only JSONata definitions are interpreted here"),
            );
            return None;
        }
    }
    let known = ["Comment", "QueryLanguage", "StartAt", "States", "TimeoutSeconds", "Version"];
    fields.only(&known, "a state machine", problems);
    if fields.string("Version", problems).is_some_and(|version| version != "1.0") {
        problems.report("/Version", "`Version` can only be `1.0`");
    }
    let timeout = fields.integer("TimeoutSeconds", 1, LONGEST, problems).map(Duration::from_secs);
    let mut names = HashSet::new();
    let machine = machine(&fields, &mut names, problems)?;
    check::scopes(&machine, "", &BTreeSet::new(), problems);
    Some(Definition { machine, timeout })
}

pub(super) fn machine<'j>(
    fields: &Fields<'j>,
    names: &mut HashSet<&'j str>,
    problems: &mut Problems,
) -> Option<Machine> {
    let before = problems.len();
    let start_at = fields.required_string("StartAt", problems);
    let Some(states) = fields.object.get("States") else {
        problems.report(fields.pointer.clone(), "`States` is missing");
        return None;
    };
    let states = Fields::of(states, fields.pointer_to("States"), problems)?;
    if states.object.is_empty() {
        problems.report(states.pointer.clone(), "`States` has no state");
    }
    let mut read = IndexMap::new();
    for (name, value) in states.object {
        let pointer = states.pointer_to(name);
        if !names.insert(name) {
            problems.report(
                pointer.clone(),
                format!("the name `{name}` is taken by another state of this machine"),
            );
        }
        if name.is_empty() || name.chars().count() > NAME_LENGTH {
            problems.report(pointer.clone(), format!("a state's name has 1 to {NAME_LENGTH} characters"));
        }
        let Some(fields) = Fields::of(value, pointer, problems) else { continue };
        if let Some(state) = state(name, &fields, names, problems) {
            read.insert(name.clone(), state);
        }
    }
    let machine = Machine { start_at: start_at?.to_owned(), states: read };
    let declared: IndexSet<&str> = states.object.keys().map(String::as_str).collect();
    // Where a state could not be read, what it leads to is not known: say nothing of reachability then.
    if machine.states.len() == declared.len() {
        check::transitions(&machine, &declared, &fields.pointer, problems);
    }
    // A wrong transition may have been meant to be the end.
    if problems.len() == before {
        check::ends(&machine, &fields.pointer, problems);
    }
    Some(machine)
}

fn state<'j>(
    name: &str,
    fields: &Fields<'j>,
    names: &mut HashSet<&'j str>,
    problems: &mut Problems,
) -> Option<State> {
    if !query_language(fields, problems) {
        return None;
    }
    let kind = match fields.required_string("Type", problems)? {
        "Pass" => Some(Kind::Pass),
        "Succeed" => Some(Kind::Succeed),
        "Task" => task(fields, problems).map(Kind::Task),
        "Choice" => choice(fields, problems).map(Kind::Choice),
        "Wait" => wait(fields, problems).map(Kind::Wait),
        "Fail" => {
            Some(Kind::Fail { error: fields.text("Error", problems), cause: fields.text("Cause", problems) })
        }
        "Parallel" => parallel(fields, names, problems),
        "Map" => map(fields, names, problems).map(|map| Kind::Map(Box::new(map))),
        other => {
            problems.report(fields.pointer_to("Type"), format!("there is no type of state `{other}`"));
            None
        }
    }?;
    let shape = Shape::of(&kind);
    let known: Vec<&str> = COMMON.iter().chain(shape.own).copied().collect();
    fields.only(&known, &format!("a {} state", kind.name()), problems);
    let recovery = if shape.recovers { recovery(fields, problems) } else { Recovery::default() };
    let next = match shape.next {
        Transition::NextOrEnd => next_or_end(fields, problems),
        Transition::Default => fields.string("Default", problems).map(str::to_owned),
        Transition::Never => None,
    };
    let assign = check::assign(fields, Place::State, problems);
    let output = fields.template("Output", Place::State, problems);
    Some(State { name: name.to_owned(), kind, assign, output, next, recovery })
}

const COMMON: &[&str] = &["Type", "Comment", "QueryLanguage"];

/// Which fields a type has besides the common ones.
struct Shape {
    own: &'static [&'static str],
    next: Transition,
    recovers: bool,
}

/// How a state says what follows it.
enum Transition {
    NextOrEnd,
    Default,
    Never,
}

impl Shape {
    fn of(kind: &Kind) -> Self {
        let (own, next, recovers): (&'static [&'static str], Transition, bool) = match kind {
            Kind::Pass => (&["Assign", "Output", "Next", "End"], Transition::NextOrEnd, false),
            Kind::Succeed => (&["Output"], Transition::Never, false),
            Kind::Fail { .. } => (&["Error", "Cause"], Transition::Never, false),
            Kind::Choice(_) => (&["Assign", "Output", "Choices", "Default"], Transition::Default, false),
            Kind::Wait(_) => {
                (&["Assign", "Output", "Next", "End", "Seconds", "Timestamp"], Transition::NextOrEnd, false)
            }
            Kind::Task(_) => (
                &[
                    "Assign",
                    "Output",
                    "Next",
                    "End",
                    "Retry",
                    "Catch",
                    "Resource",
                    "Arguments",
                    "TimeoutSeconds",
                    "HeartbeatSeconds",
                    "Credentials",
                ],
                Transition::NextOrEnd,
                true,
            ),
            Kind::Parallel { .. } => (
                &["Assign", "Output", "Next", "End", "Retry", "Catch", "Arguments", "Branches"],
                Transition::NextOrEnd,
                true,
            ),
            Kind::Map(_) => (
                &[
                    "Assign",
                    "Output",
                    "Next",
                    "End",
                    "Retry",
                    "Catch",
                    "Items",
                    "ItemSelector",
                    "ItemProcessor",
                    "MaxConcurrency",
                    "ToleratedFailureCount",
                    "ToleratedFailurePercentage",
                    "Label",
                    "ItemReader",
                    "ItemBatcher",
                    "ResultWriter",
                ],
                Transition::NextOrEnd,
                true,
            ),
        };
        Self { own, next, recovers }
    }
}

fn query_language(fields: &Fields<'_>, problems: &mut Problems) -> bool {
    match fields.string("QueryLanguage", problems) {
        None | Some("JSONata") => true,
        Some("JSONPath") => {
            problems.report(
                fields.pointer.clone(),
                "`QueryLanguage` cannot be JSONPath in a JSONata state machine",
            );
            false
        }
        Some(other) => {
            problems
                .report(fields.pointer_to("QueryLanguage"), format!("there is no query language `{other}`"));
            false
        }
    }
}

fn next_or_end(fields: &Fields<'_>, problems: &mut Problems) -> Option<String> {
    let next = fields.string("Next", problems);
    let is_end = match fields.object.get("End") {
        None => false,
        Some(Json::Bool(is_end)) => *is_end,
        Some(other) => {
            problems
                .report(fields.pointer_to("End"), format!("`End` is {}, not a boolean", type_name(other)));
            return None;
        }
    };
    match (fields.has("Next"), is_end) {
        (false, false) => problems.report(fields.pointer.clone(), "`Next` or `\"End\": true` is missing"),
        (true, true) => {
            problems.report(fields.pointer.clone(), "`Next` and `\"End\": true` exclude each other");
        }
        _ => {}
    }
    next.map(str::to_owned)
}
