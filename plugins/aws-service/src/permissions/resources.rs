//! The resources that an action of IAM is needed on.
//!
//! Takes: the types of resources that IAM looks at for the action, and the arguments. Gives: ARNs, with `*` for what a run decides or no
//! argument says.
//! Deliberately does not: leave out a type that the action always has, however little is known of it.

use super::capitalized;
use crate::table::{ResourceType, Service};
use bunsui_plugin_sdk::PermissionsRequest;
use serde_json::{Map, Value as Json};

/// What resources are made of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Resources<'a> {
    pub(super) request: &'a PermissionsRequest,
    pub(super) service: Option<Service>,
    /// The action of the API: `startJobRun`.
    pub(super) action: &'a str,
    pub(super) arguments: Option<&'a Map<String, Json>>,
    /// Whether there may be arguments that are not known.
    pub(super) is_open: bool,
}

/// What is known of a part of an ARN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    Known(String),
    /// A run decides it.
    Open,
    /// No argument says it.
    Absent,
}

/// Arguments that are called otherwise than the part of the ARN that they say: (service or nothing, part, argument).
const NAMES: [(&str, &str, &str); 22] = [
    ("s3", "BucketName", "Bucket"),
    ("s3", "ObjectName", "Key"),
    ("athena", "WorkGroupName", "WorkGroup"),
    ("batch", "JobQueueName", "JobQueue"),
    ("batch", "ComputeEnvironmentName", "ComputeEnvironment"),
    ("databrew", "ResourceId", "Name"),
    ("ecs", "ClusterName", "Cluster"),
    ("ecs", "ServiceName", "Service"),
    ("ecs", "TaskId", "Task"),
    ("emr", "ClusterId", "JobFlowId"),
    ("eventbridge", "RuleName", "Rule"),
    ("glue", "CatalogName", "CatalogId"),
    ("mwaa", "EnvironmentName", "Name"),
    ("quicksight", "DatasetId", "DataSetId"),
    ("quicksight", "ResourceId", "IngestionId"),
    ("rds", "DbClusterInstanceName", "DbClusterIdentifier"),
    ("rds", "DbInstanceName", "DbInstanceIdentifier"),
    ("rds", "SnapshotName", "DbSnapshotIdentifier"),
    ("rds", "ClusterSnapshotName", "DbClusterSnapshotIdentifier"),
    ("redshift", "ClusterName", "ClusterIdentifier"),
    ("redshiftdata", "ClusterName", "ClusterIdentifier"),
    ("ssm", "ParameterNameWithoutLeadingSlash", "Name"),
];

/// What a service takes where an argument is left out: (service, part, argument, value).
const DEFAULTS: [(&str, &str, &str, &str); 2] =
    [("athena", "WorkGroupName", "WorkGroup", "primary"), ("scheduler", "GroupName", "GroupName", "default")];

/// Services of which it is known that what no argument names is not there: an index, an access point, another catalog.
const NAMED: [&str; 4] = ["dynamodb", "glue", "kinesis", "s3"];

impl<'a> Resources<'a> {
    /// Of an action, as `glue:StartJobRun`.
    pub(super) fn of(&self, iam_action: &str) -> Vec<String> {
        let everything = || vec!["*".to_owned()];
        let Some((prefix, name)) = iam_action.split_once(':') else { return everything() };
        let Some(service) = self.service.filter(|service| service.prefix == prefix) else {
            return everything();
        };
        if let Some(special) = self.special(service, name) {
            return special;
        }
        let types = service.resource_types(name);
        let found: Vec<(bool, Vec<Part>, &ResourceType)> =
            types.iter().map(|one| (one.is_required, self.parts(one.arn), one)).collect();
        let is_said = |parts: &[Part]| !parts.contains(&Part::Absent);
        // Beside those that are always there, others may be, under names that are not known to be theirs.
        let may_be_more = types.iter().any(|one| one.is_required) && !NAMED.contains(&service.name);
        let mut resources: Vec<String> = Vec::new();
        for (is_required, parts, one) in &found {
            match self.whole(one.arn) {
                Some(arn) => resources.push(arn),
                None if *is_required || may_be_more || is_said(parts) => {
                    resources.push(self.filled(one.arn, parts));
                }
                None => {}
            }
        }
        if prefix == "logs" {
            // A log group is asked for with `:*` after its name by most actions, and without by some.
            let groups: Vec<&String> = resources.iter().filter(|arn| arn.contains(":log-group:")).collect();
            let all: Vec<String> =
                groups.iter().map(|arn| format!("{}:*", arn.trim_end_matches(":*"))).collect();
            resources.extend(all);
        }
        resources.dedup();
        if resources.is_empty() { everything() } else { resources }
    }

