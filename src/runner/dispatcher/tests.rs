use super::*;
use proptest::prelude::*;

/// Conditions by job; none: true.
#[derive(Default)]
struct Fixed(Vec<Option<Result<bool, ()>>>);

impl Conditions for Fixed {
    fn condition(&mut self, job: usize) -> Result<bool, Box<FailureRecord>> {
        match self.0.get(job).copied().flatten() {
            None => Ok(true),
            Some(Ok(value)) => Ok(value),
            Some(Err(())) => Err(Box::default()),
        }
    }

    fn has_same_input(&mut self, _job: usize, redrive: &RedriveRecord) -> bool {
        redrive.input_sha256 == "same"
    }
}

fn node(key: usize, upstreams: &[usize], run_if: RunIf) -> JobNode {
    JobNode {
        key: format!("j{key}"),
        upstreams: upstreams.to_vec(),
        downstreams: Vec::new(),
        run_if,
        allow_failure: false,
    }
}

fn dispatcher(mut nodes: Vec<JobNode>, max_concurrency: usize, on_failure: OnFailure) -> Dispatcher {
    for job in 0..nodes.len() {
        for upstream in nodes[job].upstreams.clone() {
            nodes[upstream].downstreams.push(job);
        }
    }
    let order = (0..nodes.len()).collect();
    let rules = Rules { max_concurrency, on_failure, execution_prefix: "s".into(), retry: 0 };
    Dispatcher::new(nodes, order, rules)
}

fn succeeded() -> Ended {
    Ended::Succeeded(OutputRecord::Inline(serde_json::Value::Null))
}

fn now() -> Timestamp {
    Timestamp::UNIX_EPOCH
}

/// Runs a session in which `outcomes` says how each job that starts ends; gives the final statuses.
#[track_caller]
fn statuses(
    nodes: Vec<JobNode>,
    on_failure: OnFailure,
    failing: &[usize],
) -> (Vec<JobStatus>, SessionStatus) {
    let count = nodes.len();
    let mut dispatcher = dispatcher(nodes, 1, on_failure);
    let mut conditions = Fixed::default();
    let mut effects = dispatcher.handle(Input::Begin, now(), &mut conditions);
    while !effects.is_over {
        let start = *effects.starts.first().expect("a session that is not over starts a job");
        let ended =
            if failing.contains(&start.job) { Ended::Failed(FailureRecord::default()) } else { succeeded() };
        effects = dispatcher.handle(Input::JobEnded { job: start.job, ended }, now(), &mut conditions);
    }
    ((0..count).map(|job| dispatcher.status(job)).collect(), effects.status.unwrap())
}

#[test]
fn run_if_follows_the_table() {
    use JobStatus::*;
    let cases = [
        (RunIf::AllSucceeded, [Succeeded, UpstreamFailed]),
        (RunIf::NoneFailed, [Succeeded, UpstreamFailed]),
        (RunIf::AnyFailed, [Skipped, Succeeded]),
        (RunIf::Always, [Succeeded, Succeeded]),
    ];
    for (run_if, [all_well, one_failed]) in cases {
        let nodes = || {
            vec![
                node(0, &[], RunIf::AllSucceeded),
                node(1, &[], RunIf::AllSucceeded),
                node(2, &[0, 1], run_if),
            ]
        };
        assert_eq!(statuses(nodes(), OnFailure::Finish, &[]).0[2], all_well, "{run_if:?}, all well");
        assert_eq!(statuses(nodes(), OnFailure::Finish, &[1]).0[2], one_failed, "{run_if:?}, one failed");
    }
}

