//! How a runner comes to a session: it takes the lease by an event whose number nobody else can put, and takes over what
//! earlier runners and sessions stored. Every step can be cut off, and is finished by whoever comes next.

use super::dispatcher::{Input, Start};
use super::drive::{Drive, RENEWAL};
use super::executor::WorkerError;
use super::failpoint;
use super::port::{Commit, Redrivable, StoreError, output_key};
use super::retry::Retry;
use super::run::{Entry, EventConsumer, RunnerError};
use crate::session::{
    EventKind, JobRecord, JobStatus, OutputRecord, RedriveRecord, RetryRecord, SessionStatus,
};
use serde_json::Value as Json;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use tokio::time::Instant;

/// Job records that one commit changes, at most: a store may bound what one transaction holds.
const CHUNK: usize = 40;

/// Executions that are looked for at once.
const TAKEN_UP_AT_ONCE: usize = 16;

impl Drive {
    /// Comes to the session; gives what the dispatcher is to hear first.
    pub(super) async fn enter(
        &mut self,
        entry: Entry,
        reused: Vec<JobRecord>,
        consumers: &mut [&mut dyn EventConsumer],
    ) -> Result<Input, RunnerError> {
        // What was asked of an earlier runner is not asked of this one.
        let session_id = self.session.session_id.clone();
        if let Some((number, _)) = self.store.requests(&session_id, 0).await?.last() {
            self.seen_requests = *number;
        }
        match entry {
            Entry::New => {
                self.create(consumers).await?;
                self.reuse(reused, consumers).await?;
                Ok(Input::Begin)
            }
            Entry::Resume { by, after } => {
                self.take_over(after, false, reused, consumers).await?;
                // Nothing had been started when its first runner died.
                let is_begun = self.session.started_at.is_some();
                Ok(if is_begun { Input::Resume { by } } else { Input::Begin })
            }
            Entry::Cancel { by, reason, after } => {
                self.take_over(after, true, reused, consumers).await?;
                Ok(Input::Cancel { by, reason })
            }
            Entry::Retry { by, jobs, from_start, after } => {
                self.begin_retry(by, RetryRecord { jobs, from_start }, after, consumers).await?;
                let records = self.store.jobs(&session_id).await?;
                let records = self.set_back(records, consumers).await?;
                self.restore(&records, false, consumers).await?;
                Ok(Input::Retry)
            }
        }
    }

    async fn create(&mut self, consumers: &mut [&mut dyn EventConsumer]) -> Result<(), StoreError> {
        let now = (self.now)();
        // The second of the first events takes it.
        self.hold_lease(2, now);
        let kinds = vec![
            EventKind::SessionCreated {
                session: self.session.session_id.to_string(),
                pipeline: self.session.pipeline_id.clone(),
                jobs: self.session.jobs,
            },
            EventKind::LeaseTaken { runner: self.session.runner.clone() },
        ];
        let commit = Commit { session: Some(self.session.clone()), ..Commit::default() };
        self.commit(kinds, commit, now, consumers).await?;
        failpoint::reach("created");
        Ok(())
    }

    /// Takes over what an earlier runner stored.
    async fn take_over(
        &mut self,
        after: u64,
        is_to_end: bool,
        reused: Vec<JobRecord>,
        consumers: &mut [&mut dyn EventConsumer],
    ) -> Result<(), RunnerError> {
        self.take_lease(after, Vec::new(), consumers).await?;
        self.reuse(reused, consumers).await?;
        let records = self.store.jobs(&self.session.session_id).await?;
        let records = self.set_back(records, consumers).await?;
        self.restore(&records, is_to_end, consumers).await
    }

    async fn take_lease(
        &mut self,
        after: u64,
        more: Vec<EventKind>,
        consumers: &mut [&mut dyn EventConsumer],
    ) -> Result<(), StoreError> {
        let now = (self.now)();
        self.number = after;
        self.hold_lease(after + 1, now);
        let mut kinds = vec![EventKind::LeaseTaken { runner: self.session.runner.clone() }];
        kinds.extend(more);
        let commit = Commit { session: Some(self.session.clone()), ..Commit::default() };
        self.commit(kinds, commit, now, consumers).await?;
        failpoint::reach("lease_taken");
        Ok(())
    }

