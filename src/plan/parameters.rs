//! Values of a pipeline's parameters, from all that was given.

use crate::diagnostic::{Diagnostic, Sink, nearest};
use crate::pipeline::{Param, ParamType, Pipeline};
use indexmap::IndexMap;
use serde_json::{Map, Value as Json};
use std::collections::BTreeSet;

/// Values by name. Params that are not required and were not given are absent.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Parameters {
    /// All values, secrets too.
    pub values: Map<String, Json>,
    /// Names of secrets among them.
    pub secrets: BTreeSet<String>,
    /// Names of those that were given; the others have their defaults.
    pub given: BTreeSet<String>,
}

/// Something given for a parameter.
#[derive(Debug, Clone, PartialEq)]
pub struct Given {
    /// The parameter's name.
    pub name: String,
    /// What was given.
    pub value: GivenValue,
    /// Where: `--param`, `params.toml`, `BUNSUI_PARAM_YEAR`.
    pub origin: String,
}

/// A value in one of the forms that users give.
#[derive(Debug, Clone, PartialEq)]
pub enum GivenValue {
    /// Text of an argument, a variable or a file named by `@file`; read by the param's type.
    Text(String),
    /// A value of a parameter file.
    Value(Json),
}

impl Parameters {
    /// Values that may be stored: without secrets.
    pub fn without_secrets(&self) -> Map<String, Json> {
        self.values
            .iter()
            .filter(|(name, _)| !self.secrets.contains(*name))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }

    /// Texts that must not be written anywhere, longest first. Very short ones would redact half of every line, so a
    /// secret of less than four characters is not looked for.
    pub fn secret_texts(&self) -> Vec<String> {
        let mut texts = Vec::new();
        for name in &self.secrets {
            if let Some(value) = self.values.get(name) {
                collect_texts(value, &mut texts);
            }
        }
        texts.retain(|text| text.chars().count() >= 4);
        texts.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        texts.dedup();
        texts
    }
}

/// A text as it stands between the quotes of JSON: with all letters as they are, and in ASCII with hexadecimal digits of
/// either case, which is how Python's `json.dumps` writes it.
fn quoted(text: &str) -> [String; 3] {
    let json = Json::from(text).to_string();
    let json = &json[1..json.len() - 1];
    let ascii = |digits: fn(u16) -> String| {
        json.chars().fold(String::with_capacity(json.len()), |mut escaped, c| {
            match c {
                ' '..='~' => escaped.push(c),
                c => escaped.extend(c.encode_utf16(&mut [0; 2]).iter().map(|unit| digits(*unit))),
            }
            escaped
        })
    };
    [json.to_owned(), ascii(|unit| format!("\\u{unit:04x}")), ascii(|unit| format!("\\u{unit:04X}"))]
}

fn collect_texts(value: &Json, texts: &mut Vec<String>) {
    match value {
        Json::String(text) => {
            // As Python and Node print a string inside a value.
            texts.push(text.replace('\\', "\\\\").replace('\n', "\\n"));
            // Log lines are single lines.
            for piece in text.lines().map(str::trim).chain([text.as_str()]) {
                texts.push(piece.to_owned());
                for quoted in quoted(piece) {
                    // A cause is often JSON text of what was JSON already.
                    texts.extend(self::quoted(&quoted));
                    texts.push(quoted);
                }
            }
        }
        Json::Number(number) => texts.push(number.to_string()),
        Json::Array(items) => items.iter().for_each(|item| collect_texts(item, texts)),
        Json::Object(object) => object.values().for_each(|value| collect_texts(value, texts)),
        Json::Null | Json::Bool(_) => {}
    }
}

