//! A stopped task, as DescribeTasks has it.
//!
//! Takes: the cause of a task that failed. Gives: which container failed how, or why none ran.
//! Deliberately does not: ask AWS; the cause is all that is known.

use super::reason::reason_of;
use bunsui_plugin_sdk::Explanation;
use bunsui_plugin_sdk::cause::Denied;
use serde_json::Value as Json;

/// What is said of one.
pub(super) struct Task<'a> {
    stop_code: &'a str,
    stopped_reason: &'a str,
    memory: Option<&'a str>,
    containers: Vec<Container<'a>>,
    /// The container that the operation is about, where its keys say that.
    own: Option<&'a str>,
}

struct Container<'a> {
    name: &'a str,
    image: Option<&'a str>,
    exit_code: Option<i64>,
    reason: &'a str,
}

impl<'a> Task<'a> {
    /// Reads one; none where the value is no task.
    pub(super) fn of(value: &'a Json, own: Option<&'a str>) -> Option<Self> {
        let text = |key| value.get(key).and_then(Json::as_str);
        let containers = value.get("Containers").and_then(Json::as_array);
        if containers.is_none() && text("StoppedReason").is_none() {
            return None;
        }
        Some(Self {
            stop_code: text("StopCode").unwrap_or_default(),
            stopped_reason: text("StoppedReason").unwrap_or_default(),
            memory: text("Memory"),
            containers: containers.into_iter().flatten().map(Container::of).collect(),
            own,
        })
    }

    /// None where nothing went wrong that is known.
    pub(super) fn explain(&self) -> Option<Explanation> {
        let explanation = self
            .taken_away()
            .or_else(|| self.out_of_memory())
            .or_else(|| self.not_started())
            .or_else(|| self.exited())
            .or_else(|| self.in_its_own_words())?;
        Some(Explanation { detail: self.detail(&explanation.summary), ..explanation })
    }

    /// Stopped by somebody, or with what it ran on: containers end too, but not of themselves.
    fn taken_away(&self) -> Option<Explanation> {
        let reason = self.stopped_reason;
        let (summary, help) = match self.stop_code {
            "UserInitiated" => ("somebody stopped the task", ""),
            "SpotInterruption" => (SPOT, SPOT_HELP),
            _ if reason.contains("Spot Task was interrupted") => (SPOT, SPOT_HELP),
            "TerminationNotice" => ("the instance that the task ran on was taken away", SPOT_HELP),
            "InfrastructureHealth" => ("what the task ran on became unhealthy", ""),
            "ServiceSchedulerInitiated" => ("a service of ECS stopped the task", ""),
            _ if reason.starts_with("Host EC2") => ("the instance that the task ran on was ended", ""),
            _ if reason.contains("infrastructure maintenance") || reason.contains("task retirement") => {
                ("AWS stopped the task to maintain what it ran on", "")
            }
            _ => return None,
        };
        Some(explanation(summary.to_owned(), Some(true), help))
    }

    fn out_of_memory(&self) -> Option<Explanation> {
        let killed = self.containers.iter().find(|container| container.reason.starts_with("OutOfMemory"));
        if killed.is_none() && !self.stopped_reason.starts_with("OutOfMemory") {
            return None;
        }
        let what = killed.map_or_else(|| "a container".to_owned(), Container::title);
        let had = self.memory.map(|memory| format!(" (the task had {memory} MiB)")).unwrap_or_default();
        let help = format!("give the operation more `memory`{had}, or let it do less at once");
        Some(explanation(format!("{what} was killed for using more memory than it may"), Some(false), &help))
    }

    /// What ECS says of a task that did not run, or of a container.
    fn not_started(&self) -> Option<Explanation> {
        let of_containers = self.containers.iter().map(|container| (container.reason, Some(container)));
        let of_task = [(self.stopped_reason, self.containers.first())];
        of_containers.chain(of_task).find_map(|(text, container)| {
            let known = reason_of(text);
            if let Some(denied) = Denied::of(text) {
                let help =
                    "allow it in the task's execution role: `execution_role`, or that of the task definition";
                let summary = format!("the task did not start: {denied}");
                return Some(explanation(summary, Some(false), help));
            }
            let known = known?;
            let image = container.and_then(|container| container.image);
            let image = image.map_or_else(|| "the image".to_owned(), |image| format!("image `{image}`"));
            let container = container.map_or_else(|| "the container".to_owned(), Container::title);
            let summary = known.summary.replace("{image}", &image).replace("{container}", &container);
            Some(Explanation { summary, recoverable: known.recoverable, help: known.help(), detail: None })
        })
    }

