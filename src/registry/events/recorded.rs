//! The events of a change, decided together with it.

use std::sync::Arc;

use crate::oci::{Digest, RepositoryName, Tag};
use crate::store::{
    Accepted, Change, Decision, EventAction, EventRow, MetadataError, Operation, Slot, Tables, Timestamp,
    Write,
};

use super::Occasion;

/// The media type of a blob in events, which nobody else says anything about.
pub(super) const OCTETS: &str = "application/octet-stream";

/// An operation whose changes are told of.
pub(in crate::registry) struct Telling<O> {
    pub(in crate::registry) operation: O,
    pub(in crate::registry) occasion: Arc<Occasion>,
    /// Where a blob is mounted from, if that is what is done.
    pub(in crate::registry) mounted_from: Option<RepositoryName>,
    /// The most events that are kept for endpoints; where there is none, nothing is recorded.
    pub(in crate::registry) backlog: Option<u64>,
}

impl<O: Operation> Operation for Telling<O> {
    /// What it came to, and what there is to tell of it.
    type Outcome = (O::Outcome, Vec<EventRow>);
    type Refusal = O::Refusal;

    fn decide(self, tables: &Tables<Write<'_>>, slot: Slot) -> Decision<Self> {
        let Self { operation, occasion, mounted_from, backlog } = self;
        let Accepted { mut changes, payload, outcome } = operation.decide(tables, slot)?;
        let told = Told { tables, changes: &changes, occasion, mounted_from, at: slot.now };
        let events = told.events()?;
        if let Some(backlog) = backlog {
            changes.extend(record(tables, events.clone(), backlog)?);
        }
        Ok(Accepted { changes, payload, outcome: (outcome, events) })
    }

    fn needs_room(&self) -> bool {
        self.operation.needs_room()
    }

    fn payload_size(&self) -> u64 {
        self.operation.payload_size()
    }
}

/// The changes that record events, and that forget the oldest where there are too many.
pub(super) fn record(
    tables: &Tables<Write<'_>>,
    events: Vec<EventRow>,
    backlog: u64,
) -> Result<Vec<Change>, MetadataError> {
    if events.is_empty() {
        return Ok(Vec::new());
    }
    let mut newest = tables.outbox()?.newest;
    let oldest = tables.oldest_event()?;
    let mut changes = Vec::with_capacity(events.len() + 1);
    for event in events {
        newest += 1;
        changes.push(Change::EventRecorded { number: newest, event });
    }
    let up_to = newest.saturating_sub(backlog);
    if oldest.is_some_and(|oldest| oldest <= up_to) {
        changes.push(Change::EventsForgotten { up_to });
    }
    Ok(changes)
}

/// Changes that are about to be made, and what there is to say of them.
struct Told<'a, 'txn> {
    tables: &'a Tables<Write<'txn>>,
    changes: &'a [Change],
    occasion: Arc<Occasion>,
    mounted_from: Option<RepositoryName>,
    at: Timestamp,
}

impl Told<'_, '_> {
    fn events(&self) -> Result<Vec<EventRow>, MetadataError> {
        let mut events = Vec::new();
        for change in self.changes {
            match change {
                Change::BlobLinked { repository, digest, .. } => events.push(self.blob(repository, digest)?),
                Change::BlobUnlinked { repository, digest } => {
                    events.push(self.deleted(repository, Some(*digest), None));
                }
                Change::ManifestPut { repository, digest, .. } if !self.is_tagged() => {
                    events.push(self.manifest(repository, digest, None)?);
                }
                Change::TagSet { repository, tag, digest, .. } => {
                    events.push(self.manifest(repository, digest, Some(tag))?);
                }
                Change::TagDeleted { repository, tag } => {
                    events.push(self.deleted(repository, None, Some(tag)));
                }
                Change::ManifestDeleted { repository, digest, .. } => {
                    events.push(self.deleted(repository, Some(*digest), None));
                    let mut tags = self.tables.tags_of(repository, digest, usize::MAX)?;
                    tags.retain(|tag| !self.is_deleted(repository, tag));
                    events.extend(tags.iter().map(|tag| self.deleted(repository, None, Some(tag))));
                }
                _ => {}
            }
        }
        Ok(events)
    }

    /// Whether a tag is set beside the manifest, whose event then tells of both.
    fn is_tagged(&self) -> bool {
        self.changes.iter().any(|change| matches!(change, Change::TagSet { .. }))
    }

    /// Whether the tag goes by itself, so that it needs no telling that it goes with its manifest.
    fn is_deleted(&self, repository: &RepositoryName, tag: &Tag) -> bool {
        let is_it = |change: &Change| matches!(change, Change::TagDeleted { repository: at, tag: other } if at == repository && other == tag);
        self.changes.iter().any(is_it)
    }

    fn blob(&self, repository: &RepositoryName, digest: &Digest) -> Result<EventRow, MetadataError> {
        let brought = self.changes.iter().find_map(|change| match change {
            Change::BlobAdded { size, .. } | Change::BlobLogged { size, .. } => Some(*size),
            _ => None,
        });
        let size = match brought {
            Some(size) => Some(size),
            None => self.tables.blob(digest)?.map(|row| row.size),
        };
        let action = match self.mounted_from {
            Some(_) => EventAction::Mount,
            None => EventAction::Push,
        };
        Ok(EventRow {
            digest: Some(*digest),
            media_type: Some(OCTETS.to_owned()),
            size,
            from: self.mounted_from.clone(),
            url: Some(self.occasion.blob_url(repository, digest)),
            ..self.occasion.event(action, repository, self.at)
        })
    }

    fn manifest(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        tag: Option<&Tag>,
    ) -> Result<EventRow, MetadataError> {
        let brought = self.changes.iter().find_map(|change| match change {
            Change::ManifestPut { media_type, bytes, .. } => Some((*media_type, bytes.len() as u64)),
            _ => None,
        });
        let described = match brought {
            Some(brought) => Some(brought),
            None => self.tables.manifest(repository, digest)?.map(|row| (row.media_type, row.size)),
        };
        Ok(EventRow {
            digest: Some(*digest),
            media_type: described.map(|(media_type, _)| media_type.as_str().to_owned()),
            size: described.map(|(_, size)| size),
            tag: tag.cloned(),
            url: Some(self.occasion.manifest_url(repository, digest)),
            ..self.occasion.event(EventAction::Push, repository, self.at)
        })
    }

    fn deleted(&self, repository: &RepositoryName, digest: Option<Digest>, tag: Option<&Tag>) -> EventRow {
        let event = self.occasion.event(EventAction::Delete, repository, self.at);
        EventRow { digest, tag: tag.cloned(), ..event }
    }
}
