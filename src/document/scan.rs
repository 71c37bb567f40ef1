//! A quick look at the brackets and quotes of a text, before it is parsed.
//!
//! Takes: any text. Gives: what was opened and never closed, each with the place where the next key or header shows
//! it, and whether anything is nested deeper than a parser should follow.
//! Deliberately does not: judge anything else; `parse` does.

/// Tables and lists within each other, dotted keys counted. The parser recurses, so there has to be a limit.
pub(crate) const DEEPEST: usize = 64;

/// What the look found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Scan {
    /// First place that is nested too deep.
    pub(crate) too_deep: Option<usize>,
    /// `[` and `{` of values that are never closed.
    pub(crate) brackets: Vec<Unclosed>,
    /// Strings that are never closed.
    pub(crate) strings: Vec<Unclosed>,
    /// Headers that are not closed on their line.
    pub(crate) headers: Vec<Unclosed>,
    /// Lines on which no `key =` stands, and nothing that goes on behind them: a parser loses its way there.
    pub(crate) lines: Vec<Stray>,
    /// Of a beginning: what is open where it ends, which is no mistake.
    pub(crate) open: Vec<Unclosed>,
}

/// Something that is opened and not closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unclosed {
    /// Where it is opened.
    pub(crate) open: usize,
    /// The closing text that is missing.
    pub(crate) close: &'static str,
    /// Where it had to be closed: the end of the last line that can belong to it.
    pub(crate) end: usize,
}

/// A line that is no `key = value`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stray {
    /// Where its text begins.
    pub(crate) at: usize,
    /// Whether it begins as a key does.
    pub(crate) is_key: bool,
}

struct Frame {
    open: usize,
    close: &'static str,
    /// Nesting up to and including this bracket.
    depth: usize,
}

/// Looks once over the text, in time proportional to its length.
pub(crate) fn scan(text: &str) -> Scan {
    scan_beginning(text, text.len()).0
}

/// Looks over the beginning of a text, at least `least` bytes of it, up to a place where it can be cut: in front of a line,
/// behind a comma or in a comment, and in no string. Gives that place too.
pub(crate) fn scan_beginning(text: &str, least: usize) -> (Scan, usize) {
    let mut scanner =
        Scanner { text: text.as_bytes(), at: 0, least, frames: Vec::new(), dots: 0, found: Scan::default() };
    let cut = scanner.run();
    (scanner.found, cut)
}

struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
    /// It may be cut from here on.
    least: usize,
    frames: Vec<Frame>,
    /// Dots of the key that is being read.
    dots: usize,
    found: Scan,
}

