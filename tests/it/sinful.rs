//! Whole sessions with a plugin that misbehaves: its job fails and says why, the others finish, nothing is left running.

use crate::plugin::{example, folder_of};
use crate::product::{assert_none_left, job, pipeline, run_json, statuses};
use crate::scratch;
use bunsui_test_support::Scratch;
use tempfile::TempDir;

/// A pipeline of a job that sins, three that do not, and one after it.
fn with_sin(sin: &str, keys: &str) -> (Scratch, TempDir) {
    let folder = folder_of(&[("libbunsui_misbehaving.so", example("bad_calls"))]);
    let paths = folder.path().to_str().expect("a path is a text").to_owned();
    let scratch = scratch()
        .with_variable("BUNSUI_PLUGINS__PATHS", &paths)
        .with_variable("BUNSUI_PLUGINS__MEMORY", "256M");
    let sinful = format!(
        "[jobs.sinful]\n[[jobs.sinful.operations]]\nname = \"sin\"\ntype = \"misbehave\"\nstate = \"task\"\n{keys}\n\
         local = {{ sin = \"{sin}\", in = \"run_local\" }}\n\n"
    );
    let others: String = ["a", "b", "c"].map(|id| job(id, "", "", "sleep 0.1")).concat();
    let after = job("after", "depends_on = [\"sinful\"]", "", "true");
    scratch.write("t.toml", pipeline(&(sinful + &others + &after)));
    (scratch, folder)
}

/// A sin ends in this error, whose cause has this part.
fn check(sin: &str, keys: &str, error: &str, part: &str) {
    let (scratch, _folder) = with_sin(sin, keys);
    let finished = run_json(&scratch, "").expect_code(1);
    assert_eq!(
        statuses(&finished),
        "sinful=failed a=succeeded b=succeeded c=succeeded after=upstream_failed",
        "{sin}"
    );
    let failure = &crate::product::jobs(&finished)["sinful"]["failure"];
    assert_eq!((&failure["error"], &failure["operation"]), (&error.into(), &"sin".into()), "{failure}");
    assert!(failure["cause"].as_str().unwrap_or_default().contains(part), "{sin}: {failure}");
    let shown = scratch.run("session show last").expect_code(0).stdout;
    assert!(shown.contains("misbehaving") && shown.contains("[[jobs.sinful.operations]]"), "{shown}");
    assert_none_left(&scratch);
}

#[test]
fn what_ends_its_host() {
    check(
        "segfault",
        "",
        "Plugin.Crashed",
        "plugin `misbehaving` crashed during operation `sin`: its host process was ended by signal 11 (SIGSEGV)",
    );
    check("abort", "", "Plugin.Crashed", "signal 6 (SIGABRT); its last words:\nabout to abort");
    check("free twice", "", "Plugin.Crashed", "signal 6 (SIGABRT)");
    check("exit", "", "Plugin.Crashed", "left with exit code 7");
    check("close everything", "", "Plugin.Crashed", "had closed its way to bunsui");
    check("write into everything", "", "Plugin.Crashed", "what it said was not of bunsui");
}

#[test]
fn what_does_not() {
    check("panic", "", "Plugin.Failed", "plugin `misbehaving` failed: panicked at ");
}

#[test]
fn memory_without_end() {
    check("leak", "", "Plugin.Crashed", "MiB of memory, and `[plugins] memory` allows 256");
}

/// What never ends by itself ends with its operation's timeout, and its host with the session.
#[track_caller]
fn check_endless(sin: &str) {
    let (scratch, _folder) = with_sin(sin, "timeout = \"1s\"");
    let finished = run_json(&scratch, "").expect_code(1);
    assert_eq!(
        statuses(&finished),
        "sinful=timed_out a=succeeded b=succeeded c=succeeded after=upstream_failed",
        "{sin}"
    );
    let failure = &crate::product::jobs(&finished)["sinful"]["failure"];
    assert_eq!(failure["error"], "States.Timeout", "{sin}: {failure}");
    assert_none_left(&scratch);
}

#[test]
fn a_loop_without_end() {
    check_endless("spin");
}

#[test]
fn a_flood_of_log_lines() {
    check_endless("flood");
}

#[test]
fn a_fork_is_ended_with_its_session() {
    let (scratch, _folder) = with_sin("fork", "");
    run_json(&scratch, "").expect_code(0);
    assert_none_left(&scratch);
}

#[test]
fn a_crash_is_tried_again_in_a_fresh_host_where_the_operation_says_so() {
    let (scratch, _folder) = with_sin("segfault", "retry = { max_attempts = 2, interval = \"1s\" }");
    let finished = scratch.run("run t.toml").expect_code(1);
    assert!(
        finished.stderr.contains("sinful/sin: try 1 failed with Plugin.Crashed, the next in"),
        "{}",
        finished.stderr
    );
    assert!(finished.stderr.contains("trying again can help"), "{}", finished.stderr);
}
