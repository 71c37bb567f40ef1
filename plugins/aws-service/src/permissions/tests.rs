use super::*;
use serde_json::json;

fn request(keys: Json) -> PermissionsRequest {
    PermissionsRequest {
        job: "j".to_owned(),
        operation: "o".to_owned(),
        keys,
        partition: "aws".to_owned(),
        region: "eu-west-1".to_owned(),
        account: "123456789012".to_owned(),
        bucket: "lake".to_owned(),
    }
}

/// Statements as `action,action resource,resource`; those with a condition end in it.
fn shown(keys: Json) -> Vec<String> {
    let show = |statement: &Statement| {
        let Statement { actions, resources, condition } = statement;
        let condition = condition.as_ref().map(|condition| format!(" {condition}")).unwrap_or_default();
        let here = |arn: &String| arn.replace("eu-west-1:123456789012", "HERE");
        let resources: Vec<String> = resources.iter().map(here).collect();
        format!("{} {}{condition}", actions.join(","), resources.join(","))
    };
    permissions(&request(keys)).iter().map(show).collect()
}

#[track_caller]
fn check(action: &str, arguments: Json, expected: &[&str]) {
    assert_eq!(shown(json!({"action": action, "arguments": arguments})), expected);
}

#[track_caller]
fn check_job(action: &str, arguments: Json, expected: &[&str]) {
    assert_eq!(shown(json!({"action": action, "arguments": arguments, "sync": true})), expected);
}

#[test]
fn resources_are_those_that_the_arguments_name() {
    check("glue:startCrawler", json!({"Name": "raw"}), &["glue:StartCrawler arn:aws:glue:HERE:crawler/raw"]);
    check("dynamodb:putItem", json!({"TableName": "t"}), &["dynamodb:PutItem arn:aws:dynamodb:HERE:table/t"]);
    check(
        "dynamodb:query",
        json!({"TableName": "t", "IndexName": "i"}),
        &["dynamodb:Query arn:aws:dynamodb:HERE:table/t/index/i,arn:aws:dynamodb:HERE:table/t"],
    );
    check(
        "sns:publish",
        json!({"TopicArn": "arn:aws:sns:eu-west-1:1:t"}),
        &["sns:Publish arn:aws:sns:eu-west-1:1:t"],
    );
    check(
        "sqs:sendMessage",
        json!({"QueueUrl": "https://sqs.us-east-1.amazonaws.com/123456789012/q"}),
        &["sqs:SendMessage arn:aws:sqs:us-east-1:123456789012:q"],
    );
    check(
        "rds:stopDBCluster",
        json!({"DbClusterIdentifier": "c"}),
        &["rds:StopDBCluster arn:aws:rds:HERE:cluster:c"],
    );
    check("ssm:getParameter", json!({"Name": "/a/b"}), &["ssm:GetParameter arn:aws:ssm:HERE:parameter/a/b"]);
    check(
        "secretsmanager:getSecretValue",
        json!({"SecretId": "s"}),
        &["secretsmanager:GetSecretValue arn:aws:secretsmanager:HERE:secret:s-??????"],
    );
    check(
        "codebuild:startBuild",
        json!({"ProjectName": "p"}),
        &["codebuild:StartBuild arn:aws:codebuild:HERE:project/p"],
    );
    check(
        "events:putEvents",
        json!({"Entries": [{"Detail": {}}, {"EventBusName": "b"}]}),
        &["events:PutEvents arn:aws:events:HERE:event-bus/b,arn:aws:events:HERE:event-bus/default"],
    );
    check(
        "kinesis:putRecord",
        json!({"StreamName": "s", "Data": "d", "PartitionKey": "k"}),
        &["kinesis:PutRecord arn:aws:kinesis:HERE:stream/s"],
    );
    check(
        "cloudwatchlogs:putRetentionPolicy",
        json!({"LogGroupName": "g"}),
        &["logs:PutRetentionPolicy arn:aws:logs:HERE:log-group:g,arn:aws:logs:HERE:log-group:g:*"],
    );
}

