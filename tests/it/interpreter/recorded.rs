//! What was recorded of the real service: one test a point, event sequences included.

use super::harness::{Answer, Run, Script, machine, run, run_with};
use bunsui::state_machine::{Definition, ExecutionOutcome};
use serde_json::{Value as Json, json};

const INVOKE: &str = "arn:aws:states:::lambda:invoke";
const SYNC: &str = "arn:aws:states:::ecs:runTask.sync";
const FUNCTION: &str = "arn:aws:lambda:eu-west-1:123456789012:function:f";

fn one(mut state: Json) -> Json {
    if !["Fail", "Succeed", "Choice"].contains(&state["Type"].as_str().unwrap()) {
        state["End"] = json!(true);
    }
    machine(json!({ "S": state }))
}

fn task() -> Json {
    json!({ "Type": "Task", "Resource": INVOKE, "End": true })
}

#[track_caller]
fn check_failure(run: &Run, error: &str, cause_part: &str) {
    let (found, cause) = run.failure();
    assert_eq!(found, Some(error));
    assert!(cause.unwrap_or_default().contains(cause_part), "{cause:?}");
}

#[test]
fn point_1_nothing_where_a_value_is_needed_fails_the_state_and_names_the_field() {
    for (field, kind) in [
        ("Output", "Pass"),
        ("Assign", "Pass"),
        ("Output", "Task"),
        ("Assign", "Task"),
        ("Arguments", "Task"),
    ] {
        let mut state = json!({ "Type": kind });
        if kind == "Task" {
            state["Resource"] = json!(INVOKE);
        }
        state[field] = json!({ "result": "{% $states.input.missing %}" });
        let run = run(&one(state), json!({}));
        let sentence = format!(
            "An error occurred while executing the state 'S' (entered at the event id #2). The JSONata expression \
             '$states.input.missing' specified for the field '{field}/result' returned nothing (undefined)."
        );
        assert_eq!(run.failure(), (Some("States.QueryEvaluationError"), Some(sentence.as_str())));
        let kinds = run.kinds();
        assert_eq!(kinds[kinds.len() - 2..], ["EvaluationFailed", "ExecutionFailed"], "{kinds:?}");
        assert!(!kinds.iter().any(|kind| kind.ends_with("Exited")));
        let details = run.details("EvaluationFailed");
        assert_eq!(details["location"], json!(format!("{field}/result")));
        assert_eq!(details["state"], json!("S"));
        assert_eq!(details["error"], json!("States.QueryEvaluationError"));
    }
}

#[test]
fn point_2_a_map_over_no_array_never_starts() {
    let map = json!({ "Type": "Map", "Items": "{% $states.input.x %}", "ItemProcessor": {
        "StartAt": "P", "States": { "P": { "Type": "Pass", "End": true } } } });
    let run_map = run(&one(map), json!({ "x": { "a": 1 } }));
    check_failure(&run_map, "States.QueryEvaluationError", "Expected 'array', but was 'object'");
    run_map.check_chain(
        "1<-0 ExecutionStarted
        2<-0 MapStateEntered
        3<-2 EvaluationFailed
        4<-3 MapStateFailed
        5<-4 ExecutionFailed",
    );
    let function = run(&one(json!({ "Type": "Pass", "Output": "{% $sum %}" })), json!({}));
    check_failure(&function, "States.QueryEvaluationError", "unsupported result type");
    let unknown = run(&one(json!({ "Type": "Pass", "Output": "{% $nothing_like_it() %}" })), json!({}));
    check_failure(&unknown, "States.QueryEvaluationError", "T1006");
}

#[test]
fn point_3_arrays_of_the_input_stay_and_singletons_are_unwrapped() {
    let output = json!({
        "input": "{% $states.input.one %}",
        "range": "{% $range(1, 9, 9) %}",
        "partition": "{% $partition([0], 1) %}",
        "filter": "{% $states.input.list[id = 1] %}",
    });
    let run =
        run(&one(json!({ "Type": "Pass", "Output": output })), json!({ "one": [1], "list": [{ "id": 1 }] }));
    assert_eq!(run.output(), &json!({ "input": [1], "range": 1, "partition": [[0]], "filter": { "id": 1 } }));
}

