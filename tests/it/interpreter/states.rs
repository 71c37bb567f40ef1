//! Each type of state, each field.

use super::harness::{Answer, Run, Script, machine, run, run_until, run_with};
use bunsui::state_machine::ExecutionOutcome;
use serde_json::{Value as Json, json};
use std::time::Duration;

const INVOKE: &str = "arn:aws:states:::lambda:invoke";

/// The states, their input, the output.
#[track_caller]
fn check_output(states: Json, input: Json, expected: Json) {
    assert_eq!(run(&machine(states), input).output(), &expected);
}

fn pass(output: Json) -> Json {
    json!({ "Type": "Pass", "Output": output, "End": true })
}

fn inner(name: &str, state: Json) -> Json {
    json!({ "StartAt": name, "States": { name: state } })
}

#[test]
fn pass_and_succeed_give_their_input_or_their_output() {
    check_output(json!({ "P": { "Type": "Pass", "End": true } }), json!({ "a": 1 }), json!({ "a": 1 }));
    check_output(
        json!({ "P": pass(json!({ "b": "{% $states.input.a + 1 %}" })) }),
        json!({ "a": 1 }),
        json!({ "b": 2 }),
    );
    check_output(json!({ "S": { "Type": "Succeed" } }), json!([1]), json!([1]));
    check_output(
        json!({ "S": { "Type": "Succeed", "Output": "{% $states.input[0] %}" } }),
        json!([1]),
        json!(1),
    );
}

#[test]
fn assign_takes_effect_after_the_state_and_all_at_once() {
    check_output(
        json!({
            "A": { "Type": "Pass", "Assign": { "x": 1, "y": 2 }, "Next": "B" },
            "B": { "Type": "Pass", "Assign": { "x": "{% $y %}", "y": "{% $x %}" }, "Output": "{% [$x, $y] %}", "Next": "C" },
            "C": pass(json!({ "before": "{% $states.input %}", "after": "{% [$x, $y] %}" })),
        }),
        json!(null),
        json!({ "before": [1, 2], "after": [2, 1] }),
    );
}

#[test]
fn a_variable_over_the_limit_ends_the_execution() {
    let definition = machine(
        json!({ "A": { "Type": "Pass", "Assign": { "x": "{% $pad('', 262143, 'x') %}" }, "End": true } }),
    );
    assert_eq!(run(&definition, json!({})).failure().0, Some("States.DataLimitExceeded"));
}

#[test]
fn a_task_gives_its_result_to_output_and_assign() {
    check_output(
        json!({
            "T": { "Type": "Task", "Resource": INVOKE, "Arguments": { "n": "{% $states.input.n * 2 %}" },
                   "Assign": { "doubled": "{% $states.result.n %}" },
                   "Output": ["{% $states.input.n %}", "{% $states.result.n %}"], "Next": "P" },
            "P": pass(json!({ "input": "{% $states.input %}", "doubled": "{% $doubled %}" })),
        }),
        json!({ "n": 4 }),
        json!({ "input": [4, 8], "doubled": 8 }),
    );
}

#[test]
fn the_context_object_says_where_the_execution_is() {
    let definition = machine(json!({
        "T": { "Type": "Task", "Resource": INVOKE, "Retry": [{ "ErrorEquals": ["E"], "IntervalSeconds": 5 }],
               "Output": { "handler": "{% $states.result %}", "here": "{% $states.context %}" }, "End": true },
    }));
    let script = Script::default().on("T", [Answer::Throw("E", ""), Answer::Context]);
    let run = run_with(&definition, json!({ "i": 1 }), script);
    let expected = json!({
        "Execution": { "Id": "execution-id", "Input": { "i": 1 }, "Name": "execution-name",
                       "StartTime": "2026-01-01T00:00:00.000Z", "RedriveCount": 0 },
        "StateMachine": { "Id": "machine-id", "Name": "machine-name" },
        "State": { "Name": "T", "EnteredTime": "2026-01-01T00:00:00.000Z", "RetryCount": 1 },
    });
    assert_eq!(run.output(), &json!({ "handler": expected, "here": expected }));
}

