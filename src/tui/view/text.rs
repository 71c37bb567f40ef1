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

/// Rows that a text takes where its words are wrapped at so many columns.
pub(super) fn rows_of(text: &str, columns: usize) -> usize {
    let (mut rows, mut used) = (1, 0);
    for word in text.split_inclusive(' ') {
        let (all, bare) = (width(word), width(word.trim_end()));
        if used + bare > columns && used > 0 {
            (rows, used) = (rows + 1, 0);
        }
        // A word that is longer than a row is broken.
        let broken = bare.saturating_sub(1) / columns.max(1);
        rows += broken;
        used += all - broken * columns;
    }
    rows
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

    #[test]
    fn words_are_wrapped_as_they_are_drawn() {
        use ratatui::buffer::Buffer;
        use ratatui::layout::Rect;
        use ratatui::widgets::{Paragraph, Widget, Wrap};
        let texts = [
            "",
            "a",
            "one two three four five",
            "  one two",
            "aaaaaaaaaaaaaaaaaaaaaaaaa b",
            "雨量 データ の 集計",
        ];
        for (text, columns) in texts.iter().flat_map(|text| (4..24).map(move |columns| (text, columns))) {
            let area = Rect::new(0, 0, columns, 40);
            let mut buffer = Buffer::empty(area);
            Paragraph::new(format!("{text}\n#")).wrap(Wrap { trim: false }).render(area, &mut buffer);
            let drawn = (0..40).find(|y| buffer[(0, *y)].symbol() == "#").expect("it is the last line");
            // One too many is an empty row at the end; one too few would be a row that nobody sees.
            let spare = rows_of(text, usize::from(columns)).checked_sub(usize::from(drawn));
            let most = usize::from(!text.is_ascii());
            assert!(spare.is_some_and(|spare| spare <= most), "{text} in {columns}: {spare:?}");
        }
    }
}
