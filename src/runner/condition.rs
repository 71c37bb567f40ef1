//! Conditions of jobs, over the outputs that are known.

use super::dispatcher::Conditions;
use super::explanation::explain;
use super::port::{input_sha256, places_key};
use super::redaction::Redaction;
use crate::expression::EvaluationError;
use crate::plan::{ConditionError, Outputs, Plan, SessionFacts};
use crate::session::{FailureRecord, RedriveRecord};

/// The plan's conditions, over the outputs that are known.
pub(super) struct PlanConditions<'a> {
    pub(super) plan: &'a Plan,
    pub(super) redaction: &'a Redaction,
    pub(super) outputs: &'a dyn Outputs,
    pub(super) facts: &'a SessionFacts,
    /// Where executions may leave objects.
    pub(super) bucket: &'a str,
}

impl Conditions for PlanConditions<'_> {
    fn condition(&mut self, job: usize) -> Result<bool, Box<FailureRecord>> {
        self.plan
            .condition(job, self.outputs, self.facts)
            .map_err(|error| Box::new(condition_failure(&error, self.plan, job, self.redaction)))
    }

    fn has_same_input(&mut self, job: usize, redrive: &RedriveRecord) -> bool {
        let key = self.plan.pipeline.jobs[job].id.as_str();
        let places = format!("{}/{}", self.bucket, places_key(&self.facts.id, key, redrive.attempt));
        let input = self.plan.execution_input(job, self.outputs, self.facts, &places);
        input.is_ok_and(|input| input_sha256(&input) == redrive.input_sha256)
    }
}

fn condition_failure(
    error: &ConditionError,
    plan: &Plan,
    job: usize,
    redaction: &Redaction,
) -> FailureRecord {
    const ERROR: &str = "States.QueryEvaluationError";
    // The value that a condition gave may hold a secret.
    let clean = |text: String| redaction.text(&text).into_owned();
    let mut failure = FailureRecord {
        error: Some(ERROR.into()),
        summary: Some(clean(error.to_string())),
        recoverable: Some(false),
        ..FailureRecord::default()
    };
    if let ConditionError::Evaluation(error) = error {
        let cause = EvaluationError { path: "when".into(), ..error.clone() }.cause();
        let pipeline = &plan.pipeline;
        if let Some(explained) = explain(pipeline, &pipeline.jobs[job], None, ERROR, &cause) {
            failure.summary = Some(clean(format!("its `when` cannot be evaluated: {}", explained.summary)));
            failure.help = explained.help;
        }
        failure.cause = Some(clean(cause));
    }
    failure
}
