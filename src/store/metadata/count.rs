//! How much there is. The database keeps count of the rows of each table, so that nothing is scanned.

use redb::ReadableTableMetadata;

use super::MetadataError;
use super::tables::{Read, Tables};

/// How many rows there are of what is worth counting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    pub blobs: u64,
    pub manifests: u64,
    pub tags: u64,
    pub repositories: u64,
    pub log_payloads: u64,
    pub doomed_files: u64,
    /// The size of all payloads.
    pub payload_bytes: u64,
    /// Events that the endpoint which is furthest behind was not told of.
    pub events: u64,
}

impl Tables<Read> {
    /// Blobs and manifests count once, however many repositories hold them; repositories, if they have a manifest.
    pub fn counts(&self) -> Result<Counts, MetadataError> {
        let outbox = self.outbox()?;
        let told = outbox.told.values().copied().min().unwrap_or(outbox.newest);
        Ok(Counts {
            payload_bytes: self.payload_bytes()?,
            events: outbox.newest.saturating_sub(told),
            blobs: self.blobs.len()?,
            manifests: self.manifest_bytes.len()?,
            tags: self.tags.len()?,
            repositories: self.catalog.len()?,
            log_payloads: self.log_payloads.len()?,
            doomed_files: self.doomed_files.len()?,
        })
    }
}
