//! Sentences and words of ECS that say why something went wrong.
//!
//! Takes: a stopped task's or container's reason, a failure of RunTask, a sentence of the API (ECS developer guide, "Stopped tasks
//! error messages" and "API failure reasons"). Gives: what it means.
//! Deliberately does not: know where the sentence stood.

/// What a sentence means. In `summary`, `{image}` and `{container}` are those that failed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reason {
    /// In lower case, what the sentence has.
    mark: &'static str,
    /// In lower case, what it has one of; nothing more where this is empty.
    any: &'static [&'static str],
    /// In a line.
    pub(super) summary: &'static str,
    /// Whether trying again can help.
    pub(super) recoverable: Option<bool>,
    help: &'static str,
}

impl Reason {
    /// What to do.
    pub(super) fn help(&self) -> Option<String> {
        (!self.help.is_empty()).then(|| self.help.to_owned())
    }
}

const PASSING: Option<bool> = Some(true);
const LASTING: Option<bool> = Some(false);

const NO_NETWORK: &[&str] =
    &["timeout", "timed out", "deadline exceeded", "dial tcp", "no such host", "connection refused"];
const WAY_OUT: &str = "the task needs a way out: `assign_public_ip = true` in a public subnet, a NAT gateway, or VPC endpoints of the services \
                       it talks to; its security groups have to allow port 443";
const PLATFORM: &str = "build the image for the task's architecture (x86_64 or arm64)";
const MORE_INSTANCES: &str =
    "give the operation a `retry`, let it ask for less, or give the cluster more instances";

