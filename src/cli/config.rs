//! `bunsui config`: what the settings are, and where each came from.

use super::output::Output;
use super::{Context, Exit, Outcome};
use crate::settings::Origin;
use serde_json::{Value as Json, json};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Show each setting with the layer it came from
    Show(ShowArgs),
}

#[derive(Debug, clap::Args)]
pub(super) struct ShowArgs {
    /// For people, or one JSON object
    #[arg(long, value_enum, default_value_t = Output::Human)]
    output: Output,
}

pub(super) fn run(command: &Command, context: &Context) -> Outcome {
    let Command::Show(args) = command;
    match args.output {
        Output::Human => table(&context.origins).iter().for_each(|line| context.console.data(line)),
        Output::Json => context.console.data(object(&context.origins)),
    }
    Ok(Exit::Done)
}

/// Every line is valid TOML: what stands before `#` can be copied into bunsui.toml.
fn table(origins: &[Origin]) -> Vec<String> {
    let settings: Vec<String> =
        origins.iter().map(|origin| format!("{} = {}", origin.key, toml(&origin.value))).collect();
    let width = settings.iter().map(|text| text.chars().count()).max().unwrap_or(0);
    settings
        .iter()
        .zip(origins)
        .map(|(text, origin)| {
            let gap = " ".repeat(width - text.chars().count());
            format!("{text}{gap}  # {}", origin.layer)
        })
        .collect()
}

fn object(origins: &[Origin]) -> String {
    let settings: Vec<Json> = origins
        .iter()
        .map(|origin| json!({ "key": origin.key, "value": origin.value, "layer": origin.layer }))
        .collect();
    json!({ "settings": settings }).to_string()
}

/// Strings and lists of them look the same in JSON and TOML.
fn toml(value: &Json) -> String {
    match value {
        Json::Array(items) => format!("[{}]", items.iter().map(toml).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_setting_stands_beside_its_layer() {
        let origins = [
            Origin { key: "backend".into(), value: json!("local"), layer: "default".into() },
            Origin {
                key: "plugins.paths".into(),
                value: json!(["/a b", "/c\"d"]),
                layer: "bunsui.toml:3".into(),
            },
        ];
        assert_eq!(
            table(&origins),
            [
                r#"backend = "local"                  # default"#,
                r#"plugins.paths = ["/a b", "/c\"d"]  # bunsui.toml:3"#
            ]
        );
        assert_eq!(
            object(&origins[..1]),
            r#"{"settings":[{"key":"backend","value":"local","layer":"default"}]}"#
        );
    }
}
