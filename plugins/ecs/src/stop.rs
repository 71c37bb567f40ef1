//! Ends the task of an execution that was stopped.
//!
//! Takes: what was submitted. Gives: what was ended, what may still run.
//! Deliberately does not: end a task that it cannot tell to be this execution's: all that Step Functions starts looks the same.

use crate::known;
use crate::submitted::Submitted;
use aws_sdk_ecs::Client;
use bunsui_plugin_sdk::aws::{Refusal, block_on, configuration};
use bunsui_plugin_sdk::{PluginError, StopReport, StopRequest};
use serde_json::Value as Json;
use std::time::Duration;

/// What Step Functions gives as `startedBy` of each task.
const STARTED_BY: &str = "AWS Step Functions";

/// More tasks than that are counted, not named.
const NAMED: usize = 10;

/// A host waits ten seconds, and a stop may need two answers of AWS.
const LONGEST: Duration = Duration::from_secs(9);

/// ECS keeps no longer reason.
const LONGEST_REASON: usize = 255;

pub(crate) fn stop(request: &StopRequest) -> Result<StopReport, PluginError> {
    let aws = request.aws.or_region_of(&request.execution_arn);
    block_on(async {
        let client = Client::new(&configuration(&aws, "ecs").await);
        tokio::time::timeout(LONGEST, stop_by(&client, request)).await.unwrap_or_else(|_| StopReport {
            ended: Vec::new(),
            left: vec!["whether an ECS task still runs is not known: AWS did not answer in time".to_owned()],
        })
    })
}

async fn stop_by(client: &Client, request: &StopRequest) -> StopReport {
    let submitted = request.submitted.as_ref();
    let tasks = submitted.map(Submitted::of).unwrap_or_default();
    if tasks.is_empty() && !submitted.is_some_and(was_refused) {
        return look(client, &request.keys).await;
    }
    let mut report = StopReport::default();
    for task in tasks {
        let what = format!("ECS task {}", task.task);
        match end(client, &task, &request.execution_arn).await {
            Ok(()) => report.ended.push(what),
            Err(refusal) => report.left.push(format!("{what} was not stopped: {refusal}")),
        }
    }
    report
}

/// RunTask answered that there is no task.
fn was_refused(submitted: &Json) -> bool {
    submitted.get("Failures").and_then(Json::as_array).is_some_and(|failures| !failures.is_empty())
}

/// A task that has ended, and one that ECS has forgotten since, is as good as ended now.
async fn end(client: &Client, task: &Submitted, execution_arn: &str) -> Result<(), Refusal> {
    let reason: String =
        format!("stopped with execution {execution_arn}").chars().take(LONGEST_REASON).collect();
    let asked = client.stop_task().task(&task.task).set_cluster(task.cluster.clone()).reason(reason);
    match asked.send().await {
        Ok(_) => Ok(()),
        Err(error) => match Refusal::of(&error) {
            refusal if is_forgotten(&refusal) => Ok(()),
            refusal => Err(refusal),
        },
    }
}

fn is_forgotten(refusal: &Refusal) -> bool {
    match refusal.code.as_deref() {
        // A cluster that has tasks cannot be deleted.
        Some("ClusterNotFoundException") => true,
        Some("InvalidParameterException" | "ClientException") => refusal.message.contains("not found"),
        _ => false,
    }
}

/// Nothing is known of a submission: it may have been on its way. What could be meant is only reported.
async fn look(client: &Client, keys: &Json) -> StopReport {
    let left = match (known(keys, "cluster"), keys.get("cluster")) {
        (None, Some(_)) => {
            vec!["whether an ECS task still runs is not known: in which cluster, the run decided".to_owned()]
        }
        (cluster, _) => match candidates(client, cluster, known(keys, "task_definition")).await {
            Ok(found) => suspected(&found, cluster.unwrap_or("default")),
            Err(refusal) => {
                let cluster = cluster.unwrap_or("default");
                vec![format!("whether an ECS task still runs in cluster `{cluster}` is not known: {refusal}")]
            }
        },
    };
    StopReport { ended: Vec::new(), left }
}

fn suspected(found: &Candidates, cluster: &str) -> Vec<String> {
    let Candidates { tasks, has_more } = found;
    if *has_more || tasks.len() > NAMED {
        let count = if *has_more { "over a hundred".to_owned() } else { tasks.len().to_string() };
        return vec![format!(
            "cluster `{cluster}` runs {count} ECS tasks of Step Functions; which of them are of this execution is not known"
        )];
    }
    tasks
        .iter()
        .map(|task| format!("ECS task {task} may be of this execution: Step Functions started it"))
        .collect()
}

/// Running tasks that could be meant.
struct Candidates {
    tasks: Vec<String>,
    /// Whether ECS knows more than it lists at once (a hundred).
    has_more: bool,
}

/// Running tasks that Step Functions started, of the definition where that is known. ListTasks takes no other filter
/// beside `startedBy`.
async fn candidates(
    client: &Client,
    cluster: Option<&str>,
    definition: Option<&str>,
) -> Result<Candidates, Refusal> {
    let cluster = cluster.map(ToOwned::to_owned);
    let listed = client.list_tasks().set_cluster(cluster.clone()).started_by(STARTED_BY).send().await;
    let listed = listed.map_err(|error| Refusal::of(&error))?;
    let has_more = listed.next_token().is_some();
    let tasks = listed.task_arns.unwrap_or_default();
    let Some(family) = definition.map(family).filter(|_| !tasks.is_empty()) else {
        return Ok(Candidates { tasks, has_more });
    };
    let described = client.describe_tasks().set_cluster(cluster).set_tasks(Some(tasks.clone())).send().await;
    // Who may list need not be allowed to describe; then all of them could be meant.
    let Ok(described) = described else { return Ok(Candidates { tasks, has_more }) };
    let of_family = described
        .tasks()
        .iter()
        .filter(|task| task.task_definition_arn().is_some_and(|arn| self::family(arn) == family))
        .filter_map(|task| task.task_arn().map(ToOwned::to_owned));
    Ok(Candidates { tasks: of_family.collect(), has_more })
}

