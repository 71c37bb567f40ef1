//! A call that a service did not carry out.
//!
//! Takes: the name of its error, as Step Functions has it (`Glue.ConcurrentRunsExceededException`), and its words. Gives: what it means, by
//! what names have in common.
//! Deliberately does not: know the errors of every service.

use bunsui_plugin_sdk::Explanation;
use bunsui_plugin_sdk::cause::{Denied, Sentence};

/// What errors with such a name mean. In `summary`, `{}` is the action.
struct Meaning {
    /// Of which one is in the name.
    words: &'static [&'static str],
    summary: &'static str,
    recoverable: Option<bool>,
    help: &'static str,
}

/// The first that fits counts.
const MEANINGS: &[Meaning] = &[
    Meaning {
        words: &["ConcurrentRunsExceeded"],
        summary: "`{}` was refused: as many runs of the job as it allows are under way",
        recoverable: Some(true),
        help: "raise the job's maximum concurrency, or give the operation a `retry` that outlasts a run",
    },
    Meaning {
        words: &["ConditionalCheckFailed"],
        summary: "the condition of `{}` did not hold",
        recoverable: Some(false),
        help: "",
    },
    Meaning {
        words: &["TransactionCanceled"],
        summary: "the transaction of `{}` was cancelled",
        recoverable: None,
        help: "the reasons stand in the service's words, one for each item",
    },
    Meaning {
        words: &[
            "Throttl",
            "TooManyRequests",
            "RequestLimitExceeded",
            "ProvisionedThroughputExceeded",
            "SlowDown",
            "RateExceeded",
            "BandwidthLimitExceeded",
            "PriorRequestNotComplete",
        ],
        summary: "`{}` was throttled",
        recoverable: Some(true),
        help: "give the operation a `retry` with a `backoff_rate`, lower `max_concurrency`, or have the service's quota raised",
    },
    Meaning {
        words: &["LimitExceeded", "QuotaExceeded", "TooManyEntities"],
        summary: "`{}` was refused: a limit of the service is reached",
        recoverable: None,
        help: "remove what is not needed any more, or have the quota raised",
    },
    Meaning {
        words: &[
            "SdkClient",
            "ServiceUnavailable",
            "InternalServer",
            "InternalService",
            "InternalError",
            "InternalFailure",
            "RequestTimeout",
            "EndpointConnection",
        ],
        summary: "the service failed, or was not reached, when `{}` was called",
        recoverable: Some(true),
        help: "give the operation a `retry`",
    },
    Meaning {
        words: &[
            "AlreadyExists",
            "ResourceInUse",
            "ConflictException",
            "Idempotent",
            "BucketAlreadyOwnedByYou",
        ],
        summary: "`{}` was refused: what it makes is there already, or is being changed",
        recoverable: Some(false),
        help: "use a name that is new for each session, with `${session.id}` in it, or let what is there end first",
    },
    Meaning {
        words: &["NotFound", "NoSuch", "DoesNotExist", "EntityNotFound", "NonExistent"],
        summary: "what `{}` names is not there",
        recoverable: Some(false),
        help: "see that it is in this account and region, and spelled as it is there",
    },
    Meaning {
        words: &[
            "Validation",
            "InvalidParameter",
            "InvalidRequest",
            "InvalidInput",
            "BadRequest",
            "InvalidArgument",
            "MalformedQuery",
            "SerializationException",
            "ParamValidation",
        ],
        summary: "the service does not take the arguments of `{}`",
        recoverable: Some(false),
        help: "mend `arguments`: names are in PascalCase at every depth, and what the service calls text has to be text",
    },
    Meaning {
        words: &["ExpiredToken", "UnrecognizedClient", "InvalidClientToken"],
        summary: "the credentials of the state machine's role were not taken by `{}`",
        recoverable: Some(true),
        help: "a role that was made just now is known everywhere after some seconds",
    },
];

