//! What is sent to terminals of few colours, and to one whose user wants none.

use super::keys;
use crate::terminal::{Terminal, script};
use crate::{product, scratch};
use std::collections::BTreeSet;

/// The numbers of all that is said of how characters look.
fn looks(terminal: &Terminal) -> BTreeSet<u32> {
    let screen = terminal.ask(&["capture-pane", "-e", "-N", "-p"]);
    let sequences = screen.split("\u{1b}[").skip(1).filter_map(|text| text.split_once('m'));
    let numbers = sequences.flat_map(|(numbers, _)| numbers.split(';'));
    numbers.filter_map(|number| number.parse().ok()).collect()
}

/// The sessions' screen, and that of a session that failed.
fn looks_of_screens(terminal: &Terminal, line: &str) -> BTreeSet<u32> {
    terminal.types(line);
    terminal.wait_for(|screen| screen.contains("✗ failed") && screen.contains("2/2 ✗1"));
    let mut seen = looks(terminal);
    keys(terminal, &["Enter"]);
    terminal.wait_for(|screen| screen.contains("2 of 2 jobs done, 1 failed"));
    seen.extend(looks(terminal));
    keys(terminal, &["q"]);
    terminal.wait_for(|screen| screen.contains("left with 0"));
    seen
}

#[test]
fn colours_are_those_that_every_terminal_knows_and_none_where_none_are_wanted() {
    const BOLD_DIM_REVERSED: [u32; 3] = [1, 2, 7];
    const RED_GREEN: [u32; 2] = [31, 32];
    let scratch = scratch();
    let jobs = product::job("good", "", "", "true") + &product::job("bad", "", "", "false");
    scratch.write("t.toml", product::pipeline(&jobs));
    scratch.run("run t.toml").expect_code(1);
    script(&scratch, "tui");
    let plain = scratch.read("bunsui.sh").replace("env -i ", "env -i NO_COLOR=1 ");
    scratch.write("plain.sh", plain);
    let Some(terminal) = Terminal::of_size(&scratch, (80, 24)) else { return };
    let expected: BTreeSet<u32> = BOLD_DIM_REVERSED.into_iter().chain(RED_GREEN).collect();
    for name in ["xterm-16color", "xterm", "linux", "screen", "xterm-256color"] {
        let seen =
            looks_of_screens(&terminal, &format!("clear; TERM={name} sh bunsui.sh; echo left with $?"));
        let seen: BTreeSet<u32> = seen.into_iter().filter(|number| ![0, 39, 49].contains(number)).collect();
        assert_eq!(seen, expected, "{name}");
    }
    let seen = looks_of_screens(&terminal, "clear; TERM=xterm-256color sh plain.sh; echo left with $?");
    assert!(seen.iter().all(|number| [0, 39, 49].contains(number) || BOLD_DIM_REVERSED.contains(number)));
    assert!(seen.contains(&7), "what is selected is marked: {seen:?}");
}
