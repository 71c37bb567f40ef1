//! `bunsui plugin check`, `show` and `install`, as who writes a plugin uses them.

use super::{example, shipped};
use bunsui_test_support::Scratch;
use std::path::Path;

/// A folder whose user has a home of their own in it, and no other plugin than the shipped ones.
fn scratch() -> Scratch {
    let scratch = crate::scratch();
    let home = scratch.directory().join("home").display().to_string();
    scratch.with_variable("HOME", &home).without_variable("XDG_DATA_HOME")
}

fn show(path: &Path) -> String {
    path.display().to_string()
}

#[test]
fn a_library_is_checked_line_by_line() {
    let scratch = scratch();
    let good = scratch.run(&format!("plugin check {}", show(&example("query")))).expect_code(0);
    assert!(
        good.stdout.starts_with("ok      it is a shared library that only its owner can change\n"),
        "{}",
        good.stdout
    );
    assert!(good.stdout.contains("warning `query`: it declares an example\n"), "{}", good.stdout);
    assert!(good.stdout.ends_with("query 2.0.1: 29 passed, 0 failed, 2 to look at\n"), "{}", good.stdout);
    let bad = scratch.run(&format!("plugin check {}", show(&example("no_symbol")))).expect_code(2);
    assert!(
        bad.stdout.contains("FAILED  it loads, and its table of functions is one of interface 1\n"),
        "{}",
        bad.stdout
    );
    assert!(bad.stderr.contains("bunsui::plugin::not_conforming"), "{}", bad.stderr);
}

#[test]
fn verdicts_are_data_too() {
    let line = format!("plugin check {} --output json", show(&shipped().join("libbunsui_plugin_ecs.so")));
    let found = scratch().run(&format!("{line} --no-run")).expect_code(0).json();
    assert_eq!((&found["plugin"], &found["failed"]), (&"ecs".into(), &0.into()), "{found}");
    let skipped = found["skipped"].as_u64().unwrap();
    assert_eq!(skipped, 2, "what would have run: {found}");
    let all = found["verdicts"].as_array().unwrap().len() as u64;
    assert_eq!(found["passed"].as_u64().unwrap() + skipped + found["warnings"].as_u64().unwrap(), all);
    assert_eq!(found["verdicts"][0]["outcome"], "passed");
}

#[test]
fn an_installed_plugin_is_used_by_every_project() {
    let scratch = scratch();
    let installed = scratch.run(&format!("plugin install {}", show(&example("query")))).expect_code(0);
    assert!(installed.stdout.starts_with("query 2.0.1  types: query\n"), "{}", installed.stdout);
    let library = scratch.directory().join("home/.local/share/bunsui/plugins/libbunsui_query.so");
    assert_eq!(std::fs::read(&library).unwrap(), std::fs::read(example("query")).unwrap());
    let again = scratch.run(&format!("plugin install {}", show(&example("query")))).expect_code(0);
    assert!(again.stdout.starts_with("query 2.0.1, in place of 2.0.1"), "{}", again.stdout);
    scratch.write(
        "p.toml",
        "[pipeline]\nname = \"p\"\n[jobs.a]\n[[jobs.a.operations]]\nname = \"ask\"\ntype = \"query\"\nstatement = \"select (1\"\n",
    );
    let checked = scratch.run("validate p.toml").expect_code(2);
    assert!(checked.stderr.contains("the parentheses of `ask` do not match"), "{}", checked.stderr);
}

#[test]
fn what_would_not_be_used_is_not_installed() {
    let scratch = scratch();
    let refused = |library: &Path, part: &str| {
        let refused = scratch.run(&format!("plugin install {}", show(library))).expect_code(2);
        let said =
            refused.stderr.split_whitespace().filter(|word| *word != "│").collect::<Vec<_>>().join(" ");
        assert!(said.contains("bunsui::plugin::not_installable") && said.contains(part), "{said}");
    };
    refused(&shipped().join("libbunsui_plugin_ecs.so"), "plugin `ecs` is found first at");
    refused(&example("no_symbol"), "bunsui::plugin::no_symbol");
    refused(Path::new("/no/such/library.so"), "there is no such file");
    scratch.run(&format!("plugin install {}", show(&example("bad_calls")))).expect_code(0);
    refused(&example("bad_table"), "operation type `misbehave` is that of plugin `misbehaving`");
    scratch.write("file", "");
    let scratch = scratch.with_variable("XDG_DATA_HOME", "/dev/null");
    let unwritable = scratch.run(&format!("plugin install {}", show(&example("query")))).expect_code(3);
    assert!(unwritable.stderr.contains("bunsui::plugin::unwritable_folder"), "{}", unwritable.stderr);
}

#[test]
fn a_plugin_is_shown_with_its_keys() {
    let scratch = scratch();
    let shown = scratch.run("plugin show lambda").expect_code(0).stdout;
    assert!(shown.starts_with(&format!("lambda {}\n  library  ", env!("CARGO_PKG_VERSION"))), "{shown}");
    assert!(shown.contains("operation type `lambda`: a function on AWS Lambda"), "{shown}");
    assert!(
        shown.contains("    function   string, needed: The function: name, partial ARN or ARN\n"),
        "{shown}"
    );
    let json = scratch.run("plugin show ecs --output json").expect_code(0).json();
    assert_eq!(json["operation_types"][0]["schema"]["properties"]["local"]["x-bunsui-static"], true);
    assert_eq!(json["lock"], "none");
    let unknown = scratch.run("plugin show lamda").expect_code(2);
    assert!(unknown.stderr.contains("did you mean `lambda`?"), "{}", unknown.stderr);
}
