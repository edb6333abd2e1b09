//! Payloads that differ, at the price of hashing 32 bytes each.

use std::fmt::Write as _;
use std::io::IoSlice;
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest as _, Sha256};

/// What is sent again and again until a payload is long enough. It stays in the processor's cache, so that sending costs
/// the copy into the socket and nothing else.
const BLOCK: usize = 512 << 10;

/// The part of a payload that is its own, at its end.
const TAIL: usize = 32;

/// What all payloads of one size have in common: everything but their last bytes, and the hash up to there.
pub struct Stem {
    size: usize,
    block: Vec<u8>,
    hash: Sha256,
}

impl Stem {
    /// For payloads of `size` bytes, at least 32.
    pub fn new(size: usize) -> Self {
        let length = size.checked_sub(TAIL).unwrap();
        let mut block = vec![0; BLOCK.min(length)];
        blake3::Hasher::new().finalize_xof().fill(&mut block);
        let mut stem = Self { size, block, hash: Sha256::new() };
        let mut hash = Sha256::new();
        stem.blocks().for_each(|block| hash.update(block));
        stem.hash = hash;
        stem
    }

    pub fn size(&self) -> u64 {
        self.size as u64
    }

    /// A payload that was never there before.
    pub fn payload(&self) -> Payload<'_> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let tail = *blake3::hash(&number.to_le_bytes()).as_bytes();
        let digest = self.hash.clone().chain_update(tail).finalize();
        Payload { stem: self, tail, digest: to_text(&digest) }
    }

    fn blocks(&self) -> impl Iterator<Item = &[u8]> {
        let length = self.size - TAIL;
        let rest = length.checked_rem(self.block.len()).unwrap_or(0);
        let whole = length.checked_div(self.block.len()).unwrap_or(0);
        std::iter::repeat_n(self.block.as_slice(), whole).chain([&self.block[..rest]])
    }
}

/// A payload and its digest.
pub struct Payload<'a> {
    stem: &'a Stem,
    tail: [u8; TAIL],
    /// `sha256:…`
    pub digest: String,
}

impl Payload<'_> {
    pub fn size(&self) -> u64 {
        self.stem.size()
    }

    /// The bytes, as they are to be sent.
    pub fn slices(&self) -> Vec<IoSlice<'_>> {
        self.stem.blocks().chain([self.tail.as_slice()]).map(IoSlice::new).collect()
    }
}

/// The digest of the bytes: `sha256:…`.
pub fn sha256(bytes: &[u8]) -> String {
    to_text(&Sha256::digest(bytes))
}

/// `sha256:…`
pub(super) fn to_text(digest: &[u8]) -> String {
    let mut text = "sha256:".to_owned();
    for byte in digest {
        let _ = write!(text, "{byte:02x}");
    }
    text
}
