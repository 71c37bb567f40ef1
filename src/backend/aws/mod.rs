//! AWS: executions by Step Functions, sessions in DynamoDB, objects in S3.
//!
//! Takes: the `[aws]` settings and whatever the SDK's credential chain finds. Gives: the runner's
//! [`SessionStore`](crate::runner::port::SessionStore) and [`ObjectStore`](crate::runner::port::ObjectStore).
//! Deliberately does not: let an SDK's type out of this folder.

mod boundary;
mod client;
mod clock;
mod deploy;
mod durations;
mod engine;
mod error;
mod events;
mod health;
mod hearing;
mod history;
mod limiter;
mod logs;
mod machines;
mod objects;
mod role;
mod seen;
mod session_logs;
mod stacks;
mod store;
mod trust;
mod watch;

pub use boundary::Boundary;
pub use client::{Connection, ConnectionOptions};
pub use clock::Offset;
pub use deploy::{Change, Deployer};
pub use durations::Durations;
pub use engine::{EngineParts, StepFunctions};
pub use error::AwsError;
pub use health::Looked;
pub use machines::{MachineSettings, Reason, RoleState};
pub use objects::S3Objects;
pub use role::policy_document;
pub use session_logs::{LoggedSession, SessionLogs};
pub use stacks::{Prepared, StackChange, StackState, Stacks, TEMPLATES, WantedStack, parameters, template};
pub use store::DynamoStore;
