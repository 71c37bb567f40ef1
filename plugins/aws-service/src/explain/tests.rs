use super::*;
use serde_json::json;

fn explained(action: &str, error: &str, cause: &str) -> Option<Explanation> {
    explain(&ExplainRequest {
        keys: json!({ "action": action }),
        error: error.to_owned(),
        cause: cause.to_owned(),
    })
}

/// `help` is a part of what is said.
#[track_caller]
fn check(action: &str, (error, cause): (&str, &str), summary: &str, recoverable: Option<bool>, help: &str) {
    let found = explained(action, error, cause).expect("it is explained");
    assert_eq!(found.summary, summary);
    assert_eq!(found.recoverable, recoverable, "{found:?}");
    assert!(found.help.as_deref().unwrap_or_default().contains(help), "{found:?}");
}

#[track_caller]
fn check_job(action: &str, job: Json, summary: &str, recoverable: Option<bool>, help: &str) {
    check(action, ("States.TaskFailed", &job.to_string()), summary, recoverable, help);
}

#[test]
fn a_job_says_how_it_ended_and_why() {
    check_job(
        "glue:startJobRun",
        json!({"JobName": "n", "Id": "jr_1", "JobRunState": "FAILED", "ErrorMessage": "KeyError: 'year'"}),
        "what `glue:startJobRun` began ended FAILED: KeyError: 'year'",
        None,
        "",
    );
    check_job(
        "glue:startJobRun",
        json!({"JobRunState": "TIMEOUT", "ErrorMessage": ""}),
        "what `glue:startJobRun` began ended TIMEOUT",
        Some(false),
        "longer timeout",
    );
    check_job(
        "athena:startQueryExecution",
        json!({"QueryExecution": {"Query": "select", "Status": {
            "State": "FAILED", "StateChangeReason": "TABLE_NOT_FOUND: line 1:15", "AthenaError": {"Retryable": false, "ErrorCategory": 2},
        }}}),
        "what `athena:startQueryExecution` began ended FAILED: TABLE_NOT_FOUND: line 1:15",
        Some(false),
        "",
    );
    check_job(
        "elasticmapreduce:addStep",
        json!({"Step": {"Id": "s-1", "Status": {"State": "FAILED", "FailureDetails": {"Reason": "Unknown Error.", "LogFile": "s3://l"}}}}),
        "what `elasticmapreduce:addStep` began ended FAILED: Unknown Error.",
        None,
        "",
    );
    check_job(
        "sagemaker:createTrainingJob",
        json!({"TrainingJobStatus": "Failed", "FailureReason": "AlgorithmError: no data"}),
        "what `sagemaker:createTrainingJob` began ended Failed: AlgorithmError: no data",
        None,
        "",
    );
    check_job(
        "emr-serverless:startJobRun",
        json!({"JobRun": {"State": "FAILED", "StateDetails": "Job failed, AccessDenied on s3://b"}}),
        "what `emr-serverless:startJobRun` began ended FAILED: Job failed, AccessDenied on s3://b",
        Some(false),
        "its own role",
    );
}

#[test]
fn a_container_says_its_exit_code() {
    let job = |reason: &str, code: i64| json!({"JobId": "1", "Status": "FAILED", "StatusReason": reason, "Container": {"ExitCode": code, "LogStreamName": "l"}});
    check_job(
        "batch:submitJob",
        job("Essential container in task exited", 3),
        "the container of `batch:submitJob` exited with code 3 (Essential container in task exited)",
        None,
        "`bunsui logs last`",
    );
    check_job(
        "batch:submitJob",
        job("Host EC2 (instance i-1) terminated.", 1),
        "the container of `batch:submitJob` exited with code 1 (Host EC2 (instance i-1) terminated.)",
        Some(true),
        "`retry`",
    );
}

#[test]
fn a_build_says_its_phase() {
    check_job(
        "codebuild:startBuild",
        json!({"Build": {"BuildStatus": "FAILED", "Phases": [
            {"PhaseType": "SUBMITTED", "PhaseStatus": "SUCCEEDED"},
            {"PhaseType": "BUILD", "PhaseStatus": "FAILED", "Contexts": [{"StatusCode": "COMMAND_EXECUTION_ERROR", "Message": "exit status 1"}]},
        ]}}),
        "phase BUILD of the build that `codebuild:startBuild` started ended FAILED: exit status 1",
        None,
        "`bunsui logs last`",
    );
}

