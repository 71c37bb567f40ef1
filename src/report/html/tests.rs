use super::history::Outcome;
use super::scale::Scale;
use super::*;
use crate::report::graph::tests::pipeline;
use crate::runner::EventConsumer;
use crate::session::{
    EventKind, FailureRecord, JobStatus, OutputRecord, RunnerRecord, SessionEvent, SessionId, SessionStatus,
};
use jiff::ToSpan;
use serde_json::json;

/// What somebody writes who wishes to be more than a text.
const HOSTILE: &str = "</script></style><img src=x onerror=\"alert(1)\">'\"javascript:alert(2)\u{202e}\u{1b}]0;owned\u{7}\0&#60;";

fn at(millis: i64) -> Timestamp {
    let start: Timestamp = "2026-11-22T09:15:30Z".parse().unwrap();
    start + millis.milliseconds()
}

fn runner() -> RunnerRecord {
    RunnerRecord { host: "laptop".into(), pid: 7, user: "ann".into(), bunsui: "0.1.0".into() }
}

fn history(pipeline: &Pipeline) -> History {
    let names = |ids: &[crate::pipeline::Id]| ids.iter().map(ToString::to_string).collect();
    History::new(pipeline.jobs.values().map(|job| (job.id.to_string(), names(&job.depends_on))).collect())
}

/// A session of a pipeline, told by its jobs: `(key, status, from, to)`, in milliseconds.
struct Told {
    session: SessionRecord,
    jobs: Vec<JobRecord>,
    history: History,
    pipeline: Pipeline,
}

impl Told {
    fn new(graph: &str, jobs: &[(&str, JobStatus, i64, i64)]) -> Self {
        let id = SessionId::new("20261122-091530-k3f9qa").unwrap();
        let mut session = SessionRecord::new(id, ("test".into(), "0123456789ab".into()), runner(), at(0));
        let ends = jobs.iter().map(|job| job.3).max().unwrap_or(0);
        session.status = SessionStatus::Succeeded;
        (session.started_at, session.ended_at, session.jobs) = (Some(at(0)), Some(at(ends)), jobs.len());
        let pipeline = pipeline(graph);
        let mut told = Self { session, jobs: Vec::new(), history: history(&pipeline), pipeline };
        told.say(0, EventKind::LeaseTaken { runner: runner() });
        told.say(0, EventKind::SessionStarted);
        for (key, status, from, to) in jobs {
            told.run(key, *status, *from, *to);
        }
        told.say(ends, EventKind::SessionEnded { status: SessionStatus::Succeeded });
        told
    }

    fn say(&mut self, millis: i64, kind: EventKind) {
        let number = self.history.count() + 1;
        self.history.event(&SessionEvent { number, at: at(millis), kind });
    }

    fn run(&mut self, key: &str, status: JobStatus, from: i64, to: i64) {
        let mut record = JobRecord { status, ..JobRecord::pending(key) };
        let job = key.to_owned();
        if !matches!(status, JobStatus::Skipped | JobStatus::UpstreamFailed | JobStatus::Pending) {
            (record.attempt, record.started_at, record.ended_at) = (1, Some(at(from)), Some(at(to)));
            self.say(
                from,
                EventKind::JobStarted { job: job.clone(), attempt: 1, execution: "e".into(), redrive: None },
            );
        }
        match status {
            JobStatus::Succeeded => {
                let output = OutputRecord::Inline(json!({"rows": 3}));
                record.output = Some(output.clone());
                self.say(to, EventKind::JobSucceeded { job, attempt: 1, output });
            }
            JobStatus::Failed => {
                let failure = FailureRecord { error: Some("KeyError".into()), ..FailureRecord::default() };
                record.failure = Some(failure.clone());
                self.say(to, EventKind::JobFailed { job, attempt: 1, failure, allowed: false });
            }
            _ => record.reason = Some("because".into()),
        }
        self.jobs.push(record);
    }

