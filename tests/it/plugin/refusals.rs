//! Every reason to refuse a library.

use super::{example, folder_of, options, shipped};
use bunsui::pipeline::OperationCatalogue;
use bunsui::plugin::{Plugins, PluginsOptions};
use std::path::{Path, PathBuf};
use std::time::Duration;

#[track_caller]
fn check_file(name: &str, library: PathBuf, code: &str, reason: &str) {
    check_folder(folder_of(&[(name, library)]).path(), code, reason);
}

#[track_caller]
fn check_folder(folder: &Path, code: &str, reason: &str) {
    // One library hangs; what is asked of the others is not how fast they are.
    let options = PluginsOptions { memory_limit: Some(256 << 20), ..options(folder) };
    let plugins = Plugins::find_within(options, Duration::from_secs(5));
    let passed_over = plugins.passed_over();
    assert_eq!(passed_over.len(), 1, "{passed_over:?}");
    assert_eq!(passed_over[0].code, code, "{passed_over:?}");
    assert!(passed_over[0].reason.contains(reason), "{passed_over:?}");
    assert!(plugins.found().is_empty());
}

/// The library of wrong tables, under the name of a sin.
#[track_caller]
fn check_sin(sin: &str, code: &str, reason: &str) {
    check_file(&format!("libbunsui_{sin}.so"), example("bad_table"), code, reason);
}

#[track_caller]
fn check_bytes(bytes: &[u8], code: &str, reason: &str) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("libbunsui_x.so"), bytes).unwrap();
    check_folder(folder.path(), code, reason);
}

#[test]
fn what_is_not_a_library() {
    check_bytes(b"", "bunsui::plugin::not_a_library", "it is empty");
    check_bytes(b"#!/bin/sh\n", "bunsui::plugin::not_a_library", "does not begin as one");
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("libbunsui_x.so")).unwrap();
    check_folder(folder.path(), "bunsui::plugin::not_a_library", "a folder");
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("nowhere", folder.path().join("libbunsui_x.so")).unwrap();
    check_folder(folder.path(), "bunsui::plugin::missing", "no such file");
}

#[test]
fn a_library_that_is_cut_off() {
    let whole = std::fs::read(example("bad_table")).unwrap();
    for length in [2_000, whole.len() / 2] {
        check_bytes(&whole[..length], "bunsui::plugin::cut_off", "it is cut off");
    }
}

#[test]
fn a_library_without_the_symbol() {
    let name = "libbunsui_x.so";
    check_file(name, example("no_symbol"), "bunsui::plugin::no_symbol", "no symbol `bunsui_plugin_v1`");
}

#[test]
fn another_interface() {
    check_sin("newer", "bunsui::plugin::newer_interface", "interface 2, this bunsui speaks 1");
    check_sin("older", "bunsui::plugin::older_interface", "interface 0, this bunsui speaks 1");
}

#[test]
fn a_table_that_cannot_be_used() {
    check_sin("truncated", "bunsui::plugin::truncated_table", "16 bytes long");
    check_sin("null_table", "bunsui::plugin::null_table", "no table");
    check_sin("null_describe", "bunsui::plugin::null_function", "`describe`");
    check_sin("null_call", "bunsui::plugin::null_function", "`call`");
    check_sin("null_free", "bunsui::plugin::null_function", "`free`");
}

#[test]
fn a_declaration_that_cannot_be_used() {
    check_sin("not_json", "bunsui::plugin::bad_declaration", "not what was asked for");
    check_sin("no_types", "bunsui::plugin::bad_declaration", "no operation types");
    check_sin("bad_name", "bunsui::plugin::bad_declaration", "`a b` is no name for a plugin");
    check_sin("bad_schema", "bunsui::plugin::bad_schema", "of its operation type `x`");
    check_sin("twice", "bunsui::plugin::bad_declaration", "it has operation type `x` twice");
    check_sin("not_utf8", "bunsui::plugin::bad_declaration", "not what was asked for");
    check_sin("huge", "bunsui::plugin::bad_declaration", "its answer says that it has 100000000 bytes");
    check_sin("no_bytes", "bunsui::plugin::bad_declaration", "not what was asked for: EOF");
}

