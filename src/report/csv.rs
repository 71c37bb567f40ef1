//! Rows for spreadsheets (RFC 4180).
//!
//! Takes: cells. Gives: a line a row, whatever the cells hold; control characters are shown, not sent, and no text is a formula where
//! a spreadsheet opens it (OWASP, "CSV Injection").
//! Deliberately does not: know columns: who has rows says what is in them.

use super::text::printable;

/// A row, without its line end.
pub fn row<'a>(cells: impl IntoIterator<Item = &'a str>) -> String {
    cells.into_iter().map(cell).collect::<Vec<_>>().join(",")
}

fn cell(text: &str) -> String {
    let mut text = printable(text);
    if may_be_formula(&text) {
        text.to_mut().insert(0, '\'');
    }
    if text.contains([',', '"']) || text.starts_with(' ') || text.ends_with(' ') {
        return format!("\"{}\"", text.replace('"', "\"\""));
    }
    text.into_owned()
}

/// Begins with what begins a formula - in wide form too, which East Asian versions take - and is no number.
fn may_be_formula(text: &str) -> bool {
    const BEGINNINGS: [char; 9] = ['=', '+', '-', '@', '\t', '＝', '＋', '－', '＠'];
    text.starts_with(BEGINNINGS) && !text.parse().is_ok_and(f64::is_finite)
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
    #[test]
    fn a_text_is_no_formula_and_a_number_stays_one() {
        assert_eq!(row(["=1+1", "+x", "-x", "@SUM(A1)", "＝1"]), "'=1+1,'+x,'-x,'@SUM(A1),'＝1");
        assert_eq!(row(["=HYPERLINK(\"x\",\"y\")"]), "\"'=HYPERLINK(\"\"x\"\",\"\"y\"\")\"");
        assert_eq!(row(["\t=1", "\r=1", "-inf"]), "'\t=1,\\r=1,'-inf");
        assert_eq!(row(["-1.5", "+3", "a=b", "2026-11-29", "0.6667"]), "-1.5,+3,a=b,2026-11-29,0.6667");
    }
}