#[test]
fn what_a_run_decides_is_as_wide_as_it_has_to_be() {
    check(
        "dynamodb:putItem",
        json!({"TableName": "{% $params.t %}"}),
        &["dynamodb:PutItem arn:aws:dynamodb:HERE:table/*"],
    );
    check(
        "s3:putObject",
        json!({"Bucket": "lake", "Key": "{% $params.k %}"}),
        &["s3:PutObject arn:aws:s3:::lake/*"],
    );
    check("sns:publish", json!({"TopicArn": "{% $params.t %}"}), &["sns:Publish arn:aws:sns:HERE:*"]);
    check("sns:publish", json!({"PhoneNumber": "+1"}), &["sns:Publish *"]);
    check("kms:decrypt", json!({"KeyId": "alias/mine"}), &["kms:Decrypt arn:aws:kms:HERE:key/*"]);
    assert_eq!(
        shown(json!({"action": "glue:startJobRun", "arguments": "{% $params.all %}"})),
        ["glue:StartJobRun arn:aws:glue:HERE:job/*"]
    );
    check("ec2:describeInstances", json!({}), &["ec2:DescribeInstances *"]);
    check("translate:translateText", json!({"Text": "a"}), &["translate:TranslateText *"]);
    check("cloudwatch:putMetricData", json!({"Namespace": "n"}), &["cloudwatch:PutMetricData *"]);
}

#[test]
fn what_no_argument_names_is_not_narrowed() {
    // Of which workgroup a query is, only Athena knows.
    check(
        "athena:getQueryResults",
        json!({"QueryExecutionId": "{% $operations.q.id %}"}),
        &["athena:GetQueryResults arn:aws:athena:HERE:workgroup/*"],
    );
    let run = shown(
        json!({"action": "ec2:runInstances", "arguments": {"MinCount": 1, "MaxCount": 1, "ImageId": "ami-1"}}),
    );
    assert!(
        run[0].contains("arn:aws:ec2:eu-west-1::image/ami-1,") && run[0].contains(":volume/*"),
        "{run:?}"
    );
    check(
        "eventbridge:putTargets",
        json!({"Rule": "r", "Targets": []}),
        &["events:PutTargets arn:aws:events:HERE:rule/r"],
    );
}

#[test]
fn iam_has_other_names_for_some_actions() {
    check("s3:headObject", json!({"Bucket": "b", "Key": "k"}), &["s3:GetObject arn:aws:s3:::b/k"]);
    check("s3:listObjectsV2", json!({"Bucket": "b"}), &["s3:ListBucket arn:aws:s3:::b"]);
    check("s3:listBuckets", json!({}), &["s3:ListAllMyBuckets *"]);
    check(
        "s3:copyObject",
        json!({"Bucket": "b", "Key": "k", "CopySource": "a/x?versionId=1"}),
        &[
            "s3:GetObject,s3:GetObjectTagging arn:aws:s3:::a/x",
            "s3:PutObject,s3:PutObjectTagging arn:aws:s3:::b/k",
        ],
    );
    check(
        "s3:getObject",
        json!({"Bucket": "b", "Key": "k", "VersionId": "1"}),
        &["s3:GetObject,s3:GetObjectVersion arn:aws:s3:::b/k"],
    );
    check(
        "lambda:invoke",
        json!({"FunctionName": "f", "Qualifier": "live"}),
        &["lambda:InvokeFunction arn:aws:lambda:HERE:function:f:live"],
    );
    check("cloudwatchlogs:describeLogGroups", json!({}), &["logs:DescribeLogGroups *"]);
    check(
        "dynamodb:batchWriteItem",
        json!({"RequestItems": {"t": []}}),
        &["dynamodb:BatchWriteItem arn:aws:dynamodb:HERE:table/t"],
    );
}

#[test]
fn a_model_is_named_with_the_regions_that_a_profile_calls_it_in() {
    let model = |id: &str| shown(json!({"action": "bedrock:invokeModel", "arguments": {"ModelId": id}}));
    assert_eq!(
        model("amazon.titan-v1"),
        ["bedrock:InvokeModel arn:aws:bedrock:eu-west-1::foundation-model/amazon.titan-v1"]
    );
    assert_eq!(
        model("eu.amazon.nova-v1:0"),
        ["bedrock:InvokeModel arn:aws:bedrock:HERE:inference-profile/eu.amazon.nova-v1:0,\
         arn:aws:bedrock:*::foundation-model/amazon.nova-v1:0"]
    );
    assert_eq!(model("{% $params.m %}"), ["bedrock:InvokeModel *"]);
}

