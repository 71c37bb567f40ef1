//! The live view, on a terminal that tmux gives. Without tmux it is not checked, which CI (`CI=true`) does not accept.

use crate::product::wait_until;
use crate::{product, scratch};
use bunsui_test_support::Scratch;
use std::process::{Child, Command, Output, Stdio};

/// A terminal with a shell in it; gone with this value.
pub(crate) struct Terminal {
    socket: std::path::PathBuf,
    server: Child,
}

impl Terminal {
    /// None where there is no tmux.
    pub(crate) fn open(scratch: &Scratch, rows: u16) -> Option<Self> {
        Self::of_size(scratch, (120, rows))
    }

    /// The same, of so many columns and rows.
    pub(crate) fn of_size(scratch: &Scratch, (columns, rows): (u16, u16)) -> Option<Self> {
        if Command::new("tmux").arg("-V").stdout(Stdio::null()).status().is_err() {
            assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "tmux is not installed");
            eprintln!("NOT CHECKED: the live view on a terminal, for there is no tmux");
            return None;
        }
        // Not as a daemon: another test may make this process the parent of orphans, and end those.
        let mut server = Command::new("tmux");
        let socket = scratch.home().join("tmux");
        server.arg("-S").arg(&socket).args(["-f", "/dev/null", "-D"]).stdin(Stdio::null());
        // What runs in it inherits the environment of the server.
        let path = std::env::var_os("PATH").unwrap_or_default();
        server.env_clear().env("PATH", path).env("PS1", "$ ").env("LC_ALL", "C.UTF-8");
        let server = server.current_dir(scratch.directory()).spawn().expect("tmux starts");
        let terminal = Self { socket, server };
        wait_until("tmux listens", || terminal.socket.exists());
        let (columns, rows) = (columns.to_string(), rows.to_string());
        let folder = scratch.directory().to_string_lossy().into_owned();
        let session = ["new-session", "-d", "-x", &columns, "-y", &rows, "-c", &folder, "sh"];
        wait_until("tmux answers", || terminal.tmux(&session).status().is_ok_and(|status| status.success()));
        Some(terminal)
    }

    fn tmux(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("tmux");
        command.arg("-S").arg(&self.socket).args(arguments).stdin(Stdio::null());
        command
    }

    pub(crate) fn ask(&self, arguments: &[&str]) -> String {
        let Output { stdout, .. } = self.tmux(arguments).output().expect("tmux answers");
        String::from_utf8_lossy(&stdout).into_owned()
    }

    pub(crate) fn types(&self, text: &str) {
        self.ask(&["send-keys", "-l", text]);
        self.ask(&["send-keys", "Enter"]);
    }

    /// What is to be seen, with what scrolled away.
    fn screen(&self) -> String {
        self.ask(&["capture-pane", "-p", "-S", "-"])
    }

    #[track_caller]
    pub(crate) fn wait_for(&self, is_so: impl Fn(&str) -> bool) -> String {
        let mut seen = String::new();
        let mut last = std::time::Instant::now();
        wait_until("something on the screen", || {
            seen = self.screen();
            if last.elapsed().as_secs() >= 10 {
                eprintln!("the screen is:\n{seen}");
                last = std::time::Instant::now();
            }
            is_so(&seen)
        });
        seen
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.ask(&["kill-server"]);
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// Writes a script that starts bunsui in the scratch folder's environment.
pub(crate) fn script(scratch: &Scratch, line: &str) {
    let command = scratch.command(line.split_whitespace());
    let quote = |text: &std::ffi::OsStr| format!("'{}'", text.to_string_lossy());
    let mut text = "exec env -i TERM=\"$TERM\"".to_owned();
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            text.push_str(&format!(" {}={}", name.to_string_lossy(), quote(value)));
        }
    }
    text.push_str(&format!(" {}", quote(command.get_program())));
    for argument in command.get_args() {
        text.push_str(&format!(" {}", quote(argument)));
    }
    scratch.write("bunsui.sh", text);
}

const WAITS: &str = "touch started; while [ ! -e go ]; do sleep 0.05; done";

fn two_jobs() -> Scratch {
    let scratch = scratch();
    let jobs = product::job("slow", "", "", WAITS)
        + &product::job("other", "", "", WAITS)
        + &product::job("after", "depends_on = [\"slow\"]", "", "true");
    scratch.write("t.toml", product::pipeline(&jobs));
    script(&scratch, "run t.toml");
    scratch
}

/// Whether a line shows this job with an elapsed time before it.
fn shows(screen: &str, job: &str) -> bool {
    let has_time =
        |line: &str| line.trim_start().starts_with(|c: char| c.is_ascii_digit()) && line.contains('s');
    screen.lines().any(|line| line.trim_end().ends_with(job) && has_time(line))
}

