//! When images were pulled last, as far as rules want to know.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::oci::{Digest, RepositoryName};
use crate::registry::{Error, FoundManifest, Registry};
use crate::store::{Accepted, Change, Decision, Operation, Slot, Tables, Write};

/// How often it is put down that an image was pulled again.
const GRAIN: Duration = Duration::from_secs(3_600);
/// The most images that wait to be put down; more are noticed when they are pulled the next time.
const MOST: usize = 50_000;

/// Images that were pulled, and not for an hour before.
#[derive(Debug, Default)]
pub(in crate::registry) struct Uses(Mutex<HashSet<(RepositoryName, Digest)>>);

impl Registry {
    /// Somebody has asked for a manifest.
    pub(in crate::registry) fn note_use(&self, repository: &RepositoryName, found: &FoundManifest) {
        if !self.settings.retention.counts_pulls() {
            return;
        }
        let now = self.store.clock().now();
        if found.pulled.is_some_and(|before| now.since(before) < GRAIN) {
            return;
        }
        let mut waiting = self.uses.0.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() < MOST {
            waiting.insert((repository.clone(), found.digest));
        }
    }

    /// Puts down which images were pulled since the last time.
    pub(in crate::registry) async fn record_uses(&self) -> Result<(), Error> {
        let used = std::mem::take(&mut *self.uses.0.lock().unwrap_or_else(PoisonError::into_inner));
        match used.is_empty() {
            true => Ok(()),
            false => self.submit(RecordUses(used)).await,
        }
    }
}

struct RecordUses(HashSet<(RepositoryName, Digest)>);

impl Operation for RecordUses {
    type Outcome = ();
    type Refusal = Error;

    fn decide(self, _tables: &Tables<Write<'_>>, slot: Slot) -> Decision<Self> {
        let pulled = |(repository, digest)| Change::ManifestPulled { repository, digest, at: slot.served };
        Ok(Accepted::new(self.0.into_iter().map(pulled).collect(), ()))
    }

    fn needs_room(&self) -> bool {
        false
    }
}
