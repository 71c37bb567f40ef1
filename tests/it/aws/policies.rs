//! The policies of infrastructure/iam have what bunsui calls, and nothing else.

use super::{functions, job, make_function, python, scratch_at, sdk_config_at, variable};
use bunsui_test_support::{Scratch, enforcing_ministack, own_account};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// What no call of bunsui's names, each with its reason.
const BESIDES: [(&str, &str); 36] = [
    ("dynamodb:ConditionCheckItem", "part of a transaction"),
    ("dynamodb:DescribeTimeToLive", "doctor, beside DescribeTable"),
    ("s3:AbortMultipartUpload", "an upload that failed is taken back"),
    ("lambda:GetFunctionConfiguration", "the plugin lambda"),
    ("ecs:DescribeClusters", "the plugin ecs"),
    ("ecs:DescribeTaskDefinition", "the plugin ecs"),
    ("ecs:DescribeTasks", "the plugin ecs, after a stop"),
    ("ecs:ListTasks", "the plugin ecs, after a stop"),
    ("ecs:StopTask", "the plugin ecs, after a stop"),
    ("ec2:DescribeSubnets", "the plugin ecs"),
    ("ec2:DescribeSecurityGroups", "the plugin ecs"),
    ("states:PublishStateMachineVersion", "CreateStateMachine and UpdateStateMachine with `publish`"),
    ("iam:PassRole", "CreateStateMachine, UpdateStateMachine, TestState"),
    ("cloudformation:DescribeStackEvents", "why a stack failed"),
    ("cloudformation:TagResource", "CreateChangeSet with tags"),
    ("iam:CreateRole", "CloudFormation, for the role of a pipeline"),
    ("iam:PutRolePermissionsBoundary", "CloudFormation"),
    ("iam:PutRolePolicy", "CloudFormation"),
    ("iam:DeleteRolePolicy", "CloudFormation"),
    ("iam:GetRole", "CloudFormation"),
    ("iam:GetRolePolicy", "CloudFormation"),
    ("iam:ListRolePolicies", "CloudFormation"),
    ("iam:ListAttachedRolePolicies", "CloudFormation"),
    ("iam:UpdateRole", "CloudFormation"),
    ("iam:UpdateRoleDescription", "CloudFormation"),
    ("iam:UpdateAssumeRolePolicy", "CloudFormation"),
    ("iam:TagRole", "CloudFormation"),
    ("iam:UntagRole", "CloudFormation"),
    ("iam:DeleteRole", "CloudFormation"),
    ("logs:CreateLogGroup", "CloudFormation, for the log group of a pipeline"),
    ("logs:DeleteLogGroup", "CloudFormation"),
    ("logs:PutRetentionPolicy", "CloudFormation"),
    ("logs:DeleteRetentionPolicy", "CloudFormation"),
    ("logs:TagResource", "CloudFormation"),
    ("logs:UntagResource", "CloudFormation"),
    ("logs:ListTagsForResource", "CloudFormation"),
];

/// Only where a key of one's own is set.
const KEY: [&str; 7] = [
    "logs:AssociateKmsKey",
    "logs:DisassociateKmsKey",
    "kms:DescribeKey",
    "kms:Encrypt",
    "kms:Decrypt",
    "kms:ReEncrypt*",
    "kms:GenerateDataKey*",
];

/// Makes a user with these policies, and gives the key and its secret.
fn make_user(scratch: &Scratch, name: &str, policies: &[&str]) -> (String, String) {
    const SCRIPT: &str = r#"
import re, urllib.parse
name, *policies = arguments
def ask_iam(action, **keys):
    form = urllib.parse.urlencode({"Action": action, "Version": "2010-05-08", "UserName": name, **keys})
    return ask("iam", "", form, Content_Type="application/x-www-form-urlencoded")
trust = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}}]}'
if name == "functions":
    ask_iam("CreateRole", RoleName="f", AssumeRolePolicyDocument=trust)
ask_iam("CreateUser")
for policy in policies:
    ask_iam("AttachUserPolicy", PolicyArn=policy)
