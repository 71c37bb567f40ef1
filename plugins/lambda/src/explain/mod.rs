//! What an error of a function, or of Lambda, means.
//!
//! Takes: an error and its cause as Step Functions gives them, or as `run_local` does. Gives: a line, the trace, whether trying again helps, what
//! to do.
//! Deliberately does not: explain Step Functions' own errors (`States.…`), but for what a function gave that is too large; bunsui
//! knows more of those.

mod exception;
mod service;

use bunsui_plugin_sdk::cause::{self, Denied, Sentence};
use bunsui_plugin_sdk::{ExplainRequest, Explanation};
use exception::Exception;
use serde_json::Value as Json;

pub(crate) fn explain(request: &ExplainRequest) -> Option<Explanation> {
    let ExplainRequest { error, cause, keys } = request;
    let function = match keys.get("function").and_then(Json::as_str) {
        Some(name) if !name.contains("{%") => format!("function `{name}`"),
        _ => "the function".to_owned(),
    };
    if error.starts_with("States.") {
        return too_large(&function, error, cause);
    }
    let value = cause::open(cause);
    // Lambda's own errors have a cause of this form here, and a sentence on AWS.
    let exception = Exception::of(&value);
    let message = exception.as_ref().map_or_else(|| value.as_str().unwrap_or_default(), |it| &it.message);
    // `Lambda.Unknown` is the function's own, without a name.
    if error.starts_with("Lambda.")
        && error != "Lambda.Unknown"
        && let Some(explanation) = of_lambda(&function, error, message)
    {
        return Some(explanation);
    }
    let Some(exception) = exception else {
        return error.starts_with("Lambda.").then(|| Explanation {
            summary: format!("{error}: {}", Sentence::of(message).message),
            ..Explanation::default()
        });
    };
    Some(of_function(&function, error, &exception))
}

/// A result that Step Functions does not take; any other part of a state that is too large is not the function's.
fn too_large(function: &str, error: &str, cause: &str) -> Option<Explanation> {
    let is_result = error == "States.DataLimitExceeded" && cause.contains("returned a result");
    is_result.then(|| Explanation {
        summary: format!("{function} returned more than the 262144 bytes that a state may pass on"),
        detail: Some(cause.to_owned()),
        recoverable: Some(false),
        help: Some("let it store the result, and return its place".to_owned()),
    })
}

/// What Lambda says instead of calling the function.
fn of_lambda(function: &str, error: &str, text: &str) -> Option<Explanation> {
    let Sentence { message, code } = Sentence::of(text);
    if let Some(denied) = Denied::of(message) {
        return Some(not_allowed(&denied, text));
    }
    // `Lambda.AWSLambdaException` is any error that Step Functions has no name for; its own is in the sentence.
    let trouble = code.and_then(|code| service::trouble_of(&format!("Lambda.{code}")));
    let trouble = trouble.or_else(|| service::trouble_of(error))?;
    let what = match message.strip_prefix("Function not found: ") {
        Some(arn) => format!("function, version or alias `{arn}`"),
        None => function.to_owned(),
    };
    let summary = trouble.summary.replace("{}", &what);
    Some(Explanation {
        summary,
        detail: (!text.is_empty()).then(|| text.to_owned()),
        recoverable: trouble.recoverable,
        help: trouble.help.map(ToOwned::to_owned),
    })
}

/// The state machine's role may not call the function.
fn not_allowed(denied: &Denied<'_>, text: &str) -> Explanation {
    let help = if denied.is_explicit {
        "a policy denies it explicitly: of the role, of a boundary or of the organization"
    } else if text.contains("no resource-based policy") {
        "the function is of another account: its own policy has to allow the state machine's role"
    } else {
        "the role is that of the state machine; `bunsui deploy` makes one that may"
    };
    Explanation {
        summary: denied.to_string(),
        detail: Some(text.to_owned()),
        recoverable: Some(false),
        help: Some(help.to_owned()),
    }
}

