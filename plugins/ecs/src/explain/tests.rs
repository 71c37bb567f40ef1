use super::*;
use serde_json::json;

fn explained(error: &str, cause: &str) -> Option<Explanation> {
    explain(&ExplainRequest {
        keys: json!({"container": "main"}),
        error: error.to_owned(),
        cause: cause.to_owned(),
    })
}

/// Error, cause; summary, whether trying again helps, a part of the help.
#[track_caller]
fn check(error: &str, cause: impl ToString, summary: &str, recoverable: Option<bool>, help: &str) {
    let explanation = explained(error, &cause.to_string()).expect("it is explained");
    assert_eq!(explanation.summary, summary);
    assert_eq!(explanation.recoverable, recoverable, "of {summary}");
    let said = explanation.help.unwrap_or_default();
    assert!(said.contains(help) && said.is_empty() == help.is_empty(), "{said:?} of {summary}");
}

/// A task as Step Functions has it in a cause.
fn task(stop_code: &str, stopped_reason: &str, containers: Json) -> Json {
    json!({
        "ClusterArn": "arn:aws:ecs:eu-west-1:123456789012:cluster/data", "Containers": containers, "Cpu": "256", "Memory": "512",
        "LastStatus": "STOPPED", "LaunchType": "FARGATE", "StartedBy": "AWS Step Functions", "StopCode": stop_code,
        "StoppedReason": stopped_reason, "TaskArn": "arn:aws:ecs:eu-west-1:123456789012:task/data/0d9db362",
    })
}

fn exited(containers: Json) -> Json {
    task("EssentialContainerExited", "Essential container in task exited", containers)
}

fn not_started(reason: &str) -> Json {
    let containers = json!([{"Name": "main", "Image": "etl:1", "LastStatus": "STOPPED"}]);
    task("TaskFailedToStart", reason, containers)
}

#[test]
fn an_exit_code_is_said_with_its_container() {
    let one =
        |code: i64| exited(json!([{"Name": "side", "ExitCode": 0}, {"Name": "main", "ExitCode": code}]));
    let fail = "States.TaskFailed";
    check(fail, one(3), "container `main` exited with code 3", None, "");
    check(
        fail,
        one(126),
        "container `main` exited with code 126 (its command cannot be executed)",
        Some(false),
        "executable",
    );
    check(
        fail,
        one(127),
        "container `main` exited with code 127 (its command was not found)",
        Some(false),
        "",
    );
    let killed = "container `main` exited with code 137 (killed, often for using more memory than it may)";
    check(fail, one(137), killed, None, "`memory`");
    check(
        fail,
        one(143),
        "container `main` exited with code 143 (it was asked to end: SIGTERM)",
        Some(true),
        "",
    );
}

#[test]
fn the_container_that_ended_of_itself_is_to_blame() {
    let cause = exited(json!([{"Name": "main", "ExitCode": 137}, {"Name": "proxy", "ExitCode": 1}]));
    check(
        "States.TaskFailed",
        &cause,
        "container `proxy` exited with code 1, and ended container `main` with it",
        None,
        "",
    );
    assert_eq!(
        explained("States.TaskFailed", &cause.to_string()).unwrap().detail.unwrap(),
        "container `main`: exit code 137\ncontainer `proxy`: exit code 1"
    );
    let both = exited(json!([{"Name": "proxy", "ExitCode": 1}, {"Name": "main", "ExitCode": 2}]));
    check("States.TaskFailed", both, "container `main` exited with code 2", None, "");
}

#[test]
fn the_detail_is_what_the_summary_does_not_say() {
    let detail = |cause: Json| explained("States.TaskFailed", &cause.to_string()).unwrap().detail;
    assert_eq!(detail(exited(json!([{"Name": "main", "ExitCode": 3}]))), None);
    assert_eq!(
        detail(exited(json!([{"Name": "main", "ExitCode": 137, "Reason": "ended by signal 9"}]))),
        Some("ended by signal 9".to_owned())
    );
    assert_eq!(detail(task("", "a reason of its own", json!([{"Name": "main"}]))), None);
    assert_eq!(
        detail(not_started("CannotPullContainerError: no")),
        Some("CannotPullContainerError: no".to_owned())
    );
}

#[test]
fn a_lack_of_memory_is_not_guessed_where_it_is_said() {
    let reason = "OutOfMemoryError: Container killed due to memory usage";
    check(
        "States.TaskFailed",
        exited(json!([{"Name": "main", "ExitCode": 137, "Reason": reason}])),
        "container `main` was killed for using more memory than it may",
        Some(false),
        "more `memory` (the task had 512 MiB)",
    );
}

