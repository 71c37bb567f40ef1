//! Rows for spreadsheets (RFC 4180).
//!
//! Takes: cells. Gives: a line a row, whatever the cells hold; control characters are shown, not sent.
//! Deliberately does not: know columns: who has rows says what is in them.

use super::text::printable;

/// A row, without its line end.
pub fn row<'a>(cells: impl IntoIterator<Item = &'a str>) -> String {
    cells.into_iter().map(cell).collect::<Vec<_>>().join(",")
}

fn cell(text: &str) -> String {
    let text = printable(text);
    if text.contains([',', '"']) || text.starts_with(' ') || text.ends_with(' ') {
        return format!("\"{}\"", text.replace('"', "\"\""));
    }
    text.into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_a_line() {
        assert_eq!(row(["a", "", "b c"]), "a,,b c");
        assert_eq!(row(["a,b", "say \"x\"", " c"]), "\"a,b\",\"say \"\"x\"\"\",\" c\"");
        assert_eq!(row(["a\nb\u{1b}[1m"]), "a\\nb\\u{1b}[1m");
    }
}
