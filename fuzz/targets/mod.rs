//! What is fuzzed: functions that take any bytes and panic if holdfast does anything that it must not.
//!
//! They go through public doors: the vocabulary, the configuration, and the API with no socket before it. Two look
//! behind them, with the simulated disk under the store: `log_reader` and `replay`.

#![allow(clippy::unwrap_used, reason = "a finding is a panic")]
#![allow(unreachable_pub, reason = "a crate of its own for the fuzzer, a module for the test")]

mod configuration;
mod digest_path;
mod htpasswd;
mod log_reader;
mod manifest;
mod names;
mod policy;
mod ranges;
mod replay;
mod token;
mod upload_session;
mod world;

pub use configuration::configuration;
pub use digest_path::digest_path;
pub use htpasswd::htpasswd;
pub use log_reader::log_reader;
pub use manifest::manifest;
pub use names::names;
pub use policy::policy;
pub use ranges::ranges;
pub use replay::replay;
pub use token::token;
pub use upload_session::upload_session;
