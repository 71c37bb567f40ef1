//! What plugins find of a pipeline's surroundings: each thing that is missing, at the key that names it.

use super::{functions, job, make_function, python, scratch_on_aws};
use bunsui_test_support::Scratch;

/// Makes what a pipeline of ECS tasks needs, by ECS's own API.
fn ask_ecs(scratch: &Scratch, action: &str, body: serde_json::Value) {
    const SCRIPT: &str = r#"
target, body = arguments
ask("ecs", "", body, Content_Type="application/x-amz-json-1.1", X_Amz_Target=target)
"#;
    let target = format!("AmazonEC2ContainerServiceV20141113.{action}");
    python(scratch, SCRIPT, &[&target, &body.to_string()]);
}

const ECS: &str = "[jobs.b]\n[[jobs.b.operations]]\nname = \"run\"\ntype = \"ecs\"\ncluster = \"data\"\n\
                   task_definition = \"etl\"\ncontainer = \"main\"\nnetwork = { subnets = [\"subnet-0a\"] }\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_missing_is_found_at_its_key() {
    let Some(scratch) = scratch_on_aws().await else { return };
    let text = functions(&job("a", "", "qualifier = \"live\"\ntimeout = \"5s\"")) + ECS;
    scratch.write("t.toml", &text);
    assert_eq!(scratch.run("plan t.toml --offline").expect_code(0).stderr, "", "nobody is asked");
    let planned = scratch.run("plan t.toml").expect_code(3);
    assert!(
        planned.stdout.contains("deployed: not yet"),
        "the plan is there all the same: {}",
        planned.stdout
    );
    for finding in [
        "there is no function `a`",
        "there is no active cluster `data`",
        "there is no task definition `etl`",
        "there is no subnet `subnet-0a`",
    ] {
        assert!(planned.stderr.contains(finding), "no {finding} in {}", planned.stderr);
    }
    // Some of it is made, and does not fit.
    make_function(&scratch, "a", "def handler(event, context):\n    return 1\n");
    ask_ecs(&scratch, "CreateCluster", serde_json::json!({"clusterName": "data"}));
    let container = serde_json::json!({"name": "other", "image": "x", "memory": 64});
    let definition = serde_json::json!({
        "family": "etl", "networkMode": "bridge", "containerDefinitions": [container],
    });
    ask_ecs(&scratch, "RegisterTaskDefinition", definition);
    let found = scratch.run("plan t.toml --output json").expect_code(3).json();
    let messages: Vec<(u64, String)> = found["preflight"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|finding| (finding["line"].as_u64().unwrap(), finding["message"].as_str().unwrap().to_owned()))
        .collect();
    let line =
        |part: &str| text.lines().position(|line| line.contains(part)).expect("it is there") as u64 + 1;
    let expected = [
        (line("qualifier"), "function `a` has no version or alias `live`"),
        (line("container ="), "task definition `etl` has no container `main`"),
        (line("network ="), "tasks of `etl` take no `network`: their network mode is bridge, not awsvpc"),
        (line("network ="), "there is no subnet `subnet-0a`"),
    ];
    assert_eq!(messages, expected.map(|(line, message)| (line, message.to_owned())));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_there_and_fits_is_not_worth_a_word() {
    let Some(scratch) = scratch_on_aws().await else { return };
    make_function(&scratch, "a", "def handler(event, context):\n    return 1\n");
    let ecs = ECS.replace("network = { subnets = [\"subnet-0a\"] }\n", "");
    let text = functions(&job("a", "", "")) + &ecs;
    scratch.write("t.toml", &text);
    ask_ecs(&scratch, "CreateCluster", serde_json::json!({"clusterName": "data"}));
    let container = serde_json::json!({"name": "main", "image": "x", "memory": 64});
    let definition = serde_json::json!({"family": "etl", "containerDefinitions": [container]});
    ask_ecs(&scratch, "RegisterTaskDefinition", definition);
    assert_eq!(scratch.run("plan t.toml").expect_code(0).stderr, "");
    // A function that outlives its operation is a warning, which keeps nobody from running.
    scratch.write("t.toml", text.replace("function = \"a\"", "function = \"a\"\ntimeout = \"5s\""));
    let planned = scratch.run("plan t.toml").expect_code(0).stderr;
    assert!(planned.contains("may run for 20 s, and the operation's `timeout` is 5 s"), "{planned}");
    let looked = scratch.run("doctor t.toml").stdout;
    assert!(looked.contains("t.toml:") && looked.contains("may run for 20 s"), "{looked}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_where_nobody_answers_is_a_warning_of_each_operation() {
    let Some(scratch) = scratch_on_aws().await else { return };
    let scratch = scratch.with_variable("BUNSUI_AWS__ENDPOINT_URLS__LAMBDA", "http://127.0.0.1:1");
    scratch.write("t.toml", functions(&job("a", "", "")));
    let planned = scratch.run("plan t.toml").expect_code(0).stderr;
    assert!(planned.contains("whether function `a` is there is not known"), "{planned}");
    assert!(planned.contains("looking needs `lambda:GetFunctionConfiguration`"), "{planned}");
}
