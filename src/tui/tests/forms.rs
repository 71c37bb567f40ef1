//! The form that starts a pipeline.

use super::known::four_jobs;
use super::*;

fn screen(is_remote: bool) -> Screen {
    let mut screen = Screen::with_sessions(80, 24);
    screen.state.is_remote = is_remote;
    screen.types("2");
    screen.hears(pipelines(vec![Found { pipeline: Some(four_jobs()), ..found("t") }]));
    screen.types("x");
    screen
}

#[test]
fn it_checks_what_is_typed_and_starts_with_it() {
    let mut screen = screen(false);
    screen.types("11");
    assert!(screen.drawn().contains("`11` is less than the minimum `2012`"));
    screen.control('u');
    screen.types("2015");
    screen.press(KeyCode::Enter);
    screen.press(KeyCode::Enter);
    screen.types("hunter2");
    insta::assert_snapshot!(screen.drawn());
    // At the last parameter, whatever else could be said.
    screen.press(KeyCode::Enter);
    let Request::Command(Purpose::Do, command) = screen.last_asked() else { panic!("it is started") };
    assert_eq!(command.arguments, ["run", "pipelines/t.toml", "--detach"]);
    let given: Vec<_> =
        command.environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(given, [("BUNSUI_PARAM_TOKEN", "hunter2"), ("BUNSUI_PARAM_YEAR", "2015")]);
}

#[test]
fn what_variables_give_is_taken_where_nothing_is_typed() {
    let start = |given: &[(&str, &str)]| {
        let mut screen = Screen::with_sessions(80, 24);
        screen.types("2");
        let given = given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        screen.hears(pipelines(vec![Found { pipeline: Some(four_jobs()), given, ..found("t") }]));
        screen.types("x");
        screen
    };
    let mut screen = start(&[("year", "2014"), ("token", "hunter2")]);
    let drawn = screen.drawn();
    assert!(drawn.contains("2014 (BUNSUI_PARAM_YEAR)") && !drawn.contains("hunter2"), "{drawn}");
    (0..3).for_each(|_| screen.press(KeyCode::Enter));
    let Request::Command(_, command) = screen.last_asked() else { panic!("it is started") };
    assert!(command.environment.is_empty(), "it has them already");
    let drawn = start(&[("year", "1999")]).drawn();
    assert!(drawn.contains("BUNSUI_PARAM_YEAR: `1999` is less than"), "{drawn}");
}

#[test]
fn how_it_is_started_can_be_said() {
    let mut screen = screen(true);
    screen.types("2015");
    (0..3).for_each(|_| screen.press(KeyCode::Tab));
    screen.types("team=data who=ann");
    screen.press(KeyCode::Down);
    screen.types("extract lod");
    let drawn = screen.drawn();
    assert!(drawn.contains("has no job `lod`; did you mean") && drawn.contains("`load`?"), "{drawn}");
    screen.press(KeyCode::Enter);
    assert!(screen.state.dialog.is_some(), "it is not started with that");
    screen.control('w');
    (0..2).for_each(|_| screen.press(KeyCode::Tab));
    screen.types(" ");
    screen.press(KeyCode::Tab);
    screen.types(" ");
    let drawn = screen.drawn();
    assert!(drawn.contains("[x] deploy the file first"), "{drawn}");
    screen.press(KeyCode::Enter);
    let Request::Command(Purpose::Do, command) = screen.last_asked() else { panic!("it is started") };
    let options = ["--label=team=data", "--label=who=ann", "--only=extract", "--fail-fast", "--deploy"];
    assert_eq!(command.arguments[3..], options);
}

#[test]
fn what_is_missing_is_gone_to_and_nothing_is_deployed_on_this_machine() {
    let mut screen = screen(false);
    assert!(!screen.drawn().contains("deploy the file"));
    screen.press(KeyCode::BackTab);
    screen.press(KeyCode::Enter);
    let drawn = screen.drawn();
    assert!(drawn.contains("▸ year") && drawn.contains("it has to be given"), "{drawn}");
}
