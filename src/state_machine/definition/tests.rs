//! What creation would say of a definition.

use super::*;
use serde_json::json;

const INVOKE: &str = "arn:aws:states:::lambda:invoke";

fn machine(states: Json) -> Json {
    let start = states.as_object().and_then(|states| states.keys().next().cloned());
    json!({ "QueryLanguage": "JSONata", "StartAt": start, "States": states })
}

/// The problems of a whole definition: pointer and a part of the message, in order.
#[track_caller]
fn check(definition: &Json, expected: &[(&str, &str)]) {
    let found = Definition::parse(definition).err().unwrap_or_default();
    let is_right = found.len() == expected.len()
        && found
            .iter()
            .zip(expected)
            .all(|(problem, (pointer, part))| problem.pointer == *pointer && problem.message.contains(part));
    assert!(is_right, "found {found:#?}\nexpected {expected:#?}");
}

/// The problems of one state named `S`; pointers are below it.
#[track_caller]
fn check_state(state: Json, expected: &[(&str, &str)]) {
    let pointers: Vec<String> = expected.iter().map(|(pointer, _)| format!("/States/S{pointer}")).collect();
    let expected: Vec<(&str, &str)> =
        pointers.iter().map(String::as_str).zip(expected.iter().map(|(_, part)| *part)).collect();
    check(&machine(json!({ "S": state })), &expected);
}

#[test]
fn only_jsonata_is_read() {
    check(&json!([]), &[("", "an array stands where an object")]);
    check(&json!({ "StartAt": "A", "States": {} }), &[("", "absent, which means JSONPath")]);
    check(&json!({ "QueryLanguage": "JSONPath" }), &[("/QueryLanguage", "only JSONata")]);
}

#[test]
fn the_machine_has_a_start_and_states() {
    let jsonata = |rest: Json| {
        let mut definition = json!({ "QueryLanguage": "JSONata" });
        definition.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        definition
    };
    let pass = json!({ "Type": "Pass", "End": true });
    check(&jsonata(json!({ "StartAt": "A" })), &[("", "`States` is missing")]);
    check(
        &jsonata(json!({ "StartAt": "A", "States": {} })),
        &[("/States", "no state"), ("/StartAt", "no such state")],
    );
    check(
        &jsonata(json!({ "StartAt": 1, "States": { "A": pass } })),
        &[("/StartAt", "a number, not a string")],
    );
    check(
        &jsonata(json!({ "StartAt": "B", "States": { "A": pass } })),
        &[("/StartAt", "`B`"), ("/States/A", "nothing leads to")],
    );
    check(
        &jsonata(
            json!({ "StartAt": "A", "States": { "A": pass }, "Version": "2.0", "TimeoutSeconds": 0, "startAt": 1 }),
        ),
        &[
            ("/startAt", "did you mean `StartAt`?"),
            ("/Version", "1.0"),
            ("/TimeoutSeconds", "from 1 to 99999999"),
        ],
    );
}

#[test]
fn states_lead_to_states_and_to_an_end() {
    check_state(json!({ "Type": "Pass" }), &[("", "`Next` or `\"End\": true` is missing")]);
    check_state(json!({ "Type": "Pass", "Next": "S", "End": true }), &[("", "exclude each other")]);
    check_state(json!({ "Type": "Pass", "Next": "T" }), &[("/Next", "no state `T`")]);
    check(
        &machine(json!({ "A": { "Type": "Pass", "Next": "B" }, "B": { "Type": "Pass", "Next": "A" } })),
        &[("/States", "no state ends this")],
    );
    check(
        &machine(json!({ "A": { "Type": "Succeed" }, "B": { "Type": "Pass", "Next": "A" } })),
        &[("/States/B", "nothing leads to the state `B`")],
    );
    check_state(json!({ "Type": "Pass", "End": "yes" }), &[("/End", "a string, not a boolean")]);
}