#[test]
fn a_task_that_was_taken_away_can_be_tried_again() {
    let ended = json!([{"Name": "main", "ExitCode": 143}]);
    for (code, reason, summary, help) in [
        ("UserInitiated", "Task stopped by user", "somebody stopped the task", ""),
        (
            "SpotInterruption",
            "Your Spot Task was interrupted.",
            "the task was interrupted: its Spot capacity was taken back",
            "FARGATE",
        ),
        (
            "",
            "Your Spot Task was interrupted.",
            "the task was interrupted: its Spot capacity was taken back",
            "FARGATE",
        ),
        (
            "TerminationNotice",
            "Host EC2 (instance i-1) terminated.",
            "the instance that the task ran on was taken away",
            "retry",
        ),
        (
            "",
            "Host EC2 (instance i-1) stopped/terminated.",
            "the instance that the task ran on was ended",
            "",
        ),
    ] {
        check("States.TaskFailed", task(code, reason, ended.clone()), summary, Some(true), help);
    }
}

#[test]
fn a_task_that_did_not_start_says_why() {
    let refused = "User: arn:aws:sts::123456789012:assumed-role/ecsTaskExecutionRole/0d9db362 is not authorized to perform: \
                   secretsmanager:GetSecretValue on resource: arn:aws:secretsmanager:eu-west-1:123456789012:secret:db because no \
                   identity-based policy allows the secretsmanager:GetSecretValue action";
    let cases = [
        (
            "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref docker.io/library/etl:1: \
             docker.io/library/etl:1: not found".to_owned(),
            "image `etl:1` does not exist",
            Some(false),
            "push it",
        ),
        (
            "CannotPullContainerError: ref pull has been retried 5 time(s): failed to copy: httpReadSeeker: 429 Too Many Requests - \
             toomanyrequests: You have reached your pull rate limit".to_owned(),
            "image `etl:1` cannot be pulled: its registry limits how often",
            Some(true),
            "ECR",
        ),
        (
            "CannotPullContainerError: failed to do request: dial tcp 10.0.0.1:443: i/o timeout".to_owned(),
            "image `etl:1` cannot be pulled: the task does not reach its registry",
            None,
            "NAT gateway",
        ),
        (
            format!(
                "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: unable to \
                 retrieve secret from asm: service call has been retried 1 time(s): AccessDeniedException: {refused}"
            ),
            "the task did not start: role `ecsTaskExecutionRole` may not `secretsmanager:GetSecretValue` on \
             `arn:aws:secretsmanager:eu-west-1:123456789012:secret:db`",
            Some(false),
            "execution role",
        ),
        (
            "ResourceInitializationError: unable to pull secrets or registry auth: unable to retrieve secret from asm: \
             ResourceNotFoundException: Secrets Manager can't find the specified secret.".to_owned(),
            "a secret of the task cannot be read",
            Some(false),
            "does it exist",
        ),
        (
            "ResourceInitializationError: unable to pull secrets or registry auth: context deadline exceeded".to_owned(),
            "the task does not reach the services that its secrets, images and logs are in",
            None,
            "VPC endpoints",
        ),
        (
            "ResourceInitializationError: failed to validate logger args: create stream has been retried 1 times: failed to create Cloudwatch \
             log stream: ResourceNotFoundException: The specified log group does not exist.".to_owned(),
            "the log group of container `main` does not exist",
            Some(false),
            "awslogs-create-group",
        ),
        (
            "CannotStartContainerError: ResourceInitializationError: failed to create new container runtime task: OCI runtime create \
             failed: exec: \"etl\": executable file not found in $PATH".to_owned(),
            "the command of container `main` is not in image `etl:1`",
            Some(false),
            "`command`",
        ),
        (
            "Unexpected EC2 error while attempting to Create Network Interface with public IP assignment disabled in subnet 'subnet-1': \
             InsufficientFreeAddressesInSubnet".to_owned(),
            "a subnet has no free address for the task",
            Some(true),
            "larger subnets",
        ),
        (
            "Timeout waiting for network interface provisioning to complete.".to_owned(),
            "the task's network interface was not ready in time",
            Some(true),
            "",
        ),
    ];
    for (reason, summary, recoverable, help) in cases {
        check("States.TaskFailed", not_started(&reason), summary, recoverable, help);
    }
}

#[test]
fn a_task_that_was_not_placed_says_what_is_missing() {
    let instance = "arn:aws:ecs:eu-west-1:123456789012:container-instance/data/1";
    for (reason, summary, recoverable, help) in [
        ("RESOURCE:MEMORY", "no container instance has enough memory left", Some(true), "more instances"),
        ("RESOURCE:CPU", "no container instance has enough CPU left", Some(true), "more instances"),
        ("AGENT", "the agent of a container instance is not connected", Some(true), "agent"),
        ("MISSING", "ECS does not find what the task is to run on", Some(false), "cluster"),
        (
            "Capacity is unavailable at this time. Please try again later or in a different availability zone",
            "Fargate has no capacity left for the task at this time",
            Some(true),
            "availability zones",
        ),
        (
            "You've reached the limit on the number of vCPUs you can run concurrently",
            "the account runs as many tasks or vCPUs as it may at once",
            Some(true),
            "quota",
        ),
        ("something new", "something new", None, ""),
    ] {
        let cause = json!({"Failures": [{"Arn": instance, "Reason": reason}], "Tasks": []});
        check("AmazonECS.Unknown", cause, &format!("the task was not placed: {summary}"), recoverable, help);
    }
    let cause =
        json!({"Failures": [{"Arn": instance, "Reason": "AGENT", "Detail": "it sleeps"}]}).to_string();
    assert_eq!(
        explained("AmazonECS.Unknown", &cause).unwrap().detail.unwrap(),
        format!("AGENT: it sleeps: {instance}")
    );
}