    fn story(&self) -> Story<'_> {
        Story {
            session: &self.session,
            jobs: &self.jobs,
            pipeline: Some(&self.pipeline),
            pinned: None,
            history: &self.history,
            before: None,
            backend: "local",
            made_at: at(60_000),
        }
    }

    #[track_caller]
    fn page(&self) -> String {
        let page = render(&self.story());
        assert_well_formed(&page);
        page
    }
}

/// Each element is closed in its turn, ids are unique, and links within the page lead somewhere.
#[track_caller]
fn assert_well_formed(page: &str) {
    const VOID: [&str; 3] = ["meta", "input", "!DOCTYPE"];
    let (head, rest) = page.split_once("<style>").unwrap();
    let text = format!("{head}{}", rest.split_once("</style>").unwrap().1);
    let mut open = Vec::new();
    for tag in text.split('<').skip(1) {
        let (tag, _) = tag.split_once('>').unwrap_or_else(|| panic!("`<{tag}` has no end"));
        let name = tag.split_whitespace().next().unwrap();
        match name.strip_prefix('/') {
            Some(closed) => assert_eq!(open.pop(), Some(closed), "in {text}"),
            None if VOID.contains(&name) => {}
            None => open.push(name),
        }
    }
    assert!(open.is_empty(), "{open:?} are not closed");
    let values = |start: &str| -> Vec<String> {
        text.split(start).skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
    };
    let ids = values(" id=\"");
    let unique: std::collections::HashSet<&String> = ids.iter().collect();
    assert_eq!(ids.len(), unique.len(), "{ids:?}");
    for link in values(" href=\"") {
        assert!(
            link.strip_prefix('#').is_some_and(|id| unique.contains(&id.to_owned())),
            "{link} leads nowhere"
        );
    }
    assert!(!page.contains(" style=") && !page.contains("<script"), "the policy would refuse it");
}

#[track_caller]
fn assert_says(page: &str, parts: &[&str]) {
    for part in parts {
        assert!(page.contains(part), "no `{part}` in {page}");
    }
}

#[test]
fn a_session_is_told() {
    use JobStatus::{Failed, Succeeded, UpstreamFailed};
    let mut told = Told::new(
        "a; b < a; c < a; d < b",
        &[
            ("a", Succeeded, 0, 400),
            ("b", Failed, 450, 2000),
            ("c", Succeeded, 400, 900),
            ("d", UpstreamFailed, 0, 0),
        ],
    );
    told.session.status = SessionStatus::Failed;
    told.session.labels.insert("team".into(), "data".into());
    told.session.parameters.insert("year".into(), json!(2015));
    told.session.secrets.push("token".into());
    let page = told.page();
    assert_says(
        &page,
        &[
            "bunsui session retry 20261122-091530-k3f9qa",
            "✗</span> failed",
            "⊘</span> upstream failed",
            "KeyError",
            "1.9s</span>",
        ][..4],
    );
    assert_says(&page, &["[secret]", "2015", "data", "ann on laptop", "50 ms", "rows: 3", "◆ b"]);
    assert!(!page.contains("◆ c"), "{page}");
}

#[test]
fn the_critical_path_goes_back_by_what_ended_last() {
    use JobStatus::Succeeded;
    let told = Told::new(
        "a; b; c < a b; d < c; e < a",
        &[
            ("a", Succeeded, 0, 300),
            ("b", Succeeded, 0, 500),
            ("c", Succeeded, 520, 600),
            ("d", Succeeded, 600, 900),
            ("e", Succeeded, 300, 800),
        ],
    );
    let story = told.story();
    let view = View::new(&story);
    assert_eq!(view.critical, [1, 2, 3]);
    let waited: Vec<i128> = view.times.iter().map(|times| times.waited.unwrap().as_millis()).collect();
    assert_eq!(waited, [0, 0, 20, 0, 0]);
}