    async fn begin_retry(
        &mut self,
        by: String,
        retrying: RetryRecord,
        after: u64,
        consumers: &mut [&mut dyn EventConsumer],
    ) -> Result<(), StoreError> {
        let session = &mut self.session;
        session.retries += 1;
        session.status = SessionStatus::Running;
        session.ended_at = None;
        session.pause = None;
        // The pipeline's timeout is one go's.
        session.active_ms = 0;
        session.retrying = Some(retrying.clone());
        let (retry, version) = (session.retries, session.version.clone());
        self.active_before = 0;
        let retried = EventKind::SessionRetried { by, retry, jobs: retrying.jobs, version };
        self.take_lease(after, vec![retried], consumers).await?;
        failpoint::reach("retry_begun");
        Ok(())
    }

    /// Sets the jobs of a retry back to pending, some at a time; gives all records as they are then. Where none is under way,
    /// nothing changes.
    async fn set_back(
        &mut self,
        records: Vec<JobRecord>,
        consumers: &mut [&mut dyn EventConsumer],
    ) -> Result<Vec<JobRecord>, RunnerError> {
        let Some(RetryRecord { jobs, from_start }) = self.session.retrying.clone() else {
            return Ok(records);
        };
        let retry = self.session.retries;
        let found = Retry::of(&self.plan, &records, &jobs, retry)?;
        let by_key: HashMap<&str, &JobRecord> =
            records.iter().map(|record| (record.job_key.as_str(), record)).collect();
        let mut changed: Vec<JobRecord> = found
            .set_back()
            .filter_map(|key| by_key.get(key.as_str()))
            .filter(|record| record.status != JobStatus::Pending)
            .map(|record| JobRecord { attempt: record.attempt, retry, ..JobRecord::pending(&record.job_key) })
            .collect();
        let again: HashSet<&str> = found.again.iter().map(String::as_str).collect();
        let mut renewed = Instant::now();
        for chunk in changed.chunks_mut(CHUNK) {
            self.renew_if_due(&mut renewed).await?;
            let not_redriven =
                if from_start { BTreeMap::new() } else { self.find_redrives(chunk, &by_key, &again).await? };
            let key = |record: &JobRecord| record.job_key.clone();
            let redriven = chunk.iter().filter(|record| record.redrive.is_some()).map(key).collect();
            let reset =
                EventKind::JobsReset { jobs: chunk.iter().map(key).collect(), redriven, not_redriven };
            let commit = Commit { jobs: chunk.to_vec(), ..Commit::default() };
            self.commit(vec![reset], commit, (self.now)(), consumers).await?;
            failpoint::reach("set_back");
        }
        for chunk in found.removed.chunks(CHUNK) {
            let commit = Commit { removed_jobs: chunk.to_vec(), ..Commit::default() };
            let removed = EventKind::JobsRemoved { jobs: chunk.to_vec() };
            self.commit(vec![removed], commit, (self.now)(), consumers).await?;
        }
        // Written down with the next change of status, or found to be nothing by whoever comes before it.
        self.session.retrying = None;
        let mut all: BTreeMap<String, JobRecord> =
            records.into_iter().chain(changed).map(|record| (record.job_key.clone(), record)).collect();
        for key in &found.removed {
            all.remove(key);
        }
        Ok(all.into_values().collect())
    }

    /// Finds which jobs' executions can go on from where they failed, and marks their records; gives those that cannot, with the
    /// reason.
    async fn find_redrives(
        &self,
        records: &mut [JobRecord],
        before: &HashMap<&str, &JobRecord>,
        again: &HashSet<&str>,
    ) -> Result<BTreeMap<String, String>, RunnerError> {
        let looks = records.iter().map(|record| async {
            let is_to_go_on =
                |before: &&&JobRecord| before.status.is_failure() && again.contains(record.job_key.as_str());
            let before = before.get(record.job_key.as_str()).filter(is_to_go_on)?;
            let (execution, job) =
                (before.execution.clone()?, self.plan.pipeline.jobs.get_index_of(record.job_key.as_str())?);
            let attempt = before.redrive.as_ref().map_or(before.attempt, |redrive| redrive.attempt);
            let found = self.engine.redrivable(job, &execution).await;
            Some(found.map(|found| (execution, attempt, found)))
        });
        let found = futures::future::join_all(looks).await;
        let mut reasons = BTreeMap::new();
        for (record, found) in records.iter_mut().zip(found) {
            match found.transpose().map_err(WorkerError::from)? {
                Some((execution, attempt, Redrivable::Yes { count, input_sha256 })) => {
                    record.redrive = Some(RedriveRecord { execution, attempt, count, input_sha256 });
                }
                Some((_, _, Redrivable::No { reason: Some(reason) })) => {
                    reasons.insert(record.job_key.clone(), reason);
                }
                Some((_, _, Redrivable::No { reason: None })) | None => {}
            }
        }
        Ok(reasons)
    }

