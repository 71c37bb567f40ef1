//! One process in a group of its own, from start to end: its lines, its exit, its stop.
//!
//! One poll(2) waits for everything - both outputs, the exit, the wish to stop - so a task costs little more than its process.
//! When the process ends, or must, so does its group: what it left in the background cannot keep the task open.

use super::Lines;
use crate::{Host, Level, Stop};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use serde_json::{Map, Value as Json};
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// From the polite signal to the other; bunsui gives a plugin ten seconds to end what it started.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// By itself.
    Exited {
        /// Its exit code; 128 and the signal's number if a signal ended it.
        code: i32,
        /// The signal.
        signal: Option<i32>,
    },
    /// Because it had to.
    Stopped,
}

/// Starts `command` and stays with it until it has ended. Lines of its output become log lines; its standard input is empty.
///
/// When `host` wants to stop, the process and all that it started get SIGTERM, and SIGKILL two seconds later.
///
/// ```
/// # use bunsui_plugin_sdk::{Host, TaskFailure, process};
/// fn count(host: &Host<'_>) -> Result<(), TaskFailure> {
///     let mut command = std::process::Command::new("wc");
///     command.args(["-l", "/etc/hosts"]).env_clear().envs(process::inherited_environment());
///     match process::run(&mut command, host) {
///         Ok(process::End::Exited { code: 0, .. }) => Ok(()),
///         Ok(process::End::Exited { code, .. }) => Err(TaskFailure::new("Count.Failed", format!("exit code {code}"))),
///         Ok(process::End::Stopped) => Err(TaskFailure::new("States.TaskFailed", "the task was stopped")),
///         Err(error) => Err(TaskFailure::new("Count.NotStarted", error.to_string())),
///     }
/// }
/// ```
///
/// # Errors
///
/// Where it cannot be started or watched.
pub fn run(command: &mut Command, host: &Host<'_>) -> std::io::Result<End> {
    let mut child = command
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let group = Pid::from_child(&child);
    let watched = watch(&mut child, group, host);
    // Before the process is waited for: until then its number, and so its group's, is nobody else's.
    let _ = kill_process_group(group, Signal::KILL);
    let status = child.wait()?;
    reap_group(group);
    let (mut streams, is_stopped) = watched?;
    streams.iter_mut().for_each(|stream| stream.finish(host));
    Ok(if is_stopped { End::Stopped } else { exited(status) })
}

fn exited(status: ExitStatus) -> End {
    let signal = status.signal();
    End::Exited { code: status.code().unwrap_or_else(|| 128 + signal.unwrap_or_default()), signal }
}

/// What lost its parent is a child of this process now; what was just killed must not stay as a zombie.
fn reap_group(group: Pid) {
    while let Ok(Some(_)) = waitid(WaitId::Pgid(Some(group)), WaitIdOptions::EXITED) {}
}

