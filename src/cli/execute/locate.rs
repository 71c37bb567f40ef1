//! A JSON pointer to the bytes of the text that it points at.
//!
//! Takes: text that is known to be JSON. Gives: the value's bytes, or its key's where the value is an object or a list, for
//! a label over many lines says less.
//! Deliberately does not: check the text.

use std::ops::Range;

/// Where `pointer` leads; `None` where it leads nowhere, or to the whole text.
pub(super) fn locate(text: &str, pointer: &str) -> Option<Range<usize>> {
    let mut scanner = Scanner { text, at: 0 };
    let mut found = None;
    for part in pointer.split('/').skip(1) {
        let part = part.replace("~1", "/").replace("~0", "~");
        let key = scanner.enter(&part)?;
        let value = scanner.clone().value();
        let is_scalar = !text[value.clone()].starts_with(['{', '[']);
        found = Some(key.filter(|_| !is_scalar).unwrap_or(value));
    }
    found
}

#[derive(Clone)]
struct Scanner<'t> {
    text: &'t str,
    at: usize,
}

impl Scanner<'_> {
    fn peek(&mut self) -> Option<u8> {
        let rest = &self.text.as_bytes()[self.at..];
        self.at += rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        self.text.as_bytes().get(self.at).copied()
    }

    /// Moves into the object or list here, to the value of `part`; gives the key's bytes if there is a key.
    fn enter(&mut self, part: &str) -> Option<Option<Range<usize>>> {
        let is_object = match self.peek()? {
            b'{' => true,
            b'[' => false,
            _ => return None,
        };
        self.at += 1;
        for index in 0.. {
            if matches!(self.peek()?, b'}' | b']') {
                return None;
            }
            let key = is_object.then(|| self.string());
            if key.is_some() {
                self.peek();
                self.at += 1;
            }
            self.peek();
            let is_it = match &key {
                Some(key) => {
                    serde_json::from_str::<String>(&self.text[key.clone()]).is_ok_and(|name| name == part)
                }
                None => part.parse() == Ok(index),
            };
            if is_it {
                return Some(key);
            }
            self.value();
            if self.peek()? == b',' {
                self.at += 1;
            }
        }
        None
    }

    /// Passes over the string here.
    fn string(&mut self) -> Range<usize> {
        let start = self.at;
        let bytes = self.text.as_bytes();
        self.at += 1;
        while self.at < bytes.len() && bytes[self.at] != b'"' {
            self.at += if bytes[self.at] == b'\\' { 2 } else { 1 };
        }
        self.at = (self.at + 1).min(bytes.len());
        start..self.at
    }

    /// Passes over the value here.
    fn value(&mut self) -> Range<usize> {
        let first = self.peek();
        let start = self.at;
        let mut depth = 0_usize;
        while let Some(byte) = self.peek() {
            match byte {
                b'"' => {
                    self.string();
                }
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                }
                b'}' | b']' => {
                    depth = depth.saturating_sub(1);
                    self.at += 1;
                }
                b',' | b':' => self.at += 1,
                _ => {
                    let ends = |byte: &u8| byte.is_ascii_whitespace() || b",:]}".contains(byte);
                    let rest = &self.text.as_bytes()[self.at..];
                    self.at += rest.iter().take_while(|byte| !ends(byte)).count().max(1);
                }
            }
            if depth == 0 {
                break;
            }
        }
        debug_assert!(first.is_none() || self.at > start, "a value has at least one byte");
        start..self.at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, pointer: &str, expected: Option<&str>) {
        assert_eq!(locate(text, pointer).map(|range| &text[range]), expected, "{pointer} in {text}");
    }

    #[test]
    fn a_pointer_leads_to_a_value_or_to_the_key_of_what_is_large() {
        let text = r#"{ "a" : { "b\"c": [1, "two" , {"d/e~": null}] }, "a2": -1.5e3 }"#;
        check(text, "/a2", Some("-1.5e3"));
        check(text, "/a", Some("\"a\""));
        check(text, "/a/b\"c", Some(r#""b\"c""#));
        check(text, "/a/b\"c/0", Some("1"));
        check(text, "/a/b\"c/1", Some("\"two\""));
        check(text, "/a/b\"c/2/d~1e~0", Some("null"));
        check(text, "/a/b\"c/3", None);
        check(text, "/nothing", None);
        check(text, "", None);
    }
}
