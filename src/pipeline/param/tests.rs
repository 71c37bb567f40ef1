//! Values that parameters take and refuse.

use super::*;
use proptest::prelude::*;
use serde_json::json;

fn param(kind: ParamType, constraints: ParamConstraints) -> Param {
    Param {
        name: Id::new("p").unwrap(),
        span: Span::default(),
        kind,
        description: None,
        default: None,
        required: true,
        secret: false,
        constraints,
    }
}

/// A parameter of a type with constraints as the file has them.
fn with(kind: &str, constraints: Json) -> Param {
    let kind = ParamType::by_name(kind).expect("a type");
    param(
        kind,
        ParamConstraints {
            min: constraints.get("min").cloned(),
            max: constraints.get("max").cloned(),
            pattern: constraints["pattern"].as_str().map(|text| regex::Regex::new(text).unwrap()),
            one_of: constraints["one_of"].as_array().cloned(),
        },
    )
}

#[track_caller]
fn takes(kind: &str, constraints: Json, values: Json) {
    let param = with(kind, constraints);
    for value in values.as_array().expect("a list of values") {
        assert_eq!(param.check(value), Ok(()), "{value}");
    }
}

#[track_caller]
fn refuses(kind: &str, constraints: Json, value: Json, message: &str) {
    let error = with(kind, constraints).check(&value).expect_err("refused");
    assert_eq!(error.message, message);
}

#[track_caller]
fn reads(kind: &str, text: &str, expected: Json) {
    assert_eq!(with(kind, json!({})).parse_text(text), Ok(expected), "{text}");
}

#[track_caller]
fn cannot_read(kind: &str, text: &str, message: &str, help: &str) {
    let error = with(kind, json!({})).parse_text(text).expect_err("refused");
    assert_eq!(error.message, message);
    assert_eq!(error.help.as_deref(), Some(help));
}

#[test]
fn each_type_takes_its_values() {
    takes("string", json!({}), json!(["", "x"]));
    takes("integer", json!({}), json!([0, -999_999_999_999_999_i64, 999_999_999_999_999_u64]));
    takes("number", json!({}), json!([0, 1.5, -2e300]));
    takes("boolean", json!({}), json!([true, false]));
    takes(
        "date",
        json!({}),
        json!([
            "2015-12-31",
            "2015-12-31T08:30:00Z",
            "2015-12-31T08:30:00.123+09:00",
            "2016-02-29",
            "2015-12-31 08:30:00Z"
        ]),
    );
    takes("list", json!({}), json!([[], [1, "a", [null]]]));
    takes("table", json!({}), json!([{}, {"a": {"b": 1.5}}]));
}

#[test]
fn other_types_are_refused() {
    refuses("string", json!({}), json!(1), "`1` is an integer, a string is wanted");
    refuses("integer", json!({}), json!("1"), "`1` is a string, an integer is wanted");
    refuses("integer", json!({}), json!(1.5), "`1.5` is a number, an integer is wanted");
    refuses("number", json!({}), json!(true), "`true` is a boolean, a number is wanted");
    refuses("boolean", json!({}), json!("true"), "`true` is a string, a boolean is wanted");
    refuses("date", json!({}), json!(2015), "`2015` is an integer, a date is wanted");
    refuses("list", json!({}), json!({}), "`{}` is a table, a list is wanted");
    refuses("table", json!({}), json!([]), "`[]` is a list, a table is wanted");
    refuses("string", json!({}), json!(null), "`null` is null, a string is wanted");
}

#[test]
fn numbers_that_would_not_stay_exact_are_refused_however_deep() {
    let message = "`1000000000000000` has more than 15 digits and would not stay exact";
    refuses("integer", json!({}), json!(1_000_000_000_000_000_i64), message);
    refuses("number", json!({}), json!(1_000_000_000_000_000_i64), message);
    refuses("list", json!({}), json!([{"a": 1_000_000_000_000_000_i64}]), message);
    let message = "`18446744073709551615` has more than 15 digits and would not stay exact";
    refuses("integer", json!({}), json!(u64::MAX), message);
}

#[test]
fn dates_are_rfc_3339_and_in_the_calendar() {
    refuses("date", json!({}), json!("2015-02-29"), "`2015-02-29` is not in the calendar");
    refuses(
        "date",
        json!({}),
        json!("2015-01-01T25:00:00Z"),
        "`2015-01-01T25:00:00Z` is not in the calendar",
    );
    refuses("date", json!({}), json!("2015-01-01T08:00:00"), "`2015-01-01T08:00:00` has no offset from UTC");
    refuses(
        "date",
        json!({}),
        json!("2015-01-01T08:00:00.5"),
        "`2015-01-01T08:00:00.5` has no offset from UTC",
    );
    for text in [
        "31.12.2015",
        "2015-1-1",
        "20150101",
        "2015-01-01T08:00Z",
        "2015-01-01T08:00:00.Z",
        "today",
        "08:00:00",
    ] {
        refuses("date", json!({}), json!(text), &format!("`{text}` is not a date"));
    }
    refuses("date", json!({}), json!(""), "an empty text is not a date");
}

