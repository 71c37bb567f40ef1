//! What the fuzz targets share.
//!
//! Each target states more than "no panic": what holds of everything that bunsui reads. A statement that does not hold
//! ends the process, and the fuzzer keeps the input.

pub mod catalogue;
pub mod findings;
pub mod json;
pub mod pipeline;
pub mod toml_reader;
