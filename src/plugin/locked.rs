//! Operation types as `bunsui.lock` has them; plugins are looked for only where it does not answer.
//!
//! Takes: the lock, and how to find plugins. Gives: a catalogue that starts no host for types that are locked and have no check of
//! their own. Deliberately does not: compile or run anything; that is for what is installed.

use super::catalogue::Plugins;
use super::lock::Lock;
use crate::pipeline::{
    CatalogueError, CheckRequest, Finding, Fragment, FragmentRequest, OperationCatalogue, OperationType,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Finds plugins, when they are needed.
type Find<'a> = Box<dyn Fn() -> Plugins + Send + Sync + 'a>;

/// A lock's types, and those of plugins.
pub struct LockedCatalogue<'a> {
    lock: Option<Arc<Lock>>,
    types: BTreeMap<String, OperationType>,
    find: Find<'a>,
    plugins: OnceLock<Plugins>,
    /// Types whose checks were not made, each with the reason.
    unchecked: Mutex<BTreeSet<(String, &'static str)>>,
}

impl<'a> LockedCatalogue<'a> {
    /// Without a lock it is what is installed.
    pub fn new(lock: Option<Arc<Lock>>, find: impl Fn() -> Plugins + Send + Sync + 'a) -> Self {
        let plugins = lock.iter().flat_map(|lock| &lock.plugins);
        let types = plugins.flat_map(|plugin| {
            plugin
                .operation_types
                .iter()
                .map(|declared| (declared.name.clone(), declared.clone().of_plugin(&plugin.name)))
        });
        Self {
            types: types.collect(),
            lock,
            find: Box::new(find),
            plugins: OnceLock::new(),
            unchecked: Mutex::default(),
        }
    }

    fn plugins(&self) -> &Plugins {
        self.plugins.get_or_init(|| (self.find)())
    }

    /// Types whose own checks were not made, each with the reason.
    pub fn unchecked(&self) -> Vec<(String, &'static str)> {
        self.unchecked.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// Why a locked type's own check cannot be made; none where it can.
    fn obstacle(&self, kind: &str) -> Option<&'static str> {
        let (Some(lock), Some(locked)) = (&self.lock, self.types.get(kind)) else { return None };
        let installed = self.plugins().found().iter().find(|found| found.name == locked.plugin);
        match installed {
            None => Some("is not installed, or not trusted"),
            Some(found) if !lock.is_same(found) => Some("is another than bunsui.lock has"),
            Some(_) => None,
        }
    }
}

impl OperationCatalogue for LockedCatalogue<'_> {
    fn operation_type(&self, name: &str) -> Option<&OperationType> {
        self.types.get(name).or_else(|| self.plugins().operation_type(name))
    }

    fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.types.keys().map(String::as_str).collect();
        names.extend(self.plugins().names().into_iter().filter(|name| !self.types.contains_key(*name)));
        names.sort_unstable();
        names
    }

    fn about_missing(&self) -> Option<String> {
        self.plugins().about_missing()
    }

    fn check(&self, requests: &[CheckRequest]) -> Result<Vec<Vec<Finding>>, CatalogueError> {
        let mut answers: Vec<Vec<Finding>> = vec![Vec::new(); requests.len()];
        let mut asked = Vec::new();
        for (at, request) in requests.iter().enumerate() {
            match self.obstacle(&request.kind) {
                None => asked.push(at),
                Some(why) => {
                    let mut unchecked = self.unchecked.lock().unwrap_or_else(PoisonError::into_inner);
                    unchecked.insert((request.kind.clone(), why));
                }
            }
        }
        if !asked.is_empty() {
            let requests: Vec<CheckRequest> = asked.iter().map(|at| requests[*at].clone()).collect();
            for (at, answer) in asked.into_iter().zip(self.plugins().check(&requests)?) {
                answers[at] = answer;
            }
        }
        Ok(answers)
    }

    fn fragments(&self, requests: &[FragmentRequest]) -> Result<Vec<Fragment>, CatalogueError> {
        self.plugins().fragments(requests)
    }
}