/// What the function, or its runtime, ended with.
fn of_function(function: &str, error: &str, exception: &Exception) -> Explanation {
    // `Lambda.Unknown` is a failure that has no name.
    let error = if error == "Lambda.Unknown" || error.is_empty() { exception.kind.as_str() } else { error };
    let first = without_request(exception.message.lines().next().unwrap_or_default());
    let trace = exception.trace();
    if let Some(end) = End::of(error, &exception.message) {
        return Explanation { detail: trace, ..end.explanation(function, first) };
    }
    let (recoverable, help) = advice(error, exception);
    let kind = if error.contains('<') { exception.kind.as_str() } else { error };
    let summary = match kind {
        "" => first.to_owned(),
        _ if first.is_empty() => kind.to_owned(),
        // What Lambda itself says is a sentence already; its error's name adds nothing.
        "Runtime.ExitError" | "Runtime.InvalidEntrypoint" => first.to_owned(),
        _ => format!("{kind}: {first}"),
    };
    Explanation { summary, detail: trace, recoverable, help }
}

/// `RequestId: … Error: ` says nothing to who reads one line.
fn without_request(message: &str) -> &str {
    let rest = message.strip_prefix("RequestId: ").and_then(|rest| rest.split_once(" Error: "));
    rest.map_or(message, |(_, message)| message)
}

/// How Lambda ends a function, which says the same under several names of errors.
enum End<'a> {
    /// After so many seconds.
    TimedOut(&'a str),
    /// Surely for lack of memory.
    OutOfMemory,
    /// By a signal that nobody can refuse, nearly always for lack of memory.
    Killed,
    /// With more than Lambda takes.
    ResponseTooLarge,
}

impl<'a> End<'a> {
    fn of(error: &str, message: &'a str) -> Option<Self> {
        let is_of_lambda = error.is_empty()
            || ["Sandbox.", "Runtime.", "Function.", "Lambda."]
                .iter()
                .any(|prefix| error.starts_with(prefix));
        let simple = error.rsplit('.').next().unwrap_or_default();
        if ["OutOfMemory", "OutOfMemoryError", "OutOfMemoryException", "MemoryError", "NoMemoryError"]
            .contains(&simple)
            || message.contains("JavaScript heap out of memory")
        {
            return Some(Self::OutOfMemory);
        }
        if !is_of_lambda {
            return None;
        }
        if let Some((_, rest)) = message.split_once("Task timed out after ") {
            return Some(Self::TimedOut(rest.split_once(' ').map_or(rest, |(seconds, _)| seconds)));
        }
        if message.contains("signal: killed") || message.contains("signal 9") {
            return Some(Self::Killed);
        }
        (error == "Function.ResponseSizeTooLarge").then_some(Self::ResponseTooLarge)
    }

    fn explanation(&self, function: &str, said: &str) -> Explanation {
        const MEMORY: &str = "give the function more memory, or let it hold less at once";
        let (summary, recoverable, help) = match self {
            Self::TimedOut(seconds) => (
                format!("{function} timed out after {seconds} seconds, its own limit"),
                None,
                "give the function more time (900 s at most), or less to do at once",
            ),
            Self::OutOfMemory => (format!("{function} ran out of memory: {said}"), Some(false), MEMORY),
            Self::Killed => {
                (format!("{function} was killed, most often for using too much memory: {said}"), None, MEMORY)
            }
            Self::ResponseTooLarge => (
                format!("{function} returned more than Lambda passes on: {said}"),
                Some(false),
                "let it store the result, and return its place",
            ),
        };
        Explanation { summary, detail: None, recoverable, help: Some(help.to_owned()) }
    }
}

