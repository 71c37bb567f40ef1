//! Parts of a pipeline: `--only`, `--from`, `--until`, `--outputs-of`.

use crate::product::{function, given, job, pipeline, run_json, statuses, summary};
use crate::scratch;
use bunsui_test_support::Scratch;

/// `a` → `b` → `d`, `a` → `c` → `d`; `b` and `d` read outputs.
fn diamond() -> Scratch {
    let scratch = scratch();
    let reads = |id: &str, of: &str, needs: &str| {
        let own = format!("payload = {{ n = \"${{jobs.{of}.n}}\" }}");
        function(id, &format!("depends_on = [{needs}]"), &own, "add")
    };
    let text = given("a", "", "{ n = 1 }")
        + &reads("b", "a", "\"a\"")
        + &job("c", "depends_on = [\"a\"]", "", "true")
        + &reads("d", "b", "\"b\", \"c\"");
    scratch.write("t.toml", pipeline(&text));
    scratch.write("handlers.py", "def add(event, context):\n    return {'n': event['n'] + 1}\n");
    scratch
}

fn id(scratch: &Scratch, which: usize) -> String {
    let list = scratch.run("session list --output json").json();
    list["sessions"][which]["session_id"].as_str().unwrap().to_owned()
}

#[test]
fn a_part_runs_and_its_outputs_come_from_an_earlier_session() {
    let scratch = diamond();
    let until = run_json(&scratch, "--until b").expect_code(0);
    assert_eq!(statuses(&until), "a=succeeded b=succeeded");
    let from = run_json(&scratch, "--from d --outputs-of last").expect_code(0);
    assert_eq!(statuses(&from), "d=succeeded b=succeeded", "the reused one is told after the part's own");
    let session = summary(&from);
    assert_eq!(session["job_records"][0]["output"]["inline"]["n"], 3);
    assert_eq!(session["job_records"][1]["reused_from"], id(&scratch, 1));
    assert_eq!(session["jobs"], 1);
    let shown = scratch.run("session show last").stdout;
    assert!(shown.contains(&format!("part        --from d --outputs-of {}", id(&scratch, 1))), "{shown}");
    assert!(shown.contains("1 job: 1 succeeded; 1 output reused"), "{shown}");
    // The earlier session can go: the output is this one's by now.
    scratch.run(&format!("session delete {}", id(&scratch, 1))).expect_code(0);
    scratch.run("session retry last --job d").expect_code(0);
}

#[test]
fn what_lies_between_two_jobs_or_is_named_runs() {
    let scratch = diamond();
    run_json(&scratch, "").expect_code(0);
    let between = run_json(&scratch, "--from b --until d --outputs-of last").expect_code(0);
    assert_eq!(statuses(&between), "b=succeeded d=succeeded a=succeeded");
    let only = run_json(&scratch, "--only c --only a").expect_code(0);
    assert_eq!(statuses(&only), "a=succeeded c=succeeded");
}

#[test]
fn an_output_that_is_large_is_taken_along() {
    let scratch = scratch();
    let text = function("a", "", "", "much")
        + &function("b", "depends_on = [\"a\"]", "payload = { text = \"${jobs.a.text}\" }", "length");
    scratch.write("t.toml", pipeline(&text));
    scratch.write(
        "handlers.py",
        "def much(event, context):\n    return {'text': 'x' * 100000}\ndef length(event, context):\n    return len(event['text'])\n",
    );
    run_json(&scratch, "--only a").expect_code(0);
    let finished = run_json(&scratch, "--only b --outputs-of last").expect_code(0);
    assert_eq!(summary(&finished)["job_records"][0]["output"]["inline"], 100_000);
    scratch.run(&format!("session delete {}", id(&scratch, 1))).expect_code(0);
    scratch.run("session retry last --job b").expect_code(0);
}

#[test]
fn a_part_that_cannot_be_is_refused_before_anything_starts() {
    let scratch = diamond();
    let check = |arguments: &str, code: &str, help: &str| {
        let refused = scratch.run(&format!("run t.toml {arguments}")).expect_code(2);
        assert!(refused.stderr.contains(code), "{arguments}: {}", refused.stderr);
        assert!(refused.stderr.contains(help), "{arguments}: {}", refused.stderr);
    };
    check("--only b", "bunsui::session::outputs_needed", "--outputs-of last");
    check("--only xyz", "bunsui::pipeline::no_such_job", "its jobs: a, b, c, d");
    check("--from d --until a", "bunsui::pipeline::empty_slice", "wrong way round");
    check("--only b --from a", "cannot be used with", "");
    check("--only b --outputs-of last", "bunsui::session::none", "");
    assert!(!scratch.directory().join(".bunsui/bunsui.db").exists());
    run_json(&scratch, "--only c").expect_code(0);
    check("--only b --outputs-of last", "bunsui::session::output_missing", "has not run");
    scratch.write("u.toml", pipeline(&given("a", "", "1")).replace("name = \"t\"", "name = \"u\""));
    scratch.run("run u.toml").expect_code(0);
    check(
        &format!("--only b --outputs-of {}", id(&scratch, 0)),
        "bunsui::session::outputs_of_other",
        "--pipeline t",
    );
}

#[test]
fn a_job_without_a_local_form_outside_of_the_part_does_not_matter() {
    let scratch = scratch();
    let aws = "[jobs.x]\n[[jobs.x.operations]]\nname = \"x\"\ntype = \"lambda\"\nfunction = \"f\"\n\n";
    scratch.write("t.toml", pipeline(&(given("a", "", "1") + aws)));
    scratch.run("run t.toml").expect_code(2);
    scratch.run("run t.toml --only a").expect_code(0);
}
