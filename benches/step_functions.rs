//! How a session's dispatch fares with the quotas of Step Functions, beside a loop that asks of each execution every five seconds.
//!
//! Takes: graphs whose executions take a time that is known. Gives: a table of throttled calls, calls a job, and how long after the end
//! of the last upstream a job starts. Runner, store and HTTP are real; Step Functions is the stand-in of the tests, with the quotas of
//! ap-northeast-1 and time sped up. Events of ends come by ministack's SQS, where that is installed; how long they take on the way is
//! sped up as well, so that they seem slower than they are.
//! Deliberately does not: measure DynamoDB, or this machine: times are those of the stand-in's clock.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs,
    reason = "a benchmark"
)]

use async_trait::async_trait;
use bunsui::backend::aws::{Connection, ConnectionOptions, EngineParts, StepFunctions};
use bunsui::backend::local::{FileObjects, SqliteStore};
use bunsui::diagnostic::{Sink, Source};
use bunsui::document;
use bunsui::pipeline::{
    CatalogueError, CheckRequest, Finding, Fragment, FragmentRequest, OperationCatalogue, OperationType,
    Pipeline, validate,
};
use bunsui::plan::{Selection, plan, resolve_parameters};
use bunsui::plugin::{AwsAccess, Plugins, PluginsOptions};
use bunsui::runner::port::{Engine, EngineError, ExecutionEnd, Leftovers, StartExecution};
use bunsui::runner::{
    Assignment, Entry, EventConsumer, Executions, Inbox, Redaction, Runner, SessionEnd, deployment_record,
};
use bunsui::session::{EventKind, RunnerRecord, SessionEvent, SessionId, SessionRecord, SessionStatus};
use bunsui::settings::{AwsSettings, Events, LogCollection};
use bunsui::state_machine::compile;
use bunsui_test_support::ministack;
use bunsui_test_support::step_functions::{EventQueue, Options, Quota, Quotas, Script, StandIn};
use serde_json::json;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const REGION: &str = "ap-northeast-1";
/// The stand-in's; an access key of its own text stands for it in ministack.
const ACCOUNT: &str = "123456789012";
/// Bucket size and refill a second.
const QUOTAS: [(&str, f64, f64); 4] = [
    ("StartExecution", 800.0, 150.0),
    ("DescribeExecution", 250.0, 10.0),
    ("GetExecutionHistory", 400.0, 20.0),
    ("StopExecution", 500.0, 25.0),
];

/// A graph, and how long its jobs take.
struct Case {
    name: &'static str,
    /// Upstreams of each job.
    jobs: Vec<Vec<usize>>,
    /// Seconds of each job.
    seconds: Vec<f64>,
    /// How much faster time goes.
    speed: f64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Watching {
    Bunsui,
    WithEvents,
    EveryFiveSeconds,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    println!("| graph | watched by | throttled | calls a job | end to next start, median | worst |");
    println!("|---|---|---|---|---|---|");
    for case in cases() {
        if !wanted.is_empty() && !wanted.iter().any(|word| case.name.contains(word.as_str())) {
            continue;
        }
        let folder = tempfile::tempdir().unwrap();
        let objects = folder.path().join("objects");
        let report = |name: &str, measured: Measured| println!("| {} | {name} | {measured} |", case.name);
        report("bunsui, nothing known", run(&case, Watching::Bunsui, &objects).await);
        report("bunsui, once more", run(&case, Watching::Bunsui, &objects).await);
        if ministack().is_some() {
            let objects = folder.path().join("others");
            let first = run(&case, Watching::WithEvents, &objects).await;
            report("bunsui with events, nothing known", first);
            report("bunsui with events, once more", run(&case, Watching::WithEvents, &objects).await);
        }
        report("each every 5 s", run(&case, Watching::EveryFiveSeconds, &objects).await);
    }
}

fn cases() -> Vec<Case> {
    // The same numbers each time.
    let mut state = 7_u64;
    let mut random = move |from: f64, to: f64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        from + (to - from) * ((state >> 33) as f64 / f64::from(1_u32 << 31))
    };
    let wide: Vec<Vec<usize>> =
        std::iter::repeat_n(Vec::new(), 1_000).chain([(0..1_000).collect()]).collect();
    let chain: Vec<Vec<usize>> = (0..100_usize).map(|job| job.checked_sub(1).into_iter().collect()).collect();
    let layered: Vec<Vec<usize>> = (0..2_000_usize)
        .map(|job| match job.checked_sub(100) {
            None => Vec::new(),
            Some(above) => vec![above, (above / 100) * 100 + (above * 7 + 3) % 100],
        })
        .map(|mut upstreams| {
            upstreams.dedup();
            upstreams
        })
        .collect();
    vec![
        Case { name: "fan-out of 1,000 of 60 s", seconds: vec![60.0; 1_001], jobs: wide.clone(), speed: 4.0 },
        Case {
            name: "fan-out of 1,000 of 10 to 110 s",
            seconds: (0..1_001).map(|_| random(10.0, 110.0)).collect(),
            jobs: wide,
            speed: 4.0,
        },
        Case { name: "chain of 100 of 60 s", seconds: vec![60.0; 100], jobs: chain, speed: 60.0 },
        Case {
            name: "layers, 2,000 of 20 to 60 s",
            seconds: (0..2_000).map(|_| random(20.0, 60.0)).collect(),
            jobs: layered,
            speed: 4.0,
        },
    ]
}

