//! Evaluates JSONata as Step Functions does: version 2.0.6 plus `$partition`, `$range`, `$hash`, `$random`,
//! `$uuid`, `$parse`, without `$eval`.
//!
//! Takes: JSON in which strings may be `{% … %}`, and bindings. Gives: JSON, or which expression gave no value and why.
//! Deliberately does not: hold anything across an await (the engine's values belong to one thread), or know fields of states.

mod convert;
mod functions;
mod memory;
mod program;

use super::guarded::guarded;
pub(crate) use program::{StatesUse, check};

use convert::{Unusable, from_json, to_json};
use indexmap::IndexMap;
use jsonata_core::evaluator::{Context, Evaluator as Engine, EvaluatorError, EvaluatorOptions};
use jsonata_core::value::JValue;
use memory::Watched;
use program::{Program, panicked};
use serde_json::Value as Json;
use std::cell::RefCell;
use std::collections::HashMap;

/// An evaluation may take this long.
const TIMEOUT_MS: u64 = 5_000;
/// Nested levels of one evaluation. Step Functions refuses a little over 100; it counts differently, so this is only
/// a bound, not the same one.
const STACK_DEPTH: usize = 1_000;
/// Items of a sequence.
const SEQUENCE_LENGTH: usize = 1_000_000;
/// A text may be padded to this many characters, where the width is written as a number.
const PADDED: f64 = 16_777_216.0;
/// Bytes that the process may grow by. All that an expression is given and gives has 256 KiB at most.
const MEMORY: u64 = 512 << 20;

/// Why an expression gave no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the JSONata expression `{expression}` {message}")]
pub struct EvaluationError {
    /// JSONata's code (`T2001`, `D3137`), or none where the result itself cannot be used (undefined, a function).
    pub code: Option<String>,
    /// What it did, to follow "the expression `…`": `returned nothing (undefined)`.
    pub message: String,
    /// The expression, between `{%` and `%}`.
    pub expression: String,
    /// Where it stood: `Output/result`, `Arguments/list[2]`.
    pub path: String,
}

impl EvaluationError {
    /// The sentence that Step Functions puts into a cause.
    pub fn cause(&self) -> String {
        format!(
            "The JSONata expression '{}' specified for the field '{}' {}",
            self.expression, self.path, self.message
        )
    }
}

/// Evaluates a whole value: strings that are exactly `{%…%}` are replaced by their results, deeply.
/// `bindings` are names without `$`.
pub fn evaluate(value: &Json, bindings: &[(&str, &Json)]) -> Result<Json, EvaluationError> {
    let mut names = Bindings::default();
    for (name, bound) in bindings {
        names.bind(name, bound);
    }
    evaluate_field(value, &names, "")
}

/// What stands behind `$name`. Each is handed to the engine when an expression first names it, and only once.
pub(crate) struct Bindings<'a> {
    sources: HashMap<&'a str, Bound<'a>>,
    converted: RefCell<HashMap<&'a str, JValue>>,
    /// Milliseconds that one evaluation may take.
    timeout: u64,
    /// Bytes that it may take.
    memory: u64,
}

impl Default for Bindings<'_> {
    fn default() -> Self {
        Self { sources: HashMap::new(), converted: RefCell::default(), timeout: TIMEOUT_MS, memory: MEMORY }
    }
}

enum Bound<'a> {
    Value(&'a Json),
    Object(Vec<(&'a str, &'a Json)>),
}

impl<'a> Bindings<'a> {
    /// Binds `$name`; a later binding of the same name wins.
    pub(crate) fn bind(&mut self, name: &'a str, value: &'a Json) {
        self.sources.insert(name, Bound::Value(value));
    }

    /// Binds `$name` to an object made of parts, which need not be copied for it.
    pub(crate) fn bind_object(&mut self, name: &'a str, parts: Vec<(&'a str, &'a Json)>) {
        self.sources.insert(name, Bound::Object(parts));
    }

    fn lookup(&self, name: &str) -> Option<JValue> {
        let (key, bound) = self.sources.get_key_value(name)?;
        let mut converted = self.converted.borrow_mut();
        Some(converted.entry(key).or_insert_with(|| bound.to_engine()).clone())
    }
}

