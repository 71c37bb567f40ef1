//! What `local` starts: a bootstrap, or a bundled client for a handler.

use bunsui_plugin_sdk::process::find_program;
use bunsui_plugin_sdk::{LocalTask, TaskFailure};
use serde_json::{Value as Json, json};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// Speaks the Runtime API for a Python function.
const PYTHON: &str = include_str!("client.py");
/// Speaks the Runtime API for a Node function.
const NODE: &str = include_str!("client.mjs");

/// `file.py:function`
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Handler<'a> {
    pub(crate) file: &'a str,
    pub(crate) function: &'a str,
    language: Language,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Language {
    Python,
    Node,
}

impl<'a> Handler<'a> {
    /// Reads a handler, or says what is wrong with it.
    pub(crate) fn parse(text: &'a str) -> Result<Self, String> {
        let (file, function) = text
            .rsplit_once(':')
            .filter(|(file, function)| !file.is_empty() && !function.is_empty())
            .ok_or_else(|| format!("`{text}` does not say a file and a function"))?;
        let extension = Path::new(file).extension().and_then(OsStr::to_str).unwrap_or_default();
        let language = match extension {
            "py" => Language::Python,
            "mjs" | "js" | "cjs" => Language::Node,
            _ => return Err(format!("`{file}` is neither a Python nor a Node file")),
        };
        Ok(Self { file, function, language })
    }
}

/// What to start.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) file: PathBuf,
    pub(crate) arguments: Vec<String>,
    /// `_HANDLER`.
    pub(crate) handler: String,
}

impl Program {
    /// What an operation's `local` says to start.
    pub(crate) fn of(task: &LocalTask, path: Option<&OsStr>) -> Result<Self, TaskFailure> {
        if let Some(bootstrap) = task.local("bootstrap").and_then(Json::as_str) {
            let file = task.directory.join(bootstrap);
            if !file.is_file() {
                return Err(invalid_entrypoint(&format!("bootstrap `{bootstrap}` does not exist")));
            }
            let handler = task.keys.get("function").and_then(Json::as_str).unwrap_or_default().to_owned();
            return Ok(Self { file, arguments: Vec::new(), handler });
        }
        let text = task.local("handler").and_then(Json::as_str).unwrap_or_default();
        let handler = Handler::parse(text).map_err(|error| invalid_entrypoint(&error))?;
        if !task.directory.join(handler.file).is_file() {
            let why = format!("handler file `{}` does not exist", handler.file);
            return Err(error("Runtime.ImportModuleError", &why));
        }
        // Given as an argument and not as a file: a host may be ended in any way, and would leave the file.
        let (program, arguments) = match handler.language {
            Language::Python => ("python3", vec!["-c", PYTHON]),
            Language::Node => ("node", vec!["--input-type=module", "--eval", NODE]),
        };
        let file = find_program(program, path, &task.directory).ok_or_else(|| {
            invalid_entrypoint(&format!("handler `{text}` needs `{program}`, which is not on the PATH"))
        })?;
        let arguments = arguments.into_iter().map(ToOwned::to_owned).collect();
        Ok(Self { file, arguments, handler: text.to_owned() })
    }
}

/// The error that Lambda gives where a function cannot be started.
pub(crate) fn invalid_entrypoint(why: &str) -> TaskFailure {
    error("Runtime.InvalidEntrypoint", why)
}

/// An error in the form that Lambda gives them.
pub(crate) fn error(kind: &str, message: &str) -> TaskFailure {
    TaskFailure::new(kind, json!({ "errorMessage": message, "errorType": kind }).to_string())
}