/// The first that fits counts: what is narrow stands before what is wide.
const SENTENCES: &[Reason] = &[
    // Images.
    reason(
        "cannotpull",
        &["toomanyrequests", "rate limit"],
        "{image} cannot be pulled: its registry limits how often",
        PASSING,
        "keep a copy of the image in ECR, or log in to the registry (`repositoryCredentials` of the task definition)",
    ),
    reason(
        "cannotpull",
        NO_NETWORK,
        "{image} cannot be pulled: the task does not reach its registry",
        None,
        WAY_OUT,
    ),
    reason("cannotpull", &["platform"], "{image} is not built for the task's platform", LASTING, PLATFORM),
    reason(
        "cannotpull",
        &["no space left"],
        "{image} does not fit on the task's disk",
        LASTING,
        "give the task definition more `ephemeralStorage`, or the instances a larger volume",
    ),
    reason(
        "cannotpull",
        &[
            "pull access denied",
            "no basic auth",
            "403",
            "401",
            "not authorized",
            "accessdenied",
            "authorization",
        ],
        "{image} cannot be pulled: the task may not read it, or it does not exist",
        LASTING,
        "the task's execution role needs what `AmazonECSTaskExecutionRolePolicy` allows, and the repository's policy has to allow it",
    ),
    reason(
        "cannotpull",
        &["not found", "manifest unknown", "does not exist", "repository name"],
        "{image} does not exist",
        LASTING,
        "push it, or mend its name and tag in the task definition",
    ),
    reason("cannotpull", &[], "{image} cannot be pulled", None, ""),
    // Starting a container; such a sentence may go on with `ResourceInitializationError`.
    reason(
        "cannotstartcontainer",
        &["executable file not found", "no such file or directory"],
        "the command of {container} is not in {image}",
        LASTING,
        "mend `command`, or the image's entry point",
    ),
    reason(
        "cannotstartcontainer",
        &["permission denied"],
        "the command of {container} cannot be executed",
        LASTING,
        "is the file executable?",
    ),
    reason("exec format error", &[], "{image} is not built for the task's platform", LASTING, PLATFORM),
    reason("cannotstartcontainer", &[], "{container} cannot be started", None, ""),
    reason("cannotcreatecontainer", &[], "{container} cannot be created", None, ""),
    reason("cannotcreatevolume", &[], "a volume of the task cannot be created", None, ""),
    reason("containerruntime", &["timeout"], "the container runtime did not answer in time", PASSING, ""),
    reason("dockertimeouterror", &[], "the container runtime did not answer in time", PASSING, ""),
    reason("internalerror", &[], "ECS failed to run {container}", PASSING, ""),
    // Before the containers.
    reason(
        "log group does not exist",
        &[],
        "the log group of {container} does not exist",
        LASTING,
        "make the group, or set `awslogs-create-group` in the task definition",
    ),
    reason(
        "resourceinitializationerror",
        NO_NETWORK,
        "the task does not reach the services that its secrets, images and logs are in",
        None,
        WAY_OUT,
    ),
    reason(
        "resourceinitializationerror",
        &["secret", "parameter"],
        "a secret of the task cannot be read",
        LASTING,
        "does it exist where the task definition says, and does the task's execution role allow reading and decrypting it?",
    ),
    reason(
        "resourceinitializationerror",
        &["efs", "mount"],
        "a file system of the task cannot be mounted",
        None,
        "the subnets need a mount target of the file system, the security groups have to allow port 2049, and the task's role has to allow it",
    ),
    reason("resourceinitializationerror", &[], "what the task needs cannot be prepared", None, ""),
    reason(
        "unable to assume the role",
        &[],
        "a role of the task cannot be assumed",
        LASTING,
        "does the role exist, and does its trust policy name `ecs-tasks.amazonaws.com`?",
    ),
    // Network and capacity.
    reason(
        "free",
        &["freeaddressesinsubnet", "free addresses", "free ip"],
        "a subnet has no free address for the task",
        PASSING,
        "give `network` larger subnets, or more of them",
    ),
    reason(
        "network interface",
        &["timeout", "timed out"],
        "the task's network interface was not ready in time",
        PASSING,
        "",
    ),
    reason(
        "capacity is unavailable at this time",
        &[],
        "Fargate has no capacity left for the task at this time",
        PASSING,
        "give the operation a `retry`, or `network` subnets of more availability zones",
    ),
    reason(
        "reached the limit on the number of",
        &[],
        "the account runs as many tasks or vCPUs as it may at once",
        PASSING,
        "lower `max_concurrency`, or raise the account's quota of Fargate",
    ),
    reason(
        "no container instances were found",
        &["capacity provider"],
        "the capacity provider has no instances",
        None,
        "let it start some (managed scaling), or add them",
    ),
    reason(
        "no container instances were found",
        &[],
        "the cluster has no container instances",
        LASTING,
        "add some, or run on Fargate: `launch_type = \"FARGATE\"`",
    ),
    reason("rate exceeded", &[], "ECS throttled the call", PASSING, "lower `max_concurrency`"),
    reason("throttl", &[], "ECS throttled the call", PASSING, "lower `max_concurrency`"),
    // What RunTask refuses.
    reason(
        "cluster not found",
        &[],
        "there is no such cluster",
        LASTING,
        "to see those there are: aws ecs list-clusters",
    ),
    reason("cluster is inactive", &[], "the cluster was deleted", LASTING, "make it again, or name another"),
    reason(
        "definition is inactive",
        &[],
        "the task definition is inactive: no task starts from it",
        LASTING,
        "name another revision, or register it again",
    ),
    reason(
        "taskdefinition not found",
        &[],
        "there is no such task definition",
        LASTING,
        "register it, or mend its name: `family`, `family:revision` or an ARN",
    ),
    reason(
        "unable to describe task definition",
        &[],
        "there is no such task definition",
        LASTING,
        "register it, or mend its name: `family`, `family:revision` or an ARN",
    ),
    reason(
        "is not a container in the taskdefinition",
        &[],
        "the task definition has no {container}",
        LASTING,
        "`container` has to be one of its containers",
    ),
    reason(
        "network configuration must be provided",
        &[],
        "the task has a network interface of its own (awsvpc), and no subnet",
        LASTING,
        "say where: `network = { subnets = [\"subnet-…\"], security_groups = [\"sg-…\"] }`",
    ),
    reason(
        "network configuration is not valid for",
        &[],
        "the task takes no `network`: its network mode is not awsvpc",
        LASTING,
        "remove `network`",
    ),
    reason(
        "does not support launch_type",
        &[],
        "the task definition is not made for that `launch_type`",
        LASTING,
        "add it to the `requiresCompatibilities` of the task definition, or launch it as what is there",
    ),
    reason(
        "no fargate configuration exists",
        &[],
        "Fargate has no tasks of that `cpu` and `memory`",
        LASTING,
        "take a pair of the table in the ECS guide, as `cpu = 1024, memory = 2048`",
    ),
    reason(
        "container overrides length",
        &[],
        "environment and command of {container} are longer than the 8192 characters that ECS takes",
        LASTING,
        "leave large values in S3 and pass their place",
    ),
    reason("subnet", &["does not exist"], "a subnet of `network` does not exist", LASTING, "mend `network`"),
    reason(
        "security group",
        &["does not exist"],
        "a security group of `network` does not exist",
        LASTING,
        "mend `network`",
    ),
    reason(
        "capacity provider",
        &["not found", "does not exist"],
        "the cluster has no such capacity provider",
        LASTING,
        "mend `capacity_provider_strategy`",
    ),
    reason("account", &["blocked"], "AWS has blocked the account", LASTING, "ask AWS Support"),
];

