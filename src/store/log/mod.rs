//! The write-ahead log: every change of the metadata, durable before it is applied, with the small payloads that it
//! brings.
//!
//! A log is a run of segments, a segment a run of records, a record what one group of operations came to. Records are
//! written once, in order; each one's checksum is keyed with its predecessor's, so that what an earlier attempt has left
//! behind, or an earlier segment in the same file, is never taken for its successor. `docs/ARCHITECTURE.md` has the format and what
//! each kind of crash can leave. Only the writer appends; everybody may read.

mod append;
mod format;
mod history;
#[cfg(any(test, feature = "simulation"))]
pub mod probe;
mod read;
mod replay;
mod segment;
mod segments;

use minicbor::bytes::ByteArray;
use minicbor::{Decode, Encode};

pub use append::AppendError;
pub(super) use append::Log;
pub(super) use history::{LoggedRecord, begin_run, first_sequence, read_records};
pub use replay::ReplayError;
pub(super) use replay::replay;
pub(super) use segment::{number as segment_number, path as segment_path, retired_path};
pub(super) use segments::Segments;

use super::metadata::Change;

/// Names one start of the server. Random, and known to nobody outside: bytes that a client has pushed cannot pretend to
/// be a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub(super) struct RunId(#[n(0)] pub(super) u64);

/// The key of a record's checksum: its predecessor's checksum, or its segment's seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key(pub(super) [u8; 32]);

/// Where a record lies: what makes offsets within it places on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RecordPlace {
    pub segment: u64,
    /// In bytes from the segment's beginning.
    pub offset: u64,
}

/// For changes that the log does not have, because a durable commit follows at once.
pub(super) const NO_RECORD: RecordPlace = RecordPlace { segment: 0, offset: 0 };

/// How far the metadata have come: everything up to here is applied, and the log goes on from here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub(super) struct Position {
    #[n(0)]
    pub(super) run: RunId,
    #[n(1)]
    pub(super) segment: u64,
    /// Where the next record begins.
    #[n(2)]
    pub(super) offset: u64,
    /// The number of the last record.
    #[n(3)]
    pub(super) sequence: u64,
    /// The key of the next record.
    #[n(4)]
    pub(super) key: Key,
}

impl<C> Encode<C> for Key {
    fn encode<W: minicbor::encode::Write>(
        &self,
        encoder: &mut minicbor::Encoder<W>,
        context: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        ByteArray::from(self.0).encode(encoder, context)
    }
}

impl<'b, C> Decode<'b, C> for Key {
    fn decode(decoder: &mut minicbor::Decoder<'b>, context: &mut C) -> Result<Self, minicbor::decode::Error> {
        ByteArray::decode(decoder, context).map(|bytes: ByteArray<32>| Self(bytes.into()))
    }
}

/// Where the payloads of a record begin, in bytes from the record's beginning.
pub(super) const PAYLOADS_BEGIN: u64 = format::RECORD_HEADER as u64;

/// Random bytes that nobody can guess.
fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    for chunk in bytes.chunks_mut(16) {
        chunk.copy_from_slice(uuid::Uuid::new_v4().as_bytes().split_at(chunk.len()).0);
    }
    bytes
}

impl RunId {
    fn random() -> Self {
        // A version 4 UUID has six fixed bits; a hash spreads the others evenly.
        let spread = blake3::hash(&random::<32>());
        Self(u64::from_le_bytes(*spread.as_bytes().first_chunk().expect("a hash has 32 bytes")))
    }
}

impl Key {
    fn random() -> Self {
        Self(*blake3::hash(&random::<64>()).as_bytes())
    }
}

/// Encodes the changes of a record.
pub(super) fn encode_changes(changes: &[Change]) -> Vec<u8> {
    minicbor::to_vec(changes).expect("writing to memory cannot fail")
}

/// Decodes the changes of a record; an error says what this version does not know.
pub(super) fn decode_changes(bytes: &[u8]) -> Result<Vec<Change>, minicbor::decode::Error> {
    minicbor::decode(bytes)
}