#[test]
fn limits_hold_for_values_and_lengths() {
    takes("integer", json!({"min": 2012, "max": 2015}), json!([2012, 2015]));
    refuses("integer", json!({"min": 2012}), json!(12), "`12` is less than the minimum `2012`");
    refuses("number", json!({"max": 1.5}), json!(2), "`2` is more than the maximum `1.5`");
    refuses("string", json!({"min": 2}), json!("日"), "`日` has 1 character, the minimum is 2");
    refuses("string", json!({"max": 2}), json!("abc"), "`abc` has 3 characters, the maximum is 2");
    refuses("list", json!({"min": 1}), json!([]), "`[]` has 0 items, the minimum is 1");
    refuses(
        "date",
        json!({"min": "2015-01-01"}),
        json!("2014-12-31"),
        "`2014-12-31` is before the minimum `2015-01-01`",
    );
    takes("date", json!({"max": "2015-01-01T00:00:00Z"}), json!(["2015-01-01", "2015-01-01T08:59:59+09:00"]));
    refuses(
        "date",
        json!({"max": "2015-01-01"}),
        json!("2015-01-01T00:00:01Z"),
        "`2015-01-01T00:00:01Z` is after the maximum `2015-01-01`",
    );
}

#[test]
fn patterns_are_searched_for_unless_anchored() {
    takes("string", json!({"pattern": "b"}), json!(["abc"]));
    refuses("string", json!({"pattern": "^b$"}), json!("abc"), "`abc` does not match the pattern `^b$`");
}

#[test]
fn one_of_offers_the_nearest() {
    let constraints = json!({"one_of": ["dev", "staging"]});
    let error = with("string", constraints.clone()).check(&json!("stagin")).unwrap_err();
    assert_eq!(error.message, "`stagin` is not one of `dev`, `staging`");
    assert_eq!(error.help.as_deref(), Some("did you mean `staging`?"));
    takes("string", constraints, json!(["dev"]));
    takes("number", json!({"one_of": [1, 2]}), json!([1.0, 2]));
    refuses("integer", json!({"one_of": [1, 2]}), json!(3), "`3` is not one of `1`, `2`");
}

#[test]
fn texts_are_read_by_type() {
    reads("string", "2015", json!("2015"));
    reads("string", "", json!(""));
    reads("integer", "2015", json!(2015));
    reads("integer", "-7", json!(-7));
    reads("number", "1e3", json!(1000.0));
    reads("number", "2", json!(2));
    reads("boolean", "true", json!(true));
    reads("date", "2015-12-31", json!("2015-12-31"));
    reads("list", "[1, \"a\"]", json!([1, "a"]));
    reads("list", "['a', 0x1F, 2015-01-01, 1_000]", json!(["a", 31, "2015-01-01", 1000]));
    reads("table", "{\"a\": [null]}", json!({"a": [null]}));
    reads("table", "{ a = { b.c = 1.5 } }", json!({"a": {"b": {"c": 1.5}}}));
}

#[test]
fn texts_that_cannot_be_read_are_explained() {
    cannot_read("integer", "1.5", "`1.5` is not an integer", "write digits only, as in `2015`");
    cannot_read("integer", "", "an empty text is not an integer", "write digits only, as in `2015`");
    cannot_read(
        "integer",
        "99999999999999999999",
        "`99999999999999999999` has more than 15 digits and would not stay exact",
        "such a number needs a parameter of type string",
    );
    for text in ["inf", "nan", "1,5", "--1", ""] {
        let shown = if text.is_empty() { "an empty text".to_owned() } else { format!("`{text}`") };
        cannot_read("number", text, &format!("{shown} is not a number"), "write it as in `2.5`");
    }
    let huge = with("number", json!({})).parse_text("1e999").unwrap_err();
    assert_eq!(huge.message, "`1e999` is too large for a number");
    cannot_read("boolean", "yes", "`yes` is not a boolean", "write `true` or `false`");
    cannot_read("boolean", "True", "`True` is not a boolean", "did you mean `true`?");
    cannot_read("list", "1, 2", "`1, 2` is not a list", "write it as in `[1, 2]` or `[\"a\", \"b\"]`");
    let wrong = with("list", json!({})).parse_text("{}").unwrap_err();
    assert_eq!(wrong.message, "`{}` is a table, a list is wanted");
}

#[test]
fn long_values_are_cut() {
    let error = with("integer", json!({})).parse_text(&"é".repeat(100)).unwrap_err();
    assert_eq!(error.message, format!("`{}…` is not an integer", "é".repeat(60)));
}

proptest! {
    #[test]
    fn a_secret_never_appears(text in "[a-z0-9{}\\[\\]\":,.-]{6,30}", kind in 0_usize..7) {
        let constraints = ParamConstraints {
            min: Some(json!(100)),
            pattern: Some(regex::Regex::new("^$").unwrap()),
            one_of: Some(vec![json!("!")]),
            ..ParamConstraints::default()
        };
        let mut param = param(ParamType::ALL[kind], constraints);
        param.secret = true;
        if let Err(error) = param.parse_text(&text) {
            prop_assert!(!error.message.contains(&text), "{}", error.message);
            prop_assert!(error.help.is_none_or(|help| !help.contains(&text)));
        }
        if let Err(error) = param.check(&json!(text)) {
            prop_assert!(!error.message.contains(&text), "{}", error.message);
        }
    }

    #[test]
    fn no_text_panics(text in ".{0,40}", kind in 0_usize..7) {
        let _ = param(ParamType::ALL[kind], ParamConstraints::default()).parse_text(&text);
    }

    #[test]
    fn no_date_panics(text in "[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{0,12})?(Z|[+-][0-9]{2}:[0-9]{2})?)?") {
        let _ = with("date", json!({"min": "2015-01-01"})).parse_text(&text);
    }
}
