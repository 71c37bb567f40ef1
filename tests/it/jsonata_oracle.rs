//! JSONata here against npm's `jsonata` 2.0.6, the version that Step Functions has.
//!
//! The packages are installed once, below the target directory, by the committed lock file.

use serde_json::{Value as Json, json};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// Set to let the tests that need node pass without it.
const WITHOUT_NODE: &str = "BUNSUI_TESTS_WITHOUT_NODE";

/// Runs a script of tests/jsonata with node; gives what it printed. `None` only where node cannot be had and the
/// environment allows that.
#[expect(clippy::print_stderr, reason = "a check that is left out must be seen")]
pub(crate) fn node(script: &str, arguments: &[&str], input: &str) -> Option<String> {
    static FOLDER: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let folder = match FOLDER.get_or_init(install) {
        Ok(folder) => folder,
        Err(why) if std::env::var_os(WITHOUT_NODE).is_some() => {
            eprintln!("NOT CHECKED against npm's packages: {why}");
            return None;
        }
        Err(why) => {
            panic!("npm's packages cannot be had: {why}\n(set {WITHOUT_NODE}=1 to go on without them)")
        }
    };
    let mut child = Command::new("node")
        .arg(folder.join(script))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("node was there a moment ago");
    let mut stdin = child.stdin.take().expect("it is piped");
    let input = input.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().expect("node ends");
    let _ = writer.join();
    Some(String::from_utf8(output.stdout).expect("it prints JSON"))
}

fn install() -> Result<PathBuf, String> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/jsonata");
    let lock = fs::read_to_string(source.join("package-lock.json")).map_err(|error| error.to_string())?;
    let digest = lock.bytes().fold(5_381_u32, |sum, byte| sum.wrapping_mul(33) ^ u32::from(byte));
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("jsonata-{digest:08x}"));
    if !folder.join("node_modules").is_dir() {
        // Test processes may install at once: each in a folder of its own, the first one moves it into place.
        let scratch = folder.with_extension(std::process::id().to_string());
        copy(&source, &scratch).map_err(|error| error.to_string())?;
        npm(&scratch)?;
        if fs::rename(&scratch, &folder).is_err() {
            let _ = fs::remove_dir_all(&scratch);
        }
    }
    // The scripts may have changed since.
    copy(&source, &folder).map_err(|error| error.to_string())?;
    Ok(folder)
}

fn copy(source: &Path, target: &Path) -> std::io::Result<()> {
    fs::create_dir_all(target)?;
    for entry in fs::read_dir(source)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            let scratch = target.join(format!(".{}", std::process::id()));
            fs::copy(entry.path(), &scratch)?;
            fs::rename(&scratch, target.join(entry.file_name()))?;
        }
    }
    Ok(())
}

