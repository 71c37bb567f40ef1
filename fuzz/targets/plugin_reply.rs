//! What plugins answer: findings of an operation, and the states that it becomes.
//!
//! A list is an answer to `check`, an object one to `states`. Each input is also heard as a plugin host's output:
//! as it is, and each line of it as a frame.
#![no_main]

use bunsui::diagnostic::Severity;
use bunsui::document::Document;
use bunsui::pipeline::{Finding, Fragment};
use bunsui_fuzz::{catalogue::Catalogue, json, pipeline};
use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use serde::Deserialize;
use serde_json::{Map, Value as Json};
use std::sync::LazyLock;

/// One operation with a check, and another that reads what it gives, so that its states are completed in every way.
const FILE: &str = r#"
[pipeline]
name = "fuzz"
[params]
year = { type = "integer", default = 2015 }
[defaults.free]
far = { away = [1, { b = "${params.year}" }] }
[jobs.first]
output = "${operations.one.rows}"
[[jobs.first.operations]]
name = "one"
type = "free"
timeout = "10s"
retry = { max_attempts = 3, on = ["E"], max_delay = "1m", jitter = "none" }
a = [1, "${params.year}", { "b/c~d" = "{% $params.year + 1 %}", e = "\u00e9 ${params.year}" }]
dotted.key = true
[jobs.first.operations.table]
x = "y"
[[jobs.first.operations]]
name = "two"
type = "free"
source = "${operations.one.rows[0]}"
"#;

static DOCUMENT: LazyLock<Document> = LazyLock::new(|| {
    let (_, found, document) = pipeline::read(FILE.as_bytes());
    document.unwrap_or_else(|| panic!("{found:?}"))
});

#[derive(Deserialize)]
#[serde(untagged)]
enum Reply {
    Findings(Vec<FindingBody>),
    Fragment { start_at: String, states: Map<String, Json> },
}

#[derive(Deserialize)]
struct FindingBody {
    severity: String,
    pointer: String,
    message: String,
    help: Option<String>,
}

impl From<FindingBody> for Finding {
    fn from(body: FindingBody) -> Self {
        let FindingBody { severity, pointer, message, help } = body;
        let severity = if severity == "error" { Severity::Error } else { Severity::Warning };
        Self { severity, pointer, message, help }
    }
}

fuzz_target!(|bytes: &[u8]| {
    hear(bytes);
    let Ok(reply) = serde_json::from_slice::<Reply>(bytes) else { return };
    let mut catalogue = Catalogue::default();
    match reply {
        Reply::Findings(found) => {
            catalogue.replies.findings = Some(found.into_iter().map(Finding::from).collect());
            pipeline::check(&DOCUMENT, &catalogue);
        }
        Reply::Fragment { start_at, states } => {
            let made = pipeline::check(&DOCUMENT, &catalogue).expect("nothing in the file is wrong");
            catalogue.replies.fragment = Some(Fragment { start_at, states });
            pipeline::compile_any(&made, &catalogue);
        }
    }
});

fn hear(bytes: &[u8]) {
    bunsui::plugin::heard(bytes);
    let mut frames = Vec::new();
    for line in bytes.split(|byte| *byte == b'\n') {
        frames.extend((line.len() as u32).to_le_bytes());
        frames.extend(line);
    }
    bunsui::plugin::heard(&frames);
}

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    json::mutate(data, size, max_size, seed, WORDS)
});

/// What replies are written with.
const WORDS: &[&str] = &[
    r#""start_at""#,
    r#""states""#,
    r#""severity""#,
    r#""pointer""#,
    r#""message""#,
    r#""help""#,
    r#""error""#,
    r#""warning""#,
    r#""/a/1""#,
    r#""/a/2/b~1c~0d""#,
    r#""/far/away/1/b""#,
    r#""/dotted/key""#,
    r#""/table/x""#,
    r#""/a/2/e""#,
    r#""Type""#,
    r#""Task""#,
    r#""Next""#,
    r#""End""#,
    r#""Default""#,
    r#""Choices""#,
    r#""Catch""#,
    r#""Retry""#,
    r#""ItemProcessor""#,
    r#""Branches""#,
    r#""StartAt""#,
    r#""States""#,
    r#""Output""#,
    r#""Assign""#,
    r#""Arguments""#,
    r#""done""#,
    r#""ready""#,
    r#""refused""#,
    r#""log""#,
    r#""answers""#,
    r#""ok""#,
    r#""failed""#,
    r#""fields""#,
    r#""level""#,
    r#""output""#,
    r#""failure""#,
    r#"{"Type":"Pass","End":true}"#,
    r#"{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","End":true}"#,
    r#"{"StartAt":"A","States":{"A":{"Type":"Pass","End":true}}}"#,
    r#"[{"ErrorEquals":["States.ALL"],"Next":"A"}]"#,
    r#"{"severity":"error","pointer":"/a","message":"m","help":null}"#,
    r#""{% $states.result %}""#,
];