struct Measured {
    throttled: u64,
    calls_a_job: f64,
    median: f64,
    worst: f64,
}

impl std::fmt::Display for Measured {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { throttled, calls_a_job, median, worst } = self;
        write!(f, "{throttled} | {calls_a_job:.1} | {median:.1} s | {worst:.1} s")
    }
}

/// One type, whose task is somebody else's.
struct Types([OperationType; 1]);

impl OperationCatalogue for Types {
    fn operation_type(&self, name: &str) -> Option<&OperationType> {
        self.0.iter().find(|kind| kind.name == name)
    }

    fn names(&self) -> Vec<&str> {
        vec!["work"]
    }

    fn check(&self, _requests: &[CheckRequest]) -> Result<Vec<Vec<Finding>>, CatalogueError> {
        Ok(Vec::new())
    }

    fn fragments(&self, requests: &[FragmentRequest]) -> Result<Vec<Fragment>, CatalogueError> {
        let task = json!({"do": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "End": true}});
        let fragment = |_| Fragment { start_at: "do".into(), states: task.as_object().cloned().unwrap() };
        Ok(requests.iter().map(fragment).collect())
    }
}

fn types() -> Types {
    Types([OperationType {
        name: "work".into(),
        plugin: "bench".into(),
        summary: String::new(),
        schema: json!({"type": "object"}),
        has_check: false,
        has_run_local: false,
        judge: Default::default(),
    }])
}

fn pipeline(case: &Case, types: &Types) -> Arc<Pipeline> {
    let mut text = String::from("[pipeline]\nname = \"bench\"\n");
    for (job, upstreams) in case.jobs.iter().enumerate() {
        let names: Vec<String> = upstreams.iter().map(|upstream| format!("\"j{upstream}\"")).collect();
        writeln!(text, "[jobs.j{job}]").unwrap();
        if !names.is_empty() {
            writeln!(text, "depends_on = [{}]", names.join(", ")).unwrap();
        }
        writeln!(text, "[[jobs.j{job}.operations]]\nname = \"do\"\ntype = \"work\"").unwrap();
    }
    let mut sink = Sink::new();
    let source = Source::new("bench.toml", text);
    let document = document::parse(&source, &mut sink).unwrap();
    Arc::new(validate(&document, types, &mut sink).unwrap_or_else(|| panic!("{:?}", sink.into_sorted())))
}

