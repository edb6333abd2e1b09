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
    /// Commits since the last checkpoint.
    commits: u32,
    /// The last one, which may not be durable yet.
    under_way: Option<Durable>,
}

impl Checkpoints {
    /// The most commits between two checkpoints.
    const MOST_COMMITS: u32 = 1_000;

    pub(super) fn new(interval: Duration) -> Self {
        Self { interval, last: Instant::now(), commits: 0, under_way: None }
    }

    pub(super) fn note_commit(&mut self) {
        self.commits += 1;
    }

    /// Everything that is committed becomes durable, as soon as what is under way has reached the disk.
    pub(super) fn note_checkpoint(&mut self, under_way: Option<Durable>) {
        self.commits = 0;
        self.last = Instant::now();
        self.under_way = under_way;
    }

    pub(super) fn is_anything_pending(&self) -> bool {
        self.commits > 0
    }

    pub(super) fn is_due(&self) -> bool {
        let is_time = || self.last.elapsed() >= self.interval;
        let is_on_disk = || self.under_way.as_ref().is_none_or(Durable::is_decided);
        self.commits >= Self::MOST_COMMITS || self.commits > 0 && is_time() && is_on_disk()
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
        checkpoints.note_checkpoint(None);
        assert!(!checkpoints.is_due() && !checkpoints.is_anything_pending());
    }

    #[test]
    fn what_a_crash_would_have_to_replay_is_bounded() {
        let mut checkpoints = Checkpoints::new(Duration::from_secs(3_600));
        for _ in 1..Checkpoints::MOST_COMMITS {
            checkpoints.note_commit();
            assert!(!checkpoints.is_due());
        }
        checkpoints.note_commit();
        assert!(checkpoints.is_due());
    }
}
