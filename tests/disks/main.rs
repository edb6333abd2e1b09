//! The registry as a process on real file systems: killed, its power cut, its disk full, its files damaged under it.
//!
//! `tests/crash` simulates the disk and reaches every call; this asks the file systems themselves. Everything goes over
//! HTTP, under the load of several clients, each of which keeps book of what was acknowledged to it: see [`ledger`].
//!
//! Most of it needs root, loop devices and the tools of ext4, XFS and btrfs. Where something can not be mounted, a test
//! says so on standard error and passes; with `HOLDFAST_REQUIRE_DISKS=1` it fails.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

#[path = "../support/mod.rs"]
mod support;

#[path = "../registry/import_tree.rs"]
#[allow(dead_code, reason = "made for tests that need more of it")]
mod import_tree;

mod client;
mod goods;
mod inspection;
mod ledger;
mod load;
mod pull;
mod random;
mod volume;
mod writeback;

mod damage;
mod full;
mod kills;
mod power_cuts;
mod reflinks;
