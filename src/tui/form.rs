//! The form of a pipeline's parameters, and of what else a start can be told.
//!
//! Deliberately does not: decide; what is typed is checked as the command checks it, and the command has the last word.

use super::line::Line;
use super::source::Command;
use super::state::Question;
use crate::pipeline::{Param, Pipeline};
use crate::plan::{Selection, Slice, parameter_variable};
use crate::report::text::printable;
use ratatui::crossterm::event::{KeyCode, KeyEvent};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Something that is asked for.
#[derive(Debug, Clone)]
pub(super) struct Field {
    pub(super) name: String,
    /// Its type, and whether it must be given.
    pub(super) about: String,
    pub(super) description: Option<String>,
    pub(super) line: Line,
    /// Where nothing is typed this stands, if there is anything.
    pub(super) default: Option<Standing>,
    pub(super) kind: FieldKind,
}

/// A value that is taken where nothing is typed.
#[derive(Debug, Clone)]
pub(super) struct Standing {
    pub(super) text: String,
    /// The variable that gives it; none: the file.
    pub(super) variable: Option<String>,
}

/// What is asked for.
#[derive(Debug, Clone)]
pub(super) enum FieldKind {
    Param(Box<Param>),
    /// Of a session that goes on; its text is checked by the command.
    Secret,
    /// `KEY=VALUE`, with spaces between.
    Labels,
    /// Jobs of the pipeline, with spaces between.
    Only(Arc<Pipeline>),
    /// A session whose outputs are taken.
    OutputsOf,
    /// An argument, or none.
    Switch {
        argument: &'static str,
        is_on: bool,
    },
}

impl Field {
    /// `given`: what a variable gives for it.
    fn of(param: &Param, given: Option<&String>) -> Self {
        let mut about = param.kind.name().to_owned();
        if param.secret {
            about.push_str(", secret");
        }
        if param.required {
            about.push_str(", required");
        }
        let default = param.default.as_ref().map(|value| match value {
            serde_json::Value::String(text) => text.clone(),
            other => other.to_string(),
        });
        let default = default.map(|text| Standing { text, variable: None });
        let given = given.map(|text| Standing {
            text: text.clone(),
            variable: Some(parameter_variable(param.name.as_str())),
        });
        let default = given.or(default);
        let description = param.description.as_deref().map(|text| printable(text).into_owned());
        let kind = FieldKind::Param(Box::new(param.clone()));
        Self { description, default, ..Self::new(param.name.as_str(), &about, kind) }
    }

    /// A secret of a session that goes on.
    pub(super) fn secret(name: &str) -> Self {
        Self::new(name, "secret, required", FieldKind::Secret)
    }

    fn new(name: &str, about: &str, kind: FieldKind) -> Self {
        let line = Line::default();
        Self { name: name.to_owned(), about: about.to_owned(), description: None, line, default: None, kind }
    }

    pub(super) fn is_secret(&self) -> bool {
        match &self.kind {
            FieldKind::Param(param) => param.secret,
            FieldKind::Secret => true,
            _ => false,
        }
    }

    /// Whether it is a value, and not how the session is started.
    pub(super) fn is_parameter(&self) -> bool {
        matches!(self.kind, FieldKind::Param(_) | FieldKind::Secret)
    }

    fn key(&mut self, event: KeyEvent) {
        match &mut self.kind {
            FieldKind::Switch { is_on, .. } => *is_on ^= event.code == KeyCode::Char(' '),
            _ => self.line.key(event),
        }
    }

    /// Why what is typed is not taken, as `bunsui run` says it.
    pub(super) fn refusal(&self) -> Option<String> {
        let text = self.line.text();
        match &self.kind {
            FieldKind::Secret if text.is_empty() => Some("it has to be given".to_owned()),
            FieldKind::Param(param) if text.is_empty() => match &self.default {
                Some(Standing { text, variable: Some(variable) }) => {
                    let refused = param.parse_text(text).err()?;
                    Some(format!("{variable}: {refused}"))
                }
                _ => param.required.then(|| "it has to be given".to_owned()),
            },
            FieldKind::Param(param) => param.parse_text(text).err().map(|refused| refused.to_string()),
            FieldKind::Labels => {
                let is_label = |word: &str| word.find('=').is_some_and(|at| at > 0);
                let refused = text.split_whitespace().find(|word| !is_label(word))?;
                Some(format!("`{refused}` is no `KEY=VALUE`"))
            }
            FieldKind::Only(pipeline) => {
                let only = words(text);
                Selection::of(pipeline, Slice { only: &only, ..Slice::default() }).err().map(|refused| {
                    let help = miette::Diagnostic::help(&refused).map(|help| format!("; {help}"));
                    format!("{refused}{}", help.unwrap_or_default())
                })
            }
            FieldKind::Secret | FieldKind::OutputsOf | FieldKind::Switch { .. } => None,
        }
    }

