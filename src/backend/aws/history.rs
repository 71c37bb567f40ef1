//! What a history says of where an execution failed, or stands.
//!
//! Takes: events of a history, the last ones first. Gives: the state, its tries, what its submission returned.
//! Each event names the one that it follows (Step Functions API reference, HistoryEvent): from the last one that chain leads through
//! the failed task to where its state was entered, past whatever ran beside it. The reference does not say how a redrive fits in. Histories that
//! others recorded there (github.com/radkawar/stackd, testdata/aws/stepfunctions/redrive_execution.json, September 2026) have
//! ExecutionRedriven follow the end, and then the task scheduled anew follow its state's entry: a state is not entered again. That is
//! of activities, and of a Fail state, whose new end follows ExecutionRedriven; of other states it is not known, so more is borne here.
//! Deliberately does not: explain errors, or read more of a history than the chain needs.

use super::error::{AwsError, Call, classify};
use super::limiter::Limiter;
use aws_sdk_sfn::operation::get_execution_history::GetExecutionHistoryOutput;
use aws_sdk_sfn::types::{HistoryEvent, HistoryEventType};
use serde_json::Value as Json;
use std::collections::HashMap;

/// Events of a page. Each may hold an input or an output of 262,144 bytes.
const PAGE: i32 = 25;
/// So many pages are read at most; a state that waited through more events than that is not found.
const PAGES: usize = 8;
/// The same of a history that is read from its beginning: as many as AWS gives. There are 25 such pages at most.
const FORWARD_PAGE: i32 = 1_000;
/// And of one that is read on, from its end to what is known.
const FURTHER_PAGE: i32 = 100;
/// Clocks differ, and what is said at the end is written a moment later, in milliseconds.
const MARGIN: (i64, i64) = (1_000, 3_000);

/// The state in which an execution failed or is.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct LastState {
    /// Its name.
    pub(super) name: String,
    /// How often its task was scheduled.
    pub(super) tries: u32,
    /// What the submission of its task returned, where it waits for more than that.
    pub(super) submitted: Option<Json>,
    /// When it was entered, or else its execution redriven, and when its last event was, in milliseconds since 1970.
    pub(super) span: (i64, i64),
    /// How often its execution had been redriven by then; of a history that is read from its beginning.
    pub(super) redrive: u32,
    /// Nothing goes on in it.
    pub(super) is_over: bool,
    /// When its task was scheduled.
    tried_at: Vec<i64>,
    /// The task was tried before; of a history that is read from its beginning, in which each try is a stay.
    is_retry: bool,
    /// When it was tried again.
    retried_at: Option<i64>,
}

/// Hears an event of a history, with the stay in a state that it belongs to, and how often the execution had been redriven.
pub(super) type EventHearer<'a> = &'a mut (dyn FnMut(&HistoryEvent, Option<&LastState>, u32) + Send);

