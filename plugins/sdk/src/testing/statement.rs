//! Whether a role is given a statement: bunsui refuses those that allow more than one operation can need, or nothing.

use crate::Statement;

/// Why it is not, if it is not.
pub(super) fn sound(statement: &Statement) -> Result<(), String> {
    let Statement { actions, resources, .. } = statement;
    if actions.is_empty() || resources.is_empty() {
        return Err("it has no action, or no resource".to_owned());
    }
    if let Some(resource) = resources.iter().find(|it| *it != "*" && !it.starts_with("arn:")) {
        return Err(format!("resource `{resource}` is no ARN"));
    }
    let is_everywhere = resources.iter().any(|resource| resource == "*");
    actions.iter().try_for_each(|action| {
        let (service, name) = action.split_once(':').unwrap_or_default();
        if service.is_empty() || service.contains(['*', '?']) {
            return Err(format!("action `{action}` does not name one service, as `sqs:SendMessage` does"));
        }
        if name == "*" && is_everywhere {
            return Err(format!("action `{action}` is all of `{service}`, on every resource"));
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(action: &str, resource: &str, is_sound: bool) {
        let statement = Statement::allow([action], [resource]);
        assert_eq!(sound(&statement).is_ok(), is_sound, "{statement:?}");
    }

    #[test]
    fn what_no_role_is_given_is_found() {
        let queue = "arn:aws:sqs:eu-west-1:123456789012:orders";
        check("sqs:SendMessage", queue, true);
        check("sqs:*", queue, true);
        check("sqs:ListQueues", "*", true);
        check("sqs:*", "*", false);
        check("*", queue, false);
        check("*:*", queue, false);
        check("SendMessage", queue, false);
        check("sqs:SendMessage", "orders", false);
        assert!(sound(&Statement::allow(["sqs:SendMessage"], Vec::<String>::new())).is_err());
        assert!(sound(&Statement::allow(Vec::<String>::new(), [queue])).is_err());
    }
}