#[test]
fn waiting_takes_what_the_guide_says() {
    check_job(
        "glue:startJobRun",
        json!({"JobName": "n"}),
        &["glue:StartJobRun,glue:GetJobRun,glue:GetJobRuns,glue:BatchStopJobRun arn:aws:glue:HERE:job/n"],
    );
    let machine = "arn:aws:states:eu-west-1:123456789012:stateMachine:m";
    check_job(
        "states:startExecution",
        json!({"StateMachineArn": machine}),
        &[
            "states:StartExecution arn:aws:states:HERE:stateMachine:m",
            "states:DescribeExecution,states:StopExecution arn:aws:states:HERE:execution:m:*",
            "events:PutTargets,events:PutRule,events:DescribeRule \
         arn:aws:events:HERE:rule/StepFunctionsGetEventsForStepFunctionsExecutionRule",
        ],
    );
    check_job(
        "batch:submitJob",
        json!({"JobName": "j", "JobQueue": "q", "JobDefinition": "d"}),
        &[
            "batch:SubmitJob arn:aws:batch:HERE:job-definition/d,arn:aws:batch:HERE:job-definition/d:*,\
         arn:aws:batch:HERE:job-queue/q,arn:aws:batch:HERE:job/*",
            "batch:DescribeJobs,batch:TerminateJob *",
            "events:PutTargets,events:PutRule,events:DescribeRule \
         arn:aws:events:HERE:rule/StepFunctionsGetEventsForBatchJobsRule",
        ],
    );
    check_job(
        "athena:startQueryExecution",
        json!({"QueryString": "select 1"}),
        &[
            "athena:StartQueryExecution,athena:StopQueryExecution,athena:GetQueryExecution \
         arn:aws:athena:HERE:workgroup/primary",
            "athena:GetDataCatalog arn:aws:athena:HERE:datacatalog/*",
        ],
    );
    check_job(
        "elasticmapreduce:addStep",
        json!({"ClusterId": "j-1", "Step": {}}),
        &[
            "elasticmapreduce:AddJobFlowSteps,elasticmapreduce:DescribeStep,elasticmapreduce:CancelSteps \
         arn:aws:elasticmapreduce:HERE:cluster/j-1",
            "events:PutTargets,events:PutRule,events:DescribeRule \
         arn:aws:events:HERE:rule/StepFunctionsGetEventForEMRAddJobFlowStepsRule",
        ],
    );
}

#[test]
fn roles_that_are_passed_on_are_those_that_arguments_name() {
    let role = "arn:aws:iam::123456789012:role/train";
    check_job(
        "sagemaker:createTrainingJob",
        json!({"TrainingJobName": "t", "RoleArn": role}),
        &[
            "sagemaker:CreateTrainingJob arn:aws:sagemaker:HERE:reserved-capacity/*,arn:aws:sagemaker:HERE:training-job/t,\
             arn:aws:sagemaker:HERE:training-plan/*",
            "sagemaker:DescribeTrainingJob,sagemaker:StopTrainingJob arn:aws:sagemaker:HERE:training-job/t",
            "events:PutTargets,events:PutRule,events:DescribeRule \
         arn:aws:events:HERE:rule/StepFunctionsGetEventsForSageMakerTrainingJobsRule",
            "sagemaker:ListTags *",
            "iam:PassRole arn:aws:iam::123456789012:role/train",
        ],
    );
    check(
        "emr:runJobFlow",
        json!({"Name": "n", "ServiceRole": "EMR_DefaultRole", "JobFlowRole": "{% $params.r %}"}),
        &[
            "elasticmapreduce:RunJobFlow *",
            "iam:PassRole arn:aws:iam::123456789012:role/EMR_DefaultRole",
            "iam:PassRole arn:aws:iam::123456789012:role/* \
         {\"StringLike\":{\"iam:PassedToService\":[\"elasticmapreduce.amazonaws.com*\",\"ec2.amazonaws.com*\"]}}",
        ],
    );
    check(
        "glue:createJob",
        json!({"Name": "n", "Role": "etl", "Command": {}}),
        &["glue:CreateJob arn:aws:glue:HERE:job/n", "iam:PassRole arn:aws:iam::123456789012:role/etl"],
    );
    let user = json!({"AwsAccountId": "1", "UserRole": "ADMIN", "Namespace": "default"});
    assert!(
        shown(json!({"action": "quicksight:registerUser", "arguments": user}))
            .iter()
            .all(|one| !one.contains("iam:"))
    );
    // What others read is not a role that is passed on.
    check(
        "lambda:invoke",
        json!({"FunctionName": "f", "Payload": {"RoleArn": role, "Role": "admin"}}),
        &["lambda:InvokeFunction arn:aws:lambda:HERE:function:f"],
    );
}

