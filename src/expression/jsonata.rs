//! JSONata text: does it parse as 2.0.6, and which references does it hold, where.
//!
//! Takes: a string that is `{% … %}`. Gives: a [`Jsonata`], or findings at their places.
//! The parser decides what is right and which roots are used; it knows no places, so a scan of the text gives those.
//! Deliberately does not: evaluate.

mod names;

use super::guarded::{self, NO_VARIABLE, ParseFailure};
use super::scan::{Token, TokenKind, Tokens, Unclosed, scan};
use super::walk::nodes;
use super::{Jsonata, Reference, Root, Segment};
use crate::diagnostic::{Diagnostic, Sink, Span};
use crate::document::StringPlaces;
use jsonata_core::ast::AstNode;
use jsonata_core::parser::ParserError;
use std::collections::BTreeSet;
use std::ops::Range;

/// Longer text is not parsed again and again to find the place of an error.
const LOCATE_LIMIT: usize = 64 * 1024;

/// Whether Step Functions evaluates a string: it must be exactly `{%…%}`.
pub(super) fn is_expression(text: &str) -> bool {
    text.len() >= 4 && text.starts_with("{%") && text.ends_with("%}")
}

/// A definition of Step Functions has at most so many bytes, so no expression can have more.
const LONGEST: usize = 1024 * 1024;

/// Whether it is longer than any that Step Functions could take; then nothing in it is looked at.
pub(super) fn is_too_long(text: &str) -> bool {
    text.len() > LONGEST
}

/// What is said of one that is.
pub(super) fn too_long(text: &str, literal: Span) -> Diagnostic {
    let message =
        format!("this expression has {} bytes, and a whole definition at most {LONGEST}", text.len());
    Diagnostic::error("bunsui::reference::jsonata_too_long", message)
        .label(literal, "too long")
        .help("put data into a file or an object that an operation reads")
}

/// Parses a string for which [`is_expression`] holds.
pub(super) fn parse(text: &str, places: &StringPlaces, sink: &mut Sink) -> Option<Jsonata> {
    let expression = Expression::new(text, places);
    let before = sink.errors();
    let ast = expression.syntax(sink);
    expression.refuse_newer(sink);
    expression.refuse_reserved_names(sink);
    names::refuse_unknown(&expression, ast.as_ref(), sink);
    // Even where it does not parse: `$jobs.step-2.x` fails because of its hyphen.
    expression.warn_of_hyphens(sink);
    let ast = ast?;
    if sink.errors() > before {
        return None;
    }
    Some(Jsonata { source: expression.source.to_owned(), references: expression.references(Some(&ast)) })
}

/// What can be read of a string that [`parse`] refused: an expression to look at, not to use.
pub(super) fn readable(text: &str, places: &StringPlaces) -> Jsonata {
    let expression = Expression::new(text, places);
    let ast = guarded::parse(expression.source).ok();
    Jsonata { source: expression.source.to_owned(), references: expression.references(ast.as_ref()) }
}

/// A text with its tokens and its place in the file.
struct Expression<'a> {
    source: &'a str,
    /// Of `source` in the decoded string.
    offset: usize,
    places: &'a StringPlaces,
    scanned: Tokens<'a>,
}

impl<'a> Expression<'a> {
    fn new(text: &'a str, places: &'a StringPlaces) -> Self {
        let inner = &text[2..text.len() - 2];
        let source = inner.trim();
        let offset = 2 + (inner.len() - inner.trim_start().len());
        Self { source, offset, places, scanned: scan(source) }
    }

    fn span(&self, range: Range<usize>) -> crate::diagnostic::Span {
        self.places.span(range.start + self.offset..range.end + self.offset)
    }

    fn tokens(&self) -> &[Token<'a>] {
        &self.scanned.tokens
    }

    fn syntax(&self, sink: &mut Sink) -> Option<AstNode> {
        if self.source.is_empty() {
            // The braces are underlined: there is nothing between them.
            let span = self.places.span(0..self.offset + 2);
            sink.report(
                Diagnostic::error("bunsui::reference::jsonata_syntax", "`{% %}` holds no expression")
                    .label(span, "empty")
                    .help("write JSONata between, as in `{% $params.year + 1 %}`"),
            );
            return None;
        }
        match guarded::parse(self.source) {
            Ok(ast) => Some(ast),
            Err(ParseFailure::Syntax(error)) => {
                sink.report(self.syntax_error(&error));
                None
            }
            Err(ParseFailure::Panic(panic)) => {
                let message = format!("the JSONata engine fails at this expression: {panic}");
                sink.report(
                    Diagnostic::error("bunsui::reference::jsonata_syntax", message)
                        .label(self.span(0..self.source.len()), "cannot be read")
                        .help("write it another way"),
                );
                None
            }
        }
    }

