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
    sources: Option<Box<dyn LineSources>>,
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
        let mut lines = Lines::default();
        let id = session.session_id.clone();
        lines.add(Box::new(RunnerLines::new(store.sessions.clone(), id, filter.clone())));
        let sources: Option<Box<dyn LineSources>> = match context.settings.backend {
            BackendKind::Local => {
                let objects = objects_folder(&context.settings.local.state);
                Some(Box::new(LogFiles::new(&objects, &session.session_id, filter)))
            }
            BackendKind::Aws => crate::cli::aws::session_logs(session, store, filter, context).await?,
        };
        let is_local = context.settings.backend == BackendKind::Local;
        let mut reading = Self { lines, sources, is_local, horizon: None };
        reading.find().await?;
        Ok(reading)
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
        self.lines.again().await.map_err(Failure::surroundings)?;
        self.find().await
    }

    /// Keeps nothing back any more.
    pub(in crate::cli) fn keep_nothing_back(&mut self) {
        self.horizon = None;
    }

    async fn find(&mut self) -> Result<(), Failure> {
        let Some(sources) = &mut self.sources else { return Ok(()) };
        for source in sources.next().await.map_err(Failure::surroundings)? {
            self.lines.add(source);
        }
        Ok(())
    }
}
