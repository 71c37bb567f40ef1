//! A settings file to settings, or every finding about it.

use super::key::{self, Key, Kind, suggest, suggest_word};
use super::value::{Setting, absolute};
use crate::diagnostic::{Diagnostic, Sink, Source};
use crate::document::{self, Entry, Table, Value, ValueKind};
use std::path::Path;
use std::sync::Arc;

/// Which of the two files it is: only a project's may have `[env.NAME]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    User,
    Project,
}

/// What a file says.
#[derive(Debug, Default)]
pub(super) struct FileSettings {
    /// For every environment.
    pub(super) base: Vec<Setting>,
    /// `[env.NAME]`, in the order of the file.
    pub(super) environments: Vec<(String, Vec<Setting>)>,
}

/// A file that was read, with what is wrong with it.
#[derive(Debug)]
pub(super) struct FileFindings {
    pub(super) source: Arc<Source>,
    pub(super) diagnostics: Vec<Diagnostic>,
}

/// Reads a file's bytes. `name` is how the file is shown; relative paths in it start from `directory`.
pub(super) fn read(
    name: &str,
    bytes: Vec<u8>,
    directory: &Path,
    owner: Owner,
) -> Result<FileSettings, FileFindings> {
    let mut sink = Sink::new();
    let (source, document) = document::read(name, bytes, &mut sink);
    let settings = document.map(|document| {
        let mut reader = Reader { source: &source, directory, owner, sink: &mut sink };
        reader.root(&document.root)
    });
    match settings {
        Some(settings) if !sink.has_errors() => Ok(settings),
        _ => Err(FileFindings { source, diagnostics: sink.into_sorted() }),
    }
}

/// What is wrong with a project's settings file, for who needs no settings of it.
pub fn check(name: &str, bytes: Vec<u8>, directory: &Path) -> (Arc<Source>, Vec<Diagnostic>) {
    match read(name, bytes, directory, Owner::Project) {
        Ok(_) => (Source::new(name, String::new()), Vec::new()),
        Err(FileFindings { source, diagnostics }) => (source, diagnostics),
    }
}

struct Reader<'a> {
    source: &'a Arc<Source>,
    directory: &'a Path,
    owner: Owner,
    sink: &'a mut Sink,
}

