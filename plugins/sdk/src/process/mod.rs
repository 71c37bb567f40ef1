//! What plugins that start processes need: one from start to end, lines of output, a clean environment, where a program is.
//!
//! Deliberately does not: know what a process is for.

mod child;

pub use child::{End, run};

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// A line longer than this many bytes is cut into several.
pub const LINE_LIMIT: usize = 256 * 1024;

/// Bytes in pieces to whole lines, without their ends.
#[derive(Debug, Default)]
pub struct Lines {
    rest: Vec<u8>,
}

impl Lines {
    /// Takes a piece and says each line that is now whole. Bytes that are not UTF-8 become U+FFFD.
    pub fn push(&mut self, mut piece: &[u8], mut say: impl FnMut(&str)) {
        while let Some(end) = piece.iter().position(|byte| *byte == b'\n') {
            let line = if self.rest.is_empty() {
                Cow::Borrowed(&piece[..end])
            } else {
                self.rest.extend_from_slice(&piece[..end]);
                Cow::Owned(std::mem::take(&mut self.rest))
            };
            say_cut(line.strip_suffix(b"\r").unwrap_or(&line), &mut say);
            piece = &piece[end + 1..];
        }
        self.rest.extend_from_slice(piece);
        while self.rest.len() > LINE_LIMIT {
            let tail = self.rest.split_off(boundary(&self.rest));
            say(&String::from_utf8_lossy(&self.rest));
            self.rest = tail;
        }
    }

    /// Says what came after the last line end.
    pub fn finish(&mut self, mut say: impl FnMut(&str)) {
        if !self.rest.is_empty() {
            say_cut(&std::mem::take(&mut self.rest), &mut say);
        }
    }
}

fn say_cut(mut line: &[u8], say: &mut impl FnMut(&str)) {
    while line.len() > LINE_LIMIT {
        let (head, tail) = line.split_at(boundary(line));
        say(&String::from_utf8_lossy(head));
        line = tail;
    }
    say(&String::from_utf8_lossy(line));
}

/// The last beginning of a character at or before the limit, so that none is cut in two.
fn boundary(line: &[u8]) -> usize {
    (LINE_LIMIT - 3..=LINE_LIMIT).rev().find(|at| line[*at] & 0xC0 != 0x80).unwrap_or(LINE_LIMIT)
}

/// What a task's process inherits of bunsui's environment: where programs, libraries, home and scratch are, language, time zone
/// and proxies. Nothing else: a task that works here by chance of the environment would not work elsewhere.
pub fn inherited_environment() -> Vec<(OsString, OsString)> {
    const NAMES: &[&str] = &[
        "PATH",
        "HOME",
        "USER",
        "LOGNAME",
        "SHELL",
        "LANG",
        "LANGUAGE",
        "TZ",
        "TMPDIR",
        "VIRTUAL_ENV",
        "CONDA_PREFIX",
        "LD_LIBRARY_PATH",
        "DYLD_LIBRARY_PATH",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "REQUESTS_CA_BUNDLE",
        "NODE_EXTRA_CA_CERTS",
        "http_proxy",
        "https_proxy",
        "no_proxy",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "NO_PROXY",
        "XDG_RUNTIME_DIR",
        "DOCKER_HOST",
    ];
    std::env::vars_os()
        .filter(|(name, _)| {
            name.to_str().is_some_and(|name| NAMES.contains(&name) || name.starts_with("LC_"))
        })
        .collect()
}

/// The file that `program` means: with a slash, relative to `directory`; without, looked for in `path`.
///
/// Giving the system a path, and not a name with another PATH, keeps starting a process cheap: only so does the
/// standard library use posix_spawn.
pub fn find_program(program: &str, path: Option<&OsStr>, directory: &Path) -> Option<PathBuf> {
    if program.contains('/') {
        let file = directory.join(program);
        return file.is_file().then_some(file);
    }
    std::env::split_paths(path?).map(|folder| directory.join(folder).join(program)).find(|file| {
        file.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pieces: &[&[u8]], expected: &[&str]) {
        let mut said = Vec::new();
        let mut lines = Lines::default();
        for piece in pieces {
            lines.push(piece, |line| said.push(line.to_owned()));
        }
        lines.finish(|line| said.push(line.to_owned()));
        assert_eq!(said, expected);
    }

    #[test]
    fn lines_are_whole_however_the_bytes_came() {
        check(&[b"a\nb\n"], &["a", "b"]);
        check(&[b"a", b"b\r\n", b"c"], &["ab", "c"]);
        check(&[b"\n\n"], &["", ""]);
        check(&[b""], &[]);
        check(&["é".as_bytes().split_at(1).0, "é".as_bytes().split_at(1).1, b"\n"], &["é"]);
        check(&[b"\xff\n"], &["\u{FFFD}"]);
    }

    #[test]
    fn a_line_without_end_is_cut_between_characters() {
        let long = "é".repeat(LINE_LIMIT);
        let mut said = Vec::new();
        let mut lines = Lines::default();
        for piece in long.as_bytes().chunks(1001) {
            lines.push(piece, |line| said.push(line.to_owned()));
        }
        lines.finish(|line| said.push(line.to_owned()));
        assert!(said.iter().all(|line| line.len() <= LINE_LIMIT && !line.contains('\u{FFFD}')));
        assert_eq!(said.concat(), long);
    }
}
