//! `bunsui plugin show`

use crate::cli::load::{find_plugins_with, lock};
use crate::cli::output::Output;
use crate::cli::{Context, Exit, Failure, Outcome};
use crate::diagnostic::nearest;
use crate::pipeline::OperationCatalogue;
use crate::plugin::{Found, PassedOver, Plugins, ProjectPlugins};
use serde::Serialize;
use serde_json::Value as Json;
use std::path::Path;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct ShowArgs {
    /// A plugin, or one of its operation types
    #[arg(value_name = "NAME")]
    name: String,
    /// How to print
    #[arg(long, value_enum, default_value_t = Output::Human, value_name = "FORMAT")]
    output: Output,
    /// Also load libraries that only this project's bunsui.toml names: they run as code on this machine
    #[arg(long)]
    trust_project_plugins: bool,
}

/// No plugin that is used has the name.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("there is no plugin or operation type `{name}` among those that are used")]
#[diagnostic(code("bunsui::plugin::unknown"))]
struct UnknownPlugin {
    name: String,
    #[help]
    help: String,
}

#[derive(Serialize)]
struct ShowView<'a> {
    name: &'a str,
    version: &'a str,
    path: &'a Path,
    origin: &'a str,
    sha256: &'a str,
    /// `same`, `other` or `none`.
    lock: &'static str,
    operation_types: Vec<TypeView<'a>>,
}

#[derive(Serialize)]
struct TypeView<'a> {
    name: &'a str,
    summary: &'a str,
    has_check: bool,
    has_run_local: bool,
    schema: &'a Json,
}

pub(super) fn show(args: &ShowArgs, context: &Context) -> Outcome {
    let plugins = find_plugins_with(ProjectPlugins::for_looking(args.trust_project_plugins), context);
    let found = find(&plugins, &args.name).map_err(Failure::bad_input)?;
    let locked = lock(context)?;
    let lock = match locked.as_deref() {
        None => "none",
        Some(lock) if lock.disagreements(std::slice::from_ref(found)).is_empty() => "same",
        Some(_) => "other",
    };
    let types = found.operation_types.iter().filter_map(|name| plugins.operation_type(name));
    let view = ShowView {
        name: &found.name,
        version: &found.version,
        path: &found.path,
        origin: &found.origin,
        sha256: &found.sha256,
        lock,
        operation_types: types
            .map(|kind| TypeView {
                name: &kind.name,
                summary: &kind.summary,
                has_check: kind.has_check,
                has_run_local: kind.has_run_local,
                schema: &kind.schema,
            })
            .collect(),
    };
    match args.output {
        Output::Human => context.console.data(text(&view, &plugins)),
        Output::Json => context.console.data(serde_json::to_string_pretty(&view).unwrap_or_default()),
    }
    Ok(Exit::Done)
}

fn find<'a>(plugins: &'a Plugins, name: &str) -> Result<&'a Found, UnknownPlugin> {
    let is_meant =
        |found: &&Found| found.name == name || found.operation_types.iter().any(|kind| kind == name);
    plugins.found().iter().find(is_meant).ok_or_else(|| {
        let known = plugins.found().iter().flat_map(|found| {
            std::iter::once(found.name.as_str()).chain(found.operation_types.iter().map(String::as_str))
        });
        let help =
            match (plugins.passed_over().iter().find(|passed| is_of(passed, name)), nearest(name, known)) {
                (Some(PassedOver { path, code, .. }), _) => {
                    format!("`{}` was passed over [{code}]; `bunsui plugin list` says why", path.display())
                }
                (None, Some(near)) => format!("did you mean `{near}`?"),
                (None, None) => {
                    "`bunsui plugin list` names those that are used, and others that are not".to_owned()
                }
            };
        UnknownPlugin { name: name.to_owned(), help }
    })
}

/// By the file's name, which is mostly the plugin's.
fn is_of(passed_over: &PassedOver, name: &str) -> bool {
    let file = passed_over.path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    file.ends_with(&name.replace('-', "_"))
}

fn text(view: &ShowView<'_>, plugins: &Plugins) -> String {
    let lock = match view.lock {
        "same" => "as bunsui.lock has it",
        "other" => "bunsui.lock has another, or none of this name",
        _ => "there is no bunsui.lock",
    };
    let mut text = format!(
        "{} {}\n  library  {} ({})\n  sha256   {}\n  lock     {lock}",
        view.name,
        view.version,
        view.path.display(),
        view.origin,
        view.sha256
    );
    for kind in &view.operation_types {
        text.push_str(&format!("\n\noperation type `{}`: {}", kind.name, kind.summary));
        let local = if kind.has_run_local { "yes" } else { "no, `local = { result = … }` serves" };
        let check = if kind.has_check { "by its schema, and by the plugin" } else { "by its schema" };
        text.push_str(&format!("\n  checked  {check}\n  runs here  {local}"));
        text.push_str(&keys(kind.schema));
    }
    let shadowed = plugins.passed_over().iter().filter(|passed| is_of(passed, view.name));
    for PassedOver { path, code, reason } in shadowed {
        text.push_str(&format!("\n\npassed over: {}\n  {reason} [{code}]", path.display()));
    }
    text
}

/// A line a key: its name, its type, whether it is needed, what it is.
fn keys(schema: &Json) -> String {
    let needed: Vec<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(Json::as_str).collect();
    let properties: Vec<(&String, &Json)> = schema["properties"].as_object().into_iter().flatten().collect();
    let width = properties.iter().map(|(key, _)| key.chars().count()).max().unwrap_or(0);
    let line = |(key, property): &(&String, &Json)| {
        let kind = type_of(property);
        let need = if needed.contains(&key.as_str()) { ", needed" } else { "" };
        let about = property["description"].as_str().map(|about| format!(": {about}")).unwrap_or_default();
        format!("\n    {key:width$}  {kind}{need}{}", about.replace('\n', " "))
    };
    properties.iter().map(line).collect()
}

fn type_of(property: &Json) -> String {
    match (&property["type"], property["enum"].as_array()) {
        (_, Some(values)) => values.iter().map(Json::to_string).collect::<Vec<_>>().join(" or "),
        (Json::String(kind), _) => kind.clone(),
        (Json::Array(kinds), _) => kinds.iter().filter_map(Json::as_str).collect::<Vec<_>>().join(" or "),
        _ => "any value".to_owned(),
    }
}
