use super::*;
use serde_json::json;

fn explained(error: &str, cause: &str) -> Option<Explanation> {
    explain(&ExplainRequest {
        keys: json!({"function": "etl"}),
        error: error.to_owned(),
        cause: cause.to_owned(),
    })
}

/// Error, cause; summary, whether trying again helps, a part of the help.
#[track_caller]
fn check(error: &str, cause: impl ToString, summary: &str, recoverable: Option<bool>, help: &str) {
    let explanation = explained(error, &cause.to_string()).expect("it is explained");
    assert_eq!(explanation.summary, summary);
    assert_eq!(explanation.recoverable, recoverable, "of {error}");
    let said = explanation.help.unwrap_or_default();
    assert!(said.contains(help) && said.is_empty() == help.is_empty(), "{said:?} of {error}");
}

#[test]
fn an_exception_is_said_in_a_line() {
    let cause = |kind: &str, message: &str| json!({"errorMessage": message, "errorType": kind, "trace": []});
    check("KeyError", cause("KeyError", "'year'"), "KeyError: 'year'", Some(false), "");
    check("RuntimeError", cause("RuntimeError", "away\nfor now"), "RuntimeError: away", None, "");
    check("Function<KeyError>", cause("Function<KeyError>", "no"), "KeyError: no", Some(false), "");
    check("Error", cause("Error", ""), "Error", None, "");
    check(
        "java.net.SocketTimeoutException",
        cause("java.net.SocketTimeoutException", "Read timed out"),
        "java.net.SocketTimeoutException: Read timed out",
        Some(true),
        "",
    );
    let wrapped = json!({
        "errorMessage": "failed", "errorType": "java.lang.RuntimeException",
        "cause": {"errorMessage": "null", "errorType": "java.lang.NullPointerException"},
    });
    check("java.lang.RuntimeException", wrapped, "java.lang.RuntimeException: failed", Some(false), "");
}

#[test]
fn what_another_service_refused_is_seen_in_an_exceptions_message() {
    let said = |message: &str| json!({"errorMessage": message, "errorType": "ClientError", "stackTrace": []});
    let throttled =
        "An error occurred (ThrottlingException) when calling the PutItem operation: Rate exceeded";
    check("ClientError", said(throttled), &format!("ClientError: {throttled}"), Some(true), "");
    let unnamed = json!({"errorMessage": "User: arn:aws:sts::1:assumed-role/f/s is not authorized to perform: s3:GetObject"});
    check(
        "Lambda.Unknown",
        unnamed,
        "User: arn:aws:sts::1:assumed-role/f/s is not authorized to perform: s3:GetObject",
        Some(false),
        "in the function's own role",
    );
    let denied = "An error occurred (AccessDenied) when calling the GetObject operation: User: arn:aws:sts::123456789012:assumed-role/etl-function/etl \
                  is not authorized to perform: s3:GetObject on resource: \"arn:aws:s3:::lake/a\" because no identity-based policy allows it";
    check(
        "ClientError",
        said(denied),
        &format!("ClientError: {denied}"),
        Some(false),
        "role `etl-function` may not `s3:GetObject` on `arn:aws:s3:::lake/a`: allow it in the function's own role",
    );
}

#[test]
fn a_functions_timeout_is_said_under_all_its_names() {
    let summary = "function `etl` timed out after 3.00 seconds, its own limit";
    let unknown = "The cause could not be determined because Lambda did not return an error type. Returned payload: \
                   {\"errorMessage\":\"2025-03-25T14:59:02.758Z 92f6dcea-87c0-4e89-9a9e-294239bffbb9 Task timed out after 3.00 seconds\"}";
    check("Lambda.Unknown", unknown, summary, None, "more time");
    let sandbox = json!({"errorType": "Sandbox.Timedout", "errorMessage": "RequestId: 9d2 Error: Task timed out after 3.00 seconds"});
    check("Sandbox.Timedout", sandbox, summary, None, "more time");
}

#[test]
fn a_lack_of_memory_is_said_under_all_its_names() {
    let killed = "function `etl` was killed, most often for using too much memory: Runtime exited with error: signal: killed";
    let message = "RequestId: 9d2 Error: Runtime exited with error: signal: killed";
    let cause = json!({"errorType": "Runtime.ExitError", "errorMessage": message});
    check("Runtime.ExitError", cause, killed, None, "more memory");
    let unknown = format!("… Returned payload: {}", json!({"errorMessage": message}));
    check("Lambda.Unknown", unknown, killed, None, "more memory");
    for (error, message) in [
        ("Runtime.OutOfMemory", "RequestId: 9d2 Error: the function used more than 128 MB"),
        ("MemoryError", "no room"),
        ("java.lang.OutOfMemoryError", "Java heap space"),
    ] {
        let said = without_request(message);
        let cause = json!({"errorType": error, "errorMessage": message});
        check(error, cause, &format!("function `etl` ran out of memory: {said}"), Some(false), "more memory");
    }
}

