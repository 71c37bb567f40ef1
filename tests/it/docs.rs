//! The documentation is true where a test can tell: command lines are understood, and what it points to is there.

use bunsui_test_support::repository;
use clap::error::ErrorKind;
use std::path::{Path, PathBuf};

/// Commands that a text may name although they do not exist: it says so.
const NOT_YET: [&str; 1] = ["deploy"];

#[test]
fn command_lines_are_understood() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for file in texts() {
        let text = std::fs::read_to_string(&file).unwrap();
        for line in console_lines(&text) {
            for arguments in bunsui_commands(&split(&line)) {
                count += 1;
                if let Err(error) = bunsui::cli::check_arguments(&arguments) {
                    wrong.push(format!("{}: {line}\n{error}", shown(&file)));
                }
            }
        }
        for code in inline_codes(&text) {
            let words = split(code);
            if words.first().is_none_or(|word| word != "bunsui") || code.contains(['…', '[', '<']) {
                continue;
            }
            count += 1;
            // A command that is only named has no arguments.
            let lacks = |kind: ErrorKind| {
                use ErrorKind::{
                    DisplayHelpOnMissingArgumentOrSubcommand, MissingRequiredArgument, MissingSubcommand,
                };
                matches!(
                    kind,
                    MissingRequiredArgument | MissingSubcommand | DisplayHelpOnMissingArgumentOrSubcommand
                )
            };
            match bunsui::cli::check_arguments(&words[1..]) {
                Err(error) if !lacks(error.kind()) && !NOT_YET.contains(&words[1].as_str()) => {
                    wrong.push(format!("{}: `{code}`\n{error}", shown(&file)));
                }
                _ => {}
            }
        }
    }
    assert!(count > 70, "only {count} command lines were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_is_pointed_to_is_there() {
    let mut missing = Vec::new();
    let mut count = 0;
    for file in texts() {
        let text = std::fs::read_to_string(&file).unwrap();
        let folder = file.parent().unwrap();
        for link in links(&text) {
            count += 1;
            if !folder.join(&link).exists() {
                missing.push(format!("{}: link to {link}", shown(&file)));
            }
        }
        for code in inline_codes(&text).filter(|code| is_path_of_the_repository(code)) {
            count += 1;
            if !repository().join(code).exists() {
                missing.push(format!("{}: `{code}`", shown(&file)));
            }
        }
    }
    assert!(count > 10, "only {count} links and paths were found");
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

#[test]
fn lines_are_split_as_a_shell_would() {
    let commands = |line: &str| bunsui_commands(&split(line));
    assert_eq!(commands("cd x && bunsui run a.toml # why"), [["run", "a.toml"]]);
    assert_eq!(commands("A=b bunsui explain 'x y' > file"), [["explain", "x y"]]);
    assert_eq!(commands("cargo run -- plan \"a b\" | less"), [["plan", "a b"]]);
    assert_eq!(commands("cargo test"), Vec::<Vec<String>>::new());
}

fn texts() -> Vec<PathBuf> {
    let mut files = vec![repository().join("README.md")];
    let mut folders = vec![repository().join("docs")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

fn shown(file: &Path) -> String {
    file.strip_prefix(repository()).unwrap_or(file).display().to_string()
}

/// Lines after `$ ` in console blocks, but for those that a page of a code shows as wrong.
fn console_lines(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut in_console = false;
    let mut is_wrong = false;
    for line in text.lines() {
        match line.strip_prefix("```") {
            Some(kind) => in_console = !in_console && kind.starts_with("console"),
            None if in_console && !is_wrong => {
                lines.extend(line.strip_prefix("$ ").map(str::to_owned));
            }
            None if !in_console && !line.is_empty() => is_wrong = line.starts_with("Wrong"),
            None => {}
        }
    }
    lines
}

/// Text between single backticks outside blocks.
fn inline_codes(text: &str) -> impl Iterator<Item = &str> {
    let outside = text.split("```").step_by(2);
    outside.flat_map(|text| text.split("\n\n")).flat_map(|paragraph| paragraph.split('`').skip(1).step_by(2))
}

fn links(text: &str) -> Vec<String> {
    let targets = text.split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0));
    let local = targets.filter(|target| !target.contains("://") && !target.starts_with('#'));
    local.map(|target| target.split('#').next().unwrap_or_default().to_owned()).collect()
}

fn is_path_of_the_repository(code: &str) -> bool {
    let is_plain = code.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c));
    let folders = [
        "src/",
        "docs/",
        "tests/",
        "benches/",
        "plugins/abi",
        "plugins/sdk",
        "plugins/ecs",
        "plugins/lambda",
        "plugins/aws-service",
    ];
    is_plain && folders.iter().any(|folder| code.starts_with(folder))
}

/// Words; quotes group, `#` begins a comment, operators are words of their own.
fn split(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in line.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some(_), c) => word.get_or_insert_default().push(c),
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, '#') if word.is_none() => break,
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (None, c @ ('|' | ';' | '<' | '>' | '&')) => {
                words.extend(word.take());
                words.push(c.to_string());
            }
            (None, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// What follows `bunsui`, or `cargo run --`, up to an operator.
fn bunsui_commands(words: &[String]) -> Vec<Vec<String>> {
    let parts = words.split(|word| matches!(word.as_str(), "|" | ";" | "<" | ">" | "&"));
    parts
        .filter_map(|part| {
            let is_variable = |word: &&String| {
                word.split_once('=')
                    .is_some_and(|(name, _)| name.chars().all(|c| c.is_ascii_uppercase() || c == '_'))
            };
            let part = &part[part.iter().take_while(is_variable).count()..];
            match part {
                [first, rest @ ..] if first == "bunsui" || first.ends_with("target/debug/bunsui") => {
                    Some(rest.to_vec())
                }
                [first, second, third, rest @ ..] if first == "cargo" && second == "run" && third == "--" => {
                    Some(rest.to_vec())
                }
                _ => None,
            }
        })
        .collect()
}

/// The commands of each ```console block, without what is said behind them.
fn commands(file: &str) -> Vec<String> {
    let text = std::fs::read_to_string(bunsui_test_support::repository().join(file)).expect("it is there");
    let blocks = text.split("```console\n").skip(1).filter_map(|rest| rest.split("```").next());
    let lines = blocks.flat_map(str::lines).filter_map(|line| line.strip_prefix("$ "));
    lines.map(|line| line.split(" # ").next().unwrap_or(line).trim_end().to_owned()).collect()
}

#[test]
fn both_readmes_have_the_same_commands() {
    let english = commands("README.md");
    assert!(english.len() > 20, "{english:?}");
    assert_eq!(english, commands("README.ja.md"));
}
