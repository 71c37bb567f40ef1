//! Asks an operation type what bunsui would ask it, in a plugin's own tests.
//!
//! Takes: an operation type, keys in JSON. Gives: what it answers, having crossed the C interface as JSON in both directions.
//! Deliberately does not: evaluate JSONata, or put states into a whole definition; `bunsui compile` and `bunsui run` do.
//!
//! ```
//! # use bunsui_plugin_sdk::{Fragment, OperationType, PluginError, StatesRequest, Value, schema, schemars, serde_json};
//! # #[derive(serde::Deserialize, schemars::JsonSchema)]
//! # struct Keys { queue: Value<String> }
//! # struct Send;
//! # impl OperationType for Send {
//! #     fn name(&self) -> &'static str { "send" }
//! #     fn summary(&self) -> &'static str { "a message" }
//! #     fn schema(&self) -> serde_json::Value { schema::of::<Keys>() }
//! #     fn states(&self, request: &StatesRequest) -> Result<Fragment, PluginError> {
//! #         let keys: Keys = request.keys_as()?;
//! #         Ok(Fragment::task("send", "arn:aws:states:::sqs:sendMessage", json!({ "QueueUrl": keys.queue })))
//! #     }
//! # }
//! use bunsui_plugin_sdk::testing::Harness;
//! use serde_json::json;
//!
//! let send = Harness::new(&Send);
//! send.refuses(json!({ "queue": 5 })).at("/queue");
//! let states = send.states(json!({ "queue": "${params.queue}" }));
//! assert_eq!(states.states["send"]["Arguments"]["QueueUrl"], "{% $params.queue %}");
//! ```
//!
//! All functions panic with what is wrong: they are for tests.

mod fragment;
mod host;
mod references;
mod schema;
mod statement;
mod task;

pub use host::Line;
pub use task::{Ran, Task};

use crate::export::{self, Plugin, abi};
use crate::{
    Explanation, Finding, Fragment, LogSource, OperationType, PluginError, Severity, Statement, StopReport,
};
use host::Call;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value as Json, json};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// One operation type, and a folder for its local runs that is gone with this value.
pub struct Harness {
    plugin: Plugin,
    directory: PathBuf,
}

/// What a schema refused.
#[derive(Debug)]
pub struct Refusal {
    keys: Json,
    findings: Vec<schema::Verdict>,
}

impl Harness {
    /// For one operation type: `Harness::new(&Send)`.
    ///
    /// # Panics
    ///
    /// Where what it declares would not be accepted: a name that is none, a schema that is none.
    #[track_caller]
    pub fn new(operation_type: &'static dyn OperationType) -> Self {
        let types = Box::leak(Box::new([operation_type]));
        let plugin = Plugin { name: "test", version: "0.0.0", operation_types: types };
        let harness = Self { plugin, directory: scratch() };
        harness.declared();
        harness
    }

    /// The folder that local runs take for the pipeline file's.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The schema accepts these keys. A string with `${…}` or `{% … %}` is accepted wherever the schema does not say
    /// `x-bunsui-static`.
    ///
    /// # Panics
    ///
    /// Where it does not, with what it says.
    #[track_caller]
    pub fn accepts(&self, keys: impl Into<Json>) {
        let keys = keys.into();
        let findings = schema::judge(&self.schema(), &keys);
        assert!(findings.is_empty(), "the schema refuses {keys}:\n{}", schema::listed(&findings));
    }

    /// The schema refuses these keys; [`Refusal::at`] asks where.
    ///
    /// # Panics
    ///
    /// Where it does not.
    #[track_caller]
    pub fn refuses(&self, keys: impl Into<Json>) -> Refusal {
        let keys = keys.into();
        let findings = schema::judge(&self.schema(), &keys);
        assert!(!findings.is_empty(), "the schema accepts {keys}");
        Refusal { keys, findings }
    }

    /// Every example that the schema gives: those of a key are accepted as its value, those of the whole are accepted, have no
    /// error by `check`, compile to sound states, and get permissions.
    ///
    /// # Panics
    ///
    /// Where one does not, and where there is none.
    #[track_caller]
    pub fn examples(&self) {
        let schema = self.schema();
        let mut count = schema::check_examples(&schema);
        for keys in schema.get("examples").and_then(Json::as_array).into_iter().flatten() {
            count += 1;
            self.accepts(keys.clone());
            if self.operation_type().has_check() {
                let findings = self.check(keys.clone());
                let error = findings.iter().find(|finding| finding.severity == Severity::Error);
                assert!(error.is_none(), "`check` refuses the example {keys}: {error:?}");
            }
            self.states(keys.clone());
            self.permissions(keys.clone());
        }
        assert!(count > 0, "the schema of `{}` has no `examples`", self.operation_type().name());
    }

