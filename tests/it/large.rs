//! Ten thousand jobs: nothing recurses with their number, and nothing grows with its square.

use crate::catalogue::TestCatalogue;
use bunsui::diagnostic::{Diagnostic, Sink, Source, render_human};
use bunsui::pipeline::Pipeline;
use bunsui::{document, pipeline};
use std::fmt::Write as _;
use std::sync::Arc;

const JOBS: usize = 10_000;

/// A pipeline with a job for each list of dependencies; each has an operation with a reference to each of `uses`.
fn generate(jobs: impl Iterator<Item = (Vec<usize>, Vec<usize>)>) -> String {
    let mut text =
        "[pipeline]\nname = \"large\"\n\n[params]\nyear = { type = \"integer\", default = 2015 }\n"
            .to_owned();
    for (job, (depends_on, uses)) in jobs.enumerate() {
        let depends_on: Vec<String> = depends_on.iter().map(|job| format!("\"job-{job}\"")).collect();
        let uses: Vec<String> = uses.iter().map(|job| format!("\"${{jobs.job-{job}.rows}}\"")).collect();
        write!(
            text,
            "\n[jobs.job-{job}]\ndepends_on = [{}]\n[[jobs.job-{job}.operations]]\nname = \"run\"\ntype = \"lambda\"\n\
             function = \"etl-{job}\"\npayload = {{ year = \"${{params.year}}\", rows = [{}] }}\n",
            depends_on.join(", "),
            uses.join(", ")
        )
        .expect("a String takes any text");
    }
    text
}

fn validate(text: String) -> (Arc<Source>, Option<Pipeline>, Vec<Diagnostic>) {
    let mut sink = Sink::new();
    let source = document::decode("large.toml", text.into_bytes(), &mut sink);
    let catalogue = TestCatalogue::new();
    let document = document::parse(&source, &mut sink);
    let pipeline = document.and_then(|document| pipeline::validate(&document, &catalogue, &mut sink));
    (source, pipeline, sink.into_sorted())
}

#[test]
fn a_chain_in_which_each_job_uses_the_first() {
    let text = generate((0..JOBS).map(|job| (job.checked_sub(1).into_iter().collect(), vec![0; job.min(1)])));
    let (_, pipeline, found) = validate(text);
    assert_eq!(found, []);
    assert_eq!(pipeline.unwrap().graph.order, (0..JOBS).collect::<Vec<_>>());
}

#[test]
fn one_job_needs_all_others_and_uses_them() {
    let all: Vec<usize> = (0..JOBS - 1).collect();
    let jobs = (0..JOBS)
        .map(|job| if job == JOBS - 1 { (all.clone(), all.clone()) } else { (Vec::new(), Vec::new()) });
    let (_, pipeline, found) = validate(generate(jobs));
    assert_eq!(found, []);
    assert_eq!(pipeline.unwrap().graph.upstreams[JOBS - 1].len(), JOBS - 1);
}

#[test]
fn a_ring_of_all_jobs_is_one_finding() {
    let (source, pipeline, found) =
        validate(generate((0..JOBS).map(|job| (vec![(job + 1) % JOBS], Vec::new()))));
    assert!(pipeline.is_none());
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].labels.len(), JOBS);
    assert!(render_human(&source, &found, false, 100).len() < 10_000);
}

#[test]
fn a_hundred_mistakes_among_ten_thousand_jobs_are_all_found() {
    let text = generate((0..JOBS).map(|job| (job.checked_sub(1).into_iter().collect(), Vec::new())));
    let text = (0..100).fold(text, |text, n| {
        let wanted = format!("depends_on = [\"job-{}\"]", n * 97 + 1);
        text.replacen(&wanted, &wanted.replace("job-", "jb-"), 1)
    });
    let (source, _, found) = validate(text);
    assert_eq!(found.len(), 100);
    assert!(
        found
            .iter()
            .all(|finding| finding.help.as_deref().is_some_and(|help| help.contains("did you mean `job-")))
    );
    assert!(
        render_human(&source, &found, false, 100)
            .ends_with("and 50 more; `bunsui validate --format json` shows all of a pipeline file\n\n")
    );
}
