//! The local store, and the session that a user means.

use super::{Context, Failure};
use crate::backend::local::SqliteStore;
use crate::diagnostic::nearest;
use crate::runner::port::{SessionFilter, SessionStore, StoreError};
use crate::session::SessionRecord;

/// Sessions among which a part of an id must be unique.
const RECENT: usize = 1000;

/// A session could not be told from a text.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub(super) enum SessionLookupError {
    #[error("there is no session yet in `{state}`")]
    #[diagnostic(code("bunsui::session::none"), help("`bunsui run FILE` makes one"))]
    None { state: String },
    #[error("no session's id holds `{wanted}`")]
    #[diagnostic(code("bunsui::session::not_found"))]
    NotFound {
        wanted: String,
        #[help]
        help: String,
    },
    #[error("`{wanted}` is part of {count} sessions' ids: {some}")]
    #[diagnostic(code("bunsui::session::ambiguous"), help("name more of the id, or `last`"))]
    Ambiguous { wanted: String, count: usize, some: String },
}

/// Runs a command's asynchronous part.
pub(super) fn block_on<T>(work: impl Future<Output = T>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|error| {
        Failure::surroundings(StoreError::Unusable {
            place: "this process".into(),
            message: format!("its threads cannot be started: {error}"),
            help: None,
        })
    })?;
    Ok(runtime.block_on(work))
}

/// The store, if there is one.
pub(super) fn open_store(context: &Context) -> Result<Option<SqliteStore>, Failure> {
    SqliteStore::open_existing(&context.settings.local.state).map_err(Failure::surroundings)
}

/// The store and the session that `wanted` means: an id, a part of a recent one, or `last`.
pub(super) async fn find_session(
    wanted: &str,
    context: &Context,
) -> Result<(SqliteStore, SessionRecord), Failure> {
    find_session_of(wanted, None, context).await
}

/// The same, but `last` is the last session of a pipeline, if one is named.
pub(super) async fn find_session_of(
    wanted: &str,
    pipeline: Option<&str>,
    context: &Context,
) -> Result<(SqliteStore, SessionRecord), Failure> {
    let none = || {
        let state = context.settings.local.state.display().to_string();
        Failure::bad_input(SessionLookupError::None { state })
    };
    let store = open_store(context)?.ok_or_else(none)?;
    let pipeline = pipeline.map(str::to_owned);
    let filter = match wanted {
        "last" => SessionFilter { pipeline, limit: 1, ..SessionFilter::default() },
        part => SessionFilter { id_part: Some(part.to_owned()), limit: RECENT, ..SessionFilter::default() },
    };
    let mut found = store.sessions(&filter).await.map_err(Failure::surroundings)?;
    if let Some(exact) = found.iter().position(|session| session.session_id.as_str() == wanted) {
        return Ok((store, found.swap_remove(exact)));
    }
    match found.len() {
        1 => Ok((store, found.remove(0))),
        0 if wanted == "last" => Err(none()),
        0 => Err(Failure::bad_input(not_found(wanted, &store).await)),
        count => {
            let some: Vec<&str> = found.iter().take(3).map(|session| session.session_id.as_str()).collect();
            let some = some.join(", ");
            Err(Failure::bad_input(SessionLookupError::Ambiguous { wanted: wanted.to_owned(), count, some }))
        }
    }
}

async fn not_found(wanted: &str, store: &SqliteStore) -> SessionLookupError {
    let recent = SessionFilter { limit: RECENT, ..SessionFilter::default() };
    let recent = store.sessions(&recent).await.unwrap_or_default();
    let near = nearest(wanted, recent.iter().map(|session| session.session_id.as_str()));
    let help = match near {
        Some(id) => format!("did you mean `{id}`?"),
        None => "`bunsui session list` shows them".to_owned(),
    };
    SessionLookupError::NotFound { wanted: wanted.to_owned(), help }
}
