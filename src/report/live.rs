//! The live view on a terminal: one line a running job with its operation and its elapsed time, a count below.

use super::lines::EventLines;
use super::text::{moment, one_line};
use crate::runner::EventConsumer;
use crate::session::{EventKind, SessionEvent};
use indexmap::IndexMap;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcgetpgrp, tcsetattr};
use std::time::{Duration, Instant};

/// Running jobs shown at once, at most; the count below tells of the others.
const MOST_LINES: usize = 16;

/// Redraws lines at the bottom of a terminal; what is final scrolls up as lines of its own.
pub struct LiveView {
    progress: MultiProgress,
    total: ProgressBar,
    /// Those that run, the longest first.
    jobs: IndexMap<String, RunningJob>,
    room: usize,
    lines: EventLines<()>,
    style: ProgressStyle,
    running: usize,
    done: usize,
    count: usize,
    /// While its runner waits in a pause: who, why, until when.
    pause: Option<String>,
    has_begun: bool,
    silence: Option<ControlSilence>,
}

struct RunningJob {
    started: Instant,
    message: String,
    /// None where the terminal has no room for it now.
    line: Option<ProgressBar>,
}

impl LiveView {
    /// On standard error, as high as it is. `done` of `count` jobs were final before the first event.
    pub fn new(count: usize, done: usize) -> Self {
        let height = console::Term::stderr().size().0;
        let progress = MultiProgress::new();
        let total = progress.add(ProgressBar::new_spinner());
        total.set_style(style("{elapsed:>6} {wide_msg}"));
        Self {
            progress,
            total,
            jobs: IndexMap::new(),
            // The count and the line of the cursor need room too.
            room: usize::from(height).saturating_sub(2).clamp(1, MOST_LINES),
            lines: EventLines::new(()),
            style: style("{elapsed:>6} {spinner} {wide_msg}"),
            running: 0,
            done,
            count,
            pause: None,
            has_begun: false,
            silence: None,
        }
    }

    /// By which another thread can take the view off its terminal.
    pub fn handle(&self) -> MultiProgress {
        self.progress.clone()
    }

    /// Removes the live lines; what scrolled up stays.
    pub fn finish(&mut self) {
        for job in self.jobs.drain(..).filter_map(|(_, job)| job.line) {
            job.finish_and_clear();
        }
        self.total.finish_and_clear();
        let _ = self.progress.clear();
        self.silence = None;
    }

    fn begin(&mut self) {
        if !std::mem::replace(&mut self.has_begun, true) {
            self.silence = ControlSilence::begin();
            // Whoever typed ahead may have left the prompt on this line, and lines are counted from the first column.
            let _ = console::Term::stderr().write_str("\r");
            self.total.enable_steady_tick(Duration::from_millis(125));
        }
    }

    fn job_started(&mut self, job: &str) {
        self.running += 1;
        let running = RunningJob { started: Instant::now(), message: job.to_owned(), line: None };
        self.jobs.insert(job.to_owned(), running);
        self.fill();
    }

    /// Gives lines to running jobs as long as there is room.
    fn fill(&mut self) {
        let shown = self.jobs.values().filter(|job| job.line.is_some()).count();
        let waiting = self.jobs.values_mut().filter(|job| job.line.is_none());
        for job in waiting.take(self.room.saturating_sub(shown)) {
            let bar = ProgressBar::new_spinner().with_elapsed(job.started.elapsed());
            let bar = self.progress.insert_before(&self.total, bar);
            bar.set_style(self.style.clone());
            bar.set_message(job.message.clone());
            bar.enable_steady_tick(Duration::from_millis(125));
            job.line = Some(bar);
        }
    }

    fn job_final(&mut self, job: &str, was_running: bool) {
        self.done += 1;
        if was_running {
            self.running = self.running.saturating_sub(1);
        }
        let Some(job) = self.jobs.shift_remove(job) else { return };
        if let Some(bar) = job.line {
            bar.finish_and_clear();
            self.progress.remove(&bar);
            self.fill();
        }
    }

