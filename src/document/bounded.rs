//! How much of a text is read.

use std::io::{self, Read};

/// Texts of more bytes are refused.
pub(crate) const LARGEST: usize = 16 * 1024 * 1024;

/// Reads to the end, or one byte beyond what is allowed: then it [`is_too_large`], and the rest stays where it is.
pub(crate) fn read_bounded(reader: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(LARGEST as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Whether a text has more bytes than are read.
pub(crate) fn is_too_large(bytes: &[u8]) -> bool {
    bytes.len() > LARGEST
}
