//! `bunsui plugin new`: what it writes, and what it refuses. That it builds is the guide's test.

use crate::scratch;
use insta::assert_snapshot;
use std::path::Path;

#[test]
fn a_new_plugin_is_a_crate_with_the_sdk_beside_it() {
    let scratch = scratch();
    assert_snapshot!(scratch.run("plugin new my-query").snapshot(), @"
    exit code: 0
    ----- stdout -----
    ----- stderr -----
     created my-query/Cargo.toml
     created my-query/src/lib.rs
     created my-query/tests/operation.rs
     created my-query/pipelines/example.toml
     created my-query/README.md
     created my-query/.gitignore
     created my-query/vendor/ (the SDK of bunsui [VERSION])

    Next: cd my-query && cargo test && cargo build
    README.md says how to go on.
    ");
    let manifest = scratch.read("my-query/Cargo.toml");
    assert!(manifest.contains("name = \"bunsui-plugin-my-query\""), "{manifest}");
    assert!(manifest.contains("name = \"bunsui_my_query\""), "{manifest}");
    assert!(manifest.contains("path = \"vendor/bunsui-plugin-sdk\""), "{manifest}");
    assert!(scratch.read("my-query/src/lib.rs").contains("export_plugin! { name: \"my-query\","));
    assert!(scratch.read("my-query/pipelines/example.toml").contains("type = \"my-query\""));
    assert!(scratch.read("my-query/vendor/LICENSE-MIT").contains("Permission is hereby granted"));
    for file in ["bunsui-plugin-abi/include/bunsui_plugin.h", "bunsui-plugin-sdk/src/testing/mod.rs"] {
        let vendored = scratch.read(&format!("my-query/vendor/{file}"));
        let own = format!("plugins/{}", file.trim_start_matches("bunsui-plugin-"));
        let own = std::fs::read_to_string(bunsui_test_support::repository().join(own)).unwrap();
        assert_eq!(vendored, own, "{file}");
    }
}

#[test]
fn the_sdk_of_a_checkout_is_used_where_it_is() {
    let scratch = scratch();
    let checkout = bunsui_test_support::repository();
    let new = ["plugin", "new", "query", "a folder", "--sdk", checkout.to_str().unwrap()];
    let finished = scratch.run_with(new).expect_code(0);
    assert!(finished.stderr.contains("Next: cd 'a folder' && cargo test"), "{}", finished.stderr);
    let sdk = checkout.canonicalize().unwrap().join("plugins/sdk");
    let path = format!("path = \"{}\"", sdk.display());
    assert_eq!(scratch.read("a folder/Cargo.toml").matches(&path).count(), 2);
    assert!(!scratch.directory().join("a folder/vendor").exists());
    scratch.write("elsewhere/sdk/Cargo.toml", "");
    assert_snapshot!(scratch.run("plugin new other --sdk elsewhere").snapshot(), @"
    exit code: 2
    ----- stdout -----
    ----- stderr -----
    bunsui::plugin::no_sdk

      × `elsewhere` is no checkout of bunsui: it has no `plugins/sdk/Cargo.toml`
      help: without `--sdk` the SDK's sources are copied into the new crate
    ");
    assert!(!scratch.directory().join("other").exists());
}

#[test]
fn a_folder_that_is_in_use_is_left_as_it_is() {
    let scratch = scratch();
    scratch.write("query/notes.md", "mine");
    assert_snapshot!(scratch.run("plugin new query").snapshot(), @"
    exit code: 2
    ----- stdout -----
    ----- stderr -----
    bunsui::plugin::folder_not_empty

      × `query` is not empty: it has `notes.md`
      help: name another folder: bunsui plugin new query DIR
    ");
    assert_eq!(entries(&scratch.directory().join("query")), ["notes.md"]);
    scratch.write("file", "mine");
    assert_snapshot!(scratch.run("plugin new query file").snapshot(), @"
    exit code: 3
    ----- stdout -----
    ----- stderr -----
    bunsui::plugin::cannot_write

      × cannot write `file`
      ╰─▶ Not a directory (os error 20)
    ");
    assert_eq!(scratch.read("file"), "mine");
    let below = scratch.run("plugin new query file/query").expect_code(3);
    assert!(below.stderr.contains("bunsui::plugin::cannot_write"), "{}", below.stderr);
}

#[test]
fn a_clone_of_an_empty_repository_is_empty() {
    let scratch = scratch();
    scratch.write(".git/HEAD", "ref: refs/heads/main\n");
    let finished = scratch.run("plugin new query .").expect_code(0);
    assert!(finished.stderr.contains("Next: cargo test && cargo build"), "{}", finished.stderr);
    assert!(scratch.directory().join("src/lib.rs").is_file());
    scratch.run("plugin new query .").expect_code(2);
}

#[test]
fn a_name_that_is_none_is_answered_with_one_that_is() {
    let scratch = scratch();
    assert_snapshot!(scratch.run_with(["plugin", "new", "../my query"]).snapshot(), @"
    exit code: 2
    ----- stdout -----
    ----- stderr -----
    bunsui::plugin::bad_name

      × `../my query` cannot be the name of an operation type
      help: `my-query` could; a name is a letter, then letters, digits, `-` and `_`, at most 64
    ");
    assert_snapshot!(scratch.run("plugin new lambda").snapshot(), @"
    exit code: 2
    ----- stdout -----
    ----- stderr -----
    bunsui::plugin::bad_name

      × `lambda` is the name of a plugin that comes with bunsui
      help: `my-lambda` could; a name is a letter, then letters, digits, `-` and `_`, at most 64
    ");
    let control = scratch.run_with(["plugin", "new", "a\u{1b}[31m"]).expect_code(2);
    assert!(!control.stderr.contains('\u{1b}'), "{:?}", control.stderr);
    assert_eq!(entries(scratch.directory()), Vec::<String>::new());
}

#[test]
fn settings_that_are_wrong_do_not_matter() {
    let scratch = scratch();
    scratch.write("bunsui.toml", "backend = \"moon\"");
    scratch.run("plugin list").expect_code(2);
    scratch.run("plugin new query").expect_code(0);
}

fn entries(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}