    fn say(&mut self, job: &str, message: String) {
        let Some(job) = self.jobs.get_mut(job) else { return };
        job.message.clone_from(&message);
        if let Some(bar) = &job.line {
            bar.set_message(message);
        }
    }

    fn count_line(&self) -> String {
        if let Some(pause) = &self.pause {
            return pause.clone();
        }
        format!("{} of {} jobs done, {} running", self.done, self.count, self.running)
    }
}

/// While it lives, the terminal does not show an interrupt as `^C`: that would go behind the last live line, which is as wide as the
/// terminal, and so move the cursor to a line that nobody counts.
struct ControlSilence;

impl ControlSilence {
    /// None where there is nothing to change, or the terminal is not ours to change.
    fn begin() -> Option<Self> {
        let was_shown = Self::change(|modes| modes.contains(LocalModes::ECHOCTL), LocalModes::remove);
        was_shown.then_some(Self)
    }

    fn change(applies: impl Fn(LocalModes) -> bool, change: impl Fn(&mut LocalModes, LocalModes)) -> bool {
        let terminal = rustix::stdio::stderr();
        // Who changes a terminal from the background is stopped.
        if tcgetpgrp(terminal).ok() != Some(rustix::process::getpgrp()) {
            return false;
        }
        let Ok(mut attributes) = tcgetattr(terminal) else { return false };
        if !applies(attributes.local_modes) {
            return false;
        }
        change(&mut attributes.local_modes, LocalModes::ECHOCTL);
        tcsetattr(terminal, OptionalActions::Now, &attributes).is_ok()
    }
}

impl Drop for ControlSilence {
    fn drop(&mut self) {
        Self::change(|_| true, LocalModes::insert);
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .expect("the templates above are well formed")
        .tick_chars("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏ ")
}

impl EventConsumer for LiveView {
    fn event(&mut self, event: &SessionEvent) {
        match &event.kind {
            EventKind::SessionCreated { jobs, .. } => {
                self.count = *jobs;
                self.begin();
            }
            EventKind::LeaseTaken { .. } => self.begin(),
            EventKind::JobsReset { jobs, .. } => self.done = self.done.saturating_sub(jobs.len()),
            EventKind::AttemptLost { job, .. } if self.jobs.contains_key(job) => {
                self.job_final(job, true);
                self.done -= 1;
            }
            EventKind::SessionPaused { by, reason, until: Some(until) } => {
                let until = moment(*until);
                self.pause = Some(format!("paused by {by}: {}, until {until}", one_line(reason, 80)));
            }
            EventKind::SessionResumed { .. } | EventKind::CancelRequested { .. } => self.pause = None,
            EventKind::JobStarted { job, .. } => self.job_started(job),
            EventKind::OperationStarted { job, operation, try_number, .. } => {
                let again = if *try_number > 1 { format!(" (try {try_number})") } else { String::new() };
                self.say(job, format!("{job}/{operation}{again}"));
            }
            EventKind::OperationRetrying { job, operation, error, .. } => {
                self.say(job, format!("{job}/{operation} waits to try again after {error}"));
            }
            EventKind::JobSucceeded { job, .. } | EventKind::JobTimedOut { job, .. } => {
                self.job_final(job, true);
            }
            EventKind::JobFailed { job, attempt, .. } | EventKind::JobCancelled { job, attempt, .. } => {
                self.job_final(job, *attempt > 0);
            }
            EventKind::JobSkipped { job, .. } | EventKind::JobUpstreamFailed { job, .. } => {
                self.job_final(job, false);
            }
            _ => {}
        }
        // Its line shows that a job has started; that it began anew, only words can.
        let is_shown = matches!(event.kind, EventKind::JobStarted { .. }) && !self.lines.starts_anew(event);
        if let Some(line) = self.lines.line(event).filter(|_| !is_shown) {
            let _ = self.progress.println(format!("{} {line}", event.at.strftime("%H:%M:%S")));
        }
        self.total.set_message(self.count_line());
    }
}
