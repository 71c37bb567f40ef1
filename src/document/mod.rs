//! TOML text to a [`Document`]: tables in which every key and value knows its place.
//!
//! Takes: a [`Source`]. Gives: a [`Document`], or every syntax error of the text.
//! Deliberately does not: know what any key means.

mod bounded;
mod builder;
mod duplicate;
mod entries;
mod parse;
mod part;
mod scan;
mod span;
mod syntax;

pub(crate) use bounded::{LARGEST, is_too_large, read_bounded};
pub use entries::{Entries, IntoIter, Iter};
pub use parse::{decode, parse, read};
pub(crate) use span::StringPlaces;
pub use span::inner_span;

use crate::diagnostic::{Source, Span};
use std::sync::Arc;

/// A text that is TOML.
#[derive(Debug, Clone)]
pub struct Document {
    /// The text.
    pub source: Arc<Source>,
    /// Its root table; its span is the whole text.
    pub root: Table,
}

/// A table, in the order of the file.
#[derive(Debug, Clone, Default)]
pub struct Table {
    /// The header of a `[table]`, the braces of an inline table, the key of a dotted one.
    pub span: Span,
    /// Keys and values.
    pub entries: Entries<String, Entry>,
}

/// One key with its value.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The place of the key's last part.
    pub key_span: Span,
    /// What it is set to.
    pub value: Value,
}

/// A value and its place.
#[derive(Debug, Clone)]
pub struct Value {
    /// The whole literal, quotes and braces too.
    pub span: Span,
    /// What it is.
    pub kind: ValueKind,
}

/// TOML's types.
#[derive(Debug, Clone)]
pub enum ValueKind {
    /// Decoded text.
    String(String),
    /// 64-bit; a literal that does not fit is a syntax error.
    Integer(i64),
    /// nan and inf included; meaning refuses them.
    Float(f64),
    /// true or false.
    Boolean(bool),
    /// RFC 3339 text.
    Datetime(String),
    /// `[…]` or `[[…]]`.
    Array(Vec<Value>),
    /// `[…]`, `{…}` or dotted.
    Table(Table),
}

impl ValueKind {
    /// With its article, as messages name it: `a string`, `an integer`.
    pub fn description(&self) -> &'static str {
        match self {
            Self::String(_) => "a string",
            Self::Integer(_) => "an integer",
            Self::Float(_) => "a number",
            Self::Boolean(_) => "a boolean",
            Self::Datetime(_) => "a date",
            Self::Array(_) => "a list",
            Self::Table(_) => "a table",
        }
    }
}

impl Table {
    /// The value of a key.
    pub fn value(&self, key: &str) -> Option<&Value> {
        self.entries.get(key).map(|entry| &entry.value)
    }
}
