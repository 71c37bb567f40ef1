//! The plugin host: `bunsui __plugin-host LIBRARY`, a process that holds one library.
//!
//! Takes: requests as frames on standard input. Gives: replies and log lines as frames on what was its standard output; the
//! plugin's own prints go to standard error. When the input ends - whoever started it closed it, or died - it ends everything
//! that was started here and leaves.
//! Deliberately does not: know what a request means.

use super::call::{Calls, RunningCall};
use super::frame::{self, Reply, Request};
use super::library::{Library, LoadError};
use super::processes;
use bunsui_plugin_abi as abi;
use std::fs::File;
use std::io::{self, BufReader, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long calls get to end what they know of, once nobody listens any more.
const LAST_MOMENTS: Duration = Duration::from_millis(700);

/// Runs a plugin host on standard input and output until the input ends.
pub fn host_main(library: &Path) -> ExitCode {
    detach();
    let Ok((input, output)) = take_wires() else { return ExitCode::from(3) };
    let output = Arc::new(Output(Mutex::new(output)));
    let library = match Library::load(library).and_then(|library| Ok((library.describe()?, library))) {
        Ok((declaration, library)) => {
            output.send(&Reply::Ready(declaration));
            library
        }
        Err(error) => return refuse(&output, error),
    };
    let calls = Arc::new(Calls::new(library, Arc::clone(&output)));
    serve(input, &calls);
    calls.cancel_all(abi::STOP_NOW);
    calls.wait_until_idle(LAST_MOMENTS);
    processes::end_descendants();
    // The short way out: an ordinary exit runs the library's exit handlers, which may hang or crash.
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    ExitCode::SUCCESS
}

fn refuse(output: &Output, error: LoadError) -> ExitCode {
    output.send(&Reply::Refused(error));
    ExitCode::from(3)
}

/// A session of its own, so that the terminal's interrupt reaches the runner alone, and what is started here can be told
/// apart. Signals are caught, not ignored: ignoring would be inherited by every process started here.
fn detach() {
    let _ = rustix::process::setsid();
    processes::become_subreaper();
    let ignored = Arc::new(std::sync::atomic::AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGHUP] {
        let _ = signal_hook::flag::register(signal, Arc::clone(&ignored));
    }
    raise_open_files();
}

/// A task costs a few descriptors, and the usual soft limit of 1,024 is for programs that use select(2).
fn raise_open_files() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.map_or(16_384, |maximum| maximum.min(16_384));
    if limit.current.is_some_and(|current| current < wanted) {
        limit.current = Some(wanted);
        let _ = setrlimit(Resource::Nofile, limit);
    }
}

/// Takes standard input and output away from the plugin: what it reads is empty, what it prints is talk.
fn take_wires() -> io::Result<(BufReader<File>, File)> {
    let input = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let output = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
    rustix::stdio::dup2_stdout(io::stderr())?;
    Ok((BufReader::new(input), output))
}

fn serve(mut input: BufReader<File>, calls: &Arc<Calls>) {
    loop {
        match frame::read(&mut input) {
            Ok(Some(Request::Call { id, runs_long, bodies })) => {
                calls.start(RunningCall::new(id, runs_long, bodies));
            }
            Ok(Some(Request::Cancel { id })) => calls.cancel(id, abi::STOP),
            Ok(None) => return,
            // As good as the end, since what follows cannot be understood. The plugin has its hands on these pipes too.
            Err(error) => {
                let _ = writeln!(
                    io::stderr(),
                    "bunsui's plugin host does not understand what it is asked: {error}"
                );
                return;
            }
        }
    }
}

/// The way back to the runner; frames of different threads do not mix.
#[derive(Debug)]
pub(super) struct Output(Mutex<File>);

impl Output {
    /// Sends a frame. Where nobody listens the input ends too, and that is where it is noticed.
    pub(super) fn send(&self, reply: &Reply) {
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = frame::write(&mut *file, reply)
            && let Reply::Done { id, .. } = reply
        {
            // Too long, most likely; the call must not wait for ever.
            let answers = vec![super::frame::Answer::failed(error.to_string())];
            let _ = frame::write(&mut *file, &Reply::Done { id: *id, answers });
        }
    }
}
