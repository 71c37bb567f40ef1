//! Operation type `aws-service` through its library: what an operation compiles to, may do and is here.

use super::{folder_of, shipped, shipped_plugins};
use bunsui::pipeline::{AccountPlace, FragmentRequest, OperationCatalogue, PermissionsRequest};
use bunsui::plugin::Runnable;
use bunsui::state_machine::TaskFailure;
use bunsui_test_support::Scratch;
use insta::assert_snapshot;
use serde_json::{Value as Json, json};

/// A pipeline of one operation, which another reads.
fn pipeline(keys: &str) -> String {
    format!(
        "[pipeline]\nname = \"p\"\n[params]\nname = {{ type = \"string\", default = \"nightly\" }}\n\
         [jobs.load]\n[[jobs.load.operations]]\nname = \"call\"\ntype = \"aws-service\"\n{keys}\n\
         [jobs.look]\ndepends_on = [\"load\"]\n[[jobs.look.operations]]\nname = \"at\"\ntype = \"lambda\"\nfunction = \"f\"\n\
         payload = {{ it = \"${{jobs.load}}\", of = \"${{params.name}}\" }}\nlocal = {{ result = 1 }}\n"
    )
}

/// The states of the first job.
#[track_caller]
fn compiled(scratch: &Scratch, keys: &str) -> Json {
    scratch.write("p.toml", pipeline(keys));
    let definition = scratch.run("compile p.toml --job load").expect_code(0).json();
    definition["States"].clone()
}

/// What a job of the last session gave.
#[track_caller]
fn output(scratch: &Scratch, job: &str) -> Json {
    let session = scratch.run("session show last --output json").expect_code(0).json();
    let mut jobs = session["job_records"].as_array().unwrap().iter();
    jobs.find(|record| record["job_key"] == job).unwrap()["output"]["inline"].clone()
}

#[test]
fn an_operation_compiles_to_one_task() {
    let scratch = crate::scratch();
    let states = compiled(
        &scratch,
        "action = \"glue:startJobRun\"\nsync = true\ntimeout = \"1h\"\n\
         arguments = { JobName = \"${params.name}\", Arguments = { \"--day\" = \"of ${params.name}\" } }\n\
         retry = { max_attempts = 3, interval = \"1m\", on = [\"Glue.ConcurrentRunsExceededException\"] }",
    );
    assert_snapshot!(serde_json::to_string_pretty(&states["call"]).unwrap());
}

#[test]
fn a_result_is_taken_out_of_what_the_service_answers() {
    let scratch = crate::scratch();
    let keys = "action = \"s3:getObject\"\narguments = { Bucket = \"b\", Key = \"k\" }\n\
                result = \"{% $parse($states.result.Body) %}\"\nlocal = { result = { Body = '{\"rows\": 3}' } }";
    let states = compiled(&scratch, keys);
    let call = &states["call"];
    assert_eq!(call["Resource"], "arn:aws:states:::aws-sdk:s3:getObject");
    assert_eq!(call["Output"], "{% $parse($states.result.Body) %}");
    scratch.run("run p.toml").expect_code(0);
    assert_eq!(output(&scratch, "load"), json!({"rows": 3}));
}

#[test]
fn another_state_machine_is_waited_for_in_the_form_whose_output_is_json() {
    let scratch = crate::scratch();
    let keys = "action = \"states:startExecution\"\nsync = true\n\
                arguments = { StateMachineArn = \"arn:aws:states:eu-west-1:1:stateMachine:m\", Input = { name = \"${params.name}\" } }\n\
                local = { result = { Output = { rows = 3 }, Status = \"SUCCEEDED\" } }";
    let states = compiled(&scratch, keys);
    assert_eq!(states["call"]["Resource"], "arn:aws:states:::states:startExecution.sync:2");
    scratch.run("run p.toml").expect_code(0);
    assert_eq!(output(&scratch, "load")["Output"], json!({"rows": 3}));
}

