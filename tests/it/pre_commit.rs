//! The hook in a repository, run by the real pre-commit: a good commit passes, a bad one fails with its finding on screen.

use bunsui_test_support::{Scratch, repository, tool};
use std::process::Command;

/// A repository with a pipeline and a lock, in which bunsui is on the PATH and no plugin is installed.
fn project() -> Scratch {
    let scratch = crate::scratch();
    scratch.write("pipelines/p.toml", "[pipeline]\nname = \"p\"\n[[jobs.a.operations]]\nname = \"one\"\ntype = \"lambda\"\nfunction = \"f\"\n");
    scratch.write("bunsui.toml", "");
    scratch.run("plugin lock").expect_code(0);
    let nowhere = scratch.directory().join("nowhere").display().to_string();
    scratch.with_variable("BUNSUI_PLUGIN_PATH", &nowhere).alone()
}

/// A command in the scratch folder, with bunsui on its PATH.
fn command(scratch: &Scratch, program: &str, arguments: &[&str]) -> Command {
    let bunsui = scratch.command(["x"]);
    let folder = std::path::Path::new(bunsui.get_program()).parent().expect("it lies in a folder").to_owned();
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new(program);
    command
        .args(arguments)
        .current_dir(scratch.directory())
        .env_clear()
        .env("PATH", format!("{}:{path}", folder.display()))
        .env("HOME", scratch.home())
        .env("BUNSUI_PLUGIN_PATH", scratch.directory().join("nowhere"));
    for (name, value) in [
        ("GIT_AUTHOR_NAME", "a"),
        ("GIT_AUTHOR_EMAIL", "a@b"),
        ("GIT_COMMITTER_NAME", "a"),
        ("GIT_COMMITTER_EMAIL", "a@b"),
    ] {
        command.env(name, value);
    }
    command
}

fn run(mut command: Command) -> (bool, String) {
    let done = command.output().expect("it starts");
    (
        done.status.success(),
        String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr),
    )
}

#[test]
fn a_good_commit_passes_and_a_bad_one_fails_with_its_finding() {
    let Some(pre_commit) = tool("pre-commit") else { return };
    let scratch = project();
    // The hooks' repository, as others refer to it.
    let hooks = scratch.home().join("hooks");
    std::fs::create_dir_all(&hooks).unwrap();
    std::fs::copy(repository().join(".pre-commit-hooks.yaml"), hooks.join(".pre-commit-hooks.yaml")).unwrap();
    let git = |folder: &std::path::Path, arguments: &[&str]| {
        let mut git = command(&scratch, "git", arguments);
        let (is_done, text) = run({
            git.current_dir(folder);
            git
        });
        assert!(is_done, "git {arguments:?}: {text}");
    };
    git(&hooks, &["init", "-q"]);
    git(&hooks, &["add", "."]);
    git(&hooks, &["commit", "-qm", "hooks"]);
    git(&hooks, &["tag", "v1"]);
    scratch.write(
        ".pre-commit-config.yaml",
        format!(
            "repos:\n  - repo: {}\n    rev: v1\n    hooks:\n      - id: bunsui-validate\n",
            hooks.display()
        ),
    );
    let folder = scratch.directory();
    git(folder, &["init", "-q"]);
    git(folder, &["add", "."]);
    let executable = pre_commit.display().to_string();
    let (is_good, text) = run(command(&scratch, &executable, &["run", "--color", "never"]));
    assert!(is_good && text.contains("Passed"), "{text}");
    // A mistake, and the finding at its place.
    scratch.write("pipelines/p.toml", scratch.read("pipelines/p.toml").replace("function", "functoin"));
    git(folder, &["add", "."]);
    let (is_good, text) = run(command(&scratch, &executable, &["run", "--color", "never"]));
    assert!(!is_good, "{text}");
    assert!(text.contains("pipelines/p.toml:6:1") && text.contains("did you mean `function`?"), "{text}");
}
