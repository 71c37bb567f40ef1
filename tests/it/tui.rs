//! `bunsui tui`, the real program, on a terminal that tmux gives. What its screens look like is tested where they are drawn.

mod look;
mod stories;

use crate::product::wait_until;
use crate::terminal::{Terminal, script};
use crate::{product, scratch};
use bunsui_test_support::Scratch;

const WAITS: &str = "while [ ! -e go ]; do sleep 0.05; done; [ ! -e bad ]";

/// A project with a pipeline that asks for two parameters and waits for a file.
fn project() -> Scratch {
    let scratch = scratch();
    let head =
        "[params.year]\ntype = \"integer\"\nmin = 2012\n\n[params.word]\ntype = \"string\"\nsecret = true";
    let jobs = product::job("first", "", "", WAITS)
        + &product::job("second", "depends_on = [\"first\"]", "", "echo said something");
    scratch.write("pipelines/t.toml", product::pipeline_with(head, &jobs));
    script(&scratch, "tui");
    scratch
}

pub(crate) fn keys(terminal: &Terminal, keys: &[&str]) {
    for key in keys {
        terminal.ask(&["send-keys", key]);
    }
}

pub(crate) fn text(terminal: &Terminal, text: &str) {
    terminal.ask(&["send-keys", "-l", text]);
}

#[test]
fn a_session_is_started_paused_resumed_cancelled_and_retried_from_it() {
    let scratch = project();
    let Some(terminal) = Terminal::open(&scratch, 24) else { return };
    terminal.types("sh bunsui.sh; echo left with $?");
    terminal.wait_for(|screen| screen.contains("There is no session yet"));
    keys(&terminal, &["2"]);
    terminal.wait_for(|screen| screen.contains("✓ valid") && screen.contains("never run"));
    // The form: a value that is refused, then one that is not; a secret that is not shown.
    keys(&terminal, &["x"]);
    terminal.wait_for(|screen| screen.contains("start t") && screen.contains("integer, required"));
    text(&terminal, "11");
    terminal.wait_for(|screen| screen.contains("`11` is less than the minimum `2012`"));
    keys(&terminal, &["C-u"]);
    text(&terminal, "2015");
    keys(&terminal, &["Enter"]);
    text(&terminal, "hunter2");
    let screen = terminal.wait_for(|screen| screen.contains("•••••••"));
    assert!(!screen.contains("hunter2"), "{screen}");
    keys(&terminal, &["Enter"]);
    terminal.wait_for(|screen| screen.contains("done") && screen.contains("it runs in the background"));
    keys(&terminal, &["Escape", "1"]);
    terminal.wait_for(|screen| {
        screen.contains("bunsui  sessions") && screen.contains("▶ running") && screen.contains("0/2")
    });
    keys(&terminal, &["Enter"]);
    terminal.wait_for(|screen| screen.contains("0 of 2 jobs done, 1 running") && screen.contains("second"));

    keys(&terminal, &["p"]);
    terminal.wait_for(|screen| screen.contains("Nothing new starts; 1 job running may finish"));
    text(&terminal, "tea");
    keys(&terminal, &["Enter"]);
    terminal.wait_for(|screen| screen.contains("is pausing: 1 running job may finish"));
    scratch.write("pipelines/go", "");
    keys(&terminal, &["Escape"]);
    terminal.wait_for(|screen| screen.contains("‖ paused") && screen.contains("1 of 2 jobs done"));
    // Its secret is stored nowhere: it is asked for again.
    keys(&terminal, &["r"]);
    terminal.wait_for(|screen| screen.contains("A new runner in the background goes on with it"));
    keys(&terminal, &["Enter"]);
    terminal.wait_for(|screen| screen.contains("stored nowhere"));
    text(&terminal, "hunter2");
    keys(&terminal, &["Enter"]);
    terminal.wait_for(|screen| screen.contains("it runs in the background"));
    keys(&terminal, &["Escape"]);
    terminal.wait_for(|screen| screen.contains("✓ succeeded") && screen.contains("2 of 2 jobs done"));
    keys(&terminal, &["L"]);
    terminal.wait_for(|screen| screen.contains("said something") && screen.contains("second/run"));
    keys(&terminal, &["q"]);
    terminal.wait_for(|screen| screen.contains("left with 0"));

    let shown = || scratch.run("session show last --output json").expect_code(0).json();
    let events = shown();
    assert_eq!(events["parameters"]["year"], 2015);
    assert_eq!(events["secrets"][0], "word");
    product::assert_none_left(&scratch);
}

#[test]
fn a_session_that_failed_is_retried_and_one_that_runs_is_cancelled() {
    let scratch = scratch();
    let jobs = product::job("first", "", "", WAITS)
        + &product::job("second", "depends_on = [\"first\"]", "", "true");
    scratch.write("t.toml", product::pipeline(&jobs));
    scratch.write("go", "");
    scratch.write("bad", "");
    scratch.run("run t.toml").expect_code(1);
    script(&scratch, "tui");
    let Some(terminal) = Terminal::open(&scratch, 40) else { return };
    terminal.types("sh bunsui.sh; echo left with $?");
    terminal.wait_for(|screen| screen.contains("✗ failed"));
    keys(&terminal, &["Enter"]);
    // The failure at its lines of the file.
    terminal.wait_for(|screen| screen.contains("[[jobs.first.operations]]"));
    for file in ["go", "bad"] {
        std::fs::remove_file(scratch.directory().join(file)).expect("it was there");
    }
    keys(&terminal, &["t"]);
    terminal.wait_for(|screen| screen.contains("run again: first"));
    keys(&terminal, &["Enter"]);
    terminal.wait_for(|screen| screen.contains("it runs in the background"));
    keys(&terminal, &["Escape"]);
    terminal.wait_for(|screen| screen.contains("▶ running") && screen.contains("running (2)"));
    keys(&terminal, &["c"]);
    terminal.wait_for(|screen| screen.contains("Stopped: 1 job running. Never started: 1 job."));
    text(&terminal, "no more");
    keys(&terminal, &["Enter"]);
    terminal.wait_for(|screen| screen.contains("nothing is left running"));
    keys(&terminal, &["Escape"]);
    terminal.wait_for(|screen| screen.contains("■ cancelled"));
    keys(&terminal, &["q"]);
    terminal.wait_for(|screen| screen.contains("left with 0"));
    product::assert_none_left(&scratch);
}

