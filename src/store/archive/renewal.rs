//! The wish for a new snapshot of the tables, in the place of an archive that leads nowhere.

use std::sync::atomic::{AtomicU64, Ordering};

/// How often it was wished for, and for how many of the wishes there is one.
#[derive(Debug, Default)]
pub(in crate::store) struct Renewal {
    wanted: AtomicU64,
    done: AtomicU64,
}

/// A wish.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::store) struct Wish(u64);

impl Renewal {
    /// Whoever wishes looks now and then whether it is [`fulfilled`](Self::is_fulfilled).
    pub(in crate::store) fn wish(&self) -> Wish {
        Wish(self.wanted.fetch_add(1, Ordering::SeqCst) + 1)
    }

    pub(in crate::store) fn is_fulfilled(&self, wish: Wish) -> bool {
        self.done.load(Ordering::SeqCst) >= wish.0
    }

    pub(super) fn last(&self) -> Wish {
        Wish(self.wanted.load(Ordering::SeqCst))
    }

    pub(super) fn fulfil(&self, wish: Wish) {
        self.done.store(wish.0, Ordering::SeqCst);
    }
}