#[test]
fn what_ecs_refuses_is_said_in_the_readers_words() {
    let sentence = |message: &str, code: &str| {
        format!(
            "{message} (Service: AmazonECS; Status Code: 400; Error Code: {code}; Request ID: 4c1; Proxy: null)"
        )
    };
    let role = "arn:aws:iam::123456789012:role/task";
    let user =
        "User: arn:aws:sts::123456789012:assumed-role/bunsui-nightly/KPoo is not authorized to perform:";
    let cases = [
        (
            "ECS.AccessDeniedException",
            sentence(
                &format!(
                    "{user} iam:PassRole on resource: {role} because no identity-based policy allows the iam:PassRole action"
                ),
                "AccessDeniedException",
            ),
            "role `bunsui-nightly` may not `iam:PassRole` on `arn:aws:iam::123456789012:role/task`",
            Some(false),
            "of that account",
        ),
        (
            "ECS.AccessDeniedException",
            sentence(
                &format!(
                    "{user} ecs:RunTask on resource: arn:aws:ecs:eu-west-1:1:task-definition/etl:3 with an explicit deny"
                ),
                "AccessDeniedException",
            ),
            "role `bunsui-nightly` may not `ecs:RunTask` on `arn:aws:ecs:eu-west-1:1:task-definition/etl:3`",
            Some(false),
            "explicitly",
        ),
        (
            "ECS.ClusterNotFoundException",
            sentence("Cluster not found.", "ClusterNotFoundException"),
            "there is no such cluster",
            Some(false),
            "list-clusters",
        ),
        (
            "ECS.InvalidParameterException",
            sentence("TaskDefinition is inactive", "InvalidParameterException"),
            "the task definition is inactive: no task starts from it",
            Some(false),
            "another revision",
        ),
        (
            "ECS.ClientException",
            sentence("TaskDefinition not found.", "ClientException"),
            "there is no such task definition",
            Some(false),
            "register it",
        ),
        (
            "ECS.InvalidParameterException",
            sentence(
                "Override for container named main is not a container in the TaskDefinition.",
                "InvalidParameterException",
            ),
            "the task definition has no container `main`",
            Some(false),
            "`container`",
        ),
        (
            "ECS.InvalidParameterException",
            sentence("Container Overrides length must be at most 8192", "InvalidParameterException"),
            "environment and command of container `main` are longer than the 8192 characters that ECS takes",
            Some(false),
            "S3",
        ),
        (
            "ECS.AmazonECSException",
            sentence("Rate exceeded", "ThrottlingException"),
            "ECS throttled the call",
            Some(true),
            "max_concurrency",
        ),
        (
            "ECS.ServerException",
            sentence("Service Unavailable.", "ServerException"),
            "ECS.ServerException: Service Unavailable.",
            Some(true),
            "",
        ),
    ];
    for (error, cause, summary, recoverable, help) in cases {
        check(error, cause, summary, recoverable, help);
    }
}

#[test]
fn a_result_that_is_not_there_is_said_so() {
    let nothing = "the container left nothing at $BUNSUI_OUTPUT";
    let missing = "The specified key does not exist. (Service: S3, Status Code: 404, Request ID: 1)";
    check("S3.NoSuchKeyException", missing, nothing, Some(false), "result = true");
    let list = "User: arn:aws:sts::1:assumed-role/r/s is not authorized to perform: s3:ListBucket on resource: \"arn:aws:s3:::lake\" because …";
    check("S3.S3Exception", list, nothing, Some(false), "result = true");
    let denied = "Access Denied (Service: S3, Status Code: 403, Request ID: 1)";
    check(
        "S3.S3Exception",
        denied,
        "what the container left at $BUNSUI_OUTPUT cannot be read, or it left nothing",
        Some(false),
        "s3:GetObject",
    );
    let no_json = "The JSONata expression '$parse($states.result.Body)' specified for the field 'Output/result' threw an error";
    check(
        "States.QueryEvaluationError",
        no_json,
        "what the container left at $BUNSUI_OUTPUT is not JSON",
        Some(false),
        "write JSON",
    );
}

#[test]
fn what_happens_on_a_laptop_keeps_its_words() {
    let said = "operation `run` left a folder and not a file at $BUNSUI_OUTPUT (`f`)";
    check("S3.NoSuchKeyException", said, said, Some(false), "result = true");
    check(
        "ECS.TaskFailedToStart",
        "command not found: `nope`",
        "command not found: `nope`",
        Some(false),
        "PATH",
    );
    assert_eq!(explained("States.Timeout", "no JSON"), None);
    assert_eq!(explained("States.QueryEvaluationError", "another expression"), None);
}