    fn syntax_error(&self, error: &ParserError) -> Diagnostic {
        let code = "bunsui::reference::jsonata_syntax";
        let help = self
            .source
            .contains("${")
            .then(|| "inside `{% … %}` a reference is `$params.year`, not `${params.year}`".to_owned());
        if let Some((what, start)) = self.scanned.unclosed {
            let what = match what {
                Unclosed::Text => "string",
                Unclosed::QuotedName => "name in backticks",
                Unclosed::Regex => "regular expression",
                Unclosed::Comment => "comment",
            };
            return Diagnostic::error(code, format!("a {what} in this JSONata is not closed"))
                .label(self.span(start..self.source.len()), "starts here")
                .maybe_help(help);
        }
        let place = self.locate(error);
        // What is quoted may go over lines.
        let reason = self.reason(error, place.as_ref()).replace(['\n', '\r'], " ");
        let message = format!("this JSONata does not parse: {reason}");
        let label = if place.is_some() { "here" } else { "in this expression" };
        let diagnostic = Diagnostic::error(code, message)
            .label(self.span(place.unwrap_or(0..self.source.len())), label)
            .maybe_help(help);
        match self.unmatched_opener().filter(|_| ends_early(error)) {
            Some(opener) => diagnostic.label(self.span(opener), "opened here"),
            None => diagnostic,
        }
    }

