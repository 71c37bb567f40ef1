//! States, put together.
//!
//! Takes: what a service is asked. Gives: a [`Fragment`]. Deliberately does not: know a service.

use crate::Fragment;
use serde::Serialize;
use serde_json::{Map, Value as Json, json};

impl Fragment {
    /// One Task state, the operation's only one: `resource` is asked with `arguments`, and what it answers is the operation's
    /// result. Members of the arguments that are null are left out, so that an `Option` can be given as it is.
    ///
    /// ```
    /// # use bunsui_plugin_sdk::{Fragment, serde_json::json};
    /// let delay: Option<u32> = None;
    /// let arguments = json!({ "QueueUrl": "{% $params.queue %}", "MessageBody": "hello", "DelaySeconds": delay });
    /// let fragment = Fragment::task("send", "arn:aws:states:::sqs:sendMessage", arguments)
    ///     .output("{% { 'message_id': $states.result.MessageId } %}");
    ///
    /// assert_eq!(json!(fragment), json!({
    ///     "start_at": "send",
    ///     "states": { "send": {
    ///         "Type": "Task",
    ///         "Resource": "arn:aws:states:::sqs:sendMessage",
    ///         "Arguments": { "QueueUrl": "{% $params.queue %}", "MessageBody": "hello" },
    ///         "Output": "{% { 'message_id': $states.result.MessageId } %}",
    ///         "End": true,
    ///     } },
    /// }));
    /// ```
    ///
    /// # Panics
    ///
    /// Where the arguments have no form in JSON: a map whose keys are no texts, for instance.
    pub fn task(name: &str, resource: &str, arguments: impl Serialize) -> Self {
        let mut arguments = serde_json::to_value(arguments).expect("arguments are JSON");
        if let Json::Object(members) = &mut arguments {
            members.retain(|_, value| !value.is_null());
        }
        let state = json!({ "Type": "Task", "Resource": resource, "Arguments": arguments, "End": true });
        Self { start_at: name.to_owned(), states: Map::from_iter([(name.to_owned(), state)]) }
    }

    /// Sets a field of the last state, in place of one that is there: `Retry`, `Catch`, `Comment`.
    #[must_use]
    pub fn with(mut self, field: &str, value: impl Into<Json>) -> Self {
        if let Some(state) = self.states.values_mut().last().and_then(Json::as_object_mut) {
            // `End` stays the last word of a state.
            let end = state.shift_remove("End");
            state.insert(field.to_owned(), value.into());
            state.extend(end.map(|end| ("End".to_owned(), end)));
        }
        self
    }

    /// Makes something else of the last state's answer (`$states.result`) than the answer itself.
    #[must_use]
    pub fn output(self, output: impl Into<Json>) -> Self {
        self.with("Output", output)
    }

    /// Goes on with other states where these ended.
    ///
    /// ```
    /// # use bunsui_plugin_sdk::{Fragment, serde_json::json};
    /// let put = Fragment::task("put", "arn:aws:states:::aws-sdk:s3:putObject", json!({ "Bucket": "lake" }));
    /// let tell = Fragment::task("tell", "arn:aws:states:::sns:publish", json!({ "Message": "there" }));
    /// let both = put.then(tell);
    /// assert_eq!(both.start_at, "put");
    /// assert_eq!(both.states["put"]["Next"], "tell");
    /// assert_eq!(both.states["tell"]["End"], true);
    /// ```
    ///
    /// # Panics
    ///
    /// Where both have a state of one name.
    #[must_use]
    pub fn then(mut self, next: Self) -> Self {
        for state in self.states.values_mut().filter_map(Json::as_object_mut) {
            if state.shift_remove("End") == Some(Json::Bool(true)) {
                state.insert("Next".to_owned(), next.start_at.clone().into());
            }
        }
        for (name, state) in next.states {
            assert!(!self.states.contains_key(&name), "two states have the name `{name}`");
            self.states.insert(name, state);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_replaced_and_the_end_stays_last() {
        let task = Fragment::task("a", "arn:r", json!({"x": [null]})).output("1").output("2");
        let state = task.states["a"].as_object().unwrap();
        assert_eq!(state.keys().collect::<Vec<_>>(), ["Type", "Resource", "Arguments", "Output", "End"]);
        assert_eq!((&state["Output"], &state["Arguments"]), (&json!("2"), &json!({"x": [null]})));
        let chain = task.then(Fragment::task("b", "arn:r", json!({}))).with("Retry", json!([]));
        assert_eq!(chain.states["a"].get("Retry"), None);
        assert_eq!(chain.states["b"]["Retry"], json!([]));
    }

    #[test]
    #[should_panic(expected = "two states have the name `a`")]
    fn a_name_is_not_taken_twice() {
        let task = || Fragment::task("a", "arn:r", json!({}));
        let _ = task().then(task());
    }
}
