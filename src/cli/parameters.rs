//! What the command line, files and the environment give for a pipeline's parameters.

use super::load::{UnreadableFile, read_file, read_whole_file};
use super::{Context, Failure};
use crate::diagnostic::Sink;
use crate::document::{self, Value, ValueKind};
use crate::pipeline::Pipeline;
use crate::plan::{Given, GivenValue, parameter_variable};
use serde_json::Value as Json;
use std::path::{Path, PathBuf};

#[derive(Debug, Default, clap::Args)]
pub(super) struct ParameterArgs {
    /// A parameter; `K=@FILE` reads its text from a file. May be given several times
    #[arg(long, value_name = "K=V", value_parser = parse_param)]
    param: Vec<(String, String)>,
    /// A TOML or JSON file of parameters; `--param` and `BUNSUI_PARAM_<NAME>` win over it
    #[arg(long, value_name = "FILE")]
    params: Option<PathBuf>,
}

fn parse_param(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("a parameter is `NAME=VALUE`".into()),
    }
}

/// All that is given, the weakest first: the file, the environment, arguments.
pub(super) fn given(
    args: &ParameterArgs,
    pipeline: &Pipeline,
    context: &Context,
) -> Result<Vec<Given>, Failure> {
    let mut given = Vec::new();
    if let Some(path) = &args.params {
        given.extend(from_file(path, context)?);
    }
    // Variables of other pipelines' params may be set as well: only those of this one's are read.
    for name in pipeline.params.keys() {
        let variable = parameter_variable(name.as_str());
        if let Some((_, value)) = context.surroundings.variables.iter().find(|(key, _)| *key == variable) {
            given.push(Given {
                name: name.to_string(),
                value: GivenValue::Text(value.clone()),
                origin: variable,
            });
        }
    }
    for (name, value) in &args.param {
        let text = match value.strip_prefix('@') {
            Some(path) => text_file(Path::new(path), context)?,
            None => value.clone(),
        };
        given.push(Given { name: name.clone(), value: GivenValue::Text(text), origin: "--param".into() });
    }
    Ok(given)
}

/// A file's text without the line end that editors add.
fn text_file(path: &Path, context: &Context) -> Result<String, Failure> {
    let bytes = read_whole_file(path, context)?;
    let text = String::from_utf8(bytes).map_err(|_| unreadable(path, "it is not UTF-8"))?;
    Ok(text
        .strip_suffix('\n')
        .map(|text| text.strip_suffix('\r').unwrap_or(text))
        .unwrap_or(&text)
        .to_owned())
}

fn from_file(path: &Path, context: &Context) -> Result<Vec<Given>, Failure> {
    let name = path.display().to_string();
    let values: Vec<(String, Json)> = if path.extension().is_some_and(|extension| extension == "json") {
        let bytes = read_whole_file(path, context)?;
        match serde_json::from_slice(&bytes) {
            Ok(Json::Object(object)) => object.into_iter().collect(),
            Ok(_) => return Err(unreadable(path, "it holds no JSON object")),
            Err(error) => return Err(unreadable(path, &error.to_string())),
        }
    } else {
        let bytes = read_file(path, context).map_err(Failure::bad_input)?;
        let mut sink = Sink::new();
        let (source, document) = document::read(&name, bytes, &mut sink);
        context.console.diagnostics(&source, &sink.into_sorted());
        let document = document.ok_or_else(Failure::reported)?;
        document.root.entries.into_iter().map(|(key, entry)| (key, json(entry.value))).collect()
    };
    let given = values.into_iter().map(|(key, value)| Given {
        name: key,
        value: GivenValue::Value(value),
        origin: name.clone(),
    });
    Ok(given.collect())
}

fn json(value: Value) -> Json {
    match value.kind {
        ValueKind::String(text) | ValueKind::Datetime(text) => Json::String(text),
        ValueKind::Integer(number) => Json::from(number),
        ValueKind::Float(number) => Json::from(number),
        ValueKind::Boolean(value) => Json::Bool(value),
        ValueKind::Array(items) => items.into_iter().map(json).collect(),
        ValueKind::Table(table) => {
            table.entries.into_iter().map(|(key, entry)| (key, json(entry.value))).collect()
        }
    }
}

fn unreadable(path: &Path, message: &str) -> Failure {
    Failure::bad_input(UnreadableFile {
        path: path.display().to_string(),
        message: message.to_owned(),
        help: None,
    })
}