async fn run(case: &Case, watching: Watching, objects: &std::path::Path) -> Measured {
    let quotas = Quotas::published(REGION).with("CreateStateMachine", Quota::new(1e9, 1e9));
    let queue = if watching == Watching::WithEvents { Some(queue().await) } else { None };
    let events = queue.clone();
    let options = Options { quotas: Some(quotas), speed: case.speed, events, ..Options::default() };
    let stand_in = StandIn::start(options);
    let seconds = case.seconds.clone();
    stand_in.script(move |started| {
        let job = started.name.rsplit_once("--j").and_then(|(_, rest)| rest.split('-').next()).unwrap();
        let seconds = seconds[job.parse::<usize>().unwrap()];
        Script::succeeded(Duration::from_secs_f64(seconds), json!({}))
    });
    let connection = connection(case, &stand_in, queue.as_ref()).await;
    let types = types();
    let pipeline = pipeline(case, &types);
    let machines = compile(&pipeline, &types).unwrap();
    let version = version(&stand_in, &machines[0].text()).await;
    let versions = vec![version.clone(); case.jobs.len()];
    let plugins = Arc::new(Plugins::find(PluginsOptions {
        folders: Vec::new(),
        not_trusted: Vec::new(),
        executable: PathBuf::from("/bin/false"),
        cache: None,
        memory_limit: None,
        lock: None,
    }));
    let object_store = Arc::new(FileObjects::new(objects.to_owned()));
    let redaction = Arc::new(Redaction::new(Vec::new()));
    let parts = EngineParts {
        pipeline: pipeline.clone(),
        plugins,
        versions,
        objects: object_store.clone(),
        access: AwsAccess::default(),
        redaction: redaction.clone(),
        collect: LogCollection::None,
    };
    let engine: Arc<dyn Engine> = match watching {
        Watching::Bunsui | Watching::WithEvents => {
            Arc::new(StepFunctions::sped_up(&connection, parts, case.speed).await)
        }
        Watching::EveryFiveSeconds => Arc::new(Polling::new(&stand_in, version, case.speed).await),
    };
    let parameters = resolve_parameters(&pipeline, &[], &mut Sink::new()).unwrap();
    let selection = Selection::all(&pipeline);
    let plan = Arc::new(plan(pipeline, machines, parameters, selection));
    let deployment = deployment_record(&plan, "bench.toml", Vec::new(), jiff::Timestamp::now());
    let state = tempfile::tempdir().unwrap();
    let runner = Runner {
        engine: engine.clone(),
        store: Arc::new(SqliteStore::open(state.path()).unwrap()),
        objects: object_store,
        redaction,
        now: jiff::Timestamp::now,
        max_concurrency: 1_000,
        inbox: Inbox::default(),
        bucket: "s3://bench".into(),
    };
    let session = session(case, &deployment.version);
    let assignment = Assignment { plan, deployment, session, entry: Entry::New, reused: Vec::new() };
    let (_sender, mut requests) = tokio::sync::mpsc::unbounded_channel();
    let mut seen = Seen { stand_in: &stand_in, succeeded: HashMap::new() };
    let end = runner.run(assignment, &mut requests, &mut [&mut seen]).await.unwrap();
    assert_eq!(end, SessionEnd::Status(SessionStatus::Succeeded));
    let succeeded = seen.succeeded;
    engine.finish().await;
    measured(case, &stand_in, &succeeded)
}

/// When the runner knew of each job's end.
struct Seen<'s> {
    stand_in: &'s StandIn,
    succeeded: HashMap<String, Duration>,
}

impl EventConsumer for Seen<'_> {
    fn event(&mut self, event: &SessionEvent) {
        if let EventKind::JobSucceeded { job, .. } = &event.kind {
            self.succeeded.insert(job.clone(), self.stand_in.now());
        }
    }
}

/// Of jobs that nothing waits for alone, the moment at which their end was known counts as the next start.
fn measured(case: &Case, stand_in: &StandIn, succeeded: &HashMap<String, Duration>) -> Measured {
    let mut times = HashMap::new();
    for execution in stand_in.executions() {
        let job = execution.name.rsplit_once("--j").and_then(|(_, rest)| rest.split('-').next()).unwrap();
        let attempt = execution.attempts[0];
        times.insert(job.parse::<usize>().unwrap(), (attempt.began_at, attempt.ended_at.unwrap()));
    }
    let is_wide = case.jobs.last().is_some_and(|upstreams| upstreams.len() > 100);
    let mut waits: Vec<f64> = if is_wide {
        let known = |job: usize| succeeded[&format!("j{job}")].saturating_sub(times[&job].1);
        (0..case.jobs.len()).map(|job| known(job).as_secs_f64()).collect()
    } else {
        let upstreams = case.jobs.iter().enumerate().filter(|(_, upstreams)| !upstreams.is_empty());
        upstreams
            .map(|(job, upstreams)| {
                let last = upstreams.iter().map(|upstream| times[upstream].1).max().unwrap();
                times[&job].0.saturating_sub(last).as_secs_f64()
            })
            .collect()
    };
    waits.sort_by(f64::total_cmp);
    let calls = stand_in.calls();
    let of_session = ["StartExecution", "DescribeExecution", "GetExecutionHistory", "StopExecution"];
    let count = |of: fn(&bunsui_test_support::step_functions::Calls) -> u64| -> u64 {
        of_session.iter().filter_map(|api| calls.get(*api)).map(of).sum()
    };
    Measured {
        throttled: count(|calls| calls.throttled),
        calls_a_job: count(|calls| calls.calls) as f64 / case.jobs.len() as f64,
        median: waits[waits.len() / 2],
        worst: *waits.last().unwrap(),
    }
}

