//! Whether a file can be handed to the dynamic loader: loading one that is cut off ends the process with SIGBUS.
//!
//! Reads the ELF header and program headers only (System V ABI, chapters 4 and 5), 64-bit little-endian. On systems that do not
//! use ELF nothing is checked; their loaders check themselves.

use super::library::LoadError;
use std::io::{Read, Seek, SeekFrom};

const HEADER: usize = 64;
const PROGRAM_HEADER: usize = 56;
const ET_DYN: u16 = 3;
const PT_LOAD: u32 = 1;
const MACHINE: u16 = if cfg!(target_arch = "aarch64") { 183 } else { 62 };

/// Checks a file of `length` bytes.
pub(super) fn check(file: &mut (impl Read + Seek), length: u64) -> Result<(), LoadError> {
    if !cfg!(target_os = "linux") {
        return Ok(());
    }
    let not = |why: String| LoadError::NotALibrary(why);
    let mut header = [0; HEADER];
    if length == 0 {
        return Err(not("it is empty".to_owned()));
    }
    if file.read_exact(&mut header).is_err() || header[..4] != *b"\x7fELF" {
        return Err(not("it does not begin as one".to_owned()));
    }
    if header[4] != 2 || header[5] != 1 {
        return Err(not("it is for another kind of processor".to_owned()));
    }
    if u16_at(&header, 18) != MACHINE {
        let machine = u16_at(&header, 18);
        return Err(not(format!("it is for another kind of processor (ELF machine {machine})")));
    }
    if u16_at(&header, 16) != ET_DYN {
        return Err(not("it is an object file or a program".to_owned()));
    }
    let (start, size, count) = (u64_at(&header, 32), u16_at(&header, 54), u16_at(&header, 56));
    if usize::from(size) != PROGRAM_HEADER || count == 0 {
        return Err(not("it has no program headers".to_owned()));
    }
    let end = start.saturating_add(u64::from(size) * u64::from(count));
    if end > length {
        return Err(LoadError::CutOff { expected: end, found: length });
    }
    // Section headers stand last in most files; none is needed to load one, but where they are cut off, more may be.
    let (sections, size, sections_count) = (u64_at(&header, 40), u16_at(&header, 58), u16_at(&header, 60));
    let mut expected = sections.saturating_add(u64::from(size) * u64::from(sections_count));
    let read = |error: std::io::Error| LoadError::Unreadable(error.to_string());
    file.seek(SeekFrom::Start(start)).map_err(read)?;
    for _ in 0..count {
        let mut program_header = [0; PROGRAM_HEADER];
        file.read_exact(&mut program_header).map_err(read)?;
        if u32_at(&program_header, 0) == PT_LOAD {
            let end = u64_at(&program_header, 8).saturating_add(u64_at(&program_header, 32));
            expected = expected.max(end);
        }
    }
    if expected > length { Err(LoadError::CutOff { expected, found: length }) } else { Ok(()) }
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(std::array::from_fn(|index| bytes[at + index]))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(std::array::from_fn(|index| bytes[at + index]))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(std::array::from_fn(|index| bytes[at + index]))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::io::Cursor;

    #[track_caller]
    fn check(bytes: &[u8], expected: &str) {
        let found = super::check(&mut Cursor::new(bytes), bytes.len() as u64);
        let found = found.map_or_else(|error| error.to_string(), |()| "fine".to_owned());
        assert!(found.contains(expected), "found `{found}`, expected `{expected}`");
    }

    /// The smallest header there can be, of a library with one loaded part that ends at `end`.
    fn library(end: u64) -> Vec<u8> {
        let mut bytes = vec![0; HEADER + PROGRAM_HEADER];
        bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
        bytes[16..18].copy_from_slice(&ET_DYN.to_le_bytes());
        bytes[18..20].copy_from_slice(&MACHINE.to_le_bytes());
        bytes[32..40].copy_from_slice(&(HEADER as u64).to_le_bytes());
        bytes[54..56].copy_from_slice(&(PROGRAM_HEADER as u16).to_le_bytes());
        bytes[56] = 1;
        bytes[HEADER] = 1;
        bytes[HEADER + 32..HEADER + 40].copy_from_slice(&end.to_le_bytes());
        bytes
    }

    #[test]
    fn what_is_not_a_library_is_told_apart() {
        let whole = library(120);
        check(&whole, "fine");
        check(b"", "it is empty");
        check(b"not a library, only a text", "does not begin as one");
        check(&library(121), "it says it is 121 bytes long and is 120");
        check(&library(u64::MAX), "cut off");
        check(&whole[..100], "it says it is 120 bytes long and is 100");
        let with = |at: usize, byte: u8| {
            let mut bytes = whole.clone();
            bytes[at] = byte;
            bytes
        };
        check(&with(16, 1), "an object file or a program");
        check(&with(18, 8), "ELF machine 8");
        check(&with(4, 1), "another kind of processor");
        check(&with(56, 0), "no program headers");
    }
}
