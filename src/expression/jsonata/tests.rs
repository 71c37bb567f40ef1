//! Expressions, what they refer to and what is found wrong with them.

use super::super::Template;
use super::super::testing::{parse as parse_literal, parse_value};
use super::*;
use crate::diagnostic::Severity;
use proptest::prelude::*;

/// The references of an expression, each as its source text and its path.
#[track_caller]
fn refers(source: &str, expected: &[(&str, &str)]) {
    let (template, found) = parse_literal(&format!("'''{{% {source} %}}'''"));
    assert_eq!(found, Vec::<String>::new());
    let Some(Template::Jsonata(jsonata)) = template else { panic!("JSONata is wanted") };
    assert_eq!(jsonata.source, source.trim());
    let found: Vec<(&str, String)> = jsonata
        .references
        .iter()
        .map(|(range, reference)| (&jsonata.source[range.clone()], reference.to_string()))
        .collect();
    let found: Vec<(&str, &str)> = found.iter().map(|(text, path)| (*text, path.as_str())).collect();
    assert_eq!(found, expected);
}

#[track_caller]
fn refused(source: &str, expected: &[&str]) {
    let (template, found) = parse_literal(&format!("'''{{% {source} %}}'''"));
    assert_eq!(found, expected);
    assert_eq!(template, None);
}

#[test]
fn references_are_found_where_they_stand() {
    refers("$params.a.b + 1", &[("$params.a.b", "${params.a.b}")]);
    refers("$sum($jobs.x.rows.n)", &[("$jobs.x.rows.n", "${jobs.x.rows.n}")]);
    refers("$jobs.`a-b`.rows[0].\"c d\"", &[("$jobs.`a-b`.rows[0].\"c d\"", "${jobs.a-b.rows[0][\"c d\"]}")]);
    refers("$jobs.x.rows[-1]", &[("$jobs.x.rows[-1]", "${jobs.x.rows[-1]}")]);
    refers("$jobs.x . y", &[("$jobs.x . y", "${jobs.x.y}")]);
    refers(
        "{'id': $session.id, 'n': [$pipeline.name]}",
        &[("$session.id", "${session.id}"), ("$pipeline.name", "${pipeline.name}")],
    );
    refers(
        "$jobs.x.rows[year = $params.year].n",
        &[("$jobs.x.rows", "${jobs.x.rows}"), ("$params.year", "${params.year}")],
    );
    refers("$states.input.x & $uuid()", &[]);
}

#[test]
fn what_follows_a_static_path_ends_it() {
    refers("$jobs.x.$sum(n)", &[("$jobs.x", "${jobs.x}")]);
    refers("$jobs.x.(a + b)", &[("$jobs.x", "${jobs.x}")]);
    refers("$jobs.x.*", &[("$jobs.x", "${jobs.x}")]);
    refers("$jobs.x{a: b}", &[("$jobs.x", "${jobs.x}")]);
    refers("$jobs.x^(n)", &[("$jobs.x", "${jobs.x}")]);
    refers("$map($jobs.x, function($v) { $v.n })", &[("$jobs.x", "${jobs.x}")]);
}

#[test]
fn names_that_are_not_known_before_have_no_path() {
    refers("$jobs[\"x\"].y", &[("$jobs", "${jobs}")]);
    refers("$lookup($jobs, $params.name)", &[("$jobs", "${jobs}"), ("$params.name", "${params.name}")]);
    refers("$keys($operations)", &[("$operations", "${operations}")]);
    refers("$jobs[0].x", &[("$jobs", "${jobs}")]);
    refers("$jobs.*", &[("$jobs", "${jobs}")]);
}

#[test]
fn strings_comments_and_regular_expressions_hold_none() {
    refers("\"$jobs.x\" & $match('a', /$jobs.x/) /* $jobs.x */", &[]);
    refers("$params.a / $params.b / 2", &[("$params.a", "${params.a}"), ("$params.b", "${params.b}")]);
}

#[test]
fn syntax_errors_are_underlined_where_they_are() {
    refused("", &["`{% %}` holds no expression @ {%  %}"]);
    refused("1 +", &["this JSONata does not parse: it ends where a value was wanted @ +"]);
    refused("(1 + 2", &["this JSONata does not parse: it ends where `)` was wanted @ 2"]);
    refused("1 2 3", &["this JSONata does not parse: found `2` where an operator or the end was wanted @ 2"]);
    refused("$sum([1, 2)", &["this JSONata does not parse: found `)` where `]` was wanted @ )"]);
    refused(
        "1 + 'a\nb' 'c\nd'",
        &["this JSONata does not parse: found `'c d'` where an operator or the end was wanted @ 'c\nd'"],
    );
    let assigned = "this JSONata does not parse: only a variable can stand before `:=`";
    refused("$states.i := 1", &[&format!("{assigned} @ :=")]);
    refused("($a := 1; b := 2)", &[&format!("{assigned} @ :=")]);
    refused("$params.$b := 2", &[&format!("{assigned} @ $params.$b := 2")]);
    refused("1 + ) + 2", &["this JSONata does not parse: found `)` where a value was wanted @ )"]);
    refused("a & \"b", &["a string in this JSONata is not closed @ \"b"]);
    refused("a & `b", &["a name in backticks in this JSONata is not closed @ `b"]);
    refused("a /* b", &["a comment in this JSONata is not closed @ /* b"]);
    refused("a & \"\\q\"", &["this JSONata does not parse: unsupported escape sequence: \\q @ \"\\q\""]);
    refused(
        "a.1",
        &[
            "this JSONata does not parse: the literal value 1 cannot be used as a step within a path expression @ 1",
        ],
    );
}

