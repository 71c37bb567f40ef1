//! What screens look like where there are sixteen colours on a background that nobody knows, and where there are none.

use super::*;
use ratatui::buffer::{Buffer, Cell};
use ratatui::style::{Color, Modifier};

fn buffer(screen: &Screen, theme: Theme) -> Buffer {
    let Size { width, height } = screen.state.size;
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("it is memory");
    terminal.draw(|frame| view(&screen.state, theme, frame)).expect("it is memory");
    terminal.backend().buffer().clone()
}

/// Sessions of every status, driven and not.
fn every_status() -> Vec<SessionRow> {
    use SessionStatus as S;
    let all = [S::Created, S::Running, S::Pausing, S::Paused, S::Cancelling, S::Cancelled]
        .into_iter()
        .chain([S::Succeeded, S::Failed, S::TimedOut]);
    let driven = all.map(|status| SessionRow {
        record: record(0, "etl", status),
        is_driven: !status.is_final() && status != S::Paused,
    });
    driven.chain([SessionRow { record: record(0, "etl", S::Running), is_driven: false }]).collect()
}

/// Every screen, and what can be in front of one.
fn screens() -> Vec<(&'static str, Screen)> {
    let mut sessions = Screen::with_sessions(80, 24);
    sessions.hears(Answer::Sessions(Ok(listed(every_status()))));
    let session = |keys: &str| {
        let mut screen = Screen::with_session(80, 24);
        screen.types(keys);
        screen
    };
    let mut details = session("n");
    details.press(KeyCode::Enter);
    let mut files = session("2");
    let last = rows().swap_remove(1);
    let broken = Found { errors: 1, findings: "a key is wanted".into(), ..found("broken") };
    let doubtful = Found { warnings: 2, last: Some(last), ..found("doubtful") };
    files.hears(pipelines(vec![broken, doubtful, found("new")]));
    let problem = || Problem { message: "permission denied".into(), help: Some("look at its owner".into()) };
    let mut unreachable = Screen::new(80, 24);
    unreachable.hears(Answer::Sessions(Err(problem())));
    let mut old = Screen::with_sessions(80, 24);
    old.hears(Answer::Sessions(Err(problem())));
    let mut cancel = Screen::with_sessions(80, 24);
    cancel.types("c");
    vec![
        ("sessions", sessions),
        ("session", session("")),
        ("details", details),
        ("pipelines", files),
        ("filter", session("/lo")),
        ("help", session("?")),
        ("cancel", cancel),
        ("unreachable", unreachable),
        ("old", old),
    ]
}

/// Whether a cell is one of those that say nothing that a word beside them does not say.
fn is_sign(cell: &Cell) -> bool {
    ["✓", "█", "▒", " "].contains(&cell.symbol())
}

#[test]
fn every_colour_is_readable_on_black_and_on_white() {
    let mut seen = Vec::new();
    for (name, screen) in screens() {
        for cell in buffer(&screen, Theme::Colour).content() {
            let is_fine = match cell.fg {
                Color::Reset | Color::Red | Color::Magenta => true,
                Color::Green => is_sign(cell),
                _ => false,
            };
            assert!(is_fine && cell.bg == Color::Reset, "{name}: {cell:?}");
            seen.push(cell.fg);
        }
    }
    for colour in [Color::Red, Color::Magenta, Color::Green] {
        assert!(seen.contains(&colour), "{colour:?} is on no screen, so nothing was tested of it");
    }
}

#[test]
fn without_colours_the_words_are_the_same_and_what_is_selected_is_seen() {
    for (name, screen) in screens() {
        let (plain, coloured) = (buffer(&screen, Theme::Plain), buffer(&screen, Theme::Colour));
        for (cell, other) in plain.content().iter().zip(coloured.content()) {
            assert_eq!((cell.fg, cell.bg), (Color::Reset, Color::Reset), "{name}: {cell:?}");
            assert_eq!(cell.symbol(), other.symbol(), "{name}");
        }
        if !["sessions", "session", "pipelines"].contains(&name) {
            continue;
        }
        let is_reversed = |x, y| plain[(x, y)].modifier.contains(Modifier::REVERSED);
        // The title is line 0.
        let marked: Vec<u16> = (1..24).filter(|y| (4..20).all(|x| is_reversed(x, *y))).collect();
        assert_eq!(marked.len(), 1, "{name}: {marked:?}");
    }
}