#[test]
fn a_store_that_cannot_be_read_is_said_and_tried_again() {
    let scratch = scratch();
    scratch.write("t.toml", product::pipeline(&product::job("only", "", "", "true")));
    scratch.run("run t.toml").expect_code(0);
    let (store, aside) = (scratch.directory().join(".bunsui"), scratch.directory().join("aside"));
    std::fs::rename(&store, &aside).expect("it is moved");
    scratch.write(
        ".bunsui/bunsui.db",
        "this is no database, and longer than a header of one would be: it has to be read to see that",
    );
    script(&scratch, "tui");
    let Some(terminal) = Terminal::open(&scratch, 24) else { return };
    terminal.types("sh bunsui.sh");
    terminal.wait_for(|screen| screen.contains("This cannot be read") && screen.contains("Tried again"));
    std::fs::remove_dir_all(&store).expect("it was there");
    std::fs::rename(&aside, &store).expect("it is moved");
    terminal.wait_for(|screen| screen.contains("✓ succeeded") && !screen.contains("cannot be read"));
    keys(&terminal, &["q"]);
}

/// Sends a signal to what runs in the terminal's shell.
fn kill(terminal: &Terminal, signal: &str) {
    let shell = terminal.ask(&["display-message", "-p", "#{pane_pid}"]);
    let child = std::process::Command::new("ps")
        .args(["-o", "pid=", "--ppid", shell.trim()])
        .output()
        .expect("ps is there");
    let child = String::from_utf8_lossy(&child.stdout).trim().to_owned();
    let kill = std::process::Command::new("kill").arg(format!("-{signal}")).arg(&child).status();
    assert!(kill.is_ok_and(|status| status.success()), "`{child}` is one process");
}

#[test]
fn a_signal_leaves_the_terminal_as_it_was() {
    let scratch = scratch();
    script(&scratch, "tui");
    let Some(terminal) = Terminal::open(&scratch, 24) else { return };
    for signal in ["TERM", "HUP", "INT"] {
        terminal.types("clear; sh bunsui.sh & fg; echo it left; stty -a");
        terminal.wait_for(|screen| screen.contains("There is no session yet"));
        assert_eq!(terminal.ask(&["display-message", "-p", "#{alternate_on}"]).trim(), "1");
        kill(&terminal, signal);
        let screen = terminal.wait_for(|screen| screen.contains("it left") && screen.contains(" icanon"));
        assert!(screen.contains(" echo "), "{screen}");
        let state =
            terminal.ask(&["display-message", "-p", "#{alternate_on} #{mouse_any_flag} #{cursor_flag}"]);
        assert_eq!(state.trim(), "0 0 1", "{signal}");
    }
}

#[test]
fn after_a_kill_the_terminal_can_be_reset_as_the_documentation_says() {
    let scratch = scratch();
    script(&scratch, "tui");
    let Some(terminal) = Terminal::open(&scratch, 24) else { return };
    terminal.types("sh bunsui.sh; :");
    terminal.wait_for(|screen| screen.contains("There is no session yet"));
    kill(&terminal, "KILL");
    wait_until("it is gone", || {
        let shell = terminal.ask(&["display-message", "-p", "#{pane_current_command}"]);
        shell.trim() == "sh"
    });
    keys(&terminal, &["C-j"]);
    text(&terminal, "reset; touch done");
    keys(&terminal, &["C-j"]);
    wait_until("the terminal is reset", || scratch.directory().join("done").exists());
    let state = terminal.ask(&["display-message", "-p", "#{mouse_any_flag} #{cursor_flag}"]);
    assert_eq!(state.trim(), "0 1");
    terminal.types("clear; stty -a");
    let screen = terminal.wait_for(|screen| screen.contains(" icanon"));
    assert!(screen.contains(" echo ") && screen.contains(" icrnl"), "{screen}");
}

#[test]
fn a_panic_leaves_the_terminal_as_it_was_and_is_said() {
    let scratch = scratch().with_variable("BUNSUI_FAILPOINT", "tui_panic");
    script(&scratch, "tui");
    let Some(terminal) = Terminal::open(&scratch, 24) else { return };
    terminal.types("sh bunsui.sh; echo left with $?; stty -a");
    let screen = terminal.wait_for(|screen| screen.contains("left with 101") && screen.contains(" icanon"));
    assert!(screen.contains("a test asked for it"), "{screen}");
    let state = terminal.ask(&["display-message", "-p", "#{alternate_on} #{mouse_any_flag} #{cursor_flag}"]);
    assert_eq!(state.trim(), "0 0 1");
}

#[test]
fn without_a_terminal_it_says_what_to_do() {
    let scratch = scratch();
    let finished = scratch.run("tui").expect_code(2);
    assert!(finished.stderr.contains("bunsui::settings::no_terminal"), "{}", finished.stderr);
    wait_until("nothing is left", || !scratch.directory().join(".bunsui").exists());
}