    /// What `check` finds. As in bunsui, it is only asked of keys that the schema accepts, and only where `has_check` says so.
    ///
    /// # Panics
    ///
    /// Where it would not be asked, where it fails, and where a finding points to nothing.
    #[track_caller]
    pub fn check(&self, keys: impl Into<Json>) -> Vec<Finding> {
        let keys = keys.into();
        let name = self.operation_type().name();
        assert!(self.operation_type().has_check(), "`has_check` of `{name}` is false, so bunsui never asks");
        self.accepts(keys.clone());
        let findings: Vec<Finding> = self.answer("check", &json!({ "operation": "operation", "keys": keys }));
        for finding in &findings {
            // `/x#` is the key `x`, not its value.
            let pointer = finding.pointer.strip_suffix('#').unwrap_or(&finding.pointer);
            let is_there = keys.pointer(pointer).is_some();
            assert!(is_there, "`{}` of {finding:?} points to nothing in {keys}", finding.pointer);
        }
        findings
    }

    /// What the keys compile to, having been found sound: it starts somewhere, each state is reached and goes on to one that is there,
    /// one ends. References (`${…}`) are made JSONata before, in a simpler form than bunsui's.
    ///
    /// # Panics
    ///
    /// Where it is not sound, where `states` fails, and where the schema refuses the keys.
    #[track_caller]
    pub fn states(&self, keys: impl Into<Json>) -> Fragment {
        let keys = self.compiled(keys.into());
        let request = json!({ "job": "job", "operation": "operation", "keys": keys });
        let fragment: Fragment = self.answer("states", &request);
        if let Err(why) = fragment::sound(&fragment) {
            panic!("{why}, in what {keys} compiles to:\n{:#}", json!(fragment));
        }
        fragment
    }

    /// The IAM statements for the keys, in Region `eu-west-1` of account `123456789012`.
    ///
    /// # Panics
    ///
    /// Where a statement is one that bunsui gives no role (every action, every resource of a service, no ARN), where `permissions` fails, and where the schema refuses the keys.
    #[track_caller]
    pub fn permissions(&self, keys: impl Into<Json>) -> Vec<Statement> {
        let keys = self.compiled(keys.into());
        let request = json!({
            "job": "job", "operation": "operation", "keys": keys,
            "partition": "aws", "region": "eu-west-1", "account": "123456789012", "bucket": "bunsui",
        });
        let statements: Vec<Statement> = self.answer("permissions", &request);
        for statement in &statements {
            if let Err(why) = statement::sound(statement) {
                panic!("no role is given {statement:?}: {why}");
            }
        }
        statements
    }

    /// A task to be run here. [`Task::run`] runs it.
    ///
    /// # Panics
    ///
    /// Where `has_run_local` is false, so that bunsui never asks, and where the schema refuses the keys.
    #[track_caller]
    pub fn task(&self, keys: impl Into<Json>) -> Task<'_> {
        let name = self.operation_type().name();
        let has_run_local = self.operation_type().has_run_local();
        assert!(has_run_local, "`has_run_local` of `{name}` is false, so bunsui never asks");
        Task::new(self, self.compiled(keys.into()))
    }

    /// Runs the one Task state of an operation here, with these evaluated Arguments.
    ///
    /// # Panics
    ///
    /// As [`task`](Self::task) and [`Task::run`].
    #[track_caller]
    pub fn run_local(&self, keys: impl Into<Json>, arguments: impl Into<Json>) -> Ran {
        self.task(keys).arguments(arguments).run()
    }

    /// What an error means.
    ///
    /// # Panics
    ///
    /// Where what is said is empty.
    #[track_caller]
    pub fn explain(&self, keys: impl Into<Json>, error: &str, cause: &str) -> Option<Explanation> {
        let request = json!({ "keys": self.compiled(keys.into()), "error": error, "cause": cause });
        let explanation: Option<Explanation> = self.answer("explain", &request);
        if let Some(explanation) = &explanation {
            assert!(!explanation.summary.trim().is_empty(), "the summary of {explanation:?} is empty");
        }
        explanation
    }

    /// Where the operation's lines are on AWS; `submitted` is what the state returned, or null.
    ///
    /// # Panics
    ///
    /// Where `logs` fails.
    #[track_caller]
    pub fn logs(&self, keys: impl Into<Json>, submitted: impl Into<Json>) -> Vec<LogSource> {
        let keys = self.compiled(keys.into());
        self.answer("logs", &json!({ "keys": keys, "submitted": submitted.into(), "aws": {} }))
    }

    /// What is ended after an execution was stopped; `submitted` is what the state's submission returned, or null.
    ///
    /// # Panics
    ///
    /// Where `stop` fails.
    #[track_caller]
    pub fn stop(&self, keys: impl Into<Json>, submitted: impl Into<Json>) -> StopReport {
        let execution = "arn:aws:states:eu-west-1:123456789012:execution:machine:execution";
        let keys = self.compiled(keys.into());
        let request =
            json!({ "keys": keys, "execution_arn": execution, "submitted": submitted.into(), "aws": {} });
        self.answer("stop", &request)
    }

    /// Asks any method with any request, for answers that are errors.
    ///
    /// # Errors
    ///
    /// What the plugin says instead of an answer.
    ///
    /// # Panics
    ///
    /// Where the operation type does.
    #[track_caller]
    pub fn ask(&self, method: &str, request: impl Into<Json>) -> Result<Json, PluginError> {
        let body = json!({
            "method": method, "operation_type": self.operation_type().name(), "request": request.into(),
        });
        said(ask(&self.plugin, &body, &Call::new(None)))
    }

    #[track_caller]
    fn answer<T: DeserializeOwned>(&self, method: &str, request: &Json) -> T {
        let answer = self.ask(method, request.clone());
        let answer = answer.unwrap_or_else(|error| panic!("`{method}` of {request} fails: {error}"));
        serde_json::from_value(answer.clone())
            .unwrap_or_else(|error| panic!("`{method}` answers {answer}: {error}"))
    }

    /// Keys as `states` gets them.
    #[track_caller]
    fn compiled(&self, keys: Json) -> Json {
        self.accepts(keys.clone());
        references::compile(&keys)
    }

    fn operation_type(&self) -> &'static dyn OperationType {
        self.plugin.operation_types[0]
    }

    #[track_caller]
    fn schema(&self) -> Json {
        self.declared()["operation_types"][0]["schema"].clone()
    }

    #[track_caller]
    fn declared(&self) -> Json {
        let mut reply = abi::Buf::EMPTY;
        // SAFETY: a place for the reply, which is read below.
        #[expect(unsafe_code, reason = "as bunsui asks")]
        let status = unsafe { export::describe(&self.plugin, &raw mut reply) };
        let declaration =
            said(read(status, reply)).unwrap_or_else(|error| panic!("it does not say what it is: {error}"));
        let name = self.operation_type().name();
        let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
        assert!(is_name, "`{name}` is no name: a letter, then letters, digits, `-` and `_`");
        declaration
    }
}

