//! The registry as the programs know it that people push and pull with: a file a client, each doing its full round trip
//! against a holdfast of its own.
//!
//! A client that is not installed skips its tests, and says so on standard error. What `HOLDFAST_REQUIRE_CLIENTS` names
//! (`scripts/install-clients` prints such a list) may not be missing. So it is with pebble, the ACME server of `acme`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

#[path = "../support/mod.rs"]
mod support;

#[path = "../access/signer.rs"]
mod signer;

mod client;
mod daemon;
mod distribution;
mod door;
mod gzip;
mod layout;
mod nginx;
mod pebble;
mod storage;
mod tap;
mod tar;
mod zstd;

mod acme;
mod archives;
mod buildah;
mod containerd;
mod crane;
mod docker;
mod helm;
mod logins;
mod moving;
mod oras;
mod podman;
mod regctl;
mod skopeo;
mod snippets;
mod tls;
