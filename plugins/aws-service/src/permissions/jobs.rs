//! What Step Functions does besides the call where it waits for a job: it asks how far it is, stops it, and has its end told by a rule of
//! EventBridge.

use super::{Context, Needed};
use crate::optimised::Optimised;

/// What waiting for one kind of job takes.
struct Waiting {
    service: &'static str,
    action: &'static str,
    /// On the resources that IAM looks at for each.
    actions: &'static [&'static str],
    /// On resources that no argument names: the actions, and what stands in the ARN after the account.
    on: &'static [(&'static [&'static str], &'static str)],
    /// The rule that tells the end; none where Step Functions asks.
    rule: &'static str,
}

const fn waiting(
    service: &'static str,
    action: &'static str,
    actions: &'static [&'static str],
    rule: &'static str,
) -> Waiting {
    Waiting { service, action, actions, on: &[], rule }
}

const ALL: &[Waiting] = &[
    waiting("athena", "startQueryExecution", &["athena:StopQueryExecution", "athena:GetQueryExecution"], ""),
    Waiting {
        on: &[(&["batch:DescribeJobs", "batch:TerminateJob"], "*")],
        ..waiting("batch", "submitJob", &[], "StepFunctionsGetEventsForBatchJobsRule")
    },
    waiting(
        "bedrock",
        "createModelCustomizationJob",
        &["bedrock:GetModelCustomizationJob", "bedrock:StopModelCustomizationJob"],
        "",
    ),
    waiting(
        "codebuild",
        "startBuild",
        &["codebuild:StopBuild", "codebuild:BatchGetBuilds"],
        "StepFunctionsGetEventForCodeBuildStartBuildRule",
    ),
    waiting(
        "codebuild",
        "startBuildBatch",
        &["codebuild:StopBuildBatch", "codebuild:BatchGetBuildBatches"],
        "StepFunctionsGetEventForCodeBuildStartBuildBatchRule",
    ),
    waiting(
        "codebuild",
        "retryBuildBatch",
        &["codebuild:StopBuildBatch", "codebuild:BatchGetBuildBatches"],
        "StepFunctionsGetEventForCodeBuildStartBuildBatchRule",
    ),
    waiting("databrew", "startJobRun", &["databrew:ListJobRuns", "databrew:StopJobRun"], ""),
    Waiting {
        on: &[(&["ecs:StopTask", "ecs:DescribeTasks"], "*")],
        ..waiting("ecs", "runTask", &[], "StepFunctionsGetEventsForECSTaskRule")
    },
    waiting("eks", "createCluster", &["eks:DescribeCluster", "eks:DeleteCluster"], ""),
    waiting("eks", "deleteCluster", &["eks:DescribeCluster"], ""),
    waiting("eks", "createFargateProfile", &["eks:DescribeFargateProfile", "eks:DeleteFargateProfile"], ""),
    waiting("eks", "deleteFargateProfile", &["eks:DescribeFargateProfile"], ""),
    waiting("eks", "createNodegroup", &["eks:DescribeNodegroup", "eks:DeleteNodegroup"], ""),
    waiting("eks", "deleteNodegroup", &["eks:DescribeNodegroup"], ""),
    waiting(
        "elasticmapreduce",
        "createCluster",
        &["elasticmapreduce:DescribeCluster", "elasticmapreduce:TerminateJobFlows"],
        "StepFunctionsGetEventForEMRRunJobFlowRule",
    ),
    waiting(
        "elasticmapreduce",
        "terminateCluster",
        &["elasticmapreduce:DescribeCluster"],
        "StepFunctionsGetEventForEMRTerminateJobFlowsRule",
    ),
    waiting(
        "elasticmapreduce",
        "addStep",
        &["elasticmapreduce:DescribeStep", "elasticmapreduce:CancelSteps"],
        "StepFunctionsGetEventForEMRAddJobFlowStepsRule",
    ),
    waiting("emr-containers", "deleteVirtualCluster", &["emr-containers:DescribeVirtualCluster"], ""),
    waiting(
        "emr-containers",
        "startJobRun",
        &["emr-containers:DescribeJobRun", "emr-containers:CancelJobRun"],
        "",
    ),
    waiting(
        "emr-serverless",
        "createApplication",
        &["emr-serverless:GetApplication", "emr-serverless:DeleteApplication"],
        "StepFunctionsGetEventsForEMRServerlessApplicationRule",
    ),
    waiting(
        "emr-serverless",
        "startApplication",
        &["emr-serverless:GetApplication", "emr-serverless:StopApplication"],
        "StepFunctionsGetEventsForEMRServerlessApplicationRule",
    ),
    waiting(
        "emr-serverless",
        "stopApplication",
        &["emr-serverless:GetApplication"],
        "StepFunctionsGetEventsForEMRServerlessApplicationRule",
    ),
    waiting(
        "emr-serverless",
        "deleteApplication",
        &["emr-serverless:GetApplication"],
        "StepFunctionsGetEventsForEMRServerlessApplicationRule",
    ),
    waiting(
        "emr-serverless",
        "startJobRun",
        &["emr-serverless:GetJobRun", "emr-serverless:CancelJobRun"],
        "StepFunctionsGetEventsForEMRServerlessJobRule",
    ),
    waiting(
        "emr-serverless",
        "cancelJobRun",
        &["emr-serverless:GetJobRun"],
        "StepFunctionsGetEventsForEMRServerlessJobRule",
    ),
    waiting("glue", "startJobRun", &["glue:GetJobRun", "glue:GetJobRuns", "glue:BatchStopJobRun"], ""),
    waiting(
        "mediaconvert",
        "createJob",
        &["mediaconvert:GetJob", "mediaconvert:CancelJob"],
        "StepFunctionsGetEventsForMediaConvertJobRule",
    ),
    waiting(
        "sagemaker",
        "createHyperParameterTuningJob",
        &["sagemaker:DescribeHyperParameterTuningJob", "sagemaker:StopHyperParameterTuningJob"],
        "StepFunctionsGetEventsForSageMakerHyperParameterTuningJobsRule",
    ),
    waiting(
        "sagemaker",
        "createLabelingJob",
        &["sagemaker:DescribeLabelingJob", "sagemaker:StopLabelingJob"],
        "StepFunctionsGetEventsForSageMakerLabelingJobsRule",
    ),
    waiting(
        "sagemaker",
        "createProcessingJob",
        &["sagemaker:DescribeProcessingJob", "sagemaker:StopProcessingJob"],
        "StepFunctionsGetEventsForSageMakerProcessingJobsRule",
    ),
    waiting(
        "sagemaker",
        "createTrainingJob",
        &["sagemaker:DescribeTrainingJob", "sagemaker:StopTrainingJob"],
        "StepFunctionsGetEventsForSageMakerTrainingJobsRule",
    ),
    waiting(
        "sagemaker",
        "createTransformJob",
        &["sagemaker:DescribeTransformJob", "sagemaker:StopTransformJob"],
        "StepFunctionsGetEventsForSageMakerTransformJobsRule",
    ),
    waiting("states", "startExecution", &[], "StepFunctionsGetEventsForStepFunctionsExecutionRule"),
];

