//! What the benchmarks share: a server process of their own, and what they load it with. The client is the project's own
//! ([`holdfast::load`]); an answer that is not the expected one ends the benchmark.

#![allow(dead_code, reason = "each benchmark uses its own part of this")]
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on panics")]
#![allow(unreachable_pub, reason = "a module shared by several crates has no public door of its own")]
#![allow(unused_imports, reason = "each benchmark uses its own part of this")]

mod certificate;
mod load;
mod process;
mod server;

pub use certificate::{certificate_in, key_in};
pub use load::{fill_with_tags, rounds, run};
pub use process::{Memory, anonymous_memory, cpu_time, read_from_disks};
pub use server::{Server, Way, holdfast_command};
