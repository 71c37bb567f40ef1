//! What is known of services and their actions: services.txt, which services.py writes.
//!
//! Takes: names. Gives: facts about them.
//! Deliberately does not: read more of the file than is asked about: where each service begins is found once, at the first question.

use std::collections::HashMap;
use std::sync::{LazyLock, PoisonError, RwLock};

const TEXT: &str = include_str!("../services.txt");

/// A service, by the name that Step Functions has for it after `aws-sdk:`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Service {
    /// `cloudwatchlogs`
    pub(crate) name: &'static str,
    /// What IAM's actions of it begin with: `logs`.
    pub(crate) prefix: &'static str,
    /// Whether the guide's list of services had it.
    pub(crate) is_listed: bool,
    head: &'static str,
    block: &'static str,
}

/// An action of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Action {
    /// `putLogEvents`
    pub(crate) name: &'static str,
    /// Whether it is known what IAM calls it.
    pub(crate) is_known_to_iam: bool,
    /// The rest of its line; none where only the name is known.
    facts: Option<&'static str>,
    /// `=…` of an action of which no more is said.
    named: Option<&'static str>,
}

/// A type of resources that IAM looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ResourceType {
    /// `arn:{Partition}:glue:{Region}:{Account}:job/{JobName}`
    pub(crate) arn: &'static str,
    /// Whether the action always has one of it.
    pub(crate) is_required: bool,
}

/// An argument of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Argument {
    pub(crate) name: &'static str,
    pub(crate) is_required: bool,
    /// Whether it is a table, or a list of some, whose keys the API names.
    pub(crate) is_structure: bool,
}

/// The actions of a service, by name.
type Actions = HashMap<&'static str, Action>;

/// In the order of their names.
static SERVICES: LazyLock<Vec<Service>> = LazyLock::new(|| read_services().collect());

fn read_services() -> impl Iterator<Item = Service> {
    TEXT.split("\n= ").skip(1).filter_map(|text| {
        let (head, block) = text.split_once('\n')?;
        let mut words = head.split(' ');
        let (name, prefix) = (words.next()?, words.next()?);
        Some(Service { name, prefix, is_listed: words.next() != Some("?"), head, block })
    })
}

/// All of them, in the order of their names.
pub(crate) fn services() -> impl Iterator<Item = Service> {
    SERVICES.iter().copied()
}

/// The service of a name.
pub(crate) fn service(name: &str) -> Option<Service> {
    SERVICES.binary_search_by_key(&name, |service| service.name).ok().map(|at| SERVICES[at])
}

impl Service {
    /// Other names that people use for it: the command line's, the endpoint's, IAM's.
    pub(crate) fn aliases(self) -> impl Iterator<Item = &'static str> {
        self.head.split(' ').skip(1).filter(|word| *word != "?").map(|word| word.trim_start_matches('-'))
    }

    /// Its actions, in the order of their names.
    pub(crate) fn actions(self) -> impl Iterator<Item = Action> {
        self.block.lines().flat_map(|line| {
            let (bare, line) = match line.strip_prefix("~ ") {
                Some(bare) => (bare, ""),
                None => ("", if line.starts_with([':', '^', '-']) { "" } else { line }),
            };
            let whole = line.split_once(' ').map_or((line, ""), |(word, facts)| (word, facts));
            let described = (!line.is_empty()).then(|| Action::read(whole.0, Some(whole.1)));
            described
                .into_iter()
                .chain(bare.split(' ').filter(|word| !word.is_empty()).map(|word| Action::read(word, None)))
        })
    }

    /// The action of a name. A service's lines are read once, at the first question.
    pub(crate) fn action(self, name: &str) -> Option<Action> {
        static KNOWN: LazyLock<RwLock<HashMap<&'static str, Actions>>> = LazyLock::new(RwLock::default);
        if let Some(actions) = KNOWN.read().unwrap_or_else(PoisonError::into_inner).get(self.name) {
            return actions.get(name).copied();
        }
        let mut actions = Actions::new();
        for action in self.actions() {
            actions.entry(action.name).or_insert(action);
        }
        let found = actions.get(name).copied();
        KNOWN.write().unwrap_or_else(PoisonError::into_inner).insert(self.name, actions);
        found
    }

    /// Actions that the service has and Step Functions does not offer.
    pub(crate) fn refused(self) -> impl Iterator<Item = &'static str> {
        self.block.lines().filter_map(|line| line.strip_prefix("- ")).flat_map(|names| names.split(' '))
    }

    /// The types of resources that IAM looks at when it is asked for one of its actions (`GetObject`), as far as that is known.
    pub(crate) fn resource_types(self, iam_action: &str) -> Vec<ResourceType> {
        let of_iam = || {
            let mut lines = self.block.lines().filter_map(|line| line.strip_prefix("^ "));
            lines.find_map(|line| line.strip_prefix(iam_action)?.strip_prefix(' '))
        };
        let of_action = || {
            let same = |action: &Action| action.name.eq_ignore_ascii_case(iam_action);
            self.actions().find(|action| same(action) && action.is_known_to_iam)?.facts
        };
        let words = of_iam().or_else(of_action).unwrap_or_default().split(' ');
        let types = words.filter_map(|word| word.strip_prefix('@')).map(required);
        types
            .filter_map(|(name, is_required)| Some(ResourceType { arn: self.arn(name)?, is_required }))
            .collect()
    }

    fn arn(self, name: &str) -> Option<&'static str> {
        let mut lines = self.block.lines().filter_map(|line| line.strip_prefix(": "));
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
    }
}