/// Clusters stay when the execution that makes them is stopped, whatever its role is allowed: the guide says so on the pages of both.
const LEFT: [(&str, &str); 2] = [("eks", "createCluster"), ("elasticmapreduce", "createCluster")];

/// What the actions that end a job begin with.
const ENDING: [&str; 5] = ["BatchStop", "Cancel", "Delete", "Stop", "Terminate"];

fn find(own: &Optimised) -> Option<&'static Waiting> {
    ALL.iter().find(|one| one.service == own.service && one.action == own.action)
}

/// Whether Step Functions asks for the end of such a job when its execution is stopped; none where that is not known.
pub(crate) fn is_ended(own: &Optimised) -> Option<bool> {
    let waiting = find(own)?;
    let mut actions = waiting.on.iter().flat_map(|(actions, _)| *actions).chain(waiting.actions);
    let is_ending = |action: &&str| {
        action.split_once(':').is_some_and(|(_, name)| ENDING.iter().any(|verb| name.starts_with(verb)))
    };
    let is_left = LEFT.contains(&(own.service, own.action));
    Some(!is_left && (own.service == "states" || actions.any(is_ending)))
}

/// What the operation's job takes.
pub(super) fn add(context: &Context<'_>, needed: &mut Needed) {
    let Some(own) = context.integration.optimised else { return };
    let Some(waiting) = find(own) else { return };
    for action in waiting.actions {
        needed.add(action, context.resources.of(action));
    }
    for (actions, resource) in waiting.on {
        needed.add_all(actions, &[resource]);
    }
    if own.service == "states" {
        needed.add_all(&["states:DescribeExecution", "states:StopExecution"], &[&executions(context)]);
    }
    if !waiting.rule.is_empty() {
        let rule = context.arn("events", &format!("rule/{}", waiting.rule));
        needed.add_all(&["events:PutTargets", "events:PutRule", "events:DescribeRule"], &[&rule]);
    }
}

/// The executions of the machine that is started.
fn executions(context: &Context<'_>) -> String {
    let machines = context.resources.of("states:StartExecution");
    let machine = machines.first().map_or("*", String::as_str);
    match machine.split_once(":stateMachine:") {
        Some((place, name)) if name != "*" => format!("{place}:execution:{name}:*"),
        Some((place, _)) => format!("{place}:execution:*"),
        None => "*".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optimised;

    #[test]
    fn of_every_job_that_is_waited_for_it_is_known_what_that_takes() {
        for one in optimised::all().filter(|one| one.sync.is_some()) {
            // What runs in Kubernetes is asked of Kubernetes.
            let is_known = ALL.iter().any(|known| known.service == one.service && known.action == one.action)
                || (one.service, one.action) == ("eks", "runJob");
            assert!(is_known, "{}:{}", one.service, one.action);
        }
        assert!(ALL.iter().all(|known| optimised::find(known.service, known.action).is_some()));
    }

    #[test]
    fn what_is_ended_with_its_execution_needs_the_permission_for_it() {
        let left: Vec<String> = optimised::all()
            .filter(|one| one.sync.is_some() && is_ended(one) != Some(true))
            .map(|one| format!("{}:{}", one.service, one.action))
            .collect();
        // All but what is an end itself, clusters, and what only Kubernetes knows.
        let expected = [
            "eks:runJob",
            "eks:createCluster",
            "eks:deleteCluster",
            "eks:deleteFargateProfile",
            "eks:deleteNodegroup",
            "elasticmapreduce:createCluster",
            "elasticmapreduce:terminateCluster",
            "emr-containers:deleteVirtualCluster",
            "emr-serverless:stopApplication",
            "emr-serverless:deleteApplication",
            "emr-serverless:cancelJobRun",
        ];
        assert_eq!(left, expected);
    }
}
