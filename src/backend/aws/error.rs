//! What can go wrong with AWS, as a few kinds that people can act on.

use super::clock::Offset;
use aws_sdk_dynamodb::error::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_types::request_id::RequestId;
use std::error::Error;

/// What was asked: for messages.
#[derive(Debug, Clone)]
pub(super) struct Call {
    service: &'static str,
    operation: &'static str,
    resource: String,
}

impl Call {
    pub(super) fn new(service: &'static str, operation: &'static str, resource: impl Into<String>) -> Self {
        Self { service, operation, resource: resource.into() }
    }

    /// `dynamodb:PutItem`, as a policy names it.
    pub(super) fn action(&self) -> String {
        format!("{}:{}", self.service, self.operation)
    }
}

/// AWS could not do what it was asked.
#[derive(Debug, Clone, thiserror::Error, miette::Diagnostic)]
pub enum AwsError {
    /// No policy allows it.
    #[error("AWS denied `{action}` on {resource}: {message}{request}")]
    #[diagnostic(
        code("bunsui::aws::denied"),
        help("the credentials in use need a policy that allows `{action}` on it")
    )]
    Denied {
        /// `service:Operation`
        action: String,
        /// What it was asked of.
        resource: String,
        /// As AWS says it.
        message: String,
        /// Its request id, as text to be put behind a message.
        request: String,
    },
    /// It is not there.
    #[error("AWS has no {resource} (`{action}`): {message}{request}")]
    #[diagnostic(
        code("bunsui::aws::not_found"),
        help(
            "`bunsui doctor` says what is missing, and `bunsui infra deploy` makes tables and bucket; were they made, then in another region or account, or with another `[aws] prefix` than `bunsui config show` has"
        )
    )]
    NotFound {
        /// `service:Operation`
        action: String,
        /// What it was asked of.
        resource: String,
        /// As AWS says it.
        message: String,
        /// As of `Denied`.
        request: String,
    },
    /// Too much was asked for, by whoever uses the account.
    #[error("AWS throttles `{action}` on {resource}: {message}{request}")]
    #[diagnostic(
        code("bunsui::aws::throttled"),
        help("it was tried several times; try again later, or have the quota raised")
    )]
    Throttled {
        /// `service:Operation`
        action: String,
        /// What it was asked of.
        resource: String,
        /// As AWS says it.
        message: String,
        /// As of `Denied`.
        request: String,
    },
    /// It could not do it now.
    #[error("AWS could not do `{action}` on {resource}: {code}: {message}{request}")]
    #[diagnostic(
        code("bunsui::aws::unavailable"),
        help("it was tried several times, and is a fault of AWS's: try again later")
    )]
    Unavailable {
        /// `service:Operation`
        action: String,
        /// What it was asked of.
        resource: String,
        /// AWS's own name of the error.
        code: String,
        /// As AWS says it.
        message: String,
        /// As of `Denied`.
        request: String,
    },
    /// The state machine version that a session is pinned to is gone.
    #[error("Step Functions has no state machine version `{version}` any more{request}")]
    #[diagnostic(
        code("bunsui::aws::version_gone"),
        help(
            "somebody deleted it; the session can be cancelled, and what it did not do be done by what is deployed now: \
             `bunsui session cancel ID`, `bunsui session retry ID --with-current`"
        )
    )]
    VersionGone {
        /// Its ARN.
        version: String,
        /// As of `Denied`.
        request: String,
    },
    /// CloudFormation could not do what a template says.
    #[error("stack `{stack}`: {reason}")]
    #[diagnostic(code("bunsui::aws::stack_failed"))]
    StackFailed {
        /// The stack.
        stack: String,
        /// What became of it, and the first failure that its events tell of.
        reason: String,
        /// What to do.
        #[help]
        help: Option<&'static str>,
    },
    /// It is wrong as it was asked.
    #[error("AWS refused `{action}` on {resource}: {code}: {message}{request}")]
    #[diagnostic(code("bunsui::aws::rejected"))]
    Rejected {
        /// `service:Operation`
        action: String,
        /// What it was asked of.
        resource: String,
        /// AWS's own name of the error.
        code: Box<str>,
        /// As AWS says it.
        message: String,
        /// As of `Denied`.
        request: Box<str>,
        /// What to do, where it is known.
        #[help]
        help: Option<&'static str>,
    },
    /// No answer came.
    #[error("AWS cannot be reached for `{action}`: {message}")]
    #[diagnostic(
        code("bunsui::aws::unreachable"),
        help("see that this machine has a network, and that `[aws] region` and `endpoint_url` are right")
    )]
    Unreachable {
        /// `service:Operation`
        action: String,
        /// What kept it.
        message: String,
    },
    /// The credentials were good once.
    #[error("the AWS credentials have expired (`{action}`): {message}")]
    #[diagnostic(
        code("bunsui::aws::expired_credentials"),
        help("renew them, as with `aws sso login`, and ask again")
    )]
    ExpiredCredentials {
        /// `service:Operation`
        action: String,
        /// As AWS says it.
        message: String,
    },
    /// There are none, or they are none.
    #[error("there are no AWS credentials that can be used (`{action}`): {message}")]
    #[diagnostic(
        code("bunsui::aws::no_credentials"),
        help(
            "set AWS_PROFILE or `--profile`, or log in; `aws sts get-caller-identity` shows what is in use"
        )
    )]
    NoCredentials {
        /// `service:Operation`
        action: String,
        /// Why not.
        message: String,
    },
    /// What is signed by this clock is refused.
    #[error("this machine's clock is {offset} AWS's, so AWS refuses its signatures: {message}")]
    #[diagnostic(
        code("bunsui::aws::wrong_clock"),
        help(
            "set the clock, as with `timedatectl set-ntp true`; a virtual machine that slept is often late"
        )
    )]
    WrongClock {
        /// How far, and in which way.
        offset: Offset,
        /// As AWS says it.
        message: String,
    },
    /// Nothing says where.
    #[error("no AWS region is set")]
    #[diagnostic(code("bunsui::aws::no_region"), help("set `[aws] region`, `--region` or AWS_REGION"))]
    NoRegion,
    /// Nothing says into which bucket.
    #[error("no bucket is set")]
    #[diagnostic(code("bunsui::aws::no_bucket"), help("set `[aws] bucket` in bunsui.toml"))]
    NoBucket,
    /// What the operations of a pipeline need does not fit into a role.
    #[error("the policy of pipeline `{pipeline}`'s role is {size} characters, and IAM takes {limit}")]
    #[diagnostic(
        code("bunsui::aws::policy_too_large"),
        help("make two pipelines of it, or write the role yourself and set `[aws] execution_role`")
    )]
    PolicyTooLarge {
        /// The pipeline.
        pipeline: String,
        /// Characters without blanks.
        size: usize,
        /// How many there may be.
        limit: usize,
    },
    /// A state machine of that name is another pipeline's.
    #[error("state machine `{machine}` is of {owner}, and is not touched")]
    #[diagnostic(
        code("bunsui::aws::other_owner"),
        help("give the pipeline another name, or set another `[aws] prefix`")
    )]
    OtherOwner {
        /// Its name.
        machine: String,
        /// Whose it is.
        owner: String,
    },
    /// The settings name another account.
    #[error("these AWS credentials are of account {found}, and `[aws] account` is {wanted}")]
    #[diagnostic(
        code("bunsui::aws::other_account"),
        help("use credentials of {wanted}; nothing was written")
    )]
    OtherAccount {
        /// Whose they are.
        found: String,
        /// Whose they have to be.
        wanted: String,
    },
}

