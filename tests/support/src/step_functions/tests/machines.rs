//! State machines, versions, tags.

use super::*;

#[test]
fn creating_is_idempotent_but_for_role_and_tags() {
    let fixture = Fixture::new();
    let mut again = machine("m", DEFINITION);
    again["roleArn"] = "arn:aws:iam::123456789012:role/other".into();
    again["tags"] = json!([{"key": "owner", "value": "somebody"}]);
    let made = fixture.ok("CreateStateMachine", &again);
    assert_eq!(made["stateMachineVersionArn"], fixture.version.as_str());
    let found = fixture.ok("DescribeStateMachine", &json!({"stateMachineArn": fixture.machine}));
    assert_eq!(found["roleArn"], "arn:aws:iam::123456789012:role/r");
    assert_eq!(found["status"], "ACTIVE");
    let tags = fixture.ok("ListTagsForResource", &json!({"resourceArn": fixture.machine}));
    assert_eq!(tags, json!({"tags": [{"key": "owner", "value": "etl"}]}));
    assert_eq!(fixture.error("CreateStateMachine", &machine("m", "{}")), "StateMachineAlreadyExists");
}

#[test]
fn what_is_no_state_machine_is_refused() {
    let fixture = Fixture::new();
    let error =
        |name: &str, definition: &str| fixture.error("CreateStateMachine", &machine(name, definition));
    assert_eq!(error("a b", "{}"), "InvalidName");
    assert_eq!(error(&"n".repeat(81), "{}"), "InvalidName");
    assert_eq!(error("n", "{"), "InvalidDefinition");
    let large = format!("{{\"Comment\": \"{}\"}}", "x".repeat(1_048_576));
    assert_eq!(error("n", &large), "ValidationException");
    assert_eq!(fixture.error("CreateStateMachine", &json!({"name": "n"})), "ValidationException");
    let describe = |arn: &str| fixture.error("DescribeStateMachine", &json!({"stateMachineArn": arn}));
    assert_eq!(describe("m"), "InvalidArn");
    assert_eq!(describe(&format!("{}x", fixture.machine)), "StateMachineDoesNotExist");
    assert_eq!(describe(&format!("{}:9", fixture.machine)), "StateMachineDoesNotExist");
    let valid = fixture.ok("ValidateStateMachineDefinition", &json!({"definition": DEFINITION}));
    assert_eq!(valid["result"], "OK");
}

#[test]
fn versions_keep_their_definition() {
    let fixture = Fixture::new();
    let update = json!({"stateMachineArn": fixture.machine, "definition": "{}", "publish": true});
    let second = fixture.ok("UpdateStateMachine", &update)["stateMachineVersionArn"].clone();
    assert_eq!(second, format!("{}:2", fixture.machine));
    let definition = |arn: &str| {
        fixture.ok("DescribeStateMachine", &json!({"stateMachineArn": arn}))["definition"].clone()
    };
    assert_eq!(definition(&fixture.version), DEFINITION);
    assert_eq!(definition(&fixture.machine), "{}");
    fixture.begin("by-version");
    fixture.ok("StartExecution", &json!({"stateMachineArn": fixture.machine, "name": "by-machine"}));
    let executions = fixture.stand_in.executions();
    assert_eq!(executions[0].definition, DEFINITION);
    assert_eq!(executions[0].version, Some(1));
    assert_eq!(executions[1].definition, "{}");
    assert_eq!(executions[1].version, None);
}

