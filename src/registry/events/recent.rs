//! The latest events, in memory, for those who look on.
//!
//! They are remembered in the order in which those who made them happen were answered, and told to nobody who does not ask. Whoever is
//! too slow misses the oldest, and is told how many. The outbox has no part in it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::registry::Registry;
use crate::store::EventRow;

/// The most events that are remembered; some hundred bytes each.
const MOST: usize = 4_096;

/// What is remembered.
#[derive(Debug, Default)]
pub(in crate::registry) struct Recent {
    events: Mutex<VecDeque<Arc<EventRow>>>,
    /// How many there were so far. The events that are remembered are the last of them. Who looks on receives it.
    count: watch::Sender<u64>,
}

impl Recent {
    /// Whether anybody looks on.
    pub(super) fn is_watched(&self) -> bool {
        self.count.receiver_count() > 0
    }

    pub(in crate::registry) fn remember(&self, events: impl IntoIterator<Item = EventRow>) {
        let mut remembered = self.lock();
        let before = remembered.len();
        remembered.extend(events.into_iter().map(Arc::new));
        let more = (remembered.len() - before) as u64;
        let too_many = remembered.len().saturating_sub(MOST);
        remembered.drain(..too_many);
        if more > 0 {
            self.count.send_modify(|count| *count += more);
        }
    }

    /// Begins to look on. Where events are not remembered all the time, what somebody saw long ago is forgotten.
    fn watch(&self, is_kept: bool) -> watch::Receiver<u64> {
        let mut remembered = self.lock();
        if !is_kept && !self.is_watched() {
            remembered.clear();
        }
        self.count.subscribe()
    }

    /// The events after so many, the oldest first and at most `limit`; before them how many were forgotten.
    fn after(&self, seen: u64, limit: usize) -> (u64, Vec<Arc<EventRow>>) {
        let remembered = self.lock();
        let forgotten = *self.count.borrow() - remembered.len() as u64;
        let from = usize::try_from(seen.saturating_sub(forgotten)).unwrap_or(usize::MAX);
        let events = remembered.iter().skip(from).take(limit).cloned().collect();
        (forgotten.saturating_sub(seen), events)
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Arc<EventRow>>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody who looks on. For as long as there is one, events are remembered although no endpoint is told of any.
pub struct Onlooker {
    registry: Arc<Registry>,
    count: watch::Receiver<u64>,
    /// How many it has seen, or missed.
    seen: u64,
}

impl Registry {
    /// Looks on from what is remembered on.
    pub fn look_on(self: &Arc<Self>) -> Onlooker {
        let count = self.recent.watch(self.settings.events.enabled);
        let (forgotten, _) = self.recent.after(0, 0);
        Onlooker { registry: Arc::clone(self), count, seen: forgotten }
    }
}

impl Onlooker {
    /// The next events, at most `limit`, and how many were missed before them.
    pub fn take(&mut self, limit: usize) -> (u64, Vec<Arc<EventRow>>) {
        let (missed, events) = self.registry.recent.after(self.seen, limit);
        self.seen += missed + events.len() as u64;
        (missed, events)
    }

    /// Resolves once there are events that were not taken.
    pub async fn wait(&mut self) {
        let seen = self.seen;
        // The sender is the registry's, which is held here.
        let _ = self.count.wait_for(|count| *count > seen).await;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use super::*;
    use crate::registry::Occasion;
    use crate::store::{EventAction, Timestamp};

    fn events(sizes: std::ops::Range<u64>) -> Vec<EventRow> {
        let event = Occasion::default().event(EventAction::Push, &"a".parse().unwrap(), Timestamp(0));
        sizes.map(|size| EventRow { size: Some(size), ..event.clone() }).collect()
    }

    fn sizes(events: &[Arc<EventRow>]) -> Vec<u64> {
        events.iter().filter_map(|event| event.size).collect()
    }

    #[test]
    fn whoever_is_too_slow_misses_the_oldest_and_learns_how_many() {
        let recent = Recent::default();
        recent.remember(events(0..3));
        assert_eq!(sizes(&recent.after(1, 9).1), [1, 2]);
        recent.remember(events(3..MOST as u64 + 5));
        let (missed, next) = recent.after(3, 2);
        assert_eq!((missed, sizes(&next)), (2, vec![5, 6]));
        assert_eq!(recent.after(MOST as u64 + 5, 9), (0, Vec::new()));
    }

    #[test]
    fn what_nobody_looked_on_at_is_not_taken_for_the_latest() {
        let recent = Recent::default();
        let first = recent.watch(false);
        recent.remember(events(0..3));
        let second = recent.watch(false);
        assert_eq!(recent.after(0, 9).1.len(), 3, "somebody looks on already");
        drop((first, second));
        assert!(!recent.is_watched());
        let _third = recent.watch(false);
        assert_eq!(recent.after(0, 9), (3, Vec::new()));
        recent.remember(events(7..8));
        assert_eq!(sizes(&recent.after(3, 9).1), [7]);
    }

    #[test]
    fn endpoints_have_events_remembered_all_the_time() {
        let recent = Recent::default();
        recent.remember(events(0..3));
        let _one = recent.watch(true);
        assert_eq!(recent.after(0, 9).1.len(), 3);
    }
}
