//! From times to pixels: only the time in which a session was driven takes room.

use jiff::{SignedDuration, Timestamp};

/// Between two spans: time in which nobody drove the session.
const BREAK: f64 = 30.0;
/// Marks on the axis, at most, about.
const MARKS: f64 = 8.0;
/// Steps between marks, in milliseconds.
const STEPS: [i64; 26] = [
    1,
    5,
    10,
    50,
    100,
    200,
    500,
    1_000,
    2_000,
    5_000,
    10_000,
    20_000,
    30_000,
    60_000,
    120_000,
    300_000,
    600_000,
    1_200_000,
    1_800_000,
    3_600_000,
    7_200_000,
    21_600_000,
    43_200_000,
    86_400_000,
    604_800_000,
    2_592_000_000,
];

/// Spans of time beside each other.
#[derive(Debug)]
pub(super) struct Scale {
    spans: Vec<(Timestamp, Timestamp, f64)>,
    /// Where the first begins.
    pub(super) left: f64,
    per_ms: f64,
}

/// A mark on the axis.
#[derive(Debug, PartialEq)]
pub(super) struct Mark {
    pub(super) x: f64,
    pub(super) label: String,
}

impl Scale {
    /// These spans, in order, between two x.
    pub(super) fn new(spans: &[(Timestamp, Timestamp)], left: f64, right: f64) -> Self {
        let total: i64 = spans.iter().map(|(from, to)| length(*from, *to)).sum();
        let breaks = BREAK * spans.len().saturating_sub(1) as f64;
        let room = (right - left - breaks).max(right / 4.0);
        let per_ms = room / total.max(1) as f64;
        let mut x = left;
        let mut placed = Vec::with_capacity(spans.len());
        for (from, to) in spans {
            placed.push((*from, *to, x));
            x += length(*from, *to) as f64 * per_ms + BREAK;
        }
        Self { spans: placed, left, per_ms }
    }

    /// Where a time is; one between two spans is at the end of the first.
    pub(super) fn x(&self, at: Timestamp) -> f64 {
        let span = self.spans.iter().rev().find(|(from, ..)| *from <= at);
        span.map_or(self.left, |(from, to, x)| x + length(*from, at.min(*to)) as f64 * self.per_ms)
    }

    /// Where nobody drove the session: from one x to another.
    pub(super) fn breaks(&self) -> Vec<(f64, f64)> {
        self.spans.windows(2).map(|pair| (self.x(pair[0].1), pair[1].2)).collect()
    }

    /// Marks: the time of day where a span begins, then how long after.
    pub(super) fn marks(&self) -> Vec<Mark> {
        let total: i64 = self.spans.iter().map(|(from, to, _)| length(*from, *to)).sum();
        let step = STEPS.into_iter().find(|step| total as f64 / *step as f64 <= MARKS).unwrap_or(i64::MAX);
        let mut marks = Vec::new();
        for (from, to, x) in &self.spans {
            marks.push(Mark { x: *x, label: from.strftime("%H:%M:%S").to_string() });
            let mut after = step;
            while after <= length(*from, *to) && marks.len() < 100 {
                let at = x + after as f64 * self.per_ms;
                // The time of day needs its room.
                if at - x > 60.0 {
                    marks.push(Mark { x: at, label: format!("+{}", short(after)) });
                }
                after += step;
            }
        }
        marks
    }
}

fn length(from: Timestamp, to: Timestamp) -> i64 {
    (to.as_millisecond() - from.as_millisecond()).max(0)
}

/// `50ms`, `2s`, `5m`, `1h 30m`
fn short(millis: i64) -> String {
    match millis {
        ..1000 => format!("{millis}ms"),
        1000..60_000 if millis % 1000 == 0 => format!("{}s", millis / 1000),
        60_000..3_600_000 if millis % 60_000 == 0 => format!("{}m", millis / 60_000),
        _ => crate::report::text::duration(SignedDuration::from_millis(millis)),
    }
}
