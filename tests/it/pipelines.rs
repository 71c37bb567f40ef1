//! The pieces of pipelines/ by themselves: Python that has to work before bunsui runs it.

use bunsui_test_support::repository;
use std::process::Command;

#[track_caller]
fn check_python(folder: &str) {
    let output = Command::new("python3")
        .args(["-B", "-m", "unittest", "discover", "--buffer", folder])
        .current_dir(repository())
        .output()
        .expect("python3 is there");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(!said.contains("Ran 0 tests"), "{said}");
}

#[test]
fn the_pieces_of_etl_work() {
    check_python("pipelines/etl");
}

#[test]
fn the_pieces_of_failing_fail_as_they_should() {
    check_python("pipelines/failing");
}
