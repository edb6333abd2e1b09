//! Events on their way out: who was told how much.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::sync::futures::Notified;

use crate::registry::{Error, Registry};
use crate::store::{Accepted, Change, Decision, EventRow, Operation, Slot, Tables, Timestamp, Write};

/// Up to which number each endpoint was told, by its name.
pub type Endpoints = BTreeMap<String, u64>;

/// How far an endpoint is behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lag {
    /// How many events it was not told of.
    pub events: u64,
    /// How long ago the oldest of them has happened.
    pub age: Duration,
}

impl Registry {
    /// Whether what requests do is told to anybody.
    pub fn tells_events(&self) -> bool {
        self.settings.events.enabled || self.recent.is_watched()
    }

    /// Whether events are kept although nobody looks on.
    pub fn keeps_events(&self) -> bool {
        self.settings.events.enabled
    }

    /// Whether pulls are told to anybody.
    pub fn tells_pulls(&self) -> bool {
        self.records_pulls() || self.recent.is_watched()
    }

    /// Whether endpoints are told of pulls.
    pub(super) fn records_pulls(&self) -> bool {
        self.settings.events.enabled && self.settings.events.pulls
    }

    /// Names those who are to be told from now on. Those who are new begin with what happens next; nothing is kept for those
    /// who are named no more. Returns up to where each was told.
    pub async fn name_endpoints(&self, names: BTreeSet<String>) -> Result<Endpoints, Error> {
        let told = self.store.read().outbox()?.told;
        if told.keys().eq(&names) {
            return Ok(told);
        }
        self.submit(NameEndpoints(names)).await
    }

    /// The events after a number, at most `limit`, each with its own.
    pub fn events_after(&self, number: u64, limit: usize) -> Result<Vec<(u64, EventRow)>, Error> {
        Ok(self.store.read().events_after(number, limit)?)
    }

    /// Resolves once events are recorded, from now on.
    pub fn events_recorded(&self) -> Notified<'_> {
        self.recorded.notified()
    }

    /// Keeps up to where each endpoint was told, and forgets what all of them were told.
    pub async fn keep_told(&self, told: Endpoints) -> Result<(), Error> {
        self.submit(KeepTold(told)).await
    }

    /// How long ago the oldest event has happened that some endpoint was not told of, as far as that was kept.
    pub(in crate::registry) fn events_lag(&self) -> Option<Duration> {
        let told = self.store.read().outbox().ok()?.told;
        Some(told.values().min().map_or(Duration::ZERO, |told| self.lag(*told).unwrap_or_default().age))
    }

    /// How far somebody is behind who was told up to a number.
    pub fn lag(&self, told: u64) -> Result<Lag, Error> {
        let tables = self.store.read();
        let Some((oldest, event)) = tables.events_after(told, 1)?.pop() else {
            return Ok(Lag::default());
        };
        let events = tables.outbox()?.newest.saturating_sub(oldest) + 1;
        let age = Timestamp::now().0.saturating_sub(event.at.0);
        Ok(Lag { events, age: Duration::from_millis(age) })
    }
}

struct NameEndpoints(BTreeSet<String>);

impl Operation for NameEndpoints {
    type Outcome = Endpoints;
    type Refusal = Error;

    fn decide(self, tables: &Tables<Write<'_>>, _slot: Slot) -> Decision<Self> {
        let outbox = tables.outbox()?;
        let told_of = |name: String| {
            let told = outbox.told.get(&name).copied().unwrap_or(outbox.newest);
            (name, told)
        };
        let told: Endpoints = self.0.into_iter().map(told_of).collect();
        Ok(Accepted::new(keep(tables, told.clone(), outbox.newest)?, told))
    }

    fn needs_room(&self) -> bool {
        false
    }
}

struct KeepTold(Endpoints);

impl Operation for KeepTold {
    type Outcome = ();
    type Refusal = Error;

    fn decide(self, tables: &Tables<Write<'_>>, _slot: Slot) -> Decision<Self> {
        Ok(Accepted::new(keep(tables, self.0, tables.outbox()?.newest)?, ()))
    }

    fn needs_room(&self) -> bool {
        false
    }
}

/// Where nobody is to be told, everything up to the newest event may go.
fn keep(
    tables: &Tables<Write<'_>>,
    told: Endpoints,
    newest: u64,
) -> Result<Vec<Change>, crate::store::MetadataError> {
    let up_to = told.values().copied().min().unwrap_or(newest);
    let mut changes = vec![Change::EndpointsTold { told }];
    if tables.oldest_event()?.is_some_and(|oldest| oldest <= up_to) {
        changes.push(Change::EventsForgotten { up_to });
    }
    Ok(changes)
}
