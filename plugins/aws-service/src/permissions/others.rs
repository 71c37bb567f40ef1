//! What else an action takes: roles that it passes on, secrets that it reads, tags that it sets, the endpoint that it calls.

use super::resources::Part;
use super::{Context, Needed, allow};
use bunsui_plugin_sdk::Statement;
use serde_json::{Value as Json, json};

/// Actions that set tags where there are some: (service of the SDK, IAM's action).
const TAGGING: [(&str, &str); 8] = [
    ("batch", "batch:TagResource"),
    ("databrew", "databrew:TagResource"),
    ("ecs", "ecs:TagResource"),
    ("emr", "elasticmapreduce:AddTags"),
    ("emrcontainers", "emr-containers:TagResource"),
    ("emrserverless", "emr-serverless:TagResource"),
    ("mediaconvert", "mediaconvert:TagResource"),
    ("sagemaker", "sagemaker:AddTags"),
];

/// Whom a role is passed to where that is not the service of the action itself.
const PASSED_TO: [(&str, &[&str]); 3] = [
    ("ecs", &["ecs-tasks.amazonaws.com"]),
    ("batch", &["batch.amazonaws.com", "ecs-tasks.amazonaws.com"]),
    ("emr", &["elasticmapreduce.amazonaws.com", "ec2.amazonaws.com"]),
];

/// Actions whose statement has a condition; `add` makes it.
pub(super) fn has_statement_of_its_own(iam_action: &str) -> bool {
    ["states:InvokeHTTPEndpoint", "execute-api:Invoke"].contains(&iam_action)
}

pub(super) fn add(context: &Context<'_>, needed: &mut Needed) {
    let service = context.integration.sdk_service();
    match (service, context.integration.action) {
        ("athena", "startQueryExecution") => {
            needed.add("athena:GetDataCatalog", vec![context.arn("athena", "datacatalog/*")]);
        }
        ("bedrock", "createModelCustomizationJob") => {
            let jobs = context.arn("bedrock", "model-customization-job/*");
            needed.add("bedrock:CreateModelCustomizationJob", vec![jobs]);
        }
        ("rdsdata", _) => add_secret(context, needed),
        ("redshiftdata", action) if action.ends_with("xecuteStatement") => add_redshift(context, needed),
        ("emr", "modifyInstanceFleetByName") => {
            add_same(context, needed, "elasticmapreduce:ListInstanceFleets");
        }
        ("emr", "modifyInstanceGroupByName") => {
            add_same(context, needed, "elasticmapreduce:ListInstanceGroups");
        }
        ("eks", "createNodegroup") => {
            needed.add("ec2:DescribeSubnets", vec!["*".to_owned()]);
            let roles = format!("arn:{}:iam::{}:role/*", context.request.partition, context.request.account);
            needed.add_all(&["iam:GetRole", "iam:ListAttachedRolePolicies"], &[&roles]);
        }
        ("s3", _) => add_versions(context, needed),
        ("sagemaker", action) if action.starts_with("create") => {
            needed.add("sagemaker:ListTags", vec!["*".to_owned()]);
        }
        ("http", "invoke") => needed.statements.extend(http(context)),
        ("apigateway", "invoke") if context.integration.optimised.is_some() => {
            needed.statements.extend(api_gateway(context));
        }
        _ => {}
    }
    if context.argument("Tags").is_some()
        && let Some((_, action)) = TAGGING.iter().find(|(of, _)| *of == service)
    {
        needed.add(action, vec!["*".to_owned()]);
    }
    match (service, context.integration.action) {
        // A role is what these are about, or is looked at and not passed on.
        ("iam" | "sts" | "emrcontainers", _) => {}
        // A task runs with the roles of its definition, which only ECS knows.
        ("ecs", "runTask") => needed.statements.push(any_role(context, service)),
        _ => needed.statements.extend(passed_roles(context, service)),
    }
}

fn add_same(context: &Context<'_>, needed: &mut Needed, action: &str) {
    needed.add(action, context.resources.of(action));
}

/// The role that is assumed, or a pattern of those that could be.
pub(super) fn role_arn(role: &Json, context: &Context<'_>) -> String {
    match role.as_str() {
        Some(arn) if !arn.contains("{%") => arn.to_owned(),
        _ => format!("arn:{}:iam::*:role/*", context.request.partition),
    }
}

