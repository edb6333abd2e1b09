//! What the benchmarks share: a server process of their own, a load client that costs as little as a client can, and
//! the payloads that it sends.
//!
//! The client shares the machine with the server that it measures, so that it does no more than it must: a thread a
//! connection, blocking sockets, one buffer, digests of payloads computed before the clock runs. Every answer is
//! checked all the same: a status or a length that is not the expected one ends the benchmark.
//!
//! Only `in_process`, which some benchmarks take in beside this module, links holdfast itself.

#![allow(dead_code, reason = "each benchmark uses its own part of this")]
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on panics")]
#![allow(unreachable_pub, reason = "a module shared by several crates has no public door of its own")]
#![allow(unused_imports, reason = "each benchmark uses its own part of this")]

mod client;
mod load;
mod manifests;
mod payload;
mod process;
mod pulls;
mod pushes;
mod server;

pub use client::{Connection, Request, Response};
pub use load::{Limit, Load, rounds, run};
pub use manifests::{EMPTY_INDEX, INDEX_TYPE, MANIFEST_TYPE, image_manifest};
pub use payload::{Payload, Stem, sha256};
pub use process::{Memory, cpu_time};
pub use pulls::{check_blob, pull, pull_verified};
pub use pushes::{fill_with_tags, push_blob, push_image, put_manifest};
pub use server::{Server, holdfast_command};
