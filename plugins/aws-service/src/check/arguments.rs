//! The names of arguments: as Step Functions has them, all that are needed, none that is not there.

use super::{UNCHECKED, spelling};
use crate::integration::Integration;
use crate::optimised::Takes;
use bunsui_plugin_sdk::Finding;
use serde_json::{Map, Value as Json};

/// Arguments that are text to the SDK, and are given as JSON by who knows Step Functions' own form: (service, action, path).
const TEXTS: [(&str, &str, &str); 7] = [
    ("eventbridge", "putEvents", "Entries/*/Detail"),
    ("secretsmanager", "createSecret", "SecretString"),
    ("secretsmanager", "putSecretValue", "SecretString"),
    ("sfn", "startExecution", "Input"),
    ("sns", "publish", "Message"),
    ("sqs", "sendMessage", "MessageBody"),
    ("ssm", "putParameter", "Value"),
];

/// What an integration takes.
struct Known {
    names: Vec<&'static str>,
    needed: Vec<&'static str>,
    structures: Vec<&'static str>,
}

pub(super) fn check(integration: &Integration<'_>, keys: &Json) -> Vec<Finding> {
    let none = Map::new();
    let arguments = match keys.get("arguments") {
        None => &none,
        Some(Json::Object(arguments)) => arguments,
        // A reference to all of them.
        Some(_) => return Vec::new(),
    };
    let known = Known::of(integration);
    let mut findings: Vec<Finding> =
        arguments.keys().filter_map(|name| wrong_name(integration, known.as_ref(), name)).collect();
    if let Some(known) = &known {
        findings.extend(missing(integration, known, arguments, findings.is_empty()));
    }
    for (name, value) in arguments {
        let is_structure = known.as_ref().is_some_and(|known| known.structures.contains(&name.as_str()));
        check_within(value, &pointer_to("/arguments", name), is_structure, &mut findings);
    }
    findings.extend(not_text(integration, arguments));
    findings
}

impl Known {
    fn of(integration: &Integration<'_>) -> Option<Self> {
        if let Some(Takes::Own(names, needed, _)) = integration.optimised.map(|one| one.takes) {
            let needed = names[..needed].to_vec();
            return Some(Self { names: names.to_vec(), needed, structures: Vec::new() });
        }
        let (_, action) = integration.facts()?;
        let arguments = action.arguments()?;
        Some(Self {
            names: arguments.iter().map(|one| one.name).collect(),
            needed: arguments.iter().filter(|one| one.is_required).map(|one| one.name).collect(),
            structures: arguments.iter().filter(|one| one.is_structure).map(|one| one.name).collect(),
        })
    }
}

fn wrong_name(integration: &Integration<'_>, known: Option<&Known>, name: &str) -> Option<Finding> {
    if known.is_some_and(|known| known.names.contains(&name)) {
        return None;
    }
    let pointer = pointer_to("/arguments", name);
    if name.ends_with(".$") {
        return Some(json_path(&pointer, name));
    }
    let Some(known) = known else { return lower_case(&pointer, name) };
    let pointer = format!("{pointer}#");
    let spelled = known.names.iter().find(|known| spelling::plain(known) == spelling::plain(name));
    let help = match (spelled, spelling::nearest(name, known.names.iter().copied())) {
        (Some(same), _) => format!("Step Functions calls it `{same}`"),
        (None, Some(near)) => format!("did you mean `{near}`?"),
        (None, None) if known.names.is_empty() => format!("it takes none; {UNCHECKED}"),
        (None, None) => format!("it takes {}; {UNCHECKED}", list(&known.names)),
    };
    Some(Finding::error(pointer, format!("`{}` has no argument `{name}`", integration.text)).help(help))
}

fn pointer_to(table: &str, key: &str) -> String {
    format!("{table}/{}", key.replace('~', "~0").replace('/', "~1"))
}

/// What a key is in a definition of another query language.
fn json_path(pointer: &str, name: &str) -> Finding {
    let bare = name.trim_end_matches(".$");
    let help = format!("name it `{bare}`, with a reference as its value: `{bare} = \"${{params.x}}\"`");
    Finding::error(format!("{pointer}#"), format!("`{name}` is JSONPath, and bunsui writes JSONata"))
        .help(help)
}

