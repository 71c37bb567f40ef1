//! A graph of more jobs than can be drawn: how many of each status there are at each depth.

use super::status::{ORDER, of_job};
use super::view::{View, grouped, span_text};
use crate::pipeline::Pipeline;
use crate::report::picture::number;
use crate::session::JobStatus;
use jiff::SignedDuration;
use maud::{Markup, html};

/// Rows; where a graph is deeper, several levels share one.
const MOST_ROWS: usize = 40;
/// Width of the bars.
const BAR: f64 = 360.0;

pub(super) fn by_level(view: &View<'_>, pipeline: &Pipeline) -> Markup {
    let levels = levels(pipeline);
    let deepest = levels.iter().max().map_or(1, |level| level + 1);
    let per_row = deepest.div_ceil(MOST_ROWS);
    let mut rows = vec![Row::default(); deepest.div_ceil(per_row)];
    for (level, job) in levels.iter().zip(pipeline.jobs.keys()) {
        if let Some(at) = view.of_key(job.as_str()) {
            rows[level / per_row].count(view.job(at).status, view.times[at].ran);
        }
    }
    let most = rows.iter().map(Row::jobs).max().unwrap_or(1);
    html! {
        p class="note" {
            (grouped(pipeline.jobs.len())) " jobs are too many for a picture. By depth - the length of the longest chain that leads to a job - "
            "this is what became of them; " code { "bunsui graph FILE --format svg" } " draws them all."
        }
        div class="scroll" tabindex="0" role="group" aria-label="jobs by depth" {
            table {
                thead { tr { th scope="col" { "depth" } th scope="col" class="figure" { "jobs" } td {}
                    th scope="col" { "of these" } th scope="col" class="figure" { "longest" } } }
                tbody {
                    @for (at, row) in rows.iter().enumerate() {
                        tr {
                            th scope="row" { (depth(at, per_row, deepest)) }
                            td class="figure" { (grouped(row.jobs())) }
                            td { (row.bar(most)) }
                            td { (row.words()) }
                            td class="figure" { (span_text(row.longest)) }
                        }
                    }
                }
            }
        }
    }
}

fn depth(row: usize, per_row: usize, deepest: usize) -> String {
    let (first, last) = (row * per_row + 1, ((row + 1) * per_row).min(deepest));
    if first == last { first.to_string() } else { format!("{first}-{last}") }
}

/// The length of the longest way to each job.
fn levels(pipeline: &Pipeline) -> Vec<usize> {
    let mut levels = vec![0; pipeline.jobs.len()];
    for &job in &pipeline.graph.order {
        levels[job] = pipeline.graph.upstreams[job].iter().map(|up| levels[*up] + 1).max().unwrap_or(0);
    }
    levels
}

#[derive(Debug, Clone, Default)]
struct Row {
    counts: [usize; ORDER.len()],
    longest: Option<SignedDuration>,
}

impl Row {
    fn count(&mut self, status: JobStatus, ran: Option<SignedDuration>) {
        if let Some(at) = ORDER.iter().position(|other| *other == status) {
            self.counts[at] += 1;
        }
        self.longest = self.longest.max(ran);
    }

    fn jobs(&self) -> usize {
        self.counts.iter().sum()
    }

    fn words(&self) -> String {
        let parts = ORDER.iter().zip(self.counts).filter(|(_, count)| *count > 0);
        let parts: Vec<String> = parts
            .map(|(status, count)| format!("{} {count} {}", of_job(*status).sign, of_job(*status).word))
            .collect();
        parts.join(", ")
    }

    fn bar(&self, most: usize) -> Markup {
        let mut x = 0.0;
        let mut parts = Vec::new();
        for (status, count) in ORDER.iter().zip(self.counts).filter(|(_, count)| *count > 0) {
            let width = (BAR * count as f64 / most as f64).max(2.0);
            parts.push((of_job(*status).class, x, width));
            x += width;
        }
        html! {
            svg class="bars" width=(number(BAR + 16.0)) height="14" aria-hidden="true" {
                @for (class, x, width) in parts {
                    rect class=(class) x=(number(x)) y="2" width=(number(width)) height="10" {}
                }
            }
        }
    }
}
