//! A task on this machine.

use crate::{container, output, states};
use bunsui_plugin_sdk::process::{self, End, find_program, inherited_environment};
use bunsui_plugin_sdk::{Host, LocalTask, TaskFailure};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

/// Does what the state does: runs the task, or reads what it left.
pub(crate) fn run(task: &LocalTask, host: &Host<'_>) -> Result<Json, TaskFailure> {
    if let Some(result) = task.local("result") {
        return given(task, result);
    }
    if task.state == states::RESULT {
        return output::read(task);
    }
    let run = Run::of(task)?;
    if let Some(file) = &run.output {
        output::prepare(file)?;
    }
    let end = if let Some(image) = task.local("image").and_then(Json::as_str) {
        container::run(&run, image, task, host)?
    } else {
        let words =
            words(task.local("command")).ok_or_else(|| not_started("`local.command` is empty".to_owned()))?;
        let mut command = run.command(&words)?;
        process::run(&mut command, host)
            .map_err(|error| not_started(format!("`{}` cannot be started: {error}", words[0])))?
    };
    match end {
        End::Stopped => Err(TaskFailure::new("States.TaskFailed", "the task was stopped")),
        End::Exited { code: 0, .. } => Ok(run.description(0, None)),
        End::Exited { code, signal } => {
            let description = run.description(code, signal).to_string();
            Err(TaskFailure::new("States.TaskFailed", description))
        }
    }
}

pub(crate) fn not_started(why: String) -> TaskFailure {
    TaskFailure::new("ECS.TaskFailedToStart", why)
}

/// `local.result`: the operation does nothing here and gives this; where it has `result = true`, as its result.
fn given(task: &LocalTask, result: &Json) -> Result<Json, TaskFailure> {
    if task.state == states::RESULT {
        return Ok(json!({ "Body": result.to_string() }));
    }
    let run = Run::of(task)?;
    let mut description = run.description(0, None);
    for (key, name) in [("exit_code", "/Containers/0/ExitCode"), ("task_arn", "/TaskArn")] {
        if let (Some(value), Some(place)) = (result.get(key), description.pointer_mut(name)) {
            *place = value.clone();
        }
    }
    Ok(description)
}

/// What is the same for processes and containers.
pub(crate) struct Run<'a> {
    task: &'a LocalTask,
    name: String,
    /// The container's own environment, `local.environment` included, `BUNSUI_OUTPUT` not.
    pub(crate) environment: BTreeMap<String, String>,
    /// The file that `BUNSUI_OUTPUT` means.
    pub(crate) output: Option<PathBuf>,
}

impl<'a> Run<'a> {
    pub(crate) fn of(task: &'a LocalTask) -> Result<Self, TaskFailure> {
        let overrides = task.arguments.pointer("/Overrides/ContainerOverrides/0").unwrap_or(&Json::Null);
        let name = overrides.get("Name").and_then(Json::as_str).unwrap_or("main").to_owned();
        let mut environment = BTreeMap::new();
        for pair in overrides.get("Environment").and_then(Json::as_array).into_iter().flatten() {
            if let (Some(name), Some(value)) = (pair["Name"].as_str(), pair["Value"].as_str()) {
                environment.insert(name.to_owned(), value.to_owned());
            }
        }
        let output = match environment.remove("BUNSUI_OUTPUT") {
            Some(uri) if task.keys.get("result") == Some(&Json::Bool(true)) => {
                let file = output::file_of(&uri, &task.objects);
                Some(file.ok_or_else(|| not_started(format!("`{uri}` is not on this machine")))?)
            }
            Some(value) => {
                environment.insert("BUNSUI_OUTPUT".to_owned(), value);
                None
            }
            None => None,
        };
        for (name, value) in task.local("environment").and_then(Json::as_object).into_iter().flatten() {
            let value = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
            environment.insert(name.clone(), value);
        }
        let words = words(task.local("command")).into_iter().flatten();
        if let Some(word) = words.into_iter().find(|word| word.contains('\0')) {
            let word = word.replace('\0', "\\0");
            return Err(not_started(format!(
                "`{word}` of `local.command` holds a zero byte, which no command can"
            )));
        }
        if let Some((name, _)) = environment.iter().find(|(name, value)| !is_variable(name, value)) {
            return Err(not_started(format!(
                "`{}` cannot be an environment variable with that value",
                name.replace('\0', "\\0")
            )));
        }
        Ok(Self { task, name, environment, output })
    }

    /// The evaluated `command` of the operation.
    pub(crate) fn command_override(&self) -> Option<Vec<String>> {
        words(self.task.arguments.pointer("/Overrides/ContainerOverrides/0/Command"))
    }

    /// `words` as a command in the pipeline's folder, with the environment.
    fn command(&self, words: &[String]) -> Result<Command, TaskFailure> {
        let mut environment: BTreeMap<OsString, OsString> = inherited_environment().into_iter().collect();
        environment
            .extend(self.environment.iter().map(|(name, value)| (name.clone().into(), value.clone().into())));
        if let Some(file) = &self.output {
            environment.insert("BUNSUI_OUTPUT".into(), file.clone().into());
        }
        let path = environment.get(std::ffi::OsStr::new("PATH")).map(OsString::as_os_str);
        let program = find_program(&words[0], path, &self.task.directory)
            .ok_or_else(|| not_started(format!("command not found: `{}`", words[0])))?;
        let mut command = Command::new(program);
        command.args(&words[1..]).current_dir(&self.task.directory).env_clear().envs(environment);
        Ok(command)
    }

    /// What ECS would say of the task.
    fn description(&self, exit_code: i32, signal: Option<i32>) -> Json {
        let task = self.task;
        let mut container = json!({
            "Name": self.name, "ExitCode": exit_code, "LastStatus": "STOPPED",
        });
        if let Some(signal) = signal {
            container["Reason"] = format!("ended by signal {signal}").into();
        }
        json!({
            "TaskArn": format!(
                "arn:aws:ecs:local:000000000000:task/{}/{}-{}-{}-{}",
                task.arguments.get("Cluster").and_then(Json::as_str).unwrap_or("default"),
                task.session, task.job, task.attempt, task.operation,
            ),
            "TaskDefinitionArn": task.arguments.get("TaskDefinition").cloned().unwrap_or_default(),
            "LastStatus": "STOPPED",
            "StopCode": "EssentialContainerExited",
            "StoppedReason": "Essential container in task exited",
            "Containers": [container],
        })
    }
}

fn is_variable(name: &str, value: &str) -> bool {
    !name.is_empty() && !name.contains(['=', '\0']) && !value.contains('\0')
}

/// A list of texts that is not empty.
pub(crate) fn words(list: Option<&Json>) -> Option<Vec<String>> {
    let words: Vec<String> =
        list?.as_array()?.iter().map(|word| word.as_str().unwrap_or_default().to_owned()).collect();
    (!words.is_empty()).then_some(words)
}
