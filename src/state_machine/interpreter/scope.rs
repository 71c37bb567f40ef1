//! Variables: those of a machine and, read-only, those around it.

use serde_json::{Map, Value as Json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The variables that a branch can see.
#[derive(Debug, Clone, Default)]
pub(super) struct Scope {
    own: BTreeMap<String, Json>,
    outer: Option<Arc<Scope>>,
}

impl Scope {
    /// A scope inside this one: it reads what is here and cannot change it.
    pub(super) fn inner(outer: &Arc<Self>) -> Arc<Self> {
        Arc::new(Self { own: BTreeMap::new(), outer: Some(Arc::clone(outer)) })
    }

    /// Assigns all at once.
    pub(super) fn assign(self: &mut Arc<Self>, variables: Map<String, Json>) {
        Arc::make_mut(self).own.extend(variables);
    }

    /// Every variable with its value, outer ones first, so that a later one of the same name wins.
    pub(super) fn each<'s>(&'s self, f: &mut dyn FnMut(&'s str, &'s Json)) {
        if let Some(outer) = &self.outer {
            outer.each(f);
        }
        for (name, value) in &self.own {
            f(name, value);
        }
    }
}
