//! Pipeline files as they are now, and how the pipelines of the store stand.

use super::reader::{Reader, problem, row};
use crate::backend::Stores;
use crate::cli::load::{check, find_plugins_with, read_file, settle};
use crate::cli::parameters::{ParameterArgs, given};
use crate::cli::paths;
use crate::diagnostic::{Severity, render_human};
use crate::pipeline::Pipeline;
use crate::plan::{Given, GivenValue};
use crate::plugin::Plugins;
use crate::runner::port::{DEPLOYMENTS, SessionFilter, deployment_of};
use crate::session::JobStatus;
use crate::tui::{Found, Pipelines, Problem, SessionRow};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};
use std::time::SystemTime;

/// What was found in a file as it was at a time.
pub(super) struct CheckedFile {
    at: (Option<SystemTime>, u64),
    found: Found,
}

impl Reader<'_> {
    pub(super) async fn all_pipelines(&self) -> Pipelines {
        let directory = &self.context.surroundings.directory;
        let mut found = Vec::new();
        if directory.join("pipelines").is_dir() {
            let mut plugins = None;
            let files = paths::files(&[PathBuf::from("pipelines")], directory);
            found.extend(files.iter().flatten().map(|file| self.found(file, &mut plugins)));
        }
        let trouble = self.stand(&mut found).await.err();
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Pipelines { found, trouble }
    }

    /// How pipelines stand, as the store has it; also those that have no file here.
    async fn stand(&self, found: &mut Vec<Found>) -> Result<(), Problem> {
        let Some(stores) = self.stores().await? else { return Ok(()) };
        let keys = stores.objects.list(DEPLOYMENTS).await.map_err(problem)?;
        let mut names: Vec<&str> = keys.iter().filter_map(|key| Some(deployment_of(key)?.0)).collect();
        names.dedup();
        for name in names {
            let known = found.iter_mut().filter(|found| found.name == name).collect::<Vec<_>>();
            let Some((last, jobs)) = self.last(name, &stores).await? else { continue };
            let jobs: BTreeMap<String, JobStatus> = jobs.into_iter().collect();
            if known.is_empty() {
                found.push(Found { name: name.to_owned(), last: Some(last), jobs, ..Found::default() });
                continue;
            }
            for known in known {
                known.last = Some(last.clone());
                known.jobs.clone_from(&jobs);
            }
        }
        Ok(())
    }

    /// A file as it is now; what was found in one that has not changed is still so.
    fn found(&self, file: &Path, plugins: &mut Option<Plugins>) -> Found {
        let full = self.context.surroundings.directory.join(file);
        let at = std::fs::metadata(&full).map_or((None, 0), |data| (data.modified().ok(), data.len()));
        let mut checked = self.checked.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = checked.get(file).filter(|known| known.at == at) {
            return known.found.clone();
        }
        let plugins = plugins.get_or_insert_with(|| find_plugins_with(self.project, self.context));
        let found = self.check(file, plugins);
        checked.insert(file.to_path_buf(), CheckedFile { at, found: found.clone() });
        found
    }

    fn check(&self, file: &Path, plugins: &Plugins) -> Found {
        let name = file.display().to_string();
        let stem = file.file_stem().map_or_else(|| name.clone(), |stem| stem.to_string_lossy().into_owned());
        let mut found = Found { name: stem, file: Some(name.clone()), ..Found::default() };
        let bytes = match read_file(file, self.context) {
            Ok(bytes) => bytes,
            Err(unreadable) => return Found { findings: unreadable.to_string(), errors: 1, ..found },
        };
        let mut checked = check(&name, bytes, plugins);
        settle(&mut checked.diagnostics, &self.context.settings.validate);
        let count = |severity| checked.diagnostics.iter().filter(|found| found.severity == severity).count();
        (found.errors, found.warnings) = (count(Severity::Error), count(Severity::Warning));
        found.findings = render_human(&checked.source, &checked.diagnostics, false, 100);
        found.pipeline = checked.pipeline.map(Arc::new);
        if let Some(pipeline) = &found.pipeline {
            found.name = pipeline.name.to_string();
            found.given = self.given(pipeline);
        }
        found
    }

    /// What variables give for its parameters.
    fn given(&self, pipeline: &Pipeline) -> BTreeMap<String, String> {
        let given = given(&ParameterArgs::default(), pipeline, self.context).unwrap_or_default();
        let text = |given: Given| match given.value {
            GivenValue::Text(text) => (given.name, text),
            GivenValue::Value(value) => (given.name, value.to_string()),
        };
        given.into_iter().map(text).collect()
    }

    /// The last session of a pipeline, and how its jobs stand.
    async fn last(
        &self,
        name: &str,
        stores: &Stores,
    ) -> Result<Option<(SessionRow, Vec<(String, JobStatus)>)>, Problem> {
        let filter = SessionFilter { pipeline: Some(name.to_owned()), limit: 1, ..SessionFilter::default() };
        let Some(last) = stores.sessions.readable_sessions(&filter).await.map_err(problem)?.sessions.pop()
        else {
            return Ok(None);
        };
        let jobs = stores.sessions.jobs(&last.session_id).await.map_err(problem)?;
        Ok(Some((row(last), jobs.into_iter().map(|job| (job.job_key, job.status)).collect())))
    }
}