fn add_secret(context: &Context<'_>, needed: &mut Needed) {
    let secret = match context.resources.part("SecretArn") {
        Part::Known(arn) if arn.starts_with("arn:") => arn,
        Part::Known(name) => context.arn("secretsmanager", &format!("secret:{name}-??????")),
        Part::Open => context.arn("secretsmanager", "secret:*"),
        Part::Absent => return,
    };
    needed.add("secretsmanager:GetSecretValue", vec![secret]);
}

/// A query is done as who the secret says, or as a user that IAM stands for.
fn add_redshift(context: &Context<'_>, needed: &mut Needed) {
    if context.resources.part("SecretArn") != Part::Absent {
        return add_secret(context, needed);
    }
    if context.resources.part("WorkgroupName") != Part::Absent {
        needed.add(
            "redshift-serverless:GetCredentials",
            vec![context.arn("redshift-serverless", "workgroup/*")],
        );
        return;
    }
    let known = |argument: &str| match context.resources.part(argument) {
        Part::Known(text) => text,
        _ => "*".to_owned(),
    };
    let cluster = known("ClusterIdentifier");
    let form = |kind: &str, name: String| context.arn("redshift", &format!("{kind}:{cluster}/{name}"));
    let resources = vec![form("dbuser", known("DbUser")), form("dbname", known("Database"))];
    let action = match context.resources.part("DbUser") {
        Part::Absent => "redshift:GetClusterCredentialsWithIAM",
        _ => "redshift:GetClusterCredentials",
    };
    needed.add(action, resources);
}

/// A version of an object is asked for by an action of its own.
fn add_versions(context: &Context<'_>, needed: &mut Needed) {
    if context.argument("VersionId").is_none() {
        return;
    }
    for action in ["GetObject", "DeleteObject", "GetObjectTagging", "DeleteObjectTagging", "PutObjectTagging"]
    {
        let action = format!("s3:{action}");
        if context.iam_actions().contains(&action) {
            let versioned = match action.strip_suffix("Tagging") {
                Some(stem) => format!("{stem}VersionTagging"),
                None => format!("{action}Version"),
            };
            needed.add(&versioned, context.resources.of(&action));
        }
    }
}

/// Roles that an argument names are passed on to the service.
fn passed_roles(context: &Context<'_>, service: &str) -> Vec<Statement> {
    let mut roles = Roles { may_be_names: ["emr", "glue"].contains(&service), ..Roles::default() };
    for (key, value) in context.arguments.into_iter().flatten() {
        roles.collect(key, value);
    }
    let mut known: Vec<String> = roles.known.iter().map(|role| whole_role(role, context)).collect();
    known.sort();
    known.dedup();
    let of_known = Statement { resources: known, ..allow(&["iam:PassRole"], &[]) };
    let of_any = roles.is_open.then(|| any_role(context, service));
    (!of_known.resources.is_empty()).then_some(of_known).into_iter().chain(of_any).collect()
}

/// A role by its name, as EMR has them, is one of this account.
fn whole_role(role: &str, context: &Context<'_>) -> String {
    match role.starts_with("arn:") {
        true => role.to_owned(),
        false => format!("arn:{}:iam::{}:role/{role}", context.request.partition, context.request.account),
    }
}

fn any_role(context: &Context<'_>, service: &str) -> Statement {
    let own = context.service().map_or(service, |service| service.prefix);
    let own = format!("{own}.amazonaws.com");
    let others = PASSED_TO.iter().find(|(of, _)| *of == service).map(|(_, others)| *others);
    let services: Vec<String> = match others {
        Some(others) => others.iter().map(|other| format!("{other}*")).collect(),
        // In China some services have `.cn` at the end.
        None => vec![format!("{own}*")],
    };
    Statement {
        actions: vec!["iam:PassRole".to_owned()],
        resources: vec![format!("arn:{}:iam::{}:role/*", context.request.partition, context.request.account)],
        condition: Some(json!({ "StringLike": { "iam:PassedToService": services } })),
    }
}

