//! Takes each example of a declaration the way that an operation of a pipeline goes: validated, compiled, its permissions named,
//! run here, stopped.
//!
//! An example is a member of `examples` at the root of the type's schema: the keys of one operation.

use super::here::Here;
use super::{Outcome, Verdict};
use crate::diagnostic::{Severity, Sink, Source};
use crate::document;
use crate::pipeline::{self, AccountPlace, OperationCatalogue, PermissionsRequest};
use crate::plugin::{Plugins, Runnable};
use crate::state_machine::{self, StateMachine};
use serde_json::{Value as Json, json};

/// Tries all examples of one type.
pub(super) async fn try_examples(
    plugins: &Plugins,
    kind: &str,
    runs: bool,
    say: &mut (impl FnMut(Verdict) + Send),
) {
    let Some(declared) = plugins.operation_type(kind) else { return };
    let examples = declared.schema["examples"].as_array().cloned().unwrap_or_default();
    if examples.is_empty() {
        let detail = "its schema has no `examples` at its root, so no operation of it could be tried: an example is a \
                      table of keys, as a pipeline file would have it";
        say(Verdict::new(
            format!("`{kind}`: it declares an example"),
            Outcome::Warning,
            Some(detail.to_owned()),
        ));
    }
    for (at, keys) in examples.iter().enumerate() {
        let example = Example { plugins, kind, keys, name: format!("`{kind}`, example {}", at + 1) };
        example.attempt(runs, say).await;
    }
}

struct Example<'a> {
    plugins: &'a Plugins,
    kind: &'a str,
    keys: &'a Json,
    name: String,
}

