//! One try of a Map.

use super::super::definition::{Machine, Map};
use super::branch::{Branch, Finished, Visit};
use super::evaluation::States;
use super::event::{Details, text};
use super::execution::full_history;
use super::failure::{Aborted, Failure, RUNTIME, Stop, THRESHOLD};
use super::group::{self, GroupEnd, Verdict};
use super::scope::Scope;
use crate::state_machine::PAYLOAD_LIMIT;
use serde_json::{Value as Json, json};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// As many items at once where MaxConcurrency says 0 or nothing.
const INLINE_CONCURRENCY: usize = 40;
const DISTRIBUTED_CONCURRENCY: usize = 10_000;

/// What a Map does, its fields evaluated.
struct Run<'m> {
    map: &'m Map,
    items: Vec<Json>,
    limit: usize,
    tolerance: Tolerance,
}

/// How many items may fail.
#[derive(Debug, Clone, Copy)]
struct Tolerance {
    count: Option<u64>,
    percentage: Option<u64>,
}

impl Tolerance {
    fn allows(self, failed: u64, total: u64) -> bool {
        let by_count = self.count.is_some_and(|count| failed <= count);
        let by_percentage = self.percentage.is_some_and(|percentage| failed * 100 <= percentage * total);
        match (self.count, self.percentage) {
            (Some(_), Some(_)) => by_count && by_percentage,
            _ => by_count || by_percentage,
        }
    }
}

impl<'a> Branch<'a> {
    pub(super) async fn run_map(
        &mut self,
        visit: &mut Visit<'_>,
        input: &Json,
        map: &Map,
    ) -> Result<Json, Stop> {
        let name = visit.state.name.as_str();
        let run = self.prepare_map(visit, input, map)?;
        self.emit("MapStateStarted", Some(name), Details::new().with("length", run.items.len()));
        if map.is_distributed {
            let arn = format!("{name}:{}", visit.entered);
            self.emit("MapRunStarted", Some(name), Details::new().with("mapRunArn", arn));
        }
        let halt = self.halt.child_token();
        let end = self.run_items(visit, input, &run, &halt).await;
        if self.halt.is_cancelled() {
            return Err(self.halted_group(visit, end.aborted));
        }
        if let Some((_, failure)) = end.failed {
            return Err(self.map_failed(visit, map, failure, &end.aborted).into());
        }
        let result = Json::Array(end.results);
        if text(&result).len() > PAYLOAD_LIMIT {
            return Err(self.too_large(name, name).terminal().into());
        }
        if map.is_distributed {
            self.emit("MapRunSucceeded", Some(name), Details::new());
        }
        self.emit("MapStateSucceeded", Some(name), Details::new());
        visit.has_succeeded = true;
        Ok(result)
    }

    fn prepare_map<'m>(&mut self, visit: &Visit<'_>, input: &Json, map: &'m Map) -> Result<Run<'m>, Failure> {
        let states = States::of(input);
        let items = match &map.items {
            Some(items) => self.evaluate_list(visit, &states, "Items", items)?,
            None => match input {
                Json::Array(items) => items.clone(),
                other => return Err(self.unexpected(visit, "Items", &Json::Null, "array", other)),
            },
        };
        let mut number = |path: &str, value: &Option<Json>, most: u64| match value {
            Some(value) => self.evaluate_integer(visit, &states, path, value, 0..=most).map(Some),
            None => Ok(None),
        };
        let limit = number("MaxConcurrency", &map.max_concurrency, 99_999_999)?;
        let count = number("ToleratedFailureCount", &map.tolerated_count, 99_999_999)?;
        let percentage = number("ToleratedFailurePercentage", &map.tolerated_percentage, 100)?;
        let all = if map.is_distributed { DISTRIBUTED_CONCURRENCY } else { INLINE_CONCURRENCY };
        let limit =
            limit.and_then(|limit| usize::try_from(limit).ok()).filter(|limit| *limit > 0).unwrap_or(all);
        Ok(Run { map, items, limit: limit.min(all), tolerance: Tolerance { count, percentage } })
    }

