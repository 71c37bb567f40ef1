//! The runner's side of a plugin host: starts the process, sends calls, hears answers, notices its death.
//!
//! A thread reads what the host says, another writes what does not fit into the pipe at once, so neither a slow nor a stuck host
//! stops who calls. Works with and without a runtime.

use super::catalogue::LogLine;
use super::frame::{self, Answer, Reply, Request};
use super::library::{Declaration, LoadError};
use super::life::Life;
use super::processes;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pipe::PIPE_BUF;
use serde_json::value::RawValue;
use std::collections::{HashMap, VecDeque};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

/// What a plugin may take to say what it is, or to answer anything that is not a local run.
pub(super) const DEADLINE: Duration = Duration::from_secs(10);

/// Requests that are sent as one call.
const REQUESTS_OF_A_CALL: usize = 500;

/// Lines of a host's standard error that are kept for the report of its death.
const LAST_WORDS: usize = 8;

/// A longer line of a host's standard error is heard as several.
const LINE_LIMIT: u64 = 16 * 1024;

/// A running plugin host.
#[derive(Debug)]
pub(super) struct HostProcess {
    life: Arc<Life>,
    deadline: Duration,
    shared: Arc<Shared>,
    next_call: AtomicU64,
    reader: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Shared {
    calls: Mutex<PendingCalls>,
    /// Something is asked of the host, or it has ended.
    changed: Condvar,
    last_words: Mutex<VecDeque<String>>,
}

#[derive(Debug, Default)]
struct PendingCalls {
    pending: HashMap<u64, Pending>,
    /// None: the host is told to leave.
    requests: Option<Requests>,
    ended: Option<Ended>,
    /// It has said what it is, or that it is nothing.
    has_begun: bool,
    /// A call did not answer in time: it is kept until the other calls have ended.
    is_given_up: bool,
}

/// How a host died.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ended {
    /// `was ended by signal 11 (SIGSEGV)`, `left with exit code 3`.
    pub(super) how: String,
    /// The last lines of its standard error.
    pub(super) last_words: String,
}

impl std::fmt::Display for Ended {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.how)?;
        if !self.last_words.is_empty() {
            write!(formatter, "; its last words:\n{}", self.last_words)?;
        }
        Ok(())
    }
}

type Answered = Result<Vec<Answer>, CallError>;

/// Why a call has no answer.
#[derive(Debug, Clone)]
pub(super) enum CallError {
    /// The host died.
    Ended(Ended),
    /// The request cannot be sent.
    NotSent(String),
    /// No answer in time.
    Late(Duration),
}

impl std::fmt::Display for CallError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Ended(ended) => write!(formatter, "its host process {ended}"),
            Self::NotSent(why) => formatter.write_str(why),
            Self::Late(deadline) => write!(formatter, "no answer within {} seconds", deadline.as_secs()),
        }
    }
}

struct Pending {
    log: Option<tokio::sync::mpsc::Sender<LogLine>>,
    done: Box<dyn FnOnce(Answered) + Send>,
}

impl std::fmt::Debug for Pending {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Pending")
    }
}

impl Shared {
    fn calls(&self) -> MutexGuard<'_, PendingCalls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the host has something to do; false: it has ended.
    fn is_busy(&self) -> bool {
        let idle = |calls: &mut PendingCalls| {
            calls.has_begun && calls.pending.is_empty() && !calls.is_given_up && calls.ended.is_none()
        };
        let calls = self.changed.wait_while(self.calls(), idle).unwrap_or_else(PoisonError::into_inner);
        calls.ended.is_none()
    }
}

/// How hosts are started.
#[derive(Debug, Clone)]
pub(super) struct Starter {
    /// Started as `<executable> __plugin-host LIBRARY`.
    pub(super) executable: PathBuf,
    /// What a plugin may take for anything that is not a local run.
    pub(super) deadline: Duration,
    /// How many bytes of memory a host may have; none: as many as there are.
    pub(super) memory_limit: Option<u64>,
}

