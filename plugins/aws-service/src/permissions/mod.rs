//! The IAM statements that the state needs.
//!
//! Takes: the keys, and where the pipeline is deployed to. Gives: what is derived of action and arguments, and what the keys state.
//! What waiting for jobs takes is as "How Step Functions generates IAM policies for integrated services" of the Step Functions developer
//! guide has it; resources are those that the service authorization reference names for an action, filled in with the arguments.
//! Deliberately does not: grant what a started job itself needs, as the data that a query reads: that is said in `permissions`.

pub(crate) mod jobs;
mod others;
mod resources;
mod special;

use crate::integration::Integration;
use crate::optimised::{Pattern, Takes};
use crate::table::{self, Service};
use bunsui_plugin_sdk::{PermissionsRequest, Statement};
use resources::Resources;
use serde_json::{Map, Value as Json};

pub(crate) fn permissions(request: &PermissionsRequest) -> Vec<Statement> {
    let stated = stated(request);
    let mut statements = derived(request);
    for statement in &mut statements {
        statement.actions.retain(|action| !stated.iter().any(|stated| covers(stated, action)));
    }
    statements.retain(|statement| !statement.actions.is_empty());
    statements.extend(stated);
    statements
}

fn derived(request: &PermissionsRequest) -> Vec<Statement> {
    let Some(integration) = Integration::of(&request.keys) else { return Vec::new() };
    let context = Context::new(request, integration);
    if let Some(role) = request.keys.get("role") {
        // What is called is called by that role, which has to be allowed it.
        let role = others::role_arn(role, &context);
        return vec![allow(&["sts:AssumeRole"], &[&role])];
    }
    let mut needed = Needed::default();
    for action in context.iam_actions() {
        needed.add(&action, context.resources.of(&action));
    }
    if Pattern::of(&request.keys) == Pattern::Job {
        jobs::add(&context, &mut needed);
    }
    others::add(&context, &mut needed);
    needed.statements
}

/// An operation that is asked about.
struct Context<'a> {
    request: &'a PermissionsRequest,
    integration: Integration<'a>,
    /// None where they are a reference as a whole.
    arguments: Option<&'a Map<String, Json>>,
    resources: Resources<'a>,
}

impl<'a> Context<'a> {
    fn new(request: &'a PermissionsRequest, integration: Integration<'a>) -> Self {
        let arguments = request.keys.get("arguments").and_then(Json::as_object);
        // Without the key there are none; as a whole reference they may be any.
        let is_open = request.keys.get("arguments").is_some_and(|arguments| !arguments.is_object());
        let service = table::service(integration.sdk_service());
        let resources = Resources { request, service, action: integration.action, arguments, is_open };
        Self { request, integration, arguments, resources }
    }

    fn service(&self) -> Option<Service> {
        self.resources.service
    }

    /// What IAM is asked for when the action is called: `glue:StartJobRun`.
    fn iam_actions(&self) -> Vec<String> {
        if let Some(Takes::Own(_, _, action)) = self.integration.optimised.map(|one| one.takes) {
            let is_asked = !action.is_empty() && !others::has_statement_of_its_own(action);
            return Vec::from_iter(is_asked.then(|| action.to_owned()));
        }
        let Some((service, action)) = self.integration.facts() else {
            // Newer than the table.
            let prefix = self.service().map_or(self.integration.service, |service| service.prefix);
            return vec![format!("{prefix}:{}", capitalized(self.integration.action))];
        };
        let named = action.iam_names();
        if named.is_empty() {
            return vec![format!("{}:{}", service.prefix, capitalized(action.name))];
        }
        let with_prefix = |name: &str| match name.contains(':') {
            true => name.to_owned(),
            false => format!("{}:{name}", service.prefix),
        };
        named.into_iter().map(with_prefix).collect()
    }

    fn argument(&self, name: &str) -> Option<&'a Json> {
        self.arguments?.get(name)
    }

    /// `arn:aws:events:eu-west-1:123456789012:rule/…`
    fn arn(&self, service: &str, resource: &str) -> String {
        let PermissionsRequest { partition, region, account, .. } = self.request;
        format!("arn:{partition}:{service}:{region}:{account}:{resource}")
    }
}

/// Statements, with one for all actions on the same resources.
#[derive(Default)]
struct Needed {
    statements: Vec<Statement>,
}

impl Needed {
    fn add(&mut self, action: &str, resources: Vec<String>) {
        let same =
            |statement: &&mut Statement| statement.resources == resources && statement.condition.is_none();
        match self.statements.iter_mut().find(same) {
            Some(statement) if statement.actions.iter().any(|known| known == action) => {}
            Some(statement) => statement.actions.push(action.to_owned()),
            None => self.statements.push(Statement {
                actions: vec![action.to_owned()],
                resources,
                condition: None,
            }),
        }
    }

    fn add_all(&mut self, actions: &[&str], resources: &[&str]) {
        for action in actions {
            self.add(action, resources.iter().map(|resource| (*resource).to_owned()).collect());
        }
    }
}

fn allow(actions: &[&str], resources: &[&str]) -> Statement {
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    Statement { actions: owned(actions), resources: owned(resources), condition: None }
}

/// What the keys state.
fn stated(request: &PermissionsRequest) -> Vec<Statement> {
    let PermissionsRequest { partition, region, account, .. } = request;
    let texts = |value: &Json, key: &str| -> Vec<String> {
        let list = value.get(key).and_then(Json::as_array).into_iter().flatten();
        list.filter_map(Json::as_str).map(ToOwned::to_owned).collect()
    };
    let filled = |text: String| {
        text.replace("{partition}", partition).replace("{region}", region).replace("{account}", account)
    };
    let list = request.keys.get("permissions").and_then(Json::as_array).into_iter().flatten();
    list.map(|one| Statement {
        actions: texts(one, "actions"),
        resources: texts(one, "resources").into_iter().map(filled).collect(),
        condition: None,
    })
    .collect()
}

/// Whether a statement is about an action; IAM's names are alike whatever their case.
fn covers(statement: &Statement, action: &str) -> bool {
    let action = action.to_ascii_lowercase();
    statement.actions.iter().any(|pattern| matches(&pattern.to_ascii_lowercase(), &action))
}

/// `*` is any text, `?` any letter.
fn matches(pattern: &str, text: &str) -> bool {
    let mut letters = pattern.chars();
    match letters.next() {
        None => text.is_empty(),
        Some('*') => {
            let rest = letters.as_str();
            let mut ends = text.char_indices().map(|(at, _)| at).chain([text.len()]);
            ends.any(|at| matches(rest, &text[at..]))
        }
        Some(letter) => {
            let mut of_text = text.chars();
            of_text.next().is_some_and(|found| letter == '?' || letter == found)
                && matches(letters.as_str(), of_text.as_str())
        }
    }
}

/// `startJobRun` is `StartJobRun`.
fn capitalized(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