/// `Reason` of a failure of RunTask, in whole.
const WORDS: &[Reason] = &[
    reason("resource:memory", &[], "no container instance has enough memory left", PASSING, MORE_INSTANCES),
    reason("resource:cpu", &[], "no container instance has enough CPU left", PASSING, MORE_INSTANCES),
    reason("resource:gpu", &[], "no container instance has a GPU left", PASSING, MORE_INSTANCES),
    reason(
        "resource:ports",
        &[],
        "the ports that the task wants are in use on every container instance",
        PASSING,
        MORE_INSTANCES,
    ),
    reason(
        "resource:eni",
        &[],
        "no container instance can take another network interface",
        PASSING,
        MORE_INSTANCES,
    ),
    reason(
        "agent",
        &[],
        "the agent of a container instance is not connected",
        PASSING,
        "look at the agent on the instance, or replace the instance",
    ),
    reason(
        "missing",
        &[],
        "ECS does not find what the task is to run on",
        LASTING,
        "do cluster and capacity provider exist in this account and region?",
    ),
    reason("inactive", &[], "what the task is to run on was deleted", LASTING, "name another `cluster`"),
    reason(
        "attribute",
        &[],
        "no container instance has what the task definition asks for",
        LASTING,
        "look at its attributes: architecture, log driver, network mode, roles for tasks",
    ),
    reason(
        "location",
        &[],
        "no container instance is in the availability zone of the subnets",
        LASTING,
        "give `network` subnets where the cluster has instances",
    ),
];

const fn reason(
    mark: &'static str,
    any: &'static [&'static str],
    summary: &'static str,
    recoverable: Option<bool>,
    help: &'static str,
) -> Reason {
    Reason { mark, any, summary, recoverable, help }
}

/// What a sentence or a word means, where that is known.
pub(super) fn reason_of(text: &str) -> Option<&'static Reason> {
    let text = text.trim().to_lowercase();
    let word = || WORDS.iter().find(|reason| reason.mark == text);
    let fits = |reason: &&Reason| {
        text.contains(reason.mark)
            && (reason.any.is_empty() || reason.any.iter().any(|part| text.contains(part)))
    };
    word().or_else(|| SENTENCES.iter().find(fits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_reached_by_its_own_words() {
        for reason in SENTENCES {
            let text = format!("{} {}", reason.mark, reason.any.first().unwrap_or(&""));
            assert!(reason_of(&text).is_some_and(|found| found.summary == reason.summary), "{text}");
        }
        for reason in WORDS {
            assert!(reason_of(reason.mark).is_some_and(|found| found.summary == reason.summary));
        }
        assert!(reason_of("a sentence about an agent").is_none());
    }
}
