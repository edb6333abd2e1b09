//! What operators and clients rely on below the API: listening, stopping, logging, connections.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

#[path = "../support/skip.rs"]
#[allow(unreachable_pub, reason = "a module shared by several crates has no public door of its own")]
mod skip;

mod client;
mod collector;
mod connections;
mod dashboard;
mod health;
mod http2;
mod listening;
mod logging;
mod manners;
mod metrics;
mod process;
mod stopping;
mod traces;
