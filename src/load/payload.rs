//! Payloads that differ, at the price of hashing 32 bytes each.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use uuid::Uuid;

use super::Blob;
use crate::oci::{Algorithm, Digest};
use crate::store::Hasher;

/// What is sent again and again until a payload is long enough. It stays in the processor's cache, so that sending costs
/// the copy into the socket and nothing else.
const BLOCK: usize = 512 << 10;

/// The part of a payload that is its own, at its end.
const TAIL: usize = 32;

/// What all payloads of one size have in common: everything but their last bytes, and the hash up to there.
pub struct Stem {
    size: usize,
    block: Bytes,
    hash: Hasher,
}

impl Stem {
    /// The smallest size that there is, in bytes.
    pub const SMALLEST: usize = TAIL;

    /// For payloads of `size` bytes, or of [`Self::SMALLEST`] if that is more.
    pub fn new(size: usize) -> Self {
        let size = size.max(Self::SMALLEST);
        let mut block = vec![0; BLOCK.min(size - TAIL)];
        blake3::Hasher::new().finalize_xof().fill(&mut block);
        let mut stem = Self { size, block: block.into(), hash: Hasher::new(Algorithm::Sha256) };
        let mut hash = Hasher::new(Algorithm::Sha256);
        stem.blocks().for_each(|block| hash.update(&block));
        stem.hash = hash;
        stem
    }

    /// In bytes.
    pub fn size(&self) -> u64 {
        self.size as u64
    }

    /// A payload that was never there before, in whatever registry.
    pub fn payload(&self) -> Payload<'_> {
        static RUN: LazyLock<Uuid> = LazyLock::new(Uuid::new_v4);
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let mut name = blake3::Hasher::new();
        name.update(RUN.as_bytes()).update(&number.to_le_bytes());
        let tail = *name.finalize().as_bytes();
        let mut hash = self.hash.clone();
        hash.update(&tail);
        Payload { stem: self, tail, digest: hash.finish() }
    }

    fn blocks(&self) -> impl Iterator<Item = Bytes> {
        let length = self.size - TAIL;
        let rest = length.checked_rem(self.block.len()).unwrap_or(0);
        let whole = length.checked_div(self.block.len()).unwrap_or(0);
        std::iter::repeat_n(self.block.clone(), whole).chain([self.block.slice(..rest)])
    }
}

/// A payload and its digest.
pub struct Payload<'a> {
    stem: &'a Stem,
    tail: [u8; TAIL],
    digest: Digest,
}

impl Payload<'_> {
    pub fn blob(&self) -> Blob {
        Blob { digest: self.digest, size: self.stem.size() }
    }

    /// The bytes, as they are to be sent.
    pub fn slices(&self) -> Vec<Bytes> {
        self.stem.blocks().chain([Bytes::copy_from_slice(&self.tail)]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_has_its_size_and_its_digest_and_differs_from_the_one_before() {
        for size in [0, 1, 32, 33, 1_000, BLOCK + TAIL - 1, BLOCK + TAIL, BLOCK + TAIL + 1, 3 * BLOCK] {
            let stem = Stem::new(size);
            let (payload, other) = (stem.payload(), stem.payload());
            let bytes: Vec<u8> = payload.slices().concat();
            assert_eq!(bytes.len(), size.max(Stem::SMALLEST));
            assert_eq!(payload.blob().size, bytes.len() as u64);
            assert_eq!(payload.blob().digest, Hasher::digest(Algorithm::Sha256, &bytes));
            assert_ne!(payload.blob(), other.blob());
        }
    }
}
