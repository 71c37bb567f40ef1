//! A line of text that is typed.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use unicode_width::UnicodeWidthChar;

/// A line that is typed, and where in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Line {
    text: String,
    /// Bytes before the cursor; always at the beginning of a character that takes room, or at the end.
    at: usize,
}

impl Line {
    /// With a text that is there already; the cursor is at its end.
    pub(super) fn new(text: &str) -> Self {
        Self { text: text.to_owned(), at: text.len() }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// What stands before the cursor, and what it is on and before.
    pub(super) fn parts(&self) -> (&str, &str) {
        self.text.split_at(self.at)
    }

    /// Takes a key: as in a shell's line.
    pub(super) fn key(&mut self, event: KeyEvent) {
        let is_control = event.modifiers.contains(KeyModifiers::CONTROL);
        match event.code {
            KeyCode::Char('u') if is_control => self.cut(0),
            KeyCode::Char('w') if is_control => self.cut(self.word()),
            KeyCode::Char('h') if is_control => self.cut(self.before()),
            KeyCode::Char('k') if is_control => self.text.truncate(self.at),
            KeyCode::Char('a') if is_control => self.at = 0,
            KeyCode::Char('e') if is_control => self.at = self.text.len(),
            KeyCode::Char('b') if is_control => self.at = self.before(),
            KeyCode::Char('f') if is_control => self.at = self.after(),
            KeyCode::Char('d') if is_control => self.delete(),
            KeyCode::Left if is_control => self.at = self.word(),
            KeyCode::Char(_) if is_control => {}
            KeyCode::Char(c) => self.insert(c.encode_utf8(&mut [0; 4])),
            KeyCode::Backspace => self.cut(self.before()),
            KeyCode::Delete => self.delete(),
            KeyCode::Left => self.at = self.before(),
            KeyCode::Right => self.at = self.after(),
            KeyCode::Home => self.at = 0,
            KeyCode::End => self.at = self.text.len(),
            _ => {}
        }
    }

    /// Takes what is pasted. It stays one line: whoever pastes two has not said Enter between them.
    pub(super) fn paste(&mut self, text: &str) {
        let text = text.trim_end_matches(['\n', '\r']);
        let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        self.insert(&text);
    }

    fn insert(&mut self, text: &str) {
        self.text.insert_str(self.at, text);
        self.at += text.len();
    }

    /// Removes what stands between a place before the cursor and the cursor.
    fn cut(&mut self, from: usize) {
        self.text.replace_range(from..self.at, "");
        self.at = from;
    }

    fn delete(&mut self) {
        self.text.replace_range(self.at..self.after(), "");
    }

    /// Where the character before the cursor begins; what takes no room belongs to what is before it.
    fn before(&self) -> usize {
        let before = self.text[..self.at].char_indices().rev();
        before.into_iter().find(|(_, c)| takes_room(*c)).map_or(0, |(at, _)| at)
    }

    fn after(&self) -> usize {
        let after = self.text[self.at..].char_indices().skip(1);
        after.into_iter().find(|(_, c)| takes_room(*c)).map_or(self.text.len(), |(at, _)| self.at + at)
    }

    /// Where the word before the cursor begins.
    fn word(&self) -> usize {
        let before = self.text[..self.at].trim_end();
        let space = before.char_indices().rev().find(|(_, c)| c.is_whitespace());
        space.map_or(0, |(at, c)| at + c.len_utf8())
    }
}

fn takes_room(c: char) -> bool {
    c.width().is_some_and(|columns| columns > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Presses keys: a text is typed, `<Left>` and `<C-w>` are keys.
    #[track_caller]
    fn check(keys: &[&str], before: &str, after: &str) {
        let mut line = Line::default();
        for key in keys {
            let name = key.strip_prefix('<').and_then(|name| name.strip_suffix('>'));
            let press = |line: &mut Line, code, modifiers| line.key(KeyEvent::new(code, modifiers));
            match name {
                None => {
                    key.chars().for_each(|c| press(&mut line, KeyCode::Char(c), KeyModifiers::NONE));
                }
                Some("Left") => press(&mut line, KeyCode::Left, KeyModifiers::NONE),
                Some("Right") => press(&mut line, KeyCode::Right, KeyModifiers::NONE),
                Some("Home") => press(&mut line, KeyCode::Home, KeyModifiers::NONE),
                Some("End") => press(&mut line, KeyCode::End, KeyModifiers::NONE),
                Some("Delete") => press(&mut line, KeyCode::Delete, KeyModifiers::NONE),
                Some("Backspace") => press(&mut line, KeyCode::Backspace, KeyModifiers::NONE),
                Some(control) => {
                    let c = control.chars().last().unwrap();
                    press(&mut line, KeyCode::Char(c), KeyModifiers::CONTROL);
                }
            }
        }
        assert_eq!(line.parts(), (before, after), "{keys:?}");
    }

    #[test]
    fn a_line_is_edited_where_the_cursor_is() {
        check(&["abc", "<Left>", "x"], "abx", "c");
        check(&["abc", "<Home>", "x", "<End>", "y"], "xabcy", "");
        check(&["abc", "<Home>", "<Right>", "<Delete>"], "a", "c");
        check(&["abc", "<Left>", "<Backspace>"], "a", "c");
        check(&["one two  ", "<C-w>"], "one ", "");
        check(&["one two", "<Left>", "<C-u>"], "", "o");
        check(&["one two", "<Home>", "<C-k>"], "", "");
        check(&["<Backspace>", "<Delete>", "<Left>", "<Right>", "<C-w>"], "", "");
    }

    #[test]
    fn wide_characters_and_marks_are_one_step_each() {
        check(&["雨量", "<Left>", "x"], "雨x", "量");
        check(&["e\u{301}a", "<Left>", "<Left>"], "", "e\u{301}a");
        check(&["e\u{301}", "<Backspace>"], "", "");
        check(&["雨量 データ", "<C-w>"], "雨量 ", "");
    }

    #[test]
    fn what_is_pasted_stays_one_line() {
        let mut line = Line::new("ab");
        line.key(KeyEvent::new(KeyCode::Left, KeyModifiers::NONE));
        line.paste("1\n2\t\u{1b}[31m\n");
        assert_eq!(line.parts(), ("a1 2  [31m", "b"));
    }
}
