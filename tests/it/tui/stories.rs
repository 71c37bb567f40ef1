//! The pipelines that people copy, from their first run to the one that goes well, all of it from `bunsui tui`.

use super::{keys, text};
use crate::terminal::{Terminal, script};
use crate::{product, scratch};
use bunsui_test_support::Scratch;

/// A project with one of the repository's pipelines.
fn project(name: &str) -> Scratch {
    let scratch = scratch();
    for path in [format!("pipelines/{name}.toml"), format!("pipelines/{name}")] {
        scratch.copy_of_repository(&path);
    }
    script(&scratch, "tui");
    scratch
}

/// Lets a program of the pipeline wait before it does anything, until there is a file.
fn gate(scratch: &Scratch, program: &str, file: &str) {
    let gate = scratch.directory().join(file);
    let head = format!("import os, time\nwhile not os.path.exists({gate:?}):\n    time.sleep(0.05)\n");
    scratch.write(program, head + &scratch.read(program));
}

/// A session that was started from the form of the only pipeline, where it is looked at; `fields` are what is typed.
fn started(terminal: &Terminal, fields: &[&str]) {
    terminal.types("sh bunsui.sh; echo left with $?");
    terminal.wait_for(|screen| screen.contains("There is no session yet"));
    keys(terminal, &["2"]);
    terminal.wait_for(|screen| screen.contains("✓ valid") && screen.contains("never run"));
    keys(terminal, &["x"]);
    terminal.wait_for(|screen| screen.contains("a new session of pipelines/"));
    for field in fields {
        if !field.is_empty() {
            text(terminal, field);
        }
        keys(terminal, &["Enter"]);
    }
    terminal.wait_for(|screen| screen.contains("it runs in the background"));
    keys(terminal, &["Escape", "1"]);
    terminal.wait_for(|screen| screen.contains("bunsui  sessions") && screen.contains("▶ running"));
    keys(terminal, &["Enter"]);
}

/// Presses a key of a control, says why where that is asked, confirms, and waits for what came of it.
fn does(terminal: &Terminal, key: &str, foretold: &str, why: &str, outcome: &str) {
    keys(terminal, &[key]);
    terminal.wait_for(|screen| screen.contains(foretold));
    if !why.is_empty() {
        text(terminal, why);
    }
    keys(terminal, &["Enter"]);
    terminal.wait_for(|screen| screen.contains(outcome));
}

fn pauses(terminal: &Terminal, gate: impl FnOnce(), paused: &str) {
    does(terminal, "p", "Nothing new starts", "lunch", "is pausing");
    gate();
    keys(terminal, &["Escape"]);
    terminal.wait_for(|screen| {
        screen.contains("‖ paused") && screen.contains(": lunch") && screen.contains(paused)
    });
}

fn resumes(terminal: &Terminal) {
    does(terminal, "r", "A new runner in the background", "", "it runs in the background");
    keys(terminal, &["Escape"]);
    terminal.wait_for(|screen| screen.contains("▶ running"));
}

fn cancels(terminal: &Terminal) {
    does(terminal, "c", "Stopped: 1 job running", "it hangs", "nothing is left running");
    keys(terminal, &["Escape"]);
    terminal.wait_for(|screen| screen.contains("■ cancelled"));
}

fn leaves(terminal: &Terminal, scratch: &Scratch) {
    keys(terminal, &["q"]);
    terminal.wait_for(|screen| screen.contains("left with 0"));
    product::assert_none_left(scratch);
}

#[test]
fn etl_is_run_paused_resumed_cancelled_mended_and_retried() {
    let scratch = project("etl");
    let mended = scratch.read("pipelines/etl/transform.py");
    gate(&scratch, "pipelines/etl/extract.py", "go");
    // It hangs: nobody will ever make that file.
    gate(&scratch, "pipelines/etl/transform.py", "never");
    let Some(terminal) = Terminal::of_size(&scratch, (100, 30)) else { return };
    started(&terminal, &["2012", "", ""]);
    terminal.wait_for(|screen| screen.contains("0 of 7 jobs done, 1 running"));
    pauses(&terminal, || drop(scratch.write("go", "")), "1 of 7 jobs done");
    resumes(&terminal);
    terminal.wait_for(|screen| screen.contains("1 of 7 jobs done, 1 running"));
    cancels(&terminal);
    scratch.write("pipelines/etl/transform.py", mended);
    does(&terminal, "t", "keep their outputs: extract", "", "it runs in the background");
    keys(&terminal, &["Escape"]);
    terminal.wait_for(|screen| screen.contains("✓ succeeded") && screen.contains("7 of 7 jobs done"));
    assert!(scratch.directory().join("pipelines/out/seattle-weather-2012.html").exists());
    leaves(&terminal, &scratch);
}

#[test]
fn failing_is_run_paused_resumed_cancelled_mended_and_retried() {
    let scratch = project("failing");
    gate(&scratch, "pipelines/failing/load.py", "go");
    gate(&scratch, "pipelines/failing/totals.py", "on");
    let Some(terminal) = Terminal::of_size(&scratch, (100, 40)) else { return };
    started(&terminal, &["", ""]);
    terminal.wait_for(|screen| screen.contains("1 of 6 jobs done, 1 running"));
    pauses(&terminal, || drop(scratch.write("go", "")), "2 of 6 jobs done");
    resumes(&terminal);
    terminal.wait_for(|screen| screen.contains("3 of 6 jobs done, 1 running, 1 failed"));
    cancels(&terminal);
    scratch.write("on", "");
    does(&terminal, "t", "run again: totals, export", "", "it runs in the background");
    keys(&terminal, &["Escape"]);
    terminal.wait_for(|screen| screen.contains("✗ failed") && screen.contains("6 of 6 jobs done, 2 failed"));
    // Why the first of them did stands below it.
    keys(&terminal, &["n"]);
    terminal.wait_for(|screen| screen.contains("KeyError: 'quantity'") && screen.contains("failing.toml:"));
    // In another pane: orders without a quantity are left out, and the export has a place to go to.
    let text = scratch.read("pipelines/failing.toml");
    let mended =
        text.replace("default = false", "default = true").replace("default = \"\"", "default = \"out.csv\"");
    assert_ne!(text, mended);
    scratch.write("pipelines/failing.toml", mended);
    keys(&terminal, &["t"]);
    terminal.wait_for(|screen| screen.contains("▸ with the file that it ran"));
    does(&terminal, "Tab", "+++ pipelines/failing.toml now", "", "it runs in the background");
    keys(&terminal, &["Escape"]);
    // Nothing failed, so the alarm is not rung.
    terminal.wait_for(|screen| {
        screen.contains("✓ succeeded") && screen.contains("6 of 6 jobs done") && screen.contains("skipped")
    });
    assert!(scratch.directory().join("pipelines/out.csv").exists());
    leaves(&terminal, &scratch);
}