/// Reads a history backwards to the state in which the execution failed, or is.
pub(super) async fn last_state(
    client: &aws_sdk_sfn::Client,
    limiter: &Limiter,
    arn: &str,
) -> Result<Option<LastState>, AwsError> {
    let mut token = None;
    let mut events = Vec::new();
    for _ in 0..PAGES {
        let page = page(client, limiter, arn, (true, PAGE), token).await?;
        token = page.next_token;
        events.extend(page.events);
        let found = found_in(&events);
        if found.is_some() || token.is_none() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// A history that is read from its beginning, and read on as it grows.
#[derive(Debug, Default)]
pub(super) struct History {
    visits: Visits,
    /// The last event that is known.
    last: i64,
}

impl History {
    /// Reads it, or what has come since: GetExecutionHistory cannot begin at an event, but at the end. `hear` is told of each event.
    pub(super) async fn read_on(
        &mut self,
        client: &aws_sdk_sfn::Client,
        limiter: &Limiter,
        arn: &str,
        hear: EventHearer<'_>,
    ) -> Result<(), AwsError> {
        let known = self.last;
        let order = if known == 0 { (false, FORWARD_PAGE) } else { (true, FURTHER_PAGE) };
        let mut further = Vec::new();
        let mut token = None;
        loop {
            let page = page(client, limiter, arn, order, token).await?;
            token = page.next_token;
            if known == 0 {
                page.events.iter().for_each(|event| self.note(event, hear));
            } else {
                further.extend(page.events.into_iter().take_while(|event| event.id() > known));
            }
            // Ids have no gaps.
            if token.is_none() || further.last().is_some_and(|event| event.id() == known + 1) {
                break;
            }
        }
        further.iter().rev().for_each(|event| self.note(event, hear));
        Ok(())
    }

    fn note(&mut self, event: &HistoryEvent, hear: EventHearer<'_>) {
        let visit = self.visits.note(event).map(|visit| &self.visits.found[visit]);
        hear(event, visit, self.visits.redrives);
        self.last = event.id();
    }

    /// Every stay in a state, in the order in which they began; each try of a task is one.
    pub(super) fn stays(&self) -> &[LastState] {
        &self.visits.found
    }

    /// Whether nothing more comes of what an execution did after so many redrives.
    pub(super) fn is_over(&self, redrive: u32) -> bool {
        let Visits { redrives, has_ended, .. } = self.visits;
        redrives > redrive || (redrives == redrive && has_ended)
    }
}

/// A page of a history: whether from its end, and of how many events.
async fn page(
    client: &aws_sdk_sfn::Client,
    limiter: &Limiter,
    arn: &str,
    (is_reverse, size): (bool, i32),
    token: Option<String>,
) -> Result<GetExecutionHistoryOutput, AwsError> {
    let call = Call::new("states", "GetExecutionHistory", format!("execution `{arn}`"));
    limiter.take("GetExecutionHistory").await;
    let history = client.get_execution_history().execution_arn(arn).reverse_order(is_reverse);
    let page = history.max_results(size).set_next_token(token).send().await;
    page.map_err(|error| classify(error, &call))
}

/// Stays in states, as events tell of them one after another.
#[derive(Debug, Default)]
struct Visits {
    found: Vec<LastState>,
    /// Which stay an event belongs to.
    of_event: HashMap<i64, usize>,
    redrives: u32,
    has_ended: bool,
}

impl Visits {
    /// The stay that an event belongs to; ExecutionRedriven belongs to none. What goes on after it is another stay, be its state entered
    /// again or not; so is the next try of a task.
    fn note(&mut self, event: &HistoryEvent) -> Option<usize> {
        let before = self.of_event.get(&previous(event)).copied();
        if is_redrive(event) {
            self.redrives += 1;
            self.has_ended = false;
            // What follows it goes on where the end was.
            before.inspect(|before| {
                self.of_event.insert(event.id(), *before);
            });
            return None;
        }
        if is_end(event) {
            self.end(millis(event));
        }
        let visit = match (event.state_entered_event_details(), before) {
            (Some(entered), _) => self.begin(entered.name().to_owned(), event),
            (None, Some(before)) if self.found[before].redrive < self.redrives => {
                self.begin(self.found[before].name.clone(), event)
            }
            (None, Some(before)) if is_try(event) && self.found[before].tries > 0 => {
                self.retry(before, event)
            }
            (None, before) => before?,
        };
        self.of_event.insert(event.id(), visit);
        let found = &mut self.found[visit];
        found.note(event);
        found.span.1 = millis(event);
        Some(visit)
    }

    /// The execution ended.
    fn end(&mut self, at: i64) {
        self.has_ended = true;
        for stay in self.found.iter_mut().filter(|stay| stay.redrive == self.redrives && !stay.is_over) {
            (stay.is_over, stay.span.1) = (true, at);
        }
    }

    fn retry(&mut self, before: usize, event: &HistoryEvent) -> usize {
        let again = self.begin(self.found[before].name.clone(), event);
        self.found[before].retried_at = Some(millis(event));
        (self.found[again].tries, self.found[again].is_retry) = (self.found[before].tries, true);
        again
    }

    fn begin(&mut self, name: String, event: &HistoryEvent) -> usize {
        let at = millis(event);
        self.found.push(LastState { name, span: (at, at), redrive: self.redrives, ..LastState::default() });
        self.found.len() - 1
    }
}

/// The state that the chain from the last event leads to; none where its entry is not among the events.
fn found_in(events: &[HistoryEvent]) -> Option<LastState> {
    let by_id: HashMap<i64, &HistoryEvent> = events.iter().map(|event| (event.id(), event)).collect();
    let last = events.first()?;
    // What came before the last redrive is another attempt's, though the chain leads there.
    let redriven = events.iter().find(|event| is_redrive(event));
    let (redriven_id, redriven_at) = redriven.map_or((0, 0), |event| (event.id(), millis(event)));
    let mut found = LastState { span: (0, millis(last)), ..LastState::default() };
    let mut event = last;
    loop {
        if event.id() > redriven_id {
            found.note(event);
        }
        if let Some(entered) = event.state_entered_event_details() {
            entered.name().clone_into(&mut found.name);
            found.span.0 = millis(event).max(redriven_at);
            return Some(found);
        }
        event = by_id.get(&previous(event))?;
    }
}

impl LastState {
    /// From when to when what it says bears a time, in milliseconds since 1970; without an end while it goes on.
    pub(super) fn window(&self) -> (i64, Option<i64>) {
        let from = if self.is_retry { self.span.0 } else { self.span.0 - MARGIN.0 };
        let to = self.is_over.then_some(self.span.1 + MARGIN.1);
        (from, self.retried_at.map(|at| at - 1).or(to))
    }

    /// Which try it was at a moment, from 1.
    pub(super) fn try_at(&self, at: i64) -> u32 {
        let later = self.tried_at.iter().filter(|tried_at| **tried_at > at).count();
        self.tries.saturating_sub(u32::try_from(later).unwrap_or(u32::MAX)).max(1)
    }

    fn note(&mut self, event: &HistoryEvent) {
        let kind = event.r#type().as_str();
        self.is_over |=
            is_end(event) || ["Exited", "Failed", "TimedOut"].iter().any(|end| kind.ends_with(end));
        match event.r#type() {
            _ if is_try(event) => {
                self.tries += 1;
                self.tried_at.push(millis(event));
            }
            HistoryEventType::TaskSubmitted if self.submitted.is_none() => {
                let output = event.task_submitted_event_details().and_then(|details| details.output());
                self.submitted = output.and_then(|text| serde_json::from_str(text).ok());
            }
            _ => {}
        }
    }
}

fn is_try(event: &HistoryEvent) -> bool {
    matches!(event.r#type(), HistoryEventType::TaskScheduled | HistoryEventType::LambdaFunctionScheduled)
}

fn is_end(event: &HistoryEvent) -> bool {
    use HistoryEventType::{ExecutionAborted, ExecutionFailed, ExecutionSucceeded, ExecutionTimedOut};
    matches!(event.r#type(), ExecutionAborted | ExecutionFailed | ExecutionSucceeded | ExecutionTimedOut)
}

fn is_redrive(event: &HistoryEvent) -> bool {
    *event.r#type() == HistoryEventType::ExecutionRedriven
}

/// The event that it follows. Neither the end of an execution that ran out of time nor what some stand-ins for AWS give names it: then
/// the order has to do.
fn previous(event: &HistoryEvent) -> i64 {
    match event.previous_event_id() {
        0 => event.id() - 1,
        previous => previous,
    }
}

fn millis(event: &HistoryEvent) -> i64 {
    event.timestamp().to_millis().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_sfn::primitives::DateTime;
    use aws_sdk_sfn::types::{StateEnteredEventDetails, TaskSubmittedEventDetails};

    /// `(id, the one before, type, a state's name or a submission's output)`, the last first.
    fn events(written: &[(i64, i64, HistoryEventType, &str)]) -> Vec<HistoryEvent> {
        let event = |(id, previous, kind, text): &(i64, i64, HistoryEventType, &str)| {
            let entered = || StateEnteredEventDetails::builder().name(*text).build().unwrap();
            let submitted = || {
                let details =
                    TaskSubmittedEventDetails::builder().resource_type("ecs").resource("runTask.sync");
                details.output(*text).build().unwrap()
            };
            HistoryEvent::builder()
                .id(*id)
                .previous_event_id(*previous)
                .r#type(kind.clone())
                .timestamp(DateTime::from_millis(*id * 1000))
                .set_state_entered_event_details((*kind == HistoryEventType::TaskStateEntered).then(entered))
                .set_task_submitted_event_details((*kind == HistoryEventType::TaskSubmitted).then(submitted))
                .build()
                .unwrap()
        };
        written.iter().map(event).collect()
    }

    #[test]
    fn the_chain_leads_past_what_ran_beside_it() {
        let found = found_in(&events(&[
            (11, 10, HistoryEventType::ExecutionFailed, ""),
            (10, 7, HistoryEventType::TaskFailed, ""),
            (9, 8, HistoryEventType::TaskScheduled, ""),
            (8, 1, HistoryEventType::TaskStateEntered, "beside"),
            (7, 6, HistoryEventType::TaskSubmitted, r#"{"Tasks": []}"#),
            (6, 5, HistoryEventType::TaskScheduled, ""),
            (5, 4, HistoryEventType::TaskFailed, ""),
            (4, 3, HistoryEventType::TaskScheduled, ""),
            (3, 2, HistoryEventType::TaskStateEntered, "load"),
        ]));
        let found = found.expect("its entry is there");
        assert_eq!((found.name.as_str(), found.tries, found.span), ("load", 2, (3000, 11_000)));
        assert_eq!(found.submitted, Some(serde_json::json!({ "Tasks": [] })));
        assert_eq!([3999, 4000, 5999, 6000, 9000].map(|at| found.try_at(at)), [1, 1, 1, 2, 2]);
    }

    #[test]
    fn stays_are_told_apart_where_they_run_side_by_side() {
        let mut visits = Visits::default();
        for event in events(&[
            (1, 0, HistoryEventType::ExecutionStarted, ""),
            (2, 1, HistoryEventType::TaskStateEntered, "a"),
            (3, 1, HistoryEventType::TaskStateEntered, "b"),
            (4, 2, HistoryEventType::TaskScheduled, ""),
            (5, 3, HistoryEventType::TaskScheduled, ""),
            (6, 4, HistoryEventType::TaskSubmitted, "1"),
            (7, 5, HistoryEventType::TaskFailed, ""),
        ]) {
            visits.note(&event);
        }
        let found: Vec<_> = visits
            .found
            .iter()
            .map(|visit| (visit.name.as_str(), visit.span, visit.submitted.clone()))
            .collect();
        let submitted = Some(serde_json::json!(1));
        assert_eq!(found, [("a", (2000, 6000), submitted), ("b", (3000, 7000), None)]);
    }

    /// Two redrives of a state that was tried twice, as recorded on AWS.
    fn redriven() -> Vec<HistoryEvent> {
        events(&[
            (1, 0, HistoryEventType::ExecutionStarted, ""),
            (2, 0, HistoryEventType::TaskStateEntered, "a"),
            (3, 2, HistoryEventType::TaskScheduled, ""),
            (4, 3, HistoryEventType::TaskFailed, ""),
            (5, 4, HistoryEventType::TaskScheduled, ""),
            (6, 0, HistoryEventType::ExecutionTimedOut, ""),
            (7, 6, HistoryEventType::ExecutionRedriven, ""),
            (8, 2, HistoryEventType::TaskScheduled, ""),
            (9, 8, HistoryEventType::TaskFailed, ""),
            (10, 9, HistoryEventType::ExecutionFailed, ""),
            (11, 10, HistoryEventType::ExecutionRedriven, ""),
            (12, 2, HistoryEventType::TaskScheduled, ""),
            (13, 12, HistoryEventType::TaskSucceeded, ""),
            (14, 13, HistoryEventType::TaskStateExited, ""),
            (15, 14, HistoryEventType::TaskStateEntered, "b"),
        ])
    }

    #[test]
    fn what_goes_on_after_a_redrive_is_another_stay() {
        let mut visits = Visits::default();
        let noted: Vec<_> = redriven().iter().map(|event| visits.note(event)).collect();
        let (started, redriven) = (noted[0], [noted[6], noted[10]]);
        assert_eq!((started, redriven), (None, [None, None]), "of no state");
        let found: Vec<_> = visits
            .found
            .iter()
            .map(|visit| (visit.name.as_str(), visit.redrive, visit.tries, visit.span))
            .collect();
        let expected = [
            ("a", 0, 1, (2000, 4000)),
            ("a", 0, 2, (5000, 6000)),
            ("a", 1, 1, (8000, 10_000)),
            ("a", 2, 1, (12_000, 14_000)),
        ];
        assert_eq!(found[..4], expected);
        assert_eq!(found[4..], [("b", 2, 0, (15_000, 15_000))]);
        let windows: Vec<_> = visits.found.iter().map(LastState::window).collect();
        let expected = [
            (1000, Some(4999)),
            (5000, Some(9000)),
            (7000, Some(13_000)),
            (11_000, Some(17_000)),
            (14_000, None),
        ];
        assert_eq!(windows, expected);
    }

    #[test]
    fn other_ways_in_which_a_redrive_may_go_on_are_borne() {
        let begin = [
            (1, 0, HistoryEventType::ExecutionStarted, ""),
            (2, 0, HistoryEventType::TaskStateEntered, "a"),
            (3, 2, HistoryEventType::TaskScheduled, ""),
            (4, 3, HistoryEventType::ExecutionFailed, ""),
            (5, 4, HistoryEventType::ExecutionRedriven, ""),
        ];
        let ways = [
            vec![
                (6, 5, HistoryEventType::TaskStateEntered, "a"),
                (7, 6, HistoryEventType::TaskScheduled, ""),
            ],
            vec![(6, 5, HistoryEventType::TaskScheduled, ""), (7, 6, HistoryEventType::TaskFailed, "")],
        ];
        for rest in ways {
            let mut all = events(&[&begin[..], &rest].concat());
            let mut visits = Visits::default();
            for event in &all {
                visits.note(event);
            }
            let found = visits
                .found
                .iter()
                .map(|visit| (visit.name.as_str(), visit.redrive, visit.tries, visit.span.1));
            assert_eq!(found.collect::<Vec<_>>(), [("a", 0, 1, 4000), ("a", 1, 1, 7000)]);
            all.reverse();
            let last = found_in(&all).expect("its entry is there");
            assert_eq!((last.name.as_str(), last.tries), ("a", 1));
        }
    }

    #[test]
    fn where_a_redrive_failed_is_told_without_what_came_before_it() {
        let mut events = redriven();
        events.truncate(10);
        events.reverse();
        let found = found_in(&events).expect("its entry is there");
        assert_eq!((found.name.as_str(), found.tries, found.span), ("a", 1, (7000, 10_000)));
        assert_eq!(found_in(&events[..8]), None, "its entry is not read yet");
    }

    #[test]
    fn what_ends_before_it_enters_a_state_or_enters_none_again_has_ended() {
        let mut history = History::default();
        let hear: EventHearer<'_> = &mut |_, _, _| {};
        for (event, expected) in events(&[
            (1, 0, HistoryEventType::ExecutionStarted, ""),
            (2, 0, HistoryEventType::ExecutionTimedOut, ""),
            (3, 2, HistoryEventType::ExecutionRedriven, ""),
            // As of a Fail state.
            (4, 3, HistoryEventType::ExecutionFailed, ""),
        ])
        .iter()
        .zip([[false, false], [true, false], [true, false], [true, true]])
        {
            history.note(event, hear);
            assert_eq!([history.is_over(0), history.is_over(1)], expected, "{event:?}");
        }
    }

    #[test]
    fn without_the_ids_before_the_order_has_to_do() {
        let written = [
            (5, 0, HistoryEventType::ExecutionFailed, ""),
            (4, 0, HistoryEventType::TaskFailed, ""),
            (3, 0, HistoryEventType::TaskScheduled, ""),
            (2, 0, HistoryEventType::TaskStateEntered, "load"),
            (1, 0, HistoryEventType::ExecutionStarted, ""),
        ];
        assert_eq!(found_in(&events(&written)).map(|found| found.name).as_deref(), Some("load"));
        assert_eq!(found_in(&events(&written[..3])), None, "more of it has to be read");
    }
}
