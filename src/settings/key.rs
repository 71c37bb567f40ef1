//! The keys that settings have: one table, from which files, variables and `config show` are read.

use crate::diagnostic::nearest;

/// A setting.
#[derive(Debug)]
pub(super) struct Key {
    /// `[section]`, `[section.inner]`; empty for a key above all sections.
    pub(super) section: &'static str,
    /// Its name in the section.
    pub(super) name: &'static str,
    /// What it takes.
    pub(super) kind: Kind,
    /// One line for people.
    pub(super) about: &'static str,
}

/// What a setting takes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// Text that passes a check; the error says what is wanted.
    Text(fn(&str) -> Result<(), &'static str>),
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A path.
    Path,
    /// A list of paths; in a variable, separated as in `PATH`.
    Paths,
    /// A list of texts; in a variable, separated by commas.
    Texts(fn(&str) -> Result<(), &'static str>),
    /// `true`, `false`, or text that passes a check.
    Switch(fn(&str) -> Result<(), &'static str>),
}

/// All of them, in the order in which they are shown.
pub(super) const KEYS: &[Key] = &[
    key("", "backend", Kind::Choice(&["local", "aws"]), "where sessions run"),
    key("local", "state", Kind::Path, "folder of sessions, logs and outputs of local runs"),
    key("aws", "region", Kind::Text(check_region), "where everything is; without it the SDK decides"),
    key("aws", "account", Kind::Text(check_account), "twelve digits; nothing is written to another account"),
    key("aws", "bucket", Kind::Text(check_bucket), "outputs, reports and deployments"),
    key(
        "aws",
        "prefix",
        Kind::Text(check_prefix),
        "names of tables, state machines and stacks begin with it",
    ),
    key(
        "aws",
        "events",
        Kind::Switch(check_queue),
        "whether events tell of ends: `true`, or the queue that has them, by name or URL",
    ),
    key("aws", "endpoint_url", Kind::Text(check_url), "another address for all services"),
    key(
        "aws",
        "execution_role",
        Kind::Text(check_role),
        "ARN of the role that state machines take on; without it `deploy` makes one for each pipeline",
    ),
    key("aws", "assume_role", Kind::Text(check_role), "ARN of a role to take on"),
    key(
        "aws",
        "patience",
        Kind::Text(check_duration),
        "how long a running session waits for AWS, or for its credentials",
    ),
    key("aws", "retention", Kind::Text(check_retention), "sessions are deleted so long after they began"),
    endpoint_url("cloudformation"),
    endpoint_url("dynamodb"),
    endpoint_url("ec2"),
    endpoint_url("ecs"),
    endpoint_url("lambda"),
    endpoint_url("logs"),
    endpoint_url("s3"),
    endpoint_url("sfn"),
    endpoint_url("sqs"),
    endpoint_url("sts"),
    quota("CreateStateMachine"),
    quota("DeleteStateMachine"),
    quota("DeleteStateMachineVersion"),
    quota("DescribeExecution"),
    quota("DescribeStateMachine"),
    quota("GetExecutionHistory"),
    quota("ListTagsForResource"),
    quota("ListStateMachines"),
    quota("RedriveExecution"),
    quota("StartExecution"),
    quota("StopExecution"),
    quota("TagResource"),
    quota("TestState"),
    quota("UpdateStateMachine"),
    key("plugins", "memory", Kind::Text(check_memory), "memory of a plugin's host process, at most"),
    key("plugins", "paths", Kind::Paths, "folders with plugins"),
    key("logs", "collect", Kind::Choice(&["failed", "all", "none"]), "on AWS: whose lines are copied"),
    key("validate", "allow", Kind::Texts(check_code), "codes of warnings that are not reported"),
    key(
        "validate",
        "deny",
        Kind::Texts(check_code),
        "codes of warnings that count as errors, for `validate`",
    ),
];

const fn key(section: &'static str, name: &'static str, kind: Kind, about: &'static str) -> Key {
    Key { section, name, kind, about }
}

const fn endpoint_url(service: &'static str) -> Key {
    key("aws.endpoint_urls", service, Kind::Text(check_url), "another address for this service")
}

const fn quota(api: &'static str) -> Key {
    key("aws.quotas", api, Kind::Text(check_quota), "calls at once / calls more each second")
}

impl Key {
    /// `local.state`
    pub(super) fn path(&self) -> String {
        if self.section.is_empty() { self.name.to_owned() } else { format!("{}.{}", self.section, self.name) }
    }

    /// `BUNSUI_LOCAL__STATE`
    pub(super) fn variable(&self) -> String {
        let path = self.path().replace('.', "__");
        format!("BUNSUI_{}", path.to_uppercase())
    }
}

/// The key of that name in that section.
pub(super) fn find(section: &str, name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.section == section && key.name == name)
}

/// The names of a section's keys.
pub(super) fn names(section: &str) -> Vec<&'static str> {
    KEYS.iter().filter(|key| key.section == section).map(|key| key.name).collect()
}

