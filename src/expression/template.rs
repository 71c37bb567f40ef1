//! Document values to [`Template`]s.
//!
//! Takes: a value and its source. Gives: a template, or every finding about the strings and numbers in it.
//! Deliberately does not: know which names exist.

use super::reference::{Piece, TextPieces};
use super::{Part, Template, jsonata};
use crate::diagnostic::{Diagnostic, Sink, Source, Span};
use crate::document::{StringPlaces, Table, Value, ValueKind};
use indexmap::IndexMap;
use serde_json::{Number, Value as Json};

/// The largest integer of 15 digits: JSONata's numbers are doubles and print 15 digits.
const EXACT: u64 = 999_999_999_999_999;

/// Parses a value and all strings in it. Reports malformed references and JSONata that does not parse
/// (or is newer than 2.0.6) and then gives `None`. Integers of more than 15 digits, nan and inf are reported too.
pub fn parse_template(value: &Value, source: &Source, sink: &mut Sink) -> Option<Template> {
    match &value.kind {
        ValueKind::String(text) => parse_string(text, value.span, source, sink),
        ValueKind::Integer(number) => parse_integer(*number, value.span, sink).map(Template::Literal),
        ValueKind::Float(number) => parse_float(*number, value.span, sink).map(Template::Literal),
        ValueKind::Boolean(boolean) => Some(Template::Literal(Json::Bool(*boolean))),
        ValueKind::Datetime(text) => Some(Template::Literal(Json::String(text.clone()))),
        ValueKind::Array(items) => parse_list(items, source, sink),
        ValueKind::Table(table) => parse_table(table, source, sink),
    }
}

fn parse_list(items: &[Value], source: &Source, sink: &mut Sink) -> Option<Template> {
    // All items are parsed before one that failed ends it: each has its own findings.
    let parsed: Vec<_> = items.iter().map(|item| parse_template(item, source, sink)).collect();
    let parsed: Vec<Template> = parsed.into_iter().collect::<Option<_>>()?;
    if parsed.iter().all(Template::is_literal) {
        return Some(Template::Literal(parsed.into_iter().map(|item| item.as_json()).collect()));
    }
    Some(Template::List(parsed))
}

fn parse_table(table: &Table, source: &Source, sink: &mut Sink) -> Option<Template> {
    let mut parsed = IndexMap::with_capacity(table.entries.len());
    for (key, entry) in &table.entries {
        if let Some(template) = parse_template(&entry.value, source, sink) {
            parsed.insert(key.clone(), template);
        }
    }
    if parsed.len() < table.entries.len() {
        return None;
    }
    if parsed.values().all(Template::is_literal) {
        let object = parsed.into_iter().map(|(key, value)| (key, value.as_json())).collect();
        return Some(Template::Literal(Json::Object(object)));
    }
    Some(Template::Table(parsed))
}

fn parse_integer(number: i64, span: Span, sink: &mut Sink) -> Option<Json> {
    if number.unsigned_abs() <= EXACT {
        return Some(Json::from(number));
    }
    sink.report(
        Diagnostic::error(
            "bunsui::pipeline::number_not_exact",
            format!("`{number}` has more than 15 digits and would not stay exact"),
        )
        .label(span, "more than 15 digits")
        .help("put it in quotes: a string keeps every digit"),
    );
    None
}

fn parse_float(number: f64, span: Span, sink: &mut Sink) -> Option<Json> {
    if let Some(number) = Number::from_f64(number) {
        return Some(Json::Number(number));
    }
    let written = if number.is_nan() { "nan" } else { "inf" };
    sink.report(
        Diagnostic::error("bunsui::pipeline::number_not_exact", format!("`{written}` is no number in JSON"))
            .label(span, "cannot be passed on")
            .help(format!("put it in quotes where a text is meant: \"{written}\"")),
    );
    None
}

