//! Two who resume one session at the same moment, on DynamoDB: one of them drives it.

use super::super::job;
use super::{Site, at_once, rounds};
use bunsui::runner::port::SessionFilter;
use bunsui::session::{EventKind, RequestKind, RequestRecord, SessionId, SessionStatus};
use bunsui_test_support::Scratch;
use bunsui_test_support::step_functions::{Options, Script};
use std::process::{Child, Stdio};
use std::time::Duration;

/// Sessions at a time, each in an account of its own.
const SESSIONS: usize = 8;

/// A chain: jobs enough for each round to end within it.
fn chain(rounds: usize) -> String {
    (0..rounds * 3 + 5)
        .map(|at| {
            let keys = if at == 0 { String::new() } else { format!("depends_on = [\"j{}\"]", at - 1) };
            job(&format!("j{at}"), &keys, "")
        })
        .collect()
}

struct Race {
    site: Site,
    scratch: Scratch,
    id: SessionId,
}

impl Race {
    /// A session that is paused.
    fn new(rounds: usize) -> Option<Self> {
        let site = Site::new(Options::default())?;
        site.stand_in.script(|_| Script::succeeded(Duration::from_millis(700), serde_json::json!({})));
        let scratch = site.deployed(&chain(rounds));
        let mut first = command(&scratch, &["run", "t.toml"]);
        crate::product::wait_until("it is started", || !site.stand_in.executions().is_empty());
        let newest = SessionFilter { limit: 1, ..SessionFilter::default() };
        let sessions = site.runtime.block_on(site.store().sessions(&newest));
        let sessions = sessions.expect("a list");
        let race = Self { id: sessions[0].session_id.clone(), site, scratch };
        race.pause();
        assert_eq!(first.wait().expect("it ends").code(), Some(4));
        Some(race)
    }

    /// Asks for a pause as `session pause` does.
    fn pause(&self) {
        let request = RequestRecord {
            kind: RequestKind::Pause,
            by: "tester".into(),
            reason: "the next round".into(),
            at: jiff::Timestamp::now(),
            until: None,
        };
        self.site.runtime.block_on(self.site.store().put_request(&self.id, &request)).expect("stored");
    }

    fn status(&self) -> SessionStatus {
        let session = self.site.runtime.block_on(self.site.store().session(&self.id)).expect("it answers");
        session.expect("it is there").status
    }

    /// Of two who resume it one drives it, and the other is told so.
    fn round(&self, round: usize) {
        let mut both = [(); 2].map(|()| command(&self.scratch, &["session", "resume", self.id.as_str()]));
        crate::product::wait_until("the other is told", || both.iter_mut().any(has_ended));
        self.pause();
        let mut outcomes: Vec<(Option<i32>, String)> = both
            .into_iter()
            .map(|child| {
                let output = child.wait_with_output().expect("it ended");
                (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
            })
            .collect();
        outcomes.sort();
        let drove = outcomes.iter().position(|(code, _)| *code == Some(4));
        let (_, said) = outcomes.remove(drove.unwrap_or_else(|| panic!("nobody drove: {outcomes:?}")));
        assert!(said.contains("paused: the next round"), "{said}");
        let [(code, said)] = &outcomes[..] else { panic!("{outcomes:?}") };
        // It may come to a session that is driven, or try to take it; one whose pause is not over yet is asked to go on.
        let is_told = match code {
            Some(2) => said.contains("bunsui::session::driven"),
            Some(3) => said.contains("bunsui::store::fenced"),
            Some(0) => said.contains("goes on"),
            _ => false,
        };
        assert!(is_told, "{code:?}: {said}");
        assert_eq!(self.status(), SessionStatus::Paused);
        let events = self.site.events(&self.id);
        let leases = events.iter().filter(|event| matches!(event.kind, EventKind::LeaseTaken { .. })).count();
        assert_eq!(leases, round + 2, "no write of the other's lands");
    }
}

fn command(scratch: &Scratch, arguments: &[&str]) -> Child {
    let mut command = scratch.command(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts")
}

fn has_ended(child: &mut Child) -> bool {
    child.try_wait().expect("it can be waited for").is_some()
}

#[test]
fn of_two_who_resume_at_once_one_drives() {
    let rounds = rounds(20).div_ceil(SESSIONS);
    at_once(0..SESSIONS, |_| {
        let Some(race) = Race::new(rounds) else { return };
        (0..rounds).for_each(|round| race.round(round));
        assert!(race.site.created().iter().all(|created| *created == 1));
    });
}