    /// The token at which the parser fails: the last of the shortest beginning that fails in the same way.
    fn locate(&self, error: &ParserError) -> Option<Range<usize>> {
        let tokens = self.tokens();
        if has_no_variable(error) {
            return self.assignment_to_no_variable();
        }
        if ends_early(error) {
            return tokens.last().map(|token| token.range.clone());
        }
        if self.source.len() > LOCATE_LIMIT {
            return None;
        }
        let wanted = error.to_string();
        let fails = |token: &Token<'_>| {
            let beginning = &self.source[..token.range.end];
            matches!(guarded::parse(beginning), Err(ParseFailure::Syntax(error)) if error.to_string() == wanted)
        };
        let at = tokens.partition_point(|token| !fails(token));
        tokens.get(at).filter(|token| fails(token)).map(|token| token.range.clone())
    }

    /// The first `:=` with something else than a variable before it; none where the variable there belongs to something longer.
    fn assignment_to_no_variable(&self) -> Option<Range<usize>> {
        let tokens = self.tokens();
        let at = (0..tokens.len()).find(|at| {
            let is_variable = *at > 0 && matches!(tokens[at - 1].kind, TokenKind::Variable(_));
            tokens[*at].is_symbol(":=") && !is_variable
        })?;
        Some(tokens[at].range.clone())
    }

    fn reason(&self, error: &ParserError, place: Option<&Range<usize>>) -> String {
        let found = place.map(|range| format!("found `{}`", &self.source[range.clone()]));
        match (error, found) {
            (error, _) if has_no_variable(error) => "only a variable can stand before `:=`".into(),
            (ParserError::UnexpectedEnd, _) => "it ends where a value was wanted".into(),
            (ParserError::UnexpectedToken(_), _) if ends_early(error) => {
                "it ends where a value was wanted".into()
            }
            (ParserError::Expected { expected, .. }, _) if ends_early(error) => {
                format!("it ends where {} was wanted", symbol(expected))
            }
            (ParserError::Expected { expected, .. }, Some(found)) => {
                format!("{found} where {} was wanted", symbol(expected))
            }
            (ParserError::UnexpectedToken(_), Some(found)) => format!("{found} where a value was wanted"),
            (ParserError::InvalidSyntax(message), Some(found)) if message.starts_with("S0201") => {
                format!("{found} where an operator or the end was wanted")
            }
            (ParserError::InvalidSyntax(message), _) => plain_message(message),
            (error, _) => plain_message(&error.to_string()),
        }
    }

    /// The innermost bracket that is not closed.
    fn unmatched_opener(&self) -> Option<Range<usize>> {
        let mut open = Vec::new();
        for token in self.tokens() {
            match token.kind {
                TokenKind::Symbol("(" | "[" | "{") => open.push(token.range.clone()),
                TokenKind::Symbol(")" | "]" | "}") => drop(open.pop()),
                _ => {}
            }
        }
        open.pop()
    }

    /// `??`, `?:` and `$eval` are not there on Step Functions.
    fn refuse_newer(&self, sink: &mut Sink) {
        let signatures = self.signatures();
        for (at, token) in self.tokens().iter().enumerate() {
            let (what, help) = match token.kind {
                _ if signatures.iter().any(|range| range.contains(&at)) => continue,
                TokenKind::Symbol("??") => {
                    ("the operator `??`", "write `$exists($x) ? $x : …` for what may be missing")
                }
                TokenKind::Symbol("?:") => ("the operator `?:` with two operands", "write `$x ? $x : …`"),
                TokenKind::Variable("eval") => ("the function `$eval`", "write the expression out"),
                _ => continue,
            };
            let message = format!("{what} is not in JSONata as Step Functions has it (2.0.6)");
            sink.report(
                Diagnostic::error("bunsui::reference::jsonata_unsupported", message)
                    .label(self.span(token.range.clone()), "not available")
                    .help(help),
            );
        }
    }

    /// Token positions of `<…>` between a function's parameters and its body: `?:` may stand there.
    fn signatures(&self) -> Vec<Range<usize>> {
        let tokens = self.tokens();
        let mut found = Vec::new();
        for start in 1..tokens.len() {
            if tokens[start].is_symbol("<")
                && tokens[start - 1].is_symbol(")")
                && self.ends_parameters(start - 1)
            {
                let end = tokens[start..].iter().position(|token| token.is_symbol("{"));
                found.push(start..end.map_or(tokens.len(), |end| start + end));
            }
        }
        found
    }

    fn ends_parameters(&self, close: usize) -> bool {
        self.parameter_lists().iter().any(|list| list.end == close)
    }

    /// Token positions between the parentheses of `function(…)`, the closing one excluded.
    fn parameter_lists(&self) -> Vec<Range<usize>> {
        let tokens = self.tokens();
        let mut found = Vec::new();
        for (at, pair) in tokens.windows(2).enumerate() {
            if matches!(pair[0].kind, TokenKind::Name("function" | "λ")) && pair[1].is_symbol("(") {
                let length = tokens[at + 2..].iter().position(|token| token.is_symbol(")"));
                found.extend(length.map(|length| at + 2..at + 2 + length));
            }
        }
        found
    }

    /// Whether the variable at a position is given a value there: by `:=`, `@`, `#`, or as a function's parameter.
    fn is_bound(&self, at: usize, parameters: &[Range<usize>]) -> bool {
        let tokens = self.tokens();
        tokens.get(at + 1).is_some_and(|next| next.is_symbol(":="))
            || at > 0 && (tokens[at - 1].is_symbol("@") || tokens[at - 1].is_symbol("#"))
            || parameters.iter().any(|list| list.contains(&at))
    }

    fn refuse_reserved_names(&self, sink: &mut Sink) {
        let tokens = self.tokens();
        let parameters = self.parameter_lists();
        for (at, token) in tokens.iter().enumerate() {
            let TokenKind::Variable(name) = token.kind else { continue };
            let is_reserved = name == "states" || Root::by_name(name).is_some();
            if is_reserved && self.is_bound(at, &parameters) {
                let message = format!("`${name}` is given, it cannot be set");
                sink.report(
                    Diagnostic::error("bunsui::reference::jsonata_reserved_name", message)
                        .label(self.span(token.range.clone()), "set here")
                        .help("use another name"),
                );
            }
        }
    }

    /// The references, placed by the scan; what the parser saw and the scan did not is taken for the whole.
    ///
    /// Without a tree only those that name something: where a name is computed, or breaks off, is not known.
    fn references(&self, ast: Option<&AstNode>) -> Vec<(Range<usize>, Reference)> {
        let mut found: Vec<_> = (0..self.tokens().len()).filter_map(|at| self.reference(at)).collect();
        let Some(ast) = ast else {
            found.retain(|(_, reference)| !reference.path.is_empty());
            return found;
        };
        let roots = roots(ast);
        let placed: BTreeSet<Root> = found.iter().map(|(_, reference)| reference.root).collect();
        for root in roots.difference(&placed) {
            let whole = 0..self.source.len();
            let span = self.span(whole);
            // No bytes of their own, so nothing is rewritten.
            found.push((0..0, Reference { root: *root, path: Vec::new(), span }));
        }
        found.retain(|(_, reference)| roots.contains(&reference.root));
        found
    }

    fn reference(&self, at: usize) -> Option<(Range<usize>, Reference)> {
        let tokens = self.tokens();
        let TokenKind::Variable(name) = tokens[at].kind else { return None };
        let root = Root::by_name(name)?;
        let (path, end) = self.path(at + 1);
        let range = tokens[at].range.start..tokens[end - 1].range.end;
        Some((range.clone(), Reference { root, path, span: self.span(range) }))
    }

    /// Keys and positions from a token on, and the token behind them.
    fn path(&self, from: usize) -> (Vec<Segment>, usize) {
        let tokens = self.tokens();
        let mut path = Vec::new();
        let mut at = from;
        while let Some((segment, length)) = segment(&tokens[at..]) {
            // Before any key `[…]` does not look into the root but picks from it: what it gives is not known.
            if path.is_empty() && matches!(segment, Segment::Index(_)) {
                break;
            }
            path.push(segment);
            at += length;
        }
        (path, at)
    }

    /// `$jobs.a-b` is a subtraction; a job may be meant.
    fn warn_of_hyphens(&self, sink: &mut Sink) {
        let tokens = self.tokens();
        for at in 0..tokens.len() {
            let Some((_, reference)) = self.reference(at) else { continue };
            let end = self.path(at + 1).1;
            let Some(name) = tokens.get(end - 1).filter(|token| matches!(token.kind, TokenKind::Name(_)))
            else {
                continue;
            };
            let behind = hyphenated(&tokens[end - 1..]);
            if behind == 0 {
                continue;
            }
            let whole = name.range.start..tokens[end - 1 + behind].range.end;
            let written = &self.source[whole.clone()];
            let start = &self.source[tokens[at].range.start..whole.start];
            let message = format!("`${}.…{written}` is a subtraction in JSONata", reference.root.name());
            sink.report(
                Diagnostic::warning("bunsui::reference::hyphen_needs_backticks", message)
                    .label(self.span(whole), "read as a subtraction")
                    .help(format!(
                        "if a name is meant, write {start}`{written}`; if not, put blanks around the `-`"
                    )),
            );
        }
    }
}

