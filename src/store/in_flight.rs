//! Files of this run that are about to be named by the metadata.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use super::ids::PayloadId;

/// Their ids. A file is in flight from before it is created until whoever would name it has been answered.
#[derive(Debug, Default)]
pub(super) struct InFlight {
    ids: Mutex<HashSet<PayloadId>>,
}

/// Keeps a file in flight.
#[derive(Debug)]
pub(super) struct Guard {
    in_flight: Arc<InFlight>,
    id: PayloadId,
}

impl InFlight {
    pub(super) fn enter(self: &Arc<Self>, id: PayloadId) -> Guard {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
        Guard { in_flight: Arc::clone(self), id }
    }

    pub(super) fn has(&self, id: PayloadId) -> bool {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner).contains(&id)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.in_flight.ids.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}