    /// What of the command line it is.
    fn arguments(&self) -> Vec<String> {
        let text = self.line.text();
        match &self.kind {
            FieldKind::Param(_) | FieldKind::Secret => Vec::new(),
            FieldKind::Labels => text.split_whitespace().map(|label| format!("--label={label}")).collect(),
            FieldKind::Only(_) => words(text).iter().map(|job| format!("--only={job}")).collect(),
            FieldKind::OutputsOf => words(text).iter().map(|id| format!("--outputs-of={id}")).collect(),
            FieldKind::Switch { argument, is_on } => {
                is_on.then(|| (*argument).to_owned()).into_iter().collect()
            }
        }
    }
}

fn words(text: &str) -> Vec<String> {
    let words = text.split(|c: char| c.is_whitespace() || c == ',');
    words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// What is asked for before a command is started.
#[derive(Debug, Clone)]
pub(super) struct Form {
    pub(super) title: String,
    /// What will happen.
    pub(super) lines: Vec<String>,
    pub(super) fields: Vec<Field>,
    pub(super) at: usize,
    pub(super) goal: Goal,
}

/// What a form is filled in for.
#[derive(Debug, Clone)]
pub(super) enum Goal {
    /// This is started.
    Do(Command),
    /// It is asked first what would be done.
    Ask(Question),
}

impl Form {
    /// That starts a pipeline. `given`: what variables give for its parameters.
    pub(super) fn start(
        pipeline: &Arc<Pipeline>,
        file: &str,
        given: &BTreeMap<String, String>,
        is_remote: bool,
    ) -> Self {
        let jobs = pipeline.jobs.len();
        let switch =
            |name, about, argument| Field::new(name, about, FieldKind::Switch { argument, is_on: false });
        let of = |param: &Param| Field::of(param, given.get(param.name.as_str()));
        let mut fields: Vec<Field> = pipeline.params.values().map(of).collect();
        fields.push(Field::new("labels", "KEY=VALUE, to find it by", FieldKind::Labels));
        fields.push(Field::new("only", "these jobs; empty: all", FieldKind::Only(pipeline.clone())));
        fields.push(Field::new("outputs of", "a session, for jobs that do not run", FieldKind::OutputsOf));
        fields.push(switch("fail fast", "start nothing new after a failure", "--fail-fast"));
        if is_remote {
            let about = "deploy the file first, if it is not what is deployed";
            fields.push(switch("deploy", about, "--deploy"));
        }
        Self {
            title: format!("start {}", pipeline.name),
            lines: vec![format!(
                "a new session of {file}: {jobs} job{}, driven in the background",
                if jobs == 1 { "" } else { "s" }
            )],
            fields,
            at: 0,
            goal: Goal::Do(Command::new(["run", file, "--detach"])),
        }
    }

    /// That asks again for secrets, which are stored nowhere.
    pub(super) fn secrets(title: String, names: &[String], goal: Goal) -> Self {
        Self {
            title,
            lines: vec!["Its secrets are stored nowhere, and have to be given again.".into()],
            fields: names.iter().map(|name| Field::secret(name)).collect(),
            at: 0,
            goal,
        }
    }

    pub(super) fn step(&mut self, by: isize) {
        let len = self.fields.len().max(1);
        self.at = (self.at as isize + by).rem_euclid(len as isize) as usize;
    }

    /// Whether a parameter comes after this field.
    pub(super) fn has_next(&self) -> bool {
        self.fields.get(self.at + 1).is_some_and(Field::is_parameter)
    }

    pub(super) fn key(&mut self, event: KeyEvent) {
        if let Some(field) = self.fields.get_mut(self.at) {
            field.key(event);
        }
    }

    pub(super) fn paste(&mut self, text: &str) {
        let field = self.fields.get_mut(self.at);
        if let Some(field) = field.filter(|field| !matches!(field.kind, FieldKind::Switch { .. })) {
            field.line.paste(text);
        }
    }

    /// Arguments as they are given now, for a command.
    pub(super) fn arguments(&self) -> Vec<String> {
        self.fields.iter().flat_map(Field::arguments).collect()
    }

    /// Values for a command's environment, where no other user can see them; none where something is refused.
    pub(super) fn environment(&self) -> Option<BTreeMap<String, String>> {
        if self.fields.iter().any(|field| field.refusal().is_some()) {
            return None;
        }
        let given = self.fields.iter().filter(|field| field.is_parameter() && !field.line.is_empty());
        Some(given.map(|field| (parameter_variable(&field.name), field.line.text().to_owned())).collect())
    }
}
