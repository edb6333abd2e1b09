//! The registry over HTTP, as a specification: a module an endpoint family, a sentence a test. Each test starts the real
//! binary over a folder of its own, looks at all of the answer, and ends with the check of the store's invariants.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

#[path = "../support/mod.rs"]
mod support;

mod backup;
mod base;
mod blobs;
mod broken_uploads;
mod catalog;
mod check;
mod check_metadata;
mod chunks;
mod collection;
mod collection_races;
mod concurrent_sessions;
mod conditions;
mod deleting;
mod digests;
mod errors;
mod events;
mod export;
mod http2;
mod http_edges;
mod import;
mod import_layout;
mod import_remote;
mod import_tree;
mod limits;
mod listener;
mod locations;
mod manifest_pushes;
mod manifest_references;
mod manifest_validation;
mod manifests;
mod marks;
mod memory;
mod monolithic_pushes;
mod mounts;
mod multipart_ranges;
mod names;
mod quotas;
mod ranges;
mod rebuild;
mod referrers;
mod restarts;
mod retention;
mod rolling_restarts;
mod scrub;
mod sessions_model;
mod tag_parameters;
mod tags;
mod taken_back;
mod tls;
mod tls_certificates;
mod uploads;
mod verified_pulls;
