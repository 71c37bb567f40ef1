//! Text in columns: characters of East Asian scripts take two.

/// Columns that a text takes.
pub(super) fn width(text: &str) -> usize {
    console::measure_text_width(text)
}

/// At most so many columns, with `…` where something is left out.
pub(super) fn fit(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    console::truncate_str(text, columns, "…").into_owned()
}

/// Exactly so many columns.
pub(super) fn pad(text: &str, columns: usize) -> String {
    let text = fit(text, columns);
    let missing = columns.saturating_sub(width(&text));
    text + &" ".repeat(missing)
}

/// The same, at the right.
pub(super) fn pad_left(text: &str, columns: usize) -> String {
    let text = fit(text, columns);
    " ".repeat(columns.saturating_sub(width(&text))) + &text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_characters_take_two_columns() {
        assert_eq!(width("雨量"), 4);
        assert_eq!(fit("雨量データ", 7), "雨量デ…");
        assert_eq!(pad("雨量", 6), "雨量  ");
        assert_eq!(pad("雨量データ", 6), "雨量… ");
        assert_eq!(pad_left("雨", 3), " 雨");
    }
}
