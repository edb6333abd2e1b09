//! Events that wait to be told to those who asked for it, and who was told how much.
//!
//! They are recorded in the transaction that they tell of, under numbers that go up by one and are never used again. One
//! order holds for all of them, and so for those of each repository.

use std::collections::BTreeMap;

use minicbor::bytes::ByteArray;
use minicbor::{Decode, Encode};
use redb::ReadableTable;
use serde::{Deserialize, Serialize};

use crate::oci::{Digest, RepositoryName, Tag};
use crate::store::clock::Timestamp;

use super::MetadataError;
use super::encoding::{decode, encode};
use super::reads::OUTBOX;
use super::tables::{Access, Tables, Write};

/// Something that has happened in a repository, and which request has made it happen.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct EventRow {
    /// Random: whoever is told of it twice can tell by it.
    #[n(0)]
    pub id: ByteArray<16>,
    #[n(1)]
    pub at: Timestamp,
    #[n(2)]
    pub action: EventAction,
    #[n(3)]
    pub repository: RepositoryName,
    #[n(4)]
    pub digest: Option<Digest>,
    /// Of what was pushed, pulled or mounted.
    #[n(5)]
    pub media_type: Option<String>,
    /// The same, in bytes.
    #[n(6)]
    pub size: Option<u64>,
    #[n(7)]
    pub tag: Option<Tag>,
    /// Where a blob was mounted from.
    #[n(8)]
    pub from: Option<RepositoryName>,
    /// Where it can be pulled.
    #[n(9)]
    pub url: Option<String>,
    #[n(10)]
    pub request: RequestRow,
}

/// What an event tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(index_only)]
#[serde(rename_all = "lowercase")]
pub enum EventAction {
    #[n(0)]
    Pull,
    #[n(1)]
    Push,
    #[n(2)]
    Mount,
    #[n(3)]
    Delete,
}

impl EventAction {
    /// As distribution writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Push => "push",
            Self::Mount => "mount",
            Self::Delete => "delete",
        }
    }
}

/// The request that has made something happen.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode)]
pub struct RequestRow {
    /// As in the log.
    #[n(0)]
    pub id: String,
    /// The client's address.
    #[n(1)]
    pub address: String,
    /// Under which name the client knows the registry.
    #[n(2)]
    pub host: String,
    #[n(3)]
    pub method: String,
    #[n(4)]
    pub user_agent: String,
    /// Who the client is; empty where nobody is asked.
    #[n(5)]
    pub actor: String,
}

/// How far the events have come.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode)]
pub struct OutboxRow {
    /// The number of the newest event.
    #[n(0)]
    pub newest: u64,
    /// Up to which number each endpoint was told, by its name.
    #[n(1)]
    pub told: BTreeMap<String, u64>,
}

impl<A: Access> Tables<A> {
    /// How far the events have come.
    pub fn outbox(&self) -> Result<OutboxRow, MetadataError> {
        Ok(self.outbox_if_used()?.unwrap_or_default())
    }

    /// The same; `None` where there never was an event, nor anybody to tell.
    pub(super) fn outbox_if_used(&self) -> Result<Option<OutboxRow>, MetadataError> {
        self.state.get(OUTBOX)?.map(|row| decode("state", row.value())).transpose()
    }

    /// The number of the oldest event that is kept.
    pub fn oldest_event(&self) -> Result<Option<u64>, MetadataError> {
        Ok(self.events.first()?.map(|(number, _)| number.value()))
    }

    /// The events after a number, at most `limit`, each with its own.
    pub fn events_after(&self, number: u64, limit: usize) -> Result<Vec<(u64, EventRow)>, MetadataError> {
        let from = number.saturating_add(1);
        let entries = self.events.range(from..)?.take(limit);
        entries
            .map(|entry| {
                let (number, row) = entry?;
                Ok((number.value(), decode("events", row.value())?))
            })
            .collect()
    }
}

impl Tables<Write<'_>> {
    pub(super) fn record_event(&mut self, number: u64, event: &EventRow) -> Result<(), MetadataError> {
        self.events.insert(number, &*encode(event))?;
        self.alter_outbox(|outbox| outbox.newest = outbox.newest.max(number))
    }

    pub(super) fn forget_events(&mut self, up_to: u64) -> Result<(), MetadataError> {
        self.events.retain_in(..=up_to, |_, _| false)?;
        self.alter_outbox(|outbox| outbox.newest = outbox.newest.max(up_to))
    }

    pub(super) fn set_told(&mut self, told: &BTreeMap<String, u64>) -> Result<(), MetadataError> {
        self.alter_outbox(|outbox| outbox.told.clone_from(told))
    }

    fn alter_outbox(&mut self, alter: impl FnOnce(&mut OutboxRow)) -> Result<(), MetadataError> {
        let mut outbox = self.outbox()?;
        alter(&mut outbox);
        self.state.insert(OUTBOX, &*encode(&outbox))?;
        Ok(())
    }
}
