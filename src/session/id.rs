//! Session ids: `20261122-091530-k3f9qa`, the second of creation (UTC) and six random characters. They sort by time.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Names a session, everywhere.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SessionId(String);

/// A text is no session id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no session id; one looks like `20261122-091530-k3f9qa`")]
pub struct SessionIdError(String);

/// Without letters and digits that are read for each other; 30 bits in six characters.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

impl SessionId {
    /// A new one, from the time and 30 random bits.
    pub fn generate(now: jiff::Timestamp, random: u64) -> Self {
        let tail: String =
            (0..6).map(|at| char::from(ALPHABET[((random >> (5 * at)) & 31) as usize])).collect();
        Self(format!("{}-{tail}", now.strftime("%Y%m%d-%H%M%S")))
    }

    /// Checks a text.
    pub fn new(text: &str) -> Result<Self, SessionIdError> {
        let is_digits = |part: &str, length| part.len() == length && part.bytes().all(|b| b.is_ascii_digit());
        let mut parts = text.split('-');
        let is_id = parts.next().is_some_and(|date| is_digits(date, 8))
            && parts.next().is_some_and(|time| is_digits(time, 6))
            && parts
                .next()
                .is_some_and(|tail| tail.len() == 6 && tail.bytes().all(|b| ALPHABET.contains(&b)))
            && parts.next().is_none();
        if is_id { Ok(Self(text.to_owned())) } else { Err(SessionIdError(text.to_owned())) }
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `2026/11/22`: the day of creation, as object keys have it.
    pub fn day_path(&self) -> String {
        format!("{}/{}/{}", &self.0[0..4], &self.0[4..6], &self.0[6..8])
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl TryFrom<String> for SessionId {
    type Error = SessionIdError;

    fn try_from(text: String) -> Result<Self, SessionIdError> {
        Self::new(&text)
    }
}

impl From<SessionId> for String {
    fn from(id: SessionId) -> Self {
        id.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_id_is_one() {
        let now: jiff::Timestamp = "2026-11-22T09:15:30Z".parse().unwrap();
        let id = SessionId::generate(now, 0x3fff_ffff);
        assert_eq!(id.as_str(), "20261122-091530-zzzzzz");
        assert_eq!(SessionId::new(id.as_str()), Ok(id.clone()));
        assert_eq!(id.day_path(), "2026/11/22");
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "last",
            "20261122-091530",
            "20261122-091530-k3f9q",
            "20261122-091530-k3f9qi",
            "../../etc/passwd",
        ] {
            assert!(SessionId::new(text).is_err(), "{text}");
        }
    }
}