#[test]
fn a_skipped_upstream_skips_unless_run_if_takes_it() {
    let cases = [
        (RunIf::AllSucceeded, JobStatus::Skipped),
        (RunIf::NoneFailed, JobStatus::Succeeded),
        (RunIf::AnyFailed, JobStatus::Skipped),
        (RunIf::Always, JobStatus::Succeeded),
    ];
    for (run_if, expected) in cases {
        let nodes =
            vec![node(0, &[], RunIf::AllSucceeded), node(1, &[0], RunIf::AnyFailed), node(2, &[1], run_if)];
        let (statuses, session) = statuses(nodes, OnFailure::Finish, &[]);
        assert_eq!((statuses[1], statuses[2]), (JobStatus::Skipped, expected), "{run_if:?}");
        assert_eq!(session, SessionStatus::Succeeded);
    }
}

#[test]
fn a_failure_that_is_allowed_counts_as_success() {
    let mut nodes = vec![node(0, &[], RunIf::AllSucceeded), node(1, &[0], RunIf::AllSucceeded)];
    nodes[0].allow_failure = true;
    let (statuses, session) = statuses(nodes, OnFailure::Stop, &[0]);
    assert_eq!(statuses, [JobStatus::Failed, JobStatus::Succeeded]);
    assert_eq!(session, SessionStatus::Succeeded);
}

#[test]
fn on_failure_decides_whether_independent_jobs_start() {
    let nodes = || vec![node(0, &[], RunIf::AllSucceeded), node(1, &[], RunIf::AllSucceeded)];
    let (finish, _) = statuses(nodes(), OnFailure::Finish, &[0]);
    assert_eq!(finish, [JobStatus::Failed, JobStatus::Succeeded]);
    let (stop, session) = statuses(nodes(), OnFailure::Stop, &[0]);
    assert_eq!(stop, [JobStatus::Failed, JobStatus::Cancelled]);
    assert_eq!(session, SessionStatus::Failed);
}

#[test]
fn a_pause_lets_running_jobs_finish_and_starts_nothing() {
    let mut dispatcher = dispatcher(
        vec![node(0, &[], RunIf::AllSucceeded), node(1, &[0], RunIf::AllSucceeded)],
        8,
        OnFailure::Finish,
    );
    let mut conditions = Fixed::default();
    dispatcher.handle(Input::Begin, now(), &mut conditions);
    let pause = Input::Pause { by: "me".into(), reason: "lunch".into(), until: None };
    assert!(!dispatcher.handle(pause, now(), &mut conditions).is_over);
    let effects = dispatcher.handle(Input::JobEnded { job: 0, ended: succeeded() }, now(), &mut conditions);
    assert_eq!(effects.status, Some(SessionStatus::Paused));
    assert!(effects.starts.is_empty() && effects.is_over);
    assert_eq!(dispatcher.status(1), JobStatus::Pending);
}

#[test]
fn a_timeout_stops_what_runs_and_ends_the_session_as_timed_out() {
    let mut dispatcher = dispatcher(
        vec![node(0, &[], RunIf::AllSucceeded), node(1, &[0], RunIf::Always)],
        8,
        OnFailure::Finish,
    );
    let mut conditions = Fixed::default();
    dispatcher.handle(Input::Begin, now(), &mut conditions);
    assert_eq!(
        dispatcher.handle(Input::TimeoutReached, now(), &mut conditions).stops,
        [Start { job: 0, attempt: 1 }]
    );
    let ended = Input::JobEnded { job: 0, ended: Ended::Aborted };
    assert!(!dispatcher.handle(ended, now(), &mut conditions).is_over, "what may still run is not known yet");
    let left = Leftovers { ended: vec!["another".into()], may_still_run: vec!["a task".into()] };
    let stopped = Input::Stopped { job: 0, attempt: 1, left };
    let effects = dispatcher.handle(stopped, now(), &mut conditions);
    assert_eq!(effects.jobs[0].may_still_run, ["a task"]);
    assert_eq!(effects.jobs[0].ended_besides, ["another"]);
    assert_eq!(effects.jobs[0].status, JobStatus::TimedOut);
    assert_eq!(effects.status, Some(SessionStatus::TimedOut));
    assert_eq!(dispatcher.status(0), JobStatus::TimedOut);
    assert_eq!(dispatcher.status(1), JobStatus::Cancelled);
}