impl Action {
    fn read(word: &'static str, facts: Option<&'static str>) -> Self {
        let (word, named) = match word.split_once('=') {
            Some((word, named)) => (word, Some(named)),
            None => (word, None),
        };
        let name = word.trim_end_matches('!');
        Self { name, is_known_to_iam: name.len() == word.len(), facts, named }
    }

    /// What IAM calls it, where that is not its own name: `GetObject` of `headObject`, or with a prefix of its own.
    pub(crate) fn iam_names(self) -> Vec<&'static str> {
        let words = self.facts.unwrap_or_default().split(' ');
        words.filter_map(|word| word.strip_prefix('=')).chain(self.named).collect()
    }

    /// Its arguments; none where they are not listed.
    pub(crate) fn arguments(self) -> Option<Vec<Argument>> {
        let words = self.facts?.split(' ').filter(|word| !word.is_empty() && !word.starts_with(['=', '@']));
        Some(words.map(Argument::read).collect())
    }
}

impl Argument {
    fn read(word: &'static str) -> Self {
        let (name, is_required) = required(word);
        let bare = name.trim_end_matches('{');
        Self { name: bare, is_required, is_structure: bare.len() < name.len() }
    }
}

/// `JobName*` is needed.
fn required(word: &'static str) -> (&'static str, bool) {
    match word.strip_suffix('*') {
        Some(name) => (name, true),
        None => (word, false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capitalized(name: &str) -> bool {
        name.starts_with(char::is_uppercase)
    }

    #[test]
    fn a_service_is_found_by_its_name_alone() {
        let logs = service("cloudwatchlogs").unwrap();
        assert_eq!((logs.prefix, logs.is_listed), ("logs", true));
        assert!(logs.aliases().any(|alias| alias == "logs"));
        assert_eq!(service("logs"), None);
        assert_eq!(service("s3").map(|s3| s3.name), Some("s3"));
        assert!(services().any(|service| !service.is_listed));
        assert!(services().count() > 400);
        assert!(services().is_sorted_by_key(|service| service.name));
    }

    #[test]
    fn every_line_is_of_a_form_that_is_read() {
        for service in services() {
            assert!(service.block.lines().all(|line| !line.is_empty()), "{}", service.name);
            let names: Vec<_> = service.actions().map(|action| action.name).collect();
            assert!(!names.is_empty(), "{}", service.name);
            for name in names.iter().copied().chain(service.refused()) {
                let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
                assert!(is_name && name.starts_with(char::is_lowercase), "{}:{name}", service.name);
            }
            let arguments = service.actions().filter_map(Action::arguments).flatten();
            for argument in arguments {
                let is_name = argument.name.bytes().all(|byte| byte.is_ascii_alphanumeric());
                assert!(is_name && capitalized(argument.name), "{}: {}", service.name, argument.name);
            }
            for line in service.block.lines().filter(|line| line.starts_with(": ")) {
                assert!(line.contains(" arn:"), "{line}");
            }
        }
    }

    #[test]
    fn an_action_says_its_arguments_and_what_iam_looks_at() {
        let glue = service("glue").unwrap();
        let action = glue.action("startJobRun").unwrap();
        let arguments = action.arguments().unwrap();
        let needed: Vec<_> = arguments.iter().filter(|one| one.is_required).map(|one| one.name).collect();
        assert_eq!(needed, ["JobName"]);
        assert!(arguments.iter().any(|one| one.name == "WorkerType"));
        assert_eq!(
            glue.resource_types("StartJobRun"),
            [ResourceType {
                arn: "arn:{Partition}:glue:{Region}:{Account}:job/{JobName}",
                is_required: true
            }]
        );
        let rds = service("rds").unwrap().action("stopDBCluster").unwrap().arguments().unwrap();
        assert_eq!(rds, [Argument { name: "DbClusterIdentifier", is_required: true, is_structure: false }]);
    }

    #[test]
    fn iam_may_have_another_name_for_an_action() {
        let names =
            |service: &str, action| super::service(service).unwrap().action(action).unwrap().iam_names();
        assert_eq!(names("s3", "headObject"), ["GetObject"]);
        assert_eq!(names("s3", "getObject"), Vec::<&str>::new());
        assert_eq!(names("dynamodb", "executeStatement").len(), 4);
        assert_eq!(names("apigateway", "getRestApis"), ["GET"]);
        assert!(!service("s3").unwrap().resource_types("ListBucket").is_empty());
    }

    #[test]
    fn what_streams_is_not_offered() {
        let s3 = service("s3").unwrap();
        assert!(s3.refused().any(|name| name == "selectObjectContent"));
        assert_eq!(s3.action("selectObjectContent"), None);
        assert!(service("sts").unwrap().refused().any(|name| name == "assumeRole"));
    }
}