#[test]
fn a_library_that_crashes_or_hangs_when_it_is_loaded() {
    check_sin("crashes", "bunsui::plugin::crashed", "signal 6 (SIGABRT)");
    check_sin("frees_twice", "bunsui::plugin::crashed", "signal 6 (SIGABRT)");
    check_sin("leaks", "bunsui::plugin::crashed", "had grown to");
    check_sin("hangs", "bunsui::plugin::hung", "did not say within");
}

#[test]
fn no_host() {
    let folder = folder_of(&[("libbunsui_x.so", example("bad_calls"))]);
    let options =
        bunsui::plugin::PluginsOptions { executable: "/no/such/bunsui".into(), ..options(folder.path()) };
    let plugins = Plugins::find(options);
    assert_eq!(plugins.passed_over()[0].code, "bunsui::plugin::no_host");
}

#[test]
fn two_plugins_for_one_type() {
    let folder =
        folder_of(&[("libbunsui_a.so", example("bad_calls")), ("libbunsui_b.so", example("bad_table"))]);
    let plugins = Plugins::find(options(folder.path()));
    let codes: Vec<_> = plugins.passed_over().iter().map(|passed| passed.code).collect();
    assert_eq!(codes, ["bunsui::plugin::duplicate_type"; 2]);
    assert!(plugins.names().is_empty());
}

#[test]
fn the_first_folder_wins() {
    let first = folder_of(&[("libbunsui_a.so", example("bad_calls"))]);
    let second = folder_of(&[("libbunsui_b.so", example("bad_calls"))]);
    let mut options = options(first.path());
    options.folders.push((second.path().to_owned(), "second".to_owned()));
    options.folders.push((first.path().to_owned(), "the first, again".to_owned()));
    let plugins = Plugins::find(options);
    assert_eq!(plugins.found()[0].path, first.path().join("libbunsui_a.so"));
    assert_eq!(plugins.passed_over().len(), 1, "{:?}", plugins.passed_over());
    assert_eq!(plugins.passed_over()[0].code, "bunsui::plugin::shadowed");
}

#[test]
fn the_shipped_plugins_are_found_among_other_libraries() {
    let plugins = Plugins::find(options(&shipped()));
    assert_eq!(plugins.names(), ["aws-service", "ecs", "lambda"], "{:?}", plugins.passed_over());
    let lambda = plugins.operation_type("lambda").unwrap();
    assert!(lambda.has_run_local);
    // Where there is a check, validating a file that uses the type starts a process: only the table of all services is worth that.
    let has_check = |name: &&&str| plugins.operation_type(name).unwrap().has_check;
    assert_eq!(plugins.names().iter().filter(has_check).collect::<Vec<_>>(), [&"aws-service"]);
    assert_eq!(lambda.schema["properties"]["local"]["x-bunsui-static"], true);
}

#[test]
fn what_is_cached_starts_no_host() {
    let folder = folder_of(&[("libbunsui_x.so", example("bad_calls"))]);
    let cache = tempfile::tempdir().unwrap();
    let options =
        bunsui::plugin::PluginsOptions { cache: Some(cache.path().to_owned()), ..options(folder.path()) };
    assert_eq!(Plugins::find(options.clone()).names(), ["misbehave"]);
    let without_host = bunsui::plugin::PluginsOptions { executable: "/no/such/bunsui".into(), ..options };
    assert_eq!(Plugins::find(without_host).names(), ["misbehave"]);
}

#[test]
fn many_at_once_share_a_cache() {
    let folder = folder_of(&[("libbunsui_x.so", example("bad_calls")), ("libbunsui_y.so", example("query"))]);
    let cache = tempfile::tempdir().unwrap();
    let options =
        bunsui::plugin::PluginsOptions { cache: Some(cache.path().to_owned()), ..options(folder.path()) };
    std::thread::scope(|scope| {
        let finds: Vec<_> = (0..6)
            .map(|_| {
                scope.spawn(|| assert_eq!(Plugins::find(options.clone()).names(), ["misbehave", "query"]))
            })
            .collect();
        finds.into_iter().for_each(|find| find.join().unwrap());
    });
    let left: Vec<_> =
        std::fs::read_dir(cache.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["plugins.json"], "no half-written file stays");
    let without_host =
        bunsui::plugin::PluginsOptions { executable: "/no/such/bunsui".into(), ..options.clone() };
    assert_eq!(Plugins::find(without_host).names(), ["misbehave", "query"]);
}