/// A queue of ministack's that nothing came to yet.
async fn queue() -> EventQueue {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let address = &ministack().unwrap().address;
    let queue = EventQueue::new(address, &format!("bench-{}", NEXT.fetch_add(1, Ordering::Relaxed)));
    let create = aws_sdk_sqs::Client::new(&sdk_config(address).await).create_queue().queue_name(&queue.name);
    create.send().await.unwrap();
    queue
}

async fn connection(case: &Case, stand_in: &StandIn, queue: Option<&EventQueue>) -> Connection {
    let quota =
        |(api, size, refill): (&str, f64, f64)| (api.to_owned(), format!("{size}/{}", refill * case.speed));
    let settings = AwsSettings {
        region: Some(REGION.into()),
        bucket: Some("bench".into()),
        prefix: "bunsui-".into(),
        endpoint_url: Some(stand_in.address.clone()),
        quotas: QUOTAS.into_iter().map(quota).collect(),
        events: queue.map_or(Events::default(), |queue| Events::Queue(queue.name.clone())),
        endpoint_urls: queue.iter().map(|queue| ("sqs".to_owned(), queue.address.clone())).collect(),
        ..AwsSettings::default()
    };
    let keys = Some((ACCOUNT.to_owned(), "not-a-secret".to_owned()));
    Connection::open(&ConnectionOptions { settings, profile: None, keys }).await.unwrap()
}

async fn client(stand_in: &StandIn) -> aws_sdk_sfn::Client {
    aws_sdk_sfn::Client::new(&sdk_config(&stand_in.address).await)
}

async fn sdk_config(address: &str) -> aws_config::SdkConfig {
    let keys = aws_credential_types::Credentials::from_keys(ACCOUNT, "not-a-secret", None);
    aws_config::defaults(aws_config::BehaviorVersion::latest())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .credentials_provider(keys)
        .region(aws_config::Region::new(REGION))
        .endpoint_url(address)
        .load()
        .await
}

/// All jobs have one state machine: what is measured is their executions.
async fn version(stand_in: &StandIn, definition: &str) -> String {
    let made = client(stand_in)
        .await
        .create_state_machine()
        .name("bunsui-bench")
        .definition(definition)
        .role_arn("arn:aws:iam::123456789012:role/bench")
        .publish(true)
        .send()
        .await
        .unwrap();
    made.state_machine_version_arn.unwrap()
}

fn session(case: &Case, version: &str) -> SessionRecord {
    let now = jiff::Timestamp::now();
    let runner = RunnerRecord { host: "h".into(), pid: 1, user: "u".into(), bunsui: "0".into() };
    let pinned = ("bench".into(), version.to_owned());
    SessionRecord {
        file: "bench.toml".into(),
        directory: "/".into(),
        jobs: case.jobs.len(),
        ..SessionRecord::new(SessionId::generate(now, 7), pinned, runner, now)
    }
}

/// What a script would do: starts, then asks of each execution every five seconds, and tries again what is refused.
struct Polling {
    client: aws_sdk_sfn::Client,
    version: String,
    speed: f64,
    arns: Mutex<HashMap<String, String>>,
}

impl Polling {
    async fn new(stand_in: &StandIn, version: String, speed: f64) -> Self {
        Self { client: client(stand_in).await, version, speed, arns: Mutex::default() }
    }
}

#[async_trait]
impl Engine for Polling {
    async fn start(&self, start: StartExecution) -> Result<(), EngineError> {
        loop {
            let send = self.client.start_execution().state_machine_arn(&self.version).name(&start.name);
            if let Ok(started) = send.input(start.input.to_string()).send().await {
                self.arns.lock().unwrap().insert(start.name, started.execution_arn);
                return Ok(());
            }
            tokio::time::sleep(Duration::from_secs_f64(1.0 / self.speed)).await;
        }
    }

    async fn take_up(&self, _start: StartExecution) -> Result<bool, EngineError> {
        Ok(false)
    }

    async fn wait(&self, execution: &str) -> Result<ExecutionEnd, EngineError> {
        let arn = self.arns.lock().unwrap()[execution].clone();
        loop {
            tokio::time::sleep(Duration::from_secs_f64(5.0 / self.speed)).await;
            let found = self.client.describe_execution().execution_arn(&arn).send().await;
            if found.is_ok_and(|found| found.status().as_str() == "SUCCEEDED") {
                return Ok(ExecutionEnd::Succeeded(json!({})));
            }
        }
    }

    async fn stop(&self, _execution: &str) -> Result<Leftovers, EngineError> {
        Ok(Leftovers::default())
    }

    fn executions(&self) -> Executions {
        Executions::Survive
    }
}
