//! What bunsui itself has to say while it works: warnings and errors on stderr, more with `BUNSUI_LOG`.
//!
//! Takes: events of `tracing`. Gives: one line each, in the form of other messages.
//! Deliberately does not: print what operations say, or findings and failures of commands.

use crate::settings::Surroundings;
use std::fmt;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Starts to listen. `BUNSUI_LOG` says to what, as `debug` or `bunsui::plugin=trace`; one that is wrong counts as none.
pub(super) fn start(surroundings: &Surroundings) {
    let wanted = surroundings.variables.iter().find(|(name, _)| name == "BUNSUI_LOG");
    let filter = wanted.and_then(|(_, value)| EnvFilter::try_new(value).ok());
    // It fails only where somebody listens already.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter.unwrap_or_else(|| EnvFilter::new("bunsui=warn")))
        .with_writer(std::io::stderr)
        .event_format(Plain)
        .try_init();
}

/// `warning: what happened`
struct Plain;

impl<S, N> FormatEvent<S, N> for Plain
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let word = match *event.metadata().level() {
            Level::ERROR => "error",
            Level::WARN => "warning",
            Level::INFO => "info",
            Level::DEBUG => "debug",
            Level::TRACE => "trace",
        };
        write!(writer, "{word}: ")?;
        context.field_format().format_fields(writer.by_ref(), event)?;
        writeln!(writer)
    }
}
