//! Pulls that are to be told of, until they are put down together.

use std::sync::{Arc, Mutex, PoisonError};

use crate::oci::{Digest, ManifestType, RepositoryName, Tag};
use crate::registry::{Error, Registry};
use crate::store::{Accepted, Decision, EventAction, EventRow, Operation, Slot, Tables, Timestamp, Write};

use super::Occasion;
use super::recorded::{OCTETS, record};

/// The most that wait to be put down; more in one second are not told of.
const MOST: usize = 50_000;

/// Pulls that were not put down yet.
#[derive(Debug, Default)]
pub(in crate::registry) struct Pulls(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    events: Vec<EventRow>,
    lost: u64,
}

impl Pulls {
    fn note(&self, event: EventRow) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match waiting.events.len() < MOST {
            true => waiting.events.push(event),
            false => waiting.lost += 1,
        }
    }

    fn take(&self) -> Waiting {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Registry {
    /// A manifest is about to be sent to whoever pulls it, who asked for it by this tag or by its digest.
    pub fn note_manifest_pulled(
        &self,
        occasion: &Occasion,
        repository: &RepositoryName,
        digest: &Digest,
        (media_type, size): (ManifestType, u64),
        tag: Option<&Tag>,
    ) {
        self.note_pull(EventRow {
            digest: Some(*digest),
            media_type: Some(media_type.as_str().to_owned()),
            size: Some(size),
            tag: tag.cloned(),
            url: Some(occasion.manifest_url(repository, digest)),
            ..occasion.event(EventAction::Pull, repository, Timestamp::now())
        });
    }

    /// A blob, or a part of it, is about to be sent to whoever pulls it.
    pub fn note_blob_pulled(
        &self,
        occasion: &Occasion,
        repository: &RepositoryName,
        digest: &Digest,
        size: u64,
    ) {
        self.note_pull(EventRow {
            digest: Some(*digest),
            media_type: Some(OCTETS.to_owned()),
            size: Some(size),
            url: Some(occasion.blob_url(repository, digest)),
            ..occasion.event(EventAction::Pull, repository, Timestamp::now())
        });
    }

    fn note_pull(&self, event: EventRow) {
        if self.records_pulls() {
            self.pulls.note(event.clone());
        }
        self.recent.remember([event]);
    }

    /// Puts down the pulls that were noted since the last time.
    pub async fn record_pulls(self: &Arc<Self>) -> Result<(), Error> {
        let Waiting { events, lost } = self.pulls.take();
        if lost > 0 {
            tracing::warn!(lost, "pulls were not told of: there were more than {MOST} in a second");
        }
        if events.is_empty() {
            return Ok(());
        }
        self.submit(RecordPulls { events, backlog: self.settings.events.backlog }).await?;
        self.recorded.notify_waiters();
        Ok(())
    }
}

struct RecordPulls {
    events: Vec<EventRow>,
    backlog: u64,
}

impl Operation for RecordPulls {
    type Outcome = ();
    type Refusal = Error;

    fn decide(self, tables: &Tables<Write<'_>>, _slot: Slot) -> Decision<Self> {
        Ok(Accepted::new(record(tables, self.events, self.backlog)?, ()))
    }
}