/// Waits until the process has ended; it is left to be waited for.
fn watch(child: &mut Child, group: Pid, host: &Host<'_>) -> std::io::Result<(Vec<Stream>, bool)> {
    let mut streams = Vec::new();
    if let Some(output) = child.stdout.take() {
        streams.push(Stream::new(output.into(), "stdout")?);
    }
    if let Some(output) = child.stderr.take() {
        streams.push(Stream::new(output.into(), "stderr")?);
    }
    let exit = exit_notice(group)?;
    let mut stop = host.stop_fd();
    let mut kill_at: Option<Instant> = None;
    loop {
        let mut ready = Ready::default();
        ready.wait(&streams, exit.as_fd(), stop, kill_at)?;
        for (stream, is_ready) in streams.iter_mut().zip(ready.streams) {
            if is_ready {
                stream.read(host);
            }
        }
        if ready.exit {
            return Ok((streams, kill_at.is_some()));
        }
        if ready.stop {
            // It stays readable; a second look is only worth it when the time is up.
            stop = None;
            let signal = if host.stop() == Stop::Now { Signal::KILL } else { Signal::TERM };
            let _ = kill_process_group(group, signal);
            kill_at = Some(Instant::now() + STOP_TIMEOUT);
        }
        if kill_at.is_some_and(|kill_at| Instant::now() >= kill_at || host.stop() == Stop::Now) {
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

/// What poll(2) said.
#[derive(Default)]
struct Ready {
    streams: [bool; 2],
    exit: bool,
    stop: bool,
}

impl Ready {
    fn wait(
        &mut self,
        streams: &[Stream],
        exit: BorrowedFd<'_>,
        stop: Option<BorrowedFd<'_>>,
        until: Option<Instant>,
    ) -> std::io::Result<()> {
        let open: Vec<usize> = (0..streams.len()).filter(|at| streams[*at].is_open).collect();
        let mut fds = vec![PollFd::from_borrowed_fd(exit, PollFlags::IN)];
        fds.extend(open.iter().map(|at| PollFd::from_borrowed_fd(streams[*at].pipe.as_fd(), PollFlags::IN)));
        fds.extend(stop.map(|stop| PollFd::from_borrowed_fd(stop, PollFlags::IN)));
        // A process that is being stopped is looked after at least this often: the wish may have become more urgent.
        let patience = until.map(|until| {
            until
                .saturating_duration_since(Instant::now())
                .clamp(Duration::from_millis(10), Duration::from_millis(200))
        });
        let timeout = patience.and_then(|patience| Timespec::try_from(patience).ok());
        match poll(&mut fds, timeout.as_ref()) {
            Err(rustix::io::Errno::INTR) => return Ok(()),
            other => other?,
        };
        let is_ready = |at: usize| fds.get(at).is_some_and(|fd| !fd.revents().is_empty());
        self.exit = is_ready(0);
        for (at, stream) in open.iter().enumerate() {
            self.streams[*stream] = is_ready(at + 1);
        }
        self.stop = stop.is_some() && is_ready(open.len() + 1);
        Ok(())
    }
}

/// Becomes readable when the process has ended, and leaves it to be waited for.
fn exit_notice(process: Pid) -> std::io::Result<OwnedFd> {
    #[cfg(target_os = "linux")]
    if let Ok(fd) = rustix::process::pidfd_open(process, rustix::process::PidfdFlags::empty()) {
        return Ok(fd);
    }
    let (reader, writer) = std::os::unix::net::UnixStream::pair()?;
    std::thread::Builder::new().spawn(move || {
        let _ = waitid(WaitId::Pid(process), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT);
        drop(writer);
    })?;
    Ok(reader.into())
}

/// One output of a process.
struct Stream {
    pipe: std::fs::File,
    lines: Lines,
    fields: Map<String, Json>,
    is_open: bool,
}

impl Stream {
    fn new(pipe: OwnedFd, name: &str) -> std::io::Result<Self> {
        // Another process may keep the other end open: reading must never wait.
        rustix::io::ioctl_fionbio(&pipe, true)?;
        let fields = Map::from_iter([("stream".to_owned(), Json::from(name))]);
        Ok(Self { pipe: pipe.into(), lines: Lines::default(), fields, is_open: true })
    }

    /// Reads what is there, at most a few pieces: others wait too.
    fn read(&mut self, host: &Host<'_>) {
        let mut piece = [0; 16 * 1024];
        for _ in 0..32 {
            match self.pipe.read(&mut piece) {
                Ok(0) => {
                    self.is_open = false;
                    return;
                }
                Ok(length) => {
                    let fields = &self.fields;
                    self.lines.push(&piece[..length], |line| host.log(Level::Info, line, fields));
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.is_open = error.kind() == std::io::ErrorKind::WouldBlock;
                    return;
                }
            }
        }
    }

    /// Reads the rest of what was written before the end.
    fn finish(&mut self, host: &Host<'_>) {
        // A pipe holds at most a mebibyte, unless somebody outside the group still writes to it.
        for _ in 0..4 {
            if self.is_open {
                self.read(host);
            }
        }
        let fields = &self.fields;
        self.lines.finish(|line| host.log(Level::Info, line, fields));
    }
}
