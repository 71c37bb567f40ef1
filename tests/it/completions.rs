//! `bunsui completions`: scripts that shells accept.

use crate::scratch;
use std::process::Command;

#[test]
fn bash_completes_the_commands() {
    let scratch = scratch();
    let script = scratch.run("completions bash").expect_code(0).stdout;
    let path = scratch.write("bunsui.bash", script);
    let line = format!(
        "source '{}'; COMP_WORDS=(bunsui comp); COMP_CWORD=1; _bunsui bunsui comp bunsui; echo \"${{COMPREPLY[*]}}\"",
        path.display()
    );
    let output = Command::new("bash").args(["--norc", "-c", &line]).output().expect("bash starts");
    let offered = String::from_utf8_lossy(&output.stdout);
    assert_eq!(offered.trim(), "compile completions", "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn an_unknown_shell_is_refused() {
    let refused = scratch().run("completions tcsh").expect_code(2);
    assert!(refused.stderr.contains("bash"), "{}", refused.stderr);
}
