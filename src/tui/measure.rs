//! What a frame of a large session costs, for the benchmark.

use super::jobs::Jobs;
use super::message::Message;
use super::source::SessionRow;
use super::state::{Screen, Session, State};
use super::update::update;
use super::view::{Theme, view};
use crate::session::{
    EventKind, OutputRecord, RunnerRecord, SessionEvent, SessionId, SessionRecord, SessionStatus,
};
use jiff::{SignedDuration, Timestamp};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::layout::Size;
use std::time::{Duration, Instant};

/// What was measured.
#[derive(Debug)]
pub struct Measured {
    /// Taking in the events of the whole session.
    pub taking_in: Duration,
    /// A key that moves the selection, and the frame that follows; each.
    pub frames: Vec<Duration>,
}

/// Measures frames of 200 by 60 cells of a session that runs, of so many jobs.
pub fn measure(jobs: usize, frames: usize) -> Measured {
    let size = Size { width: 200, height: 60 };
    let mut state = State::new("here".into(), size, Timestamp::UNIX_EPOCH);
    let began = Instant::now();
    state.session = Some(session(jobs));
    let taking_in = began.elapsed();
    state.screens.push(Screen::Session);
    let mut terminal = Terminal::new(TestBackend::new(size.width, size.height)).expect("it is memory");
    let down = KeyEvent::new(KeyCode::Char('j'), KeyModifiers::NONE);
    let frames = (0..frames).map(|_| {
        let began = Instant::now();
        update(&mut state, Message::Key(down));
        terminal.draw(|frame| view(&state, Theme::Colour, frame)).expect("it is memory");
        began.elapsed()
    });
    Measured { frames: frames.collect(), taking_in }
}

fn session(count: usize) -> Session {
    let at = |number: u64| Timestamp::UNIX_EPOCH + SignedDuration::from_millis(number as i64);
    let runner = RunnerRecord { host: "h".into(), pid: 1, user: "u".into(), bunsui: "0".into() };
    let id = SessionId::generate(Timestamp::UNIX_EPOCH, 0);
    let mut record = SessionRecord::new(id.clone(), ("p".into(), "v".into()), runner, Timestamp::UNIX_EPOCH);
    record.status = SessionStatus::Running;
    record.started_at = Some(Timestamp::UNIX_EPOCH);
    record.jobs = count;
    let mut session = Session::new(id);
    session.row = Some(SessionRow { record, is_driven: true });
    let keys: Vec<String> = (0..count).map(|job| format!("job-{job}")).collect();
    session.jobs = Jobs::new(&keys);
    let mut number = 0;
    for job in keys {
        let output = OutputRecord::Inline(serde_json::json!({"rows": 365}));
        let execution = format!("{job}-1");
        let started = EventKind::JobStarted { job: job.clone(), attempt: 1, execution, redrive: None };
        for kind in [started, EventKind::JobSucceeded { job, attempt: 1, output }] {
            number += 1;
            session.jobs.apply(&SessionEvent { number, at: at(number), kind });
        }
    }
    session.draw(200);
    session.arrange(at(number));
    session
}
