//! An operation type through the harness: every method, and what the harness finds wrong.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use bunsui_plugin_sdk::testing::Harness;
use bunsui_plugin_sdk::{
    CheckRequest, ExplainRequest, Explanation, Finding, Fragment, Host, LocalTask, LogSource, LogsRequest,
    OperationType, PermissionsRequest, PluginError, Statement, StatesRequest, Stop, StopReport, StopRequest,
    TaskFailure, Value, process, schema,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value as Json, json};
use std::process::Command;
use std::time::{Duration, Instant};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = json!({"word": "x", "times": 2}))]
struct Keys {
    #[schemars(length(min = 1), example = &"hello")]
    word: Value<String>,
    #[schemars(range(min = 1, max = 3))]
    times: Option<Value<u32>>,
    #[schemars(extend("x-bunsui-static" = true))]
    local: Option<Local>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Local {
    Say {},
    Wait {},
    Run { command: Vec<String> },
    NeverStop {},
    Panic {},
}

struct Repeat;

impl OperationType for Repeat {
    fn name(&self) -> &'static str {
        "repeat"
    }

    fn summary(&self) -> &'static str {
        "says a word"
    }

    fn schema(&self) -> Json {
        schema::of::<Keys>()
    }

    fn has_check(&self) -> bool {
        true
    }

    fn has_run_local(&self) -> bool {
        true
    }

    fn check(&self, request: &CheckRequest) -> Result<Vec<Finding>, PluginError> {
        let keys: Keys = request.keys_as()?;
        let word = keys.word.literal().map(String::as_str);
        Ok(match word {
            Some("quiet") => vec![Finding::error("/word", "`quiet` is not said")],
            Some("noise") => vec![Finding::warning("/word#", "a word is not noise")],
            Some("astray") => vec![Finding::warning("/wrod", "points to nothing")],
            _ => Vec::new(),
        })
    }

    fn states(&self, request: &StatesRequest) -> Result<Fragment, PluginError> {
        let keys: Keys = request.keys_as()?;
        match keys.word.literal().map(String::as_str) {
            Some("refused") => {
                return Err(PluginError::new("it is refused").at("/word").code("repeat::refused"));
            }
            Some("unsound") => return Ok(Fragment::task("a", "arn:r", json!({})).with("Next", "b")),
            _ => {}
        }
        let arguments = json!({ "Word": keys.word, "Times": keys.times });
        Ok(Fragment::task("repeat", "arn:aws:states:::lambda:invoke", arguments))
    }

    fn permissions(&self, request: &PermissionsRequest) -> Result<Vec<Statement>, PluginError> {
        let resource = format!("arn:{}:sqs:{}:{}:q", request.partition, request.region, request.account);
        Ok(vec![Statement::allow(["sqs:SendMessage"], [resource])])
    }

    fn run_local(&self, task: &LocalTask, host: &Host<'_>) -> Result<Json, TaskFailure> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Arguments {
            word: String,
            times: Option<u32>,
        }
        let stopped = || TaskFailure::new("States.TaskFailed", "stopped");
        let arguments: Arguments = task.arguments_as()?;
        match task.keys_as::<Keys>()?.local {
            None | Some(Local::Say {}) => {
                (0..arguments.times.unwrap_or(1)).for_each(|_| host.info(&arguments.word));
                host.debug("d");
                host.warn("w");
                host.error("e");
                Ok(json!({ "attempt": task.attempt, "try": task.try_number, "state": task.state }))
            }
            Some(Local::Wait {}) => {
                host.info("waiting");
                match host.wait_for_stop(Duration::from_secs(600)) {
                    Stop::No => Ok(Json::Null),
                    Stop::Politely => Err(stopped()),
                    Stop::Now => Err(TaskFailure::new("States.TaskFailed", "stopped at once")),
                }
            }
            Some(Local::Run { command }) => {
                let mut child = Command::new(&command[0]);
                child.args(&command[1..]).current_dir(&task.directory);
                match process::run(&mut child, host) {
                    Ok(process::End::Exited { code, signal }) => {
                        Ok(json!({ "code": code, "signal": signal }))
                    }
                    Ok(process::End::Stopped) => Err(stopped()),
                    Err(error) => Err(TaskFailure::new("Repeat.NotStarted", error.to_string())),
                }
            }
            Some(Local::NeverStop {}) => loop {
                std::thread::sleep(Duration::from_secs(1));
            },
            Some(Local::Panic {}) => panic!("on purpose"),
        }
    }

    fn stop(&self, request: &StopRequest) -> Result<StopReport, PluginError> {
        Ok(StopReport { ended: vec![request.execution_arn.clone()], left: Vec::new() })
    }

    fn explain(&self, request: &ExplainRequest) -> Option<Explanation> {
        (request.error == "Repeat.Bored").then(|| Explanation {
            summary: "it was bored".to_owned(),
            recoverable: Some(true),
            ..Explanation::default()
        })
    }

    fn logs(&self, request: &LogsRequest) -> Result<Vec<LogSource>, PluginError> {
        let Some(group) = request.submitted.as_ref().and_then(Json::as_str) else { return Ok(Vec::new()) };
        let group = group.to_owned();
        Ok(vec![LogSource { group, stream_prefix: String::new(), pattern: None, region: None }])
    }
}

