//! How many connections there may be at once.
//!
//! A connection beyond the limit waits in an anteroom, and is refused when it has waited too long. The
//! anteroom is bounded too; beyond it connections stay unaccepted, in the system's backlog.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many connections wait in the anteroom.
const ANTEROOM: u32 = 256;

#[derive(Debug)]
pub(super) struct Places {
    doors: Arc<Semaphore>,
    seats: Arc<Semaphore>,
    all: u32,
}

/// What a connection holds from before it is accepted to its end.
#[derive(Debug)]
pub(super) struct Place {
    door: OwnedSemaphorePermit,
    seats: Arc<Semaphore>,
}

/// What a connection holds while it is served.
#[derive(Debug)]
pub(super) struct Seat {
    _door: OwnedSemaphorePermit,
    _seat: OwnedSemaphorePermit,
}

/// No seat became free in time.
#[derive(Debug)]
pub(super) struct Full(
    #[expect(dead_code, reason = "holds the door while the refusal is sent")] OwnedSemaphorePermit,
);

impl Places {
    pub(super) fn new(max_connections: usize) -> Self {
        let seats = u32::try_from(max_connections).unwrap_or(u32::MAX).clamp(1, u32::MAX / 8);
        let all = seats + ANTEROOM;
        Places {
            doors: Arc::new(Semaphore::new(all as usize)),
            seats: Arc::new(Semaphore::new(seats as usize)),
            all,
        }
    }

    /// Waits until one more connection may be accepted.
    pub(super) async fn next(&self) -> Place {
        let door = Arc::clone(&self.doors).acquire_owned().await;
        Place { door: door.expect("the semaphore is never closed"), seats: Arc::clone(&self.seats) }
    }

    /// Returns when the last connection has ended.
    pub(super) async fn empty(&self) {
        let all = self.doors.acquire_many(self.all).await;
        drop(all.expect("the semaphore is never closed"));
    }

    /// How many connections there are.
    pub(super) fn taken(&self) -> usize {
        self.all as usize - self.doors.available_permits()
    }
}

impl Place {
    /// Waits for a seat, no longer than `patience`.
    pub(super) async fn seated(self, patience: Duration) -> Result<Seat, Full> {
        match tokio::time::timeout(patience, self.seats.acquire_owned()).await {
            Ok(seat) => Ok(Seat { _door: self.door, _seat: seat.expect("the semaphore is never closed") }),
            Err(_) => Err(Full(self.door)),
        }
    }
}
