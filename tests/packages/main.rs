//! What holdfast is installed from: the container images, run by docker and podman; the Debian package, installed over this
//! machine's files, alone and under systemd; the manifest for Kubernetes.
//!
//! Images and package are taken from the folder that `HOLDFAST_PACKAGES` names, where `scripts/image` and `scripts/deb` leave
//! them; without it their tests are skipped, and say so.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

#[allow(dead_code, reason = "these tests use their own part of it")]
#[path = "../clients/client.rs"]
mod client;
#[path = "../clients/daemon.rs"]
mod daemon;
#[allow(dead_code, reason = "these tests use their own part of it")]
#[path = "../clients/storage.rs"]
mod storage;
#[path = "../support/mod.rs"]
mod support;

mod architectures;
mod artefacts;
mod compose;
mod container;
mod debian;
mod drop_in;
mod engine;
mod images;
mod kubernetes;
mod overlay;
mod systemd;
