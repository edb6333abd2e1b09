//! How the registry stands, for those who watch it.

use super::Registry;
use crate::observe::metrics::Readings;
use crate::store::{MetadataError, Tally};

impl Registry {
    /// Whether the folder of the data answers, and what it says if not. May block for as long as a disk does.
    pub fn look_at_the_store(&self) -> Result<(), String> {
        self.store.look()
    }

    /// How many payloads there are, and their size. Nothing is scanned for it.
    pub(super) fn all_payloads(&self) -> Result<Tally, MetadataError> {
        let counts = self.store.read().counts()?;
        Ok(Tally { payloads: counts.blobs, bytes: counts.payload_bytes })
    }

    /// How uploads and the store stand. May block for a moment.
    pub fn readings(&self) -> Readings {
        let (open, bytes) = self.uploads.open();
        Readings {
            uploads_open: Some(open),
            uploads_open_bytes: Some(bytes),
            uploads_receiving: Some(self.uploads.receiving() as u64),
            events_lag_seconds: self.events_lag().map(|lag| lag.as_secs()),
            read_only: Some(u64::from(self.expect_writable().is_err())),
            largest: self.largest(),
            ..self.store.readings()
        }
    }
}