impl Starter {
    /// Starts a host and waits until it has said what its library is.
    pub(super) fn start(&self, library: &Path) -> Result<(HostProcess, Declaration), LoadError> {
        let Self { executable, deadline, memory_limit } = self;
        let mut command = Command::new(executable);
        command.arg("__plugin-host").arg(library);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = processes::start_host(&mut command)
            .map_err(|error| LoadError::NoHost(format!("`{}`: {error}", executable.display())))?;
        let (Some(input), Some(output), Some(talk)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(LoadError::NoHost("it has no pipes".to_owned()));
        };
        let calls = PendingCalls { requests: Some(Requests::new(input)), ..PendingCalls::default() };
        let shared = Arc::new(Shared {
            calls: Mutex::new(calls),
            changed: Condvar::new(),
            last_words: Mutex::default(),
        });
        let (ready, first) = mpsc::channel();
        let (life, status) = Life::watch(child);
        if let Some(limit) = *memory_limit {
            let watched = Arc::clone(&shared);
            life.limit_memory(limit, move || watched.is_busy());
        }
        let hearing = Arc::clone(&shared);
        let (said_all, talk_ended) = mpsc::channel::<()>();
        std::thread::spawn(move || {
            hear_talk(talk, &hearing);
            drop(said_all);
        });
        let reading = Arc::clone(&shared);
        let process = Process { life: Arc::clone(&life), status, talk_ended };
        let reader = std::thread::spawn(move || read_replies(&process, output, &reading, &ready));
        let reader = Mutex::new(Some(reader));
        let host = HostProcess { life, shared, deadline: *deadline, next_call: AtomicU64::new(1), reader };
        match first.recv_timeout(*deadline) {
            Ok(Ok(declaration)) => Ok((host, declaration)),
            Ok(Err(error)) => Err(error),
            Err(mpsc::RecvTimeoutError::Timeout) => {
                host.kill();
                Err(LoadError::Hung(deadline.as_secs()))
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                let ended = host.shared.calls().ended.clone();
                Err(LoadError::Crashed(ended.map_or_else(String::new, |ended| ended.to_string())))
            }
        }
    }
}

impl HostProcess {
    /// Whether calls can be sent.
    pub(super) fn is_usable(&self) -> bool {
        let calls = self.shared.calls();
        calls.ended.is_none() && !calls.is_given_up
    }

    /// Sends requests as one call; `done` hears the answers, on another thread. Gives the call's number.
    fn send(
        &self,
        bodies: Vec<Box<RawValue>>,
        log: Option<tokio::sync::mpsc::Sender<LogLine>>,
        done: impl FnOnce(Answered) + Send + 'static,
    ) -> u64 {
        let id = self.next_call.fetch_add(1, Ordering::Relaxed);
        let bytes = match frame::encode(&Request::Call { id, runs_long: log.is_some(), bodies }) {
            Ok(bytes) => bytes,
            Err(error) => {
                done(Err(CallError::NotSent(error.to_string())));
                return id;
            }
        };
        let mut calls = self.shared.calls();
        if let Some(ended) = calls.ended.clone() {
            drop(calls);
            done(Err(CallError::Ended(ended)));
            return id;
        }
        calls.pending.insert(id, Pending { log, done: Box::new(done) });
        self.shared.changed.notify_all();
        if let Some(requests) = &calls.requests {
            requests.send(bytes);
        }
        id
    }

    /// Sends requests and waits for their answers. Many are sent as several calls: the host begins with the first, on as
    /// many threads as there are calls, while the last is still being written.
    pub(super) fn ask(&self, bodies: Vec<Box<RawValue>>) -> Answered {
        let deadline = self.deadline_of(bodies.len());
        let mut answers = Vec::with_capacity(bodies.len());
        let mut bodies = bodies.into_iter();
        let mut calls = Vec::new();
        while bodies.len() > 0 {
            let (answered, hears) = mpsc::channel();
            let id = self.send(bodies.by_ref().take(REQUESTS_OF_A_CALL).collect(), None, move |answer| {
                let _ = answered.send(answer);
            });
            calls.push((id, hears));
        }
        for (at, (_, hears)) in calls.iter().enumerate() {
            match hears.recv_timeout(deadline) {
                Ok(answered) => answers.extend(answered?),
                Err(_) => {
                    calls[at..].iter().for_each(|(id, _)| self.give_up(*id));
                    return Err(CallError::Late(deadline));
                }
            }
        }
        Ok(answers)
    }