fn parse_string(text: &str, span: Span, source: &Source, sink: &mut Sink) -> Option<Template> {
    if !text.contains("${") && !text.contains("{%") {
        return Some(Template::Literal(Json::String(text.to_owned())));
    }
    if jsonata::is_expression(text) && jsonata::is_too_long(text) {
        sink.report(jsonata::too_long(text, span));
        return None;
    }
    let places = StringPlaces::new(source, span);
    if jsonata::is_expression(text) {
        return jsonata::parse(text, &places, sink).map(Template::Jsonata);
    }
    warn_not_evaluated(text, span, sink);
    parse_text(text, &places, sink)
}

/// What can be read of a value that [`parse_template`] refused, for who looks at its references: not to be used otherwise.
/// Of a list or a table nothing; their items are asked one by one.
pub(crate) fn parse_readable(value: &Value, source: &Source) -> Option<Template> {
    // What is wrong was reported with the whole.
    if let Some(template) = parse_template(value, source, &mut Sink::new()) {
        return Some(template);
    }
    let ValueKind::String(text) = &value.kind else { return None };
    if jsonata::is_expression(text) && jsonata::is_too_long(text) {
        return None;
    }
    let places = StringPlaces::new(source, value.span);
    if jsonata::is_expression(text) {
        return Some(Template::Jsonata(jsonata::readable(text, &places)));
    }
    let references = TextPieces::new(text, &places).filter_map(|piece| match piece {
        Ok(Piece::Reference(reference)) => Some(Part::Reference(reference)),
        Ok(Piece::Literal(_)) | Err(_) => None,
    });
    Some(Template::Text(references.collect()))
}

fn parse_text(text: &str, places: &StringPlaces, sink: &mut Sink) -> Option<Template> {
    let mut parts: Vec<Part> = Vec::new();
    let mut failed = false;
    for piece in TextPieces::new(text, places) {
        match piece {
            Ok(Piece::Literal(literal)) => match parts.last_mut() {
                Some(Part::Literal(before)) => before.push_str(literal),
                _ => parts.push(Part::Literal(literal.to_owned())),
            },
            Ok(Piece::Reference(reference)) => parts.push(Part::Reference(reference)),
            Err(_) if sink.is_full() => return None,
            Err(diagnostic) => {
                failed = true;
                sink.report(*diagnostic);
            }
        }
    }
    if failed {
        return None;
    }
    Some(match (parts.pop(), parts.is_empty()) {
        (None, _) => Template::Literal(Json::String(String::new())),
        (Some(Part::Reference(reference)), true) => Template::Reference(reference),
        (Some(Part::Literal(literal)), true) => Template::Literal(Json::String(literal)),
        (Some(last), false) => {
            parts.push(last);
            Template::Text(parts)
        }
    })
}

/// A string that was probably meant to be JSONata but is a constant for Step Functions.
fn warn_not_evaluated(text: &str, span: Span, sink: &mut Sink) {
    let trimmed = text.trim();
    let (message, help) = if jsonata::is_expression(trimmed) {
        (
            "blanks around `{% … %}` make this string a constant",
            "take the blanks away: only a string that is exactly `{% … %}` is evaluated",
        )
    } else if trimmed.starts_with("{%") && !trimmed.contains("%}") {
        (
            "this string starts with `{%` but does not end with `%}`, so it is a constant",
            "end it with `%}` if it is to be evaluated",
        )
    } else {
        return;
    };
    sink.report(
        Diagnostic::warning("bunsui::reference::not_evaluated", message)
            .label(span, "taken as it is")
            .help(help),
    );
}

#[cfg(test)]
mod tests {
    use super::super::testing::{parse, parse_value};
    use super::super::{Reference, Root, Segment};
    use super::*;
    use crate::diagnostic::Severity;
    use proptest::prelude::*;
    use serde_json::json;

    /// What the findings of a string are, each as `message @ underlined text`.
    #[track_caller]
    fn refused(literal: &str, expected: &[&str]) {
        let (template, found) = parse(literal);
        assert_eq!(found, expected);
        assert_eq!(template, None);
    }

