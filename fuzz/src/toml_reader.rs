//! A second opinion on what is TOML: the parser that bunsui's own reader has to agree with.

use bunsui::document::{Table, Value, ValueKind};
use toml::de::{DeTable, DeValue};

/// Whether the text is TOML.
pub fn is_toml(text: &str) -> bool {
    DeTable::parse(text).is_ok()
}

/// Whether both read the same keys and values, in the same order.
pub fn agrees(text: &str, table: &Table) -> bool {
    DeTable::parse(text).is_ok_and(|theirs| same_table(theirs.get_ref(), table))
}

fn same_table(theirs: &DeTable<'_>, ours: &Table) -> bool {
    theirs.len() == ours.entries.len()
        && theirs.iter().zip(ours.entries.iter()).all(|((key, value), (name, entry))| {
            key.get_ref() == name.as_str() && same_value(value.get_ref(), &entry.value)
        })
}

fn same_value(theirs: &DeValue<'_>, ours: &Value) -> bool {
    match (theirs, &ours.kind) {
        (DeValue::String(theirs), ValueKind::String(ours)) => theirs == ours,
        (DeValue::Integer(theirs), ValueKind::Integer(ours)) => {
            i64::from_str_radix(theirs.as_str(), theirs.radix()) == Ok(*ours)
        }
        (DeValue::Float(theirs), ValueKind::Float(ours)) => theirs
            .as_str()
            .parse::<f64>()
            .is_ok_and(|theirs| theirs == *ours || theirs.is_nan() && ours.is_nan()),
        (DeValue::Boolean(theirs), ValueKind::Boolean(ours)) => theirs == ours,
        (DeValue::Datetime(theirs), ValueKind::Datetime(ours)) => theirs.to_string() == *ours,
        (DeValue::Array(theirs), ValueKind::Array(ours)) => {
            theirs.len() == ours.len()
                && theirs.iter().zip(ours).all(|(theirs, ours)| same_value(theirs.get_ref(), ours))
        }
        (DeValue::Table(theirs), ValueKind::Table(ours)) => same_table(theirs, ours),
        _ => false,
    }
}