#[test]
fn point_4_only_a_whole_string_is_an_expression() {
    let constants =
        json!({ "a": " {% 1 %}", "b": "{% 1 %} ", "path.$": "$.x", "nested": [{ "c": ["{% 1 + 1 %}"] }] });
    let run_constants = run(&one(json!({ "Type": "Pass", "Output": constants })), json!({}));
    assert_eq!(
        run_constants.output(),
        &json!({ "a": " {% 1 %}", "b": "{% 1 %} ", "path.$": "$.x", "nested": [{ "c": [2] }] })
    );
    for output in [json!(null), json!(1.5), json!(false), json!([1, "{% 2 %}"]), json!("text")] {
        let expected = if output.is_array() { json!([1, 2]) } else { output.clone() };
        assert_eq!(run(&one(json!({ "Type": "Pass", "Output": output })), json!({})).output(), &expected);
    }
}

#[test]
fn point_5_a_fail_state_may_name_no_error() {
    let run_bare = run(&one(json!({ "Type": "Fail" })), json!({}));
    assert_eq!(run_bare.failure(), (None, None));
    run_bare.check_chain("1<-0 ExecutionStarted\n2<-0 FailStateEntered\n3<-2 ExecutionFailed");
    assert!(run_bare.details("ExecutionFailed").is_empty());
    let fail = json!({ "Type": "Fail", "Error": "E", "Cause": "{% 'bad ' & $states.input.x %}" });
    assert_eq!(run(&one(fail), json!({ "x": "year" })).failure(), (Some("E"), Some("bad year")));
}

#[test]
fn point_6_a_caught_error_leaves_the_state_and_containers_fail_only_after_the_last_try() {
    let definition = machine(json!({
        "T": { "Type": "Task", "Resource": INVOKE, "Next": "P",
               "Catch": [{ "ErrorEquals": ["States.ALL"], "Next": "P" }] },
        "P": { "Type": "Pass", "End": true },
    }));
    let run_catch = run_with(&definition, json!({}), Script::default().on("T", [Answer::Throw("E", "why")]));
    assert_eq!(run_catch.output(), &json!({ "Error": "E", "Cause": "why" }));
    run_catch.check_chain(
        "1<-0 ExecutionStarted
        2<-0 TaskStateEntered
        3<-2 TaskScheduled
        4<-3 TaskStarted
        5<-4 TaskFailed
        6<-5 TaskStateExited
        7<-6 PassStateEntered
        8<-7 PassStateExited
        9<-8 ExecutionSucceeded",
    );
    let parallel = json!({ "Type": "Parallel",
        "Branches": [{ "StartAt": "F", "States": { "F": { "Type": "Fail", "Error": "E" } } }],
        "Retry": [{ "ErrorEquals": ["E"], "MaxAttempts": 1 }] });
    run(&one(parallel), json!({})).check_chain(
        "1<-0 ExecutionStarted
        2<-0 ParallelStateEntered
        3<-2 ParallelStateStarted
        4<-3 FailStateEntered
        5<-4 ParallelStateStarted
        6<-5 FailStateEntered
        7<-6 ParallelStateFailed
        8<-7 ExecutionFailed",
    );
    let map = json!({ "Type": "Map", "Items": [1],
        "ItemProcessor": { "StartAt": "F", "States": { "F": { "Type": "Fail", "Error": "E" } } },
        "Retry": [{ "ErrorEquals": ["E"], "MaxAttempts": 1 }] });
    assert_eq!(
        run(&one(map), json!({})).kinds(),
        [
            "ExecutionStarted",
            "MapStateEntered",
            "MapStateStarted",
            "MapIterationStarted",
            "FailStateEntered",
            "MapIterationFailed",
            "MapStateStarted",
            "MapIterationStarted",
            "FailStateEntered",
            "MapIterationFailed",
            "MapStateFailed",
            "ExecutionFailed",
        ]
    );
}

