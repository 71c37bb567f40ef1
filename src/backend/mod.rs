//! Engines and stores behind the traits of [`runner::port`](crate::runner).

pub mod local;
