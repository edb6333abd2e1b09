//! Where those who do a load wait for each other before it begins.

use std::sync::{Condvar, Mutex, PoisonError};

/// Opens when as many have arrived as are expected.
#[derive(Debug)]
pub(super) struct Gate {
    missing: Mutex<usize>,
    opened: Condvar,
}

impl Gate {
    pub(super) fn new(expected: usize) -> Self {
        Self { missing: Mutex::new(expected), opened: Condvar::new() }
    }

    /// Counts one as arrived, who need not wait itself.
    pub(super) fn arrive(&self) {
        let mut missing = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
        *missing = missing.saturating_sub(1);
        if *missing == 0 {
            self.opened.notify_all();
        }
    }

    /// Arrives, and waits until it is open.
    pub(super) fn pass(&self) {
        self.arrive();
        let missing = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
        let _open = self.opened.wait_while(missing, |missing| *missing > 0);
    }
}
