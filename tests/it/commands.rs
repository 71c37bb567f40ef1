//! `bunsui plan`, `compile` and `validate`: what they print, and that they start nothing.

use crate::jsonata_oracle::node;
use crate::product::{given, job, pipeline, pipeline_with};
use crate::scratch;
use bunsui_test_support::Scratch;
use insta::assert_snapshot;

fn shipped() -> Scratch {
    let scratch = scratch();
    scratch.copy_of_repository("pipelines");
    scratch
}

#[test]
fn a_plan_of_what_is_shipped() {
    let scratch = shipped();
    assert_snapshot!(scratch.run("plan pipelines/failing.toml").snapshot(), @r#"
    exit code: 0
    ----- stdout -----
    pipeline failing: 6 jobs
    timeout 5m
    param skip_malformed = false
    param target = ""

    step 1
      load
        read (lambda), timeout 1m
        definition of 864 bytes
      audit
        count (ecs), timeout 1m
        definition of 1706 bytes

    step 2
      totals  after load
        sum (lambda), timeout 1m, 2 tries
        definition of 940 bytes
      export  after load
        write (ecs), timeout 1m
        definition of 1167 bytes

    step 3
      publish  after totals
        page (lambda), timeout 1m
        definition of 1023 bytes
      alarm  after totals, export  (if any failed)
        ring (lambda), timeout 1m
        definition of 1124 bytes
    ----- stderr -----
    "#);
    let plan = scratch.run("plan pipelines/failing.toml --output json").expect_code(0).json();
    assert_eq!(plan["jobs"][0]["job"], "load");
    assert!(!scratch.directory().join(".bunsui/bunsui.db").exists());
}

#[test]
fn one_job_is_no_jobs() {
    let scratch = scratch();
    scratch.write("t.toml", pipeline(&given("only", "", "1")));
    let plan = scratch.run("plan t.toml").expect_code(0);
    assert!(plan.stdout.starts_with("pipeline t: 1 job\n"), "{}", plan.stdout);
}

#[test]
fn compiling_twice_gives_the_same_bytes() {
    let scratch = shipped();
    for file in ["pipelines/etl.toml", "pipelines/failing.toml", "pipelines/services.toml"] {
        let first = scratch.run_with(["compile", file]).expect_code(0).stdout;
        assert!(first.len() > 1000, "{first}");
        assert_eq!(first, scratch.run_with(["compile", file]).stdout);
    }
}

#[test]
fn parameters_do_not_change_a_definition() {
    let scratch = scratch();
    let text = |default: u32| {
        let params = format!("[params]\nn = {{ type = \"integer\", default = {default} }}");
        pipeline_with(&params, &job("a", "", "environment = { N = \"${params.n}\" }", "true"))
    };
    scratch.write("a.toml", text(1));
    scratch.write("b.toml", text(2));
    assert_eq!(scratch.run("compile a.toml").stdout, scratch.run("compile b.toml").stdout);
}

#[test]
fn one_job_is_compiled_by_itself() {
    let scratch = scratch();
    scratch.write(
        "t.toml",
        pipeline(
            &(given("a", "description = \"ä\"", "1")
                + &job(
                    "b-c",
                    "depends_on = [\"a\"]",
                    "environment = { A = \"${jobs.a}\" }\ntimeout = \"90s\"",
                    "true",
                )),
        ),
    );
    assert_snapshot!(scratch.run("compile t.toml --job b-c").snapshot(), @r#"
    exit code: 0
    ----- stdout -----
    {
      "Comment": "t/b-c",
      "QueryLanguage": "JSONata",
      "StartAt": "bunsui.input",
      "States": {
        "bunsui.input": {
          "Type": "Pass",
          "Assign": {
            "jobs": "{% $states.input.jobs %}"
          },
          "Next": "run"
        },
        "run": {
          "Type": "Task",
          "Resource": "arn:aws:states:::ecs:runTask.sync",
          "Arguments": {
            "TaskDefinition": "t",
            "Overrides": {
              "ContainerOverrides": [
                {
                  "Name": "main",
                  "Environment": [
                    {
                      "Name": "A",
                      "Value": "{% $string($jobs.a) %}"
                    }
                  ]
                }
              ]
            }
          },
          "Output": {
            "exit_code": "{% $states.result.Containers[Name = \"main\"].ExitCode %}",
            "task_arn": "{% $states.result.TaskArn %}"
          },
          "End": true,
          "TimeoutSeconds": 90
        }
      }
    }
    ----- stderr -----
    "#);
    assert_snapshot!(scratch.run("compile t.toml --job b_c").snapshot(), @"
    exit code: 2
    ----- stdout -----
    ----- stderr -----
    bunsui::pipeline::no_such_job

      × pipeline `t` has no job `b_c`
      help: did you mean `b-c`?
    ");
}

#[test]
fn definitions_of_what_is_shipped_are_well_formed_to_others() {
    let scratch = shipped();
    for file in ["pipelines/etl.toml", "pipelines/failing.toml", "pipelines/services.toml"] {
        let definitions = scratch.run_with(["compile", file]).expect_code(0).stdout;
        let Some(answer) = node("validate-asl.mjs", &[], &definitions) else { return };
        let answer: serde_json::Value = serde_json::from_str(&answer).expect("it prints JSON");
        assert_eq!(answer["isValid"], true, "{file}: {answer:#}");
    }
}

#[test]
fn what_the_validator_refuses_would_be_seen() {
    let wrong = r#"{"a": {"StartAt": "nowhere", "States": {"x": {"Type": "Pass", "End": true}}}}"#;
    let Some(answer) = node("validate-asl.mjs", &[], wrong) else { return };
    assert!(answer.contains("\"isValid\":false"), "{answer}");
}

#[test]
fn folders_are_validated_whole() {
    let scratch = shipped();
    assert_snapshot!(scratch.run("validate").snapshot(), @"
    exit code: 0
    ----- stdout -----
    ----- stderr -----
    3 files: no findings
    ");
    scratch
        .write("pipelines/team/wrong.toml", pipeline(&given("a", "depends_on = [\"aa\"]\nwhem = true", "1")));
    assert_snapshot!(scratch.run("validate pipelines").snapshot(), @r#"
    exit code: 2
    ----- stdout -----
    ----- stderr -----
    bunsui::pipeline::unknown_job

      × there is no job `aa`
        ╭─[pipelines/team/wrong.toml:10:15]
      9 │ [jobs.a]
     10 │ depends_on = ["aa"]
        ·               ──┬─
        ·                 ╰── unknown job
     11 │ whem = true
        ╰────
      help: there are no other jobs here

    bunsui::pipeline::unknown_key

      × unknown key `whem` in job `a`
        ╭─[pipelines/team/wrong.toml:11:1]
     10 │ depends_on = ["aa"]
     11 │ whem = true
        · ──┬─
        ·   ╰── unknown key
     12 │ [[jobs.a.operations]]
        ╰────
      help: did you mean `when`?

    4 files: 2 errors
    "#);
    assert_snapshot!(scratch.run("validate pipelines/etl.toml").snapshot(), @"
    exit code: 0
    ----- stdout -----
    ----- stderr -----
    pipelines/etl.toml: no findings
    ");
    let json = scratch.run("validate pipelines --format json").expect_code(2).json();
    let found: Vec<String> = json["diagnostics"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|found| {
            format!(
                "{} {}:{}:{}",
                found["code"].as_str().unwrap_or("?"),
                found["file"].as_str().unwrap_or("?"),
                found["line"],
                found["column"]
            )
        })
        .collect();
    assert_snapshot!(found.join("\n"), @"
    bunsui::pipeline::unknown_job pipelines/team/wrong.toml:10:15
    bunsui::pipeline::unknown_key pipelines/team/wrong.toml:11:1
    ");
}

#[test]
fn standard_input_is_validated() {
    let scratch = scratch();
    assert_snapshot!(scratch.run_with_input("validate -", &pipeline(&given("a", "", "1"))).snapshot(), @"
    exit code: 0
    ----- stdout -----
    ----- stderr -----
    <stdin>: no findings
    ");
    assert_snapshot!(scratch.run_with_input("validate -", "[pipeline]\nname = 1\n").snapshot(), @"
    exit code: 2
    ----- stdout -----
    ----- stderr -----
    bunsui::pipeline::no_jobs

      × <stdin>: the pipeline has no jobs
      help: add a job: `[jobs.<id>]`, and below it `[[jobs.<id>.operations]]`

    bunsui::pipeline::wrong_type

      × `name` must be a string, found an integer
       ╭─[<stdin>:2:8]
     1 │ [pipeline]
     2 │ name = 1
       ·        ┬
       ·        ╰── an integer
       ╰────
      help: put it between double quotes

    <stdin>: 2 errors
    ");
    assert_snapshot!(scratch.run_with_input("validate - --format json", "").snapshot(), @r#"
    exit code: 2
    ----- stdout -----
    {"diagnostics":[{"code":"bunsui::pipeline::empty","severity":"error","message":"the file is empty","help":"`bunsui init` writes a pipeline to begin with","file":"<stdin>","line":null,"column":null,"end_line":null,"end_column":null,"labels":[]}]}
    ----- stderr -----
    "#);
}

#[test]
fn what_is_not_there_is_said() {
    let scratch = shipped();
    assert_snapshot!(scratch.run("validate pipelines/elt.toml").snapshot(), @"
    exit code: 2
    ----- stdout -----
    ----- stderr -----
    bunsui::pipeline::unreadable

      × pipelines/elt.toml: it cannot be read: there is no such file
      help: did you mean `pipelines/etl.toml`?

    pipelines/elt.toml: 1 error
    ");
    assert_snapshot!(scratch.run("validate nowhere").snapshot(), @"
    exit code: 2
    ----- stdout -----
    ----- stderr -----
    bunsui::pipeline::unreadable

      × nowhere: it cannot be read: there is no such file

    nowhere: 1 error
    ");
    scratch.write("empty/readme.md", "");
    assert_snapshot!(scratch.run("validate empty").snapshot(), @"
    exit code: 2
    ----- stdout -----
    ----- stderr -----
    bunsui::pipeline::unreadable

      × empty: it cannot be read: there is no .toml file in it
      help: name pipeline files, or a folder that holds some

    empty: 1 error
    ");
    let elsewhere = crate::scratch();
    assert_snapshot!(elsewhere.run("validate").snapshot(), @"
    exit code: 2
    ----- stdout -----
    ----- stderr -----
    bunsui::pipeline::unreadable

      × `pipelines` cannot be read: there is no such folder here
      help: name files or folders: `bunsui validate PATH`; `bunsui init` makes a project
    ");
}