/// Arguments that hold what others read, not what the service does.
const FREE: [&str; 25] = [
    "Arguments",
    "Body",
    "Data",
    "DefaultArguments",
    "Detail",
    "Environment",
    "ExpressionAttributeValues",
    "Headers",
    "HyperParameters",
    "Input",
    "Item",
    "Key",
    "Message",
    "MessageAttributes",
    "MessageBody",
    "Metadata",
    "Parameters",
    "Payload",
    "QueryParameters",
    "Record",
    "Records",
    "RequestBody",
    "RequestItems",
    "Tags",
    "TransactItems",
];

/// Arguments that are a role, beside those that end in `RoleArn`. Others that end in `Role` are not: a user's role of QuickSight is a word.
const ROLES: [&str; 5] = ["AutoScalingRole", "ExecutionRole", "JobFlowRole", "Role", "ServiceRole"];

/// The roles that arguments name.
#[derive(Default)]
struct Roles {
    /// Whether the service takes the name of a role for its ARN.
    may_be_names: bool,
    known: Vec<String>,
    is_open: bool,
}

impl Roles {
    /// `RoleArn`, `Role`, `ServiceRole`, `ExecutionRoleArn`: an ARN, a name, or what a run decides.
    fn collect(&mut self, key: &str, value: &Json) {
        let is_role = ROLES.contains(&key) || key.ends_with("RoleArn") || key.ends_with("RoleARN");
        match value {
            _ if FREE.contains(&key) => {}
            Json::String(text) if is_role && text.contains("{%") => self.is_open = true,
            Json::String(text) if is_role && (text.contains(":role/") || self.may_be_names) => {
                self.known.push(text.clone());
            }
            Json::Array(items) => items.iter().for_each(|item| self.collect(key, item)),
            Json::Object(members) => members.iter().for_each(|(key, member)| self.collect(key, member)),
            _ => {}
        }
    }
}

/// The endpoint, and the credentials that the connection keeps.
fn http(context: &Context<'_>) -> Vec<Statement> {
    let text = |value: Option<&Json>| {
        value.and_then(Json::as_str).filter(|text| !text.contains("{%")).map(ToOwned::to_owned)
    };
    let mut condition = json!({});
    if let Some(method) = text(context.argument("Method")) {
        condition["StringEquals"] = json!({ "states:HTTPMethod": method });
    }
    if let Some(endpoint) = text(context.argument("ApiEndpoint")) {
        condition["StringLike"] = json!({ "states:HTTPEndpoint": endpoint });
    }
    let machines = context.arn("states", "stateMachine:*");
    let invoke = Statement {
        condition: condition.as_object().is_some_and(|all| !all.is_empty()).then_some(condition),
        ..allow(&["states:InvokeHTTPEndpoint"], &[&machines])
    };
    let of = |key: &str| context.argument(key).and_then(|value| value.get("ConnectionArn"));
    let connection = text(of("Authentication").or_else(|| of("InvocationConfig")));
    let connection = connection.unwrap_or_else(|| context.arn("events", "connection/*"));
    let secrets = context.arn("secretsmanager", "secret:events!connection/*");
    vec![
        invoke,
        allow(&["events:RetrieveConnectionCredentials"], &[&connection]),
        allow(&["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"], &[&secrets]),
    ]
}

/// An API asks IAM only where it is told to.
fn api_gateway(context: &Context<'_>) -> Option<Statement> {
    let known = |argument: &str| match context.resources.part(argument) {
        Part::Known(text) => Some(text),
        _ => None,
    };
    if matches!(context.resources.part("AuthType"), Part::Absent)
        || known("AuthType").as_deref() == Some("NO_AUTH")
    {
        return None;
    }
    let endpoint = known("ApiEndpoint");
    let api = endpoint.as_deref().and_then(|host| host.split('.').next()).unwrap_or("*");
    let stage = known("Stage").unwrap_or_else(|| "*".to_owned());
    let method = known("Method").unwrap_or_else(|| "*".to_owned());
    let path = known("Path").unwrap_or_else(|| "*".to_owned());
    let path = path.trim_start_matches('/');
    let resource = context.arn("execute-api", &format!("{api}/{stage}/{method}/{path}"));
    Some(allow(&["execute-api:Invoke"], &[&resource]))
}
