use super::*;
use serde_json::json;

/// The only finding, as `POINTER message | help`.
#[track_caller]
fn check_one(keys: Json, expected: &str) {
    let found = check(&keys);
    let shown: Vec<String> = found
        .iter()
        .map(|found| {
            format!("{} {} | {}", found.pointer, found.message, found.help.as_deref().unwrap_or_default())
        })
        .collect();
    assert_eq!(shown, [expected], "of {keys}");
}

#[track_caller]
fn check_action(action: &str, expected: &str) {
    check_one(json!({ "action": action }), expected);
}

#[track_caller]
fn check_right(keys: Json) {
    assert_eq!(check(&keys), [], "of {keys}");
}

#[test]
fn what_is_right_is_not_worth_a_word() {
    check_right(
        json!({"action": "glue:startJobRun", "sync": true, "arguments": {"JobName": "n", "Arguments": {"--a": 1}}}),
    );
    check_right(json!({"action": "aws-sdk:glue:startCrawler", "arguments": {"Name": "n"}}));
    check_right(json!({"action": "ec2:describeInstances"}));
    check_right(json!({"action": "glue:startJobRun", "arguments": "${params.all}"}));
    check_right(json!({"action": "http:invoke", "arguments": {"ApiEndpoint": "https://a", "Method": "GET"}}));
    check_right(json!({"action": "rds:stopDBCluster", "arguments": {"DbClusterIdentifier": "${params.c}"}}));
}

#[test]
fn an_action_is_a_service_and_an_action() {
    check_action(
        "arn:aws:states:::glue:startJobRun.sync",
        "/action `arn:aws:states:::glue:startJobRun.sync` is more than an action: it is a whole `Resource` | \
         write `action = \"glue:startJobRun\"` and `sync = true`",
    );
    check_action(
        "states:startExecution.sync:2",
        "/action `states:startExecution.sync:2` is more than an action: the pattern is a key of its own | \
         write `action = \"states:startExecution\"` and `sync = true`",
    );
    check_action(
        "arn:aws:states:::aws-sdk:s3:getObject",
        "/action `arn:aws:states:::aws-sdk:s3:getObject` is more than an action: it is a whole `Resource` | \
         write `action = \"aws-sdk:s3:getObject\"`",
    );
    check_action(
        "StartCrawler",
        "/action `StartCrawler` names no service and action | did you mean `glue:startCrawler`?",
    );
    check_action(
        "glue startJobRun",
        "/action `glue startJobRun` names no service and action | \
         an action is `service:action`, as `glue:startJobRun`; `aws-sdk:` may stand before it",
    );
}

#[test]
fn what_there_is_not_has_a_nearest_name() {
    check_action(
        "glue:StartJobRun",
        "/action service `glue` has no action `StartJobRun` | did you mean `glue:startJobRun`?",
    );
    check_action(
        "gleu:startJobRun",
        "/action Step Functions has no service `gleu` | did you mean `glue:startJobRun`?",
    );
    check_action(
        "logs:createLogGroup",
        "/action Step Functions has no service `logs` | did you mean `cloudwatchlogs:createLogGroup`?",
    );
    check_action(
        "states:describeExecution",
        "/action service `states` has no action `describeExecution` | did you mean `sfn:describeExecution`?",
    );
    check_action(
        "aws-sdk:states:startExecution",
        "/action service `states` has no action `startExecution` | did you mean `states:startExecution`?",
    );
    check_action(
        "rds:startDbCluster",
        "/action service `rds` has no action `startDbCluster` | did you mean `rds:startDBCluster`?",
    );
    check_action(
        "s3:selectObjectContent",
        "/action Step Functions does not offer `s3:selectObjectContent` | what streams, and what hands out credentials, is not for state machines; a function can call it",
    );
    check_action(
        "zzzzzzzz:yyyyyyyy",
        "/action Step Functions has no service `zzzzzzzz` | `unchecked = true` says that it is newer than this bunsui",
    );
    check_right(json!({"action": "zzzzzzzz:yyyyyyyy", "unchecked": true, "arguments": {"any": 1}}));
}

#[test]
fn services_that_were_not_listed_are_warned_of() {
    let found = check(&json!({"action": "notifications:listEventRules"}));
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].severity, bunsui_plugin_sdk::Severity::Warning);
    assert!(found[0].message.starts_with("whether Step Functions has service `notifications`"), "{found:?}");
}

#[test]
fn arguments_have_the_names_that_step_functions_has() {
    let of = |arguments| json!({"action": "glue:startJobRun", "arguments": arguments});
    check_one(
        of(json!({"jobName": "n"})),
        "/arguments/jobName# `glue:startJobRun` has no argument `jobName` | Step Functions calls it `JobName`",
    );
    check_one(
        of(json!({"JobNam": "n"})),
        "/arguments/JobNam# `glue:startJobRun` has no argument `JobNam` | did you mean `JobName`?",
    );
    check_one(
        of(json!({"JobName.$": "$.name"})),
        "/arguments/JobName.$# `JobName.$` is JSONPath, and bunsui writes JSONata | \
         name it `JobName`, with a reference as its value: `JobName = \"${params.x}\"`",
    );
    check_one(of(json!({})), "/action `glue:startJobRun` needs `JobName` | arguments = { JobName = … }");
    check_one(
        of(json!({"WorkerType": "G.1X"})),
        "/arguments `glue:startJobRun` also needs `JobName` | arguments = { JobName = … }",
    );
    check_one(
        json!({"action": "rds:stopDBCluster", "arguments": {"DBClusterIdentifier": "c"}}),
        "/arguments/DBClusterIdentifier# `rds:stopDBCluster` has no argument `DBClusterIdentifier` | Step Functions calls it `DbClusterIdentifier`",
    );
    // Where arguments are not listed, their case is all that is known.
    check_one(
        json!({"action": "codecommit:getBranch", "arguments": {"branchName": "main"}}),
        "/arguments/branchName# argument `branchName` begins in lower case | Step Functions has names in PascalCase: `BranchName`",
    );
    check_right(json!({"action": "codecommit:getBranch", "arguments": {"BranchName": "main"}}));
}

