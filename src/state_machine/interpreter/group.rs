//! Branches that run side by side, until all are done or one fails.

use super::branch::{Branch, Finished};
use super::failure::{Aborted, Failure, Stop};
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use serde_json::Value as Json;
use tokio_util::sync::CancellationToken;

/// A member's index and how it ended.
pub(super) type Member<'f> = BoxFuture<'f, (usize, Finished)>;

/// How a group ended.
pub(super) struct GroupEnd {
    /// In the order of the members.
    pub(super) results: Vec<Json>,
    pub(super) failed: Option<(usize, Failure)>,
    /// Members cut off by the failure, each with its `…StateAborted` events.
    pub(super) aborted: Vec<(usize, Vec<Aborted>)>,
}

/// What to do with a member that failed.
pub(super) enum Verdict {
    /// The group fails.
    Fail(Failure),
    /// The group goes on; this stands in the results.
    Tolerate(Json),
}

/// Lets at most `limit` of `count` members run at once. `start` begins one; `ended` hears of each that ended of itself.
/// After the first failure nothing begins, `halt` is fired, and those that run are waited for.
pub(super) async fn run<'f>(
    count: usize,
    limit: usize,
    halt: &CancellationToken,
    mut start: impl FnMut(usize) -> Member<'f>,
    mut ended: impl FnMut(usize, u64, &Result<Json, Stop>),
    mut judge: impl FnMut(Failure) -> Verdict,
) -> GroupEnd {
    let mut running = FuturesUnordered::new();
    let mut results: Vec<Option<Json>> = vec![None; count];
    let mut end = GroupEnd { results: Vec::new(), failed: None, aborted: Vec::new() };
    let mut next = 0;
    loop {
        while end.failed.is_none() && next < count && running.len() < limit && !halt.is_cancelled() {
            running.push(start(next));
            next += 1;
        }
        let Some((index, Finished { last, result })) = running.next().await else { break };
        if end.failed.is_none() {
            ended(index, last, &result);
        }
        match result {
            Ok(value) => results[index] = Some(value),
            Err(Stop::Halted(states)) => end.aborted.push((index, states)),
            Err(Stop::Failed(failure)) if end.failed.is_some() => {
                end.aborted.push((index, failure.aborted().into_iter().collect()));
            }
            Err(Stop::Failed(failure)) => match judge(*failure) {
                Verdict::Tolerate(value) => results[index] = Some(value),
                Verdict::Fail(failure) => {
                    end.failed = Some((index, failure));
                    halt.cancel();
                }
            },
        }
    }
    end.aborted.sort_by_key(|(index, _)| *index);
    end.results = results.into_iter().flatten().collect();
    end
}

impl<'a> Branch<'a> {
    /// A branch inside this one.
    pub(super) fn inner(&self, halt: CancellationToken) -> Branch<'a> {
        Branch {
            execution: self.execution,
            halt,
            scope: super::scope::Scope::inner(&self.scope),
            history: std::sync::Arc::clone(&self.history),
            last: self.last,
            item: self.item.clone(),
            is_quiet: self.is_quiet,
        }
    }
}