#[test]
fn point_7_a_failure_inside_a_container_aborts_its_siblings() {
    let branch = |name: &str, state: Json| json!({ "StartAt": name, "States": { name: state } });
    let parallel = json!({ "Type": "Parallel", "Branches": [branch("T", task())] });
    run_with(&one(parallel), json!({}), Script::default().on("T", [Answer::Throw("E", "")])).check_chain(
        "1<-0 ExecutionStarted
        2<-0 ParallelStateEntered
        3<-2 ParallelStateStarted
        4<-3 TaskStateEntered
        5<-4 TaskScheduled
        6<-5 TaskStarted
        7<-6 TaskFailed
        8<-7 TaskStateAborted
        9<-7 ParallelStateFailed
        10<-9 ExecutionFailed",
    );
    let mut slow = task();
    slow["TimeoutSeconds"] = json!(1);
    let siblings = json!({ "Type": "Parallel", "Branches": [
        branch("T", slow),
        branch("W", json!({ "Type": "Wait", "Seconds": 60, "End": true })),
    ] });
    let run_siblings = run_with(&one(siblings), json!({}), Script::default().on("T", [Answer::Takes(9)]));
    let kinds = run_siblings.kinds();
    assert_eq!(
        kinds[kinds.len() - 5..],
        ["TaskTimedOut", "TaskStateAborted", "WaitStateAborted", "ParallelStateFailed", "ExecutionFailed"]
    );
    assert_eq!(run_siblings.seconds, 1.0);
    let aborted = run_siblings.events.iter().filter(|event| event.kind.ends_with("Aborted"));
    assert_eq!(aborted.filter_map(|event| event.state.as_deref()).collect::<Vec<_>>(), ["T", "W"]);
}

#[test]
fn point_7_the_sequence_of_a_map_whose_four_tasks_time_out() {
    let mut inner = task();
    inner["TimeoutSeconds"] = json!(5);
    let map = json!({ "Type": "Map", "Items": [1, 2, 3, 4],
        "ItemProcessor": { "StartAt": "T", "States": { "T": inner } } });
    let run = run_with(&one(map), json!({}), Script::default().on("T", [Answer::Takes(60)]));
    assert_eq!(run.failure(), (Some("States.Timeout"), None));
    let end: Vec<&str> = run.kinds().into_iter().skip_while(|kind| *kind != "MapIterationFailed").collect();
    assert_eq!(
        end,
        [
            "MapIterationFailed",
            "TaskStateAborted",
            "MapIterationAborted",
            "TaskStateAborted",
            "MapIterationAborted",
            "TaskStateAborted",
            "MapIterationAborted",
            "TaskStateAborted",
            "MapStateFailed",
            "ExecutionFailed",
        ]
    );
    assert_eq!(run.seconds, 5.0);
    // Each iteration begins from MapStateStarted, all before their states.
    assert_eq!(
        run.kinds()[2..7],
        [
            "MapStateStarted",
            "MapIterationStarted",
            "MapIterationStarted",
            "MapIterationStarted",
            "MapIterationStarted"
        ]
    );
    assert!(run.events[3..7].iter().all(|event| event.previous_id == 3));
}

#[test]
fn point_8_catch_without_output_passes_the_error_on_even_with_assign() {
    let definition = machine(json!({
        "T": { "Type": "Task", "Resource": INVOKE, "TimeoutSeconds": 1, "End": true, "Catch": [
            { "ErrorEquals": ["States.Timeout"], "Next": "P", "Assign": { "seen": "{% $states.errorOutput.Error %}" } }] },
        "P": { "Type": "Pass", "Output": { "passed": "{% $states.input %}", "seen": "{% $seen %}" }, "End": true },
    }));
    let slow = || Script::default().on("T", [Answer::Takes(9)]);
    let run_caught = run_with(&definition, json!({}), slow());
    assert_eq!(
        run_caught.output(),
        &json!({ "passed": { "Error": "States.Timeout", "Cause": "" }, "seen": "States.Timeout" })
    );
    let run_uncaught =
        run_with(&one(json!({ "Type": "Task", "Resource": INVOKE, "TimeoutSeconds": 1 })), json!({}), {
            Script::default().on("S", [Answer::Takes(9)])
        });
    assert_eq!(run_uncaught.failure(), (Some("States.Timeout"), None));
    assert!(!run_uncaught.details("ExecutionFailed").contains_key("cause"));
}

