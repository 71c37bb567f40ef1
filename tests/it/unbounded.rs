//! Files without an end, or with far too much: none is read beyond its limit.

use super::scratch;
use bunsui_test_support::Scratch;
use std::fs::File;
use std::os::unix::fs::symlink;
use std::process::Command;

/// Six gigabytes that take no room on the disk.
fn with_sparse_file(name: &str) -> Scratch {
    let scratch = scratch();
    scratch.write(name, "");
    File::create(scratch.directory().join(name)).unwrap().set_len(6 << 30).unwrap();
    scratch
}

fn pipeline(scratch: &Scratch) {
    scratch.write(
        "p.toml",
        "[pipeline]\nname = \"p\"\n[params]\ntok = { type = \"string\" }\n[jobs.a]\n[[jobs.a.operations]]\nname = \"x\"\n\
         type = \"lambda\"\nfunction = \"f\"\nlocal = { result = 1 }\n",
    );
}

#[track_caller]
fn refused(scratch: &Scratch, command: &str) {
    let finished = scratch.run(command);
    assert_eq!(finished.code, Some(2), "{command}: {}", finished.stderr);
    assert!(finished.stderr.contains("bunsui::syntax::too_large"), "{command}: {}", finished.stderr);
}

#[test]
fn pipelines() {
    let scratch = with_sparse_file("large.toml");
    pipeline(&scratch);
    refused(&scratch, "validate /dev/zero");
    refused(&scratch, "validate large.toml");
    refused(&scratch, "plan /dev/zero");
    // The others are checked all the same.
    scratch.write("other.toml", "[pipeline]\nnane = \"p\"\n");
    let finished = scratch.run("validate .");
    assert!(finished.stderr.contains("bunsui::syntax::too_large"), "{}", finished.stderr);
    assert!(finished.stderr.contains("bunsui::pipeline::unknown_key"), "{}", finished.stderr);
}

#[test]
fn parameters() {
    let scratch = with_sparse_file("large.json");
    pipeline(&scratch);
    refused(&scratch, "plan p.toml --param tok=@/dev/zero");
    refused(&scratch, "plan p.toml --param tok=@large.json");
    refused(&scratch, "plan p.toml --params large.json");
    refused(&scratch, "plan p.toml --params /dev/zero");
}

#[test]
fn definitions_and_inputs() {
    let scratch = with_sparse_file("large.json");
    scratch.write(
        "d.json",
        r#"{"QueryLanguage": "JSONata", "StartAt": "A", "States": {"A": {"Type": "Succeed"}}}"#,
    );
    refused(&scratch, "execute /dev/zero");
    refused(&scratch, "execute d.json --input @large.json");
    refused(&scratch, "execute d.json --mock /dev/zero");
}

#[test]
fn settings() {
    let scratch = with_sparse_file("bunsui.toml");
    refused(&scratch, "config show");
}

#[test]
fn a_folder_gives_its_regular_files_alone() {
    let scratch = scratch();
    pipeline(&scratch);
    let folder = scratch.directory();
    std::fs::create_dir(folder.join("folder")).unwrap();
    let made = Command::new("mkfifo").arg(folder.join("folder/pipe.toml")).status().unwrap();
    assert!(made.success());
    symlink("/dev/zero", folder.join("folder/zero.toml")).unwrap();
    let finished = scratch.run("validate folder");
    assert_eq!(finished.code, Some(2), "{}", finished.stderr);
    assert!(finished.stderr.contains("there is no .toml file in it"), "{}", finished.stderr);
    // A link to a file is one.
    symlink("../p.toml", folder.join("folder/p.toml")).unwrap();
    scratch.run("validate folder").expect_code(0);
}