#[test]
fn the_pipeline_of_services_runs_here() {
    let scratch = crate::scratch();
    scratch.copy_of_repository("pipelines/services.toml");
    scratch.run("run pipelines/services.toml --param year=2013").expect_code(0);
    assert_eq!(
        output(&scratch, "sum-up"),
        json!([{"month": "1", "rain": 93}, {"month": "2", "rain": 134.2}])
    );
}

#[test]
fn without_a_local_form_it_is_said_what_to_add() {
    let scratch = crate::scratch();
    scratch.write("p.toml", pipeline("action = \"glue:startJobRun\"\narguments = { JobName = \"n\" }"));
    let refused = scratch.run("run p.toml").expect_code(2);
    assert!(refused.stderr.contains("add `local = { result = … }`"), "{}", refused.stderr);
    let plugins = shipped_plugins();
    assert_eq!(plugins.runnable("aws-service", &json!({"local": {"result": 1}})), Runnable::ByResult);
}

#[test]
fn what_it_is_not_sure_of_it_does_not_refuse() {
    let scratch = crate::scratch();
    scratch.write("p.toml", pipeline("action = \"notifications:listEventRules\""));
    let validated = scratch.run("validate p.toml").expect_code(0);
    assert!(validated.stderr.contains("1 warning"), "{}", validated.stderr);
    scratch.write("p.toml", pipeline("action = \"aeons:begin\"\nunchecked = true\narguments = { any = 1 }"));
    scratch.run("validate p.toml").expect_code(0);
}

#[test]
fn permissions_are_derived_of_the_compiled_keys() {
    let plugins = shipped_plugins();
    let request = |keys: Json| PermissionsRequest {
        kind: "aws-service".to_owned(),
        job: "j".to_owned(),
        operation: "o".to_owned(),
        keys,
    };
    let place = AccountPlace {
        region: "cn-north-1".to_owned(),
        account: "123456789012".to_owned(),
        bucket: "lake".to_owned(),
    };
    let requests = [
        request(json!({"action": "glue:startCrawler", "arguments": {"Name": "raw"}})),
        request(json!({"action": "dynamodb:putItem", "arguments": {"TableName": "{% $params.t %}"}})),
    ];
    let statements = plugins.permissions(&requests, &place).unwrap();
    let resources: Vec<_> = statements.iter().flatten().flat_map(|statement| &statement.resources).collect();
    assert_eq!(
        resources,
        [
            "arn:aws-cn:glue:cn-north-1:123456789012:crawler/raw",
            "arn:aws-cn:dynamodb:cn-north-1:123456789012:table/*",
        ]
    );
}

#[tokio::test]
async fn an_error_is_explained_with_the_permission_that_is_missing() {
    let failure = TaskFailure {
        error: "Glue.AccessDeniedException".to_owned(),
        cause: "User: arn:aws:sts::1:assumed-role/r/x is not authorized to perform: glue:StartJobRun on resource: \
                arn:aws:glue:eu-west-1:1:job/n because no identity-based policy allows it (Service: Glue; Status Code: 400)"
            .to_owned(),
    };
    let keys = json!({"action": "glue:startJobRun"});
    let explained = shipped_plugins().explain("aws-service", &keys, &failure).await.unwrap();
    assert_eq!(explained.recoverable, Some(false));
    assert!(explained.help.unwrap().contains("actions = [\"glue:StartJobRun\"]"));
}

#[test]
fn what_cannot_be_compiled_is_an_error_that_names_the_key() {
    let libraries =
        folder_of(&[("libbunsui_aws_service.so", shipped().join("libbunsui_plugin_aws_service.so"))]);
    let plugins = bunsui::plugin::Plugins::find(super::options(libraries.path()));
    let request = FragmentRequest {
        kind: "aws-service".to_owned(),
        job: "j".to_owned(),
        operation: "o".to_owned(),
        keys: json!({"action": "glue"}),
    };
    let error = plugins.fragments(&[request]).unwrap_err();
    assert!(error.message.contains("(at `/action`)"), "{error}");
}