impl AwsError {
    /// Whether asking again later, without a change, can help.
    pub fn is_recoverable(&self) -> bool {
        self.passes() || matches!(self, Self::ExpiredCredentials { .. })
    }

    /// Whether a session that is driven waits for it. Its credentials were good once: what they lack now comes by a login.
    pub(super) fn can_be_waited_for(&self) -> bool {
        self.passes() || matches!(self, Self::ExpiredCredentials { .. } | Self::NoCredentials { .. })
    }

    /// Whether it passes by itself: who waits need not be asked.
    pub(super) fn passes(&self) -> bool {
        matches!(self, Self::Throttled { .. } | Self::Unreachable { .. } | Self::Unavailable { .. })
    }
}

/// Tells the kinds apart, by the names that AWS gives its errors.
pub(super) fn classify<E, R>(error: SdkError<E, R>, call: &Call) -> AwsError
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    let action = call.action();
    if let SdkError::ServiceError(service) = &error {
        let meta = service.err().meta();
        return by_name(
            call,
            // An answer without a name is none of the service's own: a proxy's or a load balancer's.
            meta.code().unwrap_or("ServiceUnavailable"),
            meta.message().unwrap_or_default(),
            meta.request_id(),
        );
    }
    let message = causes(&error);
    let is_about_credentials = {
        let mut source: Option<&dyn Error> = Some(&error);
        let mut found = false;
        while let Some(cause) = source {
            found |= cause.is::<aws_credential_types::provider::error::CredentialsError>();
            source = cause.source();
        }
        found
    };
    if is_about_credentials || message.contains("no providers in chain provided credentials") {
        return AwsError::NoCredentials { action, message };
    }
    if matches!(error, SdkError::ConstructionFailure(_)) {
        return AwsError::Rejected {
            action,
            resource: call.resource.clone(),
            code: "not sent".into(),
            message,
            request: "".into(),
            help: Some("see that region and addresses are right: `bunsui config show`"),
        };
    }
    AwsError::Unreachable { action, message }
}

