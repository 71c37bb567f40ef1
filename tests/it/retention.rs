//! Where a session comes from, what it is pinned to, and how it goes.

use crate::product::{Running, files_below, function, given, job, pipeline, wait_until};
use crate::scratch;
use bunsui_test_support::{Scratch, plugin_folder};
use rustix::process::Signal;
use std::process::Command;

fn ids(scratch: &Scratch) -> Vec<String> {
    let list = scratch.run("session list --output json").json();
    let sessions = list["sessions"].as_array().unwrap().iter();
    sessions.map(|session| session["session_id"].as_str().unwrap().to_owned()).collect()
}

fn two_sessions() -> Scratch {
    let scratch = scratch();
    let text =
        function("a", "", "", "much") + &job("b", "", "result = true", "echo said; echo 1 > $BUNSUI_OUTPUT");
    scratch.write("t.toml", pipeline(&text));
    scratch.write("handlers.py", "def much(event, context):\n    print('hello')\n    return 'x' * 100000\n");
    scratch.run("run t.toml").expect_code(0);
    scratch.run("run t.toml").expect_code(0);
    scratch
}

#[test]
fn a_deleted_session_leaves_nothing_and_others_stay() {
    let scratch = two_sessions();
    let ids = ids(&scratch);
    let of = |id: &str| {
        files_below(scratch.directory().join(".bunsui"))
            .into_iter()
            .filter(|path| path.to_string_lossy().contains(id))
            .count()
    };
    assert!(of(&ids[0]) >= 4 && of(&ids[1]) >= 4);
    scratch.run(&format!("session delete {}", ids[1])).expect_code(0);
    assert_eq!(of(&ids[1]), 0);
    assert!(of(&ids[0]) >= 4);
    let gone = scratch.run(&format!("session show {}", ids[1])).expect_code(2);
    assert!(gone.stderr.contains("bunsui::session::not_found"), "{}", gone.stderr);
    scratch.run("logs last").expect_code(0);
    assert!(scratch.directory().join(".bunsui/plugins").read_dir().unwrap().next().is_some());
    scratch.run("session delete last").expect_code(0);
    assert!(
        scratch.directory().join(".bunsui/plugins").read_dir().unwrap().next().is_none(),
        "no session needs them"
    );
    let store = rusqlite::Connection::open(scratch.directory().join(".bunsui/bunsui.db")).unwrap();
    for table in ["sessions", "jobs", "events", "requests", "holds"] {
        let count: i64 =
            store.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap();
        assert_eq!(count, 0, "{table}");
    }
}

#[test]
fn what_could_be_gone_on_with_is_not_deleted_by_the_way() {
    let scratch = scratch();
    let script = "touch started; while [ ! -e go ]; do sleep 0.05; done";
    scratch.write("t.toml", pipeline(&job("a", "", "", script)));
    let running = Running::start(&scratch, "run t.toml");
    let mark = scratch.directory().join("started");
    wait_until("it runs", || mark.exists());
    for force in ["", " --force"] {
        let refused = scratch.run(&format!("session delete last{force}")).expect_code(2);
        assert!(refused.stderr.contains("bunsui::session::driven"), "{}", refused.stderr);
    }
    running.signal(Signal::KILL);
    running.end();
    let refused = scratch.run("session delete last").expect_code(2);
    assert!(refused.stderr.contains("bunsui::session::unfinished"), "{}", refused.stderr);
    let pruned = scratch.run("session prune --older-than 0s");
    assert!(
        pruned.code == Some(2) || pruned.stderr.contains("can still be gone on with"),
        "{}",
        pruned.stderr
    );
    scratch.run("session delete last --force").expect_code(0);
    assert_eq!(ids(&scratch).len(), 0);
}

#[test]
fn old_sessions_are_pruned() {
    let scratch = two_sessions();
    let store = rusqlite::Connection::open(scratch.directory().join(".bunsui/bunsui.db")).unwrap();
    let old = &ids(&scratch)[1];
    store
        .execute(
            "UPDATE sessions SET created_at = ?2, record = json_set(record, '$.created_at', ?2) WHERE session_id = ?1",
            [old, "2020-01-01T00:00:00Z"],
        )
        .unwrap();
    let said = scratch.run("session prune --older-than 30d --dry-run").expect_code(0);
    assert!(
        said.stdout.contains(old.as_str()) && said.stderr.contains("1 session would be deleted"),
        "{said:?}"
    );
    assert_eq!(ids(&scratch).len(), 2);
    let none = scratch.run("session prune --older-than 30d --status failed").expect_code(0);
    assert!(none.stderr.contains("0 sessions deleted"), "{}", none.stderr);
    scratch.run("session prune --older-than 30d").expect_code(0);
    assert_eq!(ids(&scratch).len(), 1);
    let wrong = scratch.run("session prune --older-than soon").expect_code(2);
    assert!(wrong.stderr.contains("--older-than"), "{}", wrong.stderr);
}