impl Scanner<'_> {
    fn run(&mut self) -> usize {
        if self.text.starts_with("\u{feff}".as_bytes()) {
            self.at = 3;
        }
        self.line_start();
        while let Some(byte) = self.text.get(self.at).copied() {
            match byte {
                b'\n' => {
                    self.at += 1;
                    self.dots = 0;
                    if self.is_cut() {
                        return self.at;
                    }
                    self.line_start();
                    continue;
                }
                b'#' => {
                    let start = self.at;
                    self.skip_line();
                    // A comment may end anywhere.
                    if self.at > self.least {
                        self.at = self.least.max(start + 1);
                        while self.text.get(self.at).is_some_and(|byte| byte & 0xc0 == 0x80) {
                            self.at += 1;
                        }
                        if self.is_cut() {
                            return self.at;
                        }
                    }
                    continue;
                }
                b'"' | b'\'' => {
                    self.string(byte);
                    continue;
                }
                b'[' | b'{' => self.open(byte),
                b']' | b'}' => self.close(byte),
                b',' => {
                    self.dots = 0;
                    self.at += 1;
                    if self.is_cut() {
                        return self.at;
                    }
                    continue;
                }
                b'.' => {
                    self.dots += 1;
                    self.note_depth();
                }
                _ => {}
            }
            self.at += 1;
        }
        let end = trimmed_end(self.text, self.text.len());
        self.give_up(0, end);
        self.text.len()
    }

    /// Whether the text is cut here; what is open is then known to be.
    fn is_cut(&mut self) -> bool {
        let is_cut = self.at >= self.least && self.at < self.text.len();
        if is_cut {
            let end = self.at;
            let open = self.frames.drain(..);
            self.found.open =
                open.map(|frame| Unclosed { open: frame.open, close: frame.close, end }).collect();
        }
        is_cut
    }

    fn depth(&self) -> usize {
        self.frames.last().map_or(0, |frame| frame.depth) + self.dots
    }

    fn note_depth(&mut self) {
        if self.depth() > DEEPEST {
            self.found.too_deep.get_or_insert(self.at);
        }
    }

    fn open(&mut self, byte: u8) {
        let depth = self.depth() + 1;
        let close = if byte == b'[' { "]" } else { "}" };
        self.frames.push(Frame { open: self.at, close, depth });
        self.dots = 0;
        self.note_depth();
    }

    fn close(&mut self, byte: u8) {
        if self.frames.last().is_some_and(|frame| frame.close.as_bytes()[0] == byte) {
            self.frames.pop();
        }
    }

    /// At the start of a line: a header ends every open bracket, a `key =` ends open lists.
    fn line_start(&mut self) {
        let start = self.at;
        let mut first = start;
        while matches!(self.text.get(first), Some(b' ' | b'\t')) {
            first += 1;
        }
        if self.frames.is_empty() {
            if self.text.get(first) == Some(&b'[') {
                self.header(first);
            } else {
                let line = &self.text[first..line_end(self.text, first)];
                self.found.lines.extend(stray(line).map(|is_key| Stray { at: first, is_key }));
            }
            return;
        }
        let line = &self.text[first..line_end(self.text, first)];
        if is_header(line) {
            self.give_up(0, trimmed_end(self.text, start));
            self.header(first);
        } else if self.frames.last().is_some_and(|frame| frame.close == "]") && is_assignment(line) {
            let keep = self.frames.iter().rposition(|frame| frame.close == "}").map_or(0, |at| at + 1);
            self.give_up(keep, trimmed_end(self.text, start));
        }
    }

    fn give_up(&mut self, keep: usize, end: usize) {
        let unclosed = self.frames.drain(keep..);
        self.found.brackets.extend(unclosed.map(|frame| Unclosed {
            open: frame.open,
            close: frame.close,
            end,
        }));
    }

    /// Skips a header, whose brackets open nothing.
    fn header(&mut self, first: usize) {
        let end = line_end(self.text, first);
        let mut quote = None;
        let mut dots = 0;
        for byte in &self.text[first..end] {
            match (quote, byte) {
                (None, b'"' | b'\'') => quote = Some(byte),
                (Some(open), byte) if open == byte => quote = None,
                (None, b'#') => break,
                (None, b'.') => dots += 1,
                _ => {}
            }
        }
        if dots > DEEPEST {
            self.found.too_deep.get_or_insert(first);
        }
        self.found.headers.extend(unclosed_header(&self.text[first..end]).map(|(length, close)| Unclosed {
            open: first,
            close,
            end: first + length,
        }));
        self.at = end;
    }

    fn skip_line(&mut self) {
        self.at = line_end(self.text, self.at);
    }

    fn string(&mut self, quote: u8) {
        let open = self.at;
        let rest = &self.text[open..];
        let many = rest.starts_with(&[quote; 3]);
        let close = match (quote, many) {
            (b'"', false) => "\"",
            (b'"', true) => "\"\"\"",
            (_, false) => "'",
            (_, true) => "'''",
        };
        self.at += close.len();
        let may_end = |byte: &u8| *byte == quote || matches!(byte, b'\\' | b'\n');
        while let Some(plain) = self.text[self.at.min(self.text.len())..].iter().position(may_end) {
            self.at += plain;
            let byte = self.text[self.at];
            if byte == b'\\' && quote == b'"' {
                self.at += 1;
                // A line end is never skipped here: a string of one line ends there all the same.
                if self.text.get(self.at).is_some_and(|next| many || *next != b'\n') {
                    self.at += 1;
                }
            } else if byte == b'\n' && !many {
                break;
            } else if self.text[self.at..].starts_with(close.as_bytes()) {
                self.at += close.len();
                // Up to two quotes may stand before the closing three.
                while many && self.text.get(self.at) == Some(&quote) {
                    self.at += 1;
                }
                return;
            } else {
                self.at += 1;
            }
        }
        let has_line_end = self.text.get(self.at) == Some(&b'\n') && !many;
        self.at = if has_line_end { self.at } else { self.text.len() };
        self.found.strings.push(Unclosed { open, close, end: trimmed_end(self.text, self.at).max(open) });
    }
}