impl Example<'_> {
    async fn attempt(&self, runs: bool, say: &mut (impl FnMut(Verdict) + Send)) {
        let claim = |what: &str| format!("{}: {what}", self.name);
        let made = self.compile(self.keys, "");
        let verdict =
            Verdict::of(claim("it is valid and compiles"), made.as_ref().map(drop).map_err(Clone::clone));
        say(verdict);
        let Ok(machine) = made else { return };
        let permitted = self.permissions(&machine);
        say(Verdict::of(claim("its permissions are narrow enough for a role"), permitted));
        say(Verdict::of(claim("a key may be a reference"), self.references()));
        self.try_local(&machine, runs, say).await;
    }

    fn compile(&self, keys: &Json, params: &str) -> Result<StateMachine, String> {
        let text = self.text(keys, params)?;
        let source = Source::new("example.toml", text);
        let mut sink = Sink::new();
        let pipeline = document::parse(&source, &mut sink)
            .and_then(|document| pipeline::validate(&document, self.plugins, &mut sink));
        let Some(pipeline) = pipeline else {
            let errors = sink.into_sorted().into_iter().filter(|found| found.severity == Severity::Error);
            let lines: Vec<String> =
                errors.map(|found| format!("{} [{}]", found.message, found.code)).collect();
            return Err(lines.join("\n"));
        };
        let mut machines =
            state_machine::compile(&pipeline, self.plugins).map_err(|error| error.to_string())?;
        Ok(machines.remove(0))
    }

    /// A pipeline of one operation.
    fn text(&self, keys: &Json, params: &str) -> Result<String, String> {
        let Json::Object(keys) = keys else { return Err("it is no table of keys".to_owned()) };
        let mut text = format!(
            "[pipeline]\nname = \"example\"\n{params}\n[jobs.job]\n[[jobs.job.operations]]\nname = \"example\"\n\
             type = {}\n",
            json!(self.kind)
        );
        for (key, value) in keys {
            text.push_str(&format!("{} = {}\n", toml_text(key), toml(value)?));
        }
        Ok(text)
    }

    fn permissions(&self, machine: &StateMachine) -> Result<(), String> {
        let request = PermissionsRequest {
            kind: self.kind.to_owned(),
            job: "job".to_owned(),
            operation: "example".to_owned(),
            keys: machine.keys[0].clone(),
        };
        let place = AccountPlace {
            region: "eu-west-1".to_owned(),
            account: "123456789012".to_owned(),
            bucket: "lake".to_owned(),
        };
        self.plugins.permissions(&[request], &place).map(drop).map_err(|error| error.to_string())
    }

    /// Each text that is no static key, as a reference in its place.
    fn references(&self) -> Result<(), String> {
        let Some(declared) = self.plugins.operation_type(self.kind) else { return Ok(()) };
        let properties = &declared.schema["properties"];
        let texts = self.keys.as_object().into_iter().flatten().filter(|(_, value)| value.is_string());
        for (key, _) in texts.filter(|(key, _)| properties[key.as_str()]["x-bunsui-static"] != true) {
            let mut keys = self.keys.clone();
            keys[key.as_str()] = "${params.reference}".into();
            let machine = self
                .compile(&keys, "[params]\nreference = { type = \"string\", default = \"x\" }\n")
                .map_err(|reason| format!("with a reference in `{key}`: {reason}"))?;
            self.permissions(&machine).map_err(|reason| format!("with a reference in `{key}`: {reason}"))?;
        }
        Ok(())
    }

    async fn try_local(&self, machine: &StateMachine, runs: bool, say: &mut (impl FnMut(Verdict) + Send)) {
        let claim = format!("{}: it runs here", self.name);
        let has_form = self.plugins.operation_type(self.kind).is_some_and(|declared| declared.has_run_local);
        let skipped = |why: &str| Verdict::new(claim.clone(), Outcome::Skipped, Some(why.to_owned()));
        let keys = &machine.keys[0];
        match self.plugins.runnable(self.kind, keys) {
            Runnable::ByPlugin if runs => {}
            Runnable::ByPlugin => return say(skipped("`--no-run` was said")),
            Runnable::ByResult => return say(skipped("its `local` says what it gives")),
            Runnable::No if has_form => return say(skipped("the example has no `local`")),
            Runnable::No => return,
        }
        let here = match Here::new(self.plugins, self.kind, machine) {
            Ok(here) => here,
            Err(reason) => return say(skipped(&reason)),
        };
        say(Verdict::of(claim, here.run().await));
        say(Verdict::of(format!("{}: a run that is stopped ends", self.name), here.run_stopped().await));
    }
}

/// A value in TOML; null has none.
fn toml(value: &Json) -> Result<String, String> {
    Ok(match value {
        Json::Null => return Err("it holds null, which TOML does not have".to_owned()),
        Json::String(text) => toml_text(text),
        Json::Array(items) => {
            let items: Vec<String> = items.iter().map(toml).collect::<Result<_, _>>()?;
            format!("[{}]", items.join(", "))
        }
        Json::Object(members) => {
            let member =
                |(key, value): (&String, &Json)| Ok(format!("{} = {}", toml_text(key), toml(value)?));
            let members: Vec<String> = members.iter().map(member).collect::<Result<_, String>>()?;
            format!("{{ {} }}", members.join(", "))
        }
        other => other.to_string(),
    })
}

/// JSON's escapes are TOML's too; of control characters JSON writes DEL as it is.
fn toml_text(text: &str) -> String {
    json!(text).to_string().replace('\u{7f}', "\\u007f")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_written_as_a_file_would_have_them() {
        let keys = json!({"a b": ["x\u{7f}\n\"", 1, 1.5, true], "t": {"k": {}}});
        let written = toml(&keys).unwrap();
        assert_eq!(written, "{ \"a b\" = [\"x\\u007f\\n\\\"\", 1, 1.5, true], \"t\" = { \"k\" = {  } } }");
        let text = format!("v = {written}");
        let mut sink = Sink::new();
        assert!(document::parse(&Source::new("t.toml", text), &mut sink).is_some());
        assert!(toml(&json!({"a": [null]})).unwrap_err().contains("null"));
    }
}