    /// Sends requests and waits for their answers, on a runtime.
    pub(super) async fn ask_async(&self, bodies: Vec<Box<RawValue>>) -> Answered {
        let deadline = self.deadline_of(bodies.len());
        let mut call = self.start_call(bodies, None);
        match tokio::time::timeout(deadline, call.answered()).await {
            Ok(answered) => answered,
            Err(_) => {
                self.give_up(call.id);
                Err(CallError::Late(deadline))
            }
        }
    }

    /// Sends requests; with `log`, the call may take as long as it likes.
    pub(super) fn start_call(
        &self,
        bodies: Vec<Box<RawValue>>,
        log: Option<tokio::sync::mpsc::Sender<LogLine>>,
    ) -> Call<'_> {
        let (answered, answers) = tokio::sync::oneshot::channel();
        let id = self.send(bodies, log, move |answer| {
            let _ = answered.send(answer);
        });
        Call { host: self, id, answers, is_answered: false }
    }

    /// One more second for each thousand requests.
    fn deadline_of(&self, requests: usize) -> Duration {
        self.deadline + Duration::from_millis(requests as u64)
    }

    fn cancel(&self, id: u64) {
        if let Ok(bytes) = frame::encode(&Request::Cancel { id })
            && let Some(requests) = &self.shared.calls().requests
        {
            requests.send(bytes);
        }
    }

    /// Forgets a call that does not answer. The host takes no new ones, and is ended when the others have ended.
    pub(super) fn give_up(&self, id: u64) {
        let mut calls = self.shared.calls();
        calls.pending.remove(&id);
        calls.is_given_up = true;
        calls.leave_if_done();
        self.shared.changed.notify_all();
    }

    /// Ends the host at once.
    pub(super) fn kill(&self) {
        self.life.kill(None);
    }
}

impl PendingCalls {
    /// Closes the host's input: it ends what runs in it, the stuck call too, and leaves.
    fn leave_if_done(&mut self) {
        if self.is_given_up && self.pending.is_empty() {
            self.requests = None;
        }
    }
}

impl Drop for HostProcess {
    /// Tells the host to leave and waits until it, and all it had started, is gone.
    fn drop(&mut self) {
        self.shared.calls().requests = None;
        let reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(reader) = reader else { return };
        let (gone, waiting) = mpsc::channel();
        std::thread::spawn(move || {
            let _ = reader.join();
            let _ = gone.send(());
        });
        if waiting.recv_timeout(Duration::from_secs(4)).is_err() {
            self.kill();
            let _ = waiting.recv_timeout(Duration::from_secs(2));
        }
    }
}

/// A call in progress. Dropped before it is answered, it is cancelled.
#[derive(Debug)]
pub(super) struct Call<'a> {
    host: &'a HostProcess,
    id: u64,
    answers: tokio::sync::oneshot::Receiver<Answered>,
    is_answered: bool,
}

impl Call<'_> {
    /// Waits for the answers.
    pub(super) async fn answered(&mut self) -> Answered {
        let answered = (&mut self.answers).await;
        self.is_answered = true;
        // The other end is only dropped by an answer or by giving up.
        answered.unwrap_or(Err(CallError::Late(DEADLINE)))
    }

    /// Asks it to end.
    pub(super) fn cancel(&self) {
        self.host.cancel(self.id);
    }

    /// Forgets it.
    pub(super) fn give_up(mut self) {
        self.is_answered = true;
        self.host.give_up(self.id);
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        if !self.is_answered {
            self.host.cancel(self.id);
        }
    }
}

/// The way to a host's input. Used by one at a time: it stands behind the lock of the calls.
#[derive(Debug)]
struct Requests {
    input: Arc<ChildStdin>,
    queue: mpsc::Sender<Vec<u8>>,
    /// What the thread that empties the queue has not written yet.
    queued: Arc<AtomicUsize>,
}

impl Requests {
    fn new(input: ChildStdin) -> Self {
        let (queue, to_write) = mpsc::channel::<Vec<u8>>();
        let requests = Self { input: Arc::new(input), queue, queued: Arc::default() };
        let (input, queued) = (Arc::clone(&requests.input), Arc::clone(&requests.queued));
        std::thread::spawn(move || {
            for bytes in to_write {
                if (&*input).write_all(&bytes).is_err() {
                    return;
                }
                queued.fetch_sub(1, Ordering::Release);
            }
        });
        requests
    }