#[test]
fn names_within_arguments_are_looked_at_where_they_are_the_apis() {
    let job = |more: Json| {
        let mut arguments = json!({"JobName": "j", "JobQueue": "q", "JobDefinition": "d"});
        arguments.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"action": "batch:submitJob", "arguments": arguments})
    };
    check_one(
        job(json!({"ContainerOverrides": {"command": ["true"]}})),
        "/arguments/ContainerOverrides/command# argument `command` begins in lower case | Step Functions has names in PascalCase: `Command`",
    );
    check_one(
        job(json!({"DependsOn": [{"JobId": "1"}, {"jobId": "2"}]})),
        "/arguments/DependsOn/1/jobId# argument `jobId` begins in lower case | Step Functions has names in PascalCase: `JobId`",
    );
    // Somebody's own names.
    check_right(job(json!({"Parameters": {"year": "2015"}, "Tags": {"team": "data"}})));
    check_right(
        json!({"action": "dynamodb:putItem", "arguments": {"TableName": "t", "Item": {"year": {"N": "1"}}}}),
    );
    check_one(
        json!({"action": "lambda:invoke", "arguments": {"FunctionName": "f", "Payload": {"year.$": "$.year"}}}),
        "/arguments/Payload/year.$# `year.$` is JSONPath, and bunsui writes JSONata | \
         name it `year`, with a reference as its value: `year = \"${params.x}\"`",
    );
}

#[test]
fn what_the_sdk_calls_text_is_text() {
    let arguments = json!({"StateMachineArn": "a", "Input": {"a": 1}});
    check_one(
        json!({"action": "sfn:startExecution", "arguments": arguments}),
        "/arguments/Input `Input` of `sfn:startExecution` is text, and this is a table or a list | \
         turn it into text: `\"{% $string({ … }) %}\"`, or take `states:startExecution`, which takes JSON",
    );
    check_right(json!({"action": "states:startExecution", "arguments": arguments}));
    check_one(
        json!({"action": "eventbridge:putEvents", "arguments": {"Entries": [{"Detail": "{}"}, {"Detail": {}}]}}),
        "/arguments/Entries/1/Detail `Detail` of `eventbridge:putEvents` is text, and this is a table or a list | \
         turn it into text: `\"{% $string({ … }) %}\"`, or take `events:putEvents`, which takes JSON",
    );
}

#[test]
fn only_some_jobs_are_waited_for() {
    let later = "leave `sync` out, and let a later operation ask whether it is done: one that fails until then, with a `retry`";
    let of = |action: &str, arguments: Json| json!({"action": action, "sync": true, "arguments": arguments});
    check_one(
        of("glue:startCrawler", json!({"Name": "n"})),
        &format!(
            "/sync Step Functions cannot wait for what `glue:startCrawler` begins | of this service it does for `glue:startJobRun`; {later}"
        ),
    );
    check_one(
        of("aws-sdk:glue:startJobRun", json!({"JobName": "n"})),
        "/sync Step Functions cannot wait for what `aws-sdk:glue:startJobRun` begins | \
         it does for `glue:startJobRun`, its own form of it: write it without `aws-sdk:`",
    );
    check_one(
        of("sfn:startExecution", json!({"StateMachineArn": "a"})),
        "/sync Step Functions cannot wait for what `sfn:startExecution` begins | it does for `states:startExecution`, its own form of it",
    );
    check_one(
        of("datasync:startTaskExecution", json!({"TaskArn": "a"})),
        &format!("/sync Step Functions cannot wait for what `datasync:startTaskExecution` begins | {later}"),
    );
}

#[test]
fn a_token_is_passed_on_where_it_is_waited_for() {
    let of = |body: &str, waits: bool| {
        json!({
            "action": "sqs:sendMessage", "wait_for_callback": waits,
            "arguments": {"QueueUrl": "q", "MessageBody": {"token": body}},
        })
    };
    check_right(of("{% $states.context.Task.Token %}", true));
    check_right(of("{% $string($states.context) %}", true));
    check_one(
        of("{% $states.context.Execution.Id %}", true),
        "/wait_for_callback nothing in `arguments` carries the task token | \
         pass `\"{% $states.context.Task.Token %}\"` to whoever is to give it back by SendTaskSuccess",
    );
    check_one(
        of("{% $states.context.Task.Token %}", false),
        "/arguments/MessageBody/token there is a task token only where one is waited for | add `wait_for_callback = true`",
    );
    check_one(
        json!({
            "action": "glue:startJobRun", "wait_for_callback": true,
            "arguments": {"JobName": "n", "Arguments": {"--token": "{% $states.context.Task.Token %}"}},
        }),
        "/wait_for_callback `glue:startJobRun` cannot wait for a task token | `sync = true` waits for its job instead",
    );
}

#[test]
fn a_permission_that_is_not_known_has_to_be_said() {
    let keys = json!({"action": "batch:cancelJobs", "arguments": {"Jobs": ["a"], "Reason": "r"}});
    let found = check(&keys);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].message, "which permission `batch:cancelJobs` needs is not known");
    let mut said = keys;
    said["permissions"] = json!([{"actions": ["batch:CancelJob"], "resources": ["*"]}]);
    check_right(said);
}
