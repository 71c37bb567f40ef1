//! The catalogue's types, each schema compiled once a file.

use super::schema::TypeSchema;
use crate::document::{Document, Table, ValueKind};
use crate::pipeline::OperationCatalogue;
use std::collections::BTreeMap;

/// The types that a file uses, and the names of all.
pub(super) struct Types<'c> {
    catalogue: &'c dyn OperationCatalogue,
    used: BTreeMap<&'c str, TypeSchema<'c>>,
}

impl<'c> Types<'c> {
    /// Compiles the schemas of those types that the document names.
    pub(super) fn of(document: &Document, catalogue: &'c dyn OperationCatalogue) -> Self {
        let mut types = Self { catalogue, used: BTreeMap::new() };
        let table = |key: &str| match &document.root.value(key)?.kind {
            ValueKind::Table(table) => Some(table),
            _ => None,
        };
        for name in table("defaults").into_iter().flat_map(|table| table.entries.keys()) {
            types.add(name);
        }
        for entry in table("jobs").into_iter().flat_map(|table| table.entries.values()) {
            if let ValueKind::Table(job) = &entry.value.kind {
                types.add_all(job);
            }
        }
        types
    }

    fn add_all(&mut self, job: &Table) {
        let Some(ValueKind::Array(operations)) = job.value("operations").map(|value| &value.kind) else {
            return;
        };
        for operation in operations {
            let ValueKind::Table(operation) = &operation.kind else { continue };
            if let Some(ValueKind::String(name)) = operation.value("type").map(|value| &value.kind) {
                self.add(name);
            }
        }
    }

    fn add(&mut self, name: &str) {
        if self.used.contains_key(name) {
            return;
        }
        if let Some(declared) = self.catalogue.operation_type(name) {
            self.used.insert(&declared.name, TypeSchema::new(declared));
        }
    }

    /// The type of that name.
    pub(super) fn get(&self, name: &str) -> Option<&TypeSchema<'c>> {
        self.used.get(name)
    }

    /// Those that the file uses.
    pub(super) fn used(&self) -> impl Iterator<Item = &TypeSchema<'c>> {
        self.used.values()
    }

    /// What the catalogue knows of types that are not there.
    pub(super) fn about_missing(&self) -> Option<String> {
        self.catalogue.about_missing()
    }

    /// All that there are, sorted.
    pub(super) fn names(&self) -> Vec<&'c str> {
        self.catalogue.names()
    }
}