#[test]
fn execution_names_are_short_and_distinct() {
    let long = "j".repeat(64);
    let names: Vec<String> =
        [(long.as_str(), 1), (long.as_str(), 2), (&long[1..], 1), ("a[0]", 1), ("a_0_", 1)]
            .into_iter()
            .map(|(key, attempt)| execution_name("20261122-091530-k3f9qa", key, attempt))
            .collect();
    for name in &names {
        assert!(name.len() <= 80, "{name}");
        assert!(name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'), "{name}");
    }
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
}

fn any_run_if() -> impl Strategy<Value = RunIf> {
    prop_oneof![
        4 => Just(RunIf::AllSucceeded),
        1 => Just(RunIf::NoneFailed),
        1 => Just(RunIf::AnyFailed),
        1 => Just(RunIf::Always)
    ]
}

#[derive(Debug, Clone)]
struct AnyJob {
    upstreams: Vec<prop::sample::Index>,
    run_if: RunIf,
    allow_failure: bool,
    condition: Option<Result<bool, ()>>,
    outcome: u8,
}

fn any_job() -> impl Strategy<Value = AnyJob> {
    let condition = prop_oneof![6 => Just(None), 1 => Just(Some(Ok(false))), 1 => Just(Some(Err(())))];
    let upstreams = prop::collection::vec(any::<prop::sample::Index>(), 0..4);
    (upstreams, any_run_if(), any::<bool>(), condition, 0..6u8).prop_map(
        |(upstreams, run_if, allow_failure, condition, outcome)| AnyJob {
            upstreams,
            run_if,
            allow_failure,
            condition,
            outcome,
        },
    )
}

/// What somebody does to a session.
#[derive(Debug, Clone, Copy)]
enum Act {
    /// The oldest, or another, of the running executions ends.
    End(prop::sample::Index),
    Pause,
    PauseUntil,
    Resume,
    Cancel,
    TimeOut,
    /// The runner dies, and another takes over.
    Die,
}

fn any_act() -> impl Strategy<Value = Act> {
    prop_oneof![
        24 => any::<prop::sample::Index>().prop_map(Act::End),
        1 => Just(Act::Pause),
        1 => Just(Act::PauseUntil),
        2 => Just(Act::Resume),
        1 => Just(Act::Cancel),
        1 => Just(Act::TimeOut),
        2 => Just(Act::Die),
    ]
}

/// A session as a store and an engine would have it, held to what must be so whatever happens.
struct World {
    nodes: Vec<JobNode>,
    order: Vec<usize>,
    jobs: Vec<AnyJob>,
    conditions: Fixed,
    max_concurrency: usize,
    on_failure: OnFailure,
    executions: Executions,
    retry: u32,
    dispatcher: Dispatcher,
    records: HashMap<usize, JobRecord>,
    running: Vec<Start>,
    stopping: Vec<Start>,
    session: SessionStatus,
    succeeded: BTreeSet<usize>,
    attempts: HashMap<usize, u32>,
}

impl World {
    fn runner(&self) -> Dispatcher {
        let rules = Rules {
            max_concurrency: self.max_concurrency,
            on_failure: self.on_failure,
            execution_prefix: "s".into(),
            retry: self.retry,
        };
        Dispatcher::new(self.nodes.clone(), self.order.clone(), rules)
    }

    fn hear(&mut self, input: Input) {
        let effects = self.dispatcher.handle(input, now(), &mut self.conditions);
        for record in effects.jobs {
            let job: usize = record.job_key[1..].parse().unwrap();
            assert!(self.order.contains(&job), "a job outside of the slice was decided");
            let before = self.records.get(&job).map_or(JobStatus::Pending, |record| record.status);
            let is_addition = before == record.status && before.is_final();
            assert!(is_addition || before.may_become(record.status), "{before} -> {}", record.status);
            assert_eq!(record.retry, self.retry);
            if record.status == JobStatus::Succeeded && !is_addition {
                assert!(self.succeeded.insert(job), "job {job} succeeded twice");
            }
            self.records.insert(job, record);
        }
        for start in effects.starts {
            assert!(!self.succeeded.contains(&start.job), "job {} had succeeded", start.job);
            let last = self.attempts.insert(start.job, start.attempt).unwrap_or(0);
            assert_eq!(start.attempt, last + 1, "each attempt is started once");
            for upstream in &self.nodes[start.job].upstreams {
                assert!(self.dispatcher.status(*upstream).is_final(), "started before its upstream");
            }
            self.running.push(start);
        }
        for stop in effects.stops {
            self.stopping.push(stop);
        }
        assert!(self.running.len() <= self.max_concurrency);
        // One input can lead over several.
        let passed = effects.events.iter().filter_map(|event| match event {
            EventKind::SessionStarted | EventKind::SessionResumed { .. } => Some(SessionStatus::Running),
            EventKind::PauseRequested { .. } => Some(SessionStatus::Pausing),
            EventKind::SessionPaused { .. } => Some(SessionStatus::Paused),
            EventKind::CancelRequested { .. } => Some(SessionStatus::Cancelling),
            EventKind::SessionEnded { status } => Some(*status),
            _ => None,
        });
        for status in passed {
            let is_same = status == self.session;
            assert!(is_same || self.session.may_become(status), "{} -> {status}", self.session);
            self.session = status;
        }
        assert_eq!(effects.status.unwrap_or(self.session), self.session, "what is stored is what was told");
        assert_eq!(effects.is_over, self.is_left(), "{}", self.session);
    }

    /// Nobody drives it any more.
    fn is_left(&self) -> bool {
        let waits = self.session == SessionStatus::Paused && self.dispatcher.mode == Mode::Waiting;
        self.session.is_final() || self.session == SessionStatus::Paused && !waits
    }

    /// One of those that run ends: `pick` says which.
    fn end(&mut self, pick: impl FnOnce(usize) -> usize) {
        // What is to be stopped ends first, and then says what of it may still run.
        if let Some(stop) = self.stopping.pop() {
            if let Some(running) = self.running.iter().position(|start| *start == stop) {
                self.running.remove(running);
                self.hear(Input::JobEnded { job: stop.job, ended: Ended::Aborted });
            }
            let may_still_run = if stop.job % 2 == 0 { Vec::new() } else { vec!["it".to_owned()] };
            let left = Leftovers { may_still_run, ..Leftovers::default() };
            self.hear(Input::Stopped { job: stop.job, attempt: stop.attempt, left });
        } else if !self.running.is_empty() {
            let start = self.running.remove(pick(self.running.len()));
            // A second go mends what failed in the first.
            let ended = match self.jobs[start.job].outcome {
                0 if self.retry == 0 => Ended::Failed(FailureRecord::default()),
                1 if self.retry == 0 => Ended::TimedOut(FailureRecord::default()),
                2 if self.retry == 0 => Ended::Aborted,
                _ => succeeded(),
            };
            self.hear(Input::JobEnded { job: start.job, ended });
        }
    }

    /// Another runner takes over what is stored.
    fn take_over(&mut self) {
        self.dispatcher = self.runner();
        let records: Vec<JobRecord> = self.records.values().cloned().collect();
        let restored = self.dispatcher.restore(&records, self.executions);
        let mut taken = if self.executions == Executions::Survive { restored.adopted } else { restored.lost };
        taken.sort_by_key(|start| start.job);
        let mut running = std::mem::take(&mut self.running);
        running.sort_by_key(|start| start.job);
        assert_eq!(taken, running, "what ran is known to the new runner");
        self.stopping.clear();
        match self.executions {
            Executions::Survive => self.running = running,
            Executions::EndWithRunner => {
                for lost in running {
                    if let Some(record) = self.records.get_mut(&lost.job) {
                        record.status = JobStatus::Pending;
                    }
                }
            }
        }
        let input = match self.session {
            SessionStatus::Cancelling => Input::Cancel { by: String::new(), reason: String::new() },
            _ => Input::Resume { by: String::new() },
        };
        self.hear(input);
    }

    fn act(&mut self, act: Act) {
        if self.is_left() {
            if self.session == SessionStatus::Paused {
                self.take_over();
            }
            return;
        }
        let (by, reason) = (String::new(), String::new());
        match act {
            Act::End(at) => self.end(|count| at.index(count)),
            Act::Pause => self.hear(Input::Pause { by, reason, until: None }),
            Act::PauseUntil => self.hear(Input::Pause { by, reason, until: Some(now()) }),
            Act::Resume => self.hear(Input::Resume { by }),
            Act::Cancel => self.hear(Input::Cancel { by, reason }),
            Act::TimeOut => self.hear(Input::TimeoutReached),
            Act::Die => self.take_over(),
        }
    }

    /// Nothing more happens to it but that executions end.
    fn run_out(&mut self) {
        for _ in 0..10_000 {
            if self.session.is_final() {
                break;
            }
            let is_waiting = self.session == SessionStatus::Paused;
            match (self.is_left(), is_waiting) {
                (true, _) => self.take_over(),
                (false, true) => self.hear(Input::Resume { by: String::new() }),
                (false, false) => {
                    assert!(!self.running.is_empty() || !self.stopping.is_empty(), "it hangs");
                    self.end(|_| 0);
                }
            }
        }
        assert!(self.session.is_final());
        assert!(self.running.is_empty() && self.stopping.is_empty());
        for job in &self.order {
            let record = &self.records[job];
            assert!(record.status.is_final() && record.status == self.dispatcher.status(*job));
        }
        let failed = self
            .order
            .iter()
            .any(|job| self.records[job].status.is_failure() && !self.nodes[*job].allow_failure);
        match self.session {
            SessionStatus::Succeeded => assert!(!failed),
            SessionStatus::Failed => assert!(failed),
            _ => {}
        }
    }

    /// As `Retry` sets jobs back: those that did not succeed, and all downstream of them.
    fn retry(&mut self) -> bool {
        let seeds: Vec<usize> = self
            .order
            .iter()
            .copied()
            .filter(|job| {
                let status = self.records[job].status;
                let is_allowed = matches!(status, JobStatus::Failed | JobStatus::TimedOut)
                    && self.nodes[*job].allow_failure;
                status.is_failure() && !is_allowed
            })
            .collect();
        let downstreams: Vec<Vec<usize>> =
            self.dispatcher.nodes.iter().map(|node| node.downstreams.clone()).collect();
        let again = crate::plan::reached(&seeds, &downstreams);
        self.retry += 1;
        for job in self.order.iter().filter(|job| again[**job]) {
            let attempt = self.records[job].attempt;
            self.succeeded.remove(job);
            let record = JobRecord { attempt, retry: self.retry, ..JobRecord::pending(&format!("j{job}")) };
            self.records.insert(*job, record);
        }
        if seeds.is_empty() {
            return false;
        }
        self.dispatcher = self.runner();
        let records: Vec<JobRecord> = self.records.values().cloned().collect();
        let restored = self.dispatcher.restore(&records, self.executions);
        assert_eq!(restored, Restored::default(), "nothing runs in a session that has ended");
        self.session = SessionStatus::Running;
        self.hear(Input::Retry);
        true
    }
}

fn world(jobs: Vec<AnyJob>, sliced: &[bool], max_concurrency: usize, stops: bool, survive: bool) -> World {
    let is_selected = |job: usize| sliced.get(job).copied().unwrap_or(true) || job == 0;
    let mut nodes: Vec<JobNode> = jobs
        .iter()
        .enumerate()
        .map(|(at, job)| {
            let upstreams: BTreeSet<usize> = match at {
                0 => BTreeSet::new(),
                _ => job.upstreams.iter().map(|up| up.index(at)).filter(|up| is_selected(*up)).collect(),
            };
            let mut node = node(at, &upstreams.into_iter().collect::<Vec<_>>(), job.run_if);
            node.allow_failure = job.allow_failure;
            node
        })
        .collect();
    for job in (0..nodes.len()).filter(|job| is_selected(*job)) {
        for upstream in nodes[job].upstreams.clone() {
            nodes[upstream].downstreams.push(job);
        }
    }
    let order = (0..nodes.len()).filter(|job| is_selected(*job)).collect();
    let mut world = World {
        conditions: Fixed(jobs.iter().map(|job| job.condition).collect()),
        nodes,
        order,
        jobs,
        max_concurrency,
        on_failure: if stops { OnFailure::Stop } else { OnFailure::Finish },
        executions: if survive { Executions::Survive } else { Executions::EndWithRunner },
        retry: 0,
        dispatcher: dispatcher(Vec::new(), 1, OnFailure::Finish),
        records: HashMap::new(),
        running: Vec::new(),
        stopping: Vec::new(),
        session: SessionStatus::Created,
        succeeded: BTreeSet::new(),
        attempts: HashMap::new(),
    };
    world.dispatcher = world.runner();
    world.hear(Input::Begin);
    world
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    /// Any graph, any part of it, any outcomes in any order; pauses, resumes, cancels, timeouts and dying runners at any
    /// moment; then retries. Each attempt is started once and never before its upstreams are final, no more run than may,
    /// what succeeded does not run again but by a retry of something upstream, nothing hangs, and all end in a final status.
    #[test]
    fn every_session_ends_well(
        jobs in prop::collection::vec(any_job(), 1..24),
        sliced in prop::collection::vec(prop::bool::weighted(0.8), 0..24),
        max_concurrency in 1..6usize,
        stops in any::<bool>(),
        survive in any::<bool>(),
        acts in prop::collection::vec(any_act(), 0..80),
        more in prop::collection::vec(any_act(), 0..40),
    ) {
        let mut world = world(jobs, &sliced, max_concurrency, stops, survive);
        acts.into_iter().for_each(|act| world.act(act));
        world.run_out();
        for _ in 0..2 {
            if !world.retry() {
                break;
            }
            more.iter().for_each(|act| world.act(*act));
            world.run_out();
        }
    }
}

/// A session of one job, whose failed execution a retry lets go on if the input is the same.
#[track_caller]
fn redriven(input_sha256: &str) -> (String, Option<u32>, JobRecord) {
    let redrive = RedriveRecord {
        execution: "s--j0-1".into(),
        attempt: 1,
        count: 2,
        input_sha256: input_sha256.into(),
    };
    let mut dispatcher = dispatcher(vec![node(0, &[], RunIf::AllSucceeded)], 1, OnFailure::Finish);
    let pending = JobRecord { attempt: 3, redrive: Some(redrive), ..JobRecord::pending("j0") };
    dispatcher.restore(&[pending], Executions::Survive);
    let effects = dispatcher.handle(Input::Retry, now(), &mut Fixed::default());
    let EventKind::JobStarted { attempt: 4, execution, redrive, .. } = &effects.events[0] else {
        panic!("{:?}", effects.events);
    };
    assert_eq!(dispatcher.execution(0).0, *execution);
    (execution.clone(), *redrive, effects.jobs[0].clone())
}

#[test]
fn an_execution_goes_on_as_the_next_attempt() {
    let (execution, redrive, record) = redriven("same");
    assert_eq!((execution.as_str(), redrive), ("s--j0-1", Some(3)));
    assert_eq!((record.attempt, record.execution.as_deref()), (4, Some("s--j0-1")));
    assert!(record.redrive.is_some(), "whoever takes it up knows how");
}

#[test]
fn with_another_input_a_new_execution_starts() {
    let (execution, redrive, record) = redriven("another");
    assert!(execution.ends_with("--j0-4"), "{execution}");
    assert_eq!((redrive, record.redrive), (None, None));
}
