//! `bunsui.lock`: files are checked and schemas given where no plugin is installed, and what is installed is held to it.

use bunsui_test_support::Scratch;

/// A project with the shipped plugins and one of a team's own, whose type has a check.
fn project() -> Scratch {
    let scratch = crate::scratch();
    let shipped = crate::plugin::shipped();
    for name in ["lambda", "ecs", "aws_service"] {
        copy(&shipped.join(format!("libbunsui_plugin_{name}.so")), &scratch, &format!("libbunsui_{name}.so"));
    }
    copy(&crate::plugin::example("query"), &scratch, "libbunsui_query.so");
    let folder = scratch.directory().join("built").display().to_string();
    scratch.write("pipelines/p.toml", "[pipeline]\nname = \"p\"\n[[jobs.a.operations]]\nname = \"one\"\ntype = \"lambda\"\nfunction = \"f\"\n");
    scratch.with_variable("BUNSUI_PLUGIN_PATH", &folder)
}

fn copy(library: &std::path::Path, scratch: &Scratch, name: &str) {
    let folder = scratch.directory().join("built");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::copy(library, folder.join(name)).unwrap();
}

/// The same project where nothing is installed.
fn elsewhere(scratch: Scratch) -> Scratch {
    let nowhere = scratch.directory().join("nowhere").display().to_string();
    let emptied = scratch.with_variable("BUNSUI_PLUGIN_PATH", &nowhere);
    emptied.alone()
}

#[test]
fn with_it_files_are_checked_where_nothing_is_installed() {
    let scratch = project();
    scratch.write("bunsui.toml", "");
    let locked = scratch.run("plugin lock").expect_code(0).stderr;
    assert!(
        locked.starts_with("bunsui.lock: aws-service 0.1.0, ecs 0.1.0, lambda 0.1.0, query "),
        "{locked}"
    );
    assert_eq!(scratch.run("plugin lock").expect_code(0).stderr, "bunsui.lock: as it is\n");
    scratch.run("plugin lock --check").expect_code(0);
    let text = scratch.read("bunsui.lock");
    assert_eq!(text.matches("sha256:").count(), 1, "only of what does not come with bunsui");
    scratch.write("pipelines/q.toml", "[pipeline]\nname = \"q\"\n[[jobs.a.operations]]\nname = \"one\"\ntype = \"query\"\nstatement = \"select 1\"\n");
    assert!(!scratch.run("validate").stderr.contains("not checked"));
    let schema = scratch.run("schema").expect_code(0).json();
    let scratch = elsewhere(scratch);
    assert!(scratch.run("plugin list").stderr.contains("no plugins found"));
    let there = scratch.run("validate");
    assert!(!there.stderr.contains("unknown_type"), "{}", there.stderr);
    let line = "not checked: what plugins say beyond their schemas, of `query` (its plugin is not installed, or not trusted)\n";
    assert!(there.stderr.ends_with(line), "{}", there.stderr);
    assert_eq!(scratch.run("schema").expect_code(0).json(), schema);
    scratch.write("pipelines/p.toml", scratch.read("pipelines/p.toml").replace("function", "functoin"));
    let found = scratch.run("validate pipelines/p.toml").expect_code(2).stderr;
    assert!(
        found.contains("unknown key `functoin`") && found.contains("did you mean `function`?"),
        "{found}"
    );
}

#[test]
fn what_is_installed_is_held_to_it() {
    let scratch = project();
    scratch.run("plugin lock").expect_code(0);
    scratch.run("compile pipelines/p.toml").expect_code(0);
    // The library is another than the one that was locked.
    let library = scratch.directory().join("built/libbunsui_query.so");
    let mut bytes = std::fs::read(&library).unwrap();
    bytes.extend_from_slice(b"more");
    std::fs::remove_file(&library).unwrap();
    std::fs::write(&library, bytes).unwrap();
    scratch.write("q.toml", "[pipeline]\nname = \"q\"\n[[jobs.a.operations]]\nname = \"one\"\ntype = \"query\"\nstatement = \"select 1\"\n");
    let refused = scratch.run("compile q.toml").expect_code(2).stderr;
    assert!(refused.contains("was not used: plugin `query` is"), "{refused}");
    let stale = scratch.run("plugin lock --check").expect_code(2).stderr;
    assert!(stale.contains("bunsui::plugin::stale_lock"), "{stale}");
    // What comes with bunsui is held to its version, and only said.
    let older = scratch.read("bunsui.lock").replace(
        "\"name\": \"lambda\",\n      \"version\": \"0.1.0\"",
        "\"name\": \"lambda\",\n      \"version\": \"0.0.9\"",
    );
    scratch.write("bunsui.lock", older);
    let told = scratch.run("compile pipelines/p.toml").expect_code(0).stderr;
    assert!(told.contains("bunsui.lock has `lambda` 0.0.9, and this is 0.1.0"), "{told}");
    scratch.write("bunsui.lock", "<<<<<<< HEAD\n");
    let broken = scratch.run("validate").expect_code(2).stderr;
    assert!(broken.contains("bunsui::plugin::bad_lock"), "{broken}");
}

#[test]
fn what_everybody_may_write_to_is_not_loaded() {
    use std::os::unix::fs::PermissionsExt;
    let scratch = project();
    let folder = scratch.directory().join("built");
    std::fs::set_permissions(folder.join("libbunsui_query.so"), std::fs::Permissions::from_mode(0o777))
        .unwrap();
    let listed = scratch.run("plugin list").expect_code(0).stdout;
    assert!(listed.contains("[bunsui::plugin::writable_by_others]"), "{listed}");
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o777)).unwrap();
    let listed = scratch.run("plugin list").expect_code(0).stdout;
    assert_eq!(listed.matches("writable_by_others").count(), 4, "{listed}");
}
