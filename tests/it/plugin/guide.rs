//! docs/plugin-guide.md is followed: each block in its order, with the real bunsui and the real Cargo, offline.
//!
//! A console block's commands run in one shell; the lines below a command are part of what it says, in that order, and `…` in
//! them is anything. A comment before a block says what else is done with it:
//!
//! - `file PATH`: it is a new file
//! - `in PATH`: the file has these lines
//! - `replace in PATH: LINE`, `add to PATH below: LINE`, `add to PATH`: the file is changed
//! - `exit code N`: the block's last command leaves with N
//! - `shown`: for readers only

use bunsui_test_support::repository;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

#[derive(Debug)]
struct Block {
    /// The first line's number in the guide.
    line: usize,
    language: String,
    mark: Option<String>,
    text: String,
}

#[test]
fn the_guide_can_be_followed() {
    let guide = fs::read_to_string(repository().join("docs/plugin-guide.md")).unwrap();
    let shell = Shell::new("guide");
    let blocks = blocks(&guide);
    let mut ran = 0;
    for block in &blocks {
        ran += follow(block, &shell);
    }
    assert!(ran > 20, "only {ran} commands were run");
}

#[test]
fn a_plugin_of_another_name_builds_with_the_sdk_of_a_checkout() {
    let shell = Shell::new("checkout");
    let checkout = repository().canonicalize().unwrap();
    shell.run(&format!("bunsui plugin new My-type_2 'a folder' --sdk '{}'", checkout.display()), 0);
    shell.run("cd 'a folder' && cargo fmt --check", 0);
    let said = shell.run("cargo test", 0);
    assert!(said.contains("test result: ok. 7 passed"), "{said}");
}