#[test]
fn each_type_has_its_fields() {
    check_state(json!({ "Type": "Pas", "End": true }), &[("/Type", "no type of state `Pas`")]);
    check_state(json!({ "End": true }), &[("", "`Type` is missing")]);
    check_state(json!({ "Type": "Pass", "End": true, "Ouput": 1 }), &[("/Ouput", "did you mean `Output`?")]);
    check_state(
        json!({ "Type": "Pass", "End": true, "Retry": [] }),
        &[("/Retry", "a Pass state has no field")],
    );
    check_state(json!({ "Type": "Succeed", "Assign": {} }), &[("/Assign", "a Succeed state has no field")]);
    check_state(json!({ "Type": "Fail", "Error": 1 }), &[("/Error", "a number, not a string")]);
    for field in ["InputPath", "Parameters", "ResultPath", "ResultSelector", "OutputPath", "Result"] {
        check_state(
            json!({ "Type": "Pass", "End": true, field: "$" }),
            &[(&format!("/{field}"), "belongs to JSONPath")],
        );
    }
}

#[test]
fn tasks() {
    check_state(json!({ "Type": "Task", "End": true }), &[("", "`Resource` is missing")]);
    let task = |rest: Json| {
        let mut task = json!({ "Type": "Task", "Resource": INVOKE, "End": true });
        task.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        task
    };
    check_state(task(json!({ "Resource": "invoke" })), &[("/Resource", "not an ARN")]);
    check_state(
        task(json!({ "Arguments": [] })),
        &[("/Arguments", "an array, not an object or an expression")],
    );
    check_state(task(json!({ "Arguments": "{% $states.input %}" })), &[]);
    check_state(task(json!({ "TimeoutSeconds": 1.5 })), &[("/TimeoutSeconds", "whole number")]);
    check_state(task(json!({ "TimeoutSeconds": "{% $x %}", "HeartbeatSeconds": 5 })), &[]);
    check_state(
        task(json!({ "TimeoutSeconds": 5, "HeartbeatSeconds": 5 })),
        &[("/HeartbeatSeconds", "smaller")],
    );
}

#[test]
fn retry_and_catch() {
    let task =
        |key: &str, entries: Json| json!({ "Type": "Task", "Resource": INVOKE, "End": true, key: entries });
    check_state(task("Retry", json!({})), &[("/Retry", "an object, not an array")]);
    check_state(task("Retry", json!([{}])), &[("/Retry/0", "`ErrorEquals` is missing")]);
    check_state(task("Retry", json!([{ "ErrorEquals": [] }])), &[("/Retry/0/ErrorEquals", "at least one")]);
    check_state(
        task("Retry", json!([{ "ErrorEquals": ["States.ALL", "E"] }])),
        &[("/Retry/0/ErrorEquals", "stand alone")],
    );
    check_state(
        task("Retry", json!([{ "ErrorEquals": ["States.ALL"] }, { "ErrorEquals": ["E"] }])),
        &[("/Retry/0/ErrorEquals", "last entry of Retry")],
    );
    check_state(
        task(
            "Retry",
            json!([{ "ErrorEquals": ["E"], "IntervalSeconds": 0, "MaxAttempts": -1, "BackoffRate": 0.5,
                     "MaxDelaySeconds": 31_622_400, "JitterStrategy": "SOME", "Next": "S" }]),
        ),
        &[
            ("/Retry/0/Next", "Retry has no field `Next`"),
            ("/Retry/0/IntervalSeconds", "from 1"),
            ("/Retry/0/MaxAttempts", "from 0"),
            ("/Retry/0/MaxDelaySeconds", "to 31622399"),
            ("/Retry/0/BackoffRate", "at least 1.0"),
            ("/Retry/0/JitterStrategy", "`FULL` or `NONE`"),
        ],
    );
    check_state(
        task("Retry", json!([{ "ErrorEquals": ["E"], "IntervalSeconds": 9, "MaxDelaySeconds": 9 }])),
        &[("/Retry/0/MaxDelaySeconds", "greater than")],
    );
    check_state(task("Catch", json!([{ "ErrorEquals": ["E"] }])), &[("/Catch/0", "`Next` is missing")]);
    check_state(
        task("Catch", json!([{ "ErrorEquals": ["E"], "Next": "X" }])),
        &[("/Catch/0/Next", "no state `X`")],
    );
    check_state(
        task(
            "Catch",
            json!([{ "ErrorEquals": ["E"], "Next": "S", "Output": "{% $states.errorOutput %}", "ResultPath": "$" }]),
        ),
        &[("/Catch/0/ResultPath", "belongs to JSONPath")],
    );
    // An entry that cannot be read keeps its place. Found by fuzzing.
    check_state(
        task("Catch", json!([{ "ErrorEquals": ["E"] }, { "ErrorEquals": ["E"], "Next": "X" }])),
        &[("/Catch/0", "`Next` is missing"), ("/Catch/1/Next", "no state `X`")],
    );
}

