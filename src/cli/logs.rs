//! `bunsui logs SESSION`: what its runner did and its operations said, in the order of time.

mod download;
mod names;
pub(super) mod reading;

use super::moments::{check_span, parse_past};
use super::output::Output;
use super::store::{block_on, find_session};
use super::{Context, Exit, Failure, Outcome, control};
use crate::backend::Stores;
use crate::report::log_lines::LogText;
use crate::report::text::printable_json;
use crate::runner::port::StoreError;
use crate::session::{LogFilter, LogOrigin, LogRecord, SessionId, SessionRecord, SessionStatus};
use crate::settings::BackendKind;
use jiff::{SignedDuration, Timestamp};
use reading::Reading;
use regex::Regex;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A session's id, a part of one, or `last`
    #[arg(value_name = "SESSION")]
    session: String,
    /// Only lines of this job
    #[arg(long, value_name = "ID")]
    job: Option<String>,
    /// Only lines of this operation
    #[arg(long, value_name = "NAME")]
    operation: Option<String>,
    /// Only lines of this attempt of the job
    #[arg(long, value_name = "N")]
    attempt: Option<u32>,
    /// Only lines at least as bad as this. Without it, what operations say is shown whole, and of the runner's own steps the
    /// main ones
    #[arg(long, value_name = "LEVEL", value_parser = ["debug", "info", "warn", "error"])]
    level: Option<String>,
    /// Only lines of this source; may be given several times
    #[arg(long, value_enum, value_name = "SOURCE")]
    source: Vec<SourceChoice>,
    /// Only lines from then on: `10m` ago, `2026-11-24`, `2026-11-24T09:15:30Z`
    #[arg(long, value_name = "TIME", value_parser = parse_past)]
    since: Option<Timestamp>,
    /// Only lines before then
    #[arg(long, value_name = "TIME", value_parser = parse_past)]
    until: Option<Timestamp>,
    /// Only lines whose text has a match of this regular expression
    #[arg(long, value_name = "RE")]
    grep: Option<String>,
    /// `--grep` takes capitals for small letters and the other way round
    #[arg(long, requires = "grep")]
    ignore_case: bool,
    /// Only the last so many
    #[arg(long, value_name = "N")]
    tail: Option<usize>,
    /// Go on as lines come, until the session ends
    #[arg(long, short)]
    follow: bool,
    /// Write JSON Lines to a file, whole or not at all; `-`: to standard output
    #[arg(long, value_name = "FILE", conflicts_with_all = ["follow", "output", "tail"])]
    download: Option<String>,
    /// Lines for people, or JSON lines
    #[arg(long, value_enum, default_value_t = Output::Human)]
    output: Output,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum SourceChoice {
    /// What drives the session
    Runner,
    /// Functions, containers, processes
    Operation,
    /// Histories of executions, on AWS
    StepFunctions,
}

/// `--grep` is no regular expression.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("`{pattern}` is no regular expression: {message}")]
#[diagnostic(
    code("bunsui::session::bad_pattern"),
    help("a character that means itself and is not a letter or a digit is written with `\\` before it")
)]
struct BadPattern {
    pattern: String,
    message: String,
}

impl Args {
    fn filter(&self) -> Result<LogFilter, Failure> {
        check_span(self.since, self.until)?;
        let written = |time: Timestamp| format!("{time:.3}");
        let source = |choice: &SourceChoice| match choice {
            SourceChoice::Runner => LogOrigin::Runner,
            SourceChoice::Operation => LogOrigin::Operation,
            SourceChoice::StepFunctions => LogOrigin::StepFunctions,
        };
        Ok(LogFilter {
            job: self.job.clone(),
            operation: self.operation.clone(),
            level: self.level.clone(),
            attempt: self.attempt,
            since: self.since.map(written),
            until: self.until.map(written),
            pattern: self.pattern()?,
            sources: self.source.iter().map(source).collect(),
        })
    }

    fn pattern(&self) -> Result<Option<Regex>, Failure> {
        let Some(pattern) = &self.grep else { return Ok(None) };
        let regex = LogFilter::regex(pattern, self.ignore_case);
        regex
            .map(Some)
            .map_err(|message| Failure::bad_input(BadPattern { pattern: pattern.clone(), message }))
    }
}

