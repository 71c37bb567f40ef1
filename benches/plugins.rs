//! What a plugin's process costs: the first call, a call afterwards, and checks of a large file.
//!
//! `cargo bench --bench plugins`. Real libraries in real hosts; benches/README.md says how to read what is printed.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark that cannot go on ends, and prints"
)]

use bunsui::diagnostic::{Sink, Source};
use bunsui::document;
use bunsui::pipeline::{
    self, CatalogueError, CheckRequest, Finding, Fragment, FragmentRequest, OperationCatalogue, OperationType,
};
use bunsui::plugin::{Plugins, PluginsOptions};
use serde_json::json;
use std::path::PathBuf;
use std::time::{Duration, Instant};

const COLD_STARTS: usize = 30;
const CALLS: usize = 10_000;
const OPERATIONS: usize = 10_000;
const ROUNDS: usize = 5;

fn main() {
    let cache = tempfile::tempdir().unwrap();
    let options = PluginsOptions {
        folders: vec![(libraries(), "the benchmark".to_owned())],
        executable: env!("CARGO_BIN_EXE_bunsui").into(),
        cache: Some(cache.path().to_owned()),
        ..PluginsOptions::default()
    };
    // What they declare is known from here on, as it is to all but the first command.
    drop(Plugins::find(options.clone()));
    cold(&options);
    warm(&Plugins::find(options.clone()));
    checks(&Plugins::find(options));
}

/// Where cargo puts fresh libraries of dev-dependencies: beside the benchmark.
fn libraries() -> PathBuf {
    std::env::current_exe().unwrap().parent().unwrap().to_owned()
}

fn request() -> CheckRequest {
    CheckRequest {
        kind: "aws-service".to_owned(),
        operation: "o".to_owned(),
        keys: json!({"action": "glue:startJobRun", "arguments": {"JobName": "nightly"}}),
    }
}

fn say(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    println!("{what:48} median {:9.3} ms   99 % {:9.3} ms   most {:9.3} ms", at(0.5), at(0.99), at(1.0));
}

/// A host is started, loads its library, and answers.
fn cold(options: &PluginsOptions) {
    let times = (0..COLD_STARTS).map(|_| {
        let plugins = Plugins::find(options.clone());
        let began = Instant::now();
        assert_eq!(plugins.check(&[request()]).unwrap(), [[]]);
        began.elapsed()
    });
    say("first call, its host's start included", times.collect());
}

fn warm(plugins: &Plugins) {
    plugins.check(&[request()]).unwrap();
    let times = (0..CALLS).map(|_| {
        let began = Instant::now();
        plugins.check(&[request()]).unwrap();
        began.elapsed()
    });
    say("a call afterwards: check", times.collect());
    let fragment = FragmentRequest {
        kind: "lambda".to_owned(),
        job: "j".to_owned(),
        operation: "o".to_owned(),
        keys: json!({"function": "f", "payload": {"year": 2015}}),
    };
    plugins.fragments(std::slice::from_ref(&fragment)).unwrap();
    let times = (0..CALLS).map(|_| {
        let began = Instant::now();
        plugins.fragments(std::slice::from_ref(&fragment)).unwrap();
        began.elapsed()
    });
    say("a call afterwards: states", times.collect());
}

/// The same types, of which none has a check of its own.
struct Unchecked(Vec<OperationType>);

impl OperationCatalogue for Unchecked {
    fn operation_type(&self, name: &str) -> Option<&OperationType> {
        self.0.iter().find(|kind| kind.name == name)
    }

    fn names(&self) -> Vec<&str> {
        self.0.iter().map(|kind| kind.name.as_str()).collect()
    }

    fn check(&self, requests: &[CheckRequest]) -> Result<Vec<Vec<Finding>>, CatalogueError> {
        Ok(vec![Vec::new(); requests.len()])
    }

    fn fragments(&self, _requests: &[FragmentRequest]) -> Result<Vec<Fragment>, CatalogueError> {
        Ok(Vec::new())
    }
}

fn text() -> String {
    let job = |at: usize| {
        format!(
            "[jobs.j{at}]\n[[jobs.j{at}.operations]]\nname = \"o\"\ntype = \"aws-service\"\naction = \"glue:startJobRun\"\n\
             arguments = {{ JobName = \"job-{at}\", Arguments = {{ \"--year\" = \"2015\" }} }}\n\n"
        )
    };
    "[pipeline]\nname = \"p\"\n\n".to_owned() + &(0..OPERATIONS).map(job).collect::<String>()
}

fn validate(source: &std::sync::Arc<Source>, catalogue: &dyn OperationCatalogue) -> Duration {
    let began = Instant::now();
    let mut sink = Sink::new();
    let document = document::parse(source, &mut sink).unwrap();
    let kept = pipeline::validate(&document, catalogue, &mut sink).expect("it is valid");
    let took = began.elapsed();
    drop(kept);
    took
}

fn checks(plugins: &Plugins) {
    let source = Source::new("p.toml", text());
    let without = plugins.names().into_iter().map(|name| {
        let kind = plugins.operation_type(name).unwrap().clone();
        OperationType { has_check: false, ..kind }
    });
    let without = Unchecked(without.collect());
    // In turns: what else the machine does falls on both.
    let (mut checked, mut unchecked) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        unchecked.push(validate(&source, &without));
        checked.push(validate(&source, plugins));
    }
    let median = |times: &mut Vec<Duration>| {
        times.sort_unstable();
        times[times.len() / 2].as_secs_f64() * 1e3
    };
    let (checked, unchecked) = (median(&mut checked), median(&mut unchecked));
    println!(
        "{OPERATIONS} operations: {checked:.0} ms with checks, {unchecked:.0} ms without, {:.2} times as long",
        checked / unchecked
    );
}
