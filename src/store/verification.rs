//! Reading a payload at rest once more, to see whether it still is what its digest says.

use crate::oci::Digest;

use super::blobs::{Payload, PayloadError, Transfer};
use super::hasher::Hasher;

/// A payload that is being verified. It is read into memory and never mapped, so that an error of the disk is one of this alone.
pub struct Verification {
    payload: Payload,
    digest: Digest,
    hasher: Hasher,
    /// How far it is read, in bytes.
    offset: u64,
}

impl Verification {
    /// How much is read at once, in bytes.
    const PIECE: u64 = 1 << 20;

    pub(super) fn new(payload: Payload, digest: &Digest) -> Self {
        Self { payload, digest: *digest, hasher: Hasher::new(digest.algorithm()), offset: 0 }
    }

    /// Reads some more. `true` if that was all of it, and all of it is right. Blocks.
    pub fn read_on(&mut self) -> Result<bool, PayloadError> {
        let end = self.payload.size().min(self.offset + Self::PIECE);
        let piece = self.payload.read(self.offset..end, Transfer::Copied)?;
        self.hasher.update(&piece);
        self.offset = end;
        match self.hasher.finish() {
            _ if end < self.payload.size() => Ok(false),
            found if found == self.digest => Ok(true),
            found => Err(PayloadError::Content { found }),
        }
    }

    /// How much has been read, in bytes.
    pub fn offset(&self) -> u64 {
        self.offset
    }
}
