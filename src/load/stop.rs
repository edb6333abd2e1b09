//! The word that a load is to stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use super::Failure;

/// Tells everybody who has a clone of it to stop, once and for all: connections give up what they wait for within a
/// tenth of a second.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicU8>);

const STOPPED: u8 = 1;
const OVERDUE: u8 = 2;

impl Stop {
    /// Somebody wants it to end: what is given up counts for nothing.
    pub fn set(&self) {
        self.0.store(STOPPED, Ordering::Relaxed);
    }

    /// It should have ended long ago: what is given up has failed.
    pub fn set_overdue(&self) {
        self.0.store(OVERDUE, Ordering::Relaxed);
    }

    /// An error if it is to stop.
    pub fn check(&self) -> Result<(), Failure> {
        match self.0.load(Ordering::Relaxed) {
            STOPPED => Err(Failure::Stopped),
            OVERDUE => Err(Failure::Overdue),
            _ => Ok(()),
        }
    }
}