/// How many tokens behind the first continue its name by `-` without blanks.
fn hyphenated(tokens: &[Token<'_>]) -> usize {
    let adjacent = |at: usize| tokens[at].range.end == tokens[at + 1].range.start;
    let mut end = 0;
    while end + 2 < tokens.len()
        && tokens[end + 1].is_symbol("-")
        && matches!(tokens[end + 2].kind, TokenKind::Name(_) | TokenKind::Number(_))
        && adjacent(end)
        && adjacent(end + 1)
    {
        end += 2;
    }
    end
}

/// `.key`, `[0]` or `[-1]` at the beginning, and how many tokens it has.
fn segment(tokens: &[Token<'_>]) -> Option<(Segment, usize)> {
    let kind = |at: usize| tokens.get(at).map(|token| &token.kind);
    match (kind(0)?, kind(1)?) {
        // A call is no key.
        (TokenKind::Symbol("."), TokenKind::Name(_) | TokenKind::QuotedName(_))
            if kind(2) == Some(&TokenKind::Symbol("(")) =>
        {
            None
        }
        (TokenKind::Symbol("."), TokenKind::Name(key) | TokenKind::QuotedName(key)) => {
            Some((Segment::Key((*key).to_owned()), 2))
        }
        (TokenKind::Symbol("."), TokenKind::Text(key)) if !key.contains('\\') => {
            Some((Segment::Key((*key).to_owned()), 2))
        }
        (TokenKind::Symbol("["), TokenKind::Number(digits)) if kind(2)? == &TokenKind::Symbol("]") => {
            Some((Segment::Index(digits.parse().ok()?), 3))
        }
        (TokenKind::Symbol("["), TokenKind::Symbol("-")) if kind(3)? == &TokenKind::Symbol("]") => {
            let TokenKind::Number(digits) = kind(2)? else { return None };
            Some((Segment::Index(-digits.parse::<i64>().ok()?), 4))
        }
        _ => None,
    }
}

/// Whether the parser came to the end of the text.
fn ends_early(error: &ParserError) -> bool {
    match error {
        ParserError::UnexpectedEnd => true,
        ParserError::UnexpectedToken(token) => token == "Eof",
        ParserError::Expected { found, .. } => found == "Eof",
        _ => false,
    }
}

fn has_no_variable(error: &ParserError) -> bool {
    matches!(error, ParserError::InvalidSyntax(message) if message == NO_VARIABLE)
}

/// The parser's name of a token, as it is written.
fn symbol(name: &str) -> String {
    let written = match name {
        "LeftParen" => "(",
        "RightParen" => ")",
        "LeftBracket" => "[",
        "RightBracket" => "]",
        "LeftBrace" => "{",
        "RightBrace" => "}",
        "Colon" => ":",
        "ColonEqual" => ":=",
        "Comma" => ",",
        "Semicolon" => ";",
        "Pipe" => "|",
        "Dot" => ".",
        other => return format!("a {other}"),
    };
    format!("`{written}`")
}

/// A message of the parser without its code, begun in lower case as all are.
fn plain_message(message: &str) -> String {
    let is_code = |code: &str| code.len() == 5 && code[1..].bytes().all(|b| b.is_ascii_digit());
    let text = match message.split_once(": ") {
        Some((code, text)) if is_code(code) => text,
        _ => message,
    };
    let mut characters = text.chars();
    characters.next().map(|first| first.to_lowercase().chain(characters).collect()).unwrap_or_default()
}

/// The roots that an expression uses.
fn roots(ast: &AstNode) -> BTreeSet<Root> {
    nodes(ast)
        .filter_map(|node| match node {
            AstNode::Variable(name) => Root::by_name(name),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests;
