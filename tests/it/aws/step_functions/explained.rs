//! Failures as Step Functions gives them, each explained down to its operation's lines in the pipeline file.

use super::super::job;
use super::{Site, load_failed, quick, seconds, two_operations};
use bunsui_test_support::step_functions::{End, Options, Script};
use serde_json::{Value as Json, json};

/// A failure: the job's operation type, the error, its cause, and what a reader is to be told.
type Case = (&'static str, &'static str, String, &'static [&'static str]);

fn exception(kind: &str, message: &str, trace: Json) -> String {
    json!({"errorType": kind, "errorMessage": message, "stackTrace": trace}).to_string()
}

fn task(stopped: &str, container: Json) -> String {
    json!({"StoppedReason": stopped, "StopCode": "EssentialContainerExited", "Containers": [container]})
        .to_string()
}

fn cases() -> Vec<Case> {
    let denied = "User: arn:aws:sts::1:assumed-role/etl/x is not authorized to perform: lambda:InvokeFunction on \
                  resource: arn:aws:lambda:eu-west-1:1:function:load because no identity-based policy allows it \
                  (Service: AWSLambda; Status Code: 403; Error Code: AccessDeniedException; Request ID: 1-2)";
    let passed = "User: arn:aws:sts::1:assumed-role/etl/x is not authorized to perform: iam:PassRole on resource: \
                  arn:aws:iam::1:role/task because no identity-based policy allows it (Service: AmazonECS; Status \
                  Code: 400; Error Code: AccessDeniedException; Request ID: 1-2)";
    let started = "User: arn:aws:sts::1:assumed-role/etl/x is not authorized to perform: glue:StartJobRun on resource: \
                   arn:aws:glue:eu-west-1:1:job/n because no identity-based policy allows it (Service: Glue, Status Code: 400, \
                   Request ID: 1-2)";
    vec![
        (
            "lambda",
            "KeyError",
            exception("KeyError", "'year'", json!(["  File \"/var/task/index.py\", line 4, in handler\n    event[\"year\"]\n"])),
            &["KeyError: 'year'", "line 4, in handler"],
        ),
        (
            "lambda",
            "ReferenceError",
            exception("ReferenceError", "x is not defined", json!(["at handler (file:///var/task/index.mjs:3:9)"])),
            &["ReferenceError: x is not defined", "index.mjs:3:9"],
        ),
        (
            "lambda",
            "java.lang.IllegalStateException",
            exception("java.lang.IllegalStateException", "no rows", json!(["com.example.Load.handle(Load.java:41)"])),
            &["no rows", "Load.java:41"],
        ),
        ("lambda", "Sandbox.Timedout", exception("Sandbox.Timedout", "RequestId: 1-2 Error: Task timed out after 3.00 seconds", json!([])), &["timed out after 3", "more time"]),
        ("lambda", "Runtime.ExitError", exception("Runtime.ExitError", "RequestId: 1-2 Error: Runtime exited with error: signal: killed", json!([])), &["memory"]),
        ("lambda", "Lambda.TooManyRequestsException", "Rate Exceeded. (Service: AWSLambda; Status Code: 429; Error Code: TooManyRequestsException; Request ID: 1-2)".into(), &["trying again can help", "concurrency"]),
        ("lambda", "Lambda.ResourceNotFoundException", "Function not found: arn:aws:lambda:eu-west-1:1:function:load (Service: AWSLambda; Status Code: 404; Error Code: ResourceNotFoundException; Request ID: 1-2)".into(), &["trying again without a change will fail again", "function"]),
        ("lambda", "Lambda.AWSLambdaException", denied.into(), &["lambda:InvokeFunction", "function:load"]),
        ("lambda", "States.DataLimitExceeded", "The state/task 'call' returned a result with a size exceeding the maximum number of bytes service limit.".into(), &["store the result"]),
        ("lambda", "States.QueryEvaluationError", "An error occurred while executing the state 'call'. The JSONata expression '$gone' specified for the field 'Arguments/Payload' returned nothing (undefined).".into(), &["`{% $gone %}` has no value"]),
        ("ecs", "States.TaskFailed", task("Essential container in task exited", json!({"Name": "main", "ExitCode": 3})), &["container `main` exited with code 3"]),
        ("ecs", "States.TaskFailed", task("CannotPullContainerError: pull image manifest has been retried 1 time(s): not found", json!({"Name": "main"})), &["CannotPullContainerError", "image"]),
        ("ecs", "AmazonECS.Unknown", json!({"Failures": [{"Arn": "arn:aws:ecs:eu-west-1:1:container-instance/x", "Reason": "RESOURCE:MEMORY"}], "Tasks": []}).to_string(), &["memory"]),
        ("ecs", "ECS.AccessDeniedException", passed.into(), &["iam:PassRole", "role/task"]),
        ("aws-service", "States.TaskFailed", json!({"Id": "jr_1", "JobName": "n", "JobRunState": "FAILED", "ErrorMessage": "KeyError: 'year'"}).to_string(), &["`glue:startJobRun` began ended FAILED", "'year'"]),
        ("aws-service", "Glue.ConcurrentRunsExceededException", "Concurrent runs exceeded for n (Service: Glue, Status Code: 400, Request ID: 1-2)".into(), &["trying again can help", "maximum concurrency"]),
        ("aws-service", "Glue.EntityNotFoundException", "Failed to start job run due to missing metadata (Service: Glue, Status Code: 400, Request ID: 1-2)".into(), &["trying again without a change will fail again", "is not there"]),
        ("aws-service", "Glue.AccessDeniedException", started.into(), &["`glue:StartJobRun`", "permissions = [{ actions = [\"glue:StartJobRun\"]"]),
    ]
}

