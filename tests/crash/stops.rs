//! Small stories in which everything stops at each call of the disk in turn.

use holdfast::store::Rule;
use holdfast::store::simulated::Simulated;

use crate::scenario::{PREPARED, come_back, live_through};
use crate::story::{Story, runtime};

/// A story, the call at which it stops, and what chance has in store for it.
#[derive(Clone, Copy)]
pub(crate) struct Stop {
    begins: Begins,
    calls: u64,
    seed: u64,
}

/// What the story begins with.
#[derive(Clone, Copy)]
enum Begins {
    /// An empty disk, on which a store is created.
    Empty,
    /// A store that has lived already.
    Prepared,
}

/// Every call while a store is created.
pub(crate) fn of_creations() -> Vec<Stop> {
    // Three times 256 folders are created and then synced: of those calls the first and the last will do.
    const FOLDERS: u64 = 777;
    let mut created = Story::new(Simulated::new(0));
    let runtime = runtime();
    let registry = created.open(&runtime).expect("a sound store");
    let all = created.machine.changes();
    drop(registry);
    let calls = (0..all).rev().filter(|calls| calls % 257 < 8 || *calls > FOLDERS);
    let stops = |calls| {
        // With the last ones the folder is declared a store, and few cuts tell their order.
        let seeds = if calls + 8 > all { 24 } else { 6 };
        (0..seeds).map(move |seed| Stop { begins: Begins::Empty, calls, seed })
    };
    calls.flat_map(stops).collect()
}

/// Every call while a store is used.
pub(crate) fn of_uses() -> Vec<Stop> {
    let mut used = PREPARED.fork(0);
    live_through(&mut used).expect("nothing goes wrong");
    (0..used.machine.changes()).map(|calls| Stop { begins: Begins::Prepared, calls, seed: calls }).collect()
}

impl Stop {
    /// Lives until the stop, ends there by force, and comes back. A rule may be left out.
    pub(crate) fn live(self, rule: Option<Rule>) -> Result<(), String> {
        let Self { begins, calls, seed } = self;
        let mut story = match begins {
            Begins::Empty => Story::new(Simulated::new(seed)),
            Begins::Prepared => PREPARED.fork(seed),
        };
        story.machine.leave_out(rule);
        story.machine.stop_after(calls);
        let lived = live_through(&mut story).and_then(|()| {
            match seed % 3 {
                0 => story.kill(),
                _ => story.cut(seed),
            }
            come_back(&mut story, seed)
        });
        lived.map_err(|wrong| format!("stopped at call {calls}, seed {seed}: {}", story.end_badly(wrong)))
    }
}
