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
        let Some((header, checksum, rest)) =
            read_whole(&*self.segment.file, self.offset, self.segment.header.run, self.verifies)?
        else {
            return Ok(None);
        };
        let follows = header.key == self.key && header.sequence == self.sequence + 1;
        let (Some(length), true) = (header.length(), follows) else { return Ok(None) };
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
pub(super) fn first_header(file: &dyn DiskFile, run: RunId) -> io::Result<Option<RecordHeader>> {
    Ok(read_whole(file, BLOCK, run, true)?.map(|(header, _, _)| header))
}

/// Reads what is, by its own checksum, a whole record of this run. What is of another run costs no more than its header,
/// however long it claims to be: it may be a client's payload that looks like records.
fn read_whole(
    file: &dyn DiskFile,
    offset: u64,
    run: RunId,
    verifies: bool,
) -> io::Result<Option<(RecordHeader, Key, Vec<u8>)>> {
    let end = file.length()?;
    let mut bytes = [0; RECORD_HEADER];
    if offset + RECORD_HEADER as u64 > end {
        return Ok(None);
    }
    file.read_exact_at(&mut bytes, offset)?;
    let Some((header, checksum)) = RecordHeader::decode(&bytes).filter(|(header, _)| header.run == run)
    else {
        return Ok(None);
    };
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
    for offset in (align(offset)..end).step_by(usize::try_from(BLOCK).map_err(io::Error::other)?) {
        if let Some((header, _, _)) = read_whole(file, offset, run, true)?
            && header.synced >= missing
        {
            return Ok(true);
        }
    }
    Ok(false)
}
