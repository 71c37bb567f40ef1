//! `bunsui tui` on AWS: what failed is mended, deployed and retried from it; and AWS goes away while it is looked at.

use super::super::{functions, job};
use super::Site;
use crate::terminal::{Terminal, script};
use crate::tui::keys;
use bunsui_test_support::ministack;
use bunsui_test_support::proxy::Proxy;
use bunsui_test_support::step_functions::{Options, Script};
use serde_json::json;
use std::time::Duration;

#[test]
fn what_failed_on_aws_is_mended_deployed_and_retried_from_a_terminal() {
    let Some(site) = Site::new(Options::default()) else { return };
    site.stand_in.script(|_| Script::failed(Duration::from_secs(1), "NoSuchTable", "rain"));
    let jobs = |payload: &str| job("first", "", payload) + &job("second", "depends_on = [\"first\"]", "");
    let scratch = site.deployed(&jobs("payload = { table = \"rian\" }"));
    scratch.write("pipelines/t.toml", scratch.read("t.toml"));
    scratch.run("run pipelines/t.toml").expect_code(1);
    script(&scratch, "tui");
    let Some(terminal) = Terminal::open(&scratch, 50) else { return };
    terminal.types("sh bunsui.sh; echo left with $?");
    terminal.wait_for(|screen| screen.contains("✗ failed"));
    keys(&terminal, &["Enter"]);
    terminal.wait_for(|screen| screen.contains("NoSuchTable") && screen.contains("needed by"));
    // Mended in an editor: a deployment has to come first, which is said.
    scratch.write("pipelines/t.toml", functions(&jobs("payload = { table = \"rain\" }")));
    site.stand_in.script(|_| Script::succeeded(Duration::from_secs(1), json!({"rows": 3})));
    keys(&terminal, &["t", "Tab"]);
    terminal
        .wait_for(|screen| screen.contains("It cannot be done this way") && screen.contains("bunsui deploy"));
    keys(&terminal, &["Escape", "2"]);
    terminal.wait_for(|screen| screen.contains("✓ valid"));
    keys(&terminal, &["d"]);
    terminal.wait_for(|screen| {
        screen.contains("1 of 2 state machines change") && screen.contains("update  first")
    });
    keys(&terminal, &["Enter"]);
    terminal.wait_for(|screen| screen.contains("pipeline t is deployed: version"));
    keys(&terminal, &["Escape", "1"]);
    terminal.wait_for(|screen| screen.contains("bunsui  sessions") && screen.contains("✗ failed"));
    keys(&terminal, &["t", "Tab"]);
    terminal.wait_for(|screen| screen.contains("rain") && screen.contains("run again: first, second"));
    keys(&terminal, &["Enter"]);
    terminal.wait_for(|screen| screen.contains("it runs in the background"));
    keys(&terminal, &["Escape"]);
    terminal.wait_for(|screen| screen.contains("✓ succeeded") && screen.contains("2/2"));
    keys(&terminal, &["q"]);
    terminal.wait_for(|screen| screen.contains("left with 0"));
}

#[test]
fn aws_that_goes_away_is_said_and_heard_again() {
    let Some(site) = Site::new(Options::default()) else { return };
    site.stand_in.script(|_| Script::endless());
    site.deployed(&job("only", "", ""));
    let proxy = Proxy::start(&ministack().expect("it runs").address);
    let scratch = site.machine_behind(&proxy.address, &site.stand_in.address);
    scratch.write("t.toml", functions(&job("only", "", "")));
    scratch.run("run t.toml --detach").expect_code(0);
    proxy.go_offline();
    script(&scratch, "tui");
    let Some(terminal) = Terminal::open(&scratch, 24) else { return };
    terminal.types("sh bunsui.sh; echo left with $?");
    terminal.wait_for(|screen| screen.contains("AWS cannot be reached") && screen.contains("Tried again"));
    proxy.go_online();
    terminal.wait_for(|screen| screen.contains("▶ running") && !screen.contains("cannot be reached"));
    keys(&terminal, &["Enter"]);
    terminal.wait_for(|screen| screen.contains("0 of 1 jobs done, 1 running"));
    proxy.go_offline();
    terminal.wait_for(|screen| {
        screen.contains("may be old")
            && screen.contains(": AWS cannot be reached")
            && screen.contains("1 running")
    });
    proxy.go_online();
    terminal.wait_for(|screen| !screen.contains("may be old"));
    keys(&terminal, &["c", "Enter"]);
    terminal.wait_for(|screen| screen.contains("done") && screen.contains("cancelled"));
    keys(&terminal, &["q", "q"]);
    terminal.wait_for(|screen| screen.contains("left with 0"));
}
