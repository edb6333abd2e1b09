//! How segments and records lie in their files. `docs/ARCHITECTURE.md` tells why.
//!
//! Numbers are little-endian. Everything begins on a block's boundary; what is between a record's end and the next
//! boundary was never written and means nothing.

use super::{Key, RunId};

/// Segment headers and records begin at multiples of this, in bytes.
pub(super) const BLOCK: u64 = 4096;
/// The size of a record's header, which its payloads follow, in bytes.
pub(super) const RECORD_HEADER: usize = 112;
/// The most bytes that a record may have: what claims more is none.
pub(super) const MAX_RECORD: u64 = 1 << 30;

const SEGMENT_MAGIC: [u8; 8] = *b"HFSEGM01";
const RECORD_MAGIC: [u8; 8] = *b"HFRECD01";
const SEGMENT_HEADER: usize = 88;

/// The first block of a segment, durable before its first record is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    pub(super) number: u64,
    pub(super) run: RunId,
    /// The key of its first record's checksum.
    pub(super) seed: Key,
}

impl SegmentHeader {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(SEGMENT_HEADER);
        bytes.extend_from_slice(&SEGMENT_MAGIC);
        bytes.extend_from_slice(&self.number.to_le_bytes());
        bytes.extend_from_slice(&self.run.0.to_le_bytes());
        bytes.extend_from_slice(&self.seed.0);
        let checksum = blake3::hash(&bytes);
        bytes.extend_from_slice(checksum.as_bytes());
        bytes
    }

    /// `None` if these are not the bytes of a segment's header.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (body, rest) = bytes.split_at_checked(SEGMENT_HEADER - 32)?;
        let checksum = rest.first_chunk::<32>()?;
        let mut reader = Reader(body);
        let magic = reader.take::<8>()?;
        let header =
            Self { number: reader.number()?, run: RunId(reader.number()?), seed: Key(reader.take()?) };
        (magic == SEGMENT_MAGIC && blake3::hash(body) == *checksum).then_some(header)
    }

    pub(super) const LENGTH: usize = SEGMENT_HEADER;
}

/// What a record's header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RecordHeader {
    pub(super) run: RunId,
    pub(super) sequence: u64,
    /// Up to which sequence number the log had been synced when this was written.
    pub(super) synced: u64,
    pub(super) payload_bytes: u64,
    pub(super) change_bytes: u64,
    /// The checksum of the record before, or its segment's seed.
    pub(super) key: Key,
}

impl RecordHeader {
    /// The header with the checksum over it and what follows it: the payloads, then the changes.
    pub(super) fn encode<'a>(&self, rest: impl Iterator<Item = &'a [u8]>) -> ([u8; RECORD_HEADER], Key) {
        let mut bytes = [0; RECORD_HEADER];
        let fields = [self.run.0, self.sequence, self.synced, self.payload_bytes, self.change_bytes];
        let mut parts = bytes.chunks_exact_mut(8);
        let numbers = fields.iter().map(|field| field.to_le_bytes());
        for (part, value) in parts.by_ref().zip([RECORD_MAGIC].into_iter().chain(numbers)) {
            part.copy_from_slice(&value);
        }
        bytes[48..80].copy_from_slice(&self.key.0);
        let checksum = checksum(&self.key, &bytes, rest);
        bytes[80..].copy_from_slice(&checksum.0);
        (bytes, checksum)
    }

    /// The header and the checksum that it claims; `None` if these are not the bytes of a header.
    pub(super) fn decode(bytes: &[u8; RECORD_HEADER]) -> Option<(Self, Key)> {
        let mut reader = Reader(bytes);
        let magic = reader.take::<8>()?;
        let header = Self {
            run: RunId(reader.number()?),
            sequence: reader.number()?,
            synced: reader.number()?,
            payload_bytes: reader.number()?,
            change_bytes: reader.number()?,
            key: Key(reader.take()?),
        };
        let checksum = Key(reader.take()?);
        let is_record = magic == RECORD_MAGIC && header.length().is_some_and(|length| length <= MAX_RECORD);
        is_record.then_some((header, checksum))
    }

    /// Whether `rest`, the payloads and the changes, is what the header was written with.
    pub(super) fn matches(&self, claimed: &Key, rest: &[u8]) -> bool {
        let (_, checksum) = self.encode(std::iter::once(rest));
        checksum == *claimed
    }

    /// How long the record is, header included and padding left out, in bytes.
    pub(super) fn length(&self) -> Option<u64> {
        (RECORD_HEADER as u64).checked_add(self.payload_bytes)?.checked_add(self.change_bytes)
    }
}

/// The checksum over a header, its own field zero, and what follows.
fn checksum<'a>(key: &Key, header: &[u8; RECORD_HEADER], rest: impl Iterator<Item = &'a [u8]>) -> Key {
    let mut hasher = blake3::Hasher::new_keyed(&key.0);
    hasher.update(&header[..80]);
    rest.for_each(|bytes| {
        hasher.update(bytes);
    });
    Key(*hasher.finalize().as_bytes())
}

/// The next boundary at or behind `offset`.
pub(super) fn align(offset: u64) -> u64 {
    offset.next_multiple_of(BLOCK)
}

/// Takes fields off the front of bytes.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*field)
    }

    fn number(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn header(payload_bytes: u64, change_bytes: u64) -> RecordHeader {
        let key = Key([7; 32]);
        RecordHeader { run: RunId(3), sequence: 9, synced: 8, payload_bytes, change_bytes, key }
    }

    #[test]
    fn a_segment_header_reads_back_and_any_flipped_bit_is_seen() {
        let header = SegmentHeader { number: 5, run: RunId(77), seed: Key([9; 32]) };
        let bytes = header.encode();
        assert_eq!(bytes.len(), SegmentHeader::LENGTH);
        assert_eq!(SegmentHeader::decode(&bytes), Some(header));
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(SegmentHeader::decode(&flipped), None, "bit {bit}");
        }
        assert_eq!(SegmentHeader::decode(&bytes[1..]), None);
    }

    #[test]
    fn a_record_reads_back_and_any_flipped_bit_is_seen() {
        let header = header(4, 3);
        let rest = b"payloadchg".split_at(7);
        let (bytes, checksum) = header.encode([rest.0, rest.1].into_iter());
        let (read, claimed) = RecordHeader::decode(&bytes).expect("a header");
        assert_eq!((read, claimed), (header, checksum));
        assert!(read.matches(&claimed, b"payloadchg"));
        assert!(!read.matches(&claimed, b"payloadchh"));
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            let is_whole = RecordHeader::decode(&flipped)
                .is_some_and(|(read, claimed)| read.matches(&claimed, b"payloadchg"));
            assert!(!is_whole, "bit {bit}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_are_read_without_a_crash(bytes in prop::collection::vec(any::<u8>(), RECORD_HEADER)) {
            let bytes: [u8; RECORD_HEADER] = bytes.try_into().expect("the length is right");
            let _ = RecordHeader::decode(&bytes);
            let _ = SegmentHeader::decode(&bytes);
        }
    }
}
