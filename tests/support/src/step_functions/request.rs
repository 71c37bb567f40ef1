//! What a call asks, what it is refused by, and the checks that several calls share.

use serde_json::{Value as Json, json};
use std::time::Duration;

/// An error as AWS answers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    /// Its name, such as `ExecutionDoesNotExist`.
    pub name: &'static str,
    /// What it says.
    pub message: String,
}

impl ApiError {
    pub(super) fn new(name: &'static str, message: impl Into<String>) -> Self {
        Self { name, message: message.into() }
    }

    pub(super) fn validation(message: impl Into<String>) -> Self {
        Self::new("ValidationException", message)
    }

    pub(super) fn no_machine(arn: &str) -> Self {
        Self::new("StateMachineDoesNotExist", format!("State Machine Does Not Exist: '{arn}'"))
    }

    pub(super) fn no_execution(arn: &str) -> Self {
        Self::new("ExecutionDoesNotExist", format!("Execution Does Not Exist: '{arn}'"))
    }

    pub(super) fn body(&self) -> Json {
        json!({"__type": self.name, "message": self.message})
    }
}

/// The members of a call's JSON.
#[derive(Debug, Clone, Copy)]
pub(super) struct Request<'a>(pub(super) &'a Json);

impl<'a> Request<'a> {
    pub(super) fn optional_text(self, member: &str) -> Option<&'a str> {
        self.0.get(member).and_then(Json::as_str)
    }

    /// A member that has to be there.
    pub(super) fn text(self, member: &str) -> Result<&'a str, ApiError> {
        let missing = || {
            ApiError::validation(format!(
                "1 validation error detected: Value at '{member}' failed to satisfy constraint: Member must not be null"
            ))
        };
        self.optional_text(member).ok_or_else(missing)
    }

    /// A text of limited length, in bytes.
    pub(super) fn limited_text(self, member: &str, limit: usize) -> Result<Option<&'a str>, ApiError> {
        match self.optional_text(member) {
            Some(text) if text.len() > limit => Err(ApiError::validation(format!(
                "1 validation error detected: Value at '{member}' failed to satisfy constraint: Member must have length less than or equal to {limit}"
            ))),
            text => Ok(text),
        }
    }

    pub(super) fn flag(self, member: &str, otherwise: Flag) -> bool {
        self.0.get(member).and_then(Json::as_bool).unwrap_or(otherwise == Flag::On)
    }

    pub(super) fn member(self, member: &str) -> Option<&'a Json> {
        self.0.get(member).filter(|value| !value.is_null())
    }

    /// How many items a page has: 100 where nothing or 0 is asked for, never more than 1,000 (Step Functions API reference, `maxResults`).
    pub(super) fn page_size(self) -> Result<usize, ApiError> {
        match self.0.get("maxResults").and_then(Json::as_i64).unwrap_or(0) {
            0 => Ok(100),
            asked @ 1..=1000 => Ok(usize::try_from(asked).unwrap_or(1000)),
            other => Err(ApiError::validation(format!(
                "1 validation error detected: Value '{other}' at 'maxResults' failed to satisfy constraint: Member must be between 0 and 1000"
            ))),
        }
    }

    /// Where the page begins that a token stands for, as [`token`] wrote it.
    pub(super) fn position(self) -> Result<Option<u64>, ApiError> {
        let Some(token) = self.optional_text("nextToken") else { return Ok(None) };
        let position = token.strip_prefix("page-").and_then(|position| position.parse().ok());
        let wrong = || ApiError::new("InvalidToken", format!("Invalid Token: '{token}'"));
        position.ok_or_else(wrong).map(Some)
    }
}

/// What a flag is that was not given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flag {
    On,
    Off,
}

/// What the next page is asked for by.
pub(super) fn token(position: u64) -> String {
    format!("page-{position}")
}

/// A moment as the JSON protocol writes it: seconds with a fraction, to the millisecond.
pub(super) fn timestamp(at: Duration) -> Json {
    json!(Duration::from_millis(u64::try_from(at.as_millis()).unwrap_or(u64::MAX)).as_secs_f64())
}

/// A state machine, or a version of one, by its ARN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MachineArn {
    /// Without the version.
    pub(super) machine: String,
    pub(super) version: Option<u32>,
}

impl MachineArn {
    /// Of `arn:aws:states:REGION:ACCOUNT:stateMachine:NAME` or the same with `:VERSION` behind it. Aliases are not known here.
    pub(super) fn parse(text: &str) -> Result<Self, ApiError> {
        let parts: Vec<&str> = text.split(':').collect();
        let is_machine = parts.first() == Some(&"arn")
            && parts.get(2) == Some(&"states")
            && parts.get(5) == Some(&"stateMachine");
        if !is_machine || !(7..=8).contains(&parts.len()) {
            return Err(ApiError::new("InvalidArn", format!("Invalid Arn: '{text}'")));
        }
        let version = match parts.get(7).map(|version| version.parse()) {
            None => None,
            Some(Ok(version)) => Some(version),
            Some(Err(_)) => return Err(ApiError::no_machine(text)),
        };
        Ok(Self { machine: parts[..7].join(":"), version })
    }

    pub(super) fn name(&self) -> &str {
        self.machine.rsplit(':').next().unwrap_or_default()
    }
}

/// Refuses what is no ARN of an execution.
pub(super) fn check_execution_arn(text: &str) -> Result<(), ApiError> {
    let parts: Vec<&str> = text.split(':').collect();
    if parts.len() == 8 && parts[2] == "states" && parts[5] == "execution" {
        return Ok(());
    }
    Err(ApiError::new("InvalidArn", format!("Invalid Arn: '{text}'")))
}

/// Refuses what is no name of an execution or a state machine: 1 to 80 characters, none of those that the Step Functions API reference,
/// `StartExecution`, `name`, excludes.
pub(super) fn check_name(name: &str) -> Result<(), ApiError> {
    let is_wrong = |character: char| {
        character.is_whitespace()
            || character.is_control()
            || "<>{}[]?*\"#%\\^|~`$&,;:/\u{FFFE}\u{FFFF}\u{10FFFF}".contains(character)
    };
    if (1..=80).contains(&name.chars().count()) && !name.contains(is_wrong) {
        return Ok(());
    }
    Err(ApiError::new("InvalidName", format!("Invalid Name: '{name}'")))
}
