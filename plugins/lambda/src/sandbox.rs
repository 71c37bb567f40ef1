//! One function's process and its Runtime API: started once, invoked many times, one invocation at a time.

use crate::api::{Answer, Invocation, RuntimeApi};
use crate::program::{Program, invalid_entrypoint};
use bunsui_plugin_sdk::process::{Lines, inherited_environment};
use bunsui_plugin_sdk::{Host, Level, LocalTask, TaskFailure};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use serde_json::{Map, Value as Json};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::net::unix::pipe;
use tokio::process::{Child, Command};

/// A warm process. Its whole process group ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Sandbox {
    api: RuntimeApi,
    child: Child,
    group: Option<Pid>,
    outputs: [Output; 2],
}

/// How long what a process sent before it ended may take to be read; a process of its own that holds the connection open
/// keeps nobody longer.
const LAST_BREATH: Duration = Duration::from_secs(2);

/// How an invocation ended.
#[derive(Debug)]
pub(crate) enum Ending {
    /// With an answer; the process is warm.
    Answered(Answer),
    /// The process ended before it answered.
    Exited(ExitStatus),
    /// The process ended before it took the event.
    Gone(ExitStatus),
    /// Its time was up.
    TimedOut,
    /// It was stopped.
    Stopped,
}

impl Sandbox {
    /// Starts a function's process.
    pub(crate) async fn start(task: &LocalTask, function: &Function) -> Result<Self, TaskFailure> {
        let api = RuntimeApi::listen()
            .await
            .map_err(|error| invalid_entrypoint(&format!("no port is free for the Runtime API: {error}")))?;
        let mut environment = environment(task, function, &api);
        let path = environment.get(OsStr::new("PATH")).map(OsString::as_os_str);
        let program = Program::of(task, path)?;
        environment.insert("_HANDLER".into(), program.handler.clone().into());
        if let Some(name) = unusable(&environment) {
            return Err(invalid_entrypoint(&format!(
                "`{name}` cannot be an environment variable with that value"
            )));
        }
        let mut command = Command::new(&program.file);
        command.args(&program.arguments).current_dir(&task.directory).env_clear().envs(environment);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.process_group(0).kill_on_drop(true);
        let failed = |error: std::io::Error| {
            invalid_entrypoint(&format!("`{}` cannot be started: {error}", program.file.display()))
        };
        let mut child = command.spawn().map_err(failed)?;
        let group = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        let stdout = child.stdout.take().map(tokio::process::ChildStdout::into_owned_fd);
        let stderr = child.stderr.take().map(tokio::process::ChildStderr::into_owned_fd);
        let outputs =
            [Output::new(stdout, "stdout").map_err(failed)?, Output::new(stderr, "stderr").map_err(failed)?];
        Ok(Self { api, child, group, outputs })
    }

    /// Whether the process is still there.
    pub(crate) fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Gives the process an event and stays with it until it answers, ends, or must.
    pub(crate) async fn invoke(
        &mut self,
        invocation: Invocation,
        time: Duration,
        host: &Host<'_>,
        stopped: impl Future<Output = ()>,
    ) -> Ending {
        let mut answer = self.api.offer(invocation);
        let deadline = tokio::time::sleep(time);
        tokio::pin!(deadline, stopped);
        let [stdout, stderr] = &mut self.outputs;
        let ending = loop {
            tokio::select! {
                answered = &mut answer => match answered {
                    Ok(answer) => break Ending::Answered(answer),
                    // Not dropped without an answer while this runs; if it were, the process is of no use.
                    Err(_) => break Ending::Stopped,
                },
                status = self.child.wait() => {
                    // It may have answered with its last breath: what it sent is on its way.
                    let _ = tokio::time::timeout(LAST_BREATH, self.api.drained()).await;
                    break match (answer.try_recv(), status) {
                        (Ok(answer), _) => Ending::Answered(answer),
                        (Err(_), Ok(status)) if self.api.is_untouched() => Ending::Gone(status),
                        (Err(_), Ok(status)) => Ending::Exited(status),
                        (Err(_), Err(_)) => Ending::Stopped,
                    };
                }
                () = &mut deadline => break Ending::TimedOut,
                () = &mut stopped => break Ending::Stopped,
                () = stdout.ready(), if stdout.pipe.is_some() => stdout.read(host),
                () = stderr.ready(), if stderr.pipe.is_some() => stderr.read(host),
            }
        };
        // What it wrote before it answered is in the pipes by now.
        self.outputs.iter_mut().for_each(|output| output.finish(host));
        ending
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        if let Some(group) = self.group {
            let _ = kill_process_group(group, Signal::KILL);
            // What lost its parent is a child of this process now and must not stay as a zombie. Waiting for it may take a
            // moment, and nobody waits for that.
            let reap =
                move || while let Ok(Some(_)) = waitid(WaitId::Pgid(Some(group)), WaitIdOptions::EXITED) {};
            let _ = std::thread::Builder::new().spawn(reap);
        }
    }
}

