use super::*;
use crate::diagnostic::{Sink, Source};
use crate::document;
use crate::pipeline::{CheckRequest, Finding, OperationType, validate};
use crate::state_machine::{
    Definition, ExecutionContext, ExecutionOutcome, HistoryEvent, Observer, TaskCall, TaskFailure,
    TaskHandler, interpret,
};
use async_trait::async_trait;
use std::sync::Mutex;
use tokio_util::sync::CancellationToken;

/// Two types: `echo`, one Task whose result is its Arguments, and `two`, a Task followed by a Pass.
struct Types(Vec<OperationType>);

impl Types {
    fn new() -> Self {
        let kind = |name: &str| OperationType {
            name: name.into(),
            plugin: "test".into(),
            summary: String::new(),
            schema: json!({"type": "object"}),
            has_check: false,
            has_run_local: true,
            judge: Default::default(),
        };
        Self(["echo", "two", "broken", "whole", "shapeless"].map(kind).into())
    }
}

impl OperationCatalogue for Types {
    fn operation_type(&self, name: &str) -> Option<&OperationType> {
        self.0.iter().find(|kind| kind.name == name)
    }

    fn names(&self) -> Vec<&str> {
        self.0.iter().map(|kind| kind.name.as_str()).collect()
    }

    fn check(&self, _requests: &[CheckRequest]) -> Result<Vec<Vec<Finding>>, CatalogueError> {
        Ok(Vec::new())
    }

    fn fragments(&self, requests: &[FragmentRequest]) -> Result<Vec<Fragment>, CatalogueError> {
        let states = |request: &FragmentRequest| match request.kind.as_str() {
            "echo" => json!({"do": {
                "Type": "Task", "Resource": "arn:aws:states:::test:do", "Arguments": request.keys,
                "Retry": [{"ErrorEquals": ["Own"], "MaxAttempts": 9}],
                "Output": "{% $states.result %}", "End": true
            }}),
            "two" => json!({
                "after": {"Type": "Pass", "Output": {"sum": "{% $states.input.a + 1 %}", "b": 2}, "End": true},
                "do": {"Type": "Task", "Resource": "arn:aws:states:::test:do", "Arguments": request.keys, "Next": "after"},
            }),
            "whole" => json!({"do": {
                "Type": "Task", "Resource": "arn:aws:states:::test:do", "Arguments": "{% $states.context.Execution.Input %}", "End": true
            }}),
            "shapeless" => json!({"do": {"Branches": {"States": {"": {}}}}}),
            _ => json!({"do": {"Type": "Task", "Resource": "arn:aws:states:::test:do", "Next": "nowhere"}}),
        };
        let fragment = |request| Fragment {
            start_at: "do".into(),
            states: states(request).as_object().cloned().unwrap(),
        };
        Ok(requests.iter().map(fragment).collect())
    }
}

#[track_caller]
fn pipeline(text: &str) -> Pipeline {
    let mut sink = Sink::new();
    let source = Source::new("test.toml", format!("[pipeline]\nname = \"p\"\n{text}"));
    let document = document::parse(&source, &mut sink);
    let pipeline = document.and_then(|document| validate(&document, &Types::new(), &mut sink));
    pipeline.unwrap_or_else(|| panic!("{:?}", sink.into_sorted()))
}

#[track_caller]
fn compiled(text: &str) -> Vec<StateMachine> {
    compile(&pipeline(text), &Types::new()).unwrap()
}

/// Echoes the Arguments and remembers them.
#[derive(Default)]
struct Echo(Mutex<Vec<(String, Json)>>);

#[async_trait]
impl TaskHandler for Echo {
    async fn run(&self, call: TaskCall<'_>) -> Result<Json, TaskFailure> {
        self.0.lock().unwrap().push((call.state.to_owned(), call.arguments.clone()));
        Ok(call.arguments)
    }
}

impl Observer for Echo {
    fn event(&self, _event: HistoryEvent) {}
}