fn line_end(text: &[u8], from: usize) -> usize {
    text[from..].iter().position(|byte| *byte == b'\n').map_or(text.len(), |at| from + at)
}

/// The end of the last text before `at`, line ends and blanks left out.
fn trimmed_end(text: &[u8], at: usize) -> usize {
    text[..at].trim_ascii_end().len()
}

/// Whether a line that is no `key =` begins as a key. None for one that is, and for those that a parser finds its way through.
fn stray(line: &[u8]) -> Option<bool> {
    let is_bare = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let first = *line.first()?;
    let may_go_on = || line.iter().any(|byte| matches!(byte, b'[' | b'{')) || has_three_quotes(line);
    if matches!(first, b'#' | b'=' | b']' | b'}' | b'{' | b',' | b'\r') || may_go_on() {
        return None;
    }
    let mut rest = line;
    loop {
        rest = rest.trim_ascii_start();
        rest = match rest.first() {
            Some(quote @ (b'"' | b'\'')) => {
                let mut escaped = false;
                let end = rest[1..].iter().position(|byte| {
                    let ends = byte == quote && !escaped;
                    escaped = *byte == b'\\' && *quote == b'"' && !escaped;
                    ends
                });
                &rest[end.map_or(rest.len(), |at| at + 2)..]
            }
            _ => &rest[rest.iter().take_while(|byte| is_bare(**byte)).count()..],
        };
        rest = rest.trim_ascii_start();
        match rest.first() {
            Some(b'.') => rest = &rest[1..],
            Some(b'=') => return None,
            _ => return Some(is_bare(first) || matches!(first, b'"' | b'\'')),
        }
    }
}

fn has_three_quotes(line: &[u8]) -> bool {
    line.windows(3).any(|three| three == b"\"\"\"" || three == b"'''")
}

/// Of a header's line: where its key ends and which brackets are missing there. None where it is closed, or what follows
/// the bracket is no key.
fn unclosed_header(line: &[u8]) -> Option<(usize, &'static str)> {
    let line = line.split(|byte| *byte == b'#').next().unwrap_or_default().trim_ascii_end();
    let (key, wanted) = match line.strip_prefix(b"[[") {
        Some(key) => (key, 2),
        None => (line.strip_prefix(b"[")?, 1),
    };
    let closed = key.iter().rev().take_while(|byte| **byte == b']').count();
    let (name, missing) = (&key[..key.len() - closed], wanted - closed.min(wanted));
    let quotes = |quote: u8| name.iter().filter(|byte| **byte == quote).count();
    let is_key = name.iter().any(u8::is_ascii_alphanumeric)
        && name.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_. \t\"'".contains(byte))
        && quotes(b'"').is_multiple_of(2)
        && quotes(b'\'').is_multiple_of(2);
    match missing {
        1 if is_key => Some((line.len(), "]")),
        2 if is_key => Some((line.len(), "]]")),
        _ => None,
    }
}

/// `[name]`, `[[a.b]]`: what cannot be an item of a list, since its first part is no value.
fn is_header(line: &[u8]) -> bool {
    let line = line.split(|byte| *byte == b'#').next().unwrap_or_default().trim_ascii();
    let Some(inner) = line.strip_prefix(b"[").and_then(|rest| rest.strip_suffix(b"]")) else { return false };
    let inner =
        inner.strip_prefix(b"[").and_then(|rest| rest.strip_suffix(b"]")).unwrap_or(inner).trim_ascii();
    let is_word = inner.first().is_some_and(u8::is_ascii_alphabetic);
    let is_key = inner.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_. \"'".contains(byte));
    is_word && is_key && !matches!(inner, b"true" | b"false" | b"inf" | b"nan")
}

