//! What the runner and a plugin host say to each other: frames of a length and JSON.
//!
//! Deliberately not part of the plugin ABI: both ends are the same executable.

use super::library::{Declaration, LoadError};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value as Json};
use std::io::{self, Read, Write};

/// A frame's JSON is at most this long.
pub(super) const FRAME_LIMIT: usize = 64 * 1024 * 1024;

/// To a host.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Request {
    /// Requests of the ABI, answered in one reply and in order. `runs_long` ones are bounded in number.
    /// What they say is for the plugin alone: the host hands the text on.
    Call { id: u64, runs_long: bool, bodies: Vec<Box<RawValue>> },
    /// A call must end.
    Cancel { id: u64 },
}

/// From a host.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Reply {
    /// First, where the library is usable.
    Ready(Declaration),
    /// First and last, where it is not.
    Refused(LoadError),
    /// A line that a call said.
    Log { id: u64, level: String, message: String, fields: Map<String, Json> },
    /// A call ended.
    Done { id: u64, answers: Vec<Answer> },
}

/// The answer to one request of the ABI.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Answer {
    /// The plugin's reply.
    Ok(Box<RawValue>),
    /// The plugin could not, panicked, or said what is not JSON.
    Failed { message: String, help: Option<String>, pointer: Option<String> },
}

impl Answer {
    pub(super) fn failed(message: String) -> Self {
        Self::Failed { message, help: None, pointer: None }
    }
}

/// A frame's bytes: four of length, little-endian, then JSON.
pub(super) fn encode(frame: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; 4];
    serde_json::to_writer(&mut bytes, frame)?;
    let length = bytes.len() - 4;
    if length > FRAME_LIMIT {
        return Err(io::Error::new(io::ErrorKind::InvalidData, too_long(length)));
    }
    // Within the limit, so within 32 bits.
    bytes[..4].copy_from_slice(&(length as u32).to_le_bytes());
    Ok(bytes)
}

/// Writes a frame.
pub(super) fn write(output: &mut impl Write, frame: &impl Serialize) -> io::Result<()> {
    output.write_all(&encode(frame)?)
}

/// Reads a frame; none at the end of the input.
pub(super) fn read<T: DeserializeOwned>(input: &mut impl Read) -> io::Result<Option<T>> {
    let mut length = [0; 4];
    match input.read_exact(&mut length) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    let length = u32::from_le_bytes(length) as usize;
    if length > FRAME_LIMIT {
        return Err(io::Error::new(io::ErrorKind::InvalidData, too_long(length)));
    }
    let mut bytes = Vec::new();
    // Not allocated ahead: a wrong length must not cost its memory.
    input.take(length as u64).read_to_end(&mut bytes)?;
    if bytes.len() < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(Some(serde_json::from_slice(&bytes)?))
}

fn too_long(length: usize) -> String {
    format!(
        "a message of {length} bytes is over the limit of {FRAME_LIMIT} bytes between bunsui and its plugins"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(text: &str) -> Box<RawValue> {
        serde_json::value::to_raw_value(text).unwrap()
    }

    #[test]
    fn frames_come_back_one_after_the_other() {
        let mut bytes = Vec::new();
        write(&mut bytes, &Request::Cancel { id: 7 }).unwrap();
        write(&mut bytes, &Request::Call { id: 8, runs_long: true, bodies: vec![body("é")] }).unwrap();
        let mut input = bytes.as_slice();
        assert!(matches!(read(&mut input).unwrap(), Some(Request::Cancel { id: 7 })));
        let Some(Request::Call { id: 8, bodies, .. }) = read(&mut input).unwrap() else { panic!("the call") };
        assert_eq!(bodies[0].get(), body("é").get());
        assert!(read::<Request>(&mut input).unwrap().is_none());
    }

    #[test]
    fn a_frame_that_is_cut_off_or_too_long_is_an_error() {
        let mut bytes = encode(&Request::Cancel { id: 7 }).unwrap();
        bytes.pop();
        assert!(read::<Request>(&mut bytes.as_slice()).is_err());
        let error = read::<Request>(&mut u32::MAX.to_le_bytes().as_slice()).unwrap_err();
        assert!(error.to_string().contains("over the limit"), "{error}");
        let long = Json::from("x".repeat(FRAME_LIMIT));
        assert!(encode(&long).unwrap_err().to_string().contains("over the limit"));
    }
}
