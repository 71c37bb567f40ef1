//! `session retry`: what runs again, what is kept, and that both are said.

use crate::product::{Running, assert_none_left, job, pipeline, pipeline_with, statuses_of, wait_until};
use crate::scratch;
use bunsui_test_support::{Finished, Scratch};
use insta::assert_snapshot;
use rustix::process::Signal;

/// A job that notes that it ran, and fails until a file of its name is there.
fn fails(id: &str, keys: &str) -> String {
    job(id, keys, "", &format!("echo {id} >> ran; test -e good-{id}"))
}

fn notes(id: &str, keys: &str) -> String {
    job(id, keys, "", &format!("echo {id} >> ran"))
}

fn ran(scratch: &Scratch) -> String {
    let text = std::fs::read_to_string(scratch.directory().join("ran")).unwrap_or_default();
    let mut jobs: Vec<&str> = text.lines().collect();
    jobs.sort_unstable();
    std::fs::remove_file(scratch.directory().join("ran")).ok();
    jobs.join(" ")
}

fn shown(scratch: &Scratch) -> String {
    statuses_of(&scratch.run("session show last --output json").expect_code(0).json())
}

/// One of each kind: succeeded, failed, failed where it may, downstream of each.
fn all_kinds() -> Scratch {
    let scratch = scratch();
    let jobs = notes("first", "")
        + &fails("bad", "depends_on = [\"first\"]")
        + &notes("after", "depends_on = [\"bad\"]")
        + &notes("always", "depends_on = [\"bad\"]\nrun_if = \"always\"")
        + &notes("rescue", "depends_on = [\"bad\"]\nrun_if = \"any_failed\"")
        + &fails("may", "allow_failure = true")
        + &notes("never", "when = false")
        + &notes("apart", "depends_on = [\"may\"]");
    scratch.write("t.toml", pipeline(&jobs));
    scratch
}

