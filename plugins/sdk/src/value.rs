//! A value that the pipeline file writes out, or leaves to a run.
//!
//! Takes: a key's value. Gives: the value itself, or the text that stands for it.
//! Deliberately does not: read what an expression says; only a run knows its value.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserialize, Deserializer, Error, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, Serializer};
use serde_json::Value as Json;
use std::borrow::Cow;
use std::marker::PhantomData;

/// The value of a key in which a reference may stand: `delay = 5` and `delay = "${params.delay}"` are both a
/// `Value<u32>`.
///
/// Its schema is that of `T`, since bunsui accepts references wherever the schema does not say `x-bunsui-static`; serialised it
/// is what Step Functions wants in `Arguments`.
///
/// ```
/// # use bunsui_plugin_sdk::Value;
/// # use bunsui_plugin_sdk::serde_json::{from_value, json};
/// let known: Value<u32> = from_value(json!(5)).unwrap();
/// assert_eq!(known.literal(), Some(&5));
///
/// let open: Value<u32> = from_value(json!("{% $params.delay %}")).unwrap();
/// assert_eq!(open.literal(), None);
/// assert_eq!(json!({ "DelaySeconds": open }), json!({ "DelaySeconds": "{% $params.delay %}" }));
///
/// assert!(from_value::<Value<u32>>(json!("five")).is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value<T> {
    /// Written out.
    Literal(T),
    /// Known in a run only: `{% JSONata %}`, or in [`CheckRequest`](crate::CheckRequest) also a text with `${…}`, as written.
    Expression(String),
}

impl<T> Value<T> {
    /// The value, where it is written out.
    pub fn literal(&self) -> Option<&T> {
        match self {
            Self::Literal(value) => Some(value),
            Self::Expression(_) => None,
        }
    }

    /// The text that stands for it, where it is not.
    pub fn expression(&self) -> Option<&str> {
        match self {
            Self::Literal(_) => None,
            Self::Expression(text) => Some(text),
        }
    }
}

impl<T: Serialize> Value<T> {
    /// As it stands in `Arguments`: the literal in JSON, or the expression.
    ///
    /// # Errors
    ///
    /// Where `T` has no form in JSON: a map whose keys are no texts, for instance.
    pub fn to_json(&self) -> Result<Json, serde_json::Error> {
        serde_json::to_value(self)
    }
}

impl<T> From<T> for Value<T> {
    fn from(value: T) -> Self {
        Self::Literal(value)
    }
}

/// Whether a text stands for a value that only a run knows: it is `{% … %}`, or holds `${…}` that is not written `$${…}`.
///
/// ```
/// # use bunsui_plugin_sdk::is_expression;
/// assert!(is_expression("{% $params.year + 1 %}") && is_expression("s3://lake/${params.year}/"));
/// assert!(!is_expression("a $${HOME} of its own") && !is_expression("100 %"));
/// ```
pub fn is_expression(text: &str) -> bool {
    let is_jsonata = text.len() >= 4 && text.starts_with("{%") && text.ends_with("%}");
    is_jsonata || text.match_indices("${").any(|(at, _)| !text[..at].ends_with('$'))
}

impl<T: Serialize> Serialize for Value<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Literal(value) => value.serialize(serializer),
            Self::Expression(text) => serializer.serialize_str(text),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Value<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor(PhantomData))
    }
}

/// Hands everything on to `T` but texts that are expressions. Nothing is buffered, so an error keeps its place.
struct ValueVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ValueVisitor<T> {
    type Value = Value<T>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a value or an expression")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        if is_expression(text) {
            return Ok(Value::Expression(text.to_owned()));
        }
        T::deserialize(text.into_deserializer()).map(Value::Literal)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Self::Value, E> {
        T::deserialize(value.into_deserializer()).map(Value::Literal)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
        T::deserialize(value.into_deserializer()).map(Value::Literal)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
        T::deserialize(value.into_deserializer()).map(Value::Literal)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Self::Value, E> {
        T::deserialize(value.into_deserializer()).map(Value::Literal)
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        T::deserialize(().into_deserializer()).map(Value::Literal)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Self::Value, A::Error> {
        T::deserialize(SeqAccessDeserializer::new(items)).map(Value::Literal)
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(entries)).map(Value::Literal)
    }
}

impl<T: JsonSchema> JsonSchema for Value<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema;
    use serde_json::json;
    use std::collections::BTreeMap;

    #[derive(Debug, PartialEq, serde::Deserialize, serde::Serialize, JsonSchema)]
    #[serde(rename_all = "snake_case", deny_unknown_fields)]
    enum Mode {
        Append,
        Replace { partition: String },
    }

    #[track_caller]
    fn check<T: serde::de::DeserializeOwned + Serialize + PartialEq + std::fmt::Debug>(
        json: Json,
        expected: T,
    ) {
        let value: Value<T> = serde_json::from_value(json.clone()).unwrap();
        assert_eq!(value, Value::Literal(expected));
        assert_eq!(value.to_json().unwrap(), json);
    }

    #[test]
    fn whatever_json_has_can_be_a_literal() {
        check(json!("text"), "text".to_owned());
        check(json!("$${HOME}"), "$${HOME}".to_owned());
        check(json!(7), 7_u8);
        check(json!(-7), -7_i64);
        check(json!(1.5), 1.5_f64);
        check(json!(true), true);
        check(json!([1, 2]), vec![1, 2]);
        check(json!({"a": 1}), BTreeMap::from([("a".to_owned(), 1)]));
        check(json!({"a": [1, null, "${x}"]}), json!({"a": [1, null, "${x}"]}));
        check(json!("append"), Mode::Append);
        check(json!({"replace": {"partition": "p"}}), Mode::Replace { partition: "p".to_owned() });
        // An integer is a number, as in TOML.
        assert_eq!(serde_json::from_value::<Value<f64>>(json!(2)).unwrap(), Value::Literal(2.0));
    }

    #[test]
    fn an_expression_can_stand_for_whatever_is_wanted() {
        for text in ["{% $params.a %}", "${params.a}", "x-${params.a}", "$${a} ${params.a}"] {
            let value: Value<u32> = serde_json::from_value(json!(text)).unwrap();
            assert_eq!(value.expression(), Some(text));
            assert_eq!(value.to_json().unwrap(), json!(text));
        }
        for text in ["$${a}", "{% not closed", " {% $a %} ", "{%}", "$ {a}"] {
            assert!(!is_expression(text), "{text}");
        }
    }

    #[test]
    fn the_schema_is_that_of_what_is_meant() {
        #[derive(serde::Deserialize, JsonSchema)]
        #[expect(dead_code, reason = "only its schema is looked at")]
        struct Keys {
            /// How long
            #[schemars(range(max = 900))]
            delay: Option<Value<u32>>,
            #[schemars(length(min = 1))]
            queue: Value<String>,
        }
        let schema = schema::of::<Keys>();
        assert_eq!(
            schema["properties"]["delay"],
            json!({"description": "How long", "type": "integer", "minimum": 0, "maximum": 900})
        );
        assert_eq!(schema["properties"]["queue"], json!({"type": "string", "minLength": 1}));
        assert_eq!(schema["required"], json!(["queue"]));
    }
}
