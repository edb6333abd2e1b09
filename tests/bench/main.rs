//! `holdfast bench`, run as a person runs it: against this registry, and against ones that do not keep what they promise.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod command;
mod liar;
#[path = "../support/mod.rs"]
mod support;
mod translator;

mod command_line;
mod failures;
mod http2;
mod loads;
