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
    Dispatcher::new(nodes, order, max_concurrency, on_failure, "s".into())
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
    let pause = Input::Pause { by: "me".into(), reason: "lunch".into() };
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
    let effects = dispatcher.handle(ended, now(), &mut conditions);
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

proptest! {
    /// Any graph, any outcomes, any order of ends, with a pause, a cancel or a timeout at any moment: each job starts at
    /// most once and never before its upstreams are final, no more run than may, and all end in a final status.
    #[test]
    fn every_session_ends_well(
        jobs in prop::collection::vec(any_job(), 1..24),
        max_concurrency in 1..6usize,
        stops in any::<bool>(),
        picks in prop::collection::vec(any::<prop::sample::Index>(), 64),
        interruption in prop::option::of((0..20usize, 0..3u8)),
    ) {
        let nodes: Vec<JobNode> = jobs.iter().enumerate().map(|(at, job)| {
            let upstreams: BTreeSet<usize> =
                if at == 0 { BTreeSet::new() } else { job.upstreams.iter().map(|up| up.index(at)).collect() };
            let mut node = node(at, &upstreams.into_iter().collect::<Vec<_>>(), job.run_if);
            node.allow_failure = job.allow_failure;
            node
        }).collect();
        let upstreams: Vec<Vec<usize>> = nodes.iter().map(|node| node.upstreams.clone()).collect();
        let mut conditions = Fixed(jobs.iter().map(|job| job.condition).collect());
        let on_failure = if stops { OnFailure::Stop } else { OnFailure::Finish };
        let mut dispatcher = dispatcher(nodes, max_concurrency, on_failure);

        let mut running: Vec<usize> = Vec::new();
        let mut started = BTreeSet::new();
        let mut records: Vec<JobStatus> = vec![JobStatus::Pending; jobs.len()];
        let mut effects = dispatcher.handle(Input::Begin, now(), &mut conditions);
        let mut step = 0;
        let last = loop {
            for start in &effects.starts {
                prop_assert!(started.insert(start.job), "job {} started twice", start.job);
                for upstream in &upstreams[start.job] {
                    prop_assert!(dispatcher.status(*upstream).is_final(), "started before its upstream");
                }
                running.push(start.job);
            }
            for record in &effects.jobs {
                let job: usize = record.job_key[1..].parse().unwrap();
                prop_assert!(records[job].may_become(record.status), "{} -> {}", records[job], record.status);
                records[job] = record.status;
            }
            prop_assert!(running.len() <= max_concurrency);
            prop_assert_eq!(running.len(), dispatcher.running());
            if effects.is_over {
                break effects;
            }
            if let Some((at, kind)) = interruption && at == step {
                step += 1;
                effects = dispatcher.handle(match kind {
                    0 => Input::Pause { by: String::new(), reason: String::new() },
                    1 => Input::Cancel { by: String::new(), reason: String::new() },
                    _ => Input::TimeoutReached,
                }, now(), &mut conditions);
                continue;
            }
            prop_assert!(!running.is_empty(), "not over, and nothing runs");
            let job = running.swap_remove(picks[step % picks.len()].index(running.len()));
            let ended = match jobs[job].outcome {
                0 => Ended::Failed(FailureRecord::default()),
                1 => Ended::TimedOut(FailureRecord::default()),
                2 => Ended::Aborted,
                _ => succeeded(),
            };
            effects = dispatcher.handle(Input::JobEnded { job, ended }, now(), &mut conditions);
            step += 1;
        };
        prop_assert!(running.is_empty());
        let is_paused = last.status == Some(SessionStatus::Paused);
        for (job, status) in records.iter().enumerate() {
            prop_assert_eq!(*status, dispatcher.status(job));
            prop_assert!(status.is_final() || is_paused && *status == JobStatus::Pending);
        }
        let failed = (0..jobs.len())
            .any(|job| dispatcher.status(job).is_failure() && !jobs[job].allow_failure);
        match last.status {
            Some(SessionStatus::Succeeded) => prop_assert!(!failed),
            Some(SessionStatus::Failed) => prop_assert!(failed),
            Some(SessionStatus::Paused | SessionStatus::Cancelled | SessionStatus::TimedOut) => {
                prop_assert!(interruption.is_some());
            }
            other => prop_assert!(false, "ended as {:?}", other),
        }
    }
}
