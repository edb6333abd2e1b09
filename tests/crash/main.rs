//! Crashes: what was acknowledged survives every cut and every kill, wherever it strikes.
//!
//! A seed is the story of one store on one simulated disk, over several lives. In each life a registry opens it, pushes,
//! tags, deletes, and begins, continues and ends uploads, some of it at once; then the process is killed or the power is
//! cut, at any call of the disk, while the store is being opened too. The next life has to find what the ones before it
//! were told: see [`model`].
//!
//! `cargo test --test crash` lives some hundred seeds; `HOLDFAST_CRASH_SEEDS=20000` as many as it says, and
//! `HOLDFAST_CRASH_SEED=17` that one alone. A story whose operations run at once depends on the threads' order too: it
//! may take several runs until it fails again.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod execution;
mod goods;
mod inspection;
mod life;
mod model;
mod operation;
mod seeds;
mod story;

use holdfast::store::Rule;

#[test]
fn what_was_acknowledged_survives_every_cut_and_every_kill() {
    let failures = seeds::live(seeds::asked(300), None);
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

/// A check that finds nothing whatever is broken proves nothing.
#[test]
fn every_rule_is_missed_when_it_is_left_out() {
    let unnoticed = |rule: &&Rule| seeds::live(0..300, Some(**rule)).is_empty();
    let unnoticed: Vec<_> = Rule::ALL.iter().filter(unnoticed).collect();
    assert!(unnoticed.is_empty(), "nothing was lost without {unnoticed:?}");
}
