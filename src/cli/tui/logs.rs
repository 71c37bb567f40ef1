//! Log lines as they come: a stream that is kept open, of which each look takes what is new.

use super::reader::Reader;
use crate::cli::logs::{pause, reading::Reading};
use crate::session::{LogFilter, SessionId, SessionRecord};
use crate::tui::{LogPage, Problem};
use jiff::{SignedDuration, Timestamp};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// Lines that are given at once: so many are shown and filtered between two frames.
const MOST: usize = 5000;
/// One that takes longer gives what it has.
const LONG: Duration = Duration::from_millis(150);
/// Of all time, a look may take the twentieth part: a session may have ten thousand files of lines.
const REST: u32 = 19;

/// The stream of those lines that were asked for last.
#[derive(Default)]
pub(super) struct Logs {
    open: Mutex<Option<Open>>,
}

struct Open {
    session: SessionId,
    job: Option<String>,
    reading: Reading,
    given: u64,
    /// It did not come to its end.
    has_more: bool,
    /// When its session had ended at the last look, after which nothing is said any more.
    over_at: Option<Timestamp>,
    /// Not before then it is looked again for what has come.
    next_look: Instant,
}

impl Logs {
    /// What follows on so many lines; anew where that is not where the stream stands.
    pub(super) async fn page(
        &self,
        id: &SessionId,
        job: Option<&str>,
        given: u64,
        reader: &Reader<'_>,
    ) -> Result<LogPage, Problem> {
        let mut kept = self.open.lock().await;
        // Of a stream that failed it is not known where it stands: it is kept only where all went well.
        let known = kept
            .take()
            .filter(|open| open.session == *id && open.job.as_deref() == job && open.given == given);
        let mut open = match known {
            Some(open) => open,
            None => Open::begin(id, job, reader).await?,
        };
        let page = open.next(reader).await?;
        *kept = Some(open);
        Ok(page)
    }
}

impl Open {
    async fn begin(id: &SessionId, job: Option<&str>, reader: &Reader<'_>) -> Result<Self, Problem> {
        let (stores, row) = reader.session(id).await?;
        let filter = Arc::new(LogFilter { job: job.map(str::to_owned), ..LogFilter::default() });
        let reading = Reading::open(&row.record, &stores, filter, reader.context).await?;
        Ok(Self {
            session: id.clone(),
            job: job.map(str::to_owned),
            reading,
            given: 0,
            has_more: true,
            over_at: None,
            next_look: Instant::now(),
        })
    }

    async fn next(&mut self, reader: &Reader<'_>) -> Result<LogPage, Problem> {
        let mut page = LogPage { before: self.given, records: Vec::new(), has_more: false };
        let began = Instant::now();
        if !self.has_more {
            // Before the lines: what is said before the end is stored before it.
            let (_, row) = reader.session(&self.session).await?;
            let over_at = row.record.ended_at.filter(|_| is_over(&row.record, reader));
            // A retry would have changed that.
            let is_still_over = over_at.is_some() && over_at == self.over_at;
            if is_still_over || began < self.next_look {
                return Ok(page);
            }
            self.reading.again().await?;
            if over_at.is_some() {
                self.reading.keep_nothing_back();
            }
            self.over_at = over_at;
        }
        loop {
            if page.records.len() == MOST || began.elapsed() > LONG {
                page.has_more = true;
                break;
            }
            let Some(mut record) = self.reading.next().await? else { break };
            // All are of one session.
            record.session_id = String::new();
            page.records.push(record);
        }
        self.has_more = page.has_more;
        self.given += page.records.len() as u64;
        let pause = pause(reader.context.settings.backend);
        self.next_look = Instant::now() + pause.max(began.elapsed() * REST);
        Ok(page)
    }
}

/// Whether nothing is said any more. CloudWatch has the last lines a while after they were written.
fn is_over(session: &SessionRecord, reader: &Reader<'_>) -> bool {
    const SETTLING: SignedDuration = SignedDuration::from_secs(60);
    let is_long_ago = |ended: Timestamp| Timestamp::now().duration_since(ended) > SETTLING;
    let is_settled = !crate::tui::Source::is_remote(reader) || session.ended_at.is_some_and(is_long_ago);
    session.status.is_final() && is_settled
}