fn follow(block: &Block, shell: &Shell) -> usize {
    let Block { line, language, mark, text } = block;
    let mark = mark.as_deref().unwrap_or_default();
    let (word, rest) = mark.split_once(' ').unwrap_or((mark, ""));
    match (language.as_str(), word) {
        ("console", "") => return commands(block, 0, shell),
        ("console", "exit") => {
            let code = rest.trim_start_matches("code ").parse().expect("a number");
            return commands(block, code, shell);
        }
        (_, "file") => {
            let path = shell.path(rest);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        (_, "in") => {
            let is_there = shell.read(rest).contains(text);
            assert!(is_there, "line {line}: {rest} has no such lines:\n{text}");
        }
        (_, "replace" | "add") => change(shell, rest, text),
        (_, "shown") => {}
        _ => panic!("line {line}: nobody says what is to be done with this block"),
    }
    0
}

/// `in PATH: LINE`, `to PATH below: LINE`, `to PATH`.
fn change(shell: &Shell, rest: &str, text: &str) {
    let (place, at) = rest.split_once(": ").unwrap_or((rest, ""));
    let (how, place) = place.split_once(' ').expect("a word and a path");
    let path = place.trim_end_matches(" below");
    let before = shell.read(path);
    if at.is_empty() {
        return fs::write(shell.path(path), before + text).unwrap();
    }
    assert_eq!(before.lines().filter(|line| line.trim() == at).count(), 1, "`{at}` in {path}");
    let mut after = String::new();
    for line in before.lines() {
        match (line.trim() == at, how) {
            (true, "in") => after.push_str(text),
            (true, _) => write!(after, "{line}\n{text}").unwrap(),
            (false, _) => writeln!(after, "{line}").unwrap(),
        }
    }
    fs::write(shell.path(path), after).unwrap();
}

/// Runs a block's commands, the last with this exit code; gives their number.
fn commands(block: &Block, code: i32, shell: &Shell) -> usize {
    let parts: Vec<&str> = block.text.split("$ ").filter(|part| !part.trim().is_empty()).collect();
    for (at, part) in parts.iter().enumerate() {
        let (command, expected) = part.split_once('\n').unwrap_or((part, ""));
        let said = shell.run(command, if at + 1 == parts.len() { code } else { 0 });
        let mut rest = said.lines();
        for line in expected.lines().map(str::trim) {
            let is_said = rest.any(|found| has(found, line));
            assert!(is_said, "line {}: `{command}` does not say `{line}`:\n{said}", block.line);
        }
    }
    parts.len()
}

/// Whether a line has the expected text; `…` in it is anything.
fn has(found: &str, expected: &str) -> bool {
    let mut rest = found;
    expected.split('…').all(|part| match rest.split_once(part) {
        Some((_, after)) => {
            rest = after;
            true
        }
        None => false,
    })
}

fn blocks(guide: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut mark = None;
    let mut open: Option<Block> = None;
    for (at, line) in guide.lines().enumerate() {
        match (line.strip_prefix("```"), open.as_mut()) {
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (None, Some(block)) => writeln!(block.text, "{line}").unwrap(),
            (Some(language), None) => {
                let (language, text) = (language.to_owned(), String::new());
                open = Some(Block { line: at + 1, language, mark: mark.take(), text });
            }
            (None, None) => {
                let comment = line.strip_prefix("<!-- ").and_then(|rest| rest.strip_suffix(" -->"));
                mark = comment.map(ToOwned::to_owned).or(mark.filter(|_| line.is_empty()));
            }
        }
    }
    blocks
}

/// Whoever writes a plugin does so elsewhere: settings, the lock and the format of this repository do not reach there.
fn place() -> PathBuf {
    use sha2::{Digest, Sha256};
    let of_checkout = Sha256::digest(env!("CARGO_TARGET_TMPDIR"));
    std::env::temp_dir().join(format!(
        "bunsui-plugin-guide-{:02x}{:02x}{:02x}",
        of_checkout[0], of_checkout[1], of_checkout[2]
    ))
}

/// A shell whose folder and variables last from one command to the next. Its place is always the same, so that Cargo builds what
/// others wrote once, and only there: what a guide builds must not lie where other tests look for plugins.
struct Shell {
    root: PathBuf,
}

impl Shell {
    fn new(name: &str) -> Self {
        let root = place().join(name);
        let _ = fs::remove_dir_all(&root);
        for folder in ["work", "home", "bin"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        symlink(env!("CARGO_BIN_EXE_bunsui"), root.join("bin/bunsui")).unwrap();
        // What a registry would give may be newer than what is there: the versions are the workspace's.
        let cargo = "#!/bin/sh\n[ -e Cargo.lock ] || cp \"$GUIDE_LOCK\" Cargo.lock\n\
                     [ -e target ] || ln -s \"$GUIDE_TARGET\" target\nexec \"$CARGO\" \"$@\"\n";
        fs::write(root.join("bin/cargo"), cargo).unwrap();
        fs::set_permissions(root.join("bin/cargo"), fs::Permissions::from_mode(0o755)).unwrap();
        let shell = Self { root };
        fs::write(shell.root.join("folder"), shell.root.join("work").to_str().unwrap()).unwrap();
        fs::write(shell.root.join("variables"), "").unwrap();
        shell
    }

    fn path(&self, path: &str) -> PathBuf {
        Path::new(&fs::read_to_string(self.root.join("folder")).unwrap()).join(path)
    }

    #[track_caller]
    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// What it says, on both outputs.
    #[track_caller]
    fn run(&self, command: &str, code: i32) -> String {
        let script = format!(
            ". \"$ROOT/variables\"; cd \"$(cat \"$ROOT/folder\")\"\n{command}\ncode=$?\n\
             printf %s \"$PWD\" > \"$ROOT/folder\"; export -p > \"$ROOT/variables\"; exit $code\n"
        );
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("plugin-guide/target");
        fs::create_dir_all(&target).unwrap();
        let output = fs::File::create(self.root.join("output")).unwrap();
        let mut shell = Command::new("sh");
        shell.args(["-c", &script]).current_dir(&self.root).env_clear().stdin(Stdio::null());
        shell.stdout(output.try_clone().unwrap()).stderr(output);
        shell.envs(self.variables()).env("GUIDE_TARGET", target);
        let status = shell.status().expect("sh starts");
        let said = fs::read(self.root.join("output")).unwrap();
        let said = String::from_utf8_lossy(&said).into_owned();
        assert_eq!(status.code(), Some(code), "`{command}` says\n{said}");
        said
    }

    fn variables(&self) -> Vec<(&'static str, String)> {
        let text = |path: PathBuf| path.to_str().expect("paths are texts").to_owned();
        let variable = |name: &str| std::env::var(name).ok();
        let home = PathBuf::from(variable("HOME").unwrap_or_default());
        let cargo = variable("CARGO").unwrap_or_else(|| env!("CARGO").to_owned());
        let toolchain = Path::new(&cargo).parent().map(|folder| text(folder.to_owned())).unwrap_or_default();
        let bin = text(self.root.join("bin"));
        let path = format!("{bin}:{toolchain}:{}", variable("PATH").unwrap_or_default());
        let mut variables = vec![
            ("ROOT", text(self.root.clone())),
            ("PATH", path),
            ("HOME", text(self.root.join("home"))),
            ("CARGO", cargo),
            ("CARGO_HOME", variable("CARGO_HOME").unwrap_or_else(|| text(home.join(".cargo")))),
            ("CARGO_NET_OFFLINE", "true".to_owned()),
            ("CARGO_INCREMENTAL", "0".to_owned()),
            ("CARGO_PROFILE_DEV_DEBUG", "0".to_owned()),
            ("GUIDE_LOCK", text(repository().join("Cargo.lock"))),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ];
        let rustup = variable("RUSTUP_HOME").unwrap_or_else(|| text(home.join(".rustup")));
        variables.push(("RUSTUP_HOME", rustup));
        // Where an instrumented build leaves its counters.
        variables.extend(variable("LLVM_PROFILE_FILE").map(|file| ("LLVM_PROFILE_FILE", file)));
        variables.extend(variable("RUSTUP_TOOLCHAIN").map(|toolchain| ("RUSTUP_TOOLCHAIN", toolchain)));
        variables
    }
}