#[test]
fn data_apis_need_the_credentials_that_they_query_with() {
    let secret = "arn:aws:secretsmanager:eu-west-1:1:secret:s-abcdef";
    check(
        "rdsdata:executeStatement",
        json!({"ResourceArn": "arn:aws:rds:eu-west-1:1:cluster:c", "SecretArn": secret, "Sql": "s"}),
        &[
            "rds-data:ExecuteStatement arn:aws:rds:eu-west-1:1:cluster:c",
            &format!("secretsmanager:GetSecretValue {secret}"),
        ],
    );
    check(
        "redshiftdata:executeStatement",
        json!({"ClusterIdentifier": "c", "Database": "d", "DbUser": "u", "Sql": "s"}),
        &[
            "redshift-data:ExecuteStatement arn:aws:redshift:HERE:cluster:c",
            "redshift:GetClusterCredentials arn:aws:redshift:HERE:dbuser:c/u,arn:aws:redshift:HERE:dbname:c/d",
        ],
    );
    check(
        "redshiftdata:executeStatement",
        json!({"WorkgroupName": "w", "Database": "d", "Sql": "s"}),
        &[
            "redshift-data:ExecuteStatement *",
            "redshift-serverless:GetCredentials arn:aws:redshift-serverless:HERE:workgroup/*",
        ],
    );
}

#[test]
fn an_endpoint_is_called_with_its_connection() {
    let connection = "arn:aws:events:eu-west-1:123456789012:connection/c/1";
    check(
        "http:invoke",
        json!({
            "ApiEndpoint": "https://api.example.com/jobs", "Method": "POST", "Authentication": {"ConnectionArn": connection},
        }),
        &[
            "states:InvokeHTTPEndpoint arn:aws:states:HERE:stateMachine:* {\"StringEquals\":{\"states:HTTPMethod\":\"POST\"},\
         \"StringLike\":{\"states:HTTPEndpoint\":\"https://api.example.com/jobs\"}}",
            "events:RetrieveConnectionCredentials arn:aws:events:HERE:connection/c/1",
            "secretsmanager:GetSecretValue,secretsmanager:DescribeSecret arn:aws:secretsmanager:HERE:secret:events!connection/*",
        ],
    );
    let api = |auth: &str| json!({"ApiEndpoint": "abc.execute-api.eu-west-1.amazonaws.com", "Method": "GET", "Path": "/x", "AuthType": auth});
    check("apigateway:invoke", api("IAM_ROLE"), &["execute-api:Invoke arn:aws:execute-api:HERE:abc/*/GET/x"]);
    check("apigateway:invoke", api("NO_AUTH"), &[]);
}

#[test]
fn what_the_keys_state_is_instead_of_what_is_derived_for_it() {
    assert_eq!(
        shown(json!({
            "action": "athena:startQueryExecution", "sync": true, "arguments": {"QueryString": "s"},
            "permissions": [
                {"actions": ["s3:GetObject", "s3:PutObject"], "resources": ["arn:{partition}:s3:::lake/*"]},
                {"actions": ["athena:get*"], "resources": ["arn:aws:athena:{region}:{account}:workgroup/w"]},
            ],
        })),
        [
            "athena:StartQueryExecution,athena:StopQueryExecution arn:aws:athena:HERE:workgroup/primary",
            "s3:GetObject,s3:PutObject arn:aws:s3:::lake/*",
            "athena:get* arn:aws:athena:HERE:workgroup/w",
        ]
    );
}

#[test]
fn with_a_role_nothing_but_that_role_is_needed() {
    let role = "arn:aws:iam::210987654321:role/other";
    assert_eq!(
        shown(json!({"action": "s3:putObject", "role": role, "arguments": {"Bucket": "b"}})),
        [format!("sts:AssumeRole {role}")]
    );
    assert_eq!(
        shown(json!({"action": "s3:putObject", "role": "{% $params.r %}"})),
        ["sts:AssumeRole arn:aws:iam::*:role/*"]
    );
}

#[test]
fn what_is_newer_than_the_table_is_named_as_it_is_written() {
    check("glue:startSomething", json!({}), &["glue:StartSomething *"]);
    check("newservice:startSomething", json!({}), &["newservice:StartSomething *"]);
}
