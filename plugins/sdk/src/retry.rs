//! What a Task state tries again unasked.
//!
//! Takes: nothing. Gives: the `Retry` of a state. Deliberately does not: say a word where a user's own `retry` is given, which takes its
//! place.

use serde_json::{Value as Json, json};

/// Errors of Lambda and not of the function, as the Step Functions guide lists them ("Handle transient Lambda service exceptions").
const TRANSIENT_OF_LAMBDA: [&str; 5] = [
    "Lambda.ClientExecutionTimeoutException",
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.TooManyRequestsException",
];

/// What the Step Functions guide says to try again of a state that invokes a function: what comes of Lambda itself and passes.
///
/// ```
/// # use bunsui_plugin_sdk::{Fragment, retry, serde_json::json};
/// let resource = "arn:aws:states:::lambda:invoke";
/// let invoke = Fragment::task("score", resource, json!({ "FunctionName": "score" })).with("Retry", retry::lambda());
/// assert_eq!(invoke.states["score"]["Retry"][0]["MaxAttempts"], 3);
/// ```
pub fn lambda() -> Json {
    json!([{
        "ErrorEquals": TRANSIENT_OF_LAMBDA,
        "IntervalSeconds": 1,
        "MaxAttempts": 3,
        "BackoffRate": 2,
        "JitterStrategy": "FULL",
    }])
}