/// What the environment says of a function.
#[derive(Debug)]
pub(crate) struct Function {
    /// Its bare name.
    pub(crate) name: String,
    /// Version or alias.
    pub(crate) version: String,
    /// Its ARN, or one made up.
    pub(crate) arn: String,
}

/// "Defined runtime environment variables" in the Lambda guide, over what a process here needs, under `local.environment`.
fn environment(task: &LocalTask, function: &Function, api: &RuntimeApi) -> BTreeMap<OsString, OsString> {
    let mut environment: BTreeMap<OsString, OsString> = inherited_environment().into_iter().collect();
    let region = ["AWS_REGION", "AWS_DEFAULT_REGION"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok())
        .unwrap_or_else(|| "us-east-1".to_owned());
    let log_stream = format!("{}/[{}]{}", task.session, function.version, task.job);
    let defined = [
        ("AWS_LAMBDA_RUNTIME_API", api.address().to_string()),
        ("AWS_LAMBDA_FUNCTION_NAME", function.name.clone()),
        ("AWS_LAMBDA_FUNCTION_VERSION", function.version.clone()),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "1769".to_owned()),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand".to_owned()),
        ("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{}", function.name)),
        ("AWS_LAMBDA_LOG_STREAM_NAME", log_stream),
        ("AWS_REGION", region.clone()),
        ("AWS_DEFAULT_REGION", region),
        ("TZ", ":UTC".to_owned()),
        // Lines appear when they are printed, from a bootstrap's Python too.
        ("PYTHONUNBUFFERED", "1".to_owned()),
    ];
    environment.extend(defined.map(|(name, value)| (name.into(), value.into())));
    environment.insert("LAMBDA_TASK_ROOT".into(), task.directory.clone().into());
    for (name, value) in task.local("environment").and_then(Json::as_object).into_iter().flatten() {
        let value = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
        environment.insert(name.clone().into(), value.into());
    }
    environment
}

/// The first variable that no process can be given.
fn unusable(environment: &BTreeMap<OsString, OsString>) -> Option<String> {
    let is_usable = |(name, value): &(&OsString, &OsString)| {
        let (name, value) = (name.as_encoded_bytes(), value.as_encoded_bytes());
        !name.is_empty() && !name.iter().any(|byte| matches!(byte, b'=' | 0)) && !value.contains(&0)
    };
    let (name, _) = environment.iter().find(|variable| !is_usable(variable))?;
    Some(name.to_string_lossy().replace('\0', "\\0"))
}

/// One output of the process.
#[derive(Debug)]
struct Output {
    /// None once it ended.
    pipe: Option<pipe::Receiver>,
    lines: Lines,
    fields: Map<String, Json>,
}

impl Output {
    fn new(fd: std::option::Option<std::io::Result<OwnedFd>>, name: &str) -> std::io::Result<Self> {
        let pipe = fd.transpose()?.map(pipe::Receiver::from_owned_fd).transpose()?;
        let fields = Map::from_iter([("stream".to_owned(), Json::from(name))]);
        Ok(Self { pipe, lines: Lines::default(), fields })
    }

    async fn ready(&self) {
        match &self.pipe {
            Some(pipe) => drop(pipe.readable().await),
            None => std::future::pending().await,
        }
    }

    fn read(&mut self, host: &Host<'_>) {
        let mut piece = [0; 64 * 1024];
        // At most a few pieces: others wait too.
        for _ in 0..8 {
            let Some(pipe) = &self.pipe else { return };
            match pipe.try_read(&mut piece) {
                Ok(length) if length > 0 => {
                    let fields = &self.fields;
                    self.lines.push(&piece[..length], |line| host.log(Level::Info, line, fields));
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return,
                Ok(_) | Err(_) => self.pipe = None,
            }
        }
    }

    fn finish(&mut self, host: &Host<'_>) {
        // A pipe holds a mebibyte at most; who writes for ever does not keep an answer back.
        for _ in 0..4 {
            self.read(host);
        }
        let fields = &self.fields;
        self.lines.finish(|line| host.log(Level::Info, line, fields));
    }
}
