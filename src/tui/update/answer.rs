//! What came of requests.

use super::super::message::{Answer, Effect, Request};
use super::super::source::{Opened, Page, Pipelines, Problem};
use super::super::state::{JobSort, Screen, State};
use super::{dialog, navigate, read};
use crate::session::SessionId;

/// Takes what came of a request.
pub(super) fn answer(state: &mut State, answer: Answer) -> Vec<Effect> {
    match answer {
        Answer::Said(purpose, command, said) => return dialog::said(state, purpose, &command, said),
        Answer::Counts(Ok(counts)) => {
            state.is_stale = true;
            state.sessions.count(counts);
            return Vec::new();
        }
        Answer::Counts(Err(_)) => return Vec::new(), // the sessions' own answer says it
        Answer::Sessions(found) => {
            if let Some(listed) = heard(state, found) {
                state.sessions.rows = Some(listed.rows);
                state.sessions.damaged = listed.damaged;
                state.sessions.is_uncounted = true;
                state.sessions.arrange(state.now);
            }
        }
        Answer::Opened(id, found) => return opened(state, &id, *found),
        Answer::Page(id, page) => return paged(state, &id, *page),
        Answer::Logs(of, found) => {
            let page = heard(state, found);
            let logs = state.logs.as_mut().filter(|logs| logs.of == of);
            if let Some((logs, page)) = logs.zip(page) {
                let has_more = page.has_more;
                logs.take(page);
                if has_more && state.screen() == Screen::Logs {
                    return read(state);
                }
            }
        }
        Answer::Pipelines(Pipelines { found, trouble }) => {
            heard(state, trouble.clone().map_or(Ok(()), Err));
            state.pipelines.take(found, trouble.is_some());
        }
    }
    Vec::new()
}

fn opened(state: &mut State, id: &SessionId, found: Result<Opened, Problem>) -> Vec<Effect> {
    let found = heard(state, found);
    let Some(session) = state.session.as_mut().filter(|session| session.id == *id) else { return Vec::new() };
    let Some(opened) = found else { return Vec::new() };
    session.version.clone_from(&opened.row.record.version);
    session.row = Some(opened.row);
    session.take_pipeline(opened.pipeline);
    session.jobs.learn(&opened.jobs);
    session.draw(state.size.width);
    session.arrange(state.now);
    read(state)
}

fn paged(state: &mut State, id: &SessionId, page: Result<Page, Problem>) -> Vec<Effect> {
    let page = heard(state, page);
    let Some(session) = state.session.as_mut().filter(|session| session.id == *id) else { return Vec::new() };
    let Some(page) = page else { return Vec::new() };
    let known = session.jobs.rows.len();
    for event in &page.events {
        session.jobs.apply(event);
    }
    // A retry may have taken up another file.
    let is_other = page.row.record.version != session.version;
    session.row = Some(page.row);
    if session.jobs.rows.len() != known {
        session.draw(state.size.width);
    }
    if is_other {
        state.is_reading = true;
        return vec![Effect::Ask(Request::Open(id.clone()))];
    }
    session.arrange(state.now);
    if page.has_more {
        return read(state);
    }
    // What failed is what one comes for.
    if !std::mem::replace(&mut session.is_read, true)
        && session.cursor.at == 0
        && session.jobs.counts().failed > 0
    {
        session.sort = JobSort::Graph;
        // After the last comes the first.
        session.cursor.at = session.shown.len().saturating_sub(1);
        navigate::seek(session);
    }
    Vec::new()
}

/// An answer came. What went wrong is kept until something is heard again.
fn heard<T>(state: &mut State, answer: Result<T, Problem>) -> Option<T> {
    state.is_reading = false;
    // What takes long is not asked more often for that.
    state.read_at = Some(state.now);
    state.is_stale = true;
    match answer {
        Ok(answer) => {
            state.trouble = None;
            Some(answer)
        }
        Err(problem) => {
            let since = state.trouble.take().map_or(state.now, |(_, since)| since);
            state.trouble = Some((problem, since));
            None
        }
    }
}