# The emulator judges these two, and the deleting of a version, as of all resources; AWS judges them by their ARN.
tags = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Resource": "*", "Action": ["states:TagResource", "states:ListTagsForResource", "states:DeleteStateMachineVersion"]}]}'
if name == "deployer":
    ask_iam("PutUserPolicy", PolicyName="tags", PolicyDocument=tags)
key = ask_iam("CreateAccessKey")
print(re.search("<AccessKeyId>(.*?)<", key)[1], re.search("<SecretAccessKey>(.*?)<", key)[1])
"#;
    let arguments: Vec<&str> = [name].into_iter().chain(policies.iter().copied()).collect();
    let text = python(scratch, SCRIPT, &arguments);
    let (key, secret) = text.trim().split_once(' ').expect("two words");
    (key.to_owned(), secret.to_owned())
}

/// The value of an output that `infra status` prints.
fn output(status: &str, name: &str) -> String {
    let line = status.lines().find_map(|line| line.trim().strip_prefix(&format!("{name} = ")));
    line.unwrap_or_else(|| panic!("no {name} in {status}")).to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_runner_and_a_deployer_can_do_what_is_theirs_and_no_more() {
    let Some(server) = enforcing_ministack() else { return };
    let root = scratch_at(server, &own_account());
    root.run("infra deploy").expect_code(0);
    // The bucket takes what comes by TLS only, and the emulator has none; nor would the queue of the stack, so here is another.
    let config = sdk_config_at(&server.address, &variable(&root, "BUNSUI_AWS__ACCOUNT")).await;
    let sqs = aws_sdk_sqs::Client::new(&config);
    sqs.create_queue().queue_name("bunsui-events").send().await.expect("made");
    let s3 = aws_sdk_s3::config::Builder::from(&config).force_path_style(true).build();
    let delete = aws_sdk_s3::Client::from_conf(s3).delete_bucket_policy();
    delete.bucket(variable(&root, "BUNSUI_AWS__BUCKET")).send().await.expect("deleted");
    let status = root.run("infra status").expect_code(0).stdout;
    // The role that functions have.
    make_user(&root, "functions", &[]);
    make_function(&root, "first", "def handler(event, context):\n    return {'n': 1}\n");
    make_function(&root, "bad", "def handler(event, context):\n    raise ValueError('no good')\n");
    let user = |name: &str, policy: &str| {
        let (key, secret) = make_user(&root, name, &[&output(&status, policy)]);
        let account = variable(&root, "BUNSUI_AWS__ACCOUNT");
        let scratch = scratch_at(server, &account);
        let scratch =
            scratch.with_variable("AWS_ACCESS_KEY_ID", &key).with_variable("AWS_SECRET_ACCESS_KEY", &secret);
        let scratch = scratch.with_variable("BUNSUI_AWS__EVENTS", "true");
        let text =
            job("first", "", "") + &job("bad", "depends_on = [\"first\"]", "retry = { max_attempts = 1 }");
        scratch.write("t.toml", functions(&text));
        scratch
    };
    let (runner, deployer) = (user("runner", "RunnerPolicyArn"), user("deployer", "DeployerPolicyArn"));
    let refused = runner.run("deploy t.toml").expect_code(3).stderr;
    assert!(refused.contains("bunsui::aws::denied"), "{refused}");
    assert!(refused.contains("a policy that allows `cloudformation:"), "{refused}");
    deployer.run("plan t.toml").expect_code(0);
    let deployed = deployer.run("deploy t.toml").expect_code(0).stderr;
    assert!(deployed.contains("version 1"), "{deployed}");
    deployer.run("deploy t.toml --prune").expect_code(0);
    let refused = deployer.run("run t.toml").expect_code(3).stderr;
    assert!(refused.contains("bunsui::aws::denied"), "{refused}");
    // All that is said of sessions works for a runner.
    runner.run("doctor").expect_code(0);
    runner.run("plan t.toml").expect_code(0);
    let ran = runner.run("run t.toml").expect_code(1).stderr;
    assert!(ran.contains("its report: s3://"), "{ran}");
    assert!(!ran.contains("warning"), "{ran}");
    runner.run("session retry last").expect_code(1);
    let shown = runner.run("session show last").expect_code(0).stdout;
    assert!(shown.contains("1 succeeded"), "{shown}");
    runner.run("pipeline list").expect_code(0);
    runner.run("pipeline show t").expect_code(0);
    let refused = runner.run("pipeline delete t").expect_code(3).stderr;
    assert!(refused.contains("bunsui::aws::denied"), "{refused}");
    runner.run("session delete last").expect_code(0);
    deployer.run("pipeline delete t").expect_code(0);
}

#[test]
fn each_call_is_allowed_and_nothing_else_is() {
    let called = called(&bunsui_test_support::repository().join("src/backend/aws"));
    assert!(called.len() > 20, "calls are found: {called:?}");
    let allowed = allowed();
    let either: BTreeSet<String> =
        ["Runner", "Deployer"].iter().flat_map(|policy| allowed[*policy].clone()).collect();
    let missing: Vec<_> = called.iter().filter(|action| !either.contains(*action)).collect();
    assert!(missing.is_empty(), "called, and in neither policy: {missing:?}");
    let known: BTreeSet<&str> = BESIDES
        .iter()
        .map(|(action, _)| *action)
        .chain(KEY)
        .chain(called.iter().map(String::as_str))
        .collect();
    let needless: Vec<_> = either.iter().filter(|action| !known.contains(action.as_str())).collect();
    assert!(needless.is_empty(), "in a policy, and called by nobody: {needless:?}");
    let stale: Vec<_> = BESIDES.iter().filter(|(action, _)| !either.contains(*action)).collect();
    assert!(stale.is_empty(), "listed here, and in no policy: {stale:?}");
}

/// `service:Action` of each call, as its error would name it.
fn called(folder: &Path) -> BTreeSet<String> {
    let named = regex::Regex::new(r#"Call::new\(\s*"(\w+)",\s*"(\w+)""#).unwrap();
    let of_file = regex::Regex::new(r#"\bcall\("(\w+)""#).unwrap();
    let mut called = BTreeSet::new();
    for file in files(folder) {
        let text = std::fs::read_to_string(&file).unwrap();
        let text = text.split("#[cfg(test)]").next().unwrap();
        let service = match file.file_name().and_then(|name| name.to_str()) {
            Some("objects.rs") => "s3",
            Some("events.rs") => "sqs",
            _ => "dynamodb",
        };
        let found = named.captures_iter(text).map(|found| (found[1].to_owned(), found[2].to_owned()));
        let others = of_file.captures_iter(text).map(|found| (service.to_owned(), found[1].to_owned()));
        called.extend(found.chain(others).map(|(service, action)| format!("{service}:{action}")));
    }
    // A transaction has no action of its own: it needs what its parts need.
    if called.remove("dynamodb:TransactWriteItems") {
        called.extend(["dynamodb:PutItem".to_owned(), "dynamodb:DeleteItem".to_owned()]);
    }
    called
}

fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// The actions of each policy of the template, by the policy's name in it.
fn allowed() -> BTreeMap<String, BTreeSet<String>> {
    let file = bunsui_test_support::repository().join("infrastructure/iam/runner.yaml");
    let text = std::fs::read_to_string(file).unwrap();
    let resources = text.split_once("\nResources:\n").expect("it has resources").1;
    let action = regex::Regex::new(
        r"\b(dynamodb|s3|sqs|states|sts|iam|cloudformation|logs|lambda|ecs|ec2|kms):([A-Z][A-Za-z]+\*?)",
    )
    .unwrap();
    let mut allowed: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut resource = String::new();
    for line in resources.lines() {
        let is_name = line.starts_with("  ") && !line.starts_with("   ") && line.trim_end().ends_with(':');
        if is_name {
            resource = line.trim().trim_end_matches(':').to_owned();
        }
        let is_comment = line.trim_start().starts_with('#');
        let is_condition = ["iam:PassedToService", "iam:PermissionsBoundary", "kms:ViaService"]
            .iter()
            .any(|condition| line.contains(condition));
        if !is_comment && !is_condition {
            let found = action.find_iter(line).map(|found| found.as_str().to_owned());
            allowed.entry(resource.clone()).or_default().extend(found);
        }
    }
    allowed
}