    fn exited(&self) -> Option<Explanation> {
        let failed = self.failed()?;
        let code = failed.exit_code?;
        let (meaning, recoverable, help) = match code {
            126 => (" (its command cannot be executed)", Some(false), "is the file executable?"),
            127 => (" (its command was not found)", Some(false), ""),
            137 => (
                " (killed, often for using more memory than it may)",
                None,
                "give the operation more `memory`, or let it do less at once",
            ),
            139 => (" (it crashed: SIGSEGV)", Some(false), ""),
            143 => (" (it was asked to end: SIGTERM)", Some(true), ""),
            _ => ("", None, ""),
        };
        let beside = match self.own {
            Some(own) if own != failed.name && self.containers.iter().any(|it| it.name == own) => {
                format!(", and ended container `{own}` with it")
            }
            _ => String::new(),
        };
        let summary = format!("container `{}` exited with code {code}{meaning}{beside}", failed.name);
        Some(explanation(summary, recoverable, help))
    }

    /// A container that is ended because another one failed has 137 or 143; it is not the one to blame.
    fn failed(&self) -> Option<&Container<'a>> {
        let failed =
            || self.containers.iter().filter(|container| container.exit_code.is_some_and(|code| code != 0));
        let of_itself = || failed().filter(|container| !matches!(container.exit_code, Some(137 | 143)));
        let is_own = |container: &&Container<'_>| self.own == Some(container.name);
        let found = of_itself().find(is_own).or_else(|| of_itself().next());
        found.or_else(|| failed().find(is_own)).or_else(|| failed().next())
    }

    fn in_its_own_words(&self) -> Option<Explanation> {
        let reasons = self.containers.iter().map(|container| container.reason).chain([self.stopped_reason]);
        let said = reasons.into_iter().find(|reason| !reason.is_empty())?;
        Some(explanation(said.to_owned(), None, ""))
    }

    /// Container and reason, a line each, but for what the summary says.
    fn detail(&self, summary: &str) -> Option<String> {
        let has_several = self.containers.len() > 1;
        let of_containers = self.containers.iter().filter_map(|container| {
            let name = container.title();
            match (has_several, container.exit_code, container.reason) {
                (_, _, reason) if reason == summary => None,
                (false, _, "") | (true, None, "") => None,
                (false, _, reason) => Some(reason.to_owned()),
                (true, Some(code), "") => Some(format!("{name}: exit code {code}")),
                (true, Some(code), reason) => Some(format!("{name}: exit code {code}, {reason}")),
                (true, None, reason) => Some(format!("{name}: {reason}")),
            }
        });
        let stopped = self.stopped_reason;
        let is_said = stopped.is_empty() || stopped == summary || stopped.starts_with("Essential container");
        let mut lines: Vec<String> = of_containers.collect();
        lines.extend((!is_said).then(|| stopped.to_owned()));
        lines.dedup();
        (!lines.is_empty()).then(|| lines.join("\n"))
    }
}

const SPOT: &str = "the task was interrupted: its Spot capacity was taken back";
const SPOT_HELP: &str = "give the operation a `retry`, or run it on capacity that stays (`FARGATE`)";

impl<'a> Container<'a> {
    fn of(value: &'a Json) -> Self {
        let text = |key| value.get(key).and_then(Json::as_str);
        Self {
            name: text("Name").unwrap_or("?"),
            image: text("Image"),
            exit_code: value.get("ExitCode").and_then(Json::as_i64),
            reason: text("Reason").unwrap_or_default(),
        }
    }

    fn title(&self) -> String {
        format!("container `{}`", self.name)
    }
}

fn explanation(summary: String, recoverable: Option<bool>, help: &str) -> Explanation {
    let help = (!help.is_empty()).then(|| help.to_owned());
    Explanation { summary, detail: None, recoverable, help }
}
