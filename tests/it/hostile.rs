//! Input that nobody means well: a finding or a pipeline, never a panic, an overflow or a wait.

use crate::catalogue::TestCatalogue;
use bunsui::diagnostic::{Diagnostic, Sink, render_human, views};
use bunsui::{document, pipeline};
use proptest::prelude::*;

/// Reads, checks and renders bytes as `validate` does, and gives the findings.
fn read(bytes: &[u8]) -> Vec<Diagnostic> {
    let mut sink = Sink::new();
    let source = document::decode("hostile.toml", bytes.to_vec(), &mut sink);
    if let Some(document) = document::parse(&source, &mut sink) {
        pipeline::validate(&document, &TestCatalogue::new(), &mut sink);
    }
    let found = sink.into_sorted();
    for (finding, view) in found.iter().zip(views(&source, &found)) {
        assert!(!finding.message.is_empty() && !finding.message.contains('\n'), "{finding:?}");
        assert_eq!(finding.code, view.code);
        for label in &finding.labels {
            assert!(label.span.start <= label.span.end && label.span.end <= source.text.len(), "{finding:?}");
            assert!(source.text.is_char_boundary(label.span.start), "{finding:?}");
            assert!(source.text.is_char_boundary(label.span.end), "{finding:?}");
        }
    }
    let shown = render_human(&source, &found, false, 100);
    assert!(!shown.contains("Failed to read contents"), "{shown}");
    assert!(shown.len() < 200_000, "{} bytes would be printed", shown.len());
    assert!(shown.chars().all(|c| c == '\n' || !c.is_control()), "control characters would be printed");
    found
}

#[track_caller]
fn check(bytes: impl AsRef<[u8]>, code: &str) {
    let found = read(bytes.as_ref());
    let codes: Vec<&str> = found.iter().map(|finding| finding.code).collect();
    assert!(codes.contains(&code), "{codes:?}");
}

#[test]
fn bytes_that_are_no_text() {
    check(b"[pipeline]\nname = \"\xe9t\xe9\"\n", "bunsui::syntax::not_utf8");
    check(b"\xff\xfe[\0p\0", "bunsui::syntax::not_utf8");
    check([0xff; 1000], "bunsui::syntax::not_utf8");
    check(b"\0\0\0\0", "bunsui::syntax::invalid_key");
}

#[test]
fn a_finding_at_the_end_of_a_line_of_two_characters() {
    // Found by fuzzing: the label stands between the carriage return and the line feed.
    check(b"\x01\0\0\"\"\"\r\n\0", "bunsui::syntax::unclosed_string");
}

#[test]
fn deep_nesting() {
    for open in ["[", "{a=", "[{a.b.c=", "{a={b=["] {
        check(format!("x = {}", open.repeat(200)), "bunsui::syntax::too_deep");
        check(format!("x = {}", open.repeat(100_000)), "bunsui::syntax::too_deep");
    }
    check(format!("x = {}1{}", "[".repeat(100_000), "]".repeat(100_000)), "bunsui::syntax::too_deep");
    check(format!("{}x = 1", "a.".repeat(100_000)), "bunsui::syntax::too_deep");
    check(format!("[{}x]", "a.".repeat(100_000)), "bunsui::syntax::too_deep");
    check(format!("[\"a\".{}x]", "a.".repeat(100_000)), "bunsui::syntax::too_deep");
    check("[".repeat(100_000), "bunsui::syntax::invalid_key");
    check("[a.".repeat(100_000), "bunsui::syntax::too_deep");
    check(format!("x = \"{{% {}1 %}}\"", "(".repeat(100_000)), "bunsui::pipeline::unknown_key");
}

#[test]
fn the_deepest_that_is_allowed_is_read() {
    let payload = format!("{}1{}", "[".repeat(63), "]".repeat(63));
    let text = format!(
        "[pipeline]\nname = \"p\"\n[jobs.a]\n[[jobs.a.operations]]\nname = \"x\"\ntype = \"free\"\npayload = {payload}\n"
    );
    assert_eq!(read(text.as_bytes()), []);
}

#[test]
fn much_text() {
    let long = "x".repeat(5_000_000);
    let pipeline = |key: &str| {
        format!(
            "[pipeline]\nname = \"p\"\n{key}\n[jobs.a]\n[[jobs.a.operations]]\nname = \"x\"\ntype = \"free\"\n"
        )
    };
    assert_eq!(read(pipeline(&format!("description = \"{long}\"")).as_bytes()), []);
    check(pipeline(&format!("timeout = \"{long}\"")), "bunsui::pipeline::invalid_duration");
    check(pipeline(&format!("{long} = 1")), "bunsui::pipeline::unknown_key");
    check(pipeline(&format!("description = \"{long}")), "bunsui::syntax::unclosed_string");
    check(pipeline(&format!("description = {long}")), "bunsui::syntax::unquoted_value");
    check(vec![b'#'; 17 * 1024 * 1024], "bunsui::syntax::too_large");
}

