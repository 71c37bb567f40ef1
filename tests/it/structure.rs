//! Modules import only modules above them in the reading order of src/lib.rs.

use std::path::{Path, PathBuf};

#[test]
fn modules_import_only_what_is_above_them() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let order = reading_order(&std::fs::read_to_string(source.join("lib.rs")).unwrap());
    assert!(order.len() > 5 && order[0] == "diagnostic", "src/lib.rs lists the modules: {order:?}");
    let mut wrong = Vec::new();
    for (rank, module) in order.iter().enumerate() {
        let files = files(&source.join(module));
        assert!(!files.is_empty(), "src/{module} is in the list and has no files");
        for file in files {
            let text = std::fs::read_to_string(&file).unwrap();
            for imported in imports(without_tests(&text)) {
                let at = order.iter().position(|other| *other == imported);
                if at.is_some_and(|at| at > rank) {
                    wrong.push(format!("{} imports `{imported}`, which comes later", file.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn an_import_from_below_would_be_seen() {
    let text = "//! [`crate::cli`]\nuse crate::{plan::Plan, runner};\nfn f() { crate::session::x() }\n#[cfg(test)]\nmod tests { use crate::cli; }\n";
    assert_eq!(imports(without_tests(text)), ["session", "plan", "runner"]);
}

/// The names in the numbered list of the crate's header.
fn reading_order(lib: &str) -> Vec<String> {
    let listed =
        lib.lines().filter_map(|line| line.strip_prefix("//! ")?.split_once(". [`")?.1.split_once("`]"));
    listed.map(|(name, _)| name.to_owned()).collect()
}

fn without_tests(text: &str) -> &str {
    text.find("#[cfg(test)]\nmod tests").map_or(text, |at| &text[..at])
}

/// The modules named by `crate::x` and `crate::{x, y::z}` outside comments.
fn imports(text: &str) -> Vec<String> {
    let code: String = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .map(|line| format!("{line}\n"))
        .collect();
    let word =
        |text: &str| text.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect::<String>();
    let mut found: Vec<String> =
        code.match_indices("crate::").map(|(at, path)| word(&code[at + path.len()..])).collect();
    found.retain(|name| !name.is_empty());
    for (at, open) in code.match_indices("crate::{") {
        let mut depth = 0;
        let mut starts = true;
        for (offset, c) in code[at + open.len()..].char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' => starts = depth == 0,
                c if starts && c.is_ascii_lowercase() => {
                    found.push(word(&code[at + open.len() + offset..]));
                    starts = false;
                }
                _ => {}
            }
        }
    }
    found
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder of the project") {
        let path = entry.expect("a folder of the project").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}
