//! The integrations that Step Functions made for single actions: it waits for their jobs, and takes and gives JSON where the service has text.
//!
//! Takes: a service and an action. Gives: which patterns there are, and which action of the AWS SDK says what its arguments are.
//! The table follows "Integrating optimized services with Step Functions" of the Step Functions developer guide, and the page of each
//! service below it ("Call … with Step Functions").
//! Deliberately does not: know what is reached through `aws-sdk`, which is all the rest.

/// How Step Functions goes on after the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pattern {
    /// With the answer.
    Answer,
    /// When the job that was started has ended.
    Job,
    /// When somebody gives the task token back.
    Callback,
}

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Optimised {
    /// As in `arn:aws:states:::SERVICE:ACTION`.
    pub(crate) service: &'static str,
    pub(crate) action: &'static str,
    /// What the resource ends with where Step Functions waits for the job.
    pub(crate) sync: Option<&'static str>,
    /// Whether a task token can be waited for.
    pub(crate) has_callback: bool,
    /// What it takes.
    pub(crate) takes: Takes,
}

/// What an integration takes as arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Takes {
    /// What this service's action of the SDK takes.
    Of(&'static str, &'static str),
    /// What the guide's page says; those that it needs come first, up to the number. The action that IAM is asked for, where there is one.
    Own(&'static [&'static str], usize, &'static str),
}

const JOB: Option<&str> = Some(".sync");

const fn same(service: &'static str, action: &'static str, sdk: &'static str) -> Optimised {
    Optimised { service, action, sync: None, has_callback: false, takes: Takes::Of(sdk, action) }
}

const fn job(service: &'static str, action: &'static str, sdk: &'static str) -> Optimised {
    Optimised { sync: JOB, ..same(service, action, sdk) }
}

const fn callback(service: &'static str, action: &'static str, sdk: &'static str) -> Optimised {
    Optimised { has_callback: true, ..same(service, action, sdk) }
}

