//! The end of payloads that have gone: their files are unlinked.
//!
//! The metadata has listed them since the payload went. A file is unlinked only when a durable commit of the database has
//! that list: whatever the log may come to, no state that could be returned to names a file that is gone.

use std::io;

use super::background::Pieces;
use super::disk::Rule;
use super::metadata::{Change, DoomedFile, Tables, Write};
use super::writer::{Accepted, Decision, Decline, Operation, Slot};

/// How many files are unlinked at once.
const BATCH: usize = 256;

impl Pieces {
    /// Unlinks the files of payloads that have gone, some at a time.
    pub(super) fn unlink_doomed(&self) -> Result<(), Decline<io::Error>> {
        let doomed = self.metadata.read().doomed_files(BATCH)?;
        if doomed.is_empty() {
            return Ok(());
        }
        if self.disk.keeps(Rule::UnlinkAfterCheckpoint) {
            self.writer.checkpoint()?;
        }
        for DoomedFile { digest, file } in &doomed {
            self.disk.unlink(&self.layout.payload(digest, *file)).map_err(Decline::Refused)?;
        }
        self.writer.submit(NoteUnlinked { files: doomed })
    }
}

/// Says that files are gone. One that a power cut brings back is nobody's, and swept out at the next start.
struct NoteUnlinked {
    files: Vec<DoomedFile>,
}

impl Operation for NoteUnlinked {
    type Outcome = ();
    type Refusal = io::Error;

    fn decide(self, _tables: &Tables<Write<'_>>, _slot: Slot) -> Decision<Self> {
        let changes =
            self.files.into_iter().map(|DoomedFile { digest, file }| Change::FileUnlinked { digest, file });
        Ok(Accepted::new(changes.collect(), ()))
    }
}
