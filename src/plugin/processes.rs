//! Ends processes that were left over: a host those of its tasks, a runner those of a host that died.
//!
//! Both are child subreapers, so what loses its parent becomes their child and can be found below /proc. Where there is no
//! /proc nothing is found; there, only what plugins end themselves ends.

use rustix::process::{Pid, Signal, WaitOptions, getpid, kill_process, waitpid};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Makes this process the parent of what its plugin hosts leave behind when they die. To be called once, before any is started.
pub fn become_subreaper() {
    // Only a value other than null matters. A kernel that refuses leaves nothing worse than orphans of a crash.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_child_subreaper(Some(getpid()));
}

/// A process, as /proc/PID/stat has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Process {
    id: i32,
    parent: i32,
    session: i32,
    is_zombie: bool,
}

/// The hosts that this process started. Processes are the system's, not an object's: this is the one place that can tell a
/// host from what a host left behind.
static HOSTS: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());

/// Starts a host; until it has left, it does not count as left over.
pub(super) fn start_host(command: &mut std::process::Command) -> std::io::Result<std::process::Child> {
    // Held while starting: nobody may see a host that is not known yet.
    let mut hosts = HOSTS.lock().unwrap_or_else(PoisonError::into_inner);
    let child = command.spawn()?;
    hosts.insert(child.id().cast_signed());
    Ok(child)
}

/// Ends what a host that has left (and was waited for) left behind.
pub(super) fn end_what_host_left(host: u32) {
    let host = host.cast_signed();
    HOSTS.lock().unwrap_or_else(PoisonError::into_inner).remove(&host);
    let own = getpid().as_raw_pid();
    end_all(|processes| {
        // As /proc says it: 0 where the session's leader is outside of this process's namespace, in a container for one.
        let own_session = processes.iter().find(|process| process.id == own).map(|process| process.session);
        let hosts = HOSTS.lock().unwrap_or_else(PoisonError::into_inner);
        // A host leads a session of its own. Its tasks are in it, or in one of their own and by now our children; what
        // this process started itself is in this process's session.
        let left = |process: &&Process| {
            process.session == host
                || (process.parent == own
                    && Some(process.session) != own_session
                    && !hosts.contains(&process.id))
        };
        processes.iter().filter(left).map(|process| process.id).collect()
    });
}

/// Ends every process below this one.
pub(super) fn end_descendants() {
    let own = getpid().as_raw_pid();
    end_all(|processes| {
        processes.iter().filter(|process| process.parent == own).map(|process| process.id).collect()
    });
}

/// Kills what `roots` picks and everything below it, until nothing is left: what is killed may just have started more.
fn end_all(roots: impl Fn(&[Process]) -> Vec<i32>) {
    let deadline = Instant::now() + Duration::from_secs(2);
    loop {
        let processes = snapshot();
        let doomed = with_descendants(&processes, roots(&processes));
        let mut is_over = true;
        for process in processes.iter().filter(|process| doomed.contains(&process.id)) {
            let Some(id) = Pid::from_raw(process.id) else { continue };
            if !process.is_zombie {
                is_over = false;
                let _ = kill_process(id, Signal::KILL);
            }
            // Ours to reap, or an error that means nothing.
            let _ = waitpid(Some(id), WaitOptions::NOHANG);
        }
        if is_over || Instant::now() > deadline {
            return;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn with_descendants(processes: &[Process], roots: Vec<i32>) -> BTreeSet<i32> {
    let mut doomed = BTreeSet::new();
    let mut next = roots;
    while let Some(id) = next.pop() {
        if doomed.insert(id) {
            next.extend(processes.iter().filter(|process| process.parent == id).map(|process| process.id));
        }
    }
    doomed
}

fn snapshot() -> Vec<Process> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    entries
        .flatten()
        .filter(|entry| entry.file_name().as_encoded_bytes().iter().all(u8::is_ascii_digit))
        .filter_map(|entry| parse_stat(&beginning(&entry.path().join("stat"))?))
        .collect()
}

/// What a file gives at the first read: all that is needed of a line of /proc, for a third of the calls.
fn beginning(file: &Path) -> Option<String> {
    let mut bytes = [0; 256];
    let length = File::open(file).ok()?.read(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes[..length]).into_owned())
}

/// How much memory a process has; none where there is no /proc, or no such process any more.
pub(super) fn resident_bytes(process: Pid) -> Option<u64> {
    let statm = std::fs::read_to_string(format!("/proc/{}/statm", process.as_raw_nonzero())).ok()?;
    let pages: u64 = statm.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

/// `PID (NAME) STATE PARENT GROUP SESSION …`; the name may hold anything, parentheses too.
fn parse_stat(stat: &str) -> Option<Process> {
    let (id, rest) = stat.split_once(' ')?;
    let mut fields = rest.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    let session = fields.nth(1)?.parse().ok()?;
    Some(Process { id: id.parse().ok()?, parent, session, is_zombie: matches!(state, "Z" | "X") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_is_read_whatever_the_name() {
        let process = Process { id: 12, parent: 3, session: 5, is_zombie: false };
        assert_eq!(parse_stat("12 (sh) S 3 4 5 0 -1"), Some(process));
        assert_eq!(parse_stat("12 (a) Z) 9 9) R 3 4 5 0 -1"), Some(process));
        assert_eq!(parse_stat("12 (sh) Z 3 4 5 0"), Some(Process { is_zombie: true, ..process }));
        assert_eq!(parse_stat("12 (sh"), None);
    }

    #[test]
    fn descendants_are_followed_to_the_end() {
        let process = |id, parent| Process { id, parent, session: 1, is_zombie: false };
        let processes = [process(2, 1), process(3, 2), process(4, 3), process(5, 1)];
        assert_eq!(with_descendants(&processes, vec![2]), BTreeSet::from([2, 3, 4]));
    }
}
