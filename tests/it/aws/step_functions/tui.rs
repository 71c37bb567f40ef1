//! `bunsui tui` on AWS: the same program, the same keys.

use super::super::job;
use super::Site;
use crate::terminal::{Terminal, script};
use crate::tui::{keys, text};
use bunsui_test_support::step_functions::{Options, Script};
use serde_json::json;
use std::time::Duration;

#[test]
fn a_session_on_aws_is_started_cancelled_and_retried_from_a_terminal() {
    let Some(site) = Site::new(Options::default()) else { return };
    site.stand_in.script(|_| Script::endless());
    let jobs = job("first", "", "") + &job("second", "depends_on = [\"first\"]", "");
    let scratch = site.deployed(&jobs);
    scratch.write("pipelines/t.toml", scratch.read("t.toml"));
    script(&scratch, "tui");
    let Some(terminal) = Terminal::open(&scratch, 40) else { return };
    terminal.types("sh bunsui.sh; echo left with $?");
    terminal.wait_for(|screen| screen.contains("There is no session yet") && screen.contains(" aws "));
    keys(&terminal, &["2"]);
    terminal.wait_for(|screen| screen.contains("✓ valid"));
    keys(&terminal, &["x"]);
    terminal.wait_for(|screen| screen.contains("start t"));
    keys(&terminal, &["Enter"]);
    terminal.wait_for(|screen| screen.contains("it runs in the background"));
    keys(&terminal, &["Escape", "1"]);
    terminal.wait_for(|screen| screen.contains("bunsui  sessions") && screen.contains("▶ running"));
    keys(&terminal, &["Enter"]);
    terminal.wait_for(|screen| screen.contains("0 of 2 jobs done, 1 running"));
    keys(&terminal, &["c"]);
    terminal.wait_for(|screen| screen.contains("Stopped: 1 job running. Never started: 1 job."));
    text(&terminal, "no more");
    keys(&terminal, &["Enter"]);
    terminal.wait_for(|screen| screen.contains("had succeeded") || screen.contains("never started: second"));
    site.stand_in.script(|_| Script::succeeded(Duration::from_secs(1), json!({"rows": 3})));
    keys(&terminal, &["Escape"]);
    terminal.wait_for(|screen| screen.contains("■ cancelled"));
    keys(&terminal, &["t"]);
    terminal.wait_for(|screen| screen.contains("run again: first"));
    keys(&terminal, &["Enter"]);
    terminal.wait_for(|screen| screen.contains("it runs in the background"));
    keys(&terminal, &["Escape"]);
    terminal.wait_for(|screen| screen.contains("✓ succeeded") && screen.contains("2 of 2 jobs done"));
    keys(&terminal, &["q"]);
    terminal.wait_for(|screen| screen.contains("left with 0"));
}

#[test]
fn a_session_on_aws_is_paused_and_resumed_from_a_terminal() {
    let after =
        |seconds: u64| move |_: &_| Script::succeeded(Duration::from_secs(seconds), json!({"rows": 3}));
    let Some(site) = Site::new(Options::default()) else { return };
    // Whichever of them runs when the pause comes.
    site.stand_in.script(after(6));
    let jobs = job("first", "", "")
        + &job("second", "depends_on = [\"first\"]", "")
        + &job("third", "depends_on = [\"second\"]", "");
    let scratch = site.deployed(&jobs);
    scratch.run("run t.toml --detach").expect_code(0);
    script(&scratch, "tui");
    let Some(terminal) = Terminal::open(&scratch, 40) else { return };
    terminal.types("sh bunsui.sh; echo left with $?");
    terminal.wait_for(|screen| screen.contains("▶ running"));
    keys(&terminal, &["Enter"]);
    terminal.wait_for(|screen| screen.contains("of 3 jobs done, 1 running"));
    keys(&terminal, &["p"]);
    terminal.wait_for(|screen| screen.contains("Nothing new starts"));
    text(&terminal, "deploying");
    keys(&terminal, &["Enter"]);
    terminal.wait_for(|screen| screen.contains("is pausing"));
    site.stand_in.script(after(1));
    keys(&terminal, &["Escape"]);
    terminal.wait_for(|screen| {
        screen.contains("‖ paused") && screen.contains(": deploying") && screen.contains("pending")
    });
    let started = site.stand_in.executions().len();
    assert!(started < 3, "nothing new was started");
    keys(&terminal, &["r"]);
    terminal.wait_for(|screen| screen.contains("A new runner in the background"));
    keys(&terminal, &["Enter"]);
    terminal.wait_for(|screen| screen.contains("it runs in the background"));
    keys(&terminal, &["Escape"]);
    terminal.wait_for(|screen| screen.contains("✓ succeeded") && screen.contains("3 of 3 jobs done"));
    assert_eq!(site.stand_in.executions().len(), 3, "none was started twice");
    keys(&terminal, &["q"]);
    terminal.wait_for(|screen| screen.contains("left with 0"));
}
