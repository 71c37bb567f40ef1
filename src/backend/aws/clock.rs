//! How far this machine's clock is from AWS's: every answer has a `Date`.

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::BeforeDeserializationInterceptorContextRef;
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use jiff::{SignedDuration, Timestamp};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// Hears the `Date` of the answers to a call.
#[derive(Debug, Clone, Default)]
pub(super) struct Clock(Arc<Mutex<Option<Offset>>>);

impl Clock {
    /// How far this machine's clock is ahead of AWS's, as the last answer had it; none where none came.
    pub(super) fn ahead(&self) -> Option<Offset> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[dyn_dispatch_hint]
impl Intercept for Clock {
    fn name(&self) -> &'static str {
        "Clock"
    }

    // Before it is read what the answer says: a refusal for the clock's sake has a date too.
    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context.response().headers().get("date");
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) =
            date.and_then(|date| ahead(date, Timestamp::now())).map(Offset);
        Ok(())
    }
}

/// How far a clock is ahead of another; behind, where it is negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offset(pub SignedDuration);

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let way = if self.0.is_negative() { "behind" } else { "ahead of" };
        let seconds = self.0.abs().as_secs();
        let minutes = seconds / 60;
        if minutes >= 2 { write!(f, "{minutes} minutes {way}") } else { write!(f, "{seconds} s {way}") }
    }
}

/// `Tue, 24 Nov 2026 23:35:04 GMT` (RFC 9110, section 5.6.7). It is said in whole seconds, so half a second more is nearest.
fn ahead(date: &str, now: Timestamp) -> Option<SignedDuration> {
    let theirs = jiff::fmt::rfc2822::parse(date).ok()?.timestamp();
    Some(now.duration_since(theirs) - SignedDuration::from_millis(500))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_date_of_an_answer_is_compared_with_ours() {
        let now: Timestamp = "2026-11-24T23:35:14.5Z".parse().unwrap();
        let seconds = |date: &str| ahead(date, now).map(|ahead| ahead.as_secs());
        assert_eq!(seconds("Tue, 24 Nov 2026 23:35:04 GMT"), Some(10));
        assert_eq!(seconds("Tue, 24 Nov 2026 23:45:04 GMT"), Some(-590));
        assert_eq!(seconds("yesterday"), None);
    }
}
