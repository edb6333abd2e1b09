//! A client that loads a registry and checks every answer: what `holdfast bench` and the benchmarks are made of.
//!
//! It speaks HTTP/1.1 or HTTP/2 to any registry, plain or over TLS. It shares the machine with the server as often as not, so that it does no
//! more than it must: a thread a connection, blocking sockets, one buffer, digests of payloads computed before the clock
//! runs. A status, a length or a byte that is not the expected one is a [`Failure`], which says what was asked and what
//! came; nothing here panics over what a server sends.
//!
//! [`run`] does a [`Work`] on many connections at once; [`traffic`] has those of `holdfast bench`. Called by `cli` and by
//! the benchmarks; of the rooms below it knows the vocabulary, and the one place where bytes are hashed.

mod connection;
mod encryption;
mod failure;
mod gate;
mod http1;
mod http2;
mod images;
mod latencies;
pub mod numbers;
mod payload;
mod pulls;
mod pushes;
mod request;
mod response;
mod run;
mod stop;
mod target;
pub mod traffic;

pub use connection::Connection;
pub use encryption::{Reconnect, Trust};
pub use failure::{Failure, Failures};
pub use images::{Blob, EMPTY_INDEX, Image, image_manifest};
pub use latencies::Latencies;
pub use payload::{Payload, Stem};
pub use pulls::{check_blob, pull, pull_image, pull_manifest, pull_verified};
pub use pushes::{push_blob, push_image, put_manifest};
pub use request::Request;
pub use response::Response;
pub use run::{Limit, Load, Plan, Tally, Watch, Work, run};
pub use stop::Stop;
pub use target::{Target, TargetError};