/// Interprets a job's definition; gives the Arguments of its tasks and its outcome.
#[track_caller]
fn executed(machine: &StateMachine, input: Json) -> (Vec<(String, Json)>, ExecutionOutcome) {
    let definition = Definition::parse(&machine.definition).unwrap();
    let echo = Echo::default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let context = ExecutionContext::default();
    let stop = CancellationToken::new();
    let outcome = runtime.block_on(interpret(&definition, input, &context, &echo, &echo, &stop));
    (echo.0.into_inner().unwrap(), outcome)
}

fn output(outcome: ExecutionOutcome) -> Json {
    match outcome {
        ExecutionOutcome::Succeeded { output } => output,
        other => panic!("{other:?}"),
    }
}

const TWO_JOBS: &str = r#"
[params]
year = { type = "integer", default = 2015 }

[jobs.a-b]
[[jobs.a-b.operations]]
name = "one"
type = "echo"
x = 1

[jobs.c]
depends_on = ["a-b"]
output = { x = "${operations.first.plain}", sum = "${operations.second.sum}" }
[[jobs.c.operations]]
name = "first"
type = "echo"
plain = "as it is"
typed = "${params.year}"
text = "s3://${params.year}/${jobs.a-b.x}$${y}"
code = "{% $params.year + $jobs.`a-b`.x %}"
[[jobs.c.operations]]
name = "second"
type = "two"
a = "${operations.first.typed}"
"#;

#[test]
fn references_reach_the_tasks_with_their_values_and_types() {
    let machines = compiled(TWO_JOBS);
    let (calls, outcome) =
        executed(&machines[1], json!({"params": {"year": 2015}, "jobs": {"a-b": {"x": 1}}}));
    let expected = json!({"plain": "as it is", "typed": 2015, "text": "s3://2015/1${y}", "code": 2016});
    assert_eq!(calls, [("first".to_owned(), expected), ("second".to_owned(), json!({"a": 2015}))]);
    assert_eq!(output(outcome), json!({"x": "as it is", "sum": 2016}));
}

#[test]
fn the_input_needs_only_what_is_referred_to() {
    let machines = compiled(TWO_JOBS);
    assert_eq!(machines[0].needs, InputNeeds::default());
    assert_eq!(machines[0].definition["StartAt"], "one");
    let needs = &machines[1].needs;
    assert_eq!(needs.params, ["year".to_owned()].into());
    assert_eq!(needs.jobs["a-b"], Members::Some(["x".to_owned()].into()));
    assert_eq!(needs.variables, ["params", "jobs"]);
}

#[test]
fn of_a_result_only_what_is_read_later_is_assigned() {
    let machine = &compiled(TWO_JOBS)[1];
    let states = &machine.definition["States"];
    let assigned = states["first"]["Assign"]["operation_first"].as_str().unwrap();
    assert!(
        assigned.contains("plain") && assigned.contains("typed") && !assigned.contains("code"),
        "{assigned}"
    );
    assert_eq!(
        states["second.after"]["Assign"]["operation_second"],
        json!({"sum": "{% $states.input.a + 1 %}"})
    );
    assert_eq!(machine.states["second.after"], (1, "after".to_owned()));
}

#[test]
fn a_list_as_a_result_is_assigned_as_it_is() {
    let text = r#"
        [jobs.a]
        output = "${operations.one.k}"
        [[jobs.a.operations]]
        name = "one"
        type = "whole"
    "#;
    let machine = &compiled(text)[0];
    let (_, outcome) = executed(machine, json!([{"k": 1}, {"k": 2}]));
    assert_eq!(output(outcome), json!([1, 2]));
}

#[test]
fn a_missing_member_fails_and_is_named() {
    let machine = &compiled(TWO_JOBS)[1];
    let (_, outcome) = executed(machine, json!({"params": {"year": 2015}, "jobs": {"a-b": {}}}));
    let ExecutionOutcome::Failed { error, cause, state } = outcome else { panic!("{outcome:?}") };
    assert_eq!(error.as_deref(), Some("States.QueryEvaluationError"));
    assert!(cause.as_ref().is_some_and(|cause| cause.contains("jobs.a-b.x")), "{cause:?}");
    assert_eq!(state.as_deref(), Some("first"));
}

