//! When a checkpoint is due.

use std::time::{Duration, Instant};

/// Keeps count of what a crash would have to replay.
///
/// Commits without durability may not pile up either: the database reuses pages only after a durable one, and grows
/// until then.
#[derive(Debug)]
pub(super) struct Checkpoints {
    interval: Duration,
    last: Instant,
    /// Commits since the last checkpoint.
    commits: u32,
}

impl Checkpoints {
    /// The most commits between two checkpoints.
    const MOST_COMMITS: u32 = 1_000;

    pub(super) fn new(interval: Duration) -> Self {
        Self { interval, last: Instant::now(), commits: 0 }
    }

    pub(super) fn note_commit(&mut self) {
        self.commits += 1;
    }

    pub(super) fn note_checkpoint(&mut self) {
        self.commits = 0;
        self.last = Instant::now();
    }

    pub(super) fn is_anything_pending(&self) -> bool {
        self.commits > 0
    }

    pub(super) fn is_due(&self) -> bool {
        self.commits >= Self::MOST_COMMITS || self.commits > 0 && self.last.elapsed() >= self.interval
    }
}
