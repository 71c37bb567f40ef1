//! The pipelines and their jobs as a tree.

use super::holds;
use crate::tui::list::Cursor;
use crate::tui::source::Found;

/// The pipelines.
#[derive(Debug, Default)]
pub(in crate::tui) struct Pipelines {
    pub(in crate::tui) found: Option<Vec<Found>>,
    pub(in crate::tui) shown: Vec<Branch>,
    pub(in crate::tui) unfolded: Vec<String>,
    pub(in crate::tui) filter: String,
    pub(in crate::tui) cursor: Cursor,
}

/// A line of the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::tui) enum Branch {
    Pipeline(usize),
    /// Of a pipeline, by index into the names of its jobs.
    Job(usize, usize),
}

impl Pipelines {
    pub(in crate::tui) fn selected(&self) -> Option<&Found> {
        let (Branch::Pipeline(at) | Branch::Job(at, _)) = self.shown.get(self.cursor.at)?;
        self.found.as_ref()?.get(*at)
    }

    /// Files are as they are now; where the store could not be asked, the rest is as it was known before.
    pub(in crate::tui) fn take(&mut self, mut found: Vec<Found>, is_store_unknown: bool) {
        if is_store_unknown {
            for known in self.found.take().unwrap_or_default() {
                match found.iter_mut().find(|found| found.name == known.name) {
                    Some(found) => (found.last, found.jobs) = (known.last, known.jobs),
                    None if known.file.is_none() => found.push(known),
                    None => {}
                }
            }
            found.sort_by(|a, b| a.name.cmp(&b.name));
        }
        self.found = Some(found);
        self.arrange();
    }

    pub(in crate::tui) fn arrange(&mut self) {
        let Some(found) = &self.found else { return };
        let wanted = self.filter.to_lowercase();
        self.shown.clear();
        for (at, pipeline) in found.iter().enumerate() {
            let file = pipeline.file.as_deref().unwrap_or_default();
            if !holds(&wanted, &pipeline.name) && !holds(&wanted, file) {
                continue;
            }
            self.shown.push(Branch::Pipeline(at));
            let is_unfolded = self.unfolded.contains(&pipeline.name);
            if is_unfolded {
                self.shown.extend((0..pipeline.job_names().len()).map(|job| Branch::Job(at, job)));
            }
        }
    }
}
