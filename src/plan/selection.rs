//! Which jobs of a pipeline a session runs.

use crate::diagnostic::nearest;
use crate::pipeline::{Id, Pipeline};

/// A part of a pipeline, as it is asked for. With nothing said: all of it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Slice<'a> {
    /// These jobs and no others.
    pub only: &'a [String],
    /// This job and everything downstream.
    pub from: Option<&'a str>,
    /// This job and everything upstream.
    pub until: Option<&'a str>,
}

/// The jobs that a session runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection(Vec<bool>);

/// A job was named that the pipeline does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
#[error("pipeline `{pipeline}` has no job `{job}`")]
#[diagnostic(code("bunsui::pipeline::no_such_job"))]
pub struct NoSuchJob {
    /// The pipeline.
    pub pipeline: String,
    /// As it was named.
    pub job: String,
    /// The nearest name, or those that there are.
    #[help]
    pub help: String,
}

impl NoSuchJob {
    /// With the nearest of the names that there are, or some of them.
    pub fn new<'a>(pipeline: &str, job: &str, jobs: impl Iterator<Item = &'a str>) -> Self {
        const SHOWN: usize = 12;
        let jobs: Vec<&str> = jobs.collect();
        let help = match nearest(job, jobs.iter().copied()) {
            Some(name) => format!("did you mean `{name}`?"),
            None if jobs.len() > SHOWN => {
                format!("it has {} jobs, among them {}", jobs.len(), jobs[..SHOWN].join(", "))
            }
            None => format!("its jobs: {}", jobs.join(", ")),
        };
        Self { pipeline: pipeline.to_owned(), job: job.to_owned(), help }
    }
}

/// A part of a pipeline that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
pub enum SelectionError {
    /// A job that is not there was named.
    #[error(transparent)]
    #[diagnostic(transparent)]
    UnknownJob(#[from] NoSuchJob),
    /// No way leads from the one to the other.
    #[error("no job lies between `{from}` and `{until}`: `{until}` does not depend on `{from}`")]
    #[diagnostic(
        code("bunsui::pipeline::empty_slice"),
        help("`bunsui graph FILE` shows who depends on whom; they may be the wrong way round")
    )]
    Empty {
        /// `--from`
        from: String,
        /// `--until`
        until: String,
    },
}

impl Selection {
    /// Every job.
    pub fn all(pipeline: &Pipeline) -> Self {
        Self(vec![true; pipeline.jobs.len()])
    }

    /// The jobs of a part.
    pub fn of(pipeline: &Pipeline, slice: Slice<'_>) -> Result<Self, SelectionError> {
        let graph = &pipeline.graph;
        if !slice.only.is_empty() {
            let mut selected = vec![false; pipeline.jobs.len()];
            for name in slice.only {
                selected[job_index(pipeline, name)?] = true;
            }
            return Ok(Self(selected));
        }
        let mut selected = vec![true; pipeline.jobs.len()];
        for (name, next) in [(slice.from, &graph.downstreams), (slice.until, &graph.upstreams)] {
            let Some(name) = name else { continue };
            let reached = reached(&[job_index(pipeline, name)?], next);
            selected.iter_mut().zip(reached).for_each(|(is_selected, is_reached)| *is_selected &= is_reached);
        }
        if selected.contains(&true) {
            return Ok(Self(selected));
        }
        let name = |name: Option<&str>| name.unwrap_or_default().to_owned();
        Err(SelectionError::Empty { from: name(slice.from), until: name(slice.until) })
    }

    /// Whether it has a job.
    pub fn has(&self, job: usize) -> bool {
        self.0[job]
    }

    /// How many jobs it has.
    pub fn len(&self) -> usize {
        self.0.iter().filter(|is_selected| **is_selected).count()
    }

    /// Never: a selection has at least one job.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The job of a name.
pub fn job_index(pipeline: &Pipeline, name: &str) -> Result<usize, NoSuchJob> {
    pipeline.jobs.get_index_of(name).ok_or_else(|| {
        let names = pipeline.jobs.keys().map(Id::as_str);
        NoSuchJob::new(pipeline.name.as_str(), name, names)
    })
}

/// Whether each job is one of `from`, or reached from one by the edges of `next`.
pub(crate) fn reached(from: &[usize], next: &[Vec<usize>]) -> Vec<bool> {
    let mut reached = vec![false; next.len()];
    let mut waiting = from.to_vec();
    while let Some(job) = waiting.pop() {
        if !std::mem::replace(&mut reached[job], true) {
            waiting.extend(&next[job]);
        }
    }
    reached
}