impl Reader<'_> {
    fn root(&mut self, root: &Table) -> FileSettings {
        let mut settings = FileSettings::default();
        for (name, entry) in &root.entries {
            match (name.as_str(), self.owner) {
                ("env", Owner::Project) => settings.environments = self.environments(entry),
                ("env", Owner::User) => self.sink.report(
                    Diagnostic::error(
                        "bunsui::settings::unknown_key",
                        "`env` is for a project's bunsui.toml",
                    )
                    .label(entry.key_span, "not read here")
                    .help("move the section to the bunsui.toml of the project it is about"),
                ),
                _ => self.entry("", name, entry, "", &["env"], &mut settings.base),
            }
        }
        settings
    }

    fn environments(&mut self, entry: &Entry) -> Vec<(String, Vec<Setting>)> {
        let Some(table) = self.table("env", &entry.value) else { return Vec::new() };
        let mut environments = Vec::new();
        for (name, entry) in &table.entries {
            let Some(section) = self.table(&format!("env.{name}"), &entry.value) else { continue };
            let mut settings = Vec::new();
            for (key, entry) in &section.entries {
                self.entry("", key, entry, &format!("[env.{name}] "), &[], &mut settings);
            }
            environments.push((name.clone(), settings));
        }
        environments
    }

    /// A key of a section, or a section in it; `section` is empty above all of them. `prefix` is put before the file's name in
    /// each layer.
    fn entry(
        &mut self,
        section: &str,
        name: &str,
        entry: &Entry,
        prefix: &str,
        also: &[&str],
        into: &mut Vec<Setting>,
    ) {
        let path = if section.is_empty() { name.to_owned() } else { format!("{section}.{name}") };
        let sections = key::sections(section);
        if let Some(key) = key::find(section, name) {
            self.setting(key, entry, prefix, into);
        } else if sections.contains(&name) {
            let Some(table) = self.table(&path, &entry.value) else { return };
            for (inner, entry) in &table.entries {
                self.entry(&path, inner, entry, prefix, &[], into);
            }
        } else {
            let known = [key::names(section).as_slice(), sections.as_slice(), also].concat();
            self.unknown(&path, name, entry, &known);
        }
    }

    fn unknown(&mut self, path: &str, name: &str, entry: &Entry, known: &[&str]) {
        let message = format!("unknown setting `{path}`");
        self.sink.report(
            Diagnostic::error("bunsui::settings::unknown_key", message)
                .label(entry.key_span, "not known here")
                .help(suggest(name, known)),
        );
    }

    fn table<'v>(&mut self, path: &str, value: &'v Value) -> Option<&'v Table> {
        match &value.kind {
            ValueKind::Table(table) => Some(table),
            _ => {
                self.wrong_type(path, value, "a table", Some(format!("write it as a section: `[{path}]`")));
                None
            }
        }
    }

    fn setting(&mut self, key: &Key, entry: &Entry, prefix: &str, into: &mut Vec<Setting>) {
        if let Some(value) = self.value(key, &entry.value) {
            let (line, _) = self.source.position(entry.key_span.start);
            let setting = Setting::new(key, value, format!("{prefix}{}:{line}", self.source.name));
            into.push(Setting { is_projects: self.owner == Owner::Project, ..setting });
        }
    }

    fn value(&mut self, key: &Key, value: &Value) -> Option<figment::value::Value> {
        match key.kind {
            Kind::Text(check) => Some(self.text(key, value, check)?.into()),
            Kind::Choice(words) => Some(self.choice(key, value, words)?.into()),
            Kind::Path => Some(absolute(self.directory, self.text(key, value, check_path)?).into()),
            Kind::Paths => {
                let items = self.texts(key, value, check_path)?;
                let paths: Vec<_> = items.into_iter().map(|item| absolute(self.directory, item)).collect();
                Some(paths.into())
            }
            Kind::Texts(check) => Some(self.texts(key, value, check)?.into()),
            Kind::Switch(check) => match value.kind {
                ValueKind::Boolean(is_on) => Some(is_on.into()),
                ValueKind::String(_) => Some(self.text(key, value, check)?.into()),
                _ => {
                    self.wrong_type(&key.path(), value, "a boolean or a string", None);
                    None
                }
            },
        }
    }

    fn text<'v>(
        &mut self,
        key: &Key,
        value: &'v Value,
        check: fn(&str) -> Result<(), &'static str>,
    ) -> Option<&'v str> {
        let ValueKind::String(text) = &value.kind else {
            let is_bare = matches!(value.kind, ValueKind::Integer(_));
            self.wrong_type(&key.path(), value, "a string", is_bare.then(|| "put it in quotes".to_owned()));
            return None;
        };
        match check(text) {
            Ok(()) => Some(text),
            Err(wanted) => {
                self.invalid(key, value, text, wanted);
                None
            }
        }
    }

    fn choice<'v>(&mut self, key: &Key, value: &'v Value, words: &[&str]) -> Option<&'v str> {
        let text = self.text(key, value, |_| Ok(()))?;
        if words.contains(&text) {
            return Some(text);
        }
        let message = format!("`{text}` is not a value of `{}`", key.path());
        self.sink.report(
            Diagnostic::error("bunsui::settings::invalid_value", message)
                .label(value.span, "not one of its words")
                .help(suggest_word(text, words)),
        );
        None
    }

    /// Every item is checked before the list is given up.
    fn texts<'v>(
        &mut self,
        key: &Key,
        value: &'v Value,
        check: fn(&str) -> Result<(), &'static str>,
    ) -> Option<Vec<&'v str>> {
        let ValueKind::Array(items) = &value.kind else {
            let help =
                matches!(value.kind, ValueKind::String(_)).then(|| "put it in brackets: `[…]`".to_owned());
            self.wrong_type(&key.path(), value, "a list of strings", help);
            return None;
        };
        let texts: Vec<_> = items.iter().map(|item| self.text(key, item, check)).collect();
        texts.into_iter().collect()
    }

    fn wrong_type(&mut self, path: &str, value: &Value, wanted: &str, help: Option<String>) {
        let found = value.kind.description();
        self.sink.report(
            Diagnostic::error(
                "bunsui::settings::wrong_type",
                format!("`{path}` is {found}, but has to be {wanted}"),
            )
            .label(value.span, format!("this is {found}"))
            .maybe_help(help),
        );
    }

    fn invalid(&mut self, key: &Key, value: &Value, text: &str, wanted: &str) {
        let message = format!("`{text}` is not a value of `{}`: it has to be {wanted}", key.path());
        self.sink.report(
            Diagnostic::error("bunsui::settings::invalid_value", message)
                .label(value.span, "has another form"),
        );
    }
}

fn check_path(text: &str) -> Result<(), &'static str> {
    if text.is_empty() { Err("a path") } else { Ok(()) }
}