#[test]
fn point_9_assign_and_output_of_a_choice_hold_for_the_default_only() {
    let definition = machine(json!({
        "C": { "Type": "Choice", "Default": "P", "Assign": { "by": "default" }, "Output": "default", "Choices": [
            { "Condition": "{% $states.input.n > 10 %}", "Next": "P", "Assign": { "by": "rule" }, "Output": { "n": "{% $states.input.n %}" } },
            { "Condition": "{% $states.input.n > 5 %}", "Next": "P", "Assign": { "by": "second" } },
        ] },
        "P": { "Type": "Pass", "Output": ["{% $by %}", "{% $states.input %}"], "End": true },
    }));
    assert_eq!(run(&definition, json!({ "n": 20 })).output(), &json!(["rule", { "n": 20 }]));
    assert_eq!(run(&definition, json!({ "n": 6 })).output(), &json!(["second", { "n": 6 }]));
    assert_eq!(run(&definition, json!({ "n": 1 })).output(), &json!(["default", "default"]));
    let literal = machine(json!({
        "C": { "Type": "Choice", "Choices": [{ "Condition": true, "Next": "E" }] },
        "E": { "Type": "Succeed" },
    }));
    assert_eq!(run(&literal, json!(1)).output(), &json!(1));
}

#[test]
fn point_10_the_resource_decides_the_events() {
    let kinds = |resource: &str| {
        let run = run(&one(json!({ "Type": "Task", "Resource": resource })), json!({ "x": 1 }));
        run.kinds()[2..]
            .iter()
            .take_while(|kind| !kind.ends_with("Exited"))
            .map(|kind| (*kind).to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(kinds(INVOKE), ["TaskScheduled", "TaskStarted", "TaskSucceeded"]);
    assert_eq!(kinds(SYNC), ["TaskScheduled", "TaskStarted", "TaskSubmitted", "TaskSucceeded"]);
    assert_eq!(
        kinds(FUNCTION),
        ["LambdaFunctionScheduled", "LambdaFunctionStarted", "LambdaFunctionSucceeded"]
    );
    let run = run(
        &one(json!({ "Type": "Task", "Resource": SYNC, "TimeoutSeconds": 9, "Arguments": { "a": 1 } })),
        json!({}),
    );
    assert_eq!(
        Json::Object(run.details("TaskScheduled").clone()),
        json!({ "resourceType": "ecs", "resource": "runTask.sync", "region": "local", "parameters": "{\"a\":1}", "timeoutInSeconds": 9 })
    );
    assert_eq!(
        Json::Object(run.details("TaskStarted").clone()),
        json!({ "resourceType": "ecs", "resource": "runTask.sync" })
    );
}

#[test]
fn point_11_timestamps_of_a_wait() {
    for bad in ["2026-01-01 00:00:00Z", "2026-01-01T00:00:00", "2026-13-01T00:00:00Z", "tomorrow"] {
        let literal = one(json!({ "Type": "Wait", "Timestamp": bad }));
        assert!(Definition::parse(&literal).is_err(), "{bad}");
        let computed = one(json!({ "Type": "Wait", "Timestamp": "{% $states.input %}" }));
        check_failure(&run(&computed, json!(bad)), "States.QueryEvaluationError", "'Timestamp'");
    }
    let seconds = |at: &str| run(&one(json!({ "Type": "Wait", "Timestamp": at })), json!({})).seconds;
    assert_eq!(seconds("2026-01-01T00:01:00Z"), 60.0);
    assert_eq!(seconds("2026-01-01T09:00:30+09:00"), 30.0);
    assert_eq!(seconds("2025-12-31T00:00:00Z"), 0.0);
    assert!((seconds("2026-01-01T00:00:01.500000001Z") - 1.5).abs() < 0.01);
}

#[test]
fn point_12_an_oversized_output_ends_the_execution() {
    let large = json!({ "Type": "Pass", "Output": "{% $pad('', 262143, 'x') %}" });
    let run_large = run(&one(large), json!({}));
    check_failure(
        &run_large,
        "States.DataLimitExceeded",
        "exceeding the maximum number of bytes service limit",
    );
    run_large.check_chain("1<-0 ExecutionStarted\n2<-0 PassStateEntered\n3<-2 ExecutionFailed");
    // Two quotes and 262,142 characters are the limit itself.
    assert!(matches!(
        run(&one(json!({ "Type": "Pass", "Output": "{% $pad('', 262142, 'x') %}" })), json!({})).outcome,
        ExecutionOutcome::Succeeded { .. }
    ));
}

#[test]
fn point_12_an_oversized_result_of_a_task_can_be_caught() {
    let definition = machine(json!({
        "T": { "Type": "Task", "Resource": INVOKE, "End": true, "Catch": [{ "ErrorEquals": ["States.ALL"], "Next": "P" }] },
        "P": { "Type": "Pass", "Output": "{% $states.input.Error %}", "End": true },
    }));
    let script = || Script::default().on("T", [Answer::Return(json!("x".repeat(262_144)))]);
    let run_task = run_with(&definition, json!({}), script());
    assert_eq!(run_task.output(), &json!("States.DataLimitExceeded"));
    assert!(run_task.kinds().contains(&"TaskFailed"));
    // The output of the state itself cannot.
    let definition = machine(json!({
        "T": { "Type": "Task", "Resource": INVOKE, "Output": "{% $pad('', 262143, 'x') %}", "End": true,
               "Catch": [{ "ErrorEquals": ["States.ALL"], "Next": "P" }] },
        "P": { "Type": "Pass", "End": true },
    }));
    check_failure(&run(&definition, json!({})), "States.DataLimitExceeded", "'T'");
}

#[test]
fn point_13_a_distributed_map_shows_its_run_only_and_an_empty_map_nothing() {
    let processor = |mode: Json| {
        json!({ "ProcessorConfig": mode, "StartAt": "P",
        "States": { "P": { "Type": "Pass", "Output": "{% $states.input * 2 %}", "End": true } } })
    };
    let distributed = json!({ "Type": "Map", "Items": [1, 2],
        "ItemProcessor": processor(json!({ "Mode": "DISTRIBUTED", "ExecutionType": "STANDARD" })) });
    let run_distributed = run(&one(distributed), json!({}));
    assert_eq!(run_distributed.output(), &json!([2, 4]));
    run_distributed.check_chain(
        "1<-0 ExecutionStarted
        2<-0 MapStateEntered
        3<-2 MapStateStarted
        4<-3 MapRunStarted
        5<-4 MapRunSucceeded
        6<-5 MapStateSucceeded
        7<-6 MapStateExited
        8<-7 ExecutionSucceeded",
    );
    let empty =
        json!({ "Type": "Map", "Items": [], "ItemProcessor": processor(json!({ "Mode": "INLINE" })) });
    let run_empty = run(&one(empty), json!({}));
    assert_eq!(run_empty.output(), &json!([]));
    assert_eq!(run_empty.kinds()[2..4], ["MapStateStarted", "MapStateSucceeded"]);
    assert_eq!(run_empty.details("MapStateStarted")["length"], json!(0));
}

#[test]
fn point_14_what_creation_refuses() {
    let map = |label: &str| {
        one(json!({ "Type": "Map", "Label": label, "Items": [],
        "ItemProcessor": { "StartAt": "P", "States": { "P": { "Type": "Pass", "End": true } } } }))
    };
    let with_credentials =
        |credentials: Json| one(json!({ "Type": "Task", "Resource": INVOKE, "Credentials": credentials }));
    let cases = [
        (one(json!({ "Type": "Pass", "QueryLanguage": "JSONPath" })), "/States/S", "JSONPath"),
        (with_credentials(json!({})), "/States/S/Credentials", "RoleArn"),
        (with_credentials(json!({ "RoleArn": "a", "Other": 1 })), "/States/S/Credentials", "RoleArn"),
        (map(""), "/States/S/Label", "1 to 40"),
        (map(&"x".repeat(41)), "/States/S/Label", "1 to 40"),
        (
            json!({ "QueryLanguage": "JSONata", "States": { "P": { "Type": "Succeed" } } }),
            "",
            "`StartAt` is missing",
        ),
    ];
    for (definition, pointer, part) in cases {
        let problems = Definition::parse(&definition).unwrap_err();
        assert_eq!(problems[0].pointer, pointer, "{problems:?}");
        assert!(problems[0].message.contains(part), "{problems:?}");
    }
    assert!(Definition::parse(&map(&"x".repeat(40))).is_ok());
    assert!(Definition::parse(&with_credentials(json!({ "RoleArn": "{% $states.input.role %}" }))).is_ok());
}
