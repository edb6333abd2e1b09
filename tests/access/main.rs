//! Who gets in and what they may do, as a specification: the real binary, asked by every kind of caller.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

#[path = "../support/mod.rs"]
mod support;

mod attacks;
mod commands;
mod foreign_tokens;
mod house;
mod immutable_tags;
mod jobs;
mod listings;
mod logins;
mod policies;
mod signer;
mod start;
mod tokens;
mod uploads;
