//! Every code has a page, every page a code.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

#[test]
fn codes_in_the_source_are_those_of_the_pages() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut used = BTreeSet::new();
    for folder in ["src", "plugins"] {
        for text in sources(&root.join(folder)) {
            used.extend(codes(&text));
        }
    }
    let mut documented = BTreeSet::new();
    for page in bunsui::diagnostic::pages() {
        assert!(page.text.len() > 40, "the page of {} is empty", page.code);
        assert!(documented.insert(page.code.to_owned()), "{} has two pages", page.code);
    }
    let missing: Vec<_> = used.difference(&documented).collect();
    let unused: Vec<_> = documented.difference(&used).collect();
    assert!(missing.is_empty(), "no page in docs/diagnostics: {missing:#?}");
    assert!(unused.is_empty(), "not in the source: {unused:#?}");
}

#[test]
fn pages_show_what_is_wrong_and_what_is_right() {
    for page in bunsui::diagnostic::pages() {
        let fences = page.text.matches("\n```").count() + usize::from(page.text.starts_with("```"));
        assert!(fences >= 4, "{} needs an example that is wrong and the same made right", page.code);
        assert_eq!(fences % 2, 0, "{} has a block that is not closed", page.code);
        let says = |word: &str| page.text.lines().any(|line| line.starts_with(word));
        assert!(says("Wrong") && says("Right"), "{} does not say which example is wrong", page.code);
    }
}

/// What is wrong in a page of `syntax` earns its code, and whatever is right, or wrong in meaning only, is TOML.
#[test]
fn examples_are_what_their_pages_say() {
    for page in bunsui::diagnostic::pages() {
        let blocks: Vec<&str> =
            page.text.split("```toml\n").skip(1).filter_map(|rest| rest.split("\n```").next()).collect();
        let [wrong, right] = blocks[..] else { continue };
        let found = syntax_errors(wrong);
        match page.code {
            // Neither sixteen megabytes nor a control character stand well on a page.
            "bunsui::syntax::too_large" | "bunsui::syntax::invalid_character" => {}
            code if area(code) == "syntax" => assert!(found.contains(&code), "{code}: {found:?}"),
            code => assert_eq!(found, Vec::<&str>::new(), "{code}"),
        }
        assert_eq!(syntax_errors(right), Vec::<&str>::new(), "{}", page.code);
    }
}

fn syntax_errors(text: &str) -> Vec<&'static str> {
    let mut sink = bunsui::diagnostic::Sink::new();
    let source = bunsui::document::decode("example.toml", format!("{text}\n").into_bytes(), &mut sink);
    bunsui::document::parse(&source, &mut sink);
    sink.into_sorted().iter().map(|finding| finding.code).collect()
}

fn area(code: &str) -> &str {
    code.split("::").nth(1).unwrap_or_default()
}

/// `"bunsui::area::name"`, as a literal of its own; in tests too, where only codes that exist are of use.
fn codes(text: &str) -> Vec<String> {
    let mut found: BTreeMap<String, ()> = BTreeMap::new();
    for (at, _) in text.match_indices("\"bunsui::") {
        let rest = &text[at + 1..];
        let code: String = rest
            .chars()
            .take_while(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | ':'))
            .collect();
        if code.split("::").count() == 3 && rest[code.len()..].starts_with('"') {
            found.insert(code, ());
        }
    }
    found.into_keys().collect()
}

fn sources(folder: &Path) -> Vec<String> {
    let mut texts = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder of the project") {
        let path = entry.expect("a folder of the project").path();
        if path.is_dir() {
            texts.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            texts.push(std::fs::read_to_string(path).expect("source is UTF-8"));
        }
    }
    texts
}
