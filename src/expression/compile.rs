//! Templates to what Step Functions takes, and back to what was written.
//!
//! Takes: [`Template`]s. Gives: JSON whose `{% … %}` strings are JSONata 2.0.6; the same bytes each time.
//! Deliberately does not: check anything.

use super::{Jsonata, Part, Reference, Root, Segment, Template, jsonata};
use serde_json::Value as Json;
use std::fmt::{self, Write as _};

/// More operands than this are put into groups, since a parser may nest once for each.
const OPERANDS: usize = 100;

impl Template {
    /// Every reference in it, in the order of the file.
    pub fn references(&self) -> Vec<&Reference> {
        let mut found = Vec::new();
        self.collect_references(&mut found);
        found
    }

    fn collect_references<'a>(&'a self, found: &mut Vec<&'a Reference>) {
        match self {
            Self::Literal(_) => {}
            Self::Reference(reference) => found.push(reference),
            Self::Text(parts) => found.extend(parts.iter().filter_map(|part| match part {
                Part::Literal(_) => None,
                Part::Reference(reference) => Some(reference),
            })),
            Self::Jsonata(jsonata) => found.extend(jsonata.references.iter().map(|(_, reference)| reference)),
            Self::List(items) => items.iter().for_each(|item| item.collect_references(found)),
            Self::Table(entries) => entries.values().for_each(|value| value.collect_references(found)),
        }
    }

    /// Whether neither a reference nor JSONata stands in it, however deep.
    pub fn is_literal(&self) -> bool {
        match self {
            Self::Literal(_) => true,
            Self::Reference(_) | Self::Text(_) | Self::Jsonata(_) => false,
            Self::List(items) => items.iter().all(Self::is_literal),
            Self::Table(entries) => entries.values().all(Self::is_literal),
        }
    }

    /// The value with references and expressions left as text: what a schema or a plugin's check looks at.
    /// Literals are as they are meant (`$${` is `${`).
    pub fn as_json(&self) -> Json {
        self.map_strings(&|text| text.to_owned())
    }

    /// The value as written in the file: `${…}`, `$${` and `{% … %}` strings as they were.
    pub fn as_written(&self) -> Json {
        self.map_strings(&escape)
    }

    fn map_strings(&self, literal: &dyn Fn(&str) -> String) -> Json {
        match self {
            Self::Literal(value) => map_literal(value, literal),
            Self::Reference(reference) => Json::String(reference.to_string()),
            Self::Text(parts) => Json::String(parts.iter().fold(String::new(), |text, part| match part {
                Part::Literal(plain) => text + &literal(plain),
                Part::Reference(reference) => text + &reference.to_string(),
            })),
            Self::Jsonata(jsonata) => Json::String(expression(&jsonata.source)),
            Self::List(items) => items.iter().map(|item| item.map_strings(literal)).collect(),
            Self::Table(entries) => Json::Object(
                entries.iter().map(|(key, value)| (key.clone(), value.map_strings(literal))).collect(),
            ),
        }
    }

    /// The JSON that Step Functions takes: literals as they are, all else as `{% … %}` strings over `$params`,
    /// `$jobs`, `$session`, `$pipeline` and one variable for each operation, named (without `$`) by `variable`.
    ///
    /// A reference that is missing inside a text calls `$error` with a message that names it. A literal string
    /// that looks like `{% … %}` is kept a literal.
    pub fn compile(&self, variable: &dyn Fn(&str) -> String) -> Json {
        match self {
            Self::Literal(value) => compile_literal(value),
            Self::Reference(reference) => Json::String(expression(&reference.to_jsonata(variable))),
            Self::Text(parts) => Json::String(expression(&compile_text(parts, variable))),
            Self::Jsonata(jsonata) => Json::String(expression(&compile_jsonata(jsonata, variable))),
            Self::List(items) => items.iter().map(|item| item.compile(variable)).collect(),
            Self::Table(entries) => Json::Object(
                entries.iter().map(|(key, value)| (key.clone(), value.compile(variable))).collect(),
            ),
        }
    }

    /// Makes templates comparable that stand in different places.
    #[cfg(test)]
    pub(super) fn forget_spans(&mut self) {
        let forget = |reference: &mut Reference| reference.span = crate::diagnostic::Span::default();
        match self {
            Self::Literal(_) => {}
            Self::Reference(reference) => forget(reference),
            Self::Text(parts) => parts.iter_mut().for_each(|part| {
                if let Part::Reference(reference) = part {
                    forget(reference);
                }
            }),
            Self::Jsonata(jsonata) => jsonata.references.iter_mut().for_each(|(_, r)| forget(r)),
            Self::List(items) => items.iter_mut().for_each(Self::forget_spans),
            Self::Table(entries) => entries.values_mut().for_each(Self::forget_spans),
        }
    }
}