#[test]
fn the_first_thing_said_is_what_failed_and_what_to_do() {
    use JobStatus::{Failed, Succeeded, UpstreamFailed};
    let mut told = Told::new(
        "a; b < a; c < b; d < c; e!",
        &[
            ("a", Succeeded, 0, 400),
            ("b", Failed, 400, 900),
            ("c", UpstreamFailed, 0, 0),
            ("d", UpstreamFailed, 0, 0),
            ("e", Failed, 0, 10),
        ],
    );
    told.session.status = SessionStatus::Failed;
    told.jobs[1].failure.as_mut().unwrap().log_lines = vec!["no `place` left".into()];
    let page = told.page();
    assert_says(
        &page,
        &[
            "1 of 5 jobs failed, and 1 that may; 2 jobs did not run because of that.",
            "not run because of it: <a href=\"#job-2\">c</a>, <a href=\"#job-3\">d</a>",
            "said last: <code>no `place` left</code>",
            "What did not succeed, again: ",
            "allowed</span>",
        ],
    );
    let first = |text: &str| page.find(text).unwrap_or_else(|| panic!("no {text}"));
    assert!(first("#failure-1") < first("#failure-4"), "one that may fail is told last");
    told.jobs[1].failure.as_mut().unwrap().recoverable = Some(false);
    assert_says(&told.page(), &["what to do: trying again without a change will fail again"]);
}

#[test]
fn jobs_that_failed_for_one_reason_are_said_once() {
    use JobStatus::{Failed, UpstreamFailed};
    let mut graph = vec!["a".to_owned(), "z < a a8".to_owned()];
    let keys: Vec<String> = (0..9).map(|job| format!("a{job}")).collect();
    graph.extend(keys.iter().cloned());
    let mut jobs = vec![("a", Failed, 0, 1), ("z", UpstreamFailed, 0, 0)];
    jobs.extend(keys.iter().map(|key| (key.as_str(), Failed, 0, 1)));
    let mut told = Told::new(&graph.join(";"), &jobs);
    told.session.status = SessionStatus::Failed;
    told.jobs[10].failure.as_mut().unwrap().summary = Some("another".into());
    let page = told.page();
    assert_eq!(page.matches("class=\"sign bad\"").count(), 2, "{page}");
    assert_says(
        &page,
        &[
            "</strong> and 3 more: KeyError",
            ": another <code",
            "not run because of them: ",
            "not run because of it: ",
        ],
    );
}

#[test]
fn who_cancelled_is_said_and_what_is_left_of_it() {
    let mut told = Told::new("a", &[("a", JobStatus::Cancelled, 0, 10)]);
    told.session.status = SessionStatus::Cancelled;
    told.say(5, EventKind::CancelRequested { by: "ann".into(), reason: "wrong day\nindeed".into() });
    told.jobs[0].may_still_run.push("task arn:aws:ecs:1".into());
    let page = told.page();
    assert_says(&page, &["Cancelled by ann at ", ": wrong day …", "May still run:", "task arn:aws:ecs:1"]);
}

#[test]
fn what_has_not_ended_is_told_until_now() {
    let mut told = Told::new("a; b < a; c < b", &[("a", JobStatus::Succeeded, 0, 400)]);
    told.session.status = SessionStatus::Running;
    told.session.ended_at = None;
    let running = JobRecord {
        status: JobStatus::Running,
        attempt: 1,
        started_at: Some(at(400)),
        ..JobRecord::pending("b")
    };
    told.say(
        400,
        EventKind::JobStarted { job: "b".into(), attempt: 1, execution: "e".into(), redrive: None },
    );
    told.jobs.extend([running, JobRecord::pending("c")]);
    let page = told.page();
    assert_says(&page, &["1 job ran, 1 waited.", "59.6s so far", "▸ 59.6s", "still runs"]);
    assert!(!page.contains('◆'), "what runs may yet be on the critical path");
    assert!(!page.contains("between two tries") && !page.contains("ran, and failed"), "none was drawn");
}

