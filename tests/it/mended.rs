//! `bunsui tui`, the real program: what failed is mended in an editor and retried, lines come in floods, the shell takes the
//! terminal back for a while, the store is in trouble.

use crate::terminal::{Terminal, script};
use crate::tui::{keys, text};
use crate::{product, scratch};

#[test]
fn what_failed_is_mended_and_retried_from_it() {
    let scratch = scratch();
    let pipeline = |command: &str| {
        let jobs = product::job("first", "", "", "true")
            + &product::job("second", "depends_on = [\"first\"]", "", command)
            + &product::job("third", "depends_on = [\"second\"]", "", "true");
        product::pipeline_with("[params.word]\ntype = \"string\"\nsecret = true\n", &jobs)
    };
    scratch.write("t.toml", pipeline("echo it is spelt worng; false"));
    let scratch = scratch.with_variable("BUNSUI_PARAM_WORD", "hunter2");
    scratch.run("run t.toml").expect_code(1);
    let scratch = scratch.without_variable("BUNSUI_PARAM_WORD");
    script(&scratch, "tui");
    let Some(terminal) = Terminal::open(&scratch, 40) else { return };
    terminal.types("sh bunsui.sh; echo left with $?");
    terminal.wait_for(|screen| screen.contains("✗ failed"));
    keys(&terminal, &["Enter"]);
    terminal.wait_for(|screen| screen.contains("waits for") && screen.contains("needed by"));
    // Half mended: the file has an error, which is shown, and nothing can be started with it.
    scratch
        .write("t.toml", pipeline("true").replace("depends_on = [\"second\"]", "depends_on = [\"secnd\"]"));
    keys(&terminal, &["t"]);
    terminal.wait_for(|screen| screen.contains("stored nowhere"));
    text(&terminal, "hunter2");
    keys(&terminal, &["Enter"]);
    terminal.wait_for(|screen| {
        screen.contains("t.toml is not what session") && screen.contains("run again: second")
    });
    keys(&terminal, &["Tab"]);
    terminal.wait_for(|screen| {
        screen.contains("It cannot be done this way") && screen.contains("did you mean `second`")
    });
    keys(&terminal, &["Enter", "Escape"]);
    terminal.wait_for(|screen| !screen.contains("It cannot be done this way"));
    // Mended.
    scratch.write("t.toml", pipeline("true"));
    keys(&terminal, &["t"]);
    terminal.wait_for(|screen| screen.contains("stored nowhere"));
    text(&terminal, "hunter2");
    keys(&terminal, &["Enter", "Tab"]);
    terminal.wait_for(|screen| screen.contains("-local = ") && screen.contains("keep their outputs: first"));
    keys(&terminal, &["Enter"]);
    terminal.wait_for(|screen| screen.contains("it runs in the background"));
    keys(&terminal, &["Escape"]);
    let screen =
        terminal.wait_for(|screen| screen.contains("✓ succeeded") && screen.contains("3 of 3 jobs done"));
    assert!(!screen.contains("hunter2"), "{screen}");
    keys(&terminal, &["q"]);
    terminal.wait_for(|screen| screen.contains("left with 0"));
    product::assert_none_left(&scratch);
}

#[test]
fn a_flood_of_lines_is_followed_filtered_and_searched() {
    let scratch = scratch();
    let floods = "i=0; while [ $i -lt 20000 ]; do echo row $i; i=$((i+1)); done; \
        while [ ! -e go ]; do sleep 0.05; done; echo the last one";
    scratch.write("pipelines/t.toml", product::pipeline(&product::job("only", "", "", floods)));
    scratch.run("run pipelines/t.toml --detach").expect_code(0);
    script(&scratch, "tui");
    let Some(terminal) = Terminal::open(&scratch, 24) else { return };
    terminal.types("sh bunsui.sh; echo left with $?");
    terminal.wait_for(|screen| screen.contains("▶ running"));
    keys(&terminal, &["L"]);
    terminal.wait_for(|screen| screen.contains("row 19999") && screen.contains("following"));
    // As `bunsui logs --grep` has it, and so is what is no pattern.
    text(&terminal, "&row [0-9]+(7");
    terminal.wait_for(|screen| screen.contains("unclosed group"));
    text(&terminal, ")77$");
    terminal.wait_for(|screen| screen.contains("row 19777") && !screen.contains("row 19999"));
    keys(&terminal, &["Enter"]);
    terminal.wait_for(|screen| screen.contains("line 19 of 19, of"));
    keys(&terminal, &["Escape"]);
    text(&terminal, "/^row 1234$");
    keys(&terminal, &["Enter"]);
    terminal.wait_for(|screen| screen.contains("standing still") && screen.contains("row 1234"));
    scratch.write("pipelines/go", "");
    keys(&terminal, &["Escape", "f"]);
    terminal.wait_for(|screen| screen.contains("the last one") && screen.contains("session succeeded"));
    keys(&terminal, &["q"]);
    terminal.wait_for(|screen| screen.contains("left with 0"));
    product::assert_none_left(&scratch);
}