    async fn run_items(
        &mut self,
        visit: &Visit<'_>,
        input: &Json,
        run: &Run<'_>,
        halt: &CancellationToken,
    ) -> GroupEnd {
        let name = visit.state.name.as_str();
        let map = run.map;
        let started = self.last;
        let total = run.items.len() as u64;
        let mut failures = 0;
        let mut last = started;
        let end = {
            let this = &*self;
            let start = |index: usize| -> group::Member<'_> {
                let item = Arc::new(json!({ "Index": index, "Value": run.items[index] }));
                let mut branch = this.item_branch(map, item, halt.clone());
                if !map.is_distributed {
                    branch.emit("MapIterationStarted", Some(name), iteration(name, index));
                }
                let own = match &map.selector {
                    // The selector belongs to the Map: it sees its input and variables, and the item besides.
                    Some(selector) => branch.select(visit, input, selector, &this.scope),
                    None => Ok(run.items[index].clone()),
                };
                Box::pin(async move {
                    match own {
                        Ok(own) if map.is_distributed => {
                            (index, run_apart(branch, name, &map.processor, own).await)
                        }
                        Ok(own) => (index, branch.run(&map.processor, own).await),
                        Err(failure) => (index, Finished { last: branch.last, result: Err(failure.into()) }),
                    }
                })
            };
            let ended = |index: usize, id: u64, result: &Result<Json, Stop>| {
                if map.is_distributed {
                    return;
                }
                last = match result {
                    Ok(_) => this.emit_after(id, "MapIterationSucceeded", Some(name), iteration(name, index)),
                    Err(Stop::Failed(failure)) => {
                        this.emit_after(
                            failure.event,
                            "MapIterationFailed",
                            Some(name),
                            iteration(name, index),
                        );
                        failure.event
                    }
                    Err(Stop::Halted(_)) => last,
                };
            };
            let judge = |failure: Failure| {
                failures += 1;
                if !map.is_distributed {
                    return Verdict::Fail(failure);
                }
                if run.tolerance.allows(failures, total) {
                    return Verdict::Tolerate(failure.error_output());
                }
                let cause = "The specified tolerated failure threshold was exceeded";
                let error = Some(THRESHOLD.to_owned());
                Verdict::Fail(Failure::new(error, Some(cause.to_owned()), &failure.state, started))
            };
            group::run(run.items.len(), run.limit, halt, start, ended, judge).await
        };
        self.last = last;
        end
    }

    /// A branch for one item; in a distributed Map an execution of its own, which sees no variables from here.
    fn item_branch(&self, map: &Map, item: Arc<Json>, halt: CancellationToken) -> Branch<'a> {
        let mut branch = self.inner(halt);
        branch.item = Some(item);
        if map.is_distributed {
            branch.scope = Arc::new(Scope::default());
            branch.halt = branch.halt.child_token();
            branch.history = Arc::default();
            branch.is_quiet = true;
            branch.last = 0;
        }
        branch
    }

    fn select(
        &mut self,
        visit: &Visit<'_>,
        input: &Json,
        selector: &Json,
        scope: &Arc<Scope>,
    ) -> Result<Json, Failure> {
        let own = std::mem::replace(&mut self.scope, Arc::clone(scope));
        let selected = self.evaluate(visit, &States::of(input), "ItemSelector", selector);
        self.scope = own;
        selected
    }

    fn map_failed(
        &mut self,
        visit: &Visit<'_>,
        map: &Map,
        failure: Failure,
        aborted: &[(usize, Vec<Aborted>)],
    ) -> Failure {
        let name = visit.state.name.as_str();
        if map.is_distributed {
            let details =
                Details::new().maybe("error", failure.error.clone()).maybe("cause", failure.cause.clone());
            let event = self.emit("MapRunFailed", Some(name), details);
            return Failure { event, ..failure };
        }
        let at = failure.event;
        self.tell_of_aborted(at, failure.aborted().iter());
        for (index, states) in aborted {
            self.emit_after(at, "MapIterationAborted", Some(name), iteration(name, *index));
            self.tell_of_aborted(at, states.iter());
        }
        self.last = at;
        failure
    }
}

/// Runs an item of a distributed Map. It is an execution of its own, with a history of its own: where that is full, the item
/// failed, and nothing else.
async fn run_apart(branch: Branch<'_>, map: &str, machine: &Machine, own: Json) -> Finished {
    let (history, halt) = (Arc::clone(&branch.history), branch.halt.clone());
    let mut run = branch.run(machine, own);
    let finished = tokio::select! {
        biased;
        finished = &mut run => finished,
        () = history.filled() => {
            halt.cancel();
            run.await
        }
    };
    if !history.is_full() {
        return finished;
    }
    let failure = Failure::new(Some(RUNTIME.to_owned()), Some(full_history()), map, finished.last);
    Finished { last: finished.last, result: Err(failure.into()) }
}

fn iteration(name: &str, index: usize) -> Details {
    Details::new().with("name", name).with("index", index)
}