    #[track_caller]
    fn check(literal: &str, expected: Template) {
        let (template, found) = parse(literal);
        assert_eq!(found, Vec::<String>::new());
        let mut template = template.expect("a template");
        template.forget_spans();
        assert_eq!(template, expected);
    }

    fn reference(root: Root, path: &[&str]) -> Reference {
        let path = path.iter().map(|key| match key.parse() {
            Ok(index) => Segment::Index(index),
            Err(_) => Segment::Key((*key).to_owned()),
        });
        Reference { root, path: path.collect(), span: Span::default() }
    }

    #[test]
    fn values_without_references_are_literals() {
        check("'plain'", Template::Literal(json!("plain")));
        check("[1, 2.5, true, { a = 'b' }]", Template::Literal(json!([1, 2.5, true, { "a": "b" }])));
        check("2024-01-02", Template::Literal(json!("2024-01-02")));
        check("'$params.x {params} $'", Template::Literal(json!("$params.x {params} $")));
    }

    #[test]
    fn a_string_that_is_one_reference_keeps_the_type() {
        check("'${params.year}'", Template::Reference(reference(Root::Params, &["year"])));
        check("'${jobs.a-b.rows[0].x}'", {
            Template::Reference(reference(Root::Jobs, &["a-b", "rows", "0", "x"]))
        });
        check("'${operations.one[-1]}'", Template::Reference(reference(Root::Operations, &["one", "-1"])));
        check("'${session}'", Template::Reference(reference(Root::Session, &[])));
        check(
            r#"'${jobs.x["a b"]."c.d"}'"#,
            Template::Reference(reference(Root::Jobs, &["x", "a b", "c.d"])),
        );
    }

    #[test]
    fn text_around_references_is_kept() {
        check(
            "'s3://${params.bucket}/${session.id}.csv'",
            Template::Text(vec![
                Part::Literal("s3://".into()),
                Part::Reference(reference(Root::Params, &["bucket"])),
                Part::Literal("/".into()),
                Part::Reference(reference(Root::Session, &["id"])),
                Part::Literal(".csv".into()),
            ]),
        );
    }

    #[test]
    fn two_dollars_are_a_literal() {
        check("'$${HOME}'", Template::Literal(json!("${HOME}")));
        check("'a$$b $$${x}'", Template::Literal(json!("a$$b $${x}")));
        check("'$${a}${params.b}'", {
            Template::Text(vec![
                Part::Literal("${a}".into()),
                Part::Reference(reference(Root::Params, &["b"])),
            ])
        });
    }

    #[test]
    fn malformed_references_are_reported_at_their_place() {
        refused("'a ${params.x'", &["`${` is not closed @ ${"]);
        refused("'a ${params.x and ${params.y}'", &["`${` is not closed @ ${"]);
        refused("'a ${}'", &["`${}` refers to nothing @ ${}"]);
        refused("'${param.year}'", &["`param` is nothing that can be referred to @ param"]);
        refused("'${HOME}/x'", &["`HOME` is nothing that can be referred to @ HOME"]);
        refused("'${ params.x}'", &["a reference may not hold blanks @  "]);
        refused("'${params .x}'", &["a reference may not hold blanks @  "]);
        refused("'${params.x:-1}'", &["`:` may not stand in a reference @ :"]);
        refused("'${params..x}'", &["`.` is not followed by a key @ ."]);
        refused("'${params.}'", &["`.` is not followed by a key @ ."]);
        refused("'${jobs}'", &["`${jobs}` names no job @ ${jobs}"]);
        refused("'${operations}'", &["`${operations}` names no operation @ ${operations}"]);
        refused("'${jobs[0]}'", &["`${jobs[0]}` names no job @ ${jobs[0]}"]);
        refused("'${jobs.x[y]}'", &["`[y]` is no position @ [y]"]);
        refused("'${jobs.x[0}'", &["`[0` is not closed @ [0"]);
        refused("'${jobs.x.\"a}'", &["the quoted key is not closed @ \"a}"]);
        refused("'${jobs.x.\"\"}'", &["the quoted key is empty @ \"\""]);
        refused("'${jobs.x.\"a`\"}'", &["a key may not hold a backtick @ \"a`\""]);
    }

