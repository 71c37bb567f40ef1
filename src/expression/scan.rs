//! JSONata text to tokens with their places, which the parser does not give.
//!
//! Takes: text. Gives: tokens up to the end or to what is not closed.
//! Deliberately does not: refuse anything; the parser does.

use std::ops::Range;

/// A token and its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) kind: TokenKind<'a>,
    pub(super) range: Range<usize>,
}

/// Tokens as far as places need them told apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TokenKind<'a> {
    /// `$name`, without `$`; `$` and `$$` are `` and `$`.
    Variable(&'a str),
    /// `name`, words such as `and` too.
    Name(&'a str),
    /// `` `name` ``, without backticks.
    QuotedName(&'a str),
    /// Between its quotes, escapes as written.
    Text(&'a str),
    Number(&'a str),
    Regex,
    Symbol(&'a str),
}

/// What begins but does not end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unclosed {
    Text,
    QuotedName,
    Regex,
    Comment,
}

/// All tokens of a text.
#[derive(Debug, Default)]
pub(super) struct Tokens<'a> {
    pub(super) tokens: Vec<Token<'a>>,
    /// With where it begins; nothing behind it is scanned.
    pub(super) unclosed: Option<(Unclosed, usize)>,
}

impl Token<'_> {
    pub(super) fn is_symbol(&self, symbol: &str) -> bool {
        self.kind == TokenKind::Symbol(symbol)
    }
}

const PAIRS: [&str; 9] = ["..", ":=", "!=", ">=", "<=", "~>", "**", "??", "?:"];

/// Scans a text.
pub(super) fn scan(text: &str) -> Tokens<'_> {
    let mut scanner = Scanner { text, at: 0, tokens: Vec::new() };
    let unclosed = scanner.run().err();
    Tokens { tokens: scanner.tokens, unclosed }
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
    tokens: Vec<Token<'a>>,
}

type Scanned<'a> = Result<(TokenKind<'a>, usize), (Unclosed, usize)>;

impl<'a> Scanner<'a> {
    fn run(&mut self) -> Result<(), (Unclosed, usize)> {
        loop {
            let rest = self.text[self.at..].trim_start();
            self.at = self.text.len() - rest.len();
            let Some(first) = rest.chars().next() else { return Ok(()) };
            if let Some(comment) = rest.strip_prefix("/*") {
                let end = comment.find("*/").ok_or((Unclosed::Comment, self.at))?;
                self.at += end + 4;
                continue;
            }
            let (kind, length) = self.token(rest, first)?;
            self.tokens.push(Token { kind, range: self.at..self.at + length });
            self.at += length;
        }
    }

