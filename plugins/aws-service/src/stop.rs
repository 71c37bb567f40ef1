//! What may still run after an execution was stopped.
//!
//! Takes: what was submitted. Gives: a sentence with the job's id, where there may be a job.
//! Deliberately does not: end anything: Step Functions asks for the end of a job that it waits for, as far as its role is allowed that, and
//! does not wait for it.

use crate::integration::Integration;
use crate::job;
use crate::optimised::{Optimised, Pattern};
use crate::permissions::jobs;
use bunsui_plugin_sdk::{StopReport, StopRequest, cause};
use serde_json::Value as Json;

pub(crate) fn stop(request: &StopRequest) -> StopReport {
    let text = request.keys.get("action").and_then(Json::as_str).unwrap_or_default();
    let submitted = request.submitted.as_ref().map(cause::open_value);
    let id = submitted.as_ref().and_then(job::id).map(|id| format!(" ({id})")).unwrap_or_default();
    let left = match Pattern::of(&request.keys) {
        Pattern::Job if submitted.is_some() => match optimised(&request.keys).and_then(jobs::is_ended) {
            Some(true) => format!(
                "what `{text}` began{id} may go on: Step Functions asks for its end, and does not wait for it"
            ),
            Some(false) => format!("what `{text}` began{id} goes on: Step Functions does not end it"),
            None => format!("what `{text}` began{id} may go on"),
        },
        Pattern::Job => format!("whether `{text}` began something that goes on is not known"),
        Pattern::Callback => {
            format!(
                "whoever has the task token of `{text}` may still be at work, and cannot give it back any more"
            )
        }
        Pattern::Answer if begins_a_job(&request.keys) => {
            format!("what `{text}` began goes on: the operation does not wait for it")
        }
        Pattern::Answer => format!("`{text}` may have been carried out: its answer was not waited for"),
    };
    StopReport { ended: Vec::new(), left: vec![left] }
}

fn begins_a_job(keys: &Json) -> bool {
    optimised(keys).is_some_and(|one| one.sync.is_some())
}

fn optimised(keys: &Json) -> Option<&'static Optimised> {
    Integration::of(keys)?.optimised
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check(keys: Json, submitted: Option<Json>, left: &str) {
        let request = StopRequest {
            keys,
            execution_arn: "arn:aws:states:eu-west-1:1:execution:m:e".to_owned(),
            submitted,
            aws: Default::default(),
        };
        let report = stop(&request);
        assert_eq!((report.ended, report.left), (Vec::new(), vec![left.to_owned()]));
    }

    #[test]
    fn a_job_is_named_by_what_it_is_known_by() {
        let keys = json!({"action": "glue:startJobRun", "sync": true});
        let sentence = "what `glue:startJobRun` began (jr_1) may go on: Step Functions asks for its end, and does not wait for it";
        check(keys.clone(), Some(json!({"JobRunId": "jr_1"})), sentence);
        check(keys.clone(), Some(json!("{\"JobRunId\": \"jr_1\"}")), sentence);
        check(keys, None, "whether `glue:startJobRun` began something that goes on is not known");
    }

    #[test]
    fn what_step_functions_leaves_running_is_said_to_go_on() {
        check(
            json!({"action": "elasticmapreduce:createCluster", "sync": true}),
            Some(json!({"ClusterId": "j-1"})),
            "what `elasticmapreduce:createCluster` began (j-1) goes on: Step Functions does not end it",
        );
        check(
            json!({"action": "eks:runJob", "sync": true}),
            Some(json!({"ResponseBody": {}})),
            "what `eks:runJob` began may go on",
        );
    }

    #[test]
    fn of_a_call_it_is_said_that_it_may_have_happened() {
        check(
            json!({"action": "glue:startJobRun"}),
            None,
            "what `glue:startJobRun` began goes on: the operation does not wait for it",
        );
        check(
            json!({"action": "s3:copyObject"}),
            None,
            "`s3:copyObject` may have been carried out: its answer was not waited for",
        );
        check(
            json!({"action": "sqs:sendMessage", "wait_for_callback": true}),
            Some(json!({"MessageId": "m"})),
            "whoever has the task token of `sqs:sendMessage` may still be at work, and cannot give it back any more",
        );
    }
}
