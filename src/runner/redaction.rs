//! Keeps secrets out of all that is written.

use serde_json::Value as Json;
use std::borrow::Cow;

/// Knows the texts that must not be written.
#[derive(Debug, Clone, Default)]
pub struct Redaction {
    secrets: Vec<String>,
}

/// What stands where a secret was.
const MARK: &str = "[secret]";

impl Redaction {
    /// From secret texts, longest first.
    pub fn new(secrets: Vec<String>) -> Self {
        Self { secrets }
    }

    /// The text without secrets.
    pub fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut text = Cow::Borrowed(text);
        for secret in &self.secrets {
            if text.contains(secret.as_str()) {
                text = Cow::Owned(text.replace(secret.as_str(), MARK));
            }
        }
        text
    }

    /// The value without secrets, in keys and strings.
    pub fn value(&self, value: Json) -> Json {
        if self.secrets.is_empty() {
            return value;
        }
        match value {
            Json::String(text) => Json::String(self.text(&text).into_owned()),
            Json::Number(number) if self.secrets.contains(&number.to_string()) => Json::String(MARK.into()),
            Json::Array(items) => items.into_iter().map(|item| self.value(item)).collect(),
            Json::Object(object) => object
                .into_iter()
                .map(|(key, value)| (self.text(&key).into_owned(), self.value(value)))
                .collect(),
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn secrets_are_replaced_wherever_they_stand() {
        let redaction = Redaction::new(vec!["hunter22".into(), "4711".into()]);
        let value = json!({"a": ["x hunter22 y", 4711], "hunter22": 1, "n": 47110});
        assert_eq!(
            redaction.value(value),
            json!({"a": ["x [secret] y", "[secret]"], "[secret]": 1, "n": 47110})
        );
    }
}
