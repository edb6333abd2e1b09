//! The end of the log's segments: one is deleted, or written over by a later one, when nothing in it is needed any more.
//!
//! That is so when a durable commit of the database contains its last record, and all changes by which the payloads in it
//! have settled or gone, and when the archive has its changes. Some are set aside then: what is written into blocks that a
//! file has already is synced without the file system's journal, which others keep busy.

use std::io;

use super::archive::Archive;
use super::background::Pieces;
use super::disk::Rule;
use super::log::{retired_path, segment_path};
use super::writer::Decline;

/// The part of the log's bound that segments may have which were set aside, beyond the bound.
const SHARE: u64 = 4;

impl Pieces {
    /// Deletes the segments that nothing needs any more, or sets them aside. Whoever has one open reads on.
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
            match self.is_to_be_set_aside() {
                true => self.set_aside(number).map_err(Decline::Refused)?,
                false => self.delete_segment(number).map_err(Decline::Refused)?,
            }
        }
        self.writer.note_segments_deleted();
        Ok(())
    }

    /// Whether there is room for one more segment that nothing needs.
    fn is_to_be_set_aside(&self) -> bool {
        let most = self.log_size / SHARE;
        self.segments.retired() < most && self.room.admits(most)
    }

    fn set_aside(&self, number: u64) -> io::Result<()> {
        let folder = self.layout.log();
        self.disk.rename(&segment_path(&folder, number), &retired_path(&folder, number))?;
        self.segments.retire(number);
        Ok(())
    }

    fn delete_segment(&self, number: u64) -> io::Result<()> {
        self.disk.unlink(&segment_path(&self.layout.log(), number))?;
        self.segments.remove(number);
        Ok(())
    }

    /// Gives back the room of segments that were set aside, where it is needed.
    pub(super) fn release_segments(&self) -> io::Result<()> {
        while self.segments.retired() > 0 && !self.room.admits(self.log_size / SHARE) {
            if let Some(number) = self.segments.take_retired(false) {
                self.disk.unlink(&retired_path(&self.layout.log(), number))?;
            }
        }
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