#[test]
fn timeouts_and_retries_are_of_each_task() {
    let machines = compiled(
        r#"
        [jobs.a]
        timeout = "1h"
        [[jobs.a.operations]]
        name = "own"
        type = "echo"
        [[jobs.a.operations]]
        name = "said"
        type = "two"
        timeout = "90s"
        retry = { max_attempts = 3, interval = "5s", backoff_rate = 2.0, max_delay = "1m", jitter = "full", on = ["A"] }
        [[jobs.a.operations]]
        name = "once"
        type = "echo"
        retry = { max_attempts = 1 }
        "#,
    );
    let definition = &machines[0].definition;
    assert_eq!(definition["TimeoutSeconds"], 3600);
    let states = &definition["States"];
    assert_eq!(states["own"]["Retry"][0]["ErrorEquals"], json!(["Own"]));
    assert_eq!(states["said"]["TimeoutSeconds"], 90);
    let retrier = json!([{
        "ErrorEquals": ["A"], "IntervalSeconds": 5, "MaxAttempts": 2, "BackoffRate": 2.0,
        "MaxDelaySeconds": 60, "JitterStrategy": "FULL"
    }]);
    assert_eq!(states["said"]["Retry"], retrier);
    assert_eq!(states["said.after"].get("TimeoutSeconds"), None);
    assert_eq!(states["once"].get("Retry"), None);
}

#[test]
fn a_state_that_reads_the_whole_input_gets_all_of_it() {
    let machines = compiled(
        r#"
        [jobs.a]
        [[jobs.a.operations]]
        name = "one"
        type = "echo"
        [jobs.b]
        depends_on = ["a"]
        [[jobs.b.operations]]
        name = "one"
        type = "whole"
        "#,
    );
    let needs = &machines[1].needs;
    assert!(needs.whole);
    assert_eq!(needs.jobs["a"], Members::All);
    assert_eq!(needs.parts(), ["params", "jobs", "session", "pipeline"]);
    assert!(needs.variables.is_empty(), "nothing is assigned that no expression names");
}

#[test]
fn compiling_twice_gives_the_same_bytes() {
    let texts = || compiled(TWO_JOBS).iter().map(StateMachine::text).collect::<Vec<_>>();
    assert_eq!(texts(), texts());
}

#[test]
fn states_that_cannot_be_used_are_the_plugins_fault() {
    let broken = pipeline("[jobs.a]\n[[jobs.a.operations]]\nname = \"x\"\ntype = \"broken\"\n");
    let error = compile(&broken, &Types::new()).unwrap_err();
    let expected = "the states that operation type `broken` gave for `a.x` cannot be used: \
                    state `do` goes on to \"nowhere\", which is not there";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn states_of_a_wrong_shape_are_the_plugins_fault() {
    // Found by fuzzing: the object was walked for states to complete, but not for their names.
    let broken = pipeline("[jobs.a]\n[[jobs.a.operations]]\nname = \"x\"\ntype = \"shapeless\"\n");
    let error = compile(&broken, &Types::new()).unwrap_err();
    let expected = "the states that operation type `shapeless` gave for `a.x` cannot be used: \
                    `Branches` of state `do` is no list";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn operations_whose_names_differ_in_a_dash_have_variables_of_their_own() {
    let machines = compiled(
        r#"
        [jobs.a]
        output = ["${operations.x-y.k}", "${operations.x_y.k}"]
        [[jobs.a.operations]]
        name = "x-y"
        type = "echo"
        k = 1
        [[jobs.a.operations]]
        name = "x_y"
        type = "echo"
        k = 2
        "#,
    );
    let (_, outcome) = executed(&machines[0], json!({}));
    assert_eq!(output(outcome), json!([1, 2]));
}