/// `etl` of `etl`, `etl:3` and `arn:…:task-definition/etl:3`.
fn family(definition: &str) -> &str {
    let name = definition.rsplit('/').next().unwrap_or(definition);
    name.split(':').next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answers::{Answer, client};
    use serde_json::json;

    const TASK: &str = "arn:aws:ecs:eu-west-1:123456789012:task/data/0d9db362";
    const EXECUTION: &str = "arn:aws:states:eu-west-1:123456789012:execution:nightly-load:s-1";

    /// What is reported where ECS answers so.
    #[track_caller]
    fn check(keys: Json, submitted: Option<Json>, answers: Vec<Answer>, ended: &[&str], left: &[&str]) {
        let request =
            StopRequest { keys, execution_arn: EXECUTION.to_owned(), submitted, aws: Default::default() };
        let report = block_on(stop_by(&client(answers), &request)).unwrap();
        assert_eq!((report.ended, report.left), (owned(ended), owned(left)));
    }

    fn owned(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    fn one() -> Option<Json> {
        Some(json!({"Tasks": [{"TaskArn": TASK, "ClusterArn": "c"}], "Failures": []}))
    }

    fn error(code: &str, message: &str) -> Json {
        json!({"__type": code, "message": message})
    }

    #[test]
    fn a_task_that_was_submitted_is_ended() {
        let ended = format!("ECS task {TASK}");
        let stopped = json!({"task": {"taskArn": TASK, "lastStatus": "RUNNING", "desiredStatus": "STOPPED"}});
        check(json!({}), one(), vec![("StopTask", 200, stopped)], &[&ended], &[]);
        let forgotten = error("InvalidParameterException", "The referenced task was not found.");
        check(json!({}), one(), vec![("StopTask", 400, forgotten)], &[&ended], &[]);
        let gone = error("ClusterNotFoundException", "Cluster not found.");
        check(json!({}), one(), vec![("StopTask", 400, gone)], &[&ended], &[]);
        check(json!({}), Some(json!({"Tasks": [], "Failures": [{}]})), vec![], &[], &[]);
    }

    #[test]
    fn a_task_that_cannot_be_ended_is_left_with_the_reason() {
        let denied = error("AccessDeniedException", "not authorized to perform: ecs:StopTask");
        check(
            json!({}),
            one(),
            vec![("StopTask", 400, denied)],
            &[],
            &[&format!(
                "ECS task {TASK} was not stopped: AccessDeniedException: not authorized to perform: ecs:StopTask"
            )],
        );
    }

    #[test]
    fn where_nothing_is_known_tasks_are_reported_and_not_ended() {
        let keys = json!({"cluster": "data", "task_definition": "etl:3"});
        let other = "arn:aws:ecs:eu-west-1:123456789012:task/data/other";
        let listed = json!({"taskArns": [TASK, other]});
        let described = json!({"tasks": [
            {"taskArn": TASK, "taskDefinitionArn": "arn:aws:ecs:eu-west-1:123456789012:task-definition/etl:4"},
            {"taskArn": other, "taskDefinitionArn": "arn:aws:ecs:eu-west-1:123456789012:task-definition/other:1"},
        ]});
        let sentence = |task| format!("ECS task {task} may be of this execution: Step Functions started it");
        check(
            keys.clone(),
            None,
            vec![("ListTasks", 200, listed.clone()), ("DescribeTasks", 200, described)],
            &[],
            &[&sentence(TASK)],
        );
        let denied = error("AccessDeniedException", "no");
        let answers = vec![("ListTasks", 200, listed), ("DescribeTasks", 400, denied.clone())];
        check(keys.clone(), None, answers, &[], &[&sentence(TASK), &sentence(other)]);
        check(keys.clone(), None, vec![("ListTasks", 200, json!({"taskArns": []}))], &[], &[]);
        check(
            keys,
            None,
            vec![("ListTasks", 400, denied)],
            &[],
            &["whether an ECS task still runs in cluster `data` is not known: AccessDeniedException: no"],
        );
        check(
            json!({"cluster": "{% $params.c %}"}),
            None,
            vec![],
            &[],
            &["whether an ECS task still runs is not known: in which cluster, the run decided"],
        );
    }

    #[test]
    fn a_submission_that_names_no_task_is_as_good_as_none() {
        let listed = || vec![("ListTasks", 200, json!({"taskArns": [TASK]}))];
        let sentence = format!("ECS task {TASK} may be of this execution: Step Functions started it");
        check(
            json!({}),
            Some(json!({"Tasks": [{"ClusterArn": "c"}], "Failures": []})),
            listed(),
            &[],
            &[&sentence],
        );
        check(json!({}), Some(json!({})), listed(), &[], &[&sentence]);
    }

    #[test]
    fn many_tasks_are_counted() {
        let said = |count: usize, has_more| {
            let tasks = (0..count).map(|index| format!("task-{index}")).collect();
            suspected(&Candidates { tasks, has_more }, "data").join("\n")
        };
        let sentence = |count: &str| {
            format!(
                "cluster `data` runs {count} ECS tasks of Step Functions; which of them are of this execution is not known"
            )
        };
        assert_eq!(said(11, false), sentence("11"));
        // Those of another definition were left out, and the rest was never looked at.
        assert_eq!(said(0, true), sentence("over a hundred"));
        assert_eq!(said(2, false).lines().count(), 2);
    }
}
