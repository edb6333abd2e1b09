//! How the store stands, for those who watch it. Nothing here scans anything.

use super::Store;
use crate::observe::metrics::Readings;

impl Store {
    /// Whether the folder answers, and the database has met no error that it has not come back from; what it says if not.
    /// May block for as long as a disk does.
    pub fn look(&self) -> Result<(), String> {
        let root = self.layout.root().display();
        match self.disk.length(&self.layout.format()) {
            Err(error) => Err(format!("the folder of the data, {root}, does not answer: {error}")),
            Ok(_) if self.metadata.has_failed() => Err(format!("the database in {root} has met an error")),
            Ok(_) => Ok(()),
        }
    }

    /// How the store stands. Asks the system about the disk, which may block for a moment.
    pub fn readings(&self) -> Readings {
        let (files, files_bytes) = self.payloads.kept();
        let (queue, queue_limit) = self.writer.queue();
        let counts = self.read().counts().ok();
        let space = self.room.space().ok();
        Readings {
            uploads_memory_bytes: Some(self.memory.taken()),
            payload_files_open: Some(files as u64),
            payload_files_open_bytes: Some(files_bytes),
            mappings: Some(self.mapped_files().count() as u64),
            queue_length: Some(queue as u64),
            queue_limit: Some(queue_limit as u64),
            log_bytes: Some(self.segments.total()),
            log_limit_bytes: Some(self.writer.log_size()),
            log_payloads: counts.map(|counts| counts.log_payloads),
            doomed_files: counts.map(|counts| counts.doomed_files),
            blobs: counts.map(|counts| counts.blobs),
            manifests: counts.map(|counts| counts.manifests),
            payload_bytes: counts.map(|counts| counts.payload_bytes),
            events_waiting: counts.map(|counts| counts.events),
            tags: counts.map(|counts| counts.tags),
            repositories: counts.map(|counts| counts.repositories),
            metadata_bytes: self.disk.length(&self.layout.metadata()).ok(),
            disk_free_bytes: space.map(|space| space.bytes),
            disk_bytes: space.map(|space| space.bytes_in_all),
            disk_floor_bytes: space.map(|space| self.room.floor_bytes(&space)),
            disk_free_files: space.map(|space| space.files).filter(|files| *files != u64::MAX),
            ..Readings::default()
        }
    }
}
