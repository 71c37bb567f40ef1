//! An operation's keys, and a state's arguments, as structs of the author's own.
//!
//! Takes: JSON. Gives: the struct, or an error that points to the member that does not fit.
//! Deliberately does not: know a schema; what the schema refuses never gets here from a pipeline file.

use crate::{
    CheckRequest, ExplainRequest, LocalTask, LogsRequest, PermissionsRequest, PluginError, PreflightRequest,
    StatesRequest, StopRequest,
};
use serde::de::DeserializeOwned;
use serde_json::Value as Json;
use serde_path_to_error::{Path, Segment};

/// Reads JSON into a `T`. The error's pointer is that of the member that does not fit.
///
/// ```
/// # use bunsui_plugin_sdk::{keys, serde_json::json};
/// #[derive(Debug, serde::Deserialize)]
/// struct Keys { sizes: Vec<u8> }
///
/// let error = keys::read::<Keys>(&json!({ "sizes": [1, 1000] })).unwrap_err();
/// assert_eq!(error.pointer.as_deref(), Some("/sizes/1"));
/// assert_eq!(error.message, "invalid value: integer `1000`, expected u8");
/// ```
///
/// # Errors
///
/// Where the JSON has not the form of a `T`.
pub fn read<T: DeserializeOwned>(json: &Json) -> Result<T, PluginError> {
    serde_path_to_error::deserialize(json)
        .map_err(|error| PluginError::new(error.inner().to_string()).at(pointer(error.path())))
}

/// RFC 6901.
fn pointer(path: &Path) -> String {
    let mut pointer = String::new();
    for segment in path {
        let step = match segment {
            Segment::Seq { index } => index.to_string(),
            Segment::Map { key } => key.replace('~', "~0").replace('/', "~1"),
            // The variant of an enum is a key in JSON, or nothing at all; what comes after it cannot be found.
            Segment::Enum { .. } | Segment::Unknown => break,
        };
        pointer.push('/');
        pointer.push_str(&step);
    }
    pointer
}

macro_rules! keys_as {
    ($($request:ident),+) => {
        $(impl $request {
            /// The operation's keys as a struct of the author's own; see [`Value`](crate::Value) for keys that may hold
            /// references.
            ///
            /// # Errors
            ///
            /// Where a key does not fit; the error points to it.
            pub fn keys_as<T: DeserializeOwned>(&self) -> Result<T, PluginError> {
                read(&self.keys)
            }
        })+
    };
}

keys_as!(
    CheckRequest,
    StatesRequest,
    PermissionsRequest,
    PreflightRequest,
    LocalTask,
    StopRequest,
    ExplainRequest,
    LogsRequest
);

impl LocalTask {
    /// The state's evaluated Arguments as a struct of the author's own. Here all values are known, whatever the keys left open.
    ///
    /// # Errors
    ///
    /// Where a member does not fit; the message says which.
    pub fn arguments_as<T: DeserializeOwned>(&self) -> Result<T, PluginError> {
        read(&self.arguments).map_err(|error| {
            let place = error.pointer.filter(|pointer| !pointer.is_empty());
            let place = place.map(|pointer| format!(" at `{pointer}`")).unwrap_or_default();
            // A pointer would be taken for one into the keys.
            PluginError::new(format!(
                "the arguments of state `{}` do not fit{place}: {}",
                self.state, error.message
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Value;
    use serde::Deserialize;
    use serde_json::json;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only what does not fit is looked at")]
    struct Keys {
        queue: Value<String>,
        targets: Option<Value<Vec<Target>>>,
        local: Option<Local>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only what does not fit is looked at")]
    struct Target {
        #[serde(rename = "a/b~c")]
        weight: Value<u8>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "snake_case")]
    #[expect(dead_code, reason = "only what does not fit is looked at")]
    enum Local {
        File(u8),
    }

    #[track_caller]
    fn check(keys: Json, pointer: &str, message: &str) {
        let request = StatesRequest { job: "j".to_owned(), operation: "o".to_owned(), keys };
        let error = request.keys_as::<Keys>().unwrap_err();
        assert_eq!((error.pointer.as_deref(), error.message.as_str()), (Some(pointer), message));
    }

    #[test]
    fn an_error_points_to_what_does_not_fit() {
        check(json!({}), "", "missing field `queue`");
        check(json!({"queue": 1}), "/queue", "invalid type: integer `1`, expected a string");
        let targets = |weight: Json| json!({"queue": "q", "targets": [{"a/b~c": 1}, {"a/b~c": weight}]});
        check(targets(json!(300)), "/targets/1/a~1b~0c", "invalid value: integer `300`, expected u8");
        check(targets(json!("x")), "/targets/1/a~1b~0c", "invalid type: string \"x\", expected u8");
        check(
            json!({"queue": "q", "local": {"file": 300}}),
            "/local",
            "invalid value: integer `300`, expected u8",
        );
        check(json!([]), "", "invalid length 0, expected struct Keys with 3 elements");
    }

    #[test]
    fn an_unknown_key_is_pointed_to() {
        let keys = json!({"queue": "q", "colour": 1});
        check(keys, "/colour", "unknown field `colour`, expected one of `queue`, `targets`, `local`");
    }

    #[test]
    fn arguments_are_read_and_their_error_is_not_one_of_the_keys() {
        let task: LocalTask = serde_json::from_value(json!({
            "keys": {}, "state": "send", "arguments": {"QueueUrl": 1}, "directory": "/", "objects": "/", "session": "s",
            "job": "j", "operation": "o", "attempt": 1, "try_number": 1
        }))
        .unwrap();
        #[derive(Debug, Deserialize)]
        #[serde(rename_all = "PascalCase")]
        #[expect(dead_code, reason = "only what does not fit is looked at")]
        struct Arguments {
            queue_url: String,
        }
        let error = task.arguments_as::<Arguments>().unwrap_err();
        assert_eq!(error.pointer, None);
        assert_eq!(
            error.message,
            "the arguments of state `send` do not fit at `/QueueUrl`: invalid type: integer `1`, expected a string"
        );
    }
}
