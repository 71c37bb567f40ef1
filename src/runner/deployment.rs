//! What a session is pinned to.

use crate::plan::Plan;
use crate::session::{DeploymentRecord, RECORD_VERSION};
use indexmap::IndexMap;
use jiff::Timestamp;

/// A deployment of this text with these definitions; its version is their digest.
pub fn deployment_record(plan: &Plan, file: &str, plugins: Vec<String>, now: Timestamp) -> DeploymentRecord {
    use sha2::{Digest, Sha256};
    let hex = |digest: &[u8]| digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let pipeline = &plan.pipeline;
    let definitions: IndexMap<String, String> = pipeline
        .jobs
        .keys()
        .zip(&plan.machines)
        .map(|(job, machine)| (job.to_string(), hex(&Sha256::digest(machine.text().as_bytes()))))
        .collect();
    let mut whole = Sha256::new();
    whole.update(pipeline.source.text.as_bytes());
    for (job, digest) in &definitions {
        whole.update(job.as_bytes());
        whole.update(digest.as_bytes());
    }
    DeploymentRecord {
        record_version: RECORD_VERSION,
        pipeline_id: pipeline.name.to_string(),
        version: hex(&whole.finalize())[..12].to_owned(),
        file: file.to_owned(),
        text: pipeline.source.text.clone(),
        jobs: pipeline.jobs.keys().map(ToString::to_string).collect(),
        definitions,
        plugins,
        created_at: now,
    }
}