/// `key = `, `a.b =`, `"key" =`; not `"--key=value"`, which may be an item of a list.
fn is_assignment(line: &[u8]) -> bool {
    let mut quote = None;
    let mut is_key = false;
    for byte in line {
        match (quote, byte) {
            (Some(open), _) if open == byte => quote = None,
            (Some(_), _) => {}
            (None, b'"' | b'\'') => (quote, is_key) = (Some(byte), true),
            (None, b'=') => return is_key,
            (None, byte) if byte.is_ascii_alphanumeric() || b"-_.".contains(byte) => is_key = true,
            (None, byte) if byte.is_ascii_whitespace() => {}
            (None, _) => return false,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, brackets: &[(usize, usize)], strings: &[(usize, usize)]) {
        let found = scan(text);
        let places = |unclosed: &[Unclosed]| unclosed.iter().map(|u| (u.open, u.end)).collect::<Vec<_>>();
        assert_eq!((places(&found.brackets), places(&found.strings)), (brackets.to_vec(), strings.to_vec()));
        assert_eq!(found.too_deep, None);
    }

    #[test]
    fn what_is_closed_is_not_named() {
        check("[a.b]\nx = [1, [2], { y = \"]\" }] # [\n[[c]]\ny = '''\n[\n'''\n", &[], &[]);
        check("x = \"\"\"a\"\"\"\"\"\ny = 'it''s'", &[], &[]);
        check("x = [\n  [1],\n  [true],\n]\n", &[], &[]);
        check("x = [\n  \"--a=b\",\n  'c = d',\n]\n", &[], &[]);
    }

    #[test]
    fn an_open_list_ends_at_the_next_key_or_header() {
        check("x = [\n  1,\ny = 2\n", &[(4, 10)], &[]);
        check("x = [\n  1,\n'y=z' = 2\n", &[(4, 10)], &[]);
        check("x = [ 1,\n[jobs.a]\ny = [\n", &[(4, 8), (22, 23)], &[]);
        check("x = { a = [1\n[[t]]\n", &[(4, 12), (10, 12)], &[]);
    }

    #[test]
    fn an_open_string_ends_with_its_line_or_the_text() {
        check("x = \"a\\\"b\ny = 1\n", &[], &[(4, 9)]);
        check("x = '''a\ny = 1\n", &[], &[(4, 14)]);
    }

    #[test]
    fn an_open_header_ends_with_its_line() {
        let headers = |text: &str| {
            scan(text).headers.iter().map(|open| (open.open, open.close, open.end)).collect::<Vec<_>>()
        };
        assert_eq!(
            headers("[a.b \nx = 1\n [[c.d] # e]]\n[[e\n"),
            [(0, "]", 4), (13, "]", 19), (26, "]]", 29)]
        );
        assert_eq!(headers("[a]\n[[b]]\n[c] d\n[\n[\"e\n[f = 1\nx = '''\n[g\n'''\n"), []);
    }

    #[test]
    fn a_line_without_a_key_and_its_value_is_found() {
        let lines =
            |text: &str| scan(text).lines.iter().map(|line| (line.at, line.is_key)).collect::<Vec<_>>();
        assert_eq!(
            lines("a\n b.c d = 1\n@x = 1\n\"e\" # f\n\"g\n"),
            [(0, true), (3, true), (13, false), (20, true), (28, true)]
        );
        let fine =
            "\na = 1\n'b' . \"c=\" = 2\n# d\n\r\n= 1\n]\n}\n,\ne..f = 1\ng = '''\nh\n'''\ni = [\nj\n]\n";
        assert_eq!(lines(fine), []);
        // What goes on behind the line is not cut in two.
        assert_eq!(lines("a b = [\n1\n]\nc d = '''\nx\n'''\n"), []);
    }

    #[test]
    fn nesting_has_a_limit() {
        let at = |text: &str| scan(text).too_deep;
        assert_eq!(at(&format!("x = {}{}", "[".repeat(DEEPEST), "]".repeat(DEEPEST))), None);
        assert_eq!(at(&format!("x = {}", "[".repeat(100_000))), Some(4 + DEEPEST));
        assert!(at(&format!("{}a = 1", "a.".repeat(100))).is_some());
        assert!(at(&format!("[{}a]", "a.".repeat(100))).is_some());
        assert!(at(&format!("{}x = 1", "{ a.b = ".repeat(40))).is_some());
    }
}