#[test]
fn choices() {
    let choice = |rules: Json| {
        machine(json!({ "S": { "Type": "Choice", "Choices": rules }, "E": { "Type": "Succeed" } }))
    };
    check_state(json!({ "Type": "Choice" }), &[("", "`Choices` is missing")]);
    check(&choice(json!([])), &[("/States/S/Choices", "no rule"), ("/States/E", "nothing leads to")]);
    check(&choice(json!([{ "Condition": true, "Next": "E" }])), &[]);
    check(
        &choice(json!([{ "Variable": "$.x", "StringEquals": "y", "Next": "E" }])),
        &[
            ("/States/S/Choices/0/Variable", "no field `Variable`"),
            ("/States/S/Choices/0/StringEquals", "no field `StringEquals`"),
            ("/States/S/Choices/0", "`Condition` is missing"),
        ],
    );
    check(
        &choice(json!([{ "Condition": "true", "Next": "E" }])),
        &[("/States/S/Choices/0/Condition", "an expression")],
    );
    check(
        &choice(json!([{ "Condition": "{% true %}", "Next": "X" }, { "Condition": false, "Next": "E" }])),
        &[("/States/S/Choices/0/Next", "no state `X`")],
    );
}

#[test]
fn waits() {
    check_state(json!({ "Type": "Wait", "End": true }), &[("", "exactly one")]);
    check_state(
        json!({ "Type": "Wait", "End": true, "Seconds": 1, "Timestamp": "x" }),
        &[("", "exactly one")],
    );
    check_state(json!({ "Type": "Wait", "End": true, "Seconds": -1 }), &[("/Seconds", "from 0 to 99999999")]);
    check_state(
        json!({ "Type": "Wait", "End": true, "SecondsPath": "$.x", "Seconds": 1 }),
        &[("/SecondsPath", "JSONPath")],
    );
    check_state(json!({ "Type": "Wait", "End": true, "Timestamp": "{% $states.input.at %}" }), &[]);
}

#[test]
fn containers() {
    let branch = json!({ "StartAt": "A", "States": { "A": { "Type": "Pass", "End": true } } });
    check_state(json!({ "Type": "Parallel", "End": true }), &[("", "`Branches` is missing")]);
    check_state(json!({ "Type": "Parallel", "Branches": [], "End": true }), &[("/Branches", "no branch")]);
    check_state(
        json!({ "Type": "Parallel", "Branches": [branch, branch], "End": true }),
        &[("/Branches/1/States/A", "taken by another state")],
    );
    check_state(
        json!({ "Type": "Parallel", "End": true, "Branches": [{ "StartAt": "A", "QueryLanguage": "JSONata", "States": { "A": { "Type": "Pass", "Next": "S" } } }] }),
        &[
            ("/Branches/0/QueryLanguage", "a branch has no field"),
            ("/Branches/0/States/A/Next", "no state `S`"),
        ],
    );
    check_state(json!({ "Type": "Map", "End": true }), &[("", "`ItemProcessor` is missing")]);
    check_state(
        json!({ "Type": "Map", "End": true, "ItemProcessor": branch, "Items": "text", "MaxConcurrency": -1, "ItemReader": {}, "ToleratedFailureCount": 1, "ItemsPath": "$" }),
        &[
            ("/ItemReader", "not interpreted here"),
            ("/ToleratedFailureCount", "DISTRIBUTED"),
            ("/Items", "not an array or an expression"),
            ("/MaxConcurrency", "from 0"),
            ("/ItemsPath", "JSONPath"),
        ],
    );
    let mode = |config: Json| {
        let mut processor = branch.clone();
        processor["ProcessorConfig"] = config;
        json!({ "Type": "Map", "End": true, "ItemProcessor": processor })
    };
    check_state(mode(json!({ "Mode": "BOTH" })), &[("/ItemProcessor/ProcessorConfig/Mode", "`BOTH`")]);
    check_state(
        mode(json!({ "Mode": "DISTRIBUTED" })),
        &[("/ItemProcessor/ProcessorConfig", "`STANDARD` or `EXPRESS`")],
    );
    check_state(mode(json!({ "Mode": "DISTRIBUTED", "ExecutionType": "STANDARD" })), &[]);
}