#[test]
fn another_execution_says_its_own_error() {
    let inner = json!({"errorMessage": "'year'", "errorType": "KeyError"}).to_string();
    check_job(
        "states:startExecution",
        json!({
            "ExecutionArn": "arn:aws:states:eu-west-1:1:execution:load:e", "Status": "FAILED", "Error": "KeyError", "Cause": inner,
        }),
        "the execution of `load` that `states:startExecution` started ended FAILED: KeyError: 'year'",
        None,
        "--execution-arn arn:aws:states:eu-west-1:1:execution:load:e",
    );
}

#[test]
fn refusals_are_known_by_what_names_have_in_common() {
    let sdk = "(Service: Glue, Status Code: 400, Request ID: 1)";
    check(
        "glue:startJobRun",
        ("Glue.ConcurrentRunsExceededException", &format!("Concurrent runs exceeded for n {sdk}")),
        "`glue:startJobRun` was refused: as many runs of the job as it allows are under way: Concurrent runs exceeded for n",
        Some(true),
        "maximum concurrency",
    );
    check(
        "dynamodb:putItem",
        ("DynamoDB.ProvisionedThroughputExceededException", ""),
        "`dynamodb:putItem` was throttled",
        Some(true),
        "`retry`",
    );
    check(
        "glue:startJobRun",
        ("Glue.EntityNotFoundException", "Failed to start job run due to missing metadata"),
        "what `glue:startJobRun` names is not there: Failed to start job run due to missing metadata",
        Some(false),
        "account and region",
    );
    check(
        "dynamodb:putItem",
        ("DynamoDB.ConditionalCheckFailedException", "The conditional request failed"),
        "the condition of `dynamodb:putItem` did not hold: The conditional request failed",
        Some(false),
        "",
    );
    check(
        "rds:startDBCluster",
        ("Rds.InvalidDbClusterStateException", "DbCluster c is in available state"),
        "Rds.InvalidDbClusterStateException: DbCluster c is in available state",
        None,
        "",
    );
}

#[test]
fn a_missing_permission_is_named_as_the_file_would_say_it() {
    let text = "User: arn:aws:sts::123456789012:assumed-role/bunsui-nightly/x is not authorized to perform: glue:StartJobRun on \
                resource: arn:aws:glue:eu-west-1:123456789012:job/n because no identity-based policy allows it (Service: Glue; \
                Status Code: 400; Error Code: AccessDeniedException; Request ID: 1)";
    check(
        "glue:startJobRun",
        ("Glue.AccessDeniedException", text),
        "role `bunsui-nightly` may not `glue:StartJobRun` on `arn:aws:glue:eu-west-1:123456789012:job/n`",
        Some(false),
        "`permissions = [{ actions = [\"glue:StartJobRun\"], resources = [\"arn:aws:glue:eu-west-1:123456789012:job/n\"] }]`",
    );
    check(
        "glue:startJobRun",
        ("Glue.AccessDeniedException", &text.replace("identity-based policy", "permissions boundary")),
        "role `bunsui-nightly` may not `glue:StartJobRun` on `arn:aws:glue:eu-west-1:123456789012:job/n`",
        Some(false),
        "ExecutionActions",
    );
    check(
        "s3:getObject",
        ("S3.S3Exception", "Access Denied (Service: S3, Status Code: 403, Request ID: 1)"),
        "the state machine's role may not do all that `s3:getObject` takes",
        Some(false),
        "`s3:ListBucket`",
    );
}

#[test]
fn an_endpoint_is_explained_by_its_status() {
    check(
        "http:invoke",
        ("States.Http.StatusCode.503", ""),
        "the endpoint of `http:invoke` answered 503",
        Some(true),
        "",
    );
    check(
        "http:invoke",
        ("States.Http.StatusCode.401", "{}"),
        "the endpoint of `http:invoke` answered 401",
        Some(false),
        "connection",
    );
}

#[test]
fn step_functions_own_errors_are_left_to_bunsui() {
    assert_eq!(explained("glue:startJobRun", "States.Timeout", ""), None);
    assert_eq!(explained("glue:startJobRun", "States.TaskFailed", "no JSON"), None);
    assert_eq!(explained("glue:startJobRun", "States.TaskFailed", "{\"rows\": 1}"), None);
    check(
        "athena:getQueryResults",
        (
            "States.DataLimitExceeded",
            "The state/task 'athena' returned a result with a size exceeding the maximum number of bytes service limit.",
        ),
        "`athena:getQueryResults` answered with more than the 262144 bytes that a state may take",
        Some(false),
        "MaxResults",
    );
}
