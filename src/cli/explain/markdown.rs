//! The little Markdown that pages are written in, as text for a terminal.
//!
//! Takes: a heading and paragraphs, lists and fenced blocks. Gives: lines that fit a width.
//! Deliberately does not: know all of Markdown, or colours (a page may go into a file).

/// A page: the code, its paragraphs filled to `width`, its examples indented as they are.
pub(super) fn render(heading: &str, text: &str, width: usize) -> String {
    let mut lines = vec![heading.to_owned(), "─".repeat(heading.chars().count()), String::new()];
    let mut paragraph: Vec<&str> = Vec::new();
    let mut is_in_fence = false;
    for line in text.lines() {
        if line.starts_with("```") {
            flush(&mut paragraph, width, &mut lines);
            is_in_fence = !is_in_fence;
        } else if is_in_fence {
            lines.push(format!("    {line}").trim_end().to_owned());
        } else if line.trim().is_empty() {
            flush(&mut paragraph, width, &mut lines);
            lines.push(String::new());
        } else {
            if is_item(line) {
                flush(&mut paragraph, width, &mut lines);
            }
            paragraph.push(line.trim());
        }
    }
    flush(&mut paragraph, width, &mut lines);
    lines.dedup_by(|next, previous| next.is_empty() && previous.is_empty());
    lines.join("\n")
}

fn is_item(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with("- ") || line.starts_with("* ") || line.starts_with('#')
}

/// Fills what was collected; the lines of a list's item hang below its text.
fn flush(paragraph: &mut Vec<&str>, width: usize, lines: &mut Vec<String>) {
    let text = paragraph.join(" ");
    paragraph.clear();
    let text = text.trim_start_matches('#').trim_start();
    let indent = if is_item(text) { "  " } else { "" };
    let mut line = String::new();
    for word in text.split_whitespace() {
        let is_full = !line.trim().is_empty() && line.chars().count() + 1 + word.chars().count() > width;
        if is_full {
            lines.push(std::mem::replace(&mut line, indent.to_owned()));
        }
        if !line.trim().is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    if !line.is_empty() {
        lines.push(line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraphs_are_filled_and_examples_kept() {
        let page = "Jobs need each other, so\nnone can be first.\n\n- one that\n  is long enough\n- two\n\nWrong:\n\n```toml\n[jobs.a]\n\ndepends_on = [\"b\"] # a line longer than the width\n```\n";
        assert_eq!(
            render("a::b", page, 20),
            "a::b\n────\n\nJobs need each\nother, so none can\nbe first.\n\n- one that is long\n  enough\n- two\n\nWrong:\n\n    [jobs.a]\n\n    depends_on = [\"b\"] # a line longer than the width"
        );
    }
}
