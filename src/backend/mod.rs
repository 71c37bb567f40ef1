//! Engines and stores behind the traits of [`runner::port`](crate::runner).

#[cfg(feature = "aws")]
pub mod aws;
pub mod local;