fn expression(source: &str) -> String {
    format!("{{% {source} %}}")
}

fn escape(text: &str) -> String {
    text.replace("${", "$${")
}

fn map_literal(value: &Json, literal: &dyn Fn(&str) -> String) -> Json {
    match value {
        Json::String(text) => Json::String(literal(text)),
        Json::Array(items) => items.iter().map(|item| map_literal(item, literal)).collect(),
        Json::Object(entries) => {
            entries.iter().map(|(key, value)| (key.clone(), map_literal(value, literal))).collect()
        }
        other => other.clone(),
    }
}

/// A literal is as it is, but one that Step Functions would evaluate.
fn compile_literal(value: &Json) -> Json {
    map_literal(value, &|text| match jsonata::is_expression(text) {
        true => expression(&string_literal(text)),
        false => text.to_owned(),
    })
}

/// JSONata's strings have JSON's escapes.
fn string_literal(text: &str) -> String {
    Json::from(text).to_string()
}

fn compile_text(parts: &[Part], variable: &dyn Fn(&str) -> String) -> String {
    let mut operands: Vec<String> = parts.iter().map(|part| compile_part(part, variable)).collect();
    while operands.len() > OPERANDS {
        operands = operands.chunks(OPERANDS).map(|group| format!("({})", group.join(" & "))).collect();
    }
    operands.join(" & ")
}

/// In a concatenation JSONata takes what is missing for an empty text, silently; so it is asked for first.
fn compile_part(part: &Part, variable: &dyn Fn(&str) -> String) -> String {
    match part {
        Part::Literal(text) => string_literal(text),
        Part::Reference(reference) => {
            let value = reference.to_jsonata(variable);
            let missing = string_literal(&format!("`{reference}` has no value"));
            format!("($exists({value}) ? {value} : $error({missing}))")
        }
    }
}

/// The source with `$operations.name` turned into the operation's variable.
fn compile_jsonata(jsonata: &Jsonata, variable: &dyn Fn(&str) -> String) -> String {
    let mut compiled = String::new();
    let mut copied = 0;
    for (range, reference) in &jsonata.references {
        if reference.root == Root::Operations && reference.name().is_some() {
            compiled.push_str(&jsonata.source[copied..range.start]);
            compiled.push_str(&reference.to_jsonata(variable));
            copied = range.end;
        }
    }
    compiled + &jsonata.source[copied..]
}

impl Reference {
    /// As JSONata: `$params.year`, ``$jobs.`a-b`.rows[0]``.
    fn to_jsonata(&self, variable: &dyn Fn(&str) -> String) -> String {
        let (mut text, rest) = match (self.root, self.name()) {
            (Root::Operations, Some(name)) => (format!("${}", variable(name)), &self.path[1..]),
            _ => (format!("${}", self.root.name()), &self.path[..]),
        };
        for segment in rest {
            match segment {
                Segment::Key(key) if is_plain_name(key) => text.extend([".", key]),
                Segment::Key(key) => text.extend([".`", key, "`"]),
                Segment::Index(index) => text.push_str(&format!("[{index}]")),
            }
        }
        text
    }
}

/// Whether JSONata reads it as a name wherever it stands.
fn is_plain_name(key: &str) -> bool {
    const WORDS: [&str; 8] = ["and", "or", "in", "true", "false", "null", "function", "undefined"];
    key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !WORDS.contains(&key)
}

