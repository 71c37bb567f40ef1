//! `bunsui explain`: pages, the list, and the nearest code.

use crate::scratch;
use insta::assert_snapshot;

#[test]
fn a_page_is_printed_with_and_without_the_prefix() {
    let scratch = scratch();
    let page = scratch.run("explain settings::wrong_type");
    assert_snapshot!(page.snapshot(), @r#"
    exit code: 0
    ----- stdout -----
    bunsui::settings::wrong_type
    ────────────────────────────

    A setting has a value of another type than it takes. An account's number is the usual case: it is
    text of twelve digits, since a number would lose leading zeros.

    Wrong:

        [aws]
        account = 123456789012

    Right:

        [aws]
        account = "123456789012"
    ----- stderr -----
    "#);
    assert_eq!(scratch.run("explain bunsui::settings::wrong_type").stdout, page.stdout);
}

#[test]
fn an_unknown_code_is_answered_with_the_nearest() {
    assert_snapshot!(scratch().run("explain settings::wrong_typ").snapshot(), @"
    exit code: 2
    ----- stdout -----
    ----- stderr -----
    bunsui::settings::unknown_code

      × there is no code `settings::wrong_typ`
      help: did you mean `bunsui::settings::wrong_type`?
    ");
}

#[test]
fn every_code_of_the_list_has_a_page() {
    let scratch = scratch();
    let list = scratch.run("explain").expect_code(0).stdout;
    assert!(list.lines().count() > 5, "{list}");
    for line in list.lines() {
        let (code, sentence) = line.split_once("  ").unwrap_or_else(|| panic!("no sentence: {line}"));
        assert!(code.starts_with("bunsui::"), "{line}");
        assert!(!sentence.trim().is_empty(), "{line}");
        let page = scratch.run(&format!("explain {code}")).expect_code(0).stdout;
        assert!(page.starts_with(&format!("{code}\n")), "{page}");
    }
}

#[test]
fn it_works_where_settings_are_wrong() {
    let scratch = scratch();
    scratch.write("bunsui.toml", "nonsense = 1\n");
    scratch.run("explain settings::unknown_key").expect_code(0);
}

#[test]
fn pages_are_data_too() {
    let scratch = scratch();
    let page = scratch.run("explain settings::wrong_type --output json").expect_code(0).json();
    assert_eq!(page["code"], "bunsui::settings::wrong_type");
    assert_eq!(page["summary"], "A setting has a value of another type than it takes");
    assert!(page["text"].as_str().is_some_and(|text| text.contains("\n```toml\n")), "{page}");
    let list = scratch.run("explain --output json").expect_code(0).json();
    let pages = list["pages"].as_array().expect("a list");
    assert!(pages.len() > 5 && pages.contains(&page), "{list}");
    scratch.run("explain nothing --output json").expect_code(2);
}