impl Bound<'_> {
    fn to_engine(&self) -> JValue {
        match self {
            Self::Value(value) => from_json(value),
            Self::Object(parts) => JValue::object(
                parts
                    .iter()
                    .map(|(name, value)| ((*name).to_owned(), from_json(value)))
                    .collect::<IndexMap<_, _>>(),
            ),
        }
    }
}

/// Evaluates the value of a field; errors name the place below `path`.
pub(crate) fn evaluate_field(
    value: &Json,
    bindings: &Bindings<'_>,
    path: &str,
) -> Result<Json, EvaluationError> {
    match value {
        Json::String(text) => match expression_of(text) {
            Some(source) => evaluate_expression(source, bindings, path),
            None => Ok(value.clone()),
        },
        Json::Array(items) => items
            .iter()
            .enumerate()
            .map(|(index, item)| evaluate_field(item, bindings, &format!("{path}[{index}]")))
            .collect::<Result<Vec<_>, _>>()
            .map(Json::Array),
        Json::Object(fields) => fields
            .iter()
            .map(|(key, item)| Ok((key.clone(), evaluate_field(item, bindings, &below(path, key))?)))
            .collect::<Result<serde_json::Map<_, _>, _>>()
            .map(Json::Object),
        Json::Null | Json::Bool(_) | Json::Number(_) => Ok(value.clone()),
    }
}

/// The source of an expression if the text is one: it starts with `{%` and ends with `%}`, nothing around them.
pub(crate) fn expression_of(text: &str) -> Option<&str> {
    text.strip_prefix("{%")?.strip_suffix("%}").map(str::trim)
}

fn below(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}/{key}") }
}

fn evaluate_expression(source: &str, bindings: &Bindings<'_>, path: &str) -> Result<Json, EvaluationError> {
    let error = |code: Option<&str>, message: String| EvaluationError {
        code: code.map(str::to_owned),
        message,
        expression: source.to_owned(),
        path: path.to_owned(),
    };
    let threw = |code: Option<&str>, message: &str| {
        error(code, format!("threw an error during evaluation. {}", in_one_line(message)))
    };
    let program =
        Program::parse(source).map_err(|failure| threw(failure.code.as_deref(), &failure.message))?;
    let result = guarded(|| run(&program, bindings))
        .map_err(|panic| threw(None, &panicked(&panic)))?
        .map_err(|failure| threw(failure.code(), failure.message()))?;
    if result.is_undefined() {
        return Err(error(None, "returned nothing (undefined).".to_owned()));
    }
    to_json(&result).map_err(|unusable| match unusable {
        Unusable::Type => error(None, "returned an unsupported result type.".to_owned()),
        Unusable::Size => error(None, "returned far more than the 256 KiB that a state can have.".to_owned()),
    })
}

/// The engine's words about a pattern that it cannot run are a drawing over several lines; its last one says it.
fn in_one_line(message: &str) -> String {
    match message.rsplit_once("\nerror: ") {
        Some((_, reason)) if message.contains("regex parse error") => {
            format!("the regular expression cannot be used here: {reason}")
        }
        _ => message.replace('\n', " "),
    }
}