/// The cells as text, and below each line what its cells look like, where they are anything else than text.
fn looks(buffer: &Buffer) -> String {
    let mut text = String::new();
    for row in buffer.content().chunks(usize::from(buffer.area.width)) {
        let (mut line, mut look, mut hidden) = (String::new(), String::new(), 0);
        for cell in row {
            // At the right of a wide character is a cell that nobody sees.
            if hidden == 0 {
                line.push_str(cell.symbol());
                hidden = console::measure_text_width(cell.symbol()).max(1);
            }
            hidden -= 1;
            look.push(look_of(cell));
        }
        text.push_str(&format!("|{}\n", line.trim_end()));
        if !look.trim().is_empty() {
            text.push_str(&format!(" {}\n", look.trim_end()));
        }
    }
    text
}

fn look_of(cell: &Cell) -> char {
    match (cell.fg, cell.modifier) {
        (_, modifier) if modifier.contains(Modifier::REVERSED) => '#',
        _ if cell.symbol() == " " => ' ',
        (Color::Red, _) => 'r',
        (Color::Green, _) => 'g',
        (Color::Magenta, _) => 'm',
        (_, modifier) if modifier.contains(Modifier::BOLD) => 'b',
        (_, modifier) if modifier.contains(Modifier::DIM) => 'd',
        _ => ' ',
    }
}

#[test]
fn sessions_in_sixteen_colours() {
    let (_, screen) = screens().swap_remove(0);
    insta::assert_snapshot!(looks(&buffer(&screen, Theme::Colour)));
}

#[test]
fn a_session_in_sixteen_colours() {
    insta::assert_snapshot!(looks(&buffer(&Screen::with_session(80, 24), Theme::Colour)));
}

#[test]
fn a_session_without_colours() {
    insta::assert_snapshot!(looks(&buffer(&Screen::with_session(80, 24), Theme::Plain)));
}

fn foot(screen: &Screen) -> String {
    buffer(screen, Theme::Plain)
        .content()
        .rchunks(80)
        .next()
        .expect("a line")
        .iter()
        .map(Cell::symbol)
        .collect()
}

#[test]
fn the_foot_has_the_keys_that_do_something() {
    let mut screen = Screen::with_sessions(80, 24);
    let expect = |screen: &Screen, there: &[&str], absent: &[&str]| {
        let foot = foot(screen);
        assert!(there.iter().all(|hint| foot.contains(hint)), "{there:?} in {foot}");
        assert!(!absent.iter().any(|hint| foot.contains(hint)), "{absent:?} in {foot}");
    };
    expect(&screen, &["p pause", "c cancel", "L logs", "s sort"], &["r resume", "t retry"]);
    screen.types("j");
    expect(&screen, &["t retry", "L logs"], &["p pause", "r resume", "c cancel"]);
    screen.types("j");
    expect(&screen, &["r resume", "c cancel", "L logs"], &["t retry"]);
}

#[test]
fn names_that_are_too_long_are_cut_where_it_can_be_seen() {
    let long = "monthly-reconciliation-of-all-subsidiaries-including-europe-and";
    let row = SessionRow { record: record(1, long, SessionStatus::Failed), is_driven: false };
    let mut screen = Screen::new(80, 24);
    screen.hears(Answer::Sessions(Ok(listed(vec![row.clone()]))));
    screen.hears(Answer::Counts(Ok(vec![(id(1), Counts { done: 4, running: 0, failed: 1 })])));
    let drawn = screen.drawn();
    assert!(drawn.contains("monthly-reconciliation-of-a… ") && drawn.contains("4/4 ✗1"), "{drawn}");
    screen.types("2");
    screen.hears(pipelines(vec![Found { last: Some(row.clone()), ..found(long) }]));
    let drawn = screen.drawn();
    assert!(drawn.contains("… ") && drawn.contains("1m 15s  11-25 07:00"), "{drawn}");
    screen.press(KeyCode::Enter);
    let job = "check-reconcile-the-ledger-of-the-whole-holding-with-every-subsidiary";
    let opened = Opened { row: row.clone(), jobs: vec![job.into()], pipeline: None };
    screen.hears(Answer::Opened(id(1), Box::new(Ok(opened))));
    screen.hears(Answer::Page(id(1), Box::new(Ok(Page { row, events: Vec::new(), has_more: false }))));
    let drawn = screen.drawn();
    // Where it is stays on the screen, and so does how far it is.
    assert!(drawn.contains("… local .bunsui") && drawn.contains("0 of 4 jobs done"), "{drawn}");
    assert!(drawn.contains("check-reconcile-the-l"), "{drawn}");
}
