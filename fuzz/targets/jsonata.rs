//! JSONata: as a value of a pipeline file, compiled, and evaluated on a small input.
#![no_main]

use bunsui::diagnostic::Sink;
use bunsui::expression::{Template, parse_template};
use bunsui_fuzz::findings;
use bunsui_fuzz::pipeline::{evaluate_twice, read};
use libfuzzer_sys::fuzz_target;
use serde_json::{Value as Json, json};
use std::sync::LazyLock;

static BINDINGS: LazyLock<Json> = LazyLock::new(|| {
    json!({
        "params": { "year": 2015, "name": "Ada", "flag": true, "none": null },
        "jobs": { "extract": { "rows": [{ "id": 1, "tags": ["x", "y"] }, { "id": 2, "tags": [] }] }, "a-b": [1, [2, 3]] },
        "session": { "id": "01J", "started_at": "2026-01-01T00:00:00Z" },
        "pipeline": { "name": "fuzz", "version": "0" },
        "states": { "input": { "text": "a,b;c", "unicode": "日本 ✓", "big": 1e21, "half": 0.5, "a b": [] } },
    })
});

fuzz_target!(|text: &str| {
    let expression = Json::from(format!("{{% {text} %}}"));
    // JSON's escapes are TOML's, but for DEL.
    let file = format!("value = {}\n", expression.to_string().replace('\u{7f}', "\\u007f"));
    let (source, found, document) = read(file.as_bytes());
    let document = document.unwrap_or_else(|| panic!("{found:?} in {file:?}"));
    let value = document.root.value("value").expect("it was written");
    let mut sink = Sink::new();
    let template = parse_template(value, &source, &mut sink);
    assert_eq!(template.is_none(), sink.has_errors(), "a template, if and only if there is no error");
    findings::check(&source, &sink.into_sorted());

    let result = evaluate(&expression);
    let Some(template) = template else { return };
    assert!(!is_syntax(&result), "it was found right and does not parse: {result:?}");
    for reference in template.references() {
        assert!(source.text.get(reference.span.start..reference.span.end).is_some(), "{reference:?}");
    }
    check_compiled(&template);
});

/// What it compiles to parses too, and is the same text each time.
fn check_compiled(template: &Template) {
    let compiled = template.compile(&|name| format!("operation_{name}"));
    assert_eq!(compiled, template.compile(&|name| format!("operation_{name}")));
    if matches!(template, Template::Jsonata(_)) {
        let result = evaluate(&compiled);
        assert!(!is_syntax(&result), "what it compiles to does not parse: {result:?}");
    }
}

type Evaluated = Result<Json, bunsui::expression::EvaluationError>;

fn evaluate(value: &Json) -> Evaluated {
    let bindings: Vec<(&str, &Json)> =
        BINDINGS.as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), value)).collect();
    let result = evaluate_twice(value, &bindings);
    if let Err(error) = &result {
        let cause = error.cause();
        assert!(!error.message.is_empty() && !error.message.contains('\n'), "{cause:?}");
    }
    result
}

fn is_syntax(result: &Evaluated) -> bool {
    result.as_ref().is_err_and(|error| error.code.as_deref().is_some_and(|code| code.starts_with("S0")))
}