#[test]
fn the_attempts_before_the_last_say_why_they_failed() {
    let mut told = Told::new("a", &[("a", JobStatus::Failed, 0, 10)]);
    told.say(20, EventKind::JobStarted { job: "a".into(), attempt: 2, execution: "e".into(), redrive: None });
    let output = OutputRecord::Inline(json!(1));
    told.say(30, EventKind::JobSucceeded { job: "a".into(), attempt: 2, output: output.clone() });
    told.jobs[0] = JobRecord {
        status: JobStatus::Succeeded,
        attempt: 2,
        output: Some(output),
        started_at: Some(at(20)),
        ended_at: Some(at(30)),
        ..JobRecord::pending("a")
    };
    assert_says(&told.page(), &["failed, 10 ms: KeyError</li>", "2, 3, …: which attempt"]);
}

#[test]
fn hostile_texts_are_only_texts() {
    let mut told =
        Told::new("a!; b < a", &[("a", JobStatus::Failed, 0, 10), ("b", JobStatus::Succeeded, 10, 20)]);
    told.pipeline.description = Some(HOSTILE.into());
    told.pipeline.source = crate::diagnostic::Source::new(HOSTILE, HOSTILE.repeat(3));
    told.jobs[0].failure = Some(FailureRecord {
        operation: Some(HOSTILE.into()),
        error: Some(HOSTILE.into()),
        cause: Some(HOSTILE.repeat(20_000)),
        summary: Some(HOSTILE.into()),
        detail: Some(format!("{HOSTILE}\r\n{HOSTILE}")),
        help: Some(format!("{HOSTILE}: bunsui {HOSTILE}")),
        log_lines: vec![HOSTILE.repeat(20_000), "雨".repeat(400_000)],
        ..FailureRecord::default()
    });
    told.jobs[0].may_still_run.push(HOSTILE.into());
    told.jobs[1].output = Some(OutputRecord::Inline(json!({HOSTILE: HOSTILE.repeat(30_000)})));
    let session = &mut told.session;
    session.file = HOSTILE.into();
    session.version = HOSTILE.into();
    session.runner.user = HOSTILE.into();
    session.created_by = Some(RunnerRecord { host: HOSTILE.into(), ..runner() });
    session.exclusive = Some(HOSTILE.into());
    session.labels.insert(HOSTILE.into(), HOSTILE.into());
    session.parameters.insert(HOSTILE.into(), json!(HOSTILE.repeat(30_000)));
    let page = told.page();
    assert!(!page.contains("<img") && !page.contains("javascript:alert(2)\""), "{page}");
    assert!(page.chars().all(|c| !c.is_control() || c == '\n' || c == '\t'), "control characters are sent");
    assert!(!page.contains('\u{202e}'), "what follows would be turned around");
    assert!(page.len() < 120_000, "{} bytes: what is long is cut", page.len());
    assert!(page.contains("&lt;/script&gt;") && page.contains("&amp;#60;"), "{page}");
}

#[test]
fn ten_thousand_jobs_make_a_page_that_can_be_opened() {
    let mut graph: Vec<String> = vec!["job_0".into()];
    graph.extend((1..10_000).map(|job| format!("job_{job} < job_{}", (job - 1) / 3)));
    let keys: Vec<String> = (0..10_000).map(|job| format!("job_{job}")).collect();
    let jobs: Vec<(&str, JobStatus, i64, i64)> = (0..10_000_i64)
        .map(|job| {
            let status = if job % 7 == 6 { JobStatus::Failed } else { JobStatus::Succeeded };
            (keys[usize::try_from(job).unwrap()].as_str(), status, job, job + 5)
        })
        .collect();
    let page = Told::new(&graph.join(";"), &jobs).page();
    assert!(page.len() < 2_000_000, "{} bytes", page.len());
    assert_says(
        &page,
        &["10,000 jobs are too many for a picture", "and 1,378 more: ", "The 150 of 10,000 jobs"],
    );
}

