//! What Step Functions adds to JSONata, and what it takes away.
//!
//! Follows the developer guide ("Transforming data with JSONata") and what was recorded of the service: arguments that are
//! no whole numbers are cut towards zero, and several senseless ones give nothing instead of an error.

use super::convert::from_json;
use jsonata_core::evaluator::{Evaluator as Engine, EvaluatorError};
use jsonata_core::value::JValue;
use rand::{RngExt, SeedableRng};
use sha2::Digest;
use std::fmt::Write;

/// `$range` gives at most this many items.
const RANGE_LENGTH: usize = 1_000;

type Outcome = Result<JValue, EvaluatorError>;

/// Registers those of the functions that an expression names.
pub(super) fn register(engine: &mut Engine, names: &[String]) -> Result<(), EvaluatorError> {
    for name in names {
        match name.as_str() {
            "partition" => engine.register_fn("partition", partition)?,
            "range" => engine.register_fn("range", range)?,
            "hash" => engine.register_fn("hash", hash)?,
            "uuid" => engine.register_fn("uuid", uuid)?,
            "parse" => engine.register_fn("parse", parse)?,
            "random" => engine.register_fn_override("random", random)?,
            "eval" => engine.register_fn_override("eval", no_eval)?,
            _ => {}
        }
    }
    Ok(())
}

fn refused(message: impl Into<String>) -> EvaluatorError {
    EvaluatorError::EvaluationError(message.into())
}

fn wrong_type(position: usize, function: &str) -> EvaluatorError {
    EvaluatorError::TypeError(format!(
        "T0410: Argument {position} of function \"{function}\" does not match function signature"
    ))
}

fn argument(arguments: &[JValue], index: usize) -> &JValue {
    arguments.get(index).unwrap_or(&JValue::Undefined)
}

/// A whole number, cut towards zero; `None` for undefined.
fn whole(arguments: &[JValue], index: usize, function: &str) -> Result<Option<f64>, EvaluatorError> {
    match argument(arguments, index) {
        JValue::Undefined => Ok(None),
        JValue::Number(value) if value.is_finite() => Ok(Some(value.trunc())),
        _ => Err(wrong_type(index + 1, function)),
    }
}

fn partition(arguments: &[JValue]) -> Outcome {
    let items: Vec<JValue> = match argument(arguments, 0) {
        JValue::Undefined => return Ok(JValue::Undefined),
        JValue::Array(items) => items.iter().cloned().collect(),
        other => vec![other.clone()],
    };
    let Some(size) = whole(arguments, 1, "partition")? else { return Ok(JValue::Undefined) };
    if size < 1.0 || items.is_empty() {
        return Ok(JValue::Undefined);
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at least 1; saturates")]
    let chunks = items.chunks(size as usize).map(|chunk| JValue::array(chunk.to_vec()));
    Ok(JValue::array(chunks.collect()))
}

fn range(arguments: &[JValue]) -> Outcome {
    let (Some(first), Some(last), Some(step)) =
        (whole(arguments, 0, "range")?, whole(arguments, 1, "range")?, whole(arguments, 2, "range")?)
    else {
        return Ok(JValue::Undefined);
    };
    let reach = (last - first) / step;
    if step == 0.0 || reach < 0.0 {
        return Ok(JValue::Undefined);
    }
    #[expect(clippy::cast_precision_loss, reason = "a small constant")]
    if reach >= RANGE_LENGTH as f64 {
        return Err(refused(format!(
            "D2014: The size of the sequence allocated by $range must not exceed {RANGE_LENGTH}"
        )));
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 1,000")]
    let count = reach.floor() as u32 + 1;
    let items: Vec<JValue> = (0..count).map(|n| JValue::Number(first + step * f64::from(n))).collect();
    // A sequence of one is that one, as recorded.
    Ok(JValue::sequence(items).unwrap_sequence())
}

fn hash(arguments: &[JValue]) -> Outcome {
    let text = match argument(arguments, 0) {
        JValue::Undefined => return Ok(JValue::Undefined),
        JValue::String(text) => text,
        _ => return Err(wrong_type(1, "hash")),
    };
    let algorithm = match argument(arguments, 1) {
        JValue::Undefined => return Ok(JValue::Undefined),
        JValue::String(algorithm) => algorithm,
        _ => return Err(wrong_type(2, "hash")),
    };
    let bytes = text.as_bytes();
    let digest = match &**algorithm {
        "MD5" => hex(&md5::Md5::digest(bytes)),
        "SHA-1" => hex(&sha1::Sha1::digest(bytes)),
        "SHA-256" => hex(&sha2::Sha256::digest(bytes)),
        "SHA-384" => hex(&sha2::Sha384::digest(bytes)),
        "SHA-512" => hex(&sha2::Sha512::digest(bytes)),
        other => {
            return Err(refused(format!(
                "D3000: `{other}` is no algorithm of $hash; it knows MD5, SHA-1, SHA-256, SHA-384 and SHA-512"
            )));
        }
    };
    Ok(JValue::from(digest))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// From 0 up to 1. The same seed gives the same number, though not the one that AWS gives.
fn random(arguments: &[JValue]) -> Outcome {
    let number = match whole(arguments, 0, "random")? {
        Some(seed) => rand::rngs::StdRng::seed_from_u64(seed.to_bits()).random::<f64>(),
        None => rand::random::<f64>(),
    };
    Ok(JValue::Number(number))
}

fn uuid(_arguments: &[JValue]) -> Outcome {
    let bits = (rand::random::<u128>() & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    let digits = format!("{bits:032x}");
    let parts = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]];
    Ok(JValue::from(parts.join("-")))
}

fn parse(arguments: &[JValue]) -> Outcome {
    match argument(arguments, 0) {
        JValue::Undefined => Ok(JValue::Undefined),
        JValue::String(text) => serde_json::from_str(text)
            .map(|value| from_json(&value))
            .map_err(|error| refused(format!("D3120: $parse was given a text that is not JSON: {error}"))),
        _ => Err(wrong_type(1, "parse")),
    }
}

fn no_eval(_arguments: &[JValue]) -> Outcome {
    Err(EvaluatorError::TypeError("T1006: Attempted to invoke a non-function".to_owned()))
}
