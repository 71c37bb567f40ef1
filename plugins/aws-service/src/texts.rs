//! Numbers and booleans where a service takes text.
//!
//! Takes: arguments. Gives: the same, with text at the places where pipelines have a number or a reference to one, and Step Functions refuses
//! what is not text ("must be a STRING").
//! Deliberately does not: touch any other place: what a service takes there is its author's to write.

use crate::integration::Integration;
use serde_json::Value as Json;

/// (service of the SDK, action, places); `*` is every member or item.
const PLACES: &[(&str, &str, &[&str])] = &[
    ("athena", "startQueryExecution", &["ExecutionParameters/*"]),
    ("batch", "submitJob", &["Parameters/*", "ContainerOverrides/Environment/*/Value"]),
    ("codebuild", "startBuild", &["EnvironmentVariablesOverride/*/Value"]),
    ("dynamodb", "deleteItem", &["Key/*/N", "ExpressionAttributeValues/*/N"]),
    ("dynamodb", "getItem", &["Key/*/N"]),
    ("dynamodb", "putItem", &["Item/*/N", "ExpressionAttributeValues/*/N"]),
    ("dynamodb", "query", &["ExpressionAttributeValues/*/N"]),
    ("dynamodb", "updateItem", &["Key/*/N", "ExpressionAttributeValues/*/N"]),
    ("ecs", "runTask", &["Overrides/ContainerOverrides/*/Environment/*/Value"]),
    ("emr", "addStep", &["Step/HadoopJarStep/Args/*"]),
    ("emrcontainers", "startJobRun", &["JobDriver/SparkSubmitJobDriver/EntryPointArguments/*"]),
    ("emrserverless", "startJobRun", &["JobDriver/SparkSubmit/EntryPointArguments/*"]),
    ("glue", "startJobRun", &["Arguments/*"]),
    ("sagemaker", "createProcessingJob", &["Environment/*"]),
    ("sagemaker", "createTrainingJob", &["HyperParameters/*", "Environment/*"]),
    ("sagemaker", "createTransformJob", &["Environment/*"]),
    ("sns", "publish", &["MessageAttributes/*/StringValue"]),
    ("sqs", "sendMessage", &["MessageAttributes/*/StringValue"]),
];

pub(crate) fn make(integration: &Integration<'_>, arguments: &mut Json) {
    let of = PLACES.iter().filter(|(service, action, _)| integration.is(service, action));
    for place in of.flat_map(|(_, _, places)| *places) {
        let steps: Vec<&str> = place.split('/').collect();
        visit(arguments, &steps);
    }
}

fn visit(value: &mut Json, steps: &[&str]) {
    let Some((step, rest)) = steps.split_first() else {
        if let Some(text) = text(value) {
            *value = text.into();
        }
        return;
    };
    match (*step, value) {
        ("*", Json::Array(items)) => items.iter_mut().for_each(|item| visit(item, rest)),
        ("*", Json::Object(members)) => members.values_mut().for_each(|member| visit(member, rest)),
        (step, Json::Object(members)) => {
            if let Some(member) = members.get_mut(step) {
                visit(member, rest);
            }
        }
        _ => {}
    }
}

/// A value as text; what is JSONata is turned into text when it is evaluated.
fn text(value: &Json) -> Option<String> {
    match value {
        Json::String(text) => {
            let inside = text.strip_prefix("{%")?.strip_suffix("%}")?.trim();
            Some(format!("{{% $string({inside}) %}}"))
        }
        // What the file says as a float that is whole, `$string` says without a point; so does this.
        Json::Number(number) => Some(match number.as_f64() {
            Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() < 1e15 => {
                format!("{float:.0}")
            }
            _ => number.to_string(),
        }),
        Json::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table;
    use serde_json::json;

    #[track_caller]
    fn check(action: &str, arguments: Json, expected: Json) {
        let mut found = arguments;
        make(&Integration::parse(action).unwrap(), &mut found);
        assert_eq!(found, expected);
    }

    #[test]
    fn scalars_become_text_where_a_service_wants_text() {
        check(
            "glue:startJobRun",
            json!({"JobName": "n", "Arguments": {"--year": "{% $params.year %}", "--dry": true, "--rate": 2.0, "--a": "b"}, "NumberOfWorkers": 2}),
            json!({"JobName": "n", "Arguments": {"--year": "{% $string($params.year) %}", "--dry": "true", "--rate": "2", "--a": "b"}, "NumberOfWorkers": 2}),
        );
        check(
            "batch:submitJob",
            json!({"ContainerOverrides": {"Vcpus": 1, "Environment": [{"Name": "YEAR", "Value": 2015}]}}),
            json!({"ContainerOverrides": {"Vcpus": 1, "Environment": [{"Name": "YEAR", "Value": "2015"}]}}),
        );
        check(
            "dynamodb:putItem",
            json!({"Item": {"year": {"N": 2015}, "done": {"BOOL": true}}}),
            json!({"Item": {"year": {"N": "2015"}, "done": {"BOOL": true}}}),
        );
    }

    #[test]
    fn what_is_decided_as_a_whole_stays() {
        check(
            "glue:startJobRun",
            json!({"Arguments": "{% $params.all %}"}),
            json!({"Arguments": "{% $params.all %}"}),
        );
        check("glue:startJobRun", json!("{% $params.all %}"), json!("{% $params.all %}"));
        check("glue:getJobRuns", json!({"Arguments": {"a": 1}}), json!({"Arguments": {"a": 1}}));
    }

    #[test]
    fn every_place_is_of_an_argument_that_there_is() {
        for (service, action, places) in PLACES.iter().filter(|(_, action, _)| *action != "addStep") {
            let action = table::service(service).and_then(|service| service.action(action)).unwrap();
            let names: Vec<&str> = action.arguments().unwrap().iter().map(|one| one.name).collect();
            for place in *places {
                assert!(names.contains(&place.split('/').next().unwrap()), "{service}: {place}");
            }
        }
    }
}
