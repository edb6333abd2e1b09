//! Small stories in which everything stops at each call of the disk in turn.

use holdfast::store::Rule;
use holdfast::store::simulated::{Call, Simulated};

use crate::scenario::{PREPARED, come_back, live_through};
use crate::story::{Story, runtime};

/// A story, the call at which it stops, and what chance has in store for it.
#[derive(Clone, Copy)]
pub(crate) struct Stop {
    begins: Begins,
    /// One may be left out.
    rule: Option<Rule>,
    calls: usize,
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

/// Every call while a store is created; of the hundreds that create folders the first ones will do. What becomes of names
/// has many outcomes of which few do harm, so their syncs are stopped at as often as `seeds` says.
pub(crate) fn of_creations(rule: Option<Rule>, seeds: u64) -> Vec<Stop> {
    let mut created = Story::new(Simulated::new(0));
    created.machine.leave_out(rule);
    let runtime = runtime();
    let registry = created.open(&runtime).expect("a sound store");
    let kinds = created.machine.changes();
    drop(registry);
    let mut stops = Vec::new();
    for (calls, kind) in kinds.iter().enumerate() {
        let is_first = calls.checked_sub(1).is_none_or(|before| kinds[before] != Call::CreateFolder);
        let seeds = match kind {
            Call::SyncFolder => seeds,
            Call::CreateFolder if !is_first => 0,
            _ => 3,
        };
        stops.extend((0..seeds).map(|seed| Stop { begins: Begins::Empty, rule, calls, seed }));
    }
    stops
}

/// Every call while a store is used.
pub(crate) fn of_uses() -> Vec<Stop> {
    let mut used = PREPARED.fork(0);
    live_through(&mut used).expect("nothing goes wrong");
    let calls = 0..used.machine.changes().len();
    calls.zip(0..).map(|(calls, seed)| Stop { begins: Begins::Prepared, rule: None, calls, seed }).collect()
}

impl Stop {
    /// Lives until the stop, ends there by force, and comes back.
    pub(crate) fn live(self) -> Result<(), String> {
        let Self { begins, rule, calls, seed } = self;
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