#[test]
fn publishing_is_idempotent_for_a_revision() {
    let fixture = Fixture::new();
    let publish = || fixture.ok("PublishStateMachineVersion", &json!({"stateMachineArn": fixture.machine}));
    assert_eq!(publish()["stateMachineVersionArn"], fixture.version.as_str());
    fixture.stand_in.update_state_machine(&fixture.machine, "{}").unwrap();
    assert_eq!(publish()["stateMachineVersionArn"], format!("{}:2", fixture.machine));
    let stale = json!({"stateMachineArn": fixture.machine, "revisionId": "another"});
    assert_eq!(fixture.error("PublishStateMachineVersion", &stale), "ConflictException");
    let list = || {
        let listed = fixture.ok("ListStateMachineVersions", &json!({"stateMachineArn": fixture.machine}));
        let versions = listed["stateMachineVersions"].as_array().unwrap().clone();
        versions.iter().map(|version| version["stateMachineVersionArn"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(list(), [format!("{}:2", fixture.machine), fixture.version.clone()]);
    let delete = json!({"stateMachineVersionArn": fixture.version});
    fixture.ok("DeleteStateMachineVersion", &delete);
    fixture.ok("DeleteStateMachineVersion", &delete);
    assert_eq!(list().len(), 1);
    let start = json!({"stateMachineArn": fixture.version});
    assert_eq!(fixture.error("StartExecution", &start), "StateMachineDoesNotExist");
}

#[test]
fn an_update_is_seen_late() {
    let fixture = Fixture::with(Options { consistency_delay: 3 * SECOND, ..Options::default() });
    fixture.stand_in.advance(10 * SECOND);
    fixture.ok("UpdateStateMachine", &json!({"stateMachineArn": fixture.machine, "definition": "{}"}));
    let seen = |name: &str| {
        let found = fixture.ok("DescribeStateMachine", &json!({"stateMachineArn": fixture.machine}));
        fixture.ok("StartExecution", &json!({"stateMachineArn": fixture.machine, "name": name}));
        let run = fixture.stand_in.executions().pop().unwrap().definition;
        (found["definition"].as_str().unwrap().to_owned(), run)
    };
    assert_eq!(seen("a"), (DEFINITION.to_owned(), DEFINITION.to_owned()));
    fixture.stand_in.advance(3 * SECOND);
    assert_eq!(seen("b"), ("{}".to_owned(), "{}".to_owned()));
    let nothing = json!({"stateMachineArn": fixture.machine});
    assert_eq!(fixture.error("UpdateStateMachine", &nothing), "MissingRequiredParameter");
}

#[test]
fn a_deleted_machine_waits_for_its_executions() {
    let fixture = Fixture::new();
    fixture.stand_in.script(|_| Script::succeeded(10 * SECOND, json!({})).through(["a", "b"]));
    let execution = fixture.begin("e");
    fixture.stand_in.advance(SECOND);
    fixture.ok("DeleteStateMachine", &json!({"stateMachineArn": fixture.machine}));
    let describe = json!({"stateMachineArn": fixture.machine});
    assert_eq!(fixture.ok("DescribeStateMachine", &describe)["status"], "DELETING");
    assert_eq!(fixture.error("StartExecution", &describe), "StateMachineDeleting");
    assert_eq!(fixture.error("CreateStateMachine", &machine("m", DEFINITION)), "StateMachineDeleting");
    assert_eq!(fixture.describe(&execution)["status"], "RUNNING");
    fixture.stand_in.advance(4 * SECOND);
    assert_eq!(fixture.error("DescribeStateMachine", &describe), "StateMachineDoesNotExist");
    let gone = json!({"executionArn": execution});
    assert_eq!(fixture.error("DescribeExecution", &gone), "ExecutionDoesNotExist");
    fixture.ok("DeleteStateMachine", &json!({"stateMachineArn": fixture.machine}));
    fixture.ok("CreateStateMachine", &machine("m", DEFINITION));
}

#[test]
fn machines_are_listed_by_pages_and_tagged() {
    let fixture = Fixture::new();
    for name in ["n", "o"] {
        fixture.ok("CreateStateMachine", &machine(name, DEFINITION));
    }
    let first = fixture.ok("ListStateMachines", &json!({"maxResults": 2}));
    assert_eq!(first["stateMachines"].as_array().unwrap().len(), 2);
    let second = fixture.ok("ListStateMachines", &json!({"maxResults": 2, "nextToken": first["nextToken"]}));
    assert_eq!(second["stateMachines"][0]["name"], "o");
    assert_eq!(second["nextToken"], Json::Null);
    assert_eq!(fixture.error("ListStateMachines", &json!({"nextToken": "x"})), "InvalidToken");
    let tag = |arn: &str| json!({"resourceArn": arn, "tags": [{"key": "job", "value": "load"}]});
    fixture.ok("TagResource", &tag(&fixture.machine));
    let tags = fixture.ok("ListTagsForResource", &json!({"resourceArn": fixture.machine}));
    assert_eq!(tags["tags"].as_array().unwrap().len(), 2);
    assert_eq!(fixture.error("TagResource", &tag("arn:aws:states:x")), "ResourceNotFound");
}
