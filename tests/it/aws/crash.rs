//! Runners on AWS that are killed.

use super::{functions, job, make_function, scratch_on_aws, sdk_config, variable};

/// How many executions the state machine of a job has had.
async fn executions(account: &str, job: &str) -> usize {
    let machine = format!("arn:aws:states:ap-northeast-1:{account}:stateMachine:bunsui-t--{job}");
    let client = aws_sdk_sfn::Client::new(&sdk_config(account).await);
    client.list_executions().state_machine_arn(machine).send().await.expect("it is there").executions.len()
}

/// Kills a runner at a step, goes on, and sees that each job was started once: an execution survives its runner.
async fn check_killed_at(step: &'static str) {
    let Some(scratch) = scratch_on_aws().await else { return };
    make_function(&scratch, "first", "def handler(event, context):\n    return {'n': 1}\n");
    make_function(&scratch, "large", "def handler(event, context):\n    return {'text': 'x' * 70000}\n");
    make_function(&scratch, "last", "def handler(event, context):\n    return event\n");
    let last = job("last", "depends_on = [\"first\", \"large\"]", "payload = { n = \"${jobs.first.n}\" }");
    scratch.write("t.toml", functions(&(job("first", "", "") + &job("large", "", "") + &last)));
    scratch.run("deploy t.toml").expect_code(0);
    let mut killed = scratch.command(["run", "t.toml"]);
    killed.env("BUNSUI_FAILPOINT", step);
    assert_eq!(scratch.finish(&mut killed).code, None, "it is killed at {step}");
    // One more dies while it takes over; and then it goes on.
    let mut again = scratch.command(["session", "resume", "last"]);
    again.env("BUNSUI_FAILPOINT", "restored");
    assert_eq!(scratch.finish(&mut again).code, None, "it is killed at {step}, then at `restored`");
    let finished = scratch.run("session resume last --output json").expect_code(0);
    let jobs = crate::product::jobs(&finished);
    for name in ["first", "large", "last"] {
        assert_eq!(
            (&jobs[name]["status"], &jobs[name]["attempt"]),
            (&"succeeded".into(), &1.into()),
            "{step}: {name}"
        );
    }
    let account = variable(&scratch, "AWS_ACCESS_KEY_ID");
    for name in ["first", "large", "last"] {
        assert_eq!(executions(&account, name).await, 1, "{step}: executions of {name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_runner_killed_at_any_step_starts_nothing_twice() {
    let steps = ["created", "decided", "stored:2", "told", "started", "started:2", "ended", "output_stored"];
    for pair in steps.chunks(4) {
        let all: Vec<_> = pair.iter().map(|step| tokio::spawn(check_killed_at(step))).collect();
        for one in all {
            one.await.unwrap();
        }
    }
}
