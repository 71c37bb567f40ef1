//! The lines of a session, of all sources that are wanted.

use crate::backend::local::{LogFiles, objects_folder};
use crate::backend::{LineSources, Lines, Stores};
use crate::cli::{Context, Failure};
use crate::report::runner_lines::RunnerLines;
use crate::session::{LogFilter, LogRecord, SessionRecord};
use crate::settings::BackendKind;
use jiff::Timestamp;
use std::sync::Arc;

/// Lines, one after another.
pub(in crate::cli) struct Reading {
    lines: Lines,
    is_local: bool,
    horizon: Option<String>,
}

impl Reading {
    pub(in crate::cli) async fn open(
        session: &SessionRecord,
        store: &Stores,
        filter: Arc<LogFilter>,
        context: &Context,
    ) -> Result<Self, Failure> {
        let id = session.session_id.clone();
        let sources: Option<Box<dyn LineSources>> = match context.settings.backend {
            BackendKind::Local => {
                let objects = objects_folder(&context.settings.local.state);
                Some(Box::new(LogFiles::new(&objects, store.sessions.clone(), &id, filter.clone())))
            }
            BackendKind::Aws => {
                crate::cli::aws::session_logs(session, store, filter.clone(), context).await?
            }
        };
        let mut lines = Lines::of(sources);
        lines.add(Box::new(RunnerLines::new(store.sessions.clone(), id, filter)));
        let is_local = context.settings.backend == BackendKind::Local;
        Ok(Self { lines, is_local, horizon: None })
    }

    /// The next line; none where there is none for now.
    pub(in crate::cli) async fn next(&mut self) -> Result<Option<LogRecord>, Failure> {
        self.lines.next(self.horizon.as_deref()).await.map_err(Failure::surroundings)
    }

    /// Looks for what has come since, and keeps back what is said from now on. Events are read first: what was said before one
    /// of them is there by then, and comes before it.
    pub(in crate::cli) async fn again(&mut self) -> Result<(), Failure> {
        // Where other clocks write the times, ours says nothing.
        self.horizon = self.is_local.then(|| format!("{:.3}", Timestamp::now()));
        self.lines.again().await.map_err(Failure::surroundings)
    }

    /// Keeps nothing back any more.
    pub(in crate::cli) fn keep_nothing_back(&mut self) {
        self.horizon = None;
    }
}
