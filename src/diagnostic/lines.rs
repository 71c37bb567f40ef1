//! Where the lines of a text begin: positions without reading the text again.

/// The first byte of each line of a text.
#[derive(Debug)]
pub(crate) struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    /// Reads the text once.
    pub(crate) fn new(text: &'a str) -> Self {
        let newlines = text.match_indices('\n').map(|(at, _)| at + 1);
        Self { text, starts: std::iter::once(0).chain(newlines).collect() }
    }

    /// How many lines there are; a text that ends in a newline has an empty last one.
    pub(crate) fn count(&self) -> usize {
        self.starts.len()
    }

    /// The line that holds a byte, from 0.
    pub(crate) fn line_of(&self, byte: usize) -> usize {
        self.starts.partition_point(|start| *start <= byte) - 1
    }

    /// First byte of a line.
    pub(crate) fn start(&self, line: usize) -> usize {
        self.starts[line]
    }

    /// First byte of the next line, or the end of the text.
    pub(crate) fn end(&self, line: usize) -> usize {
        self.starts.get(line + 1).copied().unwrap_or(self.text.len())
    }

    /// A line without its newline.
    pub(crate) fn text(&self, line: usize) -> &'a str {
        let text = &self.text[self.start(line)..self.end(line)];
        match text.strip_suffix('\n') {
            Some(text) => text.strip_suffix('\r').unwrap_or(text),
            None => text,
        }
    }

    /// Line and column of a byte, both from 1; columns count characters. A byte inside a character counts as its first.
    pub(crate) fn position(&self, byte: usize) -> (usize, usize) {
        let byte = self.text.floor_char_boundary(byte);
        let line = self.line_of(byte);
        (line + 1, self.text[self.start(line)..byte].chars().count() + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, byte: usize, expected: (usize, usize)) {
        assert_eq!(Lines::new(text).position(byte), expected);
        assert_eq!(crate::diagnostic::Source::new("", text).position(byte), expected);
    }

    #[test]
    fn columns_count_characters() {
        check("aé\nb", 0, (1, 1));
        check("aé\nb", 2, (1, 2));
        check("aé\nb", 3, (1, 3));
        check("aé\nb", 4, (2, 1));
        check("aé\nb", 99, (2, 2));
        check("", 0, (1, 1));
        check("a\n", 2, (2, 1));
    }

    #[test]
    fn lines_are_given_without_their_ends() {
        let lines = Lines::new("a\r\nb\rc\n\n");
        let texts: Vec<&str> = (0..lines.count()).map(|line| lines.text(line)).collect();
        assert_eq!(texts, ["a", "b\rc", "", ""]);
    }
}