#[test]
fn running_jobs_have_a_line_each_and_the_terminal_is_left_as_it_was() {
    let scratch = two_jobs();
    let Some(terminal) = Terminal::open(&scratch, 30) else { return };
    terminal.types("stty -g > before; sh bunsui.sh; echo left with $?; stty -g > after; echo all read");
    terminal.wait_for(|screen| shows(screen, "slow/run") && shows(screen, "other/run"));
    terminal.wait_for(|screen| screen.contains("0 of 3 jobs done, 2 running"));
    scratch.write("go", "");
    let screen = terminal.wait_for(|screen| screen.contains("\nall read"));
    assert!(screen.contains("\nleft with 0"), "{screen}");
    assert!(screen.contains("3 jobs: 3 succeeded"), "{screen}");
    assert!(!screen.contains("jobs done"), "the live lines are gone:\n{screen}");
    assert!(!shows(&screen, "slow/run"), "the live lines are gone:\n{screen}");
    assert_eq!(scratch.read("before"), scratch.read("after"));
    assert_eq!(
        terminal.ask(&["display-message", "-p", "#{cursor_flag}"]).trim(),
        "1",
        "the cursor is visible"
    );
}

#[test]
fn interrupts_by_key_pause_and_then_cancel() {
    let scratch = two_jobs();
    let Some(terminal) = Terminal::open(&scratch, 30) else { return };
    terminal.types("stty -g > before; sh bunsui.sh; echo left with $?; stty -g > after; echo all read");
    terminal.wait_for(|screen| shows(screen, "slow/run") && shows(screen, "other/run"));
    terminal.ask(&["send-keys", "C-c"]);
    terminal.wait_for(|screen| screen.contains("nothing new starts, 2 running jobs may finish"));
    terminal.ask(&["send-keys", "C-c"]);
    let screen = terminal.wait_for(|screen| screen.contains("\nall read"));
    assert!(screen.contains("\nleft with 1"), "{screen}");
    assert!(screen.contains("3 jobs: 3 cancelled"), "{screen}");
    assert!(!screen.contains("jobs done"), "the live lines are gone:\n{screen}");
    assert!(!shows(&screen, "slow/run"), "the live lines are gone:\n{screen}");
    assert_eq!(scratch.read("before"), scratch.read("after"));
    assert_eq!(
        terminal.ask(&["display-message", "-p", "#{cursor_flag}"]).trim(),
        "1",
        "the cursor is visible"
    );
}

#[test]
fn a_small_terminal_shows_as_many_as_it_can_and_the_count() {
    let scratch = scratch();
    let waits = |n: usize| format!("while [ ! -e go{n} ]; do sleep 0.05; done");
    let jobs: String = (0..9).map(|n| product::job(&format!("j{n}"), "", "", &waits(n))).collect();
    scratch.write("t.toml", product::pipeline_with("max_concurrency = 9", &jobs));
    script(&scratch, "run t.toml");
    let Some(terminal) = Terminal::open(&scratch, 8) else { return };
    terminal.types("clear; sh bunsui.sh; echo left with $?");
    let lines = |screen: &str| (0..9).filter(|n| shows(screen, &format!("j{n}/run"))).collect::<Vec<_>>();
    terminal.wait_for(|screen| {
        screen.contains("0 of 9 jobs done, 9 running") && lines(screen) == [0, 1, 2, 3, 4, 5]
    });
    // Room that becomes free is given to one that has waited for it.
    scratch.write("go2", "");
    terminal.wait_for(|screen| {
        screen.contains("1 of 9 jobs done, 8 running") && lines(screen) == [0, 1, 3, 4, 5, 6]
    });
    for n in 0..9 {
        scratch.write(&format!("go{n}"), "");
    }
    terminal.wait_for(|screen| screen.contains("\nleft with 0"));
}

#[test]
fn a_terminal_that_is_closed_leaves_the_session_to_run() {
    let scratch = two_jobs();
    let Some(terminal) = Terminal::open(&scratch, 30) else { return };
    terminal.types("sh bunsui.sh");
    terminal.wait_for(|screen| screen.contains("0 of 3 jobs done, 2 running"));
    terminal.ask(&["kill-session"]);
    drop(terminal);
    let shown = || scratch.run("session show last --output json").expect_code(0).json();
    assert_eq!(shown()["status"], "running");
    scratch.write("go", "");
    wait_until("it ends", || shown()["status"] == "succeeded");
    let id = shown()["session_id"].as_str().expect("an id").to_owned();
    let log = scratch.read(&format!(".bunsui/runners/{id}.log"));
    assert!(log.contains("succeeded  slow") && log.contains("3 jobs: 3 succeeded"), "{log}");
    assert!(!log.contains('\u{1b}'), "nothing is redrawn in a file: {log:?}");
    product::assert_none_left(&scratch);
}

#[test]
fn a_pause_in_which_the_runner_waits_is_shown_where_the_count_was() {
    let scratch = two_jobs();
    let Some(terminal) = Terminal::open(&scratch, 30) else { return };
    terminal.types("sh bunsui.sh; echo left with $?");
    terminal.wait_for(|screen| screen.contains("2 running"));
    scratch.run_with(["session", "pause", "last", "--until", "1h", "--reason", "tea time"]).expect_code(0);
    scratch.write("go", "");
    let screen = terminal.wait_for(|screen| screen.lines().any(|line| line.contains("s paused by")));
    assert!(screen.contains(": tea time, until 2"), "{screen}");
    scratch.run("session resume last").expect_code(0);
    terminal.wait_for(|screen| screen.contains("\nleft with 0"));
}