#[test]
fn variables_belong_to_their_scope() {
    let inside = |assign: &str| json!({ "StartAt": "A", "States": { "A": { "Type": "Pass", "Assign": { assign: 1 }, "End": true } } });
    let parallel = |assign: &str| {
        machine(json!({
            "S": { "Type": "Pass", "Assign": { "x": 1 }, "Next": "P" },
            "P": { "Type": "Parallel", "Branches": [inside(assign)], "End": true },
        }))
    };
    check(&parallel("y"), &[]);
    check(&parallel("x"), &[("/States/P/Branches/0", "`x` belongs to an outer scope")]);
    for name in ["states", "1x", "a-b", "", "a b"] {
        check_state(
            json!({ "Type": "Pass", "Assign": { name: 1 }, "End": true }),
            &[(&format!("/Assign/{name}"), "cannot be the name")],
        );
    }
    check_state(json!({ "Type": "Pass", "Assign": { "_x": 1, "größe2": 2 }, "End": true }), &[]);
    check_state(
        json!({ "Type": "Pass", "Assign": "x", "End": true }),
        &[("/Assign", "an object of variables")],
    );
}

#[test]
fn expressions_are_parsed_and_have_no_context() {
    let output = |expression: &str| json!({ "Type": "Pass", "Output": { "a/b": [expression] }, "End": true });
    let at = "/Output/a~1b/0";
    check_state(output("{% 1 + %}"), &[(at, "S0207")]);
    check_state(output("{% $x ?? 1 %}"), &[(at, "2.0.6")]);
    check_state(output("{% phone %}"), &[(at, "`phone` refers to a context")]);
    check_state(output("{% $count(items) %}"), &[(at, "`items`")]);
    check_state(output("{% $map($states.input, function($v) { b }) %}"), &[(at, "`b`")]);
    check_state(output("{% $ %}"), &[(at, "`$` refers")]);
    check_state(output("{% $$.x %}"), &[(at, "`$$`")]);
    check_state(
        output("{% $states.errorOutput.Error %}"),
        &[(at, "only in the Assign and Output of a Catch")],
    );
    for right in [
        "{% $states.input.items[value > 3].{'k': name}^(price) %}",
        "{% {'a': 1, 'b': [$x, $states.context.State.Name]} %}",
        "{% $states.input.items{id: $sum(price)} %}",
        "{% $states.input ~> $map(function($v) { $v.name }) %}",
        "{% ($x := $states.input; $x.name) %}",
        " {% phone %}",
    ] {
        check_state(output(right), &[]);
    }
}

#[test]
fn names_of_states_are_bounded() {
    let long = "x".repeat(81);
    check(
        &machine(json!({ long.as_str(): { "Type": "Succeed" } })),
        &[(&format!("/States/{long}"), "1 to 80 characters")],
    );
    check(&machine(json!({ "x".repeat(80): { "Type": "Succeed" } })), &[]);
}

#[test]
fn task_states_are_listed_at_every_depth() {
    let task = json!({ "Type": "Task", "Resource": INVOKE, "End": true });
    let inner = |name: &str| json!({ "StartAt": name, "States": { name: task } });
    let definition = machine(json!({
        "A": { "Type": "Task", "Resource": INVOKE, "Next": "B" },
        "B": { "Type": "Parallel", "Branches": [inner("C"), { "StartAt": "D", "States": {
            "D": { "Type": "Map", "ItemProcessor": inner("E"), "End": true } } }], "End": true },
    }));
    assert_eq!(Definition::parse(&definition).unwrap().task_states(), ["A", "C", "E"]);
}
