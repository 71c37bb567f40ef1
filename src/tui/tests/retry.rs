//! A retry and a deployment: what they would do is asked of the commands, and shown before it is done.

use super::*;

fn said(code: i32, stderr: &str) -> Said {
    Said { code: Some(code), stdout: String::new(), stderr: stderr.into() }
}

fn dry(words: &[&str]) -> Command {
    let words = ["session", "retry", IDS[1]].iter().chain(words);
    Command { arguments: words.map(|word| (*word).to_owned()).collect(), ..Command::default() }
}

#[test]
fn a_retry_shows_what_either_way_would_do() {
    let mut screen = Screen::with_session(80, 24);
    screen.types("t");
    let asked = &screen.asked[screen.asked.len() - 2..];
    let current = dry(&["--with-current", "--dry-run"]);
    assert_eq!(
        *asked,
        [
            Request::Command(Purpose::Ask, dry(&["--dry-run"])),
            Request::Command(Purpose::Ask, current.clone()),
        ]
    );
    assert!(screen.drawn().contains("is being asked"));
    screen.press(KeyCode::Enter);
    assert!(screen.state.dialog.is_some(), "nothing is known yet");
    let text = "t.toml is not what session X ran; `--with-current` takes it as it is now\n\
        retry of session X of t:\n  run again: check\nnothing was done (`--dry-run`)\n";
    screen.hears(Answer::Said(Purpose::Ask, dry(&["--dry-run"]), Ok(said(0, text))));
    let drawn = screen.drawn();
    assert!(drawn.contains("run again: check") && !drawn.contains("nothing was done"), "{drawn}");
    assert!(drawn.contains("is not what session X ran"), "{drawn}");
    let text = "-run = \"false\"\n+run = \"true\"\nretry of session X of t:\n  run again: check\n";
    screen.hears(Answer::Said(Purpose::Ask, current, Ok(said(0, text))));
    screen.press(KeyCode::Tab);
    insta::assert_snapshot!(screen.drawn());
    screen.press(KeyCode::Enter);
    let command = dry(&["--with-current", "--detach"]);
    assert_eq!(*screen.last_asked(), Request::Command(Purpose::Do, command));
}

#[test]
fn a_file_that_is_not_valid_is_shown_with_its_findings_and_not_taken() {
    let mut screen = Screen::with_session(80, 24);
    screen.types("t");
    screen.says(Purpose::Ask, said(2, "bunsui::reference::unknown_job\n\n  × there is no job `lod`\n"));
    screen.press(KeyCode::Tab);
    let drawn = screen.drawn();
    assert!(drawn.contains("cannot be done this way") && drawn.contains("no job `lod`"), "{drawn}");
    let asked = screen.asked.len();
    screen.press(KeyCode::Enter);
    assert_eq!(screen.asked.len(), asked, "nothing is started");
    screen.press(KeyCode::Esc);
    assert!(screen.state.dialog.is_none());
}

#[test]
fn an_answer_that_nobody_waits_for_any_more_is_passed_over() {
    let mut screen = Screen::with_session(80, 24);
    screen.types("t");
    screen.press(KeyCode::Esc);
    screen.says(Purpose::Ask, said(0, "run again: check"));
    assert!(screen.state.dialog.is_none());
}

#[test]
fn what_a_command_did_waits_until_nothing_else_is_in_front() {
    let mut screen = Screen::with_sessions(80, 24);
    screen.types("p");
    screen.press(KeyCode::Enter);
    screen.press(KeyCode::Esc);
    screen.types("c");
    screen.types("disk");
    screen.says(Purpose::Do, said(0, "it is pausing"));
    let drawn = screen.drawn();
    assert!(drawn.contains("disk") && !drawn.contains("it is pausing"), "{drawn}");
    screen.press(KeyCode::Esc);
    assert!(screen.drawn().contains("it is pausing"));
}

#[test]
fn secrets_are_given_again_and_never_shown() {
    let mut screen = Screen::with_sessions(80, 24);
    let mut rows = rows();
    rows[1].record.secrets = vec!["token".into()];
    rows[2].record.secrets = vec!["api-key".into()];
    screen.hears(Answer::Sessions(Ok(listed(rows))));
    screen.types("Gr");
    screen.press(KeyCode::Enter);
    screen.types("hunter2");
    let drawn = screen.drawn();
    assert!(drawn.contains("•••••••") && !drawn.contains("hunter2"), "{drawn}");
    screen.press(KeyCode::Enter);
    let Request::Command(Purpose::Do, command) = screen.last_asked() else { panic!("a command is started") };
    assert_eq!(command.arguments, ["session", "resume", IDS[2], "--detach"]);
    assert_eq!(command.environment.get("BUNSUI_PARAM_API_KEY").map(String::as_str), Some("hunter2"));
    // For a retry before it is asked what it would do.
    screen.press(KeyCode::Esc);
    screen.types("kt");
    screen.press(KeyCode::Enter);
    assert!(screen.drawn().contains("it has to be given"));
    screen.take(Message::Paste("s3cret\n".into()));
    screen.press(KeyCode::Enter);
    let Request::Command(Purpose::Ask, command) = screen.last_asked() else { panic!("it is asked") };
    assert_eq!(command.arguments, ["session", "retry", IDS[1], "--with-current", "--dry-run"]);
    assert_eq!(command.environment.get("BUNSUI_PARAM_TOKEN").map(String::as_str), Some("s3cret"));
    assert!(!screen.drawn().contains("s3cret"));
}

#[test]
fn a_deployment_says_first_what_it_changes() {
    let mut screen = Screen::with_sessions(80, 24);
    screen.types("2");
    let pipeline = Some(super::known::four_jobs());
    screen.hears(pipelines(vec![Found { pipeline, ..found("t") }]));
    screen.types("d");
    assert!(screen.drawn().contains("Nothing is deployed here"));
    screen.press(KeyCode::Esc);
    screen.state.is_remote = true;
    screen.types("d");
    let command = |words: &[&str]| Command {
        arguments: words.iter().map(|word| (*word).to_owned()).collect(),
        ..Command::default()
    };
    let dry = command(&["deploy", "pipelines/t.toml", "--dry-run"]);
    assert_eq!(*screen.last_asked(), Request::Command(Purpose::Ask, dry));
    screen.says(Purpose::Ask, said(0, "1 of 1 state machines change\n  create  first\n"));
    assert!(screen.drawn().contains("create  first"));
    screen.press(KeyCode::Enter);
    let command = command(&["deploy", "pipelines/t.toml"]);
    assert_eq!(*screen.last_asked(), Request::Command(Purpose::Do, command));
}