    /// Stores outputs of another session with this one, some at a time.
    async fn reuse(
        &mut self,
        mut reused: Vec<JobRecord>,
        consumers: &mut [&mut dyn EventConsumer],
    ) -> Result<(), StoreError> {
        for record in &mut reused {
            // That session may be deleted before this one is.
            if let Some(OutputRecord::Object { key, size }) = &record.output {
                let bytes = self.objects.get(key).await?.ok_or_else(|| missing(key))?;
                let own = output_key(&self.session.session_id, &record.job_key, 0);
                self.objects.put(&own, bytes).await?;
                record.output = Some(OutputRecord::Object { key: own, size: *size });
            }
        }
        self.load_outputs(&reused).await?;
        for chunk in reused.chunks(CHUNK) {
            let events = chunk.iter().filter_map(|record| {
                let (from, output) = (record.reused_from.as_ref()?.to_string(), record.output.clone()?);
                Some(EventKind::JobReused { job: record.job_key.clone(), from, output })
            });
            let commit = Commit { jobs: chunk.to_vec(), ..Commit::default() };
            self.commit(events.collect(), commit, (self.now)(), consumers).await?;
            failpoint::reach("reused");
        }
        Ok(())
    }

    /// Gives the dispatcher what is stored; what ran without this runner is lost, or taken up. Where the session `is_to_end`,
    /// nothing is started for it.
    async fn restore(
        &mut self,
        records: &[JobRecord],
        is_to_end: bool,
        consumers: &mut [&mut dyn EventConsumer],
    ) -> Result<(), RunnerError> {
        self.load_outputs(records).await?;
        let restored = self.dispatcher.restore(records, self.engine.executions());
        for chunk in restored.lost.chunks(CHUNK) {
            let key = |lost: &Start| self.plan.pipeline.jobs[lost.job].id.to_string();
            let events = chunk
                .iter()
                .map(|lost| EventKind::AttemptLost { job: key(lost), attempt: lost.attempt })
                .collect();
            let retry = self.session.retries;
            let pending = |lost: &Start| {
                let attempt = lost.attempt;
                JobRecord { attempt, retry, ..JobRecord::pending(&key(lost)) }
            };
            let commit = Commit { jobs: chunk.iter().map(pending).collect(), ..Commit::default() };
            self.commit(events, commit, (self.now)(), consumers).await?;
        }
        failpoint::reach("restored");
        let mut renewed = Instant::now();
        for chunk in restored.adopted.chunks(TAKEN_UP_AT_ONCE) {
            self.renew_if_due(&mut renewed).await?;
            // An input that was fine when it was to be started is so again.
            let executions: Vec<_> =
                chunk.iter().filter_map(|start| Some((start.job, self.execution(*start).ok()?))).collect();
            let looks = executions.iter().map(|(_, execution)| self.engine.take_up(execution.clone()));
            let found = futures::future::join_all(looks).await;
            for ((job, execution), is_there) in executions.into_iter().zip(found) {
                if is_there.map_err(WorkerError::from)? {
                    self.executor.follow(&execution);
                } else if is_to_end {
                    self.executor.give_up(job);
                } else {
                    self.executor.start(execution);
                }
            }
        }
        Ok(())
    }

    /// To ask of thousands of executions takes longer than a lease holds.
    async fn renew_if_due(&mut self, renewed: &mut Instant) -> Result<(), StoreError> {
        if renewed.elapsed() > RENEWAL {
            self.renew().await?;
            *renewed = Instant::now();
        }
        Ok(())
    }

    /// The outputs that dependants will read, from records and objects.
    async fn load_outputs(&mut self, records: &[JobRecord]) -> Result<(), StoreError> {
        for record in records.iter().filter(|record| self.plan.is_output_read(&record.job_key)) {
            let output = match &record.output {
                None => continue,
                Some(OutputRecord::Inline(output)) => output.clone(),
                Some(OutputRecord::Object { key, .. }) => self.read_output(key).await?,
            };
            self.outputs.0.insert(record.job_key.clone(), Arc::new(output));
        }
        Ok(())
    }

    async fn read_output(&self, key: &str) -> Result<Json, StoreError> {
        let bytes = self.objects.get(key).await?.ok_or_else(|| missing(key))?;
        serde_json::from_slice(&bytes).map_err(|error| damaged(key, error.to_string()))
    }
}

fn missing(key: &str) -> StoreError {
    damaged(key, "it is not there".into())
}

fn damaged(key: &str, message: String) -> StoreError {
    StoreError::Damaged { place: "objects".into(), key: key.to_owned(), message }
}
