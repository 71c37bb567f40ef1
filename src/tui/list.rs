//! A place in a long list, of which a window is shown.

/// Which line is selected, and the first one to be seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Cursor {
    pub(super) at: usize,
    pub(super) top: usize,
}

impl Cursor {
    /// Moves by so many lines.
    pub(super) fn step(&mut self, by: isize, len: usize) {
        self.at = self.at.saturating_add_signed(by).min(len.saturating_sub(1));
    }

    /// Keeps the selected line within the list and the window.
    pub(super) fn settle(&mut self, height: usize, len: usize) {
        self.at = self.at.min(len.saturating_sub(1));
        let height = height.max(1);
        self.top = self.top.clamp((self.at + 1).saturating_sub(height), self.at);
        self.top = self.top.min(len.saturating_sub(height));
    }
}

#[cfg(test)]
mod tests {
    use super::Cursor;

    #[test]
    fn the_selected_line_is_in_the_window() {
        let mut cursor = Cursor::default();
        cursor.step(5, 100);
        cursor.settle(3, 100);
        assert_eq!((cursor.at, cursor.top), (5, 3));
        cursor.step(-1, 100);
        cursor.settle(3, 100);
        assert_eq!((cursor.at, cursor.top), (4, 3));
        cursor.step(isize::MAX, 100);
        cursor.settle(3, 100);
        assert_eq!((cursor.at, cursor.top), (99, 97));
        cursor.settle(3, 2);
        assert_eq!((cursor.at, cursor.top), (1, 0));
        cursor.settle(3, 0);
        assert_eq!((cursor.at, cursor.top), (0, 0));
    }
}
