//! Which payloads a snapshot names, a folder of files at a time: however many there are, a 256th of them is in memory.

use std::path::Path;

use crate::oci::Digest;
use crate::store::archive::{ArchiveError, Telling};
use crate::store::disk::Disk;
use crate::store::ids::PayloadId;
use crate::store::metadata::Change;

use super::folder::Folder;
use super::{BackupError, Tally};

/// A payload that a snapshot names, and the file that it lies in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) digest: Digest,
    /// In bytes.
    pub(super) size: u64,
    pub(super) file: PayloadId,
}

/// Reads them. They come first in a snapshot, in the order of their digests.
pub(super) struct Listing<'a> {
    folder: &'a Folder,
    told: Telling,
    next: Option<Listed>,
}

impl<'a> Listing<'a> {
    pub(super) fn open(disk: &dyn Disk, folder: &'a Folder, path: &Path) -> Result<Self, BackupError> {
        let told = Telling::open(disk, path).map_err(BackupError::Snapshot)?;
        let mut listing = Self { folder, told, next: None };
        listing.advance()?;
        Ok(listing)
    }

    /// Those whose files lie in the next folder, if that is `shard`. Ask for the folders in their order.
    pub(super) fn take(&mut self, shard: &Path) -> Result<Vec<Listed>, BackupError> {
        let mut listed = Vec::new();
        while let Some(next) = self.next.filter(|next| self.folder.payload(next).parent() == Some(shard)) {
            listed.push(next);
            self.advance()?;
        }
        Ok(listed)
    }

    /// Behind the last folder: refuses a snapshot that names payloads in another order.
    pub(super) fn finish(self) -> Result<(), BackupError> {
        match self.next {
            None => Ok(()),
            Some(Listed { digest, .. }) => {
                let error = std::io::Error::other(format!("{digest} is told out of its order"));
                Err(BackupError::Snapshot(ArchiveError::Io(error)))
            }
        }
    }

    fn advance(&mut self) -> Result<(), BackupError> {
        self.next = match self.told.next().map_err(BackupError::Snapshot)? {
            Some(Change::BlobAdded { digest, size, file } | Change::BlobTaken { digest, size, file }) => {
                Some(Listed { digest, size, file })
            }
            _ => None,
        };
        Ok(())
    }
}

/// Reads a snapshot to its end, which proves that it is as it was written. Gives how many payloads it names, and their size.
pub(super) fn prove(disk: &dyn Disk, path: &Path) -> Result<Tally, BackupError> {
    let mut told = Telling::open(disk, path).map_err(BackupError::Snapshot)?;
    let mut named = Tally::default();
    while let Some(change) = told.next().map_err(BackupError::Snapshot)? {
        if let Change::BlobAdded { size, .. } | Change::BlobTaken { size, .. } = change {
            named.payloads += 1;
            named.bytes += size;
        }
    }
    Ok(named)
}
