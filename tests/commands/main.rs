//! The command line, with the real binary: a module a family of commands, a sentence a test.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

#[path = "../support/mod.rs"]
mod support;

mod changing;
mod distribution;
mod looking;
mod run;
mod small;
mod watching;
