//! What the integration tests share: a holdfast process of their own, a client that controls every byte it sends and
//! distrusts every byte it gets, and builders for what registries hold.
//!
//! A test starts with [`Holdfast::start`], speaks to it through [`Registry`] (or through a [`Connection`], byte by byte),
//! and when the [`Holdfast`] goes out of scope the process is asked to stop and the store's invariants are checked.

#![allow(dead_code, reason = "each test binary uses its own part of this")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]
#![allow(unreachable_pub, reason = "a module shared by several crates has no public door of its own")]
#![allow(unused_imports, reason = "each test binary uses its own part of this")]

mod authority;
mod connection;
mod content;
mod manifests;
mod registry;
mod request;
mod response;
mod server;
mod skip;
mod terminal;
mod upload;

pub use authority::{Authority, Pair};
pub use connection::Connection;
pub use content::{ALGORITHMS, Algorithm, blake3, bytes_of, sha256, sha512};
pub use manifests::{
    DOCKER_IMAGE, DOCKER_LIST, Image, OCI_IMAGE, OCI_INDEX, artifact, descriptor, docker_image, docker_list,
    empty_config, image, index, manifest_descriptor, to_bytes,
};
pub use registry::Registry;
pub use request::Request;
pub use response::Response;
pub use server::{Builder, Holdfast};
pub use skip::skip;
pub use terminal::Terminal;
pub use upload::Upload;