/// As `${…}` writes it.
impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "${{{}", self.root.name())?;
        for segment in &self.path {
            match segment {
                Segment::Key(key) if key.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-') => {
                    write!(f, ".{key}")?;
                }
                Segment::Key(key) if key.contains('"') => write!(f, "['{key}']")?,
                Segment::Key(key) => write!(f, "[\"{key}\"]")?,
                Segment::Index(index) => write!(f, "[{index}]")?,
            }
        }
        f.write_char('}')
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{evaluate, parse};
    use super::*;
    use serde_json::json;

    fn variable(name: &str) -> String {
        format!("operation_{}", name.replace('-', "_"))
    }

    fn template(literal: &str) -> Template {
        let (template, found) = parse(literal);
        assert_eq!(found, Vec::<String>::new(), "{literal}");
        template.expect("a template")
    }

    #[track_caller]
    fn check(literal: &str, expected: Json) {
        assert_eq!(template(literal).compile(&variable), expected);
    }

    /// Compiles a string and evaluates it with jobs, params and an operation's result bound.
    #[track_caller]
    fn gives(literal: &str, expected: Json) {
        assert_eq!(compiled_and_evaluated(literal), Ok(expected));
    }

    fn compiled_and_evaluated(literal: &str) -> Result<Json, String> {
        let compiled = template(literal).compile(&variable);
        let text = compiled.as_str().expect("a string");
        let source = text.strip_prefix("{%").and_then(|text| text.strip_suffix("%}")).expect("JSONata");
        let params = json!({
            "year": 2015, "ratio": 0.1, "yes": true, "none": null, "list": [1], "table": {"a": [1, 2]},
            "text": "t", "in": 1, "and": 2, "long-name": 3, "日本": 4, "9": 5, "whole": 3.0, "big": 999_999_999_999_999_u64
        });
        let bindings = [
            ("params", params),
            ("jobs", json!({"a-b": {"rows": [{"x": [[1, 2], [3, 4]]}]}})),
            ("operation_one_two", json!({"n": 7})),
        ];
        evaluate(source, &bindings)
    }

    #[test]
    fn literals_stay_as_they_are() {
        check("{ a = [1, 'x$${y}'] }", json!({"a": [1, "x${y}"]}));
    }

    #[test]
    fn a_literal_that_would_be_evaluated_is_protected() {
        let literal = Template::Literal(json!(["{% 1 + \"1\" %}", "{%", " {% 1 %}"]));
        let compiled = literal.compile(&variable);
        assert_eq!(compiled, json!(["{% \"{% 1 + \\\"1\\\" %}\" %}", "{%", " {% 1 %}"]));
        assert_eq!(evaluate("\"{% 1 + \\\"1\\\" %}\"", &[]), Ok(json!("{% 1 + \"1\" %}")));
    }

    #[test]
    fn references_compile_to_paths() {
        check("'${params.year}'", json!("{% $params.year %}"));
        check("'${jobs.a-b.rows[0].x}'", json!("{% $jobs.`a-b`.rows[0].x %}"));
        check("'${operations.one-two.n}'", json!("{% $operation_one_two.n %}"));
        check("'${operations.one-two}'", json!("{% $operation_one_two %}"));
        check("'${params.in}'", json!("{% $params.`in` %}"));
        check("'${params.9}'", json!("{% $params.`9` %}"));
        check("'${session}'", json!("{% $session %}"));
        check("[1, '${params.year}']", json!([1, "{% $params.year %}"]));
        check("{ b = '${params.year}', a = 1 }", json!({"b": "{% $params.year %}", "a": 1}));
    }

    #[test]
    fn text_names_what_is_missing() {
        check(
            "'a ${params.year}'",
            json!(
                "{% \"a \" & ($exists($params.year) ? $params.year : $error(\"`${params.year}` has no value\")) %}"
            ),
        );
        let error = compiled_and_evaluated("'a ${params.nothing.at.all} b'").unwrap_err();
        assert!(error.contains("`${params.nothing.at.all}` has no value"), "{error}");
    }

    #[test]
    fn operations_in_jsonata_become_variables() {
        check(
            "'{% $operations.`one-two`.n + $operations.x[0].y & \"$operations.x\" /* $operations.x */ %}'",
            json!("{% $operation_one_two.n + $operation_x[0].y & \"$operations.x\" /* $operations.x */ %}"),
        );
        check("'{%$params.year%}'", json!("{% $params.year %}"));
    }

    #[test]
    fn references_keep_the_type() {
        gives("'${params.year}'", json!(2015));
        gives("'${params.list}'", json!([1]));
        gives("'${params.none}'", json!(null));
        gives("'${params.in}'", json!(1));
        gives("'${params.and}'", json!(2));
        gives("'${params.long-name}'", json!(3));
        gives("'${params.日本}'", json!(4));
        gives("'${params.9}'", json!(5));
        gives("'${jobs.a-b.rows[0].x[0][1]}'", json!(2));
        gives("'${jobs.a-b.rows[-1].x[-1][-1]}'", json!(4));
        gives("'${operations.one-two.n}'", json!(7));
        gives("'{% $operations.`one-two`.n + $params.year %}'", json!(2022));
    }

    #[test]
    fn values_in_text_are_as_a_person_writes_them() {
        gives("'y=${params.year}'", json!("y=2015"));
        gives("'y=${params.ratio}'", json!("y=0.1"));
        gives("'y=${params.whole}'", json!("y=3"));
        gives("'y=${params.big}'", json!("y=999999999999999"));
        gives("'y=${params.yes}'", json!("y=true"));
        gives("'y=${params.none}'", json!("y=null"));
        gives("'y=${params.list}'", json!("y=[1]"));
        gives("'y=${params.table}'", json!("y={\"a\":[1,2]}"));
        gives("'${params.text}${params.text}'", json!("tt"));
    }

    #[test]
    fn any_text_around_survives() {
        gives(
            r#""q\" b\\ n\n t\t c\u0001 é😀 %} {% ` ' $x ${params.year}""#,
            json!("q\" b\\ n\n t\t c\u{1} é😀 %} {% ` ' $x 2015"),
        );
    }

    #[test]
    fn many_references_stay_within_the_depth_of_parsers() {
        let literal = format!("'{}'", "x${params.year}".repeat(3_000));
        gives(&literal, json!("x2015".repeat(3_000)));
    }

    #[test]
    fn as_written_gives_the_file_back() {
        for literal in [
            "'a $${x} ${params.year} ${jobs.a-b[-1][\"k k\"]}'",
            "'{% $jobs.x %}'",
            "['${session.id}', { a = '$${' }, 1, true]",
        ] {
            let json_like = template(literal).as_written();
            let expected = super::super::testing::as_json(literal);
            assert_eq!(json_like, expected);
        }
        assert_eq!(template("'a $${x} ${params.y}'").as_json(), json!("a ${x} ${params.y}"));
    }

    #[test]
    fn a_literal_is_known_however_deep() {
        assert!(template("[[{ a = 1 }]]").is_literal());
        assert!(!template("[[{ a = '${params.year}' }]]").is_literal());
        assert!(!template("'{% 1 %}'").is_literal());
        assert!(Template::List(vec![Template::Literal(json!(1))]).is_literal());
    }

    proptest::proptest! {
        #[test]
        fn text_compiles_to_jsonata_that_parses(
            before in ".*", after in ".*", key in "[a-zA-Z0-9_-]{1,12}|[^\"`]{1,8}"
        ) {
            let reference = Reference {
                root: Root::Params,
                path: vec![Segment::Key(key), Segment::Index(-1)],
                span: crate::diagnostic::Span::default(),
            };
            let parts = vec![Part::Literal(before), Part::Reference(reference), Part::Literal(after)];
            let compiled = Template::Text(parts).compile(&variable);
            let text = compiled.as_str().unwrap();
            let source = &text[2..text.len() - 2];
            proptest::prop_assert!(jsonata_core::parser::parse(source).is_ok(), "{}", source);
        }
    }
}
