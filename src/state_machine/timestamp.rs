//! Timestamps as the Amazon States Language has them: RFC 3339 with an upper-case `T` and an offset.

use jiff::Timestamp;

/// Reads one; `None` where the text is none.
pub(crate) fn parse(text: &str) -> Option<Timestamp> {
    let bytes = text.as_bytes();
    let has_offset = text.ends_with('Z')
        || bytes.len() > 6 && matches!(bytes[bytes.len() - 6], b'+' | b'-') && bytes[bytes.len() - 3] == b':';
    (bytes.get(10) == Some(&b'T') && has_offset).then(|| text.parse().ok()).flatten()
}

/// As the context object has them: milliseconds, UTC.
pub(crate) fn print(timestamp: Timestamp) -> String {
    format!("{timestamp:.3}")
}
