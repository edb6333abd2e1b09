//! Reading a payload once more, to see whether it still is what its digest says.

use bytes::Bytes;

use crate::oci::Digest;

use super::blobs::{Payload, PayloadError, Transfer};
use super::disk::Disk;
use super::hasher::Hasher;
use super::layout::Layout;
use super::log::Segments;
use super::metadata::{BlobRow, Place};

/// A payload that is being verified. It is read into memory and never mapped, so that an error of the disk is one of this alone.
pub struct Verification {
    payload: Payload,
    digest: Digest,
    hasher: Hasher,
    /// How much is read at once, in bytes.
    piece: u64,
    /// How far it is read, in bytes.
    offset: u64,
}

impl Verification {
    /// How much is read at once where nobody waits for it, in bytes.
    pub(super) const PIECE: u64 = 1 << 20;

    pub(super) fn new(payload: Payload, digest: &Digest, piece: u64) -> Self {
        Self { payload, digest: *digest, hasher: Hasher::new(digest.algorithm()), piece, offset: 0 }
    }

    /// Reads the next piece, whose bytes are those that were hashed. The last one is an error unless all of it is right. Blocks.
    pub fn next_piece(&mut self) -> Result<Bytes, PayloadError> {
        let end = self.payload.size().min(self.offset + self.piece);
        let piece = self.payload.read(self.offset..end, Transfer::Copied)?;
        self.hasher.update(&piece);
        self.offset = end;
        if self.is_read() {
            let found = self.hasher.finish();
            if found != self.digest {
                return Err(PayloadError::Content { found });
            }
        }
        Ok(piece)
    }

    /// Reads some more. `true` if that was all of it, and all of it is right. Blocks.
    pub fn read_on(&mut self) -> Result<bool, PayloadError> {
        self.next_piece()?;
        Ok(self.is_read())
    }

    /// Whether all of it has been read.
    pub fn is_read(&self) -> bool {
        self.offset == self.payload.size()
    }

    /// How much has been read, in bytes.
    pub fn offset(&self) -> u64 {
        self.offset
    }
}

/// Opens a payload where its row says that it lies, to be read, and neither mapped nor kept open: those that are kept open for
/// pulls are not to make room for it. One in the log is small, and compared with its digest at once. Blocks.
pub(super) fn open_unmapped(
    disk: &dyn Disk,
    layout: &Layout,
    segments: &Segments,
    digest: &Digest,
    row: BlobRow,
) -> Result<Payload, PayloadError> {
    match row.place {
        Place::File { id } => Payload::open_unmapped(disk, &layout.payload(digest, id), row.size),
        Place::Log { segment, offset } => {
            let segment = segments.file(segment).ok_or(PayloadError::Missing)?;
            Payload::in_log(&*segment, offset, row.size, digest)
        }
    }
}
