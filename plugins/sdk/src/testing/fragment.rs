//! Whether states are ones that a definition can be made of.

use crate::Fragment;
use serde_json::{Map, Value as Json};
use std::collections::BTreeSet;

/// Of JSONPath, which definitions in JSONata have not.
const OF_JSONPATH: [&str; 6] =
    ["Parameters", "ResultPath", "ResultSelector", "InputPath", "OutputPath", "ItemsPath"];

/// What is wrong with the states, if something is.
pub(super) fn sound(fragment: &Fragment) -> Result<(), String> {
    scope("states", &fragment.start_at, &fragment.states)
}

/// One level of states: those of a fragment, a branch, a map.
fn scope(place: &str, start_at: &str, states: &Map<String, Json>) -> Result<(), String> {
    if !states.contains_key(start_at) {
        return Err(format!("there is no state `{start_at}` to start at"));
    }
    let mut reached = BTreeSet::from([start_at.to_owned()]);
    let mut open = vec![start_at.to_owned()];
    while let Some(name) = open.pop() {
        for target in targets(&states[&name]) {
            if !states.contains_key(&target) {
                return Err(format!("state `{name}` goes on to `{target}`, which is not there"));
            }
            if reached.insert(target.clone()) {
                open.push(target);
            }
        }
    }
    if let Some((name, _)) = states.iter().find(|(name, _)| !reached.contains(*name)) {
        return Err(format!("state `{name}` is never reached"));
    }
    states.iter().try_for_each(|(name, state)| one(name, state))?;
    let ends = |state: &Json| state.get("End") == Some(&Json::Bool(true));
    if !states.values().any(ends) {
        return Err(format!("no state of {place} has `\"End\": true`"));
    }
    Ok(())
}

/// Where a state may go on to.
fn targets(state: &Json) -> Vec<String> {
    let rules = ["Choices", "Catch"].into_iter().filter_map(|key| state.get(key)?.as_array());
    let of_rules = rules.flatten().filter_map(|rule| rule.get("Next"));
    let own = ["Next", "Default"].into_iter().filter_map(|key| state.get(key));
    own.chain(of_rules).filter_map(Json::as_str).map(ToOwned::to_owned).collect()
}

fn one(name: &str, state: &Json) -> Result<(), String> {
    let kind = state.get("Type").and_then(Json::as_str);
    let kind = kind.ok_or_else(|| format!("state `{name}` has no `Type`"))?;
    if let Some(field) = OF_JSONPATH.into_iter().find(|field| state.get(field).is_some()) {
        return Err(format!(
            "`{field}` of state `{name}` is of JSONPath; in JSONata it is `Arguments` or `Output`"
        ));
    }
    if kind == "Task" && state.get("Resource").and_then(Json::as_str).is_none() {
        return Err(format!("task `{name}` has no `Resource`"));
    }
    let goes_on = usize::from(state.get("Next").is_some()) + usize::from(state.get("End").is_some());
    if goes_on != 1 && !matches!(kind, "Choice" | "Succeed" | "Fail") {
        return Err(format!("state `{name}` must have one of `Next` and `End`"));
    }
    let branches = state.get("Branches").and_then(Json::as_array).into_iter().flatten();
    for inner in branches.chain(state.get("ItemProcessor")) {
        let start_at = inner.get("StartAt").and_then(Json::as_str).unwrap_or_default();
        let states = inner.get("States").and_then(Json::as_object);
        let states = states.ok_or_else(|| format!("what is in state `{name}` has no `States`"))?;
        scope(&format!("what is in state `{name}`"), start_at, states)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check(states: Json, expected: Result<(), &str>) {
        let Json::Object(states) = states else { panic!("a table") };
        let fragment = Fragment { start_at: "a".to_owned(), states };
        assert_eq!(sound(&fragment), expected.map_err(ToOwned::to_owned));
    }

    #[test]
    fn what_is_not_sound_is_named() {
        let task = |next: Json| {
            let mut state = json!({"Type": "Task", "Resource": "arn:r"});
            state.as_object_mut().unwrap().extend(next.as_object().unwrap().clone());
            state
        };
        let end = || task(json!({"End": true}));
        check(json!({"a": end()}), Ok(()));
        check(json!({"a": task(json!({"Next": "b"})), "b": end()}), Ok(()));
        check(json!({"b": end()}), Err("there is no state `a` to start at"));
        check(json!({"a": task(json!({"Next": "b"}))}), Err("state `a` goes on to `b`, which is not there"));
        check(json!({"a": end(), "b": end()}), Err("state `b` is never reached"));
        check(json!({"a": task(json!({}))}), Err("state `a` must have one of `Next` and `End`"));
        check(json!({"a": task(json!({"Next": "a"}))}), Err("no state of states has `\"End\": true`"));
        check(json!({"a": {"End": true}}), Err("state `a` has no `Type`"));
        check(json!({"a": {"Type": "Task", "End": true}}), Err("task `a` has no `Resource`"));
        check(
            json!({"a": task(json!({"End": true, "ResultPath": "$.x"}))}),
            Err("`ResultPath` of state `a` is of JSONPath; in JSONata it is `Arguments` or `Output`"),
        );
        let caught = task(json!({"End": true, "Catch": [{"ErrorEquals": ["E"], "Next": "c"}]}));
        check(json!({"a": caught}), Err("state `a` goes on to `c`, which is not there"));
        let map = |states: Json| json!({"a": {"Type": "Map", "ItemProcessor": {"StartAt": "b", "States": states}, "End": true}});
        check(map(json!({"b": end()})), Ok(()));
        check(
            map(json!({"b": task(json!({"Next": "a"}))})),
            Err("state `b` goes on to `a`, which is not there"),
        );
    }
}
