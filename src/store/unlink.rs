//! The end of payloads that have gone: their files are unlinked.
//!
//! The metadata has listed them since the payload went. A file is unlinked only when a durable commit of the database has
//! that list: whatever the log may come to, no state that could be returned to names a file that is gone. While somebody
//! copies the store none is.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::background::Pieces;
use super::disk::Rule;
use super::metadata::{Change, DoomedFile, Tables, Write};
use super::writer::{Accepted, Decision, Decline, Operation, Slot};

/// How many files are unlinked at once.
const BATCH: usize = 256;

/// How many want the files of payloads that go to stay for a while.
#[derive(Debug, Default)]
pub(super) struct Holds(AtomicUsize);

/// Every file that was named by the metadata when this was taken, or later, stays until it is dropped.
#[derive(Debug)]
pub(super) struct Hold(Arc<Holds>);

impl Holds {
    pub(super) fn take(self: &Arc<Self>) -> Hold {
        self.0.fetch_add(1, Ordering::SeqCst);
        Hold(Arc::clone(self))
    }

    fn is_taken(&self) -> bool {
        self.0.load(Ordering::SeqCst) > 0
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Pieces {
    /// Unlinks the files of payloads that have gone, some at a time.
    pub(super) fn unlink_doomed(&self) -> Result<(), Decline<io::Error>> {
        let doomed = self.metadata.read().doomed_files(BATCH)?;
        // In this order: what was listed before a hold was taken is named by nothing that was read under it.
        if doomed.is_empty() || self.holds.is_taken() {
            return Ok(());
        }
        if self.disk.keeps(Rule::UnlinkAfterCheckpoint) {
            self.writer.checkpoint()?;
        }
        for DoomedFile { digest, file } in &doomed {
            self.disk.unlink(&self.layout.payload(digest, *file)).map_err(Decline::Refused)?;
        }
        self.payloads.forget(doomed.iter().map(|doomed| doomed.file));
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
