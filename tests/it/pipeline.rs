//! What a file means once it is validated.

use crate::catalogue::TestCatalogue;
use bunsui::diagnostic::Sink;
use bunsui::expression::Template;
use bunsui::pipeline::{Jitter, OnFailure, Pipeline, RunIf};
use bunsui::{document, pipeline};
use serde_json::json;
use std::time::Duration;

#[track_caller]
fn validate(text: &str) -> Pipeline {
    let mut sink = Sink::new();
    let source = document::decode("etl.toml", text.as_bytes().to_vec(), &mut sink);
    let document = document::parse(&source, &mut sink);
    let pipeline =
        document.and_then(|document| pipeline::validate(&document, &TestCatalogue::new(), &mut sink));
    assert_eq!(sink.into_sorted(), []);
    pipeline.expect("no finding, so a pipeline")
}

const LEAST: &str = "[pipeline]\nname = 'p'\n[jobs.a]\n[[jobs.a.operations]]\nname = 'x'\ntype = 'free'\n";

#[test]
fn what_is_left_out_has_its_default() {
    let pipeline = validate(LEAST);
    assert_eq!(
        (pipeline.timeout, pipeline.max_concurrency, pipeline.on_failure),
        (None, None, OnFailure::Finish)
    );
    let job = &pipeline.jobs["a"];
    assert_eq!((job.run_if, job.allow_failure, job.timeout), (RunIf::AllSucceeded, false, None));
    assert!(job.when.is_none() && job.output.is_none() && job.depends_on.is_empty());
    let operation = &job.operations[0];
    assert_eq!((operation.timeout, &operation.retry), (None, &None));
    assert!(operation.keys.is_empty() && operation.local().is_none());
}

#[test]
fn defaults_hold_where_an_operation_says_nothing() {
    let text = r#"
[pipeline]
name = "p"
timeout = "2h"
max_concurrency = 8
on_failure = "stop"
[defaults]
timeout = "15m"
retry = { max_attempts = 3 }
[defaults.lambda]
function = "common"
qualifier = "live"
[jobs.a]
[[jobs.a.operations]]
name = "x"
type = "lambda"
qualifier = "7"
[[jobs.a.operations]]
name = "y"
type = "lambda"
timeout = "1m"
retry = { max_attempts = 1, interval = "2s", backoff_rate = 1, max_delay = "1m", jitter = "full", on = ["E"] }
"#;
    let pipeline = validate(text);
    assert_eq!(pipeline.timeout, Some(Duration::from_secs(7200)));
    assert_eq!(pipeline.max_concurrency.map(u32::from), Some(8));
    assert_eq!(pipeline.on_failure, OnFailure::Stop);
    let [x, y] = &pipeline.jobs["a"].operations[..] else { panic!("two operations") };
    assert_eq!(x.keys["function"], Template::Literal(json!("common")));
    assert_eq!(x.keys["qualifier"], Template::Literal(json!("7")));
    assert_eq!(y.keys["qualifier"], Template::Literal(json!("live")));
    let place = x.key_spans["function"];
    assert_eq!(&text[place.start..place.end], "function");
    assert!(place.start < text.find("[jobs.a]").unwrap());
    assert_eq!((x.timeout, y.timeout), (Some(Duration::from_secs(900)), Some(Duration::from_secs(60))));
    let retry = x.retry.as_ref().unwrap();
    assert_eq!(
        (retry.max_attempts.get(), retry.interval, retry.backoff_rate),
        (3, Duration::from_secs(1), 2.0)
    );
    assert_eq!(
        (retry.max_delay, retry.jitter, &retry.on[..]),
        (None, Jitter::None, &["States.ALL".to_owned()][..])
    );
    let retry = y.retry.as_ref().unwrap();
    assert_eq!(
        (retry.max_attempts.get(), retry.interval, retry.backoff_rate),
        (1, Duration::from_secs(2), 1.0)
    );
    assert_eq!(retry.max_delay, Some(Duration::from_secs(60)));
    assert_eq!((retry.jitter, &retry.on[..]), (Jitter::Full, &["E".to_owned()][..]));
}

#[test]
fn jobs_keep_the_order_of_the_file_and_the_graph_its_own() {
    let job = |id: &str, needs: &str| {
        format!(
            "{id} = {{ run_if = 'always', depends_on = [{needs}], operations = [{{ name = 'x', type = 'free' }}] }}\n"
        )
    };
    let text = format!(
        "[pipeline]\nname = 'p'\n[jobs]\n{}{}{}",
        job("c", "'a', 'b'"),
        job("b", "'a'"),
        job("a", "")
    );
    let pipeline = validate(&text);
    assert_eq!(pipeline.jobs.keys().map(bunsui::pipeline::Id::as_str).collect::<Vec<_>>(), ["c", "b", "a"]);
    assert_eq!(pipeline.graph.order, [2, 1, 0]);
    assert_eq!(pipeline.graph.upstreams, [vec![2, 1], vec![2], vec![]]);
    assert_eq!(pipeline.graph.downstreams, [vec![], vec![0], vec![0, 1]]);
    assert_eq!(
        pipeline.jobs["c"].depends_on.iter().map(bunsui::pipeline::Id::as_str).collect::<Vec<_>>(),
        ["a", "b"]
    );
}

#[test]
fn a_local_form_is_a_literal_and_two_dollars_are_one() {
    let text = format!(
        "{LEAST}[jobs.b]\n[[jobs.b.operations]]\nname = 'y'\ntype = 'lambda'\nfunction = 'f'\nlocal = {{ handler = '$${{A}}:h' }}\n"
    );
    let pipeline = validate(&text);
    assert_eq!(pipeline.jobs["b"].operations[0].local(), Some(&json!({ "handler": "${A}:h" })));
}
