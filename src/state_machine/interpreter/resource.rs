//! What a Task's `Resource` says of the events around it.

use serde_json::{Map, Value as Json, json};

/// The family of events that a resource has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Resource<'d> {
    /// A function's ARN: LambdaFunction… events, the bare payload.
    Function(&'d str),
    /// An activity's ARN: Activity… events.
    Activity(&'d str),
    /// A service integration: Task… events.
    Service { service: &'d str, action: &'d str },
}

/// A moment in a try's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    Scheduled,
    Started,
    Succeeded,
    Failed,
    TimedOut,
}

impl<'d> Resource<'d> {
    pub(super) fn of(arn: &'d str) -> Self {
        if arn.contains(":lambda:") && arn.contains(":function:") {
            return Self::Function(arn);
        }
        if arn.contains(":activity:") {
            return Self::Activity(arn);
        }
        // arn:aws:states:::ecs:runTask.sync, arn:aws:states:::aws-sdk:s3:getObject, arn:aws:states:::states:startExecution.sync:2
        let Some(rest) = arn.splitn(6, ':').nth(5) else { return Self::Service { service: "", action: arn } };
        let name = rest.strip_suffix(":2").filter(|name| name.ends_with(".sync")).unwrap_or(rest);
        match name.rfind(':') {
            Some(at) => Self::Service { service: &rest[..at], action: &rest[at + 1..] },
            None => Self::Service { service: "", action: arn },
        }
    }

    /// The event's name.
    pub(super) fn event(&self, moment: Moment) -> &'static str {
        match (self, moment) {
            (Self::Function(_), Moment::Scheduled) => "LambdaFunctionScheduled",
            (Self::Function(_), Moment::Started) => "LambdaFunctionStarted",
            (Self::Function(_), Moment::Succeeded) => "LambdaFunctionSucceeded",
            (Self::Function(_), Moment::Failed) => "LambdaFunctionFailed",
            (Self::Function(_), Moment::TimedOut) => "LambdaFunctionTimedOut",
            (Self::Activity(_), Moment::Scheduled) => "ActivityScheduled",
            (Self::Activity(_), Moment::Started) => "ActivityStarted",
            (Self::Activity(_), Moment::Succeeded) => "ActivitySucceeded",
            (Self::Activity(_), Moment::Failed) => "ActivityFailed",
            (Self::Activity(_), Moment::TimedOut) => "ActivityTimedOut",
            (Self::Service { .. }, Moment::Scheduled) => "TaskScheduled",
            (Self::Service { .. }, Moment::Started) => "TaskStarted",
            (Self::Service { .. }, Moment::Succeeded) => "TaskSucceeded",
            (Self::Service { .. }, Moment::Failed) => "TaskFailed",
            (Self::Service { .. }, Moment::TimedOut) => "TaskTimedOut",
        }
    }

    /// Whether the service answers before the work is done, which TaskSubmitted tells.
    pub(super) fn is_submitted(&self) -> bool {
        match self {
            Self::Service { action, .. } => action.contains(".sync") || action.ends_with(".waitForTaskToken"),
            Self::Function(_) | Self::Activity(_) => false,
        }
    }

    /// What every event of the family says.
    pub(super) fn details(&self) -> Map<String, Json> {
        match self {
            Self::Service { service, action } => {
                object(json!({ "resourceType": service, "resource": action }))
            }
            Self::Function(_) | Self::Activity(_) => Map::new(),
        }
    }

    /// What the first event says besides.
    pub(super) fn scheduled_details(&self, arguments: &str) -> Map<String, Json> {
        match self {
            Self::Service { service, action } => object(json!({
                "resourceType": service,
                "resource": action,
                "region": "local",
                "parameters": arguments,
            })),
            Self::Function(arn) | Self::Activity(arn) => object(json!({
                "resource": arn,
                "input": arguments,
                "inputDetails": { "truncated": false },
            })),
        }
    }

    /// As the cause of an oversized result names it.
    pub(super) fn name(&self) -> &'d str {
        match self {
            Self::Service { service, .. } => service,
            Self::Function(arn) | Self::Activity(arn) => arn,
        }
    }
}

fn object(value: Json) -> Map<String, Json> {
    match value {
        Json::Object(object) => object,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_says_which_events_there_are() {
        let cases = [
            ("arn:aws:states:::lambda:invoke", "TaskScheduled", "lambda", false),
            ("arn:aws:states:::ecs:runTask.sync", "TaskScheduled", "ecs", true),
            ("arn:aws:states:::states:startExecution.sync:2", "TaskScheduled", "states", true),
            ("arn:aws:states:::aws-sdk:s3:getObject", "TaskScheduled", "aws-sdk:s3", false),
            (
                "arn:aws:lambda:eu-west-1:1:function:f",
                "LambdaFunctionScheduled",
                "arn:aws:lambda:eu-west-1:1:function:f",
                false,
            ),
            (
                "arn:aws:states:eu-west-1:1:activity:a",
                "ActivityScheduled",
                "arn:aws:states:eu-west-1:1:activity:a",
                false,
            ),
        ];
        for (arn, event, name, is_submitted) in cases {
            let resource = Resource::of(arn);
            assert_eq!((resource.event(Moment::Scheduled), resource.name()), (event, name), "{arn}");
            assert_eq!(resource.is_submitted(), is_submitted, "{arn}");
        }
    }
}
