//! What a job's execution needs in its input.

use crate::expression::{Reference, Root};
use crate::pipeline::{Fragment, Id};
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};

/// Only what the job refers to, so that the payload limit goes as far as it can.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct InputNeeds {
    /// Params by name.
    pub params: BTreeSet<String>,
    /// Upstream jobs and what of their outputs.
    pub jobs: BTreeMap<String, Members>,
    /// Fields of `session`.
    pub session: BTreeSet<String>,
    /// Fields of `pipeline`.
    pub pipeline: BTreeSet<String>,
    /// A state reads the input as a whole: all params but secrets, and the whole output of each direct dependency, are
    /// there besides what is referred to.
    pub whole: bool,
    /// A state reads `$bunsui`, the host's own: where the execution may leave objects.
    pub places: bool,
    /// The variables that the first state assigns: those that an expression names.
    pub variables: Vec<&'static str>,
}

/// What of an object is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Members {
    /// These members only.
    Some(BTreeSet<String>),
    /// All of it.
    All,
}

impl Default for Members {
    fn default() -> Self {
        Self::Some(BTreeSet::new())
    }
}

impl Members {
    /// Adds a member; none means that the value as a whole is read.
    pub fn add(&mut self, member: Option<&str>) {
        match (member, &mut *self) {
            (Some(member), Self::Some(members)) => {
                members.insert(member.to_owned());
            }
            (None, _) => *self = Self::All,
            (Some(_), Self::All) => {}
        }
    }

    /// What of `value` is read. A value that is no object is given as it is: a path maps over a list.
    pub fn project(&self, value: &Json) -> Json {
        match (self, value) {
            (Self::Some(members), Json::Object(object)) => Json::Object(
                object
                    .iter()
                    .filter(|(key, _)| members.contains(*key))
                    .map(|(key, value)| (key.clone(), value.clone()))
                    .collect(),
            ),
            _ => value.clone(),
        }
    }
}

impl InputNeeds {
    /// From the references of a job (or of its condition) and the states of its operations.
    pub fn of<'a>(
        references: &[&Reference],
        fragments: impl Iterator<Item = &'a Fragment>,
        depends_on: &[Id],
    ) -> Self {
        let mut needs = Self::default();
        for reference in references {
            needs.add(reference);
        }
        let mut references_whole_input = false;
        for state in fragments.flat_map(|fragment| fragment.states.values()) {
            references_whole_input |= mentions(state, "$states.context.Execution.Input");
            needs.places |= mentions(state, "$bunsui");
        }
        needs.variables = needs.parts();
        if references_whole_input {
            needs.whole = true;
            for job in depends_on {
                needs.jobs.entry(job.to_string()).or_default().add(None);
            }
            needs.session.extend(["id", "started_at"].map(str::to_owned));
            needs.pipeline.extend(["name", "version"].map(str::to_owned));
        }
        needs
    }

    /// Adds what one reference reads. A root alone reads all of it.
    pub fn add(&mut self, reference: &Reference) {
        let field = |all: [&str; 2]| match reference.name() {
            Some(name) => vec![name.to_owned()],
            None => all.map(str::to_owned).to_vec(),
        };
        match reference.root {
            Root::Params => match reference.name() {
                Some(name) => _ = self.params.insert(name.to_owned()),
                None => self.whole = true,
            },
            Root::Jobs => {
                if let Some(name) = reference.name() {
                    self.jobs.entry(name.to_owned()).or_default().add(reference.member());
                }
            }
            Root::Session => self.session.extend(field(["id", "started_at"])),
            Root::Pipeline => self.pipeline.extend(field(["name", "version"])),
            Root::Operations => {}
        }
    }

    /// What the input holds.
    pub fn parts(&self) -> Vec<&'static str> {
        [
            ("params", !self.params.is_empty() || self.whole),
            ("jobs", !self.jobs.is_empty()),
            ("session", !self.session.is_empty()),
            ("pipeline", !self.pipeline.is_empty()),
            ("bunsui", self.places),
        ]
        .into_iter()
        .filter_map(|(name, is_needed)| is_needed.then_some(name))
        .collect()
    }
}

/// Whether an expression in a state holds a text.
fn mentions(value: &Json, wanted: &str) -> bool {
    match value {
        Json::String(text) => text.starts_with("{%") && text.contains(wanted),
        Json::Array(items) => items.iter().any(|item| mentions(item, wanted)),
        Json::Object(object) => object.values().any(|value| mentions(value, wanted)),
        _ => false,
    }
}
