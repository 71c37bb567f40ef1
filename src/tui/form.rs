//! What is typed: a line of text, and the form of a pipeline's parameters.

use super::source::Command;
use crate::pipeline::{Param, Pipeline};
use crate::report::text::printable;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// A line that is typed; the cursor is at its end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) text: String,
}

impl Line {
    /// Whether the key changed it.
    pub(super) fn key(&mut self, event: KeyEvent) -> bool {
        let is_control = event.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT);
        match event.code {
            KeyCode::Char('u') if is_control => self.text.clear(),
            KeyCode::Char('w') if is_control => {
                let kept = self.text.trim_end().rfind(' ').map_or(0, |at| at + 1);
                self.text.truncate(kept);
            }
            KeyCode::Char(c) if !is_control => self.text.push(c),
            KeyCode::Backspace => {
                self.text.pop();
            }
            _ => return false,
        }
        true
    }
}

/// A parameter that is asked for.
#[derive(Debug, Clone)]
pub(super) struct Field {
    pub(super) name: String,
    /// Its type, and whether it must be given.
    pub(super) about: String,
    pub(super) description: Option<String>,
    pub(super) is_secret: bool,
    pub(super) line: Line,
    /// Nothing was typed: the default stands, if there is one.
    pub(super) default: Option<String>,
    param: Option<Param>,
}

impl Field {
    fn of(param: &Param) -> Self {
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
        Self {
            name: param.name.to_string(),
            about,
            description: param.description.as_deref().map(|text| printable(text).into_owned()),
            is_secret: param.secret,
            line: Line::default(),
            default,
            param: Some(param.clone()),
        }
    }

    /// A secret of a session that goes on; its text is checked by the command.
    pub(super) fn secret(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            about: "secret, required".into(),
            description: None,
            is_secret: true,
            line: Line::default(),
            default: None,
            param: None,
        }
    }

    /// Why what is typed is not taken, as `bunsui run` says it.
    pub(super) fn refusal(&self) -> Option<String> {
        if self.line.text.is_empty() {
            let is_needed = self.param.as_ref().is_none_or(|param| param.required);
            return is_needed.then(|| "it has to be given".to_owned());
        }
        self.param.as_ref()?.parse_text(&self.line.text).err().map(|refused| refused.to_string())
    }

    /// The variable that gives it, which is no argument that others could see.
    fn variable(&self) -> String {
        format!("BUNSUI_PARAM_{}", self.name.to_uppercase().replace('-', "_"))
    }
}

/// Parameters that are asked for before a command is started.
#[derive(Debug, Clone)]
pub(super) struct Form {
    pub(super) title: String,
    /// What will happen.
    pub(super) lines: Vec<String>,
    pub(super) fields: Vec<Field>,
    pub(super) at: usize,
    pub(super) command: Command,
}

impl Form {
    /// That starts a pipeline.
    pub(super) fn start(pipeline: &Pipeline, file: &str) -> Self {
        let jobs = pipeline.jobs.len();
        Self {
            title: format!("start {}", pipeline.name),
            lines: vec![format!(
                "a new session of {file}: {jobs} job{}, driven in the background",
                if jobs == 1 { "" } else { "s" }
            )],
            fields: pipeline.params.values().map(Field::of).collect(),
            at: 0,
            command: Command::new(["run", file, "--detach"]),
        }
    }

    pub(super) fn step(&mut self, by: isize) {
        let len = self.fields.len().max(1);
        self.at = (self.at as isize + by).rem_euclid(len as isize) as usize;
    }

    /// The command with the values; none where one of them is refused.
    pub(super) fn command(&self) -> Option<Command> {
        if self.fields.iter().any(|field| field.refusal().is_some()) {
            return None;
        }
        let mut command = self.command.clone();
        let given = self.fields.iter().filter(|field| !field.line.text.is_empty());
        command.environment.extend(given.map(|field| (field.variable(), field.line.text.clone())));
        Some(command)
    }
}
