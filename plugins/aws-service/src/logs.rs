//! Where AWS keeps what a job says.
//!
//! Takes: the keys, and what was submitted or came out. Gives: groups and streams of CloudWatch Logs, for the services that write there by
//! themselves.
//! Deliberately does not: guess where a job has a log group of its own.

use crate::integration::Integration;
use crate::job;
use bunsui_plugin_sdk::{LogSource, LogsRequest, cause};
use serde_json::Value as Json;

pub(crate) fn logs(request: &LogsRequest) -> Vec<LogSource> {
    let Some(integration) = Integration::of(&request.keys) else { return Vec::new() };
    let said = request.submitted.as_ref().map(cause::open_value).unwrap_or_default();
    let job = Job { arguments: request.keys.get("arguments").unwrap_or(&Json::Null), said: &said };
    match (integration.sdk_service(), integration.action) {
        ("glue", "startJobRun") => job.glue(),
        ("batch", "submitJob") => Vec::from_iter(job.batch()),
        ("codebuild", "startBuild") => Vec::from_iter(job.build()),
        ("databrew", "startJobRun") => Vec::from_iter(job.databrew()),
        ("lambda", "invoke") => Vec::from_iter(job.function()),
        ("sagemaker", action) => Vec::from_iter(job.sagemaker(action)),
        _ => Vec::new(),
    }
}

/// What is known of a job.
struct Job<'a> {
    arguments: &'a Json,
    said: &'a Json,
}

impl<'a> Job<'a> {
    /// An argument, or where a run decided it, what was said.
    fn argument(&self, name: &str) -> Option<&'a str> {
        let of_keys = self.arguments.get(name).and_then(Json::as_str).filter(|text| !text.contains("{%"));
        of_keys.or_else(|| job::text(self.said, &[name]))
    }

    /// Streams of a run begin with its id. A Python shell job has groups of its own, which its result names.
    fn glue(&self) -> Vec<LogSource> {
        let id = job::text(self.said, &["JobRunId"])
            .or_else(|| job::text(self.said, &["Id"]).filter(|id| id.starts_with("jr_")));
        let Some(id) = id else { return Vec::new() };
        let base = job::text(self.said, &["LogGroupName"]).unwrap_or("/aws-glue/jobs");
        ["output", "error"].map(|what| source(format!("{base}/{what}"), id)).into()
    }

    /// The stream is named once the job runs; until then it is known to begin with the definition's name.
    fn batch(&self) -> Option<LogSource> {
        let group = || "/aws/batch/job".to_owned();
        if let Some(stream) = job::text(self.said, &["LogStreamName"]) {
            return Some(source(group(), stream));
        }
        let definition = self.argument("JobDefinition")?;
        let name = definition.rsplit('/').next().unwrap_or(definition);
        let name = name.split(':').next().unwrap_or(name);
        Some(source(group(), &format!("{name}/default/")))
    }

    /// A build is `PROJECT:ID`, and its stream is the second.
    fn build(&self) -> Option<LogSource> {
        let group = job::text(self.said, &["GroupName"]).map(ToOwned::to_owned);
        let group = group.or_else(|| Some(format!("/aws/codebuild/{}", self.argument("ProjectName")?)))?;
        let stream = job::text(self.said, &["StreamName"]);
        let of_id = || job::text(self.said, &["Id"])?.split_once(':').map(|(_, id)| id);
        Some(source(group, stream.or_else(of_id).unwrap_or_default()))
    }

    fn databrew(&self) -> Option<LogSource> {
        let name = self.argument("Name")?;
        Some(source(
            format!("/aws-glue-databrew/jobs/{name}"),
            job::text(self.said, &["RunId"]).unwrap_or_default(),
        ))
    }

    fn function(&self) -> Option<LogSource> {
        let name = self.argument("FunctionName")?;
        let tail = name.rsplit_once("function:").map_or(name, |(_, tail)| tail);
        Some(source(format!("/aws/lambda/{}", tail.split(':').next().unwrap_or(tail)), ""))
    }

    /// Streams begin with the job's name.
    fn sagemaker(&self, action: &str) -> Option<LogSource> {
        let kind = action.strip_prefix("create")?.strip_suffix("Job")?;
        let group = match kind {
            "Training" | "Processing" | "Transform" => format!("/aws/sagemaker/{kind}Jobs"),
            "Labeling" => "/aws/sagemaker/LabelingJobs".to_owned(),
            _ => return None,
        };
        Some(source(group, &format!("{}/", self.argument(&format!("{kind}JobName"))?)))
    }
}

fn source(group: String, stream_prefix: &str) -> LogSource {
    LogSource { group, stream_prefix: stream_prefix.to_owned(), pattern: None, region: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Groups and streams as `GROUP STREAM`.
    #[track_caller]
    fn check(action: &str, arguments: Json, submitted: Json, expected: &[&str]) {
        let keys = json!({"action": action, "arguments": arguments});
        let found = logs(&LogsRequest { keys, submitted: Some(submitted), aws: Default::default() });
        let shown: Vec<String> =
            found.iter().map(|source| format!("{} {}", source.group, source.stream_prefix)).collect();
        assert_eq!(shown, expected);
    }

    #[test]
    fn a_run_of_glue_has_two_groups() {
        let both = ["/aws-glue/jobs/output jr_1", "/aws-glue/jobs/error jr_1"];
        check("glue:startJobRun", json!({"JobName": "n"}), json!({"JobRunId": "jr_1"}), &both);
        check(
            "glue:startJobRun",
            json!({"JobName": "n"}),
            json!({"Id": "jr_1", "JobRunState": "SUCCEEDED"}),
            &both,
        );
        check(
            "glue:startJobRun",
            json!({"JobName": "n"}),
            json!({"Id": "jr_1", "LogGroupName": "/aws-glue/python-jobs"}),
            &["/aws-glue/python-jobs/output jr_1", "/aws-glue/python-jobs/error jr_1"],
        );
        // All streams of all jobs are not this one's.
        check("glue:startJobRun", json!({"JobName": "n"}), json!(null), &[]);
    }

    #[test]
    fn a_job_of_batch_has_a_stream() {
        let arguments = json!({"JobName": "j", "JobQueue": "q", "JobDefinition": "etl:3"});
        let ended = json!({"JobId": "1", "Container": {"LogStreamName": "etl/default/abc"}});
        check("batch:submitJob", arguments.clone(), ended, &["/aws/batch/job etl/default/abc"]);
        check("batch:submitJob", arguments, json!({"JobId": "1"}), &["/aws/batch/job etl/default/"]);
    }

    #[test]
    fn others_say_it_in_their_own_ways() {
        check(
            "codebuild:startBuild",
            json!({"ProjectName": "{% $params.p %}"}),
            json!({"Build": {"Id": "site:0f1", "ProjectName": "site"}}),
            &["/aws/codebuild/site 0f1"],
        );
        check("lambda:invoke", json!({"FunctionName": "f:live"}), json!(null), &["/aws/lambda/f "]);
        check(
            "sagemaker:createTrainingJob",
            json!({"TrainingJobName": "t-1"}),
            json!(null),
            &["/aws/sagemaker/TrainingJobs t-1/"],
        );
        check(
            "databrew:startJobRun",
            json!({"Name": "n"}),
            json!({"RunId": "db_1"}),
            &["/aws-glue-databrew/jobs/n db_1"],
        );
        check("dynamodb:putItem", json!({"TableName": "t"}), json!({}), &[]);
    }
}