#[test]
fn the_shell_takes_the_terminal_and_gives_it_back() {
    let scratch = scratch();
    script(&scratch, "tui");
    let Some(terminal) = Terminal::open(&scratch, 24) else { return };
    let modes =
        || terminal.ask(&["display-message", "-p", "#{alternate_on} #{mouse_any_flag} #{cursor_flag}"]);
    terminal.types("sh bunsui.sh; echo left with $?");
    terminal.wait_for(|screen| screen.contains("There is no session yet"));
    keys(&terminal, &["C-z"]);
    terminal.wait_for(|screen| screen.contains("Stopped"));
    assert_eq!(modes().trim(), "0 0 1");
    terminal.types("echo the shell says $((40 + 2)); stty -a; fg");
    terminal.wait_for(|screen| screen.contains("There is no session yet"));
    assert_eq!(modes().trim(), "1 1 0");
    // A signal that nobody can hear stops it, and the shell leaves the terminal in another way.
    let child = terminal.ask(&["display-message", "-p", "#{pane_pid}"]);
    let child = std::process::Command::new("ps").args(["-o", "pid=", "--ppid", child.trim()]).output();
    let child = String::from_utf8(child.expect("ps is there").stdout).expect("a number");
    let stopped = std::process::Command::new("kill").args(["-STOP", child.trim()]).status();
    assert!(stopped.is_ok_and(|status| status.success()), "`{child}` is one process");
    terminal.wait_for(|screen| screen.contains("Stopped (signal)"));
    // Such a terminal sends Enter as it is.
    text(&terminal, "stty sane; clear; fg");
    keys(&terminal, &["C-j"]);
    terminal.wait_for(|screen| screen.contains("There is no session yet") && !screen.contains("Stopped"));
    keys(&terminal, &["2", "C-l"]);
    terminal.wait_for(|screen| screen.contains("There is no file in pipelines/"));
    keys(&terminal, &["q"]);
    terminal.wait_for(|screen| screen.contains("the shell says 42") && screen.contains(" icanon"));
    assert_eq!(modes().trim(), "0 0 1");
}

#[test]
fn a_record_that_is_garbage_and_a_store_that_goes_are_said() {
    let scratch = scratch();
    scratch.write("t.toml", product::pipeline(&product::job("only", "", "", "true")));
    for _ in 0..2 {
        scratch.run("run t.toml").expect_code(0);
    }
    let database =
        rusqlite::Connection::open(scratch.directory().join(".bunsui/bunsui.db")).expect("it is there");
    let garbage =
        "UPDATE sessions SET record = X'FF00' WHERE session_id = (SELECT max(session_id) FROM sessions)";
    assert_eq!(database.execute(garbage, []).expect("it is written"), 1);
    drop(database);
    // A list for programs is whole or none.
    let listed = scratch.run("session list").expect_code(3);
    assert!(listed.stderr.contains("bunsui::store::damaged"), "{}", listed.stderr);
    script(&scratch, "tui");
    let Some(terminal) = Terminal::open(&scratch, 24) else { return };
    terminal.types("sh bunsui.sh; echo left with $?");
    terminal.wait_for(|screen| screen.contains("✓ succeeded") && screen.contains("cannot be read:"));
    keys(&terminal, &["Enter"]);
    terminal.wait_for(|screen| screen.contains("1 of 1 jobs done"));
    // Its jobs' records and events are garbage, too.
    let database =
        rusqlite::Connection::open(scratch.directory().join(".bunsui/bunsui.db")).expect("it is there");
    database.execute("UPDATE sessions SET record = '{'", []).expect("it is written");
    drop(database);
    terminal.wait_for(|screen| {
        screen.contains("may be old, not heard for ") && screen.contains("what is stored")
    });
    std::fs::remove_dir_all(scratch.directory().join(".bunsui")).expect("it was there");
    terminal.wait_for(|screen| screen.contains("not heard for ") && screen.contains("it was deleted"));
    keys(&terminal, &["1"]);
    terminal.wait_for(|screen| screen.contains("There is no session yet"));
    keys(&terminal, &["q"]);
    terminal.wait_for(|screen| screen.contains("left with 0"));
}