    #[test]
    fn everything_malformed_is_reported() {
        refused(
            "['${}', { a = '${x.y} ${jobs}' }, 9007199254740993, nan, -inf]",
            &[
                "`${}` refers to nothing @ ${}",
                "`x` is nothing that can be referred to @ x",
                "`${jobs}` names no job @ ${jobs}",
                "`9007199254740993` has more than 15 digits and would not stay exact @ 9007199254740993",
                "`nan` is no number in JSON @ nan",
                "`inf` is no number in JSON @ -inf",
            ],
        );
    }

    #[test]
    fn the_place_is_found_through_escapes() {
        refused(r#""\u00e9\t${param.x}""#, &["`param` is nothing that can be referred to @ param"]);
    }

    #[test]
    fn references_know_their_place() {
        let (template, _) = parse(r#"["\t${params.a}", "{% $jobs.b.c + $sum($jobs.`d e`) %}"]"#);
        let template = template.unwrap();
        let text = r#"value = ["\t${params.a}", "{% $jobs.b.c + $sum($jobs.`d e`) %}"]"#;
        let found: Vec<&str> =
            template.references().iter().map(|r| &text[r.span.start..r.span.end]).collect();
        assert_eq!(found, ["${params.a}", "$jobs.b.c", "$jobs.`d e`"]);
    }

    #[test]
    fn the_nearest_root_is_offered() {
        let mut sink = Sink::new();
        let (value, source) = parse_value("'${param.year}'");
        parse_template(&value, &source, &mut sink);
        let help = sink.into_sorted().remove(0).help.unwrap();
        assert!(help.contains("`params`"), "{help}");
    }

    #[test]
    fn what_only_looks_like_jsonata_earns_a_warning() {
        for literal in ["' {% 1 %}'", "'{% 1 %} '", "'{% 1 '", "'{%}'"] {
            let mut sink = Sink::new();
            let (value, source) = parse_value(literal);
            let template = parse_template(&value, &source, &mut sink);
            assert!(matches!(template, Some(Template::Literal(_))), "{literal}");
            let found = sink.into_sorted();
            let expected = if literal == "'{%}'" { 0 } else { 1 };
            assert_eq!(found.len(), expected, "{literal}");
            assert!(found.iter().all(|d| d.severity == Severity::Warning));
        }
    }

    proptest! {
        #[test]
        fn no_string_panics(text in "(\\$\\{|\\{%|%\\}|[\\$a-z.\\[\\]`'\"{}0-9 -]|params|jobs|.){0,20}") {
            let source = Source::new("test.toml", String::new());
            let value = Value { span: Span::default(), kind: ValueKind::String(text) };
            let mut sink = Sink::new();
            let template = parse_template(&value, &source, &mut sink);
            prop_assert_eq!(template.is_none(), sink.has_errors());
        }

        #[test]
        fn what_was_written_is_parsed_as_the_same(
            text in "(\\$\\{params.a\\}|\\$\\{jobs.b-c\\[-1\\].`?d\\}|\\$\\$\\{|[\\$a-z{}]){0,12}"
        ) {
            let source = Source::new("test.toml", String::new());
            let parse = |text: String| {
                let value = Value { span: Span::default(), kind: ValueKind::String(text) };
                parse_template(&value, &source, &mut Sink::new())
            };
            if let Some(template) = parse(text) {
                let Json::String(written) = template.as_written() else { panic!("a string stays one") };
                let mut again = parse(written).expect("what was written is right");
                again.forget_spans();
                let mut template = template;
                template.forget_spans();
                prop_assert_eq!(again, template);
            }
        }
    }
}