/// The sections within a section, or above all; by their own names, once each.
pub(super) fn sections(within: &str) -> Vec<&'static str> {
    let inner = |section: &'static str| match within {
        "" => section.split('.').next(),
        _ => section.strip_prefix(within)?.strip_prefix('.'),
    };
    let mut sections: Vec<_> = KEYS.iter().filter_map(|key| inner(key.section)).collect();
    sections.retain(|section| !section.is_empty());
    sections.dedup();
    sections
}

/// `` did you mean `state`? `` or, where nothing is near, what there is.
pub(super) fn suggest(name: &str, known: &[&str]) -> String {
    match nearest(name, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if known.is_empty() => "there is none".to_owned(),
        None => format!("known here: {}", quoted_list(known)),
    }
}

/// The nearest of a setting's words, and all of them.
pub(super) fn suggest_word(text: &str, words: &[&str]) -> String {
    let all = format!("it is one of {}", quoted_list(words));
    match nearest(text, words.iter().copied()) {
        Some(near) => format!("did you mean `{near}`? {}", all.replacen("it", "It", 1)),
        None => all,
    }
}

/// `` `a`, `b`, `c` ``
pub(super) fn quoted_list(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn claim(holds: bool, wanted: &'static str) -> Result<(), &'static str> {
    if holds { Ok(()) } else { Err(wanted) }
}

fn check_region(text: &str) -> Result<(), &'static str> {
    let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    claim(text.contains('-') && text.chars().all(is_word), "a region such as `ap-northeast-1`")
}

fn check_account(text: &str) -> Result<(), &'static str> {
    claim(text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit()), "the twelve digits of an account")
}

fn check_bucket(text: &str) -> Result<(), &'static str> {
    let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    let has_length = (3..=63).contains(&text.len());
    claim(
        has_length && text.chars().all(is_word),
        "a bucket's name: 3 to 63 lower-case letters, digits, `-`, `.`",
    )
}

fn check_prefix(text: &str) -> Result<(), &'static str> {
    // As `Prefix` of the templates: it begins the names of stacks too, which have no `_`.
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let is_shaped = text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.ends_with('-');
    claim(
        text.len() <= 32 && is_shaped && text.chars().all(is_word),
        "at most 32 letters, digits and `-`, a letter first and a `-` last, such as `bunsui-`",
    )
}

fn check_url(text: &str) -> Result<(), &'static str> {
    let host = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    claim(host.is_some_and(|host| !host.is_empty()), "an address that starts with `http://` or `https://`")
}

fn check_queue(text: &str) -> Result<(), &'static str> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let is_name = (1..=80).contains(&text.len()) && text.chars().all(is_word);
    claim(is_name || check_url(text).is_ok(), "`true`, `false`, or the name or the URL of a queue of SQS")
}

fn check_quota(text: &str) -> Result<(), &'static str> {
    claim(
        crate::settings::Quota::parse(text).is_some(),
        "a bucket's size and its refill per second, such as `800/150`",
    )
}

fn check_role(text: &str) -> Result<(), &'static str> {
    claim(text.starts_with("arn:") && text.contains(":role/"), "the ARN of a role")
}

fn check_duration(text: &str) -> Result<(), &'static str> {
    claim(is_number_of(text, &['s', 'm', 'h', 'd']), "a number and a unit, such as `90s`, `15m` or `1h`")
}

fn check_retention(text: &str) -> Result<(), &'static str> {
    claim(is_number_of(text, &['d']), "days, such as `400d`")
}

fn check_memory(text: &str) -> Result<(), &'static str> {
    claim(is_number_of(text, &['M', 'G']), "megabytes or gigabytes, such as `512M` or `2G`")
}

fn is_number_of(text: &str, units: &[char]) -> bool {
    let number = text.strip_suffix(units).and_then(|number| number.parse::<u32>().ok());
    number.is_some_and(|number| number > 0)
}

fn check_code(text: &str) -> Result<(), &'static str> {
    claim(
        crate::diagnostic::page(text).is_some(),
        "a code that `bunsui explain` lists, such as `bunsui::reference::not_evaluated`",
    )
}
