//! The end of the log's segments: one is deleted when nothing in it is needed any more.
//!
//! That is so when a durable commit of the database contains its last record, and all changes by which the payloads in it
//! have settled or gone, and when the archive has its changes.

use std::io;

use super::archive::Archive;
use super::background::Pieces;
use super::disk::Rule;
use super::log::segment_path;
use super::writer::Decline;

impl Pieces {
    /// Deletes the segments that nothing needs any more. Whoever has one open reads on.
    pub(super) fn delete_segments(&self, archive: &Archive) -> Result<(), Decline<io::Error>> {
        let spent = self.spent_segments(archive)?;
        if spent.is_empty() {
            return Ok(());
        }
        // What was read there is durable from here on.
        if self.disk.keeps(Rule::DeleteAfterCheckpoint) {
            self.writer.checkpoint()?;
        }
        for number in spent {
            self.disk.unlink(&segment_path(&self.layout.log(), number)).map_err(Decline::Refused)?;
            self.segments.remove(number);
        }
        self.writer.note_segments_deleted();
        Ok(())
    }

    /// Those whose records are all applied and kept in the archive, and whose payloads have all settled or gone, as of the
    /// last commit.
    fn spent_segments(&self, archive: &Archive) -> Result<Vec<u64>, Decline<io::Error>> {
        let tables = self.metadata.read();
        let Some(position) = tables.position()? else { return Ok(Vec::new()) };
        let keeps_payloads = self.disk.keeps(Rule::KeepPayloads);
        let mut spent = Vec::new();
        for number in self.segments.numbers() {
            let is_kept = archive.has(number) || !self.disk.keeps(Rule::KeepChanges);
            let is_needed = keeps_payloads && tables.is_segment_needed(number)?;
            if number < position.segment && is_kept && !is_needed {
                spent.push(number);
            }
        }
        Ok(spent)
    }
}
