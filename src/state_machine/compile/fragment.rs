//! Puts a plugin's states into a definition: names, timeout, retry, what is kept of the result, what comes next.

use super::Members;
use crate::pipeline::{Fragment, Jitter, Operation, Retry};
use serde_json::{Map, Value as Json, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Step Functions' limit for a state's name.
const NAME_LIMIT: usize = 80;

/// What later states read of an operation's result.
#[derive(Debug, Clone)]
pub(super) struct Assign {
    pub(super) variable: String,
    pub(super) members: Members,
}

/// A placed state: its name in the definition, the plugin's name, and the state itself unless it stands inside another.
pub(super) type Placed = (String, String, Option<Json>);

/// Renames and completes the states of one operation.
pub(super) fn place(
    operation: &Operation,
    fragment: Fragment,
    next: Option<&str>,
    assign: Option<&Assign>,
) -> Result<Vec<Placed>, String> {
    let mut names = BTreeMap::new();
    collect_names(&fragment.states, &mut names)?;
    if !fragment.states.contains_key(&fragment.start_at) {
        return Err(format!("there is no state `{}` to start at", fragment.start_at));
    }
    for (own_name, name) in &mut names {
        *name = state_name(operation.name.as_str(), own_name, *own_name == fragment.start_at);
    }
    let scope = Scope { operation, names: &names };
    let mut placed: Vec<Placed> = names
        .iter()
        .filter(|(own_name, _)| !fragment.states.contains_key(own_name.as_str()))
        .map(|(own_name, name)| (name.clone(), own_name.clone(), None))
        .collect();
    let mut has_end = false;
    let mut top = Vec::new();
    for (own_name, mut state) in fragment.states {
        scope.complete(&own_name, &mut state)?;
        let object = state.as_object_mut().ok_or_else(|| format!("state `{own_name}` is no object"))?;
        if object.get("End") == Some(&Json::Bool(true)) {
            has_end = true;
            end(object, next, assign);
        }
        top.push((names[&own_name].clone(), own_name, Some(state)));
    }
    if !has_end {
        return Err("no state has `\"End\": true`".into());
    }
    // The first state comes first in the definition: people read it from the top.
    top.sort_by_key(|(_, own_name, _)| *own_name != fragment.start_at);
    placed.splice(0..0, top);
    Ok(placed)
}

fn collect_names(states: &Map<String, Json>, names: &mut BTreeMap<String, String>) -> Result<(), String> {
    for (name, state) in states {
        if names.insert(name.clone(), String::new()).is_some() {
            return Err(format!("two states have the name `{name}`"));
        }
        for inner in inner_scopes(state) {
            if let Some(states) = inner.get("States").and_then(Json::as_object) {
                collect_names(states, names)?;
            }
        }
    }
    Ok(())
}

fn inner_scopes(state: &Json) -> impl Iterator<Item = &Json> {
    state
        .get("ItemProcessor")
        .into_iter()
        .chain(state.get("Branches").and_then(Json::as_array).into_iter().flatten())
}

fn state_name(operation: &str, own_name: &str, is_first: bool) -> String {
    if is_first {
        return operation.to_owned();
    }
    let name = format!("{operation}.{own_name}");
    if name.chars().count() <= NAME_LIMIT {
        return name;
    }
    let digest = Sha256::digest(name.as_bytes());
    let kept: String = name.chars().take(NAME_LIMIT - 9).collect();
    format!("{kept}-{:02x}{:02x}{:02x}{:02x}", digest[0], digest[1], digest[2], digest[3])
}

struct Scope<'a> {
    operation: &'a Operation,
    names: &'a BTreeMap<String, String>,
}