fn npm(folder: &Path) -> Result<(), String> {
    let output = Command::new("npm")
        .args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"])
        .current_dir(folder)
        .output()
        .map_err(|error| format!("npm: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("npm ci: {}", String::from_utf8_lossy(&output.stderr)))
}

/// What an expression came to.
#[derive(Debug, PartialEq)]
enum Answer {
    Value(Json),
    Nothing,
    Function,
    /// JSONata's code.
    Error(Option<String>),
}

/// Asks npm's package.
fn oracle(expressions: &[&str]) -> Option<Vec<Answer>> {
    let cases: Vec<Json> = expressions
        .iter()
        .map(|expression| json!({ "expression": expression, "bindings": bindings() }))
        .collect();
    let printed = node("evaluate.mjs", &[], &Json::from(cases).to_string())?;
    let answers: Vec<Json> = serde_json::from_str(&printed).expect("it prints a list");
    Some(answers.into_iter().map(from_oracle).collect())
}

fn from_oracle(answer: Json) -> Answer {
    match answer {
        _ if answer.get("undefined").is_some() => Answer::Nothing,
        _ if answer.get("function").is_some() => Answer::Function,
        Json::Object(mut fields) => match (fields.remove("value"), fields.remove("error")) {
            (Some(value), _) => Answer::Value(value),
            (None, error) => {
                Answer::Error(error.and_then(|error| Some(error.get("code")?.as_str()?.to_owned())))
            }
        },
        other => panic!("{other}"),
    }
}

/// Asks bunsui.
fn ours(expression: &str) -> Answer {
    let bindings = bindings();
    let names: Vec<(&str, &Json)> =
        bindings.as_object().unwrap().iter().map(|(name, value)| (name.as_str(), value)).collect();
    match bunsui::expression::evaluate(&json!(format!("{{% {expression} %}}")), &names) {
        Ok(value) => Answer::Value(value),
        Err(error) if error.message.contains("(undefined)") => Answer::Nothing,
        Err(error) if error.message.contains("unsupported") => Answer::Function,
        Err(error) => Answer::Error(error.code),
    }
}

fn bindings() -> Json {
    json!({
        "states": {
            "input": {
                "name": "Ada", "n": 7, "half": 0.5, "big": 1e21, "small": 1e-7, "neg": -3, "zero": 0, "flag": true, "none": null,
                "empty": [], "one": [1], "text": "a,b;c", "unicode": "日本 ✓", "nested": { "a": { "b": [ { "c": 1 }, { "c": 2 } ] } },
                "items": [
                    { "id": 3, "name": "c", "price": 2.5, "tags": ["x", "y"] },
                    { "id": 1, "name": "a", "price": 10, "tags": [] },
                    { "id": 2, "name": "b", "price": 7.25, "tags": ["y"] },
                ],
                "a-b": { "c d": 5 }, "list of lists": [[1, 2], [3], []], "when": "2026-03-01T12:30:45.678Z",
            },
            "context": { "Execution": { "Id": "e", "StartTime": "2026-01-01T00:00:00Z" } },
        },
        "params": { "year": 2015, "bucket": "weather", "announce": true, "ratio": 0.1, "start": "2015-01-01" },
        "jobs": { "extract": { "target": "s3://weather/raw.csv", "rows": 1461 }, "a-b": { "files": ["x", "y"] } },
        "operations": { "fetch": { "StatusCode": 200, "Payload": { "ok": true } } },
        "session": { "id": "01J", "started_at": "2026-01-01T00:00:00Z" },
    })
}

/// Same value, or an error with the same code.
const EXPRESSIONS: &[&str] = &[
    // What references compile to
    "$params.year",
    "$jobs.extract.target",
    "$jobs.`a-b`.files",
    "$jobs.`a-b`.files[0]",
    "$jobs.`a-b`.files[-1]",
    "$jobs.extract.missing",
    "$missing",
    "$operations.fetch.Payload.ok",
    "'s3://' & $params.bucket & '/raw/' & $session.id & '.csv'",
    "$params.year & ''",
    "$params.ratio & ''",
    "$params.announce & ''",
    "'' & $states.input.none",
    "'' & $states.input.missing",
    "'' & $states.input.items",
    "'' & $states.input.nested",
    "'a' & 1 & 2.50 & true & null & [1,2]",
    "$exists($jobs.extract.target) ? $jobs.extract.target : $error('missing')",
    "$exists($jobs.extract.nothing) ? 1 : $error('jobs.extract.nothing is missing')",
    "($x := $jobs.extract.rows; $exists($x) ? 'rows: ' & $x : $error('no rows'))",
    "$error()",
    "$assert($params.year > 2000, 'too old')",
    "$assert($params.year > 3000, 'too old')",
    "$string($params)",
    "$string($states.input.items[0], true)",
    "{ 'year': $params.year, 'list': [1, $params.year], 'gone': $params.gone }",
    "[$params.year, $params.gone, null]",
    "$states.input.`a-b`.`c d`",
    "$states.input.'a-b'.'c d'",
    // Numbers
    "1 + 2 * 3 - 4 / 8",
    "7 % 3",
    "-7 % 3",
    "0.1 + 0.2",
    "1e3",
    "1e21",
    "$states.input.big & ''",
    "$states.input.small & ''",
    "$string(1e-6)",
    "$string(123456789012345678)",
    "$string(0.000001234)",
    "$string(100000000000000000000)",
    "1/3",
    "'' & (1/3)",
    "$string(0.1 + 0.2)",
    "'' & 1.10",
    "'' & 12345678.9",
    "[1/3, 2/3]",
    "$string([0.1 + 0.2])",
    "$number('12.50')",
    "$number('0x1F')",
    "$number('1e400')",
    "$number('abc')",
    "$number(true)",
    "$round(2.5)",
    "$round(3.5)",
    "$round(-2.5)",
    "$round(1234.567, 2)",
    "$round(1250, -2)",
    "$floor(-1.2)",
    "$ceil(1.2)",
    "$abs(-3)",
    "$sqrt(16)",
    "$sqrt(-1)",
    "$power(2, 10)",
    "$power(2, 0.5)",
    "$sum($states.input.items.price)",
    "$max($states.input.items.price)",
    "$min($states.input.items.price)",
    "$average($states.input.items.price)",
    "$sum([])",
    "$max([])",
    "$formatNumber(12345.678, '#,###.00')",
    "$formatNumber(0.14, '01%')",
    "$formatNumber(1e7, '0.0e0')",
    "$formatNumber(-5, '#0;(#0)')",
    "$formatBase(255, 16)",
    "$formatInteger(2789, 'w')",
    "$formatInteger(1999, 'I')",
    "$parseInteger('twelve thousand', 'w')",
    "'a' + 1",
    "'2' * 3",
    "-'x'",
    "1 + $missing",
    // Comparison and logic
    "$params.year = 2015 and $params.bucket != 'x'",
    "$params.year > '2015'",
    "1 < 2 or $error('not reached')",
    "'a' < 'b'",
    "null = null",
    "[1,2] = [1,2]",
    "{'a':1} = {'a':1}",
    "$missing = 1",
    "$missing > 1",
    "$not($states.input.empty)",
    "$boolean([0])",
    "$boolean([0, 1])",
    "$boolean({})",
    "$boolean('')",
    "2 in [1, 2]",
    "'x' in 'x'",
    "$states.input.flag ? 'yes' : 'no'",
    "$states.input.zero ? 'yes'",
    // Paths, filters, sorting
    "$states.input.items.name",
    "$states.input.items[id > 1].name",
    "$states.input.items[id = 1].name",
    "$states.input.items[id = 1].tags",
    "$states.input.items[id = 9].name",
    "$states.input.items[0]",
    "$states.input.items[-1].id",
    "$states.input.items[[0..1]].id",
    "$states.input.items^(id).name",
    "$states.input.items^(>price).name",
    "$states.input.items^(<name, >id).id",
    "$states.input.items.tags",
    "$states.input.items.(name & ':' & price)",
    "$states.input.items.{'n': name}",
    "$states.input.items{name: price}",
    "$states.input.items#$i.(name & $i)",
    "$states.input.nested.a.b.c",
    "$states.input.nested.**.c",
    "$states.input.nested.*.b.c",
    "$states.input.one",
    "$states.input.one[]",
    "$states.input.empty",
    "$states.input.`list of lists`",
    "$states.input.`list of lists`.$sum($)",
    "$states.input.items[$count(tags) > 0].id",
    "$states.input.items.tags[0]",
    "($states.input.items.tags)[0]",
    "[1..5]",
    "[1..5][$ % 2 = 0]",
    "[5..1]",
    "[1..10000000001]",
    "['b','a','c']^($)",
    // Lists
    "$count($states.input.items)",
    "$count($missing)",
    "$append([1], [2, 3])",
    "$append(1, 2)",
    "$reverse([1, 2, 3])",
    "$sort([3, 1, 2])",
    "$sort($states.input.items, function($l, $r) { $l.id > $r.id }).name",
    "$sort([{'a':1},{'a':0}])",
    "$distinct([1, 2, 1, {'a':1}, {'a':1}])",
    "$zip([1, 2], ['a', 'b'])",
    "$join(['a', 'b'], '-')",
    "$join([1, 2])",
    "$map([1, 2, 3], function($v, $i) { $v * $i })",
    "$map([1], function($v) { $v })",
    "$filter([1, 2, 3], function($v) { $v > 1 })",
    "$filter([1, 2, 3], function($v) { $v > 2 })",
    "$filter([1, 2, 3], function($v) { $v > 9 })",
    "$single([1, 2, 3], function($v) { $v = 2 })",
    "$single([1, 2, 3], function($v) { $v > 1 })",
    "$reduce([1, 2, 3], function($a, $v) { $a + $v }, 10)",
    "$reduce([], function($a, $v) { $a + $v })",
    "[1, 2, 3] ~> $sum()",
    "[1, 2] ~> $map(function($v) { $v + 1 }) ~> $join('')",
    // Objects
    "$keys($params)",
    "$keys($states.input.items)",
    "$lookup($params, 'year')",
    "$lookup($params, 'nothing')",
    "$merge([$params, {'year': 1}])",
    "$each($params, function($v, $k) { $k & '=' & $v })",
    "$spread({'a': 1, 'b': 2})",
    "$sift($params, function($v, $k) { $k = 'year' })",
    "$type($params.year)",
    "$type($states.input.none)",
    "$type($missing)",
    "$states.input.items[0] ~> |$|{'id': id * 2}, ['tags', 'price']|",
    "{'a': 1, 'a': 2}",
    "{1: 'a'}",
    // Text
    "$uppercase($params.bucket)",
    "$lowercase('ÄB')",
    "$length($states.input.unicode)",
    "$substring('hello', 1, 3)",
    "$substring('hello', -3)",
    "$substring($states.input.unicode, 1)",
    "$substringBefore('a/b/c', '/')",
    "$substringAfter('a/b/c', '/')",
    "$split($states.input.text, /[,;]/)",
    "$split('a b c', ' ', 2)",
    "$trim('  a  b ')",
    "$pad('x', -5, '#')",
    "$contains('hello', /L+/i)",
    "$match('ab12cd3', /[0-9]+/).match",
    "$match('ab', /([a-z])([a-z])/).groups",
    "$replace('a.b.c', '.', '-')",
    "$replace('2026-01-31', /(\\d+)-(\\d+)-(\\d+)/, '$3.$2.$1')",
    "$replace('aaa', /a/, 'b', 2)",
    "$replace('abc', /b/, function($m) { $uppercase($m.match) })",
    "$base64encode('hello')",
    "$base64decode('aGVsbG8=')",
    "$encodeUrlComponent('a b/ä')",
    "$decodeUrl('a%20b')",
    "'\\u00e9\\n\\\"'",
    "\"double\" & 'single'",
    // Dates
    "$toMillis('2026-03-01T12:30:45.678Z')",
    "$toMillis($states.input.when)",
    "$fromMillis(1772368245678)",
    "$fromMillis(1772368245678, '[Y0001]-[M01]-[D01]')",
    "$fromMillis(1772368245678, '[D1o] [MNn] [Y], [h]:[m01] [P]', '+0530')",
    "$toMillis('31/12/2025', '[D01]/[M01]/[Y0001]')",
    "$fromMillis($toMillis($session.started_at) + 86400000)",
    "$toMillis('not a date')",
    // Functions and blocks
    "($f := function($n) { $n < 2 ? 1 : $n * $f($n - 1) }; $f(10))",
    "($add := function($a, $b) { $a + $b }; $inc := $add(?, 1); $inc(5))",
    "($a := 1; $b := $a + 1; $a + $b)",
    "()",
    "function($x) { $x }",
    "$sum",
    "$unknown(1)",
    "$uppercase(1)",
    "$params()",
    "$substring('a')",
    "/* a remark */ 1",
    "$states.input.items ~> $count",
    // Not in 2.0.6
    "$missing ?? 1",
    "$missing ?: 1",
    // Syntax
    "1 +",
    "(1",
    "'open",
    "$states.input.[",
];

/// Expressions in which jsonata-core differs from 2.0.6: what each comes to here, and why it is let be.
fn different() -> Vec<(&'static str, Answer, &'static str)> {
    vec![
        (
            "$string(123456789012345678)",
            Answer::Value(json!("123456789012345680")),
            "2.0.6 cuts to 15 digits, newer versions to 17; files of pipelines cannot hold such integers",
        ),
        (
            "$reduce([], function($a, $v) { $a + $v })",
            Answer::Value(Json::Null),
            "nothing in 2.0.6; with an initial value both agree",
        ),
        ("$states.input.[", Answer::Error(Some("S0207".to_owned())), "an error in both, of another code"),
    ]
}

#[test]
fn expressions_come_to_what_the_oracle_says() {
    let Some(expected) = oracle(EXPRESSIONS) else { return };
    let known = different();
    let differences: Vec<String> = EXPRESSIONS
        .iter()
        .zip(expected)
        .filter_map(|(expression, oracle)| {
            let found = ours(expression);
            let is_right = match known.iter().find(|(known, ..)| known == expression) {
                // Where the two agree again, the entry must go.
                Some((_, lived_with, _)) => found == *lived_with && found != oracle,
                None => found == oracle,
            };
            (!is_right).then(|| format!("{expression}\n    oracle: {oracle:?}\n    bunsui: {found:?}"))
        })
        .collect();
    assert!(
        differences.is_empty(),
        "{} of {}\n{}",
        differences.len(),
        EXPRESSIONS.len(),
        differences.join("\n")
    );
}

#[test]
fn the_definition_validator_accepts_what_is_right_and_names_what_is_wrong() {
    let right = json!({ "QueryLanguage": "JSONata", "StartAt": "A", "States": {
        "A": { "Type": "Pass", "Output": { "x": "{% $states.input.x %}" }, "End": true },
    } });
    let wrong = json!({ "QueryLanguage": "JSONata", "StartAt": "A", "States": { "A": { "Type": "Pass", "Next": "B" } } });
    for (definition, is_valid) in
        [(right.clone(), true), (wrong.clone(), false), (json!({ "job": right }), true)]
    {
        let Some(printed) = node("validate-asl.mjs", &[], &definition.to_string()) else { return };
        let verdict: Json = serde_json::from_str(&printed).unwrap();
        assert_eq!(verdict["isValid"], json!(is_valid), "{verdict}");
    }
}
