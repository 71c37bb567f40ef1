//! A pipeline whose operations are of one type that takes anything.

use crate::diagnostic::{Sink, Source};
use crate::document;
use crate::pipeline::{
    CatalogueError, CheckRequest, Finding, Fragment, FragmentRequest, OperationCatalogue, OperationType,
    Pipeline, validate,
};
use serde_json::json;
use std::sync::Arc;

struct Anything(OperationType);

impl OperationCatalogue for Anything {
    fn operation_type(&self, name: &str) -> Option<&OperationType> {
        Some(&self.0).filter(|kind| kind.name == name)
    }

    fn names(&self) -> Vec<&str> {
        vec![&self.0.name]
    }

    fn check(&self, _: &[CheckRequest]) -> Result<Vec<Vec<Finding>>, CatalogueError> {
        Ok(Vec::new())
    }

    fn fragments(&self, _: &[FragmentRequest]) -> Result<Vec<Fragment>, CatalogueError> {
        Ok(Vec::new())
    }
}

/// Of a text whose operations are `type = "any"`.
#[track_caller]
pub(super) fn pipeline(text: &str) -> Arc<Pipeline> {
    let kind = OperationType {
        name: "any".into(),
        plugin: "test".into(),
        summary: String::new(),
        schema: json!({"type": "object"}),
        has_check: false,
        has_run_local: true,
        judge: Default::default(),
    };
    let mut sink = Sink::new();
    let source = Source::new("t.toml", text);
    let document = document::parse(&source, &mut sink);
    let pipeline = document.and_then(|document| validate(&document, &Anything(kind), &mut sink));
    Arc::new(pipeline.unwrap_or_else(|| panic!("{:?}", sink.into_sorted())))
}

/// `check` runs after `extract`, `load` after both, `report` after `load`.
pub(super) fn four_jobs() -> Arc<Pipeline> {
    pipeline(
        r#"
[pipeline]
name = "t"

[params]
year = { type = "integer", min = 2012, description = "year to summarise" }
bucket = { type = "string", default = "weather-lake" }
token = { type = "string", secret = true, required = false }

[[jobs.extract.operations]]
name = "run"
type = "any"
year = "${params.year}"
to = "s3://${params.bucket}/${session.id}"
token = "${params.token}"

[jobs.check]
depends_on = ["extract"]

[[jobs.check.operations]]
name = "run"
type = "any"
rows = "${jobs.extract.rows}"
late = "{% $jobs.extract.rows > 300 and $params.year > 2000 %}"

[[jobs.check.operations]]
name = "tell"
type = "any"
text = "${operations.run.text} of ${pipeline.name} ${jobs.extract.nothing}"

[jobs.load]
depends_on = ["extract", "check"]

[[jobs.load.operations]]
name = "run"
type = "any"

[jobs.report]
depends_on = ["load"]

[[jobs.report.operations]]
name = "run"
type = "any"
"#,
    )
}