#[test]
fn the_runtimes_own_errors_are_sentences() {
    let cause = |error: &str, message: &str| json!({"errorType": error, "errorMessage": message});
    check(
        "Runtime.ExitError",
        cause("Runtime.ExitError", "RequestId: 1-2 Error: Runtime exited with error: exit status 3"),
        "Runtime exited with error: exit status 3",
        None,
        "last log lines",
    );
    check(
        "Runtime.ImportModuleError",
        cause(
            "Runtime.ImportModuleError",
            "Unable to import module 'lambda_function': No module named 'pandas'",
        ),
        "Runtime.ImportModuleError: Unable to import module 'lambda_function': No module named 'pandas'",
        Some(false),
        "layers",
    );
    check(
        "Runtime.HandlerNotFound",
        cause("Runtime.HandlerNotFound", "`f.py` has no function `g`"),
        "Runtime.HandlerNotFound: `f.py` has no function `g`",
        Some(false),
        "local.handler",
    );
    check(
        "Function.ResponseSizeTooLarge",
        cause(
            "Function.ResponseSizeTooLarge",
            "Response payload size exceeded maximum allowed payload size (6291556 bytes).",
        ),
        "function `etl` returned more than Lambda passes on: Response payload size exceeded maximum allowed payload size (6291556 bytes).",
        Some(false),
        "store the result",
    );
}

#[test]
fn what_lambda_refuses_is_said_in_the_readers_words() {
    let sentence = |message: &str, status: u16, code: &str| {
        format!(
            "{message} (Service: AWSLambda; Status Code: {status}; Error Code: {code}; Request ID: 4c1; Proxy: null)"
        )
    };
    let cases = [
        (
            "Lambda.TooManyRequestsException",
            sentence("Rate Exceeded.", 429, "TooManyRequestsException"),
            "Lambda throttled the call of function `etl`",
            Some(true),
            "max_concurrency",
        ),
        (
            "Lambda.ResourceNotFoundException",
            sentence(
                "Function not found: arn:aws:lambda:eu-west-1:1:function:etl:live",
                404,
                "ResourceNotFoundException",
            ),
            "there is no function, version or alias `arn:aws:lambda:eu-west-1:1:function:etl:live`",
            Some(false),
            "is the function deployed",
        ),
        (
            "Lambda.RequestTooLargeException",
            sentence(
                "Request must be smaller than 6291456 bytes for the InvokeFunction operation",
                413,
                "RequestTooLargeException",
            ),
            "the payload is larger than function `etl` may be given",
            Some(false),
            "leave the data in S3",
        ),
        (
            "Lambda.AWSLambdaException",
            sentence("Lambda was unable to decrypt", 502, "KMSAccessDeniedException"),
            "Lambda may not decrypt the environment variables of function `etl`",
            Some(false),
            "kms:Decrypt",
        ),
        (
            "Lambda.EFSMountConnectivityException",
            "The function couldn't connect to the EFS file system".to_owned(),
            "function `etl` cannot reach its file system",
            None,
            "2049",
        ),
        (
            "Lambda.ENILimitReachedException",
            String::new(),
            "no network interface is left for function `etl`",
            Some(true),
            "quota",
        ),
        (
            "Lambda.SdkClientException",
            "Unable to execute HTTP request: Read timed out".to_owned(),
            "the call of function `etl` did not reach Lambda, or its answer did not come back",
            Some(true),
            "",
        ),
        (
            "Lambda.UnsupportedMediaTypeException",
            sentence("Not JSON", 415, "UnsupportedMediaTypeException"),
            "Lambda.UnsupportedMediaTypeException: Not JSON",
            None,
            "",
        ),
    ];
    for (error, cause, summary, recoverable, help) in cases {
        check(error, cause, summary, recoverable, help);
    }
}

#[test]
fn a_role_that_may_not_call_is_named_with_what_it_may_not() {
    let function = "arn:aws:lambda:us-west-2:123456789012:function:etl";
    let user = "User: arn:aws:sts::123456789012:assumed-role/bunsui-nightly/KPooZZhQ";
    let denied = |why: &str| {
        format!(
            "{user} is not authorized to perform: lambda:InvokeFunction on resource: {function} {why} \
             (Service: AWSLambda; Status Code: 403; Error Code: AccessDeniedException; Request ID: 5d8)"
        )
    };
    let summary = format!("role `bunsui-nightly` may not `lambda:InvokeFunction` on `{function}`");
    for (error, why, help) in [
        ("Lambda.AWSLambdaException", "because no identity-based policy allows it", "`bunsui deploy`"),
        ("Lambda.AccessDeniedException", "with an explicit deny", "explicitly"),
        ("Lambda.AWSLambdaException", "because no resource-based policy allows it", "another account"),
    ] {
        check(error, denied(why), &summary, Some(false), help);
    }
}

#[test]
fn step_functions_own_errors_are_left_to_bunsui() {
    assert_eq!(explained("States.Timeout", ""), None);
    assert_eq!(explained("States.TaskFailed", "{\"errorMessage\": \"the invocation was stopped\"}"), None);
    let input =
        "The state/task 'invoke' has an input that exceeds the maximum number of bytes service limit.";
    assert_eq!(explained("States.DataLimitExceeded", input), None);
    check(
        "States.DataLimitExceeded",
        "The state/task 'arn:aws:states:::lambda:invoke' returned a result with a size exceeding the maximum number of bytes service limit.",
        "function `etl` returned more than the 262144 bytes that a state may pass on",
        Some(false),
        "store the result",
    );
}

#[test]
fn the_trace_is_the_detail() {
    let frames = ["  File \"etl/extract.py\", line 4, in handler\n    event[\"year\"]\n"];
    let cause = json!({"errorMessage": "'year'", "errorType": "KeyError", "stackTrace": frames});
    assert_eq!(
        explained("KeyError", &cause.to_string()).unwrap().detail.unwrap(),
        "Traceback (most recent call last):\n  File \"etl/extract.py\", line 4, in handler\n    event[\"year\"]"
    );
}
