//! `bunsui session list`.

use super::parse_status;
use crate::cli::moments::{check_span, parse_past};
use crate::cli::output::TableOutput;
use crate::cli::store::open_store;
use crate::cli::{Context, Exit, Failure, Outcome, control};
use crate::report::csv;
use crate::report::text::{between, pause_line, printable, printable_json};
use crate::runner::port::SessionFilter;
use crate::session::{SessionRecord, SessionStatus};
use jiff::Timestamp;
use serde_json::json;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct ListArgs {
    /// Only sessions of this pipeline
    #[arg(long, value_name = "NAME")]
    pipeline: Option<String>,
    /// Only sessions in this status; may be given several times
    #[arg(long, value_name = "STATUS", value_parser = parse_status)]
    status: Vec<SessionStatus>,
    /// Only sessions created from then on: `12h` ago, `2026-11-24`, `2026-11-24T09:15:30Z`
    #[arg(long, value_name = "TIME", value_parser = parse_past)]
    since: Option<Timestamp>,
    /// Only sessions created before then
    #[arg(long, value_name = "TIME", value_parser = parse_past)]
    until: Option<Timestamp>,
    /// Only sessions with this parameter; may be given several times. No secret is stored, so none is found
    #[arg(long, value_name = "K=V", value_parser = parse_pair)]
    param: Vec<(String, String)>,
    /// Only sessions with this label; may be given several times
    #[arg(long, value_name = "K=V", value_parser = parse_pair)]
    label: Vec<(String, String)>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: usize,
    /// A table for people, JSON, or a row a session for spreadsheets
    #[arg(long, value_enum, default_value_t = TableOutput::Human)]
    output: TableOutput,
}

fn parse_pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("it is `KEY=VALUE`".into()),
    }
}

impl ListArgs {
    fn filter(&self) -> SessionFilter {
        SessionFilter {
            pipeline: self.pipeline.clone(),
            statuses: self.status.clone(),
            id_part: None,
            created_since: self.since,
            created_before: self.until,
            labels: self.label.clone(),
            parameters: self.param.clone(),
            limit: self.limit,
        }
    }

    fn is_filtered(&self) -> bool {
        let is_any = self.pipeline.is_some() || self.since.is_some() || self.until.is_some();
        is_any || !(self.status.is_empty() && self.param.is_empty() && self.label.is_empty())
    }
}

pub(super) async fn list(args: &ListArgs, context: &Context) -> Outcome {
    check_span(args.since, args.until)?;
    let sessions = match open_store(context).await? {
        Some(store) => store.sessions.sessions(&args.filter()).await.map_err(Failure::surroundings)?,
        None => Vec::new(),
    };
    match args.output {
        TableOutput::Json => context.console.data(printable_json(&json!({"sessions": sessions}))),
        TableOutput::Csv => {
            context.console.data(CSV_HEAD);
            sessions.iter().for_each(|session| context.console.data(csv_row(session)));
        }
        TableOutput::Human if sessions.is_empty() => context.console.talk(if args.is_filtered() {
            "no session is of that kind; `bunsui session list` shows all"
        } else {
            "there is no session yet; `bunsui run FILE` makes one"
        }),
        TableOutput::Human => table(&sessions, context),
    }
    Ok(Exit::Done)
}

fn table(sessions: &[SessionRecord], context: &Context) {
    let longest = sessions.iter().map(|session| session.pipeline_id.len()).max().unwrap_or(0).max(8);
    context.console.data(format!(
        "{:22}  {:longest$}  {:10}  {:20}  {:>8}  LABELS",
        "SESSION", "PIPELINE", "STATUS", "CREATED (UTC)", "TOOK"
    ));
    for session in sessions {
        context.console.data(list_line(session, longest));
        if let Some(pause) = &session.pause {
            context.console.data(format!("  {}", pause_line(pause)));
        }
        if let Some(line) = control::left_line(session) {
            context.console.data(format!("  {line}"));
        }
    }
}

fn list_line(session: &SessionRecord, longest: usize) -> String {
    let took = session.started_at.zip(session.ended_at).map_or("-".into(), |(from, to)| between(from, to));
    let line = format!(
        "{:22}  {:longest$}  {:10}  {:20}  {took:>8}  {}",
        session.session_id,
        session.pipeline_id,
        session.status.name(),
        session.created_at.strftime("%Y-%m-%d %H:%M:%S").to_string(),
        printable(&labels(session))
    );
    line.trim_end().to_owned()
}

fn labels(session: &SessionRecord) -> String {
    let labels: Vec<String> = session.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    labels.join(" ")
}

/// `active_ms`: how long runners drove it, without pauses.
const CSV_HEAD: &str = "session_id,pipeline,version,status,created_at,started_at,ended_at,duration_ms,active_ms,jobs,\
                        retries,created_by,file,labels,parameters";

fn csv_row(session: &SessionRecord) -> String {
    let time = |time: Option<Timestamp>| time.map(|time| time.to_string()).unwrap_or_default();
    let took = session.started_at.zip(session.ended_at);
    let took = took.map(|(from, to)| (to.as_millisecond() - from.as_millisecond()).to_string());
    let creator = session.created_by.as_ref().unwrap_or(&session.runner);
    let cells = [
        session.session_id.to_string(),
        session.pipeline_id.clone(),
        session.version.clone(),
        session.status.name().to_owned(),
        session.created_at.to_string(),
        time(session.started_at),
        time(session.ended_at),
        took.unwrap_or_default(),
        session.active_ms.to_string(),
        session.jobs.to_string(),
        session.retries.to_string(),
        creator.user.clone(),
        session.file.clone(),
        labels(session),
        serde_json::to_string(&session.parameters).unwrap_or_default(),
    ];
    csv::row(cells.iter().map(String::as_str))
}
