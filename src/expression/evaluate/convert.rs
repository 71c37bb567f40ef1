//! JSON to the engine's values and back.

use indexmap::IndexMap;
use jsonata_core::value::{JArray, JValue, with_stack};
use serde_json::{Number, Value as Json};

/// Deeper results are refused: dropping them would need as much stack as they are deep.
const MAX_DEPTH: usize = 512;

/// Larger results are refused: parts that a value has many times are written out in JSON, and may be without number.
const MAX_BYTES: usize = 64 * 256 * 1024;

/// What each value counts, beside its text.
const NODE_BYTES: usize = 32;

/// Why a value has no JSON.
#[derive(Debug)]
pub(super) enum Unusable {
    /// It holds what JSON cannot: a function, a regular expression.
    Type,
    /// It is too large.
    Size,
}

pub(super) fn from_json(value: &Json) -> JValue {
    match value {
        Json::Null => JValue::Null,
        Json::Bool(value) => JValue::Bool(*value),
        Json::Number(value) => JValue::Number(value.as_f64().unwrap_or(f64::NAN)),
        Json::String(value) => JValue::string(value.as_str()),
        Json::Array(items) => with_stack(|| {
            let is_flat = !items.iter().any(Json::is_array);
            JValue::Array(JArray::new_flat(items.iter().map(from_json).collect(), is_flat))
        }),
        Json::Object(fields) => with_stack(|| {
            JValue::object(
                fields.iter().map(|(key, item)| (key.clone(), from_json(item))).collect::<IndexMap<_, _>>(),
            )
        }),
    }
}

pub(super) fn to_json(value: &JValue) -> Result<Json, Unusable> {
    let mut room = MAX_BYTES;
    to_json_at(value, 0, &mut room)
}

/// `room`: how many bytes there may still be.
fn to_json_at(value: &JValue, depth: usize, room: &mut usize) -> Result<Json, Unusable> {
    if depth > MAX_DEPTH {
        return Err(Unusable::Type);
    }
    take(room, NODE_BYTES)?;
    match value {
        JValue::Null | JValue::Undefined => Ok(Json::Null),
        JValue::Bool(value) => Ok(Json::Bool(*value)),
        JValue::Number(value) => Ok(number(*value)),
        JValue::String(value) => {
            take(room, value.len())?;
            Ok(Json::String(value.to_string()))
        }
        JValue::Array(items) => with_stack(|| {
            items
                .iter()
                .map(|item| to_json_at(item, depth + 1, room))
                .collect::<Result<_, _>>()
                .map(Json::Array)
        }),
        JValue::Object(fields) => with_stack(|| {
            fields
                .iter()
                .map(|(key, item)| {
                    take(room, key.len())?;
                    Ok((key.clone(), to_json_at(item, depth + 1, room)?))
                })
                .collect::<Result<_, _>>()
                .map(Json::Object)
        }),
        JValue::Lambda(_) | JValue::Builtin { .. } | JValue::Regex { .. } => Err(Unusable::Type),
    }
}

fn take(room: &mut usize, bytes: usize) -> Result<(), Unusable> {
    *room = room.checked_sub(bytes).ok_or(Unusable::Size)?;
    Ok(())
}

/// As JavaScript would print it: whole numbers without a fraction, no negative zero. JSON has no infinity; the service
/// gives the name that JavaScript has for it.
fn number(value: f64) -> Json {
    if value.fract() == 0.0 && value.abs() < 9.2e18 {
        #[expect(clippy::cast_possible_truncation, reason = "whole and within i64")]
        return Json::Number(Number::from(value as i64));
    }
    Number::from_f64(value).map_or_else(|| Json::from(non_finite(value)), Json::Number)
}

fn non_finite(value: f64) -> &'static str {
    match (value.is_nan(), value > 0.0) {
        (true, _) => "NaN",
        (false, true) => "Infinity",
        (false, false) => "-Infinity",
    }
}