/// Each of these made some stage do work that grew with the square of the text.
#[test]
fn very_many_of_the_same() {
    let many = |piece: &str| piece.repeat(150_000 / piece.len());
    check(format!("x = [{}", many(",")), "bunsui::syntax::unexpected_text");
    check(format!("x = [{}", many("\n")), "bunsui::syntax::unclosed_bracket");
    check(format!("x = [{}]", many("y,")), "bunsui::syntax::unquoted_value");
    check(many("x=[\n"), "bunsui::syntax::unclosed_bracket");
    check(many("x='\n"), "bunsui::syntax::unclosed_string");
    check(many("x=1\n"), "bunsui::syntax::duplicate_key");
    check(many("[x]\n"), "bunsui::syntax::duplicate_key");
    check(format!("x = {{{}}}", many("y=1,")), "bunsui::syntax::duplicate_key");
    check(many("=\n"), "bunsui::syntax::invalid_key");
    check(many("\""), "bunsui::syntax::unclosed_string");
    check(many("#\r"), "bunsui::syntax::invalid_character");
}

/// Millions of mistakes: those of a beginning are found, and the rest is not read.
#[test]
fn mistakes_without_end() {
    let many = |piece: &str| piece.repeat(8_000_000 / piece.len());
    for (text, code) in [
        (many("=\n"), "bunsui::syntax::invalid_key"),
        (many("x\n"), "bunsui::syntax::missing_value"),
        (many("[x\n"), "bunsui::syntax::unclosed_bracket"),
        (many("x=[\n"), "bunsui::syntax::unclosed_bracket"),
        (many("x='\n"), "bunsui::syntax::unclosed_string"),
        (format!("x = [{}", many(",")), "bunsui::syntax::unexpected_text"),
        (format!("x = {{{}}}", many("y=1,")), "bunsui::syntax::duplicate_key"),
    ] {
        check(text, code);
    }
    let file = |payload: &str| {
        format!(
            "[pipeline]\nname = \"p\"\n[jobs.a]\n[[jobs.a.operations]]\nname = \"x\"\ntype = \"free\"\npayload = \"{payload}\"\n"
        )
    };
    check(file(&format!("{{% 1{} %}}", "+1".repeat(2_500_000))), "bunsui::reference::jsonata_too_long");
    check(file(&format!("{{% [{}1] %}}", "$b,".repeat(200_000))), "bunsui::reference::unknown_variable");
    check(file(&"${jobs.b}".repeat(200_000)), "bunsui::reference::unknown_job");
    check(file(&"${b} ".repeat(200_000)), "bunsui::reference::unknown_root");
}

/// What is cut for its mistakes ends where a text may end: nothing is said of the cut.
#[test]
fn a_beginning_is_no_mistake() {
    let text = format!("x = [\n{}\n]\ny = [{}]\n", "1 2,\n".repeat(300_000), "1,".repeat(300_000));
    let found = read(text.as_bytes());
    assert!(found.len() > 400, "{}", found.len());
    assert!(found.iter().all(|finding| finding.code == "bunsui::syntax::unquoted_value"), "{found:?}");
}

#[test]
fn nothing_at_all() {
    check("", "bunsui::pipeline::empty");
    check(" \n\t\r\n", "bunsui::pipeline::empty");
    check("\u{feff}", "bunsui::pipeline::empty");
}

#[test]
fn line_ends_and_byte_order_marks() {
    let text = "[pipeline]\nname = \"p\"\n[jobs.a]\n[[jobs.a.operations]]\nname = \"x\"\ntype = \"free\"\n";
    assert_eq!(read(text.replace('\n', "\r\n").as_bytes()), []);
    assert_eq!(read(format!("\u{feff}{text}").as_bytes()), []);
    assert!(!read(text.replace('\n', "\r").as_bytes()).is_empty());
}

#[test]
fn many_mistakes_are_counted() {
    let text: String = (0..500).map(|n| format!("key{n} = 1\n")).collect();
    assert!(read(text.as_bytes()).len() > 500);
}

const PIPELINE: &str = include_str!("../cases/valid.toml");

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        read(&bytes);
    }

    #[test]
    fn any_text_of_toml(text in "([\\[\\]{}=,.\"'#\n\\\\$%_ -]|[a-c0-9]|jobs|é|\u{feff}|\r|\u{0}){0,80}") {
        read(text.as_bytes());
    }

    #[test]
    fn a_pipeline_with_a_piece_exchanged(
        at in 0..PIPELINE.len(), length in 0_usize..40, piece in "([\\[\\]{}=,.\"'#\n$%]|[a-z0-9]|params|\\$\\{|\\{%|é){0,6}"
    ) {
        let start = PIPELINE.floor_char_boundary(at);
        let end = PIPELINE.ceil_char_boundary((start + length).min(PIPELINE.len()));
        let text = format!("{}{piece}{}", &PIPELINE[..start], &PIPELINE[end..]);
        read(text.as_bytes());
    }
}