#[test]
fn retries_wait_as_their_entry_says_and_the_observer_hears_of_them() {
    let definition = machine(json!({ "T": {
        "Type": "Task", "Resource": INVOKE, "End": true, "Retry": [
            { "ErrorEquals": ["A", "B"], "IntervalSeconds": 2, "MaxAttempts": 2, "BackoffRate": 3 },
            { "ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "MaxAttempts": 1 },
        ] } }));
    let throw = |error| Answer::Throw(error, "why");
    let script = Script::default().on("T", [throw("A"), throw("C"), throw("B"), Answer::Return(json!(7))]);
    let run = run_with(&definition, json!({ "x": 1 }), script);
    assert_eq!(run.output(), &json!(7));
    let retry = |n, seconds, error: &str| ("T".to_owned(), n, Duration::from_secs(seconds), error.to_owned());
    assert_eq!(run.retries, [retry(1, 2, "A"), retry(2, 1, "C"), retry(3, 6, "B")]);
    assert_eq!(run.seconds, 9.0);
    run.check_chain(
        "1<-0 ExecutionStarted
        2<-0 TaskStateEntered
        3<-2 TaskScheduled
        4<-3 TaskStarted
        5<-4 TaskFailed
        6<-5 TaskScheduled
        7<-6 TaskStarted
        8<-7 TaskFailed
        9<-8 TaskScheduled
        10<-9 TaskStarted
        11<-10 TaskFailed
        12<-11 TaskScheduled
        13<-12 TaskStarted
        14<-13 TaskSucceeded
        15<-14 TaskStateExited
        16<-15 ExecutionSucceeded",
    );
    assert!(run.events[1..15].iter().all(|event| event.state.as_deref() == Some("T")));
}

#[test]
fn full_jitter_shortens_delays_and_is_decided_by_the_seed() {
    let definition = machine(json!({ "T": { "Type": "Task", "Resource": INVOKE, "End": true, "Retry": [
        { "ErrorEquals": ["E"], "IntervalSeconds": 100, "MaxAttempts": 3, "BackoffRate": 1, "JitterStrategy": "FULL" }] } }));
    let delays = || {
        let run = run_with(&definition, json!({}), Script::default().on("T", [Answer::Throw("E", "")]));
        run.retries.into_iter().map(|(_, _, delay, _)| delay).collect::<Vec<_>>()
    };
    let (first, second) = (delays(), delays());
    assert_eq!(first, second);
    assert_eq!(first.len(), 3);
    assert!(first.iter().all(|delay| *delay < Duration::from_secs(100)) && first[0] != first[1], "{first:?}");
}

#[test]
fn an_expression_that_fails_in_a_task_is_tried_again_and_caught() {
    let definition = machine(json!({
        "T": { "Type": "Task", "Resource": INVOKE, "Output": "{% $states.result.gone %}", "End": true,
               "Retry": [{ "ErrorEquals": ["States.QueryEvaluationError"], "MaxAttempts": 1 }],
               "Catch": [{ "ErrorEquals": ["States.QueryEvaluationError"], "Next": "P", "Output": "caught" }] },
        "P": { "Type": "Pass", "End": true },
    }));
    let run = run(&definition, json!({}));
    assert_eq!(run.output(), &json!("caught"));
    assert_eq!(run.kinds().iter().filter(|kind| **kind == "EvaluationFailed").count(), 2);
}

#[test]
fn a_timeout_tells_the_task_to_end_and_waits_for_it() {
    let definition = machine(
        json!({ "T": { "Type": "Task", "Resource": INVOKE, "TimeoutSeconds": "{% $states.input %}", "End": true } }),
    );
    let run = run_with(&definition, json!(3), Script::default().on("T", [Answer::Takes(60)]));
    assert_eq!(run.failure(), (Some("States.Timeout"), None));
    assert_eq!((run.log, run.seconds), (vec!["T cancelled".to_owned()], 3.0));
}

#[test]
fn a_task_that_does_not_end_when_told_is_left_after_ten_seconds() {
    let definition =
        machine(json!({ "T": { "Type": "Task", "Resource": INVOKE, "TimeoutSeconds": 3, "End": true } }));
    let run = run_with(&definition, json!({}), Script::default().on("T", [Answer::Stubborn]));
    assert_eq!((run.failure().0, run.seconds), (Some("States.Timeout"), 13.0));
}

#[test]
fn a_computed_timeout_must_be_a_whole_number() {
    let definition = machine(
        json!({ "T": { "Type": "Task", "Resource": INVOKE, "TimeoutSeconds": "{% $states.input %}", "End": true } }),
    );
    for bad in [json!(0), json!(1.5), json!("5"), json!(-1)] {
        let run = run(&definition, bad);
        assert_eq!(run.failure().0, Some("States.QueryEvaluationError"));
        assert_eq!(
            run.kinds(),
            ["ExecutionStarted", "TaskStateEntered", "EvaluationFailed", "ExecutionFailed"]
        );
    }
}

#[test]
fn the_machines_own_timeout_ends_the_execution() {
    let mut definition = machine(json!({ "T": { "Type": "Task", "Resource": INVOKE, "End": true,
        "Catch": [{ "ErrorEquals": ["States.ALL"], "Next": "P" }] }, "P": { "Type": "Pass", "End": true } }));
    definition["TimeoutSeconds"] = json!(4);
    let run = run_with(&definition, json!({}), Script::default().on("T", [Answer::Takes(60)]));
    assert_eq!(run.outcome, ExecutionOutcome::TimedOut);
    assert_eq!((run.log.len(), run.seconds), (1, 4.0));
    let last = run.events.last().unwrap();
    assert_eq!((last.kind, last.previous_id, last.id), ("ExecutionTimedOut", 0, 5));
    assert!(!run.kinds().contains(&"TaskTimedOut"));
}

#[test]
fn a_stop_ends_the_tasks_first() {
    let states = json!({ "P": { "Type": "Parallel", "End": true, "Branches": [
        inner("T", json!({ "Type": "Task", "Resource": INVOKE, "End": true })),
        inner("W", json!({ "Type": "Wait", "Seconds": 100, "End": true })),
    ] } });
    let run = run_until(&machine(states), json!({}), Script::default().on("T", [Answer::Takes(60)]), Some(2));
    assert_eq!(run.outcome, ExecutionOutcome::Aborted);
    assert_eq!((run.log, run.seconds), (vec!["T cancelled".to_owned()], 2.0));
    assert_eq!(run.events.last().unwrap().kind, "ExecutionAborted");
}

#[test]
fn wait_seconds_may_be_computed() {
    let definition = machine(
        json!({ "W": { "Type": "Wait", "Seconds": "{% $states.input.s %}", "Output": "done", "End": true } }),
    );
    let wait = run(&definition, json!({ "s": 30 }));
    assert_eq!((wait.output(), wait.seconds), (&json!("done"), 30.0));
    assert_eq!(run(&definition, json!({ "s": "30" })).failure().0, Some("States.QueryEvaluationError"));
}

#[test]
fn a_choice_without_a_match_fails_and_a_condition_is_a_boolean() {
    let definition = |condition: Json| {
        machine(json!({
            "C": { "Type": "Choice", "Choices": [{ "Condition": condition, "Next": "E" }] },
            "E": { "Type": "Succeed" },
        }))
    };
    let no_match = run(&definition(json!("{% false %}")), json!({}));
    assert_eq!(no_match.failure().0, Some("States.Runtime"));
    no_match.check_chain("1<-0 ExecutionStarted\n2<-0 ChoiceStateEntered\n3<-2 ExecutionFailed");
    let number = run(&definition(json!("{% 1 %}")), json!({}));
    assert_eq!(number.failure().0, Some("States.QueryEvaluationError"));
    assert_eq!(number.details("EvaluationFailed")["location"], json!("Choices[0]/Condition"));
}

#[test]
fn a_parallel_gives_its_results_in_the_order_of_the_branches() {
    let slow = json!({ "StartAt": "W", "States": {
        "W": { "Type": "Wait", "Seconds": 9, "Next": "A" }, "A": pass(json!("{% 'slow ' & $states.input.x %}")) } });
    let states = json!({ "P": { "Type": "Parallel", "Arguments": { "x": "{% $states.input.y %}" },
        "Branches": [slow, inner("B", pass(json!("{% 'fast ' & $states.input.x %}")))],
        "Output": { "results": "{% $states.result %}", "input": "{% $states.input.y %}" }, "End": true } });
    let run = run(&machine(states), json!({ "y": 1 }));
    assert_eq!(run.output(), &json!({ "results": ["slow 1", "fast 1"], "input": 1 }));
    assert_eq!(run.seconds, 9.0);
    let ids: Vec<u64> = run.events.iter().map(|event| event.id).collect();
    assert_eq!(ids, (1..=ids.len() as u64).collect::<Vec<_>>());
    let started = run.events.iter().find(|event| event.kind == "ParallelStateStarted").unwrap().id;
    assert_eq!(run.events.iter().filter(|event| event.previous_id == started).count(), 2);
}

#[test]
fn a_failed_branch_ends_the_tasks_beside_it_and_waits_for_them() {
    let late = json!({ "StartAt": "W", "States": {
        "W": { "Type": "Wait", "Seconds": 1, "Next": "F" }, "F": { "Type": "Fail", "Error": "E" } } });
    let task = || json!({ "Type": "Task", "Resource": INVOKE, "End": true });
    let states = json!({ "P": { "Type": "Parallel", "Branches": [late, inner("T", task()), inner("U", task())],
        "Catch": [{ "ErrorEquals": ["E"], "Next": "Z" }], "End": true }, "Z": { "Type": "Succeed", "Output": "caught" } });
    let script = Script::default().on("T", [Answer::Takes(60)]).on("U", [Answer::Stubborn]);
    let run = run_with(&machine(states), json!({}), script);
    assert_eq!(run.output(), &json!("caught"));
    assert_eq!((run.log, run.seconds), (vec!["T cancelled".to_owned()], 11.0));
}

#[test]
fn a_failure_in_a_branch_is_caught_around_it() {
    let states = json!({
        "P": { "Type": "Parallel", "Branches": [inner("F", json!({ "Type": "Fail", "Error": "E", "Cause": "c" }))],
               "Catch": [{ "ErrorEquals": ["E"], "Next": "Z", "Output": "{% $states.errorOutput.Cause %}" }], "End": true },
        "Z": { "Type": "Pass", "End": true },
    });
    let run = run(&machine(states), json!({}));
    assert_eq!(run.output(), &json!("c"));
    assert_eq!(
        run.kinds()[2..6],
        ["ParallelStateStarted", "FailStateEntered", "ParallelStateFailed", "ParallelStateExited"]
    );
}

#[test]
fn inner_scopes_read_outer_variables_and_leave_theirs_behind() {
    let branch = json!({ "StartAt": "A", "States": {
        "A": { "Type": "Pass", "Assign": { "own": "{% $outer + 1 %}" }, "Next": "B" },
        "B": pass(json!("{% $own %}")),
    } });
    check_output(
        json!({
            "S": { "Type": "Pass", "Assign": { "outer": 1 }, "Next": "P" },
            "P": { "Type": "Parallel", "Branches": [branch], "Assign": { "outer": "{% $states.result[0] * 10 %}" }, "Next": "E" },
            "E": pass(json!(["{% $outer %}", "{% $exists($own) %}"])),
        }),
        json!({}),
        json!([20, false]),
    );
}

#[test]
fn a_map_gives_each_item_to_its_processor() {
    check_output(
        json!({ "M": { "Type": "Map", "Items": "{% $states.input.list %}", "End": true,
            "ItemSelector": { "i": "{% $states.context.Map.Item.Index %}", "v": "{% $states.context.Map.Item.Value %}", "k": "{% $states.input.k %}" },
            "ItemProcessor": inner("P", pass(json!("{% $states.input.k & $states.input.i & $states.input.v & $states.context.Map.Item.Index %}"))) } }),
        json!({ "list": ["a", "b"], "k": "#" }),
        json!(["#0a0", "#1b1"]),
    );
}

#[test]
fn a_map_without_items_takes_its_input() {
    check_output(
        json!({ "M": { "Type": "Map", "End": true, "ItemProcessor": inner("P", pass(json!("{% $states.input * 2 %}"))) } }),
        json!([1, 2, 3]),
        json!([2, 4, 6]),
    );
}

#[test]
fn max_concurrency_bounds_what_runs_at_once() {
    let seconds = |limit: Json| {
        let map = json!({ "Type": "Map", "Items": [1, 2, 3, 4, 5], "MaxConcurrency": limit, "End": true,
            "ItemProcessor": inner("W", json!({ "Type": "Wait", "Seconds": 10, "End": true })) });
        run(&machine(json!({ "M": map })), json!({ "limit": 2 })).seconds
    };
    assert_eq!(seconds(json!(1)), 50.0);
    assert_eq!(seconds(json!("{% $states.input.limit %}")), 30.0);
    assert_eq!(seconds(json!(0)), 10.0);
}

#[test]
fn a_distributed_map_may_tolerate_failures_and_sees_no_outer_variables() {
    let run_map = |tolerance: Json| -> Run {
        let mut map = json!({ "Type": "Map", "Items": [1, 2, 3, 4], "End": true, "ItemProcessor": {
            "ProcessorConfig": { "Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS" }, "StartAt": "C", "States": {
                "C": { "Type": "Choice", "Choices": [{ "Condition": "{% $states.input = 2 %}", "Next": "F" }], "Default": "P" },
                "F": { "Type": "Fail", "Error": "E", "Cause": "two" },
                "P": pass(json!("{% $exists($outer) %}")),
            } } });
        map.as_object_mut().unwrap().extend(tolerance.as_object().unwrap().clone());
        run(
            &machine(json!({ "S": { "Type": "Pass", "Assign": { "outer": 1 }, "Next": "M" }, "M": map })),
            json!({}),
        )
    };
    let tolerated = json!([false, { "Error": "E", "Cause": "two" }, false, false]);
    assert_eq!(run_map(json!({ "ToleratedFailureCount": 1 })).output(), &tolerated);
    assert_eq!(run_map(json!({ "ToleratedFailurePercentage": 25 })).output(), &tolerated);
    for too_few in
        [json!({}), json!({ "ToleratedFailurePercentage": 24 }), json!({ "ToleratedFailureCount": 0 })]
    {
        let run = run_map(too_few);
        assert_eq!(run.failure().0, Some("States.ExceedToleratedFailureThreshold"));
        let kinds = run.kinds();
        assert_eq!(
            kinds[kinds.len() - 4..],
            ["MapRunStarted", "MapRunFailed", "MapStateFailed", "ExecutionFailed"]
        );
    }
}

#[test]
fn containers_nest() {
    let deepest = inner("P", pass(json!("{% $states.input & $name %}")));
    let map = json!({ "Type": "Map", "Items": ["a", "b"], "ItemProcessor": deepest, "End": true });
    check_output(
        json!({
            "S": { "Type": "Pass", "Assign": { "name": "!" }, "Next": "L" },
            "L": { "Type": "Parallel", "Branches": [inner("M", map)], "End": true },
        }),
        json!({}),
        json!([["a!", "b!"]]),
    );
}

#[test]
fn a_failure_deep_inside_tells_of_every_level() {
    let map = json!({ "Type": "Map", "Items": [1], "End": true,
        "ItemProcessor": inner("T", json!({ "Type": "Task", "Resource": INVOKE, "End": true })) });
    let states = json!({ "L": { "Type": "Parallel", "Branches": [inner("M", map)], "End": true } });
    let run = run_with(&machine(states), json!({}), Script::default().on("T", [Answer::Throw("E", "c")]));
    assert_eq!(
        run.kinds()[9..],
        [
            "TaskFailed",
            "MapIterationFailed",
            "TaskStateAborted",
            "MapStateFailed",
            "ParallelStateFailed",
            "ExecutionFailed"
        ]
    );
    assert!(matches!(&run.outcome, ExecutionOutcome::Failed { state: Some(state), .. } if state == "T"));
}

#[test]
fn a_machine_without_end_stops_at_25_000_events() {
    let states = json!({
        "A": { "Type": "Pass", "Next": "B" },
        "B": { "Type": "Choice", "Choices": [{ "Condition": false, "Next": "E" }], "Default": "A" },
        "E": { "Type": "Succeed" },
    });
    let run = run(&machine(states), json!({}));
    assert_eq!(run.failure().0, Some("States.Runtime"));
    assert!(run.failure().1.unwrap().contains("25000"));
    let last = run.events.last().unwrap();
    assert_eq!(
        (last.id, last.previous_id, last.kind, run.events.len()),
        (25_000, 24_999, "ExecutionFailed", 25_000)
    );
}

#[test]
fn an_item_of_a_distributed_map_fails_alone_when_its_history_is_full() {
    // Found by fuzzing: the item's history was taken for that of the whole execution.
    let map = json!({ "Type": "Map", "Items": [1, 2, 3], "End": true, "ToleratedFailureCount": 1, "ItemProcessor": {
        "ProcessorConfig": { "Mode": "DISTRIBUTED", "ExecutionType": "STANDARD" }, "StartAt": "A", "States": {
            "A": { "Type": "Choice", "Choices": [{ "Condition": "{% $states.input = 2 %}", "Next": "A2" }], "Default": "E" },
            "A2": { "Type": "Pass", "Next": "A" },
            "E": { "Type": "Pass", "Output": "done", "End": true },
        } } });
    let run = run(&machine(json!({ "M": map })), json!({}));
    let failed = json!({ "Error": "States.Runtime",
        "Cause": "The execution reached the maximum number of history events (25000)." });
    assert_eq!(run.output(), &json!(["done", failed, "done"]));
    let events =
        ["MapStateStarted", "MapRunStarted", "MapRunSucceeded", "MapStateSucceeded", "MapStateExited"];
    assert_eq!(run.kinds()[2..7], events);
}

#[test]
fn an_oversized_input_is_refused() {
    let run = run(&machine(json!({ "P": { "Type": "Pass", "End": true } })), json!("x".repeat(262_143)));
    assert_eq!(run.failure().0, Some("States.DataLimitExceeded"));
    assert_eq!(run.kinds(), ["ExecutionStarted", "ExecutionFailed"]);
}

#[test]
fn errors_and_causes_are_cut() {
    let long = json!({ "Type": "Fail", "Error": "e".repeat(300), "Cause": "ü".repeat(40_000) });
    let run = run(&machine(json!({ "F": long })), json!({}));
    let (error, cause) = run.failure();
    assert_eq!((error.unwrap().len(), cause.unwrap().chars().count()), (256, 32_768));
}

#[test]
fn events_print_as_get_execution_history_gives_them() {
    let states =
        json!({ "P": { "Type": "Pass", "Assign": { "v": [1] }, "Output": { "o": 1 }, "End": true } });
    let run = run(&machine(states), json!({ "i": 1 }));
    let printed: Vec<Json> = run.events.iter().map(bunsui::state_machine::HistoryEvent::to_json).collect();
    let whole = json!({ "truncated": false });
    let at = "2026-01-01T00:00:00.000Z";
    assert_eq!(
        Json::from(printed),
        json!([
            { "id": 1, "previousEventId": 0, "timestamp": at, "type": "ExecutionStarted",
              "executionStartedEventDetails": { "input": "{\"i\":1}", "inputDetails": whole } },
            { "id": 2, "previousEventId": 0, "timestamp": at, "type": "PassStateEntered",
              "stateEnteredEventDetails": { "name": "P", "input": "{\"i\":1}", "inputDetails": whole } },
            { "id": 3, "previousEventId": 2, "timestamp": at, "type": "PassStateExited",
              "stateExitedEventDetails": { "name": "P", "assignedVariables": { "v": "[1]" }, "assignedVariablesDetails": whole,
                                           "output": "{\"o\":1}", "outputDetails": whole } },
            { "id": 4, "previousEventId": 3, "timestamp": at, "type": "ExecutionSucceeded",
              "executionSucceededEventDetails": { "output": "{\"o\":1}", "outputDetails": whole } },
        ])
    );
}
