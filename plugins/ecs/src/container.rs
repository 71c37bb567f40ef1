//! `local.image`: a container by Docker or Podman, only where asked for.

use crate::local::{Run, not_started, words};
use bunsui_plugin_sdk::process::{self, End, find_program, inherited_environment};
use bunsui_plugin_sdk::{Host, LocalTask, TaskFailure};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// Where the folder of the result is inside the container.
const OUTPUT_FOLDER: &str = "/bunsui-output";

/// What `docker run` and `podman run` leave with when they themselves failed, not the container.
const OWN_FAILURE: i32 = 125;

pub(crate) fn run(run: &Run<'_>, image: &str, task: &LocalTask, host: &Host<'_>) -> Result<End, TaskFailure> {
    static STARTED: AtomicU32 = AtomicU32::new(0);
    let path = std::env::var_os("PATH");
    let engine = ["docker", "podman"]
        .into_iter()
        .find_map(|program| find_program(program, path.as_deref(), Path::new("/")))
        .ok_or_else(|| {
            not_started(format!("image `{image}` needs Docker or Podman, and neither is on the PATH"))
        })?;
    let name = format!("bunsui-{}-{}", std::process::id(), STARTED.fetch_add(1, Ordering::Relaxed));
    let mut command = Command::new(&engine);
    command.env_clear().envs(inherited_environment()).current_dir(&task.directory);
    command.args(arguments(run, image, &name, task));
    let end = process::run(&mut command, host)
        .map_err(|error| not_started(format!("`{}` cannot be started: {error}", engine.display())))?;
    match end {
        // Ending the program that started it does not end a container.
        End::Stopped => remove(&engine, &name),
        End::Exited { code: OWN_FAILURE, .. } => {
            let engine = engine.display();
            return Err(not_started(format!(
                "`{engine} run` could not run image `{image}`; its lines say why"
            )));
        }
        End::Exited { .. } => {}
    }
    Ok(end)
}

fn arguments(run: &Run<'_>, image: &str, name: &str, task: &LocalTask) -> Vec<String> {
    let mut arguments: Vec<String> = ["run", "--rm", "--init", "--name", name].map(ToOwned::to_owned).into();
    let mut set = |variable: &str, value: &str| {
        // By argument, not by environment: the engine's own variables are not the container's.
        arguments.extend(["--env".to_owned(), format!("{variable}={value}")]);
    };
    for (variable, value) in &run.environment {
        set(variable, value);
    }
    if let Some(file) = &run.output
        && let (Some(folder), Some(file)) = (file.parent(), file.file_name().and_then(|name| name.to_str()))
    {
        set("BUNSUI_OUTPUT", &format!("{OUTPUT_FOLDER}/{file}"));
        arguments.extend(["--volume".to_owned(), format!("{}:{OUTPUT_FOLDER}", folder.display())]);
    }
    arguments.push(image.to_owned());
    arguments.extend(words(task.local("command")).or_else(|| run.command_override()).unwrap_or_default());
    arguments
}

fn remove(engine: &Path, name: &str) {
    let mut command = Command::new(engine);
    command.args(["rm", "--force", name]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let _ = command.status();
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value as Json, json};

    #[track_caller]
    fn check(local: Json, expected: &[&str]) {
        let task: LocalTask = serde_json::from_value(json!({
            "keys": { "result": true, "local": local },
            "state": "task",
            "arguments": { "Overrides": { "ContainerOverrides": [{
                "Name": "main",
                "Command": ["from", "aws"],
                "Environment": [
                    { "Name": "A", "Value": "1 2" },
                    { "Name": "BUNSUI_OUTPUT", "Value": "s3://local/outputs/s/j.1/op.json" },
                ],
            }] } },
            "directory": "/p", "objects": "/o", "session": "s", "job": "j", "operation": "op",
            "attempt": 1, "try_number": 1,
        }))
        .unwrap();
        let run = Run::of(&task).unwrap();
        assert_eq!(arguments(&run, "alpine:3", "name", &task), expected);
    }

    #[test]
    fn the_container_has_the_tasks_environment_result_and_command() {
        let before = [
            "run",
            "--rm",
            "--init",
            "--name",
            "name",
            "--env",
            "A=1 2",
            "--env",
            "BUNSUI_OUTPUT=/bunsui-output/op.json",
            "--volume",
            "/o/outputs/s/j.1:/bunsui-output",
            "alpine:3",
        ];
        check(json!({ "image": "alpine:3" }), &[&before[..], &["from", "aws"]].concat());
        check(json!({ "image": "alpine:3", "command": ["here"] }), &[&before[..], &["here"]].concat());
    }
}