impl Scope<'_> {
    /// Renames the targets of a state and of all inside it; gives its tasks the operation's timeout and retry.
    fn complete(&self, own_name: &str, state: &mut Json) -> Result<(), String> {
        let object = state.as_object_mut().ok_or_else(|| format!("state `{own_name}` is no object"))?;
        for key in ["Next", "Default"] {
            self.rename(own_name, object.get_mut(key))?;
        }
        for key in ["Choices", "Catch"] {
            for rule in object.get_mut(key).and_then(Json::as_array_mut).into_iter().flatten() {
                self.rename(own_name, rule.get_mut("Next"))?;
            }
        }
        if object.get("Type").and_then(Json::as_str) == Some("Task") {
            self.task(object);
        }
        match object.get_mut("ItemProcessor") {
            Some(machine @ Json::Object(_)) => self.complete_machine(machine)?,
            Some(_) => return Err(format!("`ItemProcessor` of state `{own_name}` is no object")),
            None => {}
        }
        match object.get_mut("Branches") {
            Some(Json::Array(branches)) => {
                branches.iter_mut().try_for_each(|branch| self.complete_machine(branch))?;
            }
            Some(_) => return Err(format!("`Branches` of state `{own_name}` is no list")),
            None => {}
        }
        Ok(())
    }

    fn complete_machine(&self, machine: &mut Json) -> Result<(), String> {
        self.rename("StartAt", machine.get_mut("StartAt"))?;
        let Some(states) = machine.get_mut("States").and_then(Json::as_object_mut) else {
            return Err("an inner state machine has no `States`".into());
        };
        let inner = std::mem::take(states);
        for (own_name, mut state) in inner {
            self.complete(&own_name, &mut state)?;
            states.insert(self.names[&own_name].clone(), state);
        }
        Ok(())
    }

    fn rename(&self, from: &str, target: Option<&mut Json>) -> Result<(), String> {
        let Some(target) = target else { return Ok(()) };
        let name = target.as_str().and_then(|own_name| self.names.get(own_name));
        let name = name.ok_or_else(|| format!("state `{from}` goes on to {target}, which is not there"))?;
        *target = json!(name);
        Ok(())
    }

    fn task(&self, task: &mut Map<String, Json>) {
        if let Some(timeout) = self.operation.timeout {
            task.insert("TimeoutSeconds".into(), json!(timeout.as_secs()));
        }
        if let Some(retry) = &self.operation.retry {
            task.shift_remove("Retry");
            if retry.max_attempts.get() > 1 {
                task.insert("Retry".into(), json!([retrier(retry)]));
            }
        }
    }
}

fn retrier(retry: &Retry) -> Json {
    let mut retrier = Map::new();
    retrier.insert("ErrorEquals".into(), json!(retry.on));
    retrier.insert("IntervalSeconds".into(), json!(retry.interval.as_secs()));
    retrier.insert("MaxAttempts".into(), json!(retry.max_attempts.get() - 1));
    retrier.insert("BackoffRate".into(), json!(retry.backoff_rate));
    if let Some(delay) = retry.max_delay {
        retrier.insert("MaxDelaySeconds".into(), json!(delay.as_secs()));
    }
    let strategy = match retry.jitter {
        Jitter::Full => "FULL",
        Jitter::None => "NONE",
    };
    retrier.insert("JitterStrategy".into(), json!(strategy));
    Json::Object(retrier)
}

/// A fragment's last state: keeps of the result what is read later, and goes on.
fn end(state: &mut Map<String, Json>, next: Option<&str>, assign: Option<&Assign>) {
    if let Some(assign) = assign {
        let result = match state.get("Output") {
            Some(output) => output.clone(),
            None if state.get("Type").and_then(Json::as_str) == Some("Pass") => json!("{% $states.input %}"),
            None => json!("{% $states.result %}"),
        };
        let kept = kept(&result, &assign.members);
        let target = state.entry("Assign").or_insert_with(|| json!({}));
        if let Some(target) = target.as_object_mut() {
            target.insert(assign.variable.clone(), kept);
        }
    }
    if let Some(next) = next {
        state.shift_remove("End");
        state.insert("Next".into(), json!(next));
    }
}

/// The part of a result that is read later, as a value of Assign. A member that is missing is left out rather than an
/// error: whoever reads it says so in its own name.
fn kept(result: &Json, members: &Members) -> Json {
    let Members::Some(names) = members else { return result.clone() };
    match result {
        Json::String(text) => match text.strip_prefix("{%").and_then(|text| text.strip_suffix("%}")) {
            Some(expression) => {
                let fields: Vec<String> =
                    names.iter().map(|name| format!("{}: $result.`{name}`", json!(name))).collect();
                let object = format!("{{{}}}", fields.join(", "));
                json!(format!(
                    "{{% ($result := ({}); $type($result) = \"object\" ? {object} : $result) %}}",
                    expression.trim()
                ))
            }
            None => result.clone(),
        },
        Json::Object(_) => members.project(result),
        _ => result.clone(),
    }
}