fn by_name(call: &Call, code: &str, message: &str, request: Option<&str>) -> AwsError {
    let (action, resource, message) = (call.action(), call.resource.clone(), message.to_owned());
    let request = request.map(|id| format!(" (request {id})")).unwrap_or_default();
    match code {
        "AccessDenied" | "AccessDeniedException" | "UnauthorizedOperation" | "Forbidden" => {
            let (action, resource) = match denied(&message) {
                // SQS writes its own actions in small letters.
                Some((found, resource)) if found.eq_ignore_ascii_case(&action) => (action, resource),
                found => found.unwrap_or((action, resource)),
            };
            AwsError::Denied { action, resource, message, request }
        }
        "ExpiredToken" | "ExpiredTokenException" | "RequestExpired" | "TokenRefreshRequired" => {
            AwsError::ExpiredCredentials { action, message }
        }
        "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "InvalidAccessKeyId"
        | "SignatureDoesNotMatch"
        | "InvalidSignatureException"
        | "RequestTimeTooSkewed"
        | "MissingAuthenticationToken" => AwsError::NoCredentials { action, message },
        "ResourceNotFoundException"
        | "NoSuchBucket"
        | "QueueDoesNotExist"
        | "AWS.SimpleQueueService.NonExistentQueue"
        | "NoSuchKey"
        | "NotFound"
        | "StateMachineDoesNotExist"
        | "ExecutionDoesNotExist" => AwsError::NotFound { action, resource, message, request },
        "Throttling"
        | "ThrottlingException"
        | "ThrottledException"
        | "RequestLimitExceeded"
        | "SlowDown"
        | "TooManyRequestsException"
        | "ProvisionedThroughputExceededException" => {
            AwsError::Throttled { action, resource, message, request }
        }
        "InternalServerError"
        | "InternalServerErrorException"
        | "InternalServiceError"
        | "InternalFailure"
        | "InternalError"
        | "ServiceUnavailable"
        | "ServiceUnavailableException"
        | "ServiceException" => {
            AwsError::Unavailable { action, resource, code: code.to_owned(), message, request }
        }
        _ => {
            let help = help_for(code, &message);
            AwsError::Rejected { action, resource, code: code.into(), message, request: request.into(), help }
        }
    }
}

/// What IAM says was not allowed, which need not be what was asked: a call may pass a role, a transaction has parts.
fn denied(message: &str) -> Option<(String, String)> {
    let (_, rest) = message.split_once("not authorized to perform: ")?;
    let action = rest.split_whitespace().next()?.trim_end_matches([',', '.']);
    let resource = rest.split_once("on resource: ").and_then(|(_, rest)| rest.split_whitespace().next());
    let resource =
        resource.map_or("it".to_owned(), |resource| format!("`{}`", resource.trim_matches(['"', ','])));
    Some((action.to_owned(), resource))
}

fn help_for(code: &str, message: &str) -> Option<&'static str> {
    let help = match code {
        "ServiceQuotaExceededException" | "StateMachineLimitExceeded" | "LimitExceededException" => {
            "a quota of the account is used up: `bunsui deploy FILE --prune` deletes versions that nothing needs, or have it raised"
        }
        "ValidationError" if message.contains("Parameter") => {
            "`bunsui infra template NAME` shows what each parameter takes"
        }
        "InvalidDefinition" => {
            "`bunsui compile FILE` prints what was sent; tell bunsui's authors, or those of the operation's plugin"
        }
        _ => return None,
    };
    Some(help)
}

/// An error with what caused it, in one line.
fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let more = cause.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_told_apart_by_their_names() {
        let call = Call::new("dynamodb", "PutItem", "table `bunsui-sessions`");
        let text = |code: &str| by_name(&call, code, "why", Some("r1")).to_string();
        assert_eq!(
            text("AccessDeniedException"),
            "AWS denied `dynamodb:PutItem` on table `bunsui-sessions`: why (request r1)"
        );
        assert_eq!(
            text("ResourceNotFoundException"),
            "AWS has no table `bunsui-sessions` (`dynamodb:PutItem`): why (request r1)"
        );
        assert!(matches!(by_name(&call, "ThrottlingException", "", None), AwsError::Throttled { .. }));
        assert!(matches!(by_name(&call, "ExpiredToken", "", None), AwsError::ExpiredCredentials { .. }));
        assert!(matches!(by_name(&call, "ValidationException", "", None), AwsError::Rejected { .. }));
        assert!(by_name(&call, "ThrottlingException", "", None).is_recoverable());
        assert!(by_name(&call, "InternalServerError", "", None).passes());
        let passed = "User: arn:aws:iam::1:user/x is not authorized to perform: iam:PassRole on resource: arn:aws:iam::1:role/r because no policy allows it";
        let denied = by_name(&call, "AccessDeniedException", passed, None).to_string();
        assert!(denied.starts_with("AWS denied `iam:PassRole` on `arn:aws:iam::1:role/r`"), "{denied}");
        let receive = Call::new("sqs", "ReceiveMessage", "queue `q`");
        let small =
            "User: u is not authorized to perform: sqs:receivemessage on resource: arn:aws:sqs:r:1:q because";
        let denied = by_name(&receive, "AccessDeniedException", small, None).to_string();
        assert!(denied.starts_with("AWS denied `sqs:ReceiveMessage` on `arn:aws:sqs:r:1:q`"), "{denied}");
    }
}