#[test]
fn a_bracket_that_is_not_closed_is_shown() {
    let (value, source) = parse_value("'{% [1, (2 + 3] %}'");
    let mut sink = Sink::new();
    super::super::parse_template(&value, &source, &mut sink);
    assert!(sink.has_errors());
    let (value, source) = parse_value("'{% 1 + $sum((2) %}'");
    let mut sink = Sink::new();
    super::super::parse_template(&value, &source, &mut sink);
    let found = sink.into_sorted().remove(0);
    let place = source.text.find("((").unwrap();
    assert_eq!(found.labels[1].span, (place..place + 1).into());
}

#[test]
fn dollar_braces_inside_earn_a_hint() {
    let (value, source) = parse_value("'{% ${params.year} + 1 %}'");
    let mut sink = Sink::new();
    super::super::parse_template(&value, &source, &mut sink);
    let found = sink.into_sorted().remove(0);
    assert!(found.help.unwrap().contains("`$params.year`"));
}

#[test]
fn what_step_functions_does_not_have_is_refused() {
    let unsupported = |what: &str, place: &str| {
        format!("{what} is not in JSONata as Step Functions has it (2.0.6) @ {place}")
    };
    refused("a ?? b", &[&unsupported("the operator `??`", "??")]);
    refused("a ?: b", &[&unsupported("the operator `?:` with two operands", "?:")]);
    refused("$eval(\"1\")", &[&unsupported("the function `$eval`", "$eval")]);
    refers("a ? b : c", &[]);
    refers("\"??\" & '?:' & $match('a', /a??/)", &[]);
    refers("(function($x)<s?:s>{ $x })(\"a\")", &[]);
}

#[test]
fn given_names_cannot_be_set() {
    refused("($params := 1; $params)", &["`$params` is given, it cannot be set @ $params"]);
    refused("$map([1], function($jobs) { $jobs })", &["`$jobs` is given, it cannot be set @ $jobs"]);
    refused("($states := 1)", &["`$states` is given, it cannot be set @ $states"]);
    refused("a@$session.b", &["`$session` is given, it cannot be set @ $session"]);
    refers("($year := $params.year; $year)", &[("$params.year", "${params.year}")]);
}

#[test]
fn names_that_nothing_gives_are_refused() {
    refused("'x' & $parms.year", &["there is no variable `$parms` @ $parms"]);
    refused(
        "$uppercas('a') & $gone",
        &["there is no function `$uppercas` @ $uppercas", "there is no variable `$gone` @ $gone"],
    );
    refused("'a' ~> $uppercas", &["there is no function `$uppercas` @ $uppercas"]);
    refused("'a' ~> $uppercas()", &["there is no function `$uppercas` @ $uppercas"]);
    refused("$map([1], $doubel)", &["there is no variable `$doubel` @ $doubel"]);
    refused(
        "$params.rows[n = $m]^($k).{'a': $b}",
        &[
            "there is no variable `$m` @ $m",
            "there is no variable `$k` @ $k",
            "there is no variable `$b` @ $b",
        ],
    );
    refused("a.$total()", &["there is no function `$total` @ $total"]);
    refused("($x := 1; $y)", &["there is no variable `$y` @ $y"]);
    refused(
        "$eval('1')",
        &["the function `$eval` is not in JSONata as Step Functions has it (2.0.6) @ $eval"],
    );
}

#[test]
fn names_that_are_given_or_bound_are_known() {
    refers("$ & $$.a & $string($states.input) & $now() & $millis()", &[]);
    refers("($x := 1; $f := function($y) { $y + $x }; $f(2))", &[]);
    refers("($f := function($n)<n:n> { $n <= 1 ? 1 : $n * $f($n - 1) }; [1, 2].$f($))", &[]);
    refers("λ($x, $y){ $x + $y }(1, 2)", &[]);
    refers("rows@$v.cells#$i.($v.x + $i)", &[]);
    refers("rows#$i[$i > 0]#$k.{ 'k': $k }", &[]);
    refers("$map([1, 2], $string) ~> $join(',')", &[]);
    refers("($upper := $uppercase(?); 'a' ~> $upper)", &[]);
    refers("$partition([1], 1) & $range(1, 2, 1) & $hash('a', 'MD5') & $random() & $parse('1')", &[]);
    refers("'$gone' & /* $gone */ `$gone` & $match('a', /$gone/)", &[]);
}