/// Whether trying again can help, and what to do.
fn advice(error: &str, exception: &Exception) -> (Option<bool>, Option<String>) {
    let message = exception.message.as_str();
    if let Some(denied) = Denied::of(message) {
        let help = format!("{denied}: allow it in the function's own role, not in the state machine's");
        return (Some(false), Some(help));
    }
    let own = of_runtime(error, message);
    if own != (None, None) {
        return (own.0, own.1.map(ToOwned::to_owned));
    }
    // `An error occurred (ThrottlingException) when calling the PutItem operation: …`
    let of_service = message.strip_prefix("An error occurred (").and_then(|rest| rest.split_once(')'));
    let kinds = [of_service.map_or("", |(code, _)| code), error, exception.kind.as_str()];
    let kinds = kinds.into_iter().chain(exception.causes.iter().map(|cause| cause.kind.as_str()));
    let recoverable = kinds.into_iter().find_map(|kind| of_kind(kind.rsplit('.').next().unwrap_or(kind)));
    (recoverable, None)
}

/// What the runtime says of a function that cannot be called.
fn of_runtime(error: &str, message: &str) -> (Option<bool>, Option<&'static str>) {
    match error {
        "Runtime.InvalidEntrypoint" if message.contains("not on the PATH") => {
            (Some(false), Some("install it, or put the folder it is in on the PATH"))
        }
        "Runtime.InvalidEntrypoint" if message.contains("exec format error") => {
            (Some(false), Some("is it built for the architecture that the function has (x86_64 or arm64)?"))
        }
        "Runtime.InvalidEntrypoint" => (Some(false), None),
        // So say the runtimes on AWS.
        "Runtime.ImportModuleError"
            if message.contains("Unable to import module") || message.contains("Cannot find module") =>
        {
            (Some(false), Some("is what it imports in the function's package or in its layers?"))
        }
        "Runtime.ImportModuleError" => {
            (Some(false), Some("is the file where `local.handler` says, and is what it imports installed?"))
        }
        "Runtime.HandlerNotFound"
            if message.contains("missing on module") || message.contains("is undefined") =>
        {
            (Some(false), Some("does the function's package have the handler that its configuration names?"))
        }
        "Runtime.HandlerNotFound" => {
            (Some(false), Some("does the file have the function that `local.handler` names?"))
        }
        "Runtime.UserCodeSyntaxError" | "Runtime.MarshalError" => (Some(false), None),
        "Runtime.ExitError" => (None, Some("its last log lines may say why")),
        _ => (None, None),
    }
}

/// By the last part of an exception's name, in any language.
fn of_kind(kind: &str) -> Option<bool> {
    match kind {
        // Mistakes of a program do not go away by themselves.
        "KeyError"
        | "TypeError"
        | "AttributeError"
        | "NameError"
        | "IndexError"
        | "ReferenceError"
        | "SyntaxError"
        | "ImportError"
        | "ModuleNotFoundError"
        | "ZeroDivisionError"
        | "AssertionError"
        | "NotImplementedError"
        | "NoMethodError"
        | "NullPointerException"
        | "ClassCastException"
        | "ClassNotFoundException"
        | "NoSuchMethodError"
        | "ArrayIndexOutOfBoundsException"
        | "ArithmeticException"
        | "NullReferenceException"
        | "InvalidCastException" => Some(false),
        "AccessDenied"
        | "AccessDeniedException"
        | "NoSuchKey"
        | "NoSuchBucket"
        | "ResourceNotFoundException"
        | "ValidationException" => Some(false),
        "TimeoutError"
        | "ConnectionError"
        | "ConnectionResetError"
        | "ConnectionRefusedError"
        | "ConnectTimeoutError"
        | "ReadTimeoutError"
        | "EndpointConnectionError"
        | "SocketTimeoutException"
        | "ConnectException" => Some(true),
        "Throttling"
        | "ThrottlingException"
        | "TooManyRequestsException"
        | "RequestLimitExceeded"
        | "SlowDown"
        | "ProvisionedThroughputExceededException"
        | "ServiceUnavailable"
        | "InternalServerError"
        | "InternalError" => Some(true),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