fn lower_case(pointer: &str, name: &str) -> Option<Finding> {
    let capital = capitalized(name);
    (capital != name).then(|| {
        Finding::error(format!("{pointer}#"), format!("argument `{name}` begins in lower case"))
            .help(format!("Step Functions has names in PascalCase: `{capital}`"))
    })
}

/// What can be said of keys within an argument; those of a structure are names of the API.
fn check_within(value: &Json, pointer: &str, is_structure: bool, findings: &mut Vec<Finding>) {
    match value {
        Json::Object(members) => {
            for (key, member) in members {
                let pointer = pointer_to(pointer, key);
                if key.ends_with(".$") {
                    findings.push(json_path(&pointer, key));
                } else if is_structure {
                    findings.extend(lower_case(&pointer, key));
                }
                check_within(member, &pointer, false, findings);
            }
        }
        Json::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                check_within(item, &format!("{pointer}/{at}"), is_structure, findings);
            }
        }
        _ => {}
    }
}

/// Where a name is wrong, the argument may be there under it.
fn missing(
    integration: &Integration<'_>,
    known: &Known,
    arguments: &Map<String, Json>,
    are_names_right: bool,
) -> Option<Finding> {
    let missing: Vec<&str> =
        known.needed.iter().copied().filter(|name| !arguments.contains_key(*name)).collect();
    if missing.is_empty() || !are_names_right {
        return None;
    }
    let pointer = if arguments.is_empty() { "/action" } else { "/arguments" };
    let verb = if arguments.is_empty() { "needs" } else { "also needs" };
    let message = format!("`{}` {verb} {}", integration.text, list(&missing));
    let example: Vec<String> = missing.iter().map(|name| format!("{name} = …")).collect();
    Some(Finding::error(pointer, message).help(format!("arguments = {{ {} }}", example.join(", "))))
}

/// A table or a list where the SDK wants text.
fn not_text(integration: &Integration<'_>, arguments: &Map<String, Json>) -> Vec<Finding> {
    if integration.optimised.is_some() {
        return Vec::new();
    }
    let texts = TEXTS.iter().filter(|(service, action, _)| integration.is(service, action));
    let places = texts.flat_map(|(_, _, path)| places(arguments, path));
    places
        .map(|place| {
            let name = place.rsplit('/').next().unwrap_or_default();
            let message =
                format!("`{name}` of `{}` is text, and this is a table or a list", integration.text);
            let own = crate::optimised::all()
                .find(|one| one.sdk() == Some((integration.service, integration.action)));
            let own = own.map(|one| format!(", or take `{}:{}`, which takes JSON", one.service, one.action));
            let help =
                format!("turn it into text: `\"{{% $string({{ … }}) %}}\"`{}", own.unwrap_or_default());
            Finding::error(place, message).help(help)
        })
        .collect()
}

/// The places of a path that hold a table or a list; `*` is every item.
fn places(arguments: &Map<String, Json>, path: &str) -> Vec<String> {
    let steps: Vec<&str> = path.split('/').collect();
    let Some(value) = arguments.get(steps[0]) else { return Vec::new() };
    let mut found = vec![(format!("/arguments/{}", steps[0]), value)];
    for step in &steps[1..] {
        found = found
            .into_iter()
            .flat_map(|(place, value)| match (*step, value) {
                ("*", Json::Array(items)) => {
                    let items = items.iter().enumerate();
                    items.map(|(at, item)| (format!("{place}/{at}"), item)).collect()
                }
                (step, value) => {
                    Vec::from_iter(value.get(step).map(|value| (format!("{place}/{step}"), value)))
                }
            })
            .collect();
    }
    found
        .into_iter()
        .filter(|(_, value)| value.is_object() || value.is_array())
        .map(|(place, _)| place)
        .collect()
}

/// `jobName` is `JobName`.
fn capitalized(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

fn list(names: &[&str]) -> String {
    const SHOWN: usize = 12;
    let mut text = names.iter().take(SHOWN).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN {
        text.push_str(&format!(" and {} more", names.len() - SHOWN));
    }
    text
}
