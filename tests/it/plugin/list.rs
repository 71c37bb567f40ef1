//! Which plugins are used and which not, as the commands say it.

use super::{example, shipped};
use bunsui_test_support::{Finished, Scratch};
use std::path::Path;

const QUERY: &str = r#"[pipeline]
name = "p"
[jobs.load]
[[jobs.load.operations]]
name = "ask"
type = "query"
statement = "select 1"
"#;

/// A scratch folder whose executable and user have no plugins: a link would be followed, so the executable is copied.
fn without_plugins() -> (tempfile::TempDir, Scratch) {
    let folder = tempfile::tempdir().unwrap();
    let executable = folder.path().canonicalize().unwrap().join("bin/bunsui");
    std::fs::create_dir_all(executable.parent().unwrap()).unwrap();
    if std::fs::hard_link(env!("CARGO_BIN_EXE_bunsui"), &executable).is_err() {
        std::fs::copy(env!("CARGO_BIN_EXE_bunsui"), &executable).unwrap();
    }
    (folder, Scratch::new(executable).without_variable("BUNSUI_PLUGIN_PATH"))
}

fn put(library: &Path, folder: &Scratch, name: &str) {
    let target = folder.directory().join(name);
    std::fs::create_dir_all(target.parent().unwrap()).unwrap();
    std::fs::copy(library, target).unwrap();
}

/// The output, with the prefix of `without_plugins` and the build's version named.
fn shown(finished: &Finished, prefix: &tempfile::TempDir) -> String {
    let prefix = prefix.path().canonicalize().unwrap();
    finished
        .snapshot()
        .replace(prefix.to_str().unwrap(), "[PREFIX]")
        .replace(&format!(" {}  types", env!("CARGO_PKG_VERSION")), " [VERSION]  types")
        .replace(&format!("\"{}\"", env!("CARGO_PKG_VERSION")), "\"[VERSION]\"")
}

#[test]
fn plugins_are_listed_with_those_passed_over() {
    let (prefix, folder) = without_plugins();
    put(&shipped().join("libbunsui_plugin_ecs.so"), &folder, "own/libbunsui_ecs.so");
    put(&shipped().join("libbunsui_plugin_ecs.so"), &folder, "other/libbunsui_ecs.so");
    put(&example("query"), &folder, "project/libbunsui_query.so");
    folder.write("own/libbunsui_text.so", "#!/bin/sh\n");
    folder.write("own/readme.txt", "not looked at");
    folder.write("bunsui.toml", "[plugins]\npaths = [\"project\"]\n");
    let path = format!("{0}/own:{0}/other", folder.directory().display());
    let folder = folder.with_variable("BUNSUI_PLUGIN_PATH", &path);
    insta::assert_snapshot!(shown(&folder.run("plugin list"), &prefix));
    insta::assert_snapshot!(shown(&folder.run("plugin list --output json"), &prefix));
    let trusted = folder.run("plugin list --trust-project-plugins").expect_code(0);
    assert!(trusted.stdout.contains("query 2.0.1"), "{}", trusted.stdout);
}

#[test]
fn without_any_plugin_it_is_said_where_they_were_looked_for() {
    let (prefix, folder) = without_plugins();
    insta::assert_snapshot!(shown(&folder.run("plugin list"), &prefix));
    insta::assert_snapshot!(shown(&folder.run("plugin list --output json"), &prefix));
    folder.write("p.toml", QUERY);
    // As data, since people's lines break where folders happen to be long.
    insta::assert_snapshot!(shown(&folder.run("validate p.toml --format json"), &prefix));
    let validated = folder.run("validate p.toml").expect_code(2);
    let ran = folder.run("run p.toml").expect_code(2);
    assert_eq!(ran.stderr, validated.stderr, "running finds the same, and starts nothing");
}

#[test]
fn a_projects_library_is_not_loaded_by_who_only_looks() {
    let (prefix, folder) = without_plugins();
    put(&example("query"), &folder, "project/libbunsui_query.so");
    folder.write("bunsui.toml", "[plugins]\npaths = [\"project\"]\n");
    folder.write("p.toml", QUERY);
    insta::assert_snapshot!(shown(&folder.run("validate p.toml --format json"), &prefix));
    let refused = folder.run("graph p.toml").expect_code(2);
    assert!(refused.stderr.contains("--trust-project-plugins"), "{}", refused.stderr);
    folder.run("validate --trust-project-plugins p.toml").expect_code(0);
    folder.run("graph --trust-project-plugins p.toml").expect_code(0);
    folder.run("compile p.toml").expect_code(0);
    // What the user says is the user's.
    let folder = folder.with_variable("BUNSUI_PLUGINS__PATHS", "project");
    folder.run("validate p.toml").expect_code(0);
}

#[test]
fn with_a_cache_the_shipped_types_are_validated_without_a_process() {
    let (_prefix, folder) = without_plugins();
    for name in ["lambda", "ecs"] {
        let library = shipped().join(format!("libbunsui_plugin_{name}.so"));
        put(&library, &folder, &format!("own/libbunsui_{name}.so"));
    }
    let own = folder.directory().join("own");
    let folder = folder.with_variable("BUNSUI_PLUGIN_PATH", own.to_str().unwrap());
    let wrong = QUERY.replace("type = \"query\"\nstatement = \"select 1\"", "type = \"lambda\"\nlocal = {}");
    folder.write("p.toml", &wrong);
    let first = folder.run("validate p.toml").expect_code(2);
    // A file of the same length and time that is no library: whoever loads it fails.
    for name in ["lambda", "ecs"] {
        let file = own.join(format!("libbunsui_{name}.so"));
        let metadata = file.metadata().unwrap();
        let mut bytes = std::fs::read(&file).unwrap();
        let symbol = b"bunsui_plugin_v1";
        let places: Vec<usize> =
            (0..bytes.len() - symbol.len()).filter(|at| bytes[*at..].starts_with(symbol)).collect();
        assert!(!places.is_empty());
        places.into_iter().for_each(|at| bytes[at] = b'X');
        std::fs::write(&file, bytes).unwrap();
        std::fs::File::options()
            .write(true)
            .open(&file)
            .unwrap()
            .set_modified(metadata.modified().unwrap())
            .unwrap();
    }
    let second = folder.run("validate p.toml").expect_code(2);
    assert_eq!(first.stderr, second.stderr);
    assert!(second.stderr.contains("`local` has none of"), "{}", second.stderr);
}