pub(super) fn run(args: &Args, context: &Context) -> Outcome {
    let filter = Arc::new(args.filter()?);
    block_on(async {
        let (store, session) = find_session(&args.session, context).await?;
        names::check_names(args, &session, &store).await?;
        let mut reading = Reading::open(&session, &store, filter, context).await?;
        if let Some(file) = &args.download {
            return download::download(file, &mut reading, context).await;
        }
        let mut printer = Printer::new(args, &session, context);
        let exit = if args.follow {
            follow(&mut reading, &mut printer, &store, &session.session_id).await?
        } else {
            printer.print(&mut reading).await?;
            Exit::Done
        };
        if printer.count == 0 {
            context.console.talk(format!("session {}: no such log lines", session.session_id));
        }
        Ok(exit)
    })?
}

/// How long nothing is asked while nothing has come. CloudWatch and Step Functions give few answers a second for a whole account.
pub(super) fn pause(backend: BackendKind) -> Duration {
    match backend {
        BackendKind::Local => Duration::from_millis(250),
        BackendKind::Aws => Duration::from_secs(6),
    }
}

/// So long after the end nothing arrives any more.
const SETTLING: SignedDuration = SignedDuration::from_secs(30);

async fn follow(reading: &mut Reading, printer: &mut Printer<'_>, store: &Stores, id: &SessionId) -> Outcome {
    let backend = printer.context.settings.backend;
    let mut was_over = false;
    loop {
        // Before the lines: what is said before the end is stored before it.
        let now = store.sessions.session(id).await.map_err(Failure::surroundings)?;
        let gone = || Failure::surroundings(StoreError::Gone { session: id.to_string() });
        let now = now.ok_or_else(gone)?;
        let round = tokio::time::Instant::now();
        let is_over = now.status.is_final() || !control::is_driven(&now);
        reading.again().await?;
        if is_over {
            reading.keep_nothing_back();
        }
        printer.print(reading).await?;
        // On AWS what is said at the end arrives a little later.
        let ended = now.ended_at.map(|ended_at| Timestamp::now().duration_since(ended_at));
        let is_settled = ended.is_some_and(|ended| ended > SETTLING) || backend == BackendKind::Local;
        if is_over && (was_over || is_settled) {
            return Ok(printer.say_end(&now));
        }
        was_over = is_over;
        // A session of thousands of files is not looked at all the time.
        tokio::time::sleep(pause(backend).max(round.elapsed() * 3)).await;
    }
}

/// Prints lines: the first ones at once, the others some at a time.
struct Printer<'a> {
    output: Output,
    text: LogText,
    /// Of the first round, so many at its end.
    tail: Option<usize>,
    ready: String,
    count: usize,
    context: &'a Context,
}

/// Bytes that are printed at once.
const AT_ONCE: usize = 16 * 1024;

impl<'a> Printer<'a> {
    fn new(args: &Args, session: &SessionRecord, context: &'a Context) -> Self {
        let text = LogText::new(&session.created_at.strftime("%Y-%m-%d").to_string());
        Self { output: args.output, text, tail: args.tail, ready: String::new(), count: 0, context }
    }

    /// Prints what there is.
    async fn print(&mut self, reading: &mut Reading) -> Result<(), Failure> {
        match self.tail.take() {
            None => {
                while let Some(line) = reading.next().await? {
                    self.put(&line);
                }
            }
            Some(most) => {
                for line in last(most, reading).await? {
                    self.put(&line);
                }
            }
        }
        self.flush();
        Ok(())
    }

    fn put(&mut self, line: &LogRecord) {
        self.ready += &match self.output {
            Output::Json => printable_json(line),
            Output::Human => self.text.line(line),
        };
        self.ready.push('\n');
        self.count += 1;
        if self.count == 1 || self.ready.len() >= AT_ONCE {
            self.flush();
        }
    }

    fn flush(&mut self) {
        if !self.ready.is_empty() {
            self.context.console.raw(&self.ready);
            self.ready.clear();
        }
    }

    /// Why nothing more comes.
    fn say_end(&self, session: &SessionRecord) -> Exit {
        if session.status.is_final() {
            return Exit::Done;
        }
        let id = &session.session_id;
        let paused = || format!("the session is paused; to go on with it: bunsui session resume {id}");
        let why = match session.status {
            SessionStatus::Paused => Some(paused()),
            _ => control::left_line(session),
        };
        why.into_iter().for_each(|why| self.context.console.talk(why));
        Exit::Paused
    }
}

/// The last lines of all that there are.
async fn last(most: usize, reading: &mut Reading) -> Result<VecDeque<LogRecord>, Failure> {
    let mut kept = VecDeque::new();
    while let Some(line) = reading.next().await? {
        kept.push_back(line);
        if kept.len() > most {
            kept.pop_front();
        }
    }
    Ok(kept)
}
