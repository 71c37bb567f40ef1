//! The IAM statement that the state needs.

use bunsui_plugin_sdk::{PermissionsRequest, Statement};
use serde_json::Value as Json;

pub(crate) fn permissions(request: &PermissionsRequest) -> Vec<Statement> {
    let PermissionsRequest { partition, region, account, .. } = request;
    let text =
        |key: &str| request.keys.get(key).and_then(Json::as_str).filter(|text| !text.starts_with("{%"));
    let function = match text("function") {
        Some(arn) if arn.starts_with("arn:") => arn.to_owned(),
        // ACCOUNT:function:NAME, and NAME
        Some(partial) if partial.contains(":function:") => {
            format!("arn:{partition}:lambda:{region}:{partial}")
        }
        Some(name) => format!("arn:{partition}:lambda:{region}:{account}:function:{name}"),
        None => format!("arn:{partition}:lambda:{region}:{account}:function:*"),
    };
    let is_known = text("function").is_some();
    let resource = match (request.keys.get("qualifier"), text("qualifier")) {
        (Some(_), _) if has_qualifier(&function) => function,
        (Some(_), Some(qualifier)) => format!("{function}:{qualifier}"),
        (Some(_), None) if is_known => format!("{function}:*"),
        _ => function,
    };
    vec![Statement {
        actions: vec!["lambda:InvokeFunction".to_owned()],
        resources: vec![resource],
        condition: None,
    }]
}

/// `name:alias`, `123456789012:function:name:alias`, `arn:aws:lambda:region:account:function:name:alias`.
fn has_qualifier(function: &str) -> bool {
    match function.rsplit_once("function:") {
        Some((_, name)) => name.contains(':'),
        None => function.contains(':'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check(keys: Json, resource: &str) {
        let request = PermissionsRequest {
            job: "j".to_owned(),
            operation: "o".to_owned(),
            keys,
            partition: "aws".to_owned(),
            region: "eu-west-1".to_owned(),
            account: "123456789012".to_owned(),
            bucket: "lake".to_owned(),
        };
        assert_eq!(permissions(&request)[0].resources, [resource]);
    }

    #[test]
    fn the_function_is_named_as_narrowly_as_it_is_known() {
        let f = "arn:aws:lambda:eu-west-1:123456789012:function:f";
        check(json!({"function": "f"}), f);
        check(json!({"function": f}), f);
        check(json!({"function": "123456789012:function:f"}), f);
        check(json!({"function": "f:live"}), &format!("{f}:live"));
        check(json!({"function": "f", "qualifier": "live"}), &format!("{f}:live"));
        check(json!({"function": "f", "qualifier": "{% $params.q %}"}), &format!("{f}:*"));
        check(json!({"function": "{% $params.f %}"}), "arn:aws:lambda:eu-west-1:123456789012:function:*");
    }
}
