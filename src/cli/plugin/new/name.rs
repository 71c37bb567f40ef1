//! Names that an operation type, its crate and its library can have.

use crate::plugin::is_shipped;

/// Longer ones are no names for people.
const LONGEST: usize = 64;

/// Crate and library would have the names of the SDK's.
const OF_THE_SDK: [&str; 4] = ["abi", "sdk", "plugin_abi", "plugin_sdk"];

/// A letter, then letters, digits, `-` and `_`; not that of a plugin that comes with bunsui, or of the SDK.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name(String);

/// The name cannot be used.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("`{}` {why}", shown(name))]
#[diagnostic(code("bunsui::plugin::bad_name"))]
pub(super) struct BadName {
    name: String,
    why: &'static str,
    #[help]
    help: String,
}

impl Name {
    pub(super) fn parse(text: &str) -> Result<Self, BadName> {
        let why = if is_shipped(text) {
            "is the name of a plugin that comes with bunsui"
        } else if is_of_the_sdk(text) {
            "is the name of a part of the SDK"
        } else if text.len() > LONGEST {
            "is longer than 64 characters"
        } else if !is_name(text) {
            "cannot be the name of an operation type"
        } else {
            return Ok(Self(text.to_owned()));
        };
        let rule = "a name is a letter, then letters, digits, `-` and `_`, at most 64";
        let help = match near(text) {
            Some(near) => format!("`{near}` could; {rule}"),
            None => rule.to_owned(),
        };
        Err(BadName { name: text.to_owned(), why, help })
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// As a part of a library's name in Rust.
    pub(super) fn library(&self) -> String {
        library(&self.0)
    }
}

fn library(name: &str) -> String {
    name.to_ascii_lowercase().replace('-', "_")
}

fn is_of_the_sdk(name: &str) -> bool {
    OF_THE_SDK.contains(&library(name).as_str())
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
}

/// The nearest form that is a name.
fn near(text: &str) -> Option<String> {
    if is_shipped(text) || is_of_the_sdk(text) {
        return Some(format!("my-{text}"));
    }
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|word| !word.is_empty());
    let joined = words.collect::<Vec<_>>().join("-");
    let begun = joined.trim_start_matches(|c: char| !c.is_ascii_alphabetic());
    let cut = begun.get(..LONGEST.min(begun.len()))?.trim_end_matches('-');
    (is_name(cut) && !is_shipped(cut) && !is_of_the_sdk(cut)).then(|| cut.to_owned())
}

/// A very long name, or one with what cannot be printed, is not shown whole.
fn shown(name: &str) -> String {
    let mut shown: String = name.chars().take(80).flat_map(char::escape_debug).collect();
    if name.chars().nth(80).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_letters_digits_and_two_signs() {
        for name in ["a", "query", "My_type-2", "a--b", &"x".repeat(64)] {
            assert_eq!(Name::parse(name).expect("a name").as_str(), name);
        }
        assert_eq!(Name::parse("My-type_2").expect("a name").library(), "my_type_2");
    }

    #[test]
    fn the_nearest_good_form_is_offered() {
        #[track_caller]
        fn check(name: &str, near: Option<&str>) {
            let help = Name::parse(name).expect_err("no name").help;
            let offered = help.split_once("` could; ").and_then(|(near, _)| near.strip_prefix('`'));
            assert_eq!(offered, near, "{help}");
        }
        check("", None);
        check("42", None);
        check("日本", None);
        check("my type", Some("my-type"));
        check("2fast", Some("fast"));
        check("../../etc/passwd", Some("etc-passwd"));
        check("-v", Some("v"));
        check("_x", Some("x"));
        check("naïve", Some("na-ve"));
        check(" lambda", None);
        check("lambda", Some("my-lambda"));
        check("SDK", Some("my-SDK"));
        check("plugin-abi", Some("my-plugin-abi"));
        check(&"x".repeat(65), Some("x".repeat(64).as_str()));
    }
}