#[test]
fn a_session_says_where_it_comes_from() {
    let scratch = scratch();
    scratch.write("t.toml", pipeline(&given("a", "", "1")));
    scratch.run("run t.toml").expect_code(0);
    let session = scratch.run("session show last --output json").json();
    assert_eq!(session["git"], serde_json::Value::Null);
    let git = |arguments: &[&str]| {
        let identity = ["-c", "user.name=n", "-c", "user.email=e@example.org"];
        let done = Command::new("git")
            .args(identity)
            .args(arguments)
            .current_dir(scratch.directory())
            .output()
            .unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap().trim().to_owned()
    };
    git(&["init", "-q", "-b", "main"]);
    git(&["add", "t.toml"]);
    git(&["commit", "-q", "-m", "one"]);
    let revision = git(&["rev-parse", "HEAD"]);
    scratch.run("run t.toml").expect_code(0);
    let session = scratch.run("session show last --output json").json();
    assert_eq!(
        session["git"],
        serde_json::json!({"revision": revision, "branch": "main", "is_dirty": false})
    );
    scratch.write("t.toml", pipeline(&given("a", "", "2")));
    scratch.run("run t.toml").expect_code(0);
    scratch.write("t.toml", "changed since");
    let file = scratch.run("session show last --file").expect_code(0).stdout;
    assert_eq!(file, pipeline(&given("a", "", "2")), "as the session ran it");
    let shown = scratch.run("session show last").stdout;
    assert!(
        shown.contains(&format!("git         {revision} on main, with changes that are not committed")),
        "{shown}"
    );
    let session = scratch.run("session show last --output json").json();
    assert_eq!(session["plugins"][0]["name"], "lambda");
    assert_eq!(session["plugins"][0]["sha256"].as_str().unwrap().len(), 64);
    assert_eq!(session["plugins"].as_array().unwrap().len(), 1, "ecs is not used");
    assert!(session["created_by"]["host"].as_str().is_some_and(|host| !host.is_empty()));
}

/// A copy of the shipped plugins that can be changed.
fn own_plugins(scratch: Scratch) -> Scratch {
    let folder = scratch.directory().join("libraries");
    std::fs::create_dir_all(&folder).unwrap();
    for name in ["libbunsui_plugin_ecs.so", "libbunsui_plugin_lambda.so"] {
        std::fs::copy(plugin_folder().join(name), folder.join(name)).unwrap();
    }
    let folder = folder.to_string_lossy().into_owned();
    scratch.with_variable("BUNSUI_PLUGIN_PATH", &folder)
}

#[test]
fn a_session_goes_on_with_the_plugins_that_it_began_with() {
    let scratch = own_plugins(scratch());
    let library = scratch.directory().join("libraries/libbunsui_plugin_ecs.so");
    // It is no copy of one that `cargo build` may have left beside the executable, which is found when this one is gone.
    let mut bytes = std::fs::read(&library).unwrap();
    bytes.push(0);
    std::fs::write(&library, bytes).unwrap();
    let text = job("a", "", "", "touch started; while [ ! -e go ]; do sleep 0.05; done");
    scratch.write("t.toml", pipeline(&text));
    let running = Running::start(&scratch, "run t.toml");
    let mark = scratch.directory().join("started");
    wait_until("it runs", || mark.exists());
    running.signal(Signal::KILL);
    running.end();
    scratch.write("go", "");
    // Another library takes its place, as an installer does it: the old file is not written over.
    std::fs::remove_file(&library).unwrap();
    std::fs::write(&library, "no library at all").unwrap();
    let finished = scratch.run("session resume last").expect_code(0);
    assert!(
        ["plugin ecs is not found any more", "plugin ecs has changed"]
            .iter()
            .any(|said| finished.stderr.contains(said))
            && finished.stderr.contains("goes on with the ecs 0.1.0 that it began with"),
        "{}",
        finished.stderr
    );
    // One that was written over is not what the session began with, and is not taken for it.
    let scratch = own_plugins(scratch);
    scratch.run("run t.toml").expect_code(0);
    for kept in files_below(scratch.directory().join(".bunsui/plugins")) {
        std::fs::remove_file(&kept).unwrap();
        std::fs::write(&kept, "broken").unwrap();
    }
    let mut other = std::fs::read(&library).unwrap();
    other.push(0);
    std::fs::remove_file(&library).unwrap();
    std::fs::write(&library, other).unwrap();
    let finished = scratch.run("session retry last --job a").expect_code(0);
    assert!(finished.stderr.contains("is no longer kept; what is installed is used"), "{}", finished.stderr);
}
