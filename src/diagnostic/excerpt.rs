//! The part of a source that one finding shows.
//!
//! Takes: a source, its lines and a finding's labels. Gives: a text that is fit to print - no line of megabytes, no
//! control characters - and the labels' places in it, as miette reads them.
//! Deliberately does not: copy the source where it is fit to print as it is.

use super::lines::Lines;
use super::{Label, Span};
use miette::{LabeledSpan, MietteError, MietteSpanContents, SourceCode, SourceSpan, SpanContents};
use std::borrow::Cow;

/// Lines of more bytes are shown around their labels only.
const LONG_LINE: usize = 240;
/// How many bytes of a long line stand before and after the ends of a label.
const AROUND: usize = 40;
/// A label over more lines is drawn under its first line only.
const MANY_LINES: usize = 6;

/// A text with the labels' places in it.
pub(crate) struct Excerpt<'a> {
    name: &'a str,
    text: Cow<'a, str>,
    /// First byte of each line of `text`, where that is not the source.
    own_starts: Option<Vec<usize>>,
    /// Where labels begin in `text`, each with its column in the source, where that differs.
    columns: Vec<(usize, usize)>,
    lines: &'a Lines<'a>,
}

impl<'a> Excerpt<'a> {
    /// The excerpt for a finding, and its labels as miette takes them.
    pub(crate) fn new(
        name: &'a str,
        text: &'a str,
        lines: &'a Lines<'a>,
        labels: &[Label],
    ) -> (Self, Vec<LabeledSpan>) {
        let spans: Vec<Span> = labels.iter().map(|label| drawable(text, lines, label.span)).collect();
        let shown = shown_lines(lines, &spans);
        if shown.iter().all(|line| is_printable(lines.text(*line))) {
            let excerpt =
                Self { name, text: Cow::Borrowed(text), own_starts: None, columns: Vec::new(), lines };
            return (excerpt, labelled(labels, &spans));
        }
        let (text, starts, moved) = rewrite(lines, &shown, &spans);
        let columns = spans.iter().zip(&moved).map(|(old, new)| (new.start, lines.position(old.start).1 - 1));
        let columns = columns.collect();
        let excerpt = Self { name, text: Cow::Owned(text), own_starts: Some(starts), columns, lines };
        (excerpt, labelled(labels, &moved))
    }

    /// The file's name.
    pub(crate) fn name(&self) -> &str {
        self.name
    }

    fn line_of(&self, byte: usize) -> usize {
        match &self.own_starts {
            Some(starts) => starts.partition_point(|start| *start <= byte) - 1,
            None => self.lines.line_of(byte),
        }
    }

    fn start(&self, line: usize) -> usize {
        match &self.own_starts {
            Some(starts) => starts.get(line).copied().unwrap_or(self.text.len()),
            None if line < self.lines.count() => self.lines.start(line),
            None => self.text.len(),
        }
    }
}

impl SourceCode for Excerpt<'_> {
    fn read_span<'s>(
        &'s self,
        span: &SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn SpanContents<'s> + 's>, MietteError> {
        if span.offset() + span.len() > self.text.len() {
            return Err(MietteError::OutOfBounds);
        }
        let span_line = self.line_of(span.offset());
        let first = span_line.saturating_sub(before);
        let last = self.line_of(span.offset() + span.len().saturating_sub(1)) + after;
        let start = if before == 0 { span.offset() } else { self.start(first) };
        let end = self.start(last + 1).max(start);
        let column = match self.columns.iter().find(|(at, _)| *at == span.offset()) {
            Some((_, column)) if before == 0 => *column,
            _ => self.text[self.start(span_line)..start.max(self.start(span_line))].chars().count(),
        };
        Ok(Box::new(MietteSpanContents::new_named(
            self.name.to_owned(),
            &self.text.as_bytes()[start..end],
            (start, end - start).into(),
            first,
            column,
            last + 1 - first,
        )))
    }
}

fn labelled(labels: &[Label], spans: &[Span]) -> Vec<LabeledSpan> {
    let pairs = labels.iter().zip(spans).enumerate();
    pairs
        .map(|(index, (label, span))| {
            let message = (!label.message.is_empty()).then(|| visible(&label.message).into_owned());
            let place = SourceSpan::from((span.start, span.end - span.start));
            match index {
                0 => LabeledSpan::new_primary_with_span(message, place),
                _ => LabeledSpan::new_with_span(message, place),
            }
        })
        .collect()
}

