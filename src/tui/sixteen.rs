//! Colours as every terminal knows them.
//!
//! What draws writes `38;5;1` for red. A terminal of sixteen colours need not know that, and then takes the 5 for "blink". Of
//! the first eight colours it is therefore `31`, which all know.

use std::io::{self, Write};

/// Holds what is written until it is flushed, and writes it in the older way.
pub(super) struct Sixteen<W> {
    out: W,
    held: Vec<u8>,
}

impl<W: Write> Sixteen<W> {
    pub(super) fn new(out: W) -> Self {
        Self { out, held: Vec::new() }
    }
}

impl<W: Write> Write for Sixteen<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.held.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        const NEWER: &[u8] = b"\x1b[38;5;";
        let held = std::mem::take(&mut self.held);
        let mut rest = held.as_slice();
        while let Some(at) = rest.windows(NEWER.len()).position(|bytes| bytes == NEWER) {
            let (before, colour) = rest.split_at(at);
            self.out.write_all(before)?;
            rest = match &colour[NEWER.len()..] {
                [digit @ b'0'..=b'7', after @ (b';' | b'm'), ..] => {
                    self.out.write_all(&[0x1b, b'[', b'3', *digit, *after])?;
                    &colour[NEWER.len() + 2..]
                }
                after => {
                    self.out.write_all(NEWER)?;
                    after
                }
            };
        }
        self.out.write_all(rest)?;
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_eight_colours_are_written_as_all_terminals_know_them() {
        let mut out = Vec::new();
        let mut sixteen = Sixteen::new(&mut out);
        // In parts, as formatting writes it.
        for part in ["a\x1b[38;", "5;1;49mred\x1b[3", "8;5;2m", "\x1b[38;5;12;49m\x1b[39mb38;5;1"] {
            sixteen.write_all(part.as_bytes()).expect("memory takes all");
        }
        sixteen.flush().expect("memory takes all");
        let text = String::from_utf8(out).expect("it is text");
        assert_eq!(text, "a\x1b[31;49mred\x1b[32m\x1b[38;5;12;49m\x1b[39mb38;5;1");
    }
}
