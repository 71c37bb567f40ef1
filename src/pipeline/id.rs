//! Names of pipelines, jobs, operations and params.

use serde::{Deserialize, Serialize};
use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

/// A letter, then letters, digits, `_` and single `-`, at most 64, not ending in `-`. ASCII.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Id(Arc<str>);

/// Why a text is no id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct IdError {
    /// What is wrong, as in "must start with a letter".
    pub reason: &'static str,
}

impl Id {
    /// Checks and makes one.
    pub fn new(text: &str) -> Result<Self, IdError> {
        let refuse = |reason| Err(IdError { reason });
        if !text.starts_with(|c: char| c.is_ascii_alphabetic()) {
            return refuse("must start with a letter (a-z, A-Z)");
        }
        if !text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-') {
            return refuse("may hold only letters, digits, `_` and `-`");
        }
        if text.contains("--") {
            return refuse("may not hold `--`");
        }
        if text.ends_with('-') {
            return refuse("may not end in `-`");
        }
        if text.len() > 64 {
            return refuse("may have at most 64 characters");
        }
        Ok(Self(text.into()))
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Borrow<str> for Id {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Id {
    type Error = IdError;

    fn try_from(text: String) -> Result<Self, IdError> {
        Self::new(&text)
    }
}

impl From<Id> for String {
    fn from(id: Id) -> Self {
        id.0.as_ref().to_owned()
    }
}
