//! Times on the command line.

use super::Failure;
use crate::pipeline::parse_duration;
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

/// A time that is past: `10m` ago, a day, or a time of a day. What says no zone is UTC, as are all times that are shown.
pub(super) fn parse_past(text: &str) -> Result<Timestamp, String> {
    past(text, Timestamp::now()).ok_or_else(|| {
        "it is a duration such as `10m`, a day such as `2026-11-24`, or a time such as `2026-11-24T09:15:30Z`".into()
    })
}

/// `--since` is not before `--until`.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("nothing lies between `--since` ({since:.0}) and `--until` ({until:.0})")]
#[diagnostic(
    code("bunsui::session::empty_span"),
    help("`--since` is the earlier one; a duration is so long ago: `--since 2h --until 1h`")
)]
struct EmptySpan {
    since: Timestamp,
    until: Timestamp,
}

/// Refuses a span of time in which nothing can lie.
pub(super) fn check_span(since: Option<Timestamp>, until: Option<Timestamp>) -> Result<(), Failure> {
    match since.zip(until) {
        Some((since, until)) if since >= until => Err(Failure::bad_input(EmptySpan { since, until })),
        _ => Ok(()),
    }
}

fn past(text: &str, now: Timestamp) -> Option<Timestamp> {
    if let Ok(duration) = parse_duration(text) {
        return now.checked_sub(duration).ok();
    }
    let in_utc = |time: DateTime| time.to_zoned(TimeZone::UTC).ok().map(|time| time.timestamp());
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(time);
    }
    // A date parses as a time too, one of the same day.
    let date = text.parse::<Date>().ok().filter(|date| date.to_string() == text);
    date.map_or_else(|| in_utc(text.parse().ok()?), |date| in_utc(date.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<&str>) {
        let now = "2026-11-24T12:00:00Z".parse().unwrap();
        assert_eq!(past(text, now).map(|time| time.to_string()).as_deref(), expected, "{text}");
    }

    #[test]
    fn times_are_durations_days_or_times() {
        check("10m", Some("2026-11-24T11:50:00Z"));
        check("1d", Some("2026-11-23T12:00:00Z"));
        check("2026-11-20", Some("2026-11-20T00:00:00Z"));
        check("2026-11-20T09:15", Some("2026-11-20T09:15:00Z"));
        check("2026-11-20T09:15:30.5", Some("2026-11-20T09:15:30.5Z"));
        check("2026-11-20T09:15:30+09:00", Some("2026-11-20T00:15:30Z"));
        check("2026-11-20 09:15:30", Some("2026-11-20T09:15:30Z"));
        check("yesterday", None);
        check("", None);
        check("2026-11-31", None);
    }
}