impl std::fmt::Debug for Harness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = self.operation_type().name();
        f.debug_struct("Harness").field("operation_type", &name).field("directory", &self.directory).finish()
    }
}

impl Drop for Harness {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

impl Refusal {
    /// One of the findings is about the value at this JSON pointer; a key that is missing, or unknown, is one about the table that lacks
    /// or holds it.
    ///
    /// # Panics
    ///
    /// Where none is.
    #[track_caller]
    pub fn at(&self, pointer: &str) -> &Self {
        let is_there = self.findings.iter().any(|finding| finding.pointer == pointer);
        assert!(
            is_there,
            "nothing is refused at `{pointer}` of {}:\n{}",
            self.keys,
            schema::listed(&self.findings)
        );
        self
    }

    /// One of the findings has this in its words: the schema's own (`x-bunsui-message`), or those of the validator, which bunsui says better.
    ///
    /// # Panics
    ///
    /// Where none has.
    #[track_caller]
    pub fn saying(&self, words: &str) -> &Self {
        let is_said = self.findings.iter().any(|finding| finding.message.contains(words));
        assert!(is_said, "`{words}` is not said of {}:\n{}", self.keys, schema::listed(&self.findings));
        self
    }
}

/// What the plugin said: an answer, an error, or - a panic's - nothing.
#[derive(Debug)]
enum Said {
    Answer(Json),
    Error(PluginError),
    Panic(String),
}

#[track_caller]
fn said(said: Said) -> Result<Json, PluginError> {
    match said {
        Said::Answer(answer) => Ok(answer),
        Said::Error(error) => Err(error),
        Said::Panic(message) => panic!("the operation type {message}"),
    }
}

/// One call, as bunsui makes it.
fn ask(plugin: &Plugin, body: &impl Serialize, call: &Call) -> Said {
    let request = serde_json::to_vec(body).expect("requests are JSON");
    let table = call.table();
    let mut reply = abi::Buf::EMPTY;
    // SAFETY: table, request and reply outlive the call.
    #[expect(unsafe_code, reason = "as bunsui asks")]
    let status =
        unsafe { export::call(plugin, &raw const table, request.as_ptr(), request.len(), &raw mut reply) };
    read(status, reply)
}

fn read(status: i32, reply: abi::Buf) -> Said {
    // SAFETY: the plugin filled the reply, and gets it back once.
    #[expect(unsafe_code, reason = "as bunsui reads")]
    let bytes = unsafe {
        let bytes = std::slice::from_raw_parts(reply.ptr, reply.len).to_vec();
        export::free(reply.ptr, reply.len, reply.cap);
        bytes
    };
    let error = || serde_json::from_slice(&bytes).unwrap_or_else(|error| PluginError::new(error.to_string()));
    match status {
        abi::STATUS_OK => Said::Answer(serde_json::from_slice(&bytes).expect("answers are JSON")),
        abi::STATUS_ERROR => Said::Error(error()),
        _ => Said::Panic(error().message),
    }
}

fn scratch() -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("bunsui-plugin-test-{}-{number}", std::process::id());
    let directory = std::env::temp_dir().join(name);
    std::fs::create_dir_all(&directory).expect("a scratch folder can be made");
    directory.canonicalize().expect("it is there")
}