fn repeat() -> Harness {
    Harness::new(&Repeat)
}

#[test]
fn keys_are_accepted_or_refused_where_they_are_wrong() {
    let repeat = repeat();
    repeat.accepts(json!({"word": "x", "times": "${params.n}"}));
    repeat.refuses(json!({"word": "x", "times": 4})).at("/times").saying("maximum");
    repeat.refuses(json!({"wrod": "x"})).at("");
    repeat.refuses(json!({"word": "x", "local": "${params.how}"})).at("/local");
    repeat.examples();
}

#[test]
fn what_is_asked_is_answered_through_json() {
    let repeat = repeat();
    assert_eq!(repeat.check(json!({"word": "x"})), []);
    let findings = repeat.check(json!({"word": "quiet"}));
    assert_eq!(findings, [Finding::error("/word", "`quiet` is not said")]);
    let of_key = repeat.check(json!({"word": "noise"}));
    assert_eq!(of_key, [Finding::warning("/word#", "a word is not noise")]);
    let states = repeat.states(json!({"word": "a ${params.b}"}));
    assert_eq!(states.states["repeat"]["Arguments"], json!({"Word": r#"{% "a " & $params.b %}"#}));
    let statements = repeat.permissions(json!({"word": "x"}));
    assert_eq!(statements[0].resources, ["arn:aws:sqs:eu-west-1:123456789012:q"]);
    let explanation = repeat.explain(json!({"word": "x"}), "Repeat.Bored", "").unwrap();
    assert_eq!((explanation.summary.as_str(), explanation.recoverable), ("it was bored", Some(true)));
    assert_eq!(repeat.explain(json!({"word": "x"}), "States.Timeout", ""), None);
    assert_eq!(repeat.logs(json!({"word": "x"}), "/aws/x")[0].group, "/aws/x");
    assert_eq!(repeat.stop(json!({"word": "x"}), Json::Null).ended.len(), 1);
    let error = repeat.ask("states", json!({"job": "j", "operation": "o", "keys": {"word": "refused"}}));
    assert_eq!(error, Err(PluginError::new("it is refused").at("/word").code("repeat::refused")));
    let error = repeat.ask("dance", json!({})).unwrap_err();
    assert_eq!(error.message, "method `dance` is not known");
}

#[test]
fn a_task_says_lines_and_gives_what_the_service_would() {
    let repeat = repeat();
    let ran = repeat.task(json!({"word": "hi", "times": 2})).attempt(2, 3).run();
    assert_eq!(ran.output(), &json!({"attempt": 2, "try": 3, "state": "repeat"}));
    let lines: Vec<_> = ran.lines.iter().map(|line| (line.level, line.message.as_str())).collect();
    assert_eq!(lines, [("info", "hi"), ("info", "hi"), ("debug", "d"), ("warn", "w"), ("error", "e")]);
    let ran = repeat.run_local(json!({"word": "${params.w}"}), json!({"Word": "evaluated"}));
    assert_eq!(ran.messages()[0], "evaluated");
    let ran = repeat.run_local(json!({"word": "x"}), json!({"Word": 1}));
    let failure = ran.failure();
    assert_eq!(failure.error, "Plugin.Failed");
    assert!(failure.cause.contains("`/Word`"), "{failure:?}");
}

#[test]
fn a_wait_ends_when_it_is_to_stop() {
    let repeat = repeat();
    let wait = || repeat.task(json!({"word": "x", "local": {"wait": {}}}));
    assert_eq!(wait().stop_at_line("waiting").run().failure().cause, "stopped");
    assert_eq!(wait().stopped(Stop::Politely).run().failure().cause, "stopped");
    assert_eq!(wait().stopped(Stop::Now).run().failure().cause, "stopped at once");
}

#[test]
fn a_process_runs_in_the_folder_and_ends_with_all_it_started_when_stopped() {
    let repeat = repeat();
    let run = |command: Json| repeat.task(json!({"word": "x", "local": {"run": {"command": command}}}));
    std::fs::write(repeat.directory().join("file"), "a\nb").unwrap();
    let ran = run(json!(["sh", "-c", "cat file; echo c >&2; exit 3"])).run();
    assert_eq!(ran.output(), &json!({"code": 3, "signal": null}));
    let mut messages = ran.messages();
    messages.sort_unstable();
    assert_eq!(messages, ["a", "b", "c"]);
    let streams: Vec<_> = ran.lines.iter().map(|line| (&line.message, &line.fields["stream"])).collect();
    assert!(streams.contains(&(&"c".to_owned(), &json!("stderr"))), "{streams:?}");
    let ran = run(json!(["sh", "-c", "kill -9 $$"])).run();
    assert_eq!(ran.output(), &json!({"code": 137, "signal": 9}));
    let ran = run(json!(["sh", "-c", "sleep 600 & echo started; wait"])).stop_at_line("started").run();
    assert_eq!(ran.failure().cause, "stopped");
    let ran = run(json!(["no such program"])).run();
    assert_eq!(ran.failure().error, "Repeat.NotStarted");
}

#[test]
fn a_wait_without_a_host_takes_its_time() {
    struct Patient;
    impl OperationType for Patient {
        fn name(&self) -> &'static str {
            "patient"
        }
        fn summary(&self) -> &'static str {
            "waits"
        }
        fn schema(&self) -> Json {
            json!({"type": "object"})
        }
        fn has_run_local(&self) -> bool {
            true
        }
        fn states(&self, _request: &StatesRequest) -> Result<Fragment, PluginError> {
            Ok(Fragment::task("wait", "arn:r", json!({})))
        }
        fn run_local(&self, _task: &LocalTask, host: &Host<'_>) -> Result<Json, TaskFailure> {
            let began = Instant::now();
            let stop = host.wait_for_stop(Duration::from_millis(120));
            Ok(json!([began.elapsed() >= Duration::from_millis(120), stop == Stop::No, host.is_stopped()]))
        }
    }
    assert_eq!(Harness::new(&Patient).task(json!({})).run().output(), &json!([true, true, false]));
}

#[test]
#[should_panic(expected = "the operation type panicked at")]
fn a_panic_is_told() {
    repeat().task(json!({"word": "x", "local": {"panic": {}}})).run();
}

#[test]
#[should_panic(expected = "the task goes on 300ms after it was told to stop")]
fn what_does_not_stop_is_found() {
    let task = json!({"word": "x", "local": {"never_stop": {}}});
    repeat().task(task).stopped(Stop::Politely).within(Duration::from_millis(300)).run();
}

#[test]
#[should_panic(expected = "`later` was never said; these were: [\"x\", \"d\", \"w\", \"e\"]")]
fn a_line_that_is_never_said_is_found() {
    repeat().task(json!({"word": "x"})).stop_at_line("later").run();
}

#[test]
#[should_panic(expected = "give them evaluated, with `.arguments(…)`")]
fn arguments_that_only_a_run_knows_are_asked_for() {
    repeat().task(json!({"word": "${params.w}"})).run();
}

#[test]
#[should_panic(expected = "state `a` must have one of `Next` and `End`")]
fn unsound_states_are_found() {
    // `Next` beside `End`.
    let fragment = Fragment::task("a", "arn:r", json!({})).with("Next", "a");
    assert_eq!(fragment.states["a"]["Next"], "a");
    struct Unsound;
    impl OperationType for Unsound {
        fn name(&self) -> &'static str {
            "unsound"
        }
        fn summary(&self) -> &'static str {
            "cannot be compiled"
        }
        fn schema(&self) -> Json {
            json!({"type": "object"})
        }
        fn states(&self, _request: &StatesRequest) -> Result<Fragment, PluginError> {
            Ok(Fragment::task("a", "arn:r", json!({})).with("Next", "a"))
        }
    }
    Harness::new(&Unsound).states(json!({}));
}

#[test]
#[should_panic(expected = "state `a` goes on to `b`, which is not there")]
fn a_target_that_is_not_there_is_found() {
    repeat().states(json!({"word": "unsound"}));
}

#[test]
#[should_panic(expected = "`states` of")]
fn an_error_is_told() {
    repeat().states(json!({"word": "refused"}));
}

#[test]
#[should_panic(expected = "points to nothing in")]
fn a_finding_that_points_to_nothing_is_found() {
    repeat().check(json!({"word": "astray"}));
}

#[test]
#[should_panic(expected = "the schema accepts {\"word\":\"x\"}")]
fn keys_that_are_accepted_are_not_refused() {
    repeat().refuses(json!({"word": "x"}));
}

#[test]
#[should_panic(expected = "`my type` is no name")]
fn a_name_that_is_none_is_found() {
    struct Unnamed;
    impl OperationType for Unnamed {
        fn name(&self) -> &'static str {
            "my type"
        }
        fn summary(&self) -> &'static str {
            "x"
        }
        fn schema(&self) -> Json {
            json!({})
        }
        fn states(&self, _request: &StatesRequest) -> Result<Fragment, PluginError> {
            Err(PluginError::new("no"))
        }
    }
    Harness::new(&Unnamed);
}
