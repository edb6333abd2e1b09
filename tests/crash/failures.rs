//! The scenario with each call of the disk failing in turn.

use holdfast::store::simulated::{Call, Failure};

use crate::scenario::{PREPARED, come_back, live_through};
use crate::story::Story;

/// Calls of one kind that fail in one way.
pub(crate) struct Failing {
    kind: Call,
    failure: Failure,
    /// Every call whose number leaves this when it is divided by [`PARTS`].
    part: u64,
}

/// Into how many parts the calls of a kind are divided, so that all processors have something to do.
const PARTS: u64 = 4;

/// Each kind of call, in each way that it can fail.
pub(crate) fn all() -> impl Iterator<Item = Failing> + Send {
    let ways = [Failure::Device, Failure::Full, Failure::FullForGood];
    let all = ways.into_iter().flat_map(|failure| Call::ALL.into_iter().map(move |kind| (kind, failure)));
    let all = all.filter(|(kind, failure)| *failure == Failure::Device || takes_room(*kind));
    all.flat_map(|(kind, failure)| (0..PARTS).map(move |part| Failing { kind, failure, part }))
}

impl Failing {
    /// Tells the story with each call failing in turn, until there are not so many; each time the process is killed or
    /// the power is cut after it.
    pub(crate) fn live(&self) -> Result<(), String> {
        let Self { kind, failure, part } = *self;
        let mut calls = part;
        loop {
            let mut has_failed = false;
            for seed in 0..seeds(kind) {
                let lived = with_failure(PREPARED.fork(seed), kind, calls, failure, seed);
                has_failed |= lived
                    .map_err(|story| format!("{failure:?} at {kind:?} {calls}, seed {seed}: {story}"))?;
            }
            if !has_failed {
                return Ok(());
            }
            calls += PARTS * stride(kind, failure);
        }
    }
}

fn takes_room(kind: Call) -> bool {
    matches!(kind, Call::Create | Call::CreateFolder | Call::Rename | Call::SetLength | Call::Write)
}

/// How often each call fails, which matters where the failure leaves something to chance.
fn seeds(kind: Call) -> u64 {
    match kind {
        Call::Sync | Call::StartWriteback => 3,
        Call::Write | Call::List => 1,
        _ => 2,
    }
}

/// Of calls that are all alike some will do: those that look into the hundreds of folders, and the writes of redb.
fn stride(kind: Call, failure: Failure) -> u64 {
    match (kind, failure) {
        (Call::List, _) => 60,
        (Call::Write, Failure::Device) => 2,
        (Call::Write, Failure::Full | Failure::FullForGood) => 4,
        _ => 1,
    }
}

/// Tells the story with one failing call. `false` if there are not so many calls.
fn with_failure(
    mut story: Story,
    kind: Call,
    calls: u64,
    failure: Failure,
    seed: u64,
) -> Result<bool, String> {
    story.machine.fail(kind, calls, failure);
    let lived = live_through(&mut story);
    let has_failed = story.machine.has_failed();
    match (seed + calls) % 2 {
        0 => story.kill(),
        _ => story.cut(seed),
    }
    let came_back = lived.and_then(|()| come_back(&mut story, seed));
    came_back.map_err(|wrong| story.end_badly(wrong)).map(|()| has_failed)
}