fn name(at: usize) -> String {
    format!("j{at}")
}

fn file(cases: &[Case]) -> String {
    let jobs = cases.iter().enumerate().map(|(at, (kind, ..))| {
        let keys = match *kind {
            "ecs" => "cluster = \"c\"\ntask_definition = \"t\"\ncontainer = \"main\"\n".to_owned(),
            "aws-service" => {
                "action = \"glue:startJobRun\"\nsync = true\narguments = { JobName = \"n\" }\n".to_owned()
            }
            _ => format!("function = \"f{at}\"\n"),
        };
        format!("[jobs.j{at}]\n[[jobs.j{at}.operations]]\nname = \"call\"\ntype = \"{kind}\"\n{keys}\n")
    });
    jobs.collect()
}

#[test]
fn each_failure_is_said_at_its_lines_with_what_to_do() {
    // Ten are shown of one session.
    let all = cases();
    super::at_once(all.chunks(7), check);
}

fn check(cases: &[Case]) {
    let Some(site) = Site::new(Options::default()) else { return };
    let script = cases.to_vec();
    site.stand_in.script(move |started| {
        let at: usize = super::job_of(&started.machine).trim_start_matches('j').parse().expect("a number");
        let (_, error, cause, _) = &script[at];
        Script::failed(seconds(0.5), error, cause).through(["call"])
    });
    let scratch = site.deployed(&file(cases));
    scratch.run("run t.toml").expect_code(1);
    let session = scratch.run("session show last --output json").expect_code(0).json();
    let shown = scratch.run("session show last").expect_code(0).stdout;
    for (at, (_, error, cause, expected)) in cases.iter().enumerate() {
        let record = super::record_of(&session, &name(at));
        let failure = &record["failure"];
        assert_eq!(failure["operation"], "call", "{error}: {failure}");
        assert_eq!((&failure["error"], &failure["cause"]), (&json!(error), &json!(cause)), "as it was given");
        let begins = shown.find(&format!("operation `call` of job `{}`", name(at)));
        let begins = begins.unwrap_or_else(|| panic!("{error} is not shown: {shown}"));
        let rest = &shown[begins..];
        let end = rest[1..].find("operation `call` of job ").map_or(rest.len(), |end| end + 1);
        let text = &rest[..end];
        for part in *expected {
            assert!(
                text.to_lowercase().contains(&part.to_lowercase()),
                "{error}: `{part}` is not in\n{text}"
            );
        }
        // The operation's header in the file is what it points at.
        assert!(text.contains(&format!("[[jobs.{}.operations]]", name(at))), "{text}");
    }
}

#[test]
fn the_operation_that_failed_is_named_and_not_the_one_before() {
    let Some(site) = Site::new(Options::default()) else { return };
    site.stand_in.script(|_| load_failed());
    let scratch = site.deployed(&two_operations("a"));
    let failed = scratch.run("run t.toml").expect_code(1);
    assert!(failed.stderr.contains("operation `load` of job `a` failed"), "{}", failed.stderr);
}

#[test]
fn an_execution_that_times_out_says_so() {
    let Some(site) = Site::new(Options::default()) else { return };
    site.stand_in.script(|_| Script::new(seconds(0.5), End::TimedOut).through(["call"]));
    let scratch = site.deployed(&job("a", "timeout = \"90s\"", ""));
    scratch.run("run t.toml").expect_code(1);
    let shown = scratch.run("session show last").expect_code(0).stdout;
    assert!(shown.contains("bunsui::execution::timed_out") && shown.contains("its timeout"), "{shown}");
}

#[test]
fn others_who_use_up_a_quota_slow_a_session_and_do_not_end_it() {
    let Some(site) = Site::new(Options::default()) else { return };
    site.stand_in.script(|_| quick(json!({"n": 1})));
    let jobs: String = (0..20).map(|at| job(&format!("a{at}"), "", "")).collect();
    let scratch = site.deployed(&jobs);
    for api in ["StartExecution", "DescribeExecution", "GetExecutionHistory"] {
        site.stand_in.drain(api);
    }
    let done = scratch.run("run t.toml --output json").expect_code(0);
    let calls =
        done.stdout.lines().find(|line| line.contains("service_calls")).expect("it says what was used");
    let calls: Json = serde_json::from_str(calls).expect("JSON");
    assert!(calls["calls"]["StartExecution"]["calls"].as_u64() >= Some(20), "{calls}");
    assert_eq!(site.created(), vec![1; 20]);
}