    fn token(&self, rest: &'a str, first: char) -> Scanned<'a> {
        match first {
            '"' | '\'' => self.text_token(rest),
            '`' => {
                let length = rest[1..].find('`').ok_or((Unclosed::QuotedName, self.at))?;
                Ok((TokenKind::QuotedName(&rest[1..=length]), length + 2))
            }
            '$' => {
                let name = word(&rest[1..]);
                Ok((TokenKind::Variable(name), name.len() + 1))
            }
            '0'..='9' => {
                let length = number(rest);
                Ok((TokenKind::Number(&rest[..length]), length))
            }
            '/' if self.regex_may_stand() => self.regex(rest),
            'λ' => Ok((TokenKind::Name(&rest[..2]), 2)),
            c if c.is_alphabetic() || c == '_' => {
                let name = word(rest);
                Ok((TokenKind::Name(name), name.len()))
            }
            c => {
                let pair = PAIRS.iter().any(|pair| rest.starts_with(pair));
                let length = if pair { 2 } else { c.len_utf8() };
                Ok((TokenKind::Symbol(&rest[..length]), length))
            }
        }
    }

    fn text_token(&self, rest: &'a str) -> Scanned<'a> {
        let length = delimited(rest).ok_or((Unclosed::Text, self.at))?;
        Ok((TokenKind::Text(&rest[1..length - 1]), length))
    }

    fn regex(&self, rest: &'a str) -> Scanned<'a> {
        let length = delimited(rest).ok_or((Unclosed::Regex, self.at))?;
        let flags = rest[length..].find(|c: char| !c.is_alphabetic()).unwrap_or(rest.len() - length);
        Ok((TokenKind::Regex, length + flags))
    }

    /// After a value `/` divides; `*` and `%` may be values.
    fn regex_may_stand(&self) -> bool {
        const BEFORE: [&str; 22] = [
            "(", "[", "{", ",", ";", ":", "=", "!=", "<", "<=", ">", ">=", "+", "-", "&", "?", "~>", ":=",
            "??", "?:", "and", "or",
        ];
        match self.tokens.last().map(|token| &token.kind) {
            None => true,
            Some(TokenKind::Symbol(text) | TokenKind::Name(text) | TokenKind::QuotedName(text)) => {
                BEFORE.contains(text) || *text == "in"
            }
            Some(_) => false,
        }
    }
}

fn word(text: &str) -> &str {
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$')).unwrap_or(text.len());
    &text[..end]
}

/// The length up to and with the next unescaped first character of the text.
fn delimited(text: &str) -> Option<usize> {
    let delimiter = text.chars().next()?;
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == delimiter => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// Digits, a fraction and an exponent, each only with digits of its own.
fn number(text: &str) -> usize {
    let digits = |from: usize| text[from..].bytes().take_while(u8::is_ascii_digit).count();
    let mut end = if text.starts_with('0') { 1 } else { digits(0) };
    if text[end..].starts_with('.') && digits(end + 1) > 0 {
        end += 1 + digits(end + 1);
    }
    if text[end..].starts_with(['e', 'E']) {
        let sign = usize::from(text[end + 1..].starts_with(['+', '-']));
        if digits(end + 1 + sign) > 0 {
            end += 1 + sign + digits(end + 1 + sign);
        }
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let scanned = scan(text);
        let found: Vec<&str> = scanned.tokens.iter().map(|token| &text[token.range.clone()]).collect();
        assert_eq!(found, expected);
        assert_eq!(scanned.unclosed, None);
    }

    #[test]
    fn tokens_have_their_places() {
        check(
            "$jobs.`a-b`.x[0] ?: 2..5",
            &["$jobs", ".", "`a-b`", ".", "x", "[", "0", "]", "?:", "2", "..", "5"],
        );
        check("$a$b := $$.c != 1.5e-3", &["$a$b", ":=", "$$", ".", "c", "!=", "1.5e-3"]);
        check("λ($x){$x}", &["λ", "(", "$x", ")", "{", "$x", "}"]);
        check("日本.é", &["日本", ".", "é"]);
    }

    #[test]
    fn references_in_strings_and_comments_are_none() {
        check(r#""$jobs \" x" & '$a''b' /* $c " */ & d"#, &[r#""$jobs \" x""#, "&", "'$a'", "'b'", "&", "d"]);
    }

    #[test]
    fn a_slash_divides_after_a_value() {
        check("$a / $b / c", &["$a", "/", "$b", "/", "c"]);
        check(r"$match(x, /a\/$jobs/i) / 2", &["$match", "(", "x", ",", r"/a\/$jobs/i", ")", "/", "2"]);
        check("x in /a b/", &["x", "in", "/a b/"]);
    }

    #[test]
    fn what_is_not_closed_is_known() {
        for (text, expected) in [
            ("a & \"b", Unclosed::Text),
            ("a & 'b\\'", Unclosed::Text),
            ("a & `b", Unclosed::QuotedName),
            ("a & /b", Unclosed::Regex),
            ("a & /* b", Unclosed::Comment),
        ] {
            let scanned = scan(text);
            assert_eq!(scanned.unclosed, Some((expected, 4)), "{text}");
            assert_eq!(scanned.tokens.len(), 2);
        }
    }

    proptest! {
        #[test]
        fn tokens_are_in_order_and_apart(text in "([a-z$0-9./`'\"?:*\\\\ (){}λé-]|.){0,30}") {
            let mut end = 0;
            for token in scan(&text).tokens {
                prop_assert!(token.range.start >= end && token.range.end > token.range.start);
                prop_assert!(text.get(token.range.clone()).is_some());
                end = token.range.end;
            }
        }
    }
}