const ALL: &[Optimised] = &[
    Optimised {
        takes: Takes::Own(
            &[
                "ApiEndpoint",
                "Method",
                "Headers",
                "Stage",
                "Path",
                "QueryParameters",
                "RequestBody",
                "AllowNullValues",
                "AuthType",
            ],
            2,
            "execute-api:Invoke",
        ),
        ..callback("apigateway", "invoke", "")
    },
    job("athena", "startQueryExecution", "athena"),
    same("athena", "stopQueryExecution", "athena"),
    same("athena", "getQueryExecution", "athena"),
    same("athena", "getQueryResults", "athena"),
    job("batch", "submitJob", "batch"),
    Optimised {
        // `Input` and `Output` say where in S3 the body is, and where to leave the answer.
        takes: Takes::Own(
            &[
                "ModelId",
                "Body",
                "Input",
                "Output",
                "Accept",
                "ContentType",
                "GuardrailIdentifier",
                "GuardrailVersion",
                "PerformanceConfigLatency",
                "ServiceTier",
                "Trace",
            ],
            1,
            "bedrock:InvokeModel",
        ),
        ..callback("bedrock", "invokeModel", "bedrockruntime")
    },
    job("bedrock", "createModelCustomizationJob", "bedrock"),
    job("codebuild", "startBuild", "codebuild"),
    same("codebuild", "stopBuild", "codebuild"),
    same("codebuild", "batchDeleteBuilds", "codebuild"),
    same("codebuild", "batchGetReports", "codebuild"),
    job("codebuild", "startBuildBatch", "codebuild"),
    same("codebuild", "stopBuildBatch", "codebuild"),
    job("codebuild", "retryBuildBatch", "codebuild"),
    same("codebuild", "deleteBuildBatch", "codebuild"),
    job("databrew", "startJobRun", "databrew"),
    same("dynamodb", "getItem", "dynamodb"),
    same("dynamodb", "putItem", "dynamodb"),
    same("dynamodb", "updateItem", "dynamodb"),
    same("dynamodb", "deleteItem", "dynamodb"),
    Optimised { has_callback: true, ..job("ecs", "runTask", "ecs") },
    Optimised {
        takes: Takes::Own(
            &[
                "ClusterName",
                "CertificateAuthority",
                "Endpoint",
                "Method",
                "Path",
                "QueryParameters",
                "RequestBody",
            ],
            5,
            "",
        ),
        ..callback("eks", "call", "")
    },
    Optimised {
        has_callback: true,
        takes: Takes::Own(
            &["ClusterName", "CertificateAuthority", "Endpoint", "Job", "Namespace", "LogOptions"],
            4,
            "",
        ),
        ..job("eks", "runJob", "")
    },
    job("eks", "createCluster", "eks"),
    job("eks", "deleteCluster", "eks"),
    job("eks", "createFargateProfile", "eks"),
    job("eks", "deleteFargateProfile", "eks"),
    job("eks", "createNodegroup", "eks"),
    job("eks", "deleteNodegroup", "eks"),
    Optimised { takes: Takes::Of("emr", "runJobFlow"), ..job("elasticmapreduce", "createCluster", "emr") },
    Optimised {
        takes: Takes::Own(
            &["ClusterId", "TerminationProtected"],
            2,
            "elasticmapreduce:SetTerminationProtection",
        ),
        ..same("elasticmapreduce", "setClusterTerminationProtection", "emr")
    },
    Optimised {
        takes: Takes::Own(&["ClusterId"], 1, "elasticmapreduce:TerminateJobFlows"),
        ..job("elasticmapreduce", "terminateCluster", "emr")
    },
    Optimised {
        takes: Takes::Own(&["ClusterId", "Step", "ExecutionRoleArn"], 2, "elasticmapreduce:AddJobFlowSteps"),
        ..job("elasticmapreduce", "addStep", "emr")
    },
    Optimised {
        takes: Takes::Own(&["ClusterId", "StepId"], 2, "elasticmapreduce:CancelSteps"),
        ..same("elasticmapreduce", "cancelStep", "emr")
    },
    Optimised {
        takes: Takes::Own(
            &["ClusterId", "InstanceFleetName", "InstanceFleet"],
            3,
            "elasticmapreduce:ModifyInstanceFleet",
        ),
        ..same("elasticmapreduce", "modifyInstanceFleetByName", "emr")
    },
    Optimised {
        takes: Takes::Own(
            &["ClusterId", "InstanceGroupName", "InstanceGroup"],
            3,
            "elasticmapreduce:ModifyInstanceGroups",
        ),
        ..same("elasticmapreduce", "modifyInstanceGroupByName", "emr")
    },
    same("emr-containers", "createVirtualCluster", "emrcontainers"),
    job("emr-containers", "deleteVirtualCluster", "emrcontainers"),
    job("emr-containers", "startJobRun", "emrcontainers"),
    job("emr-serverless", "createApplication", "emrserverless"),
    job("emr-serverless", "startApplication", "emrserverless"),
    job("emr-serverless", "stopApplication", "emrserverless"),
    job("emr-serverless", "deleteApplication", "emrserverless"),
    job("emr-serverless", "startJobRun", "emrserverless"),
    job("emr-serverless", "cancelJobRun", "emrserverless"),
    callback("events", "putEvents", "eventbridge"),
    job("glue", "startJobRun", "glue"),
    Optimised {
        takes: Takes::Own(
            &[
                "ApiEndpoint",
                "Method",
                "Authentication",
                "InvocationConfig",
                "Headers",
                "QueryParameters",
                "RequestBody",
                "Transform",
            ],
            2,
            "states:InvokeHTTPEndpoint",
        ),
        ..same("http", "invoke", "")
    },
    callback("lambda", "invoke", "lambda"),
    job("mediaconvert", "createJob", "mediaconvert"),
    same("sagemaker", "createEndpoint", "sagemaker"),
    same("sagemaker", "createEndpointConfig", "sagemaker"),
    job("sagemaker", "createHyperParameterTuningJob", "sagemaker"),
    job("sagemaker", "createLabelingJob", "sagemaker"),
    same("sagemaker", "createModel", "sagemaker"),
    job("sagemaker", "createProcessingJob", "sagemaker"),
    job("sagemaker", "createTrainingJob", "sagemaker"),
    job("sagemaker", "createTransformJob", "sagemaker"),
    same("sagemaker", "updateEndpoint", "sagemaker"),
    callback("sns", "publish", "sns"),
    callback("sqs", "sendMessage", "sqs"),
    // `.sync` gives the output of the other execution as text, `.sync:2` as what it is.
    Optimised { sync: Some(".sync:2"), ..callback("states", "startExecution", "sfn") },
];

/// All of them, by service.
pub(crate) fn all() -> impl Iterator<Item = &'static Optimised> {
    ALL.iter()
}

/// The one of a service and an action.
pub(crate) fn find(service: &str, action: &str) -> Option<&'static Optimised> {
    all().find(|one| one.service == service && one.action == action)
}

impl Optimised {
    /// The action of the SDK that it stands for, where there is one of the same service.
    pub(crate) fn sdk(&self) -> Option<(&'static str, &'static str)> {
        match self.takes {
            Takes::Of(service, action) => Some((service, action)),
            Takes::Own(..) if self.service == "bedrock" => Some(("bedrockruntime", self.action)),
            Takes::Own(..) if self.service == "elasticmapreduce" => Some(("emr", self.action)),
            Takes::Own(..) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table;

    #[test]
    fn what_stands_for_an_action_of_the_sdk_names_one() {
        for one in all() {
            if let Takes::Of(service, action) = one.takes {
                let found = table::service(service).and_then(|service| service.action(action));
                assert!(found.is_some_and(|found| found.arguments().is_some()), "{service}:{action}");
            }
        }
    }

    #[test]
    fn a_nested_execution_is_waited_for_in_the_form_whose_output_is_json() {
        assert_eq!(find("states", "startExecution").unwrap().sync, Some(".sync:2"));
        assert_eq!(find("glue", "startJobRun").unwrap().sync, Some(".sync"));
        assert_eq!(find("dynamodb", "putItem").unwrap().sync, None);
        assert_eq!(find("glue", "startCrawler"), None);
        assert!(find("sqs", "sendMessage").unwrap().has_callback);
    }
}
