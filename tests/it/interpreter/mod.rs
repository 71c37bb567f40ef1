//! The interpreter against what Amazon documents of each field and what was recorded of the service.

mod harness;
mod properties;
mod recorded;
mod states;