/// Of each given function the engine knows that it is one; `$clone` is known to Step Functions alone.
#[test]
fn functions_that_are_given_exist() {
    for name in names::FUNCTIONS.iter().filter(|name| **name != "clone") {
        let text = format!("{{% [$type(${name}) = 'function'] %}}");
        let found = super::super::evaluate(&serde_json::json!(text), &[]);
        assert_eq!(found, Ok(serde_json::json!([true])), "{name}");
    }
}

#[test]
fn the_nearest_name_is_offered() {
    for (source, near) in [
        ("$parms.year", "`$params`"),
        ("$uppercas('a')", "`$uppercase`"),
        ("($total := 1; $totl)", "`$total`"),
        ("$map([1], $strng)", "`$string`"),
    ] {
        let (value, file) = parse_value(&format!("\"{{% {source} %}}\""));
        let mut sink = Sink::new();
        super::super::parse_template(&value, &file, &mut sink);
        let help = sink.into_sorted().remove(0).help.unwrap();
        assert!(help.contains(near), "{help}");
    }
}

#[test]
fn a_hyphen_in_a_name_earns_a_warning() {
    for (source, place) in [
        ("$jobs.a-b", "a-b"),
        ("$jobs.step-2", "step-2"),
        ("$params.a-b-c + 1", "a-b-c"),
        ("$jobs.x.total-count", "total-count"),
    ] {
        let text = format!("'{{% {source} %}}'");
        let (value, file) = parse_value(&text);
        let mut sink = Sink::new();
        assert!(super::super::parse_template(&value, &file, &mut sink).is_some(), "{source}");
        let found = sink.into_sorted();
        assert_eq!(found.len(), 1, "{source}");
        assert_eq!(found[0].severity, Severity::Warning);
        let span = found[0].labels[0].span;
        assert_eq!(&file.text[span.start..span.end], place);
    }
    refused(
        "$jobs.step-2.x",
        &[
            "`$jobs.…step-2` is a subtraction in JSONata @ step-2",
            "this JSONata does not parse: the literal value 2 cannot be used as a step within a path expression @ x",
        ],
    );
    for source in ["$jobs.a - $jobs.b", "$jobs.a -1", "$jobs.`a`-b", "$states.a-b", "$jobs.a[0]-b"] {
        let (_, found) = parse_literal(&format!("'{{% {source} %}}'"));
        assert_eq!(found, Vec::<String>::new(), "{source}");
    }
}

#[test]
fn the_scan_and_the_parser_agree() {
    for source in [
        "$params",
        "[$jobs.a, $jobs.b]",
        "{\"a\": $params.x, $params.y: 1}",
        "$params.a ~> $sum()",
        "-$params.a",
        "$params.x[$params.i]",
        "$params.x[a = 1][$jobs.j.n]",
        "$params.x^(>n, $params.m)",
        "$params.x@$v.y#$i.z",
        "$params.a ? $jobs.b : $operations.c",
        "a.($params.b; $jobs.c)",
        "|$params.a|{'b': $jobs.c}, $session.d|",
        "$params.f($jobs.a)",
        "$string($params.a, ?)",
        "[1..$params.n]",
        "$params.a in [$jobs.b.c]",
        "$params.rows{name: $params.x}",
        "a.[$params.b]",
        "$exists($session.id) and $pipeline.name = \"x\"",
        "function($x){ $x + $params.n }(1)",
    ] {
        let ast = jsonata_core::parser::parse(source).expect(source);
        let scanned = scan(source);
        let places = StringPlaces::new(&crate::diagnostic::Source::new("x", ""), Default::default());
        let expression = Expression { source, offset: 0, places: &places, scanned };
        let placed: BTreeSet<Root> = (0..expression.tokens().len())
            .filter_map(|at| expression.reference(at))
            .map(|(_, reference)| reference.root)
            .collect();
        assert_eq!(roots(&ast), placed, "{source}");
        assert!(!placed.is_empty(), "{source}");
    }
}

#[test]
fn deep_and_long_expressions_are_no_danger() {
    for source in ["(".repeat(5_000), "[".repeat(100_000), "1+".repeat(50_000) + "1", "-".repeat(9_000)] {
        let (template, found) = parse_literal(&format!("'{{% {source} %}}'"));
        assert_eq!(template, None);
        assert_eq!(found.len(), 1);
    }
}

proptest! {
    #[test]
    fn no_expression_panics(
        source in "(\\$params|\\$jobs|\\$operations|function|\\?\\?|:=|[a-z0-9 .,;:$`\"'/*()\\[\\]{}<>@#^|?&+-]){0,16}"
    ) {
        let source = format!("{{% {source} %}}");
        let places = StringPlaces::new(&crate::diagnostic::Source::new("x", ""), Default::default());
        let mut sink = Sink::new();
        let parsed = parse(&source, &places, &mut sink);
        prop_assert_eq!(parsed.is_none(), sink.has_errors());
        if let Some(jsonata) = parsed {
            let compiled = Template::Jsonata(jsonata.clone()).compile(&|name| format!("o_{}", name.len()));
            let text = compiled.as_str().unwrap();
            prop_assert!(jsonata_core::parser::parse(&text[2..text.len() - 2]).is_ok(), "{}", text);
        }
    }
}
