//! Whether an integration can be waited for in the way that the keys ask for.

use crate::integration::Integration;
use crate::optimised::{self, Optimised, Pattern};
use bunsui_plugin_sdk::Finding;
use serde_json::Value as Json;

/// What an expression reads the token from.
const TOKEN: &str = "$states.context.Task.Token";

pub(super) fn check(integration: &Integration<'_>, pattern: Pattern) -> Option<Finding> {
    match pattern {
        Pattern::Answer => None,
        Pattern::Job => no_job(integration),
        Pattern::Callback => no_callback(integration),
    }
}

fn no_job(integration: &Integration<'_>) -> Option<Finding> {
    let Integration { text, .. } = *integration;
    if integration.optimised.is_some_and(|one| one.sync.is_some()) {
        return None;
    }
    let waited = || optimised::all().filter(|one| one.sync.is_some());
    let is_same = |one: &Optimised| one.sdk() == Some((integration.service, integration.action));
    let is_of_service =
        |one: &Optimised| one.sdk().map_or(one.service, |(sdk, _)| sdk) == integration.sdk_service();
    let later = "leave `sync` out, and let a later operation ask whether it is done: one that fails until then, with a `retry`";
    let help = match waited().find(|one| is_same(one)) {
        Some(same) if text.starts_with("aws-sdk:") && same.service == integration.service => {
            format!("it does for `{}`, its own form of it: write it without `aws-sdk:`", name(same))
        }
        Some(same) => format!("it does for `{}`, its own form of it", name(same)),
        None => {
            let of_service: Vec<String> =
                waited().filter(|one| is_of_service(one)).map(|one| format!("`{}`", name(one))).collect();
            match of_service.as_slice() {
                [] => later.to_owned(),
                names => format!("of this service it does for {}; {later}", names.join(", ")),
            }
        }
    };
    Some(Finding::error("/sync", format!("Step Functions cannot wait for what `{text}` begins")).help(help))
}

fn no_callback(integration: &Integration<'_>) -> Option<Finding> {
    let Optimised { service, action, sync, has_callback, .. } = integration.optimised?;
    if *has_callback {
        return None;
    }
    let help = match sync {
        Some(_) => "`sync = true` waits for its job instead".to_owned(),
        None => format!("`aws-sdk:{service}:{action}`, the same as the SDK has it, can wait for one"),
    };
    let message = format!("`{}` cannot wait for a task token", integration.text);
    Some(Finding::error("/wait_for_callback", message).help(help))
}

/// A token that is waited for has to be passed on, and there is none where nobody waits.
pub(super) fn check_token(pattern: Pattern, keys: &Json) -> Option<Finding> {
    let none = Json::Null;
    let arguments = keys.get("arguments").unwrap_or(&none);
    match pattern {
        Pattern::Callback => place_of(arguments, "/arguments", &passes_token).is_none().then(|| {
            Finding::error("/wait_for_callback", "nothing in `arguments` carries the task token")
                .help(format!("pass `\"{{% {TOKEN} %}}\"` to whoever is to give it back by SendTaskSuccess"))
        }),
        Pattern::Answer | Pattern::Job => {
            let place = place_of(arguments, "/arguments", &|text| text.contains(TOKEN))?;
            let finding = Finding::error(place, "there is a task token only where one is waited for");
            Some(finding.help("add `wait_for_callback = true`"))
        }
    }
}

/// All of the context has the token in it, and so has all of `$states`.
fn passes_token(text: &str) -> bool {
    let whole =
        |name: &str| text.match_indices(name).any(|(at, _)| !text[at + name.len()..].starts_with('.'));
    text.contains(TOKEN) || whole("$states.context") || whole("$states")
}

/// Where an expression is, without its spaces, one that is looked for.
fn place_of(value: &Json, place: &str, is_wanted: &dyn Fn(&str) -> bool) -> Option<String> {
    match value {
        Json::String(text) => {
            let spaceless: String = text.chars().filter(|letter| !letter.is_whitespace()).collect();
            (spaceless.contains("{%") && is_wanted(&spaceless)).then(|| place.to_owned())
        }
        Json::Array(items) => {
            let mut items = items.iter().enumerate();
            items.find_map(|(at, item)| place_of(item, &format!("{place}/{at}"), is_wanted))
        }
        Json::Object(members) => members.iter().find_map(|(key, member)| {
            let key = key.replace('~', "~0").replace('/', "~1");
            place_of(member, &format!("{place}/{key}"), is_wanted)
        }),
        _ => None,
    }
}

fn name(one: &Optimised) -> String {
    format!("{}:{}", one.service, one.action)
}