/// Within the text, on characters' edges, not past the last line that has text, and not over many lines.
fn drawable(text: &str, lines: &Lines<'_>, span: Span) -> Span {
    let last = text.trim_end_matches(['\n', '\r']).len();
    let start = text.floor_char_boundary(span.start.min(last));
    let mut end = text.ceil_char_boundary(span.end.clamp(start, last.max(start)));
    let line = lines.line_of(start);
    if lines.line_of(end) >= line + MANY_LINES {
        end = lines.start(line) + lines.text(line).len();
    }
    Span { start, end: end.max(start) }
}

fn shown_lines(lines: &Lines<'_>, spans: &[Span]) -> Vec<usize> {
    let mut shown: Vec<usize> = spans
        .iter()
        .flat_map(|span| {
            let last = (lines.line_of(span.end) + 1).min(lines.count() - 1);
            lines.line_of(span.start).saturating_sub(1)..=last
        })
        .collect();
    shown.sort_unstable();
    shown.dedup();
    shown
}

fn is_printable(line: &str) -> bool {
    line.len() <= LONG_LINE && line.chars().all(|c| shown_as(c) == c)
}

/// The text with every shown line made fit to print and all others empty, so that line numbers stay.
fn rewrite(lines: &Lines<'_>, shown: &[usize], spans: &[Span]) -> (String, Vec<usize>, Vec<Span>) {
    let mut text = String::new();
    let mut starts = Vec::new();
    let mut moved = spans.to_vec();
    let mut next = shown.iter().peekable();
    for line in 0..=shown.last().copied().unwrap_or(0) {
        starts.push(text.len());
        if next.next_if(|shown| **shown == line).is_some() {
            let first = lines.start(line);
            let mut places: Vec<(usize, &mut usize)> = Vec::new();
            for (old, new) in spans.iter().zip(&mut moved) {
                let Span { start, end } = new;
                places.extend(
                    [(old.start, start), (old.end, end)]
                        .into_iter()
                        .filter(|(at, _)| lines.line_of(*at) == line)
                        // Within the line's end, of which nothing is shown: where the shown text ends.
                        .map(|(at, place)| ((at - first).min(lines.text(line).len()), place)),
                );
            }
            fit(lines.text(line), &mut text, places);
        }
        text.push('\n');
    }
    (text, starts, moved)
}

/// Writes one line, a long one only around its places, and moves the places to where they now are.
fn fit(line: &str, text: &mut String, places: Vec<(usize, &mut usize)>) {
    let mut edges: Vec<(usize, usize)> = Vec::new();
    let mut written = 0;
    for (start, end) in kept(line, &places) {
        if start > written {
            text.push('…');
        }
        edges.extend(line[start..end].char_indices().map(|(at, c)| {
            let edge = (start + at, text.len());
            text.push(shown_as(c));
            edge
        }));
        edges.push((end, text.len()));
        written = end;
    }
    if written < line.len() {
        text.push('…');
    }
    for (at, place) in places {
        let edge = edges.partition_point(|(old, _)| *old < at).min(edges.len().saturating_sub(1));
        *place = edges.get(edge).map_or(text.len(), |(_, new)| *new);
    }
}

/// The parts of a line that are shown, in order and apart.
fn kept(line: &str, places: &[(usize, &mut usize)]) -> Vec<(usize, usize)> {
    if line.len() <= LONG_LINE {
        return vec![(0, line.len())];
    }
    let mut parts: Vec<(usize, usize)> =
        places.iter().map(|(at, _)| (at.saturating_sub(AROUND), at + AROUND)).collect();
    if parts.is_empty() {
        parts.push((0, 2 * AROUND));
    }
    parts.sort_unstable();
    let mut kept: Vec<(usize, usize)> = Vec::new();
    for (start, end) in parts {
        let (start, end) = (line.floor_char_boundary(start), line.ceil_char_boundary(end.min(line.len())));
        match kept.last_mut() {
            Some((_, last)) if start <= *last => *last = end.max(*last),
            _ => kept.push((start, end)),
        }
    }
    kept
}

/// A character as a terminal may be given it: control characters become their pictures, and what would reorder the
/// line becomes the replacement character.
fn shown_as(c: char) -> char {
    match c {
        '\t' => '\t',
        '\u{0}'..='\u{1f}' => char::from_u32(0x2400 + c as u32).unwrap_or('\u{fffd}'),
        '\u{7f}' => '\u{2421}',
        '\u{80}'..='\u{9f}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            '\u{fffd}'
        }
        other => other,
    }
}

/// A message in which quoted values cannot drive the terminal.
pub(crate) fn visible(message: &str) -> Cow<'_, str> {
    let shown = |c| match c {
        '\n' => '\n',
        '\t' => ' ',
        other => shown_as(other),
    };
    if message.chars().all(|c| shown(c) == c) {
        return Cow::Borrowed(message);
    }
    message.chars().map(shown).collect::<String>().into()
}
