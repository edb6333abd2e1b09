//! Reading records, and telling an end from damage.

use std::io;

use bytes::Bytes;

use crate::store::disk::DiskFile;

use super::format::{BLOCK, RECORD_HEADER, RecordHeader, align};
use super::segment::Segment;
use super::{Key, Position, RunId};

/// A record, whole and where it belongs.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) sequence: u64,
    pub(super) payloads: Bytes,
    pub(super) changes: Bytes,
}

/// Reads the records of a segment one after another.
pub(super) struct Reader<'a> {
    segment: &'a Segment,
    offset: u64,
    key: Key,
    sequence: u64,
    /// Always, but for a test that wants to see what comes of it.
    verifies: bool,
}

impl<'a> Reader<'a> {
    /// From the beginning of a segment, whose first record follows number `sequence`.
    pub(super) fn at_beginning(segment: &'a Segment, sequence: u64) -> Self {
        Self { segment, offset: BLOCK, key: segment.header.seed, sequence, verifies: true }
    }

    /// From a position within a segment.
    pub(super) fn at(segment: &'a Segment, position: &Position) -> Self {
        let Position { offset, key, sequence, .. } = *position;
        Self { segment, offset, key, sequence, verifies: true }
    }

    /// Whether checksums are verified.
    pub(super) fn verifying(self, verifies: bool) -> Self {
        Self { verifies, ..self }
    }

    /// The number of the last record that was read.
    pub(super) fn sequence(&self) -> u64 {
        self.sequence
    }

    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// The next record; `None` where there is none that is whole and follows the one before.
    pub(super) fn next(&mut self) -> io::Result<Option<Record>> {
        let run = self.segment.header.run;
        let follows = |header: &RecordHeader| {
            header.run == run && header.key == self.key && header.sequence == self.sequence + 1
        };
        let Some((header, checksum, rest)) =
            read_whole(&*self.segment.file, self.offset, follows, self.verifies)?
        else {
            return Ok(None);
        };
        let Some(length) = header.length() else { return Ok(None) };
        self.offset = align(self.offset + length);
        self.key = checksum;
        self.sequence = header.sequence;
        let rest = Bytes::from(rest);
        let changes = rest.len() - usize::try_from(header.change_bytes).map_err(io::Error::other)?;
        Ok(Some(Record {
            sequence: header.sequence,
            payloads: rest.slice(..changes),
            changes: rest.slice(changes..),
        }))
    }
}

/// The header of a segment's first record, if that is whole.
pub(super) fn first_header(segment: &Segment) -> io::Result<Option<RecordHeader>> {
    let is_first = |header: &RecordHeader| is_next(header, segment, &segment.header.seed);
    Ok(read_whole(&*segment.file, BLOCK, is_first, true)?.map(|(header, _, _)| header))
}

/// Whether a record was begun that follows what has this key, be it whole or not.
pub(super) fn is_begun(segment: &Segment, offset: u64, key: &Key) -> io::Result<bool> {
    let header = read_header(&*segment.file, offset, segment.file.length()?)?;
    Ok(header.is_some_and(|(header, _)| is_next(&header, segment, key)))
}

/// What an earlier segment has left in the file has another key, and mostly another run.
fn is_next(header: &RecordHeader, segment: &Segment, key: &Key) -> bool {
    header.run == segment.header.run && header.key == *key
}

/// Reads what may be a record's header, with the checksum that it claims, in a file of this length.
fn read_header(file: &dyn DiskFile, offset: u64, end: u64) -> io::Result<Option<(RecordHeader, Key)>> {
    let mut bytes = [0; RECORD_HEADER];
    if offset + RECORD_HEADER as u64 > end {
        return Ok(None);
    }
    file.read_exact_at(&mut bytes, offset)?;
    Ok(RecordHeader::decode(&bytes))
}

/// Reads what is, by its own checksum, a whole record that is wanted. Any other costs no more than its header, however long
/// it claims to be: it may be a client's payload that looks like records.
fn read_whole(
    file: &dyn DiskFile,
    offset: u64,
    is_wanted: impl Fn(&RecordHeader) -> bool,
    verifies: bool,
) -> io::Result<Option<(RecordHeader, Key, Vec<u8>)>> {
    let end = file.length()?;
    let found = read_header(file, offset, end)?;
    let Some((header, checksum)) = found.filter(|(header, _)| is_wanted(header)) else { return Ok(None) };
    let Some(length) = header.length().filter(|length| offset + length <= end) else { return Ok(None) };
    let rest = usize::try_from(length).map_err(io::Error::other)? - RECORD_HEADER;
    let mut rest = vec![0; rest];
    file.read_exact_at(&mut rest, offset + RECORD_HEADER as u64)?;
    let is_whole = !verifies || header.matches(&checksum, &rest);
    Ok(is_whole.then_some((header, checksum, rest)))
}

/// Whether a whole record of this run lies at or behind `offset` that says that record `missing` had been synced. Then
/// the log does not end here: the disk has lost what it had promised to keep.
pub(super) fn proves_loss(file: &dyn DiskFile, offset: u64, run: RunId, missing: u64) -> io::Result<bool> {
    let end = file.length()?;
    let proves = |header: &RecordHeader| header.run == run && header.synced >= missing;
    for offset in (align(offset)..end).step_by(usize::try_from(BLOCK).map_err(io::Error::other)?) {
        if read_whole(file, offset, proves, true)?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}