    /// Sends without waiting. Fails only once the host is dead, and its end answers the call.
    fn send(&self, bytes: Vec<u8>) {
        if bytes.len() <= PIPE_BUF && self.queued.load(Ordering::Acquire) == 0 && self.has_room() {
            let _ = (&*self.input).write_all(&bytes);
        } else {
            self.queued.fetch_add(1, Ordering::Relaxed);
            let _ = self.queue.send(bytes);
        }
    }

    /// Whether so many bytes as the system writes in one piece can be written without waiting.
    fn has_room(&self) -> bool {
        let mut pipe = [PollFd::new(&*self.input, PollFlags::OUT)];
        matches!(poll(&mut pipe, Some(&Timespec::default())), Ok(1)) && pipe[0].revents() == PollFlags::OUT
    }
}

fn hear_talk(talk: impl std::io::Read, shared: &Shared) {
    let mut talk = BufReader::new(talk);
    let mut line = Vec::new();
    // A line without an end must not grow without one.
    while matches!((&mut talk).take(LINE_LIMIT).read_until(b'\n', &mut line), Ok(count) if count > 0) {
        let text = String::from_utf8_lossy(&line).trim_end().to_owned();
        tracing::debug!(target: "bunsui::plugin", "{text}");
        let mut last_words = shared.last_words.lock().unwrap_or_else(PoisonError::into_inner);
        if last_words.len() == LAST_WORDS {
            last_words.pop_front();
        }
        last_words.push_back(text);
        line.clear();
    }
}

/// What a reader of a host needs besides what it reads.
struct Process {
    life: Arc<Life>,
    status: mpsc::Receiver<std::io::Result<ExitStatus>>,
    talk_ended: mpsc::Receiver<()>,
}

fn read_replies(
    process: &Process,
    output: ChildStdout,
    shared: &Shared,
    ready: &mpsc::Sender<Result<Declaration, LoadError>>,
) {
    let mut end =
        EndOfHost { shared, ended: Ended { how: "is not heard any more".into(), last_words: String::new() } };
    let mut output = BufReader::with_capacity(64 * 1024, output);
    let unheard = loop {
        match frame::read::<Reply>(&mut output) {
            Ok(Some(reply)) => hear(reply, shared, ready),
            Ok(None) => break "was ended: it had closed its way to bunsui",
            // Nothing after it can be understood either.
            Err(_) => break "was ended: what it said was not of bunsui",
        }
    };
    let how = process.life.end(&process.status, unheard);
    // Everyone who could still write to it should be gone.
    let _ = process.talk_ended.recv_timeout(Duration::from_millis(500));
    let last_words = shared.last_words.lock().unwrap_or_else(PoisonError::into_inner);
    let last_words = last_words.iter().cloned().collect::<Vec<_>>().join("\n");
    end.ended = Ended { how, last_words };
}

fn hear(reply: Reply, shared: &Shared, ready: &mpsc::Sender<Result<Declaration, LoadError>>) {
    let begun = |told| {
        shared.calls().has_begun = true;
        drop(ready.send(told));
    };
    match reply {
        Reply::Ready(declaration) => begun(Ok(declaration)),
        Reply::Refused(error) => begun(Err(error)),
        Reply::Log { id, level, message, fields } => {
            let log = shared.calls().pending.get(&id).and_then(|pending| pending.log.clone());
            // Who says more than is written waits until it is: a flood costs the plugin its time, and nobody memory.
            if let Some(log) = log {
                let _ = log.blocking_send(LogLine { level, message, fields });
            }
        }
        Reply::Done { id, answers } => {
            let mut calls = shared.calls();
            let pending = calls.pending.remove(&id);
            calls.leave_if_done();
            drop(calls);
            if let Some(pending) = pending {
                (pending.done)(Ok(answers));
            }
        }
    }
}

/// Answers what a host has left unanswered - also if its reader panics, for nobody else would: callers wait for ever.
struct EndOfHost<'a> {
    shared: &'a Shared,
    ended: Ended,
}

impl Drop for EndOfHost<'_> {
    fn drop(&mut self) {
        let mut calls = self.shared.calls();
        calls.ended = Some(self.ended.clone());
        calls.requests = None;
        let pending = std::mem::take(&mut calls.pending);
        drop(calls);
        self.shared.changed.notify_all();
        for (_, pending) in pending {
            (pending.done)(Err(CallError::Ended(self.ended.clone())));
        }
    }
}