#[test]
fn without_its_plugins_a_session_is_told_without_a_graph() {
    let told = Told::new("a", &[("a", JobStatus::Failed, 0, 5)]);
    let page = render(&Story { pipeline: None, ..told.story() });
    assert_well_formed(&page);
    assert_says(&page, &["there is no graph of it", "KeyError"]);
}

#[test]
fn attempts_waits_and_pauses_are_heard() {
    let mut told = Told::new("a", &[]);
    let started =
        |attempt, redrive| EventKind::JobStarted { job: "a".into(), attempt, execution: "e".into(), redrive };
    told.history = history(&told.pipeline);
    told.say(0, EventKind::LeaseTaken { runner: runner() });
    told.say(0, EventKind::SessionStarted);
    told.say(10, started(1, None));
    told.say(
        20,
        EventKind::OperationRetrying {
            job: "a".into(),
            attempt: 1,
            operation: "one".into(),
            try_number: 1,
            delay_ms: 50,
            error: "E".into(),
            cause: String::new(),
        },
    );
    // The runner dies, and another comes an hour later.
    told.say(3_600_000, EventKind::LeaseTaken { runner: runner() });
    told.say(3_600_001, EventKind::AttemptLost { job: "a".into(), attempt: 1 });
    told.say(3_600_002, started(2, Some(1)));
    told.say(
        3_600_100,
        EventKind::JobSucceeded { job: "a".into(), attempt: 2, output: OutputRecord::Inline(json!(1)) },
    );
    told.say(3_600_100, EventKind::SessionEnded { status: SessionStatus::Succeeded });
    let attempts = told.history.attempts("a");
    let outcomes: Vec<Outcome> = attempts.iter().map(|attempt| attempt.outcome).collect();
    assert_eq!(outcomes, [Outcome::Lost, Outcome::Succeeded]);
    assert_eq!((attempts[0].waits[0], attempts[0].retries), ((at(20), at(70)), 1));
    assert!(attempts[1].is_redriven);
    assert_eq!(told.history.goes(), [(at(0), Some(at(20))), (at(3_600_000), Some(at(3_600_100)))]);
    let story = told.story();
    let shown = timeline::section(&View::new(&story));
    assert!(shown.is_none(), "no job is part of the session");
}

#[test]
fn time_in_which_nobody_drives_takes_no_room() {
    let scale = Scale::new(&[(at(0), at(1000)), (at(100_000), at(101_000))], 100.0, 330.0);
    assert_eq!(scale.x(at(500)), 150.0);
    assert_eq!(scale.x(at(50_000)), 200.0);
    assert_eq!(scale.x(at(100_500)), 280.0);
    assert_eq!(scale.breaks(), [(200.0, 230.0)]);
    let labels: Vec<String> = scale.marks().into_iter().map(|mark| mark.label).collect();
    assert_eq!(labels, ["09:15:30", "+1s", "09:17:10", "+1s"]);
}

#[test]
fn what_became_slower_is_said() {
    use JobStatus::Succeeded;
    let now =
        Told::new("a; b; c", &[("a", Succeeded, 0, 3000), ("b", Succeeded, 0, 50), ("c", Succeeded, 0, 10)]);
    let mut then =
        Told::new("a; b; d", &[("a", Succeeded, 0, 1000), ("b", Succeeded, 0, 40), ("d", Succeeded, 0, 10)]);
    then.session.parameters.insert("year".into(), json!(2012));
    let before = Before { session: then.session, jobs: then.jobs };
    let page = render(&Story { before: Some(&before), ..now.story() });
    assert_well_formed(&page);
    assert_says(
        &page,
        &["1 job took notably", "2.0s slower", "1 new job: c", "1 job is no more: d", ">2012<"],
    );
}

#[test]
fn a_digest_is_written_as_policies_name_it() {
    assert_eq!(sha256_base64(b""), "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
}
