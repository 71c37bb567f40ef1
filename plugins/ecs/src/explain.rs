//! What an error of a task means.

use bunsui_plugin_sdk::Explanation;
use serde_json::Value as Json;

pub(crate) fn explain(error: &str, cause: &str) -> Option<Explanation> {
    if error == "ECS.TaskFailedToStart" {
        return Some(not_started(cause));
    }
    if error.starts_with("S3.NoSuchKey")
        || error == "States.QueryEvaluationError" && cause.contains("$BUNSUI_OUTPUT")
    {
        return Some(Explanation {
            summary: cause.to_owned(),
            recoverable: Some(false),
            help: Some(
                "write JSON to the file that $BUNSUI_OUTPUT names, or remove `result = true`".to_owned(),
            ),
            ..Explanation::default()
        });
    }
    let task: Json = serde_json::from_str(cause).ok()?;
    explain_task(&task)
}

fn not_started(cause: &str) -> Explanation {
    let help = if cause.starts_with("command not found") {
        Some(
            "a name is looked for in the PATH, a path with a `/` starts at the pipeline file's folder"
                .to_owned(),
        )
    } else if cause.contains("needs Docker or Podman") {
        Some("install one of them, or give `local` a `command` instead of an `image`".to_owned())
    } else {
        None
    };
    Explanation { summary: cause.to_owned(), recoverable: Some(false), help, ..Explanation::default() }
}

/// A task, as DescribeTasks has it.
fn explain_task(task: &Json) -> Option<Explanation> {
    let text = |value: &Json, key: &str| value.get(key).and_then(Json::as_str).map(ToOwned::to_owned);
    let containers = task.get("Containers")?.as_array()?;
    let failed =
        containers.iter().find(|container| container["ExitCode"].as_i64().is_some_and(|code| code != 0));
    let reason = text(task, "StoppedReason");
    let Some(failed) = failed else {
        let summary = containers.iter().find_map(|container| text(container, "Reason")).or(reason)?;
        return Some(Explanation { summary, ..Explanation::default() });
    };
    let name = text(failed, "Name").unwrap_or_else(|| "?".to_owned());
    let code = failed["ExitCode"].as_i64().unwrap_or_default();
    let (meaning, recoverable, help) = match code {
        126 => (" (its command cannot be executed)", Some(false), Some("is the file executable?")),
        127 => (" (its command was not found)", Some(false), None),
        137 => (
            " (killed, often for using more memory than it may)",
            None,
            Some("give the operation more `memory`, or let it do less at once"),
        ),
        139 => (" (it crashed: SIGSEGV)", Some(false), None),
        143 => (" (it was asked to end: SIGTERM)", Some(true), None),
        _ => ("", None, None),
    };
    Some(Explanation {
        summary: format!("container `{name}` exited with code {code}{meaning}"),
        detail: text(failed, "Reason")
            .or_else(|| reason.filter(|reason| !reason.starts_with("Essential container"))),
        recoverable,
        help: help.map(ToOwned::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(error: &str, cause: &str, summary: Option<&str>) {
        assert_eq!(explain(error, cause).map(|explanation| explanation.summary).as_deref(), summary);
    }

    #[test]
    fn an_exit_code_is_said_with_its_container() {
        let cause = r#"{"Containers": [{"Name": "side", "ExitCode": 0}, {"Name": "main", "ExitCode": 3}]}"#;
        check("States.TaskFailed", cause, Some("container `main` exited with code 3"));
        let cause = r#"{"Containers": [{"Name": "main", "ExitCode": 127}]}"#;
        check(
            "States.TaskFailed",
            cause,
            Some("container `main` exited with code 127 (its command was not found)"),
        );
    }

    #[test]
    fn a_task_that_never_ran_says_the_services_reason() {
        let cause =
            r#"{"StoppedReason": "CannotPullContainerError: not found", "Containers": [{"Name": "main"}]}"#;
        check("States.TaskFailed", cause, Some("CannotPullContainerError: not found"));
        check("ECS.TaskFailedToStart", "command not found: `nope`", Some("command not found: `nope`"));
        check("States.Timeout", "no JSON", None);
    }
}
