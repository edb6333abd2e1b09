//! The registry over HTTP, as a specification: a module an endpoint family, a sentence a test. Each test starts the real
//! binary and looks at all of the answer.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

#[path = "../support/mod.rs"]
mod support;

mod base;