#[test]
fn what_did_not_succeed_runs_again_with_all_downstream_and_nothing_else_does() {
    let scratch = all_kinds();
    scratch.run("run t.toml --max-concurrency 1").expect_code(1);
    assert_eq!(
        shown(&scratch),
        "first=succeeded bad=failed after=upstream_failed always=succeeded rescue=succeeded may=failed \
         never=skipped apart=succeeded"
    );
    assert_eq!(ran(&scratch), "always apart bad first may rescue");
    let said = scratch.run("session retry last --dry-run").expect_code(0);
    assert_snapshot!(said.snapshot(), @r#"
    exit code: 0
    ----- stdout -----
    ----- stderr -----
    retry of session [SESSION] of t:
      run again: bad, after
      run again, being downstream of those: always, rescue
      keep their outputs: first, apart
      stays failed: may (its failure is allowed)
      stays skipped: never (nothing upstream of it runs again)
    nothing was done (`--dry-run`)
    "#);
    assert_eq!(ran(&scratch), "");
    scratch.write("good-bad", "");
    scratch.run("session retry last").expect_code(0);
    assert_eq!(
        shown(&scratch),
        "first=succeeded bad=succeeded after=succeeded always=succeeded rescue=skipped may=failed \
         never=skipped apart=succeeded"
    );
    assert_eq!(ran(&scratch), "after always bad");
    let session = scratch.run("session show last --output json").json();
    assert_eq!((&session["retries"], &session["status"]), (&1.into(), &"succeeded".into()));
    assert_eq!(session["job_records"][1]["attempt"], 2);
    let nothing = scratch.run("session retry last").expect_code(2);
    assert!(nothing.stderr.contains("bunsui::session::nothing_to_retry"), "{}", nothing.stderr);
}

#[test]
fn a_retry_that_fails_again_can_be_retried_again() {
    let scratch = all_kinds();
    scratch.run("run t.toml").expect_code(1);
    scratch.run("session retry last").expect_code(1);
    scratch.write("good-bad", "");
    scratch.run("session retry last").expect_code(0);
    let session = scratch.run("session show last --output json").json();
    assert_eq!(session["job_records"][1]["attempt"], 3);
    assert!(scratch.run("session show last").stdout.contains("retried     2 times"));
}

#[test]
fn a_job_that_is_named_runs_again_however_it_ended() {
    let scratch = all_kinds();
    scratch.write("good-bad", "");
    scratch.run("run t.toml").expect_code(0);
    ran(&scratch);
    let said = scratch.run("session retry last --job may").expect_code(0);
    assert!(said.stderr.contains("run again: may"), "{}", said.stderr);
    assert_eq!(ran(&scratch), "apart may");
    let unknown = scratch.run("session retry last --job mya").expect_code(2);
    assert!(unknown.stderr.contains("did you mean `may`?"), "{}", unknown.stderr);
}

#[test]
fn a_job_that_would_be_given_up_at_once_is_not_retried_alone() {
    let scratch = all_kinds();
    scratch.run("run t.toml").expect_code(1);
    let refused = scratch.run("session retry last --job after").expect_code(2);
    assert!(refused.stderr.contains("bunsui::session::upstream_not_retried"), "{}", refused.stderr);
    assert!(refused.stderr.contains("`--job bad`"), "{}", refused.stderr);
    assert_eq!(shown(&scratch).matches("upstream_failed").count(), 1, "nothing has changed");
}

#[test]
fn others_that_failed_stay_and_stop_nothing() {
    let scratch = scratch();
    let text = fails("one", "") + &fails("two", "") + &notes("after", "depends_on = [\"one\"]");
    scratch.write("t.toml", pipeline_with("on_failure = \"stop\"", &text));
    scratch.run("run t.toml").expect_code(1);
    ran(&scratch);
    scratch.write("good-one", "");
    let said = scratch.run("session retry last --job one").expect_code(1);
    assert!(said.stderr.contains("stays failed: two (it was not named)"), "{}", said.stderr);
    assert_eq!(ran(&scratch), "after one");
    assert_eq!(shown(&scratch), "one=succeeded two=failed after=succeeded");
}

#[test]
fn what_timed_out_or_was_cancelled_is_retried_too() {
    let scratch = scratch();
    let slow = job("slow", "", "timeout = \"1s\"", "echo slow >> ran; test -e good || sleep 1000");
    let text = slow + &notes("after", "depends_on = [\"slow\"]");
    scratch.write("t.toml", pipeline(&text));
    scratch.run("run t.toml").expect_code(1);
    assert_eq!(shown(&scratch), "slow=timed_out after=upstream_failed");
    let running = Running::start(&scratch, "session retry last");
    wait_until("it runs again", || {
        std::fs::read_to_string(scratch.directory().join("ran")).unwrap().lines().count() == 2
    });
    scratch.run("session cancel last").expect_code(0);
    assert_eq!(running.end().0, Some(1));
    assert_eq!(shown(&scratch), "slow=cancelled after=cancelled");
    scratch.write("good", "");
    scratch.run("session retry last").expect_code(0);
    assert_eq!(shown(&scratch), "slow=succeeded after=succeeded");
    assert_none_left(&scratch);
}

#[test]
fn a_session_that_has_not_ended_is_resumed_and_not_retried() {
    let scratch = scratch();
    scratch.write(
        "t.toml",
        pipeline(&job("a", "", "", "touch started; while [ ! -e go ]; do sleep 0.05; done")),
    );
    let running = Running::start(&scratch, "run t.toml");
    let mark = scratch.directory().join("started");
    wait_until("it runs", || mark.exists());
    let refused = scratch.run("session retry last").expect_code(2);
    assert!(refused.stderr.contains("bunsui::session::not_final"), "{}", refused.stderr);
    assert!(refused.stderr.contains("bunsui session cancel"), "{}", refused.stderr);
    running.signal(Signal::KILL);
    running.end();
    let refused = scratch.run("session retry last").expect_code(2);
    assert!(refused.stderr.contains("bunsui session resume"), "{}", refused.stderr);
}

/// What a retry with the file of now says and does.
fn with_current(scratch: &Scratch, more: &str) -> Finished {
    scratch.run(&format!("session retry last --with-current {more}"))
}

#[test]
fn the_file_of_now_is_taken_where_that_is_asked_for_and_the_difference_is_shown_first() {
    let scratch = scratch();
    let first = notes("first", "");
    scratch.write(
        "t.toml",
        pipeline(&(first.clone() + &fails("bad", "depends_on = [\"first\"]") + &notes("gone", ""))),
    );
    scratch.run("run t.toml").expect_code(1);
    ran(&scratch);
    let mended =
        first + &notes("bad", "depends_on = [\"first\"]") + &notes("new", "depends_on = [\"first\"]");
    scratch.write("t.toml", pipeline(&mended));
    // Without the flag it is the old file, and that is said.
    let said = scratch.run("session retry last").expect_code(1);
    assert!(said.stderr.contains("`--with-current` takes it as it is now"), "{}", said.stderr);
    ran(&scratch);
    let said = with_current(&scratch, "").expect_code(0).stderr;
    for line in [
        "--- t.toml as the session ran it",
        "+++ t.toml now",
        "-local = { command = [\"sh\", \"-c\", '''echo gone >> ran'''] }",
        "other definitions: bad",
        "  run again: bad",
        "  run for the first time: new",
        "  keep their outputs: first",
        "  are gone from the file, and from the session: gone",
    ] {
        // Only `local` differs, which is no part of a definition.
        if line.starts_with("other definitions") {
            continue;
        }
        assert!(said.contains(line), "`{line}` is not in:\n{said}");
    }
    assert_eq!(ran(&scratch), "bad new");
    assert_eq!(shown(&scratch), "first=succeeded bad=succeeded new=succeeded");
    let again = with_current(&scratch, "--job new").expect_code(0).stderr;
    assert!(again.contains("t.toml is what the session ran before"), "{again}");
}

#[test]
fn a_job_that_keeps_an_output_of_another_definition_is_named() {
    let scratch = scratch();
    let first = |text: &str| job("first", "", &format!("environment = {{ WORD = \"{text}\" }}"), "true");
    scratch.write("t.toml", pipeline(&(first("old") + &fails("bad", ""))));
    scratch.run("run t.toml").expect_code(1);
    scratch.write("t.toml", pipeline(&(first("new") + &notes("bad", ""))));
    let said = with_current(&scratch, "").expect_code(0).stderr;
    assert!(said.contains("other definitions: first"), "{said}");
    assert!(said.contains("though their definitions have changed (`--job` runs one again): first"), "{said}");
}

#[test]
fn params_that_were_given_are_kept_and_defaults_are_those_of_the_file_of_now() {
    let scratch = scratch();
    let text = |params: &str, more: &str| {
        pipeline_with(
            &format!("[params]\n{params}"),
            &job(
                "a",
                "",
                &format!("environment = {{ A = \"${{params.a}}\", B = \"${{params.b}}\"{more} }}"),
                "echo $A $B $C; test -e good",
            ),
        )
    };
    scratch.write(
        "t.toml",
        text("a = { type = \"string\", default = \"1\" }\nb = { type = \"string\", default = \"1\" }", ""),
    );
    scratch.run("run t.toml --param a=given").expect_code(1);
    scratch.write("good", "");
    let params = "a = { type = \"string\", default = \"2\" }\nb = { type = \"string\", default = \"2\" }\nc = { type = \"string\" }";
    scratch.write("t.toml", text(params, ", C = \"${params.c}\""));
    let missing = with_current(&scratch, "").expect_code(2);
    assert!(missing.stderr.contains("bunsui::param::missing"), "{}", missing.stderr);
    let pinned = with_current(&scratch, "--param c=new --param a=other").expect_code(2);
    assert!(pinned.stderr.contains("bunsui::session::parameters_pinned"), "{}", pinned.stderr);
    with_current(&scratch, "--param c=new").expect_code(0);
    assert!(scratch.run("logs last").stdout.contains("given 2 new"));
}

#[test]
fn a_file_that_is_wrong_or_another_pipeline_changes_nothing() {
    let scratch = scratch();
    scratch.write("t.toml", pipeline(&fails("bad", "")));
    scratch.run("run t.toml").expect_code(1);
    let before = shown(&scratch);
    scratch.write("t.toml", pipeline(&fails("bad", "dependson = []")));
    let wrong = with_current(&scratch, "").expect_code(2);
    assert!(wrong.stderr.contains("bunsui::pipeline::unknown_key"), "{}", wrong.stderr);
    scratch.write("t.toml", pipeline(&fails("bad", "")).replace("name = \"t\"", "name = \"u\""));
    let other = with_current(&scratch, "").expect_code(2);
    assert!(other.stderr.contains("bunsui::session::other_pipeline"), "{}", other.stderr);
    std::fs::remove_file(scratch.directory().join("t.toml")).unwrap();
    let gone = with_current(&scratch, "").expect_code(2);
    assert!(gone.stderr.contains("bunsui::pipeline::unreadable"), "{}", gone.stderr);
    assert_eq!(shown(&scratch), before);
    scratch.write("good-bad", "");
    scratch.run("session retry last").expect_code(0);
}

#[test]
fn a_retry_in_which_the_runner_dies_is_gone_on_with() {
    let scratch = scratch();
    let text: String = (0..100).map(|n| fails(&format!("j{n}"), "")).collect();
    scratch.write("t.toml", pipeline(&text));
    scratch.run("run t.toml").expect_code(1);
    ran(&scratch);
    for n in 0..100 {
        scratch.write(&format!("good-j{n}"), "");
    }
    // Of three steps in which jobs are set back, the second is the last that is done.
    let mut killed = scratch.command(["session", "retry", "last"]);
    killed.env("BUNSUI_FAILPOINT", "set_back:2");
    assert_eq!(scratch.finish(&mut killed).code, None, "it was killed");
    let session = scratch.run("session show last --output json").json();
    assert_eq!((&session["status"], &session["retries"]), (&"running".into(), &1.into()));
    let pending = |session: &serde_json::Value| {
        session["job_records"].as_array().unwrap().iter().filter(|job| job["status"] == "pending").count()
    };
    assert_eq!(pending(&session), 80);
    scratch.run("session resume last").expect_code(0);
    let session = scratch.run("session show last --output json").json();
    let jobs = session["job_records"].as_array().unwrap();
    assert!(jobs.iter().all(|job| job["status"] == "succeeded" && job["attempt"] == 2), "{session}");
    assert_eq!(ran(&scratch).split(' ').count(), 100);
}