pub(super) fn explain(action: &str, error: &str, cause: &str) -> Explanation {
    let Sentence { message, code } = Sentence::of(cause);
    let detail = Some(cause.to_owned()).filter(|cause| !cause.is_empty());
    if let Some(denied) = Denied::of(message) {
        return Explanation { detail, ..not_allowed(&denied, cause) };
    }
    let is_of = |name: &str, meaning: &Meaning| meaning.words.iter().any(|word| name.contains(word));
    let is_denied = ["AccessDenied", "Unauthorized", "NotAuthorized", "Forbidden", "States.Permissions"];
    if is_denied.iter().any(|word| error.contains(word)) || message.contains("Access Denied") {
        return Explanation { detail, ..denied_without_a_name(action, error) };
    }
    let found = MEANINGS.iter().find(|meaning| is_of(error, meaning));
    let found =
        found.or_else(|| MEANINGS.iter().find(|meaning| code.is_some_and(|code| is_of(code, meaning))));
    let Some(found) = found else {
        return Explanation {
            summary: if message.is_empty() { error.to_owned() } else { format!("{error}: {message}") },
            detail: detail.filter(|detail| detail != message),
            ..Explanation::default()
        };
    };
    let said = if message.is_empty() { String::new() } else { format!(": {message}") };
    Explanation {
        summary: format!("{}{said}", found.summary.replace("{}", action)),
        detail: detail.filter(|detail| detail != message),
        recoverable: found.recoverable,
        help: (!found.help.is_empty()).then(|| found.help.to_owned()),
    }
}

/// A permission that is named.
fn not_allowed(denied: &Denied<'_>, text: &str) -> Explanation {
    let help = if denied.is_explicit {
        "a policy denies it explicitly: of the role, of a boundary or of the organization".to_owned()
    } else if text.contains("no permissions boundary") {
        format!(
            "the boundary of pipelines' roles does not allow it: an administrator adds `{}` to what it does, `bunsui infra deploy --parameter ExecutionActions=…`",
            denied.action
        )
    } else if text.contains("no resource-based policy") {
        "what is called is of another account: its own policy has to allow the state machine's role"
            .to_owned()
    } else {
        format!(
            "add it to the operation, and deploy: `permissions = [{{ actions = [\"{}\"], resources = [\"{}\"] }}]`",
            denied.action,
            denied.resource.unwrap_or("*")
        )
    };
    Explanation { summary: denied.to_string(), detail: None, recoverable: Some(false), help: Some(help) }
}

/// A service that does not say what is missing.
fn denied_without_a_name(action: &str, error: &str) -> Explanation {
    let plan =
        "`bunsui plan` shows what the role may do; what is missing is said in `permissions` of the operation";
    let help = match error.starts_with("S3.") {
        // S3 says so to keep secret what there is.
        true => format!("{plan}; an object that is not there looks the same to who may not `s3:ListBucket`"),
        false => plan.to_owned(),
    };
    Explanation {
        summary: format!("the state machine's role may not do all that `{action}` takes"),
        detail: None,
        recoverable: Some(false),
        help: Some(help),
    }
}

/// What an endpoint of HTTP answered.
pub(super) fn by_status(action: &str, status: &str, cause: &str) -> Explanation {
    let recoverable = match status {
        "408" | "425" | "429" => Some(true),
        _ if status.starts_with('5') => Some(true),
        _ if status.starts_with('4') => Some(false),
        _ => None,
    };
    let help = match status {
        "401" | "403" => Some("what the connection of EventBridge sends is not taken: see its credentials"),
        "404" => Some("see that `ApiEndpoint` is right"),
        _ => None,
    };
    Explanation {
        summary: format!("the endpoint of `{action}` answered {status}"),
        detail: (!cause.is_empty()).then(|| cause.to_owned()),
        recoverable,
        help: help.map(ToOwned::to_owned),
    }
}