/// Resolves all parameters: what was given (a later entry wins over an earlier one of the same name), else the default.
/// Reports every unknown name, every refused value and every one that is missing; their labels lie in the pipeline file.
pub fn resolve_parameters(pipeline: &Pipeline, given: &[Given], sink: &mut Sink) -> Option<Parameters> {
    let errors_before = sink.errors();
    let mut by_name: IndexMap<&str, &Given> = IndexMap::new();
    for entry in given {
        if pipeline.params.contains_key(entry.name.as_str()) {
            by_name.insert(&entry.name, entry);
        } else {
            sink.report(unknown(pipeline, entry));
        }
    }
    let mut parameters = Parameters::default();
    for param in pipeline.params.values() {
        let value = match by_name.get(param.name.as_str()) {
            Some(entry) => read(param, entry, sink),
            None => param.default.clone(),
        };
        match value {
            Some(value) => {
                if param.secret {
                    parameters.secrets.insert(param.name.to_string());
                }
                if by_name.contains_key(param.name.as_str()) {
                    parameters.given.insert(param.name.to_string());
                }
                parameters.values.insert(param.name.to_string(), value);
            }
            None if param.required && !by_name.contains_key(param.name.as_str()) => {
                sink.report(missing(param));
            }
            None => {}
        }
    }
    (sink.errors() == errors_before).then_some(parameters)
}

fn unknown(pipeline: &Pipeline, entry: &Given) -> Diagnostic {
    let names = || pipeline.params.keys().map(super::super::pipeline::Id::as_str);
    let help = match nearest(&entry.name, names()) {
        Some(name) => format!("did you mean `{name}`?"),
        None if pipeline.params.is_empty() => "the pipeline has no `[params]`".to_owned(),
        None => format!("the pipeline has: {}", names().collect::<Vec<_>>().join(", ")),
    };
    Diagnostic::error(
        "bunsui::param::unknown",
        format!("pipeline `{}` has no param `{}` ({})", pipeline.name, entry.name, entry.origin),
    )
    .help(help)
}

/// The variable of the environment that gives a param: `BUNSUI_PARAM_API_KEY` of `api-key`.
pub fn parameter_variable(name: &str) -> String {
    format!("BUNSUI_PARAM_{}", name.to_uppercase().replace('-', "_"))
}

fn missing(param: &Param) -> Diagnostic {
    let how = match param.kind {
        _ if param.secret => format!(
            "give it as `--param {}=@FILE` or in the variable `{}`",
            param.name,
            parameter_variable(param.name.as_str())
        ),
        ParamType::List | ParamType::Table => {
            format!("give it as `--param {}=JSON`, or in a file with `--params FILE`", param.name)
        }
        _ => format!("give it as `--param {}=VALUE`", param.name),
    };
    Diagnostic::error("bunsui::param::missing", format!("param `{}` has no value", param.name))
        .label(param.span, "has no default")
        .help(how)
}

fn read(param: &Param, entry: &Given, sink: &mut Sink) -> Option<Json> {
    let result = match &entry.value {
        GivenValue::Text(text) => param.parse_text(text),
        GivenValue::Value(value) => Ok(value.clone()),
    };
    match result.and_then(|value| param.check(&value).map(|()| value)) {
        Ok(value) => Some(value),
        Err(error) => {
            let message = format!("param `{}` ({}): {}", param.name, entry.origin, error.message);
            sink.report(
                Diagnostic::error("bunsui::param::invalid_value", message)
                    .label(param.span, "defined here")
                    .maybe_help(error.help),
            );
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_secret_is_looked_for_in_each_form_that_json_has_for_it() {
        let mut parameters = Parameters::default();
        parameters.values.insert("token".into(), json!("Kö\u{7f}\"😀"));
        parameters.secrets.insert("token".into());
        let texts = parameters.secret_texts();
        for form in [
            "Kö\u{7f}\"😀",
            "Kö\u{7f}\\\"😀",
            r#"K\u00f6\u007f\"\ud83d\ude00"#,
            r#"K\u00F6\u007F\"\uD83D\uDE00"#,
            r#"K\\u00f6\\u007f\\\"\\ud83d\\ude00"#,
        ] {
            assert!(texts.iter().any(|text| text == form), "{form} is not among {texts:#?}");
        }
        assert!(texts.is_sorted_by(|a, b| a.len() >= b.len()));
    }
}
