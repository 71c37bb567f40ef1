//! `bunsui tui`: a frame of 10,000 jobs, and what the real program takes while nothing happens.
//!
//! Prints what it measured; see benches/README.md.
#![allow(clippy::print_stdout, reason = "a benchmark's results are its output")]

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

fn main() {
    frames();
    idle();
}

/// Frames of 200 by 60 cells, each with the key before it.
fn frames() {
    for jobs in [100, 10_000] {
        let mut measured = bunsui::tui::measure(jobs, 500);
        measured.frames.sort();
        let at = |part: usize| measured.frames[(measured.frames.len() - 1) * part / 100].as_secs_f64() * 1e3;
        println!(
            "{jobs} jobs: events taken in {:.0} ms; a key and its frame {:.2} ms (median), {:.2} ms (99 of 100), {:.2} ms (worst)",
            measured.taking_in.as_secs_f64() * 1e3,
            at(50),
            at(99),
            at(100)
        );
    }
}

/// The program on a terminal that `script` gives, with no session at all.
fn idle() {
    const SPAN: Duration = Duration::from_secs(20);
    let folder = tempfile::tempdir().expect("a folder");
    let program = env!("CARGO_BIN_EXE_bunsui");
    let mut script = Command::new("script")
        .args(["-qec", &format!("stty rows 24 cols 80; exec {program} tui"), "/dev/null"])
        .current_dir(folder.path())
        .env("TERM", "xterm-256color")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("`script` is there");
    let pid = wait_for_child(&mut script, program);
    std::thread::sleep(Duration::from_secs(2));
    let (before, began) = (ticks(pid), Instant::now());
    std::thread::sleep(SPAN);
    let used = (ticks(pid) - before) as f64 / 100.0; // a tick of /proc is a hundredth of a second on Linux
    println!(
        "idle: {:.2} % of a core, {} MiB resident",
        used / began.elapsed().as_secs_f64() * 100.0,
        resident(pid) / 1024
    );
    let _ = script.kill();
    let _ = script.wait();
}

/// The process of the program among the children of `script`.
fn wait_for_child(script: &mut Child, program: &str) -> u32 {
    let began = Instant::now();
    loop {
        assert!(began.elapsed() < Duration::from_secs(30), "the program did not start");
        for entry in std::fs::read_dir("/proc").expect("Linux").flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
                continue;
            };
            let is_it =
                std::fs::read_link(entry.path().join("exe")).is_ok_and(|exe| exe == Path::new(program));
            if is_it && field(pid, 1) == u64::from(script.id()) {
                return pid;
            }
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A number of /proc/PID/stat, counted from what follows the program's name.
fn field(pid: u32, at: usize) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let rest = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    rest.split(' ').nth(at).and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// Processor time, in ticks.
fn ticks(pid: u32) -> u64 {
    field(pid, 11) + field(pid, 12)
}

/// Kibibytes.
fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|text| text.parse().ok()).unwrap_or(0)
}