fn run(program: &Program, bindings: &Bindings<'_>) -> Result<JValue, EvaluatorError> {
    // Nothing could end such a call while it is made.
    if let Some(width) = program.width().filter(|width| *width > PADDED) {
        return Err(EvaluatorError::EvaluationError(format!(
            "U1003: $pad to a width of {width} takes too much memory"
        )));
    }
    let watched = program.can_grow().then(|| Watched::begin(bindings.memory));
    let mut context = Context::new();
    for name in program.names() {
        if let Some(value) = bindings.lookup(name) {
            context.bind(name.clone(), value);
        }
    }
    let options = EvaluatorOptions {
        timeout_ms: Some(bindings.timeout),
        max_stack_depth: Some(STACK_DEPTH),
        max_sequence_length: Some(SEQUENCE_LENGTH),
        cancel: watched.as_ref().map(Watched::token),
    };
    let mut engine = Engine::with_options(context, options);
    functions::register(&mut engine, program.names())?;
    let result = engine.evaluate(program.ast(), &JValue::Undefined);
    // Whatever the engine says: it also gives results that were too large.
    if watched.is_some_and(|watched| watched.is_over()) {
        let megabytes = bindings.memory >> 20;
        return Err(EvaluatorError::EvaluationError(format!(
            "U1003: It takes more than {megabytes} MiB of memory. Check for texts and lists that grow in a loop"
        )));
    }
    Ok(result?.unwrap_sequence())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn evaluate_text(expression: &str) -> Result<Json, EvaluationError> {
        let x = json!({ "n": 1, "list": [0], "text": "a" });
        evaluate(&json!(format!("{{% {expression} %}}")), &[("x", &x)])
    }

    #[test]
    fn what_the_engine_panics_on_is_an_error() {
        // A literal part of a picture that begins with a character of several bytes; found by fuzzing.
        let error = evaluate_text("$toMillis('3', '[\u{2713}]/[M01]')").unwrap_err();
        assert!(error.message.contains("the JSONata engine failed at it"), "{error:?}");
    }

    #[test]
    fn a_function_without_its_dollar_is_none() {
        // JSONata's own functions are thought of, those that Step Functions adds are not.
        for (function, code) in
            [("random()", "T1005"), ("sum([1])", "T1005"), ("uuid()", "T1006"), ("range(1, 2, 1)", "T1006")]
        {
            check_error(&format!("[{function}, 1]"), Some(code), "non-function");
        }
    }

    #[track_caller]
    fn check_value(expression: &str, expected: Json) {
        assert_eq!(evaluate_text(expression), Ok(expected), "{expression}");
    }

    #[track_caller]
    fn check_error(expression: &str, code: Option<&str>, part: &str) {
        let error = evaluate_text(expression).expect_err(expression);
        assert_eq!(error.code.as_deref(), code, "{expression}: {error}");
        assert!(error.message.contains(part), "{expression}: {error}");
    }

    #[test]
    fn only_a_string_that_is_an_expression_as_a_whole_is_evaluated() {
        let value = json!({ "a": "{% 1 + 1 %}", "b": " {% 1 %}", "c": "{% 1 %} ", "d.$": "$.x", "e": [{ "f": "{%'g'%}" }], "h": null });
        let expected =
            json!({ "a": 2, "b": " {% 1 %}", "c": "{% 1 %} ", "d.$": "$.x", "e": [{ "f": "g" }], "h": null });
        assert_eq!(evaluate(&value, &[]), Ok(expected));
    }

    #[test]
    fn an_error_names_the_field() {
        let names = Bindings::default();
        let value = json!({ "a": [1, { "b": "{% $gone %}" }] });
        let error = evaluate_field(&value, &names, "Output").expect_err("$gone is not bound");
        assert_eq!(error.path, "Output/a[1]/b");
        assert_eq!(
            error.cause(),
            "The JSONata expression '$gone' specified for the field 'Output/a[1]/b' returned nothing (undefined)."
        );
    }

    #[test]
    fn the_functions_of_step_functions_are_there() {
        check_value("$partition([1, 2, 3, 4, 5], 2)", json!([[1, 2], [3, 4], [5]]));
        check_value("$partition([0], 1)", json!([[0]]));
        check_value("$partition([1, 2, 3], 2.9)", json!([[1, 2], [3]]));
        check_value("$range(0, 10, 5)", json!([0, 5, 10]));
        check_value("$range(3, 1, -1)", json!([3, 2, 1]));
        check_value("$range(-1.7, 2, 1)", json!([-1, 0, 1, 2]));
        check_value("$range(1, 9, 9)", json!(1));
        check_value("$count($range(1, 1000, 1))", json!(1000));
        check_value("$hash('abc', 'MD5')", json!("900150983cd24fb0d6963f7d28e17f72"));
        check_value("$hash('abc', 'SHA-1')", json!("a9993e364706816aba3e25717850c26c9cd0d89d"));
        check_value(
            "$hash('abc', 'SHA-256')",
            json!("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        );
        check_value("$length($hash('abc', 'SHA-384'))", json!(96));
        check_value("$length($hash('abc', 'SHA-512'))", json!(128));
        check_value("$parse('{\"a\": [1, null]}')", json!({ "a": [1, null] }));
        check_value("$random(7) = $random(7)", json!(true));
        check_value("($r := $random(); $r >= 0 and $r < 1)", json!(true));
        check_value(
            "$match($uuid(), /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/).index",
            json!(0),
        );
        check_value("$uuid() = $uuid()", json!(false));
    }

    #[test]
    fn senseless_arguments_give_nothing_or_an_error() {
        for expression in [
            "$partition([1], 0)",
            "$partition([], 2)",
            "$range(1, 2)",
            "$range(1, 2, 0)",
            "$range(1, 2, -1)",
            "$hash('a')",
            "$parse($gone)",
        ] {
            check_error(expression, None, "undefined");
        }
        check_error("$range(1, 1001, 1)", Some("D2014"), "1000");
        check_error("$range('a', 2, 1)", Some("T0410"), "range");
        check_error("$hash('a', 'sha-256')", Some("D3000"), "SHA-256");
        check_error("$parse('{')", Some("D3120"), "JSON");
    }

    #[test]
    fn what_step_functions_lacks_is_refused() {
        check_error("$eval('1')", Some("T1006"), "non-function");
        check_error("$gone ?? 1", Some("S0211"), "2.0.6");
        check_error("$gone ?: 1", Some("S0211"), "2.0.6");
        check_error("function($y) { $y }", None, "unsupported result type");
        check_error("$sum", None, "unsupported result type");
    }

    #[test]
    fn a_pattern_that_the_engine_lacks_is_named_in_one_line() {
        check_error("$match('a', /(?=x)a/)", None, "cannot be used here: look-around");
        check_error("$replace('aa', /(a)\\1/, '')", None, "cannot be used here: backreferences");
    }

    #[test]
    fn an_evaluation_is_bounded() {
        let names = Bindings { timeout: 1, ..Bindings::default() };
        let error = evaluate_field(&json!("{% ($f := function() { $f() }; $f()) %}"), &names, "");
        assert_eq!(error.expect_err("it never ends").code.as_deref(), Some("D1012"));
        check_error("($f := function($n) { 1 + $f($n) }; $f(1))", Some("D1011"), "");
        check_error("[1..100000000]", Some("D2014"), "");
    }

    #[test]
    fn memory_is_bounded() {
        check_error("$pad('a', 3e8)", Some("U1003"), "a width of 300000000");
        check_error("$pad('a', -1e12)", Some("U1003"), "a width of 1000000000000");
        let lists = "($f := function($x, $n) { $n = 0 ? $x : $f([[$x], [$x]], $n - 1) }; $f(1, 40))";
        check_error(lists, None, "far more than the 256 KiB");
        if !cfg!(target_os = "linux") {
            return;
        }
        let large = json!("a".repeat(256 * 1024));
        for expression in [
            "($f := function($s, $n) { $n = 0 ? $s : $f($s & $s, $n - 1) }; $length($f('a', 40)))",
            "$count($map([1..100000], function($n) { $n & $large }))",
        ] {
            let mut names = Bindings { memory: 16 << 20, ..Bindings::default() };
            names.bind("large", &large);
            let ended = evaluate_field(&json!(format!("{{% {expression} %}}")), &names, "");
            let error = ended.expect_err(expression);
            assert_eq!(error.code.as_deref(), Some("U1003"), "{expression}: {error}");
            assert!(error.message.contains("more than 16 MiB of memory"), "{error}");
        }
    }

    #[test]
    fn numbers_print_as_javascript_prints_them() {
        check_value("2 * 0.5", json!(1));
        check_value("-0", json!(0));
        check_value("1.5", json!(1.5));
        check_value("1 / 0", json!("Infinity"));
        assert_eq!(evaluate_text("3.0").map(|value| value.to_string()), Ok("3".to_owned()));
    }
}
