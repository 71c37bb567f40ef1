//! What `bunsui plugin check` finds of good plugins and of bad ones, and that plugins of the first day still load.

use super::{example, folder_of, options, shipped};
use bunsui::pipeline::{CheckRequest, OperationCatalogue};
use bunsui::plugin::{Conformance, ConformanceOptions, Outcome, Plugins, conformance};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::Command;

async fn tried(library: &Path) -> Conformance {
    let options = ConformanceOptions {
        library: library.to_owned(),
        executable: env!("CARGO_BIN_EXE_bunsui").into(),
        runs_examples: true,
        memory_limit: 1 << 30,
    };
    conformance(&options, &mut |_| {}).await
}

fn of(found: &Conformance, outcome: Outcome) -> Vec<String> {
    let all = found.verdicts.iter().filter(|verdict| verdict.outcome == outcome);
    all.map(|verdict| format!("{}: {}", verdict.check, verdict.detail.as_deref().unwrap_or(""))).collect()
}

/// Nothing failed, and nothing was left out.
#[track_caller]
fn assert_good(found: &Conformance) {
    assert_eq!(of(found, Outcome::Failed), Vec::<String>::new());
    assert_eq!(of(found, Outcome::Warning), Vec::<String>::new());
    assert!(found.count(Outcome::Passed) > 30, "{found:?}");
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[track_caller]
fn compile(arguments: &[&str], folder: &Path) {
    let compiled = Command::new("cc").args(arguments).current_dir(folder).output().unwrap();
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
}

/// The example in C, built by its own Makefile's command in a folder of the test's.
fn example_in_c(folder: &Path) -> PathBuf {
    for file in ["announce.c", "json.h", "Makefile"] {
        std::fs::copy(root().join("plugins/example-c").join(file), folder.join(file)).unwrap();
    }
    let header = format!("HEADER={}", root().join("plugins/abi/include").display());
    let made = Command::new("make").arg(header).current_dir(folder).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    folder.join("libbunsui_announce.so")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_example_in_c_is_good() {
    let folder = tempfile::tempdir().unwrap();
    assert_good(&tried(&example_in_c(folder.path())).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_shipped_plugins_are_good() {
    for name in ["libbunsui_plugin_lambda.so", "libbunsui_plugin_ecs.so", "libbunsui_plugin_aws_service.so"] {
        assert_good(&tried(&shipped().join(name)).await);
    }
}

/// Of a library with a sin in its table, the check that finds it and what it says.
async fn check_sin(sin: &str, check: &str, part: &str) {
    let name = format!("libbunsui_{sin}.so");
    let folder = folder_of(&[(&name, example("bad_table"))]);
    let found = tried(&folder.path().join(name)).await;
    let failed = of(&found, Outcome::Failed);
    assert!(
        failed.iter().any(|failed| failed.starts_with(check) && failed.contains(part)),
        "{sin}: {failed:#?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_sin_is_found_by_its_check() {
    const LOADS: &str = "it loads, and its table of functions is one of interface 1";
    check_sin("newer", LOADS, "bunsui::plugin::newer_interface").await;
    check_sin("truncated", LOADS, "bunsui::plugin::truncated_table").await;
    check_sin("null_free", LOADS, "bunsui::plugin::null_function").await;
    check_sin("not_json", LOADS, "bunsui::plugin::bad_declaration").await;
    check_sin("crashes", LOADS, "its process was ended by signal 6 (SIGABRT)").await;
    check_sin("frees_twice", LOADS, "signal 6 (SIGABRT)").await;
    check_sin("one_buffer", "describing itself twice", "is another").await;
    check_sin("overreads", "it reads no more of its host's table", "signal 11 (SIGSEGV)").await;
    check_sin("mixes", "calls at once do not mix", "and alone with").await;
    check_sin("forgets", "what it allocates is given back", "bytes a call are not given back").await;
    check_sin("innocent", "a request that is no JSON is an error", "as if it were right").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_library_fails_at_once() {
    let found = tried(Path::new("/etc/hostname")).await;
    assert_eq!(found.verdicts.len(), 1, "{found:?}");
    assert!(of(&found, Outcome::Failed)[0].contains("bunsui::plugin::not_a_library"), "{found:?}");
}

/// Neither file is ever changed: a plugin that was built then is not built anew.
#[test]
fn what_was_frozen_is_as_it_was() {
    let digest = |file: &str| {
        use sha2::{Digest, Sha256};
        let text = std::fs::read(root().join("tests/abi/v1").join(file)).unwrap();
        Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    assert_eq!(digest("bunsui_plugin.h"), "95c0a22edc7956a9ed8309047f9072bafc2b8525edc53c316b93239e33f784c4");
    assert_eq!(digest("plugin.c"), "6c49cfdaf0f263d38edab6d54fb934e97c34200ff65581b63cca15eef38b269a");
}

#[test]
fn a_plugin_of_the_first_interface_loads_and_answers() {
    let folder = tempfile::tempdir().unwrap();
    let source = root().join("tests/abi/v1");
    let library = folder.path().join("libbunsui_in_c.so");
    let (include, plugin) = (source.to_str().unwrap(), source.join("plugin.c"));
    let arguments = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-I", include, "-o"];
    let files = [library.to_str().unwrap(), plugin.to_str().unwrap()];
    compile(&[&arguments[..], &files].concat(), folder.path());
    let plugins = Plugins::find(options(folder.path()));
    assert_eq!(plugins.names(), ["in_c"], "{:?}", plugins.passed_over());
    let request = CheckRequest { kind: "in_c".to_owned(), operation: "o".to_owned(), keys: json!({}) };
    let findings = plugins.check(&[request]).unwrap();
    assert_eq!(findings[0][0].message, "seen by C");
}

#[test]
fn the_present_header_begins_as_the_first_did() {
    let folder = tempfile::tempdir().unwrap();
    let header = |path: &str| format!("\"{}\"", root().join(path).display());
    let frozen = format!("-DFROZEN={}", header("tests/abi/v1/bunsui_plugin.h"));
    let present = format!("-DPRESENT={}", header("plugins/abi/include/bunsui_plugin.h"));
    let layout = root().join("tests/abi/v1/layout.c");
    let arguments = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", &frozen, &present];
    compile(&[&arguments[..], &[layout.to_str().unwrap()]].concat(), folder.path());
}
