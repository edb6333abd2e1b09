//! What is fuzzed: functions that take any bytes and panic if holdfast does anything that it must not.
//!
//! They go through public doors alone: the vocabulary, the configuration, and for everything else the API with no socket
//! before it.

#![allow(clippy::unwrap_used, reason = "a finding is a panic")]
#![allow(unreachable_pub, reason = "a crate of its own for the fuzzer, a module for the test")]

mod configuration;
mod digest_path;
mod manifest;
mod names;
mod ranges;
mod upload_session;
mod world;

pub use configuration::configuration;
pub use digest_path::digest_path;
pub use manifest::manifest;
pub use names::names;
pub use ranges::ranges;
pub use upload_session::upload_session;
