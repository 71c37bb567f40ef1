//! What `action`, `sync` and `wait_for_callback` say.
//!
//! Takes: the keys. Gives: the integration, and the `Resource` of its state.
//! Deliberately does not: look whether Step Functions has such an integration.

use crate::optimised::{self, Optimised, Pattern, Takes};
use crate::table;
use serde_json::Value as Json;

/// Before the name of a service whose action is meant as the SDK has it, where Step Functions has a form of its own.
const SDK: &str = "aws-sdk:";

/// An action of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Integration<'a> {
    /// As it is written.
    pub(crate) text: &'a str,
    pub(crate) service: &'a str,
    pub(crate) action: &'a str,
    /// Step Functions' own form of it.
    pub(crate) optimised: Option<&'static Optimised>,
}

impl<'a> Integration<'a> {
    /// Reads `service:action` and `aws-sdk:service:action`.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let of_sdk = text.strip_prefix(SDK);
        let (service, action) = of_sdk.unwrap_or(text).split_once(':')?;
        let is_name = |name: &str| {
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        };
        let optimised = if of_sdk.is_none() { optimised::find(service, action) } else { None };
        (is_name(service) && is_name(action)).then_some(Self { text, service, action, optimised })
    }

    /// The integration of an operation's keys.
    pub(crate) fn of(keys: &'a Json) -> Option<Self> {
        Self::parse(keys.get("action")?.as_str()?)
    }

    /// The `Resource` of its state.
    pub(crate) fn resource(&self, pattern: Pattern) -> String {
        let Self { service, action, optimised, .. } = self;
        let sdk = if optimised.is_some() { "" } else { SDK };
        let suffix = match pattern {
            Pattern::Answer => "",
            Pattern::Job => optimised.and_then(|one| one.sync).unwrap_or(".sync"),
            Pattern::Callback => ".waitForTaskToken",
        };
        format!("arn:aws:states:::{sdk}{service}:{action}{suffix}")
    }

    /// What is known of its action in the table.
    pub(crate) fn facts(&self) -> Option<(table::Service, table::Action)> {
        let (service, action) = match self.optimised {
            Some(Optimised { takes: Takes::Of(service, action), .. }) => (*service, *action),
            Some(Optimised { takes: Takes::Own(..), .. }) => return None,
            None => (self.service, self.action),
        };
        let service = table::service(service)?;
        Some((service, service.action(action)?))
    }

    /// The name of the service in the SDK: `sfn` of `states`.
    pub(crate) fn sdk_service(&self) -> &str {
        self.optimised.and_then(Optimised::sdk).map_or(self.service, |(service, _)| service)
    }

    /// Whether it is this action, in either form.
    pub(crate) fn is(&self, sdk_service: &str, action: &str) -> bool {
        self.sdk_service() == sdk_service && self.action == action
    }
}

impl Pattern {
    /// What the keys say.
    pub(crate) fn of(keys: &Json) -> Self {
        let is = |key| keys.get(key) == Some(&Json::Bool(true));
        match (is("sync"), is("wait_for_callback")) {
            (_, true) => Self::Callback,
            (true, _) => Self::Job,
            _ => Self::Answer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check(keys: Json, resource: &str) {
        let found = Integration::of(&keys).map(|found| found.resource(Pattern::of(&keys)));
        assert_eq!(found.as_deref(), Some(resource));
    }

    #[test]
    fn step_functions_own_form_is_taken_where_there_is_one() {
        check(json!({"action": "glue:startJobRun"}), "arn:aws:states:::glue:startJobRun");
        check(json!({"action": "glue:startJobRun", "sync": true}), "arn:aws:states:::glue:startJobRun.sync");
        check(json!({"action": "glue:startCrawler"}), "arn:aws:states:::aws-sdk:glue:startCrawler");
        check(json!({"action": "aws-sdk:sqs:sendMessage"}), "arn:aws:states:::aws-sdk:sqs:sendMessage");
        check(
            json!({"action": "states:startExecution", "sync": true}),
            "arn:aws:states:::states:startExecution.sync:2",
        );
        check(
            json!({"action": "sqs:sendMessage", "wait_for_callback": true}),
            "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
        );
        check(
            json!({"action": "transfer:startFileTransfer", "wait_for_callback": true}),
            "arn:aws:states:::aws-sdk:transfer:startFileTransfer.waitForTaskToken",
        );
    }

    #[test]
    fn what_is_no_action_is_none() {
        for text in ["", "glue", ":", "glue:", ":startJobRun", "a:b:c", "arn:aws:states:::glue:x", "glue:a b"]
        {
            assert_eq!(Integration::parse(text), None, "{text}");
        }
    }

    #[test]
    fn facts_are_those_of_the_sdks_action() {
        let facts =
            |text| Integration::parse(text).unwrap().facts().map(|(of, action)| (of.name, action.name));
        assert_eq!(facts("states:startExecution"), Some(("sfn", "startExecution")));
        assert_eq!(facts("elasticmapreduce:createCluster"), Some(("emr", "runJobFlow")));
        assert_eq!(facts("http:invoke"), None);
        assert_eq!(facts("glue:startCrawler"), Some(("glue", "startCrawler")));
    }
}
