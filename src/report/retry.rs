//! What a retry will do, before it does it.

use super::text::one_line;
use crate::runner::Retry;
use crate::session::SessionRecord;

/// A line for each thing that is done with jobs. `changed` are those of the kept ones whose definition is another now.
pub fn retry_text(session: &SessionRecord, retry: &Retry, changed: &[String]) -> String {
    let mut text = format!("retry of session {} of {}:", session.session_id, session.pipeline_id);
    let mut line = |what: &str, names: &[String]| {
        if !names.is_empty() {
            text.push_str(&format!("\n  {what}: {}", one_line(&names.join(", "), 400)));
        }
    };
    line("run again", &retry.again);
    line("run again, being downstream of those", &retry.downstream);
    line("run for the first time", &retry.new);
    line("keep their outputs", &retry.kept);
    line("keep their outputs though their definitions have changed (`--job` runs one again)", changed);
    line("are gone from the file, and from the session", &retry.removed);
    for (job, status, why) in &retry.left {
        let status = status.name().replace('_', " ");
        text.push_str(&format!("\n  stays {status}: {job} ({why})"));
    }
    text
}
