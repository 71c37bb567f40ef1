//! What an answer, a result or a cause says of a job.
//!
//! Takes: JSON of any service. Gives: texts under the names that services have for the same things.
//! Deliberately does not: know which service says what; the first that is said counts.

use serde_json::Value as Json;

/// Deeper, the texts of one job are those of its parts.
const DEPTH: usize = 4;

/// Names of what identifies a job, the most telling first.
const IDS: [&str; 13] = [
    "ExecutionArn",
    "JobArn",
    "TrainingJobArn",
    "ProcessingJobArn",
    "TransformJobArn",
    "TaskArn",
    "JobRunId",
    "QueryExecutionId",
    "RunId",
    "StepId",
    "ClusterId",
    "JobId",
    "Arn",
];

/// The text under the first of the names that is there. Outer ones count before inner ones.
pub(crate) fn text<'a>(value: &'a Json, names: &[&str]) -> Option<&'a str> {
    names
        .iter()
        .find_map(|name| at_any_depth(value, name))
        .and_then(Json::as_str)
        .filter(|text| !text.is_empty())
}

/// What the job is known by.
pub(crate) fn id(value: &Json) -> Option<&str> {
    text(value, &IDS)
}

/// The member of a name, whatever its first letter's case, wherever it is.
pub(crate) fn at_any_depth<'a>(value: &'a Json, name: &str) -> Option<&'a Json> {
    let mut level = vec![value];
    for _ in 0..DEPTH {
        let mut next = Vec::new();
        for value in level {
            match value {
                Json::Object(members) => {
                    let found = members
                        .iter()
                        .find(|(key, value)| key.eq_ignore_ascii_case(name) && !value.is_null());
                    if let Some((_, found)) = found {
                        return Some(found);
                    }
                    next.extend(members.values());
                }
                Json::Array(items) => next.extend(items),
                _ => {}
            }
        }
        level = next;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn outer_texts_count_before_inner_ones() {
        let build = json!({"Build": {"Arn": "arn:build", "Phases": [{"Arn": "arn:phase"}]}});
        assert_eq!(id(&build), Some("arn:build"));
        assert_eq!(id(&json!({"JobRunId": "jr_1"})), Some("jr_1"));
        assert_eq!(id(&json!({"other": 1})), None);
        let status =
            json!({"QueryExecution": {"Status": {"State": "FAILED", "StateChangeReason": "no table"}}});
        assert_eq!(text(&status, &["ErrorMessage", "StateChangeReason"]), Some("no table"));
    }
}
