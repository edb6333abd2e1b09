//! When a checkpoint is due.

use std::time::{Duration, Instant};

use crate::store::metadata::Durable;

/// Keeps count of what a crash would have to replay.
///
/// Commits without durability may not pile up either: the database reuses pages only after a durable one, and grows
/// until then. While one is on its way to the disk another follows only if there is much to keep.
#[derive(Debug)]
pub(super) struct Checkpoints {
    /// The least time between two.
    interval: Duration,
    last: Instant,
    /// How long the last one took.
    took: Duration,
    /// Commits since the last checkpoint.
    commits: u32,
    /// The last one, which may not be durable yet.
    under_way: Option<Durable>,
}

impl Checkpoints {
    /// The most commits between two checkpoints.
    const MOST_COMMITS: u32 = 1_000;
    /// The part of the time that checkpoints may take at most, as a divisor.
    const SHARE: u32 = 20;

    pub(super) fn new(interval: Duration) -> Self {
        Self { interval, last: Instant::now(), took: Duration::ZERO, commits: 0, under_way: None }
    }

    pub(super) fn note_commit(&mut self) {
        self.commits += 1;
    }

    /// Everything that is committed becomes durable, by a checkpoint that began then.
    pub(super) fn note_checkpoint(&mut self, began: Instant) {
        self.commits = 0;
        self.last = Instant::now();
        self.took = self.last - began;
    }

    /// The last one is on its way to the disk.
    pub(super) fn note_under_way(&mut self, durable: Durable) {
        self.under_way = Some(durable);
    }

    pub(super) fn is_anything_pending(&self) -> bool {
        self.commits > 0
    }

    pub(super) fn is_due(&self) -> bool {
        let interval = self.interval.max(self.took * Self::SHARE);
        let is_time =
            self.last.elapsed() >= interval && self.under_way.as_ref().is_none_or(Durable::is_decided);
        self.commits >= Self::MOST_COMMITS || self.commits > 0 && is_time
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_is_due_when_there_is_something_to_keep_and_the_last_one_is_long_enough_ago() {
        let mut checkpoints = Checkpoints::new(Duration::ZERO);
        assert!(!checkpoints.is_due());
        checkpoints.note_commit();
        assert!(checkpoints.is_due());
        // One that has taken an hour is not followed by another for most of a day, but for a bound on what is replayed.
        let hour_ago = Instant::now().checked_sub(Duration::from_secs(3_600)).expect("the clock is older");
        checkpoints.note_checkpoint(hour_ago);
        for _ in 1..Checkpoints::MOST_COMMITS {
            checkpoints.note_commit();
            assert!(!checkpoints.is_due());
        }
        checkpoints.note_commit();
        assert!(checkpoints.is_due());
    }
}