    /// The value of an argument; a path leads into it.
    pub(super) fn part(&self, argument: &str) -> Part {
        match self.arguments.and_then(|arguments| arguments.get(argument)) {
            Some(Json::String(text)) if text.contains("{%") => Part::Open,
            Some(Json::String(text)) => Part::Known(text.clone()),
            Some(Json::Number(number)) => Part::Known(number.to_string()),
            Some(_) => Part::Open,
            None if self.is_open => Part::Open,
            None => Part::Absent,
        }
    }

    /// An ARN in this account, of a form as the table has them.
    pub(super) fn place(&self, form: &str) -> String {
        let PermissionsRequest { partition, region, account, .. } = self.request;
        form.replace("{Partition}", partition).replace("{Region}", region).replace("{Account}", account)
    }

    /// An argument that is itself an ARN of the form.
    fn whole(&self, form: &str) -> Option<String> {
        let wanted: Vec<&str> = form.splitn(6, ':').collect();
        let (service, resource) = (wanted.get(2)?, wanted.get(5)?);
        let literal = resource.split('{').next().unwrap_or_default();
        let mut texts = self.arguments?.values().filter_map(Json::as_str);
        let is_of_form = |text: &&str| {
            let parts: Vec<&str> = text.splitn(6, ':').collect();
            !text.contains("{%")
                && parts.len() == 6
                && parts[0] == "arn"
                && parts[2] == *service
                && parts[5].starts_with(literal)
                && parts[5].matches('/').count() >= resource.matches('/').count()
        };
        texts.find(is_of_form).map(ToOwned::to_owned)
    }

    /// What is known of the parts of a form, in their order.
    fn parts(&self, form: &str) -> Vec<Part> {
        let names = form.split('{').skip(1).filter_map(|rest| rest.split('}').next());
        let own = names.filter(|name| !["Partition", "Region", "Account"].contains(name));
        own.map(|name| self.named(name)).collect()
    }

    fn named(&self, part: &str) -> Part {
        let service = self.service.map_or("", |service| service.name);
        let of_table = NAMES.iter().filter(|(of, name, _)| *of == service && *name == part);
        let candidates = of_table.map(|(_, _, argument)| *argument).chain([part]).chain(self.is_name(part));
        let mut found = Part::Absent;
        for candidate in candidates {
            found = self.part(candidate);
            if found != Part::Absent {
                break;
            }
        }
        let default = DEFAULTS
            .iter()
            .find(|(of, name, argument, _)| *of == service && *name == part && self.may_have(argument));
        match (found, default) {
            (Part::Absent, Some((.., default))) => Part::Known((*default).to_owned()),
            // An ARN of another form, or another name of a key, which IAM does not look at.
            (Part::Known(text), _) if text.starts_with("arn:") || text.starts_with("alias/") => Part::Open,
            (Part::Known(text), _) => Part::Known(text.trim_start_matches('/').to_owned()),
            (found, _) => found,
        }
    }

    /// Whether the action has an argument. Where it has none that says it, what it is about is known only to the service.
    fn may_have(&self, argument: &str) -> bool {
        let arguments = self.service.and_then(|service| service.action(self.action)?.arguments());
        arguments.is_some_and(|arguments| arguments.iter().any(|one| one.name == argument))
    }

    /// `Name` is a crawler's name in `startCrawler`, and a job's in `createJob`.
    fn is_name(&self, part: &str) -> Option<&'static str> {
        let stem = part.strip_suffix("Name")?;
        capitalized(self.action).contains(stem).then_some("Name")
    }

    fn filled(&self, form: &str, parts: &[Part]) -> String {
        let mut parts = parts.iter();
        let mut filled = String::new();
        let form = self.place(form);
        let mut pieces = form.split('{');
        filled.push_str(pieces.next().unwrap_or_default());
        for piece in pieces {
            let rest = piece.split_once('}').map_or("", |(_, rest)| rest);
            match parts.next() {
                Some(Part::Known(text)) => filled.push_str(text),
                _ => filled.push('*'),
            }
            filled.push_str(rest);
        }
        filled
    }
}
