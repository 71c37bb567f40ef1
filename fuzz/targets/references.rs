//! Pipeline files all the way to definitions: references, and every other check of meaning.
//!
//! A text with `[pipeline]` is a file. Of any other text each line becomes a value of a pipeline in which all else is right.
#![no_main]

use bunsui_fuzz::{catalogue::Catalogue, pipeline};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let file = if text.contains("[pipeline]") { text.to_owned() } else { around(text) };
    let (_, _, Some(document)) = pipeline::read(file.as_bytes()) else { return };
    let catalogue = Catalogue::default();
    let Some(made) = pipeline::check(&document, &catalogue) else { return };
    let machines = pipeline::compile_right(&made, &catalogue);
    pipeline::plan_all(made, machines);
});

/// Values in all places where references may stand.
fn around(text: &str) -> String {
    let mut lines = text.lines().map(quoted);
    let mut next = || lines.next().unwrap_or_else(|| "'${params.year}'".to_owned());
    format!(
        "[pipeline]\nname = 'fuzz'\n\
         [params]\nyear = {{ type = 'integer', default = 2015 }}\n\
         key = {{ type = 'string', default = 'x', secret = true }}\n\
         [jobs.first]\n\
         [[jobs.first.operations]]\nname = 'one'\ntype = 'free'\nkeys = [{}, {{ b = {} }}]\n\
         [jobs.se-cond]\ndepends_on = ['first']\nwhen = {}\noutput = {}\n\
         [[jobs.se-cond.operations]]\nname = 'one'\ntype = 'task'\nfunction = 'f'\npayload = {}\n\
         [[jobs.se-cond.operations]]\nname = 'a-b'\ntype = 'task'\nfunction = {}\npayload = {}\n",
        next(),
        next(),
        next(),
        next(),
        next(),
        next(),
        next(),
    )
}

/// A line as a TOML string, in one of its forms.
fn quoted(line: &str) -> String {
    let has_control = line.chars().any(|c| c.is_control() && c != '\t');
    if !line.contains('\'') && !has_control {
        return format!("'{line}'");
    }
    // What JSON escapes TOML does too, in the same way; DEL is the only character besides that it wants escaped.
    serde_json::Value::from(line).to_string().replace('\u{7f}', "\\u007f")
}
