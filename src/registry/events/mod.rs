//! Events: what has happened, told to those who asked for it.
//!
//! What a request changes is told in the transaction that changes it ([`Telling`](recorded::Telling)), so that an event is there if
//! and only if what it tells of has happened, a crash notwithstanding. A pull changes nothing: its event is put down within a
//! second, and one that a crash comes before is lost. Events are kept until every endpoint was told, or until there are too
//! many of them, the oldest then go. Who is told, and how, is not known here.
//!
//! The latest are remembered in memory as well, for those who look on ([`Onlooker`]). While there is one, but no endpoint, events are
//! made and remembered, and not recorded.

mod occasion;
mod outbox;
mod pulls;
mod recent;
mod recorded;

pub use occasion::Occasion;
pub use outbox::{Endpoints, Lag};
pub(super) use pulls::Pulls;
pub use recent::Onlooker;
pub(super) use recent::Recent;
pub(super) use recorded::Telling;

/// Whether events are recorded, and how many are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventSettings {
    /// Whether anybody is told of anything.
    pub enabled: bool,
    /// Whether anybody is told of pulls.
    pub pulls: bool,
    /// The most events that are kept for those who were not told yet.
    pub backlog: u64,
}

impl Default for EventSettings {
    /// Nobody is told of anything.
    fn default() -> Self {
        Self { enabled: false, pulls: false, backlog: 100_000 }
    }
}
