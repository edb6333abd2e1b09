//! The log's records as the archive keeps them: what has changed, without the payloads.

use std::io;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use crate::store::disk::Disk;
use crate::store::recovery::Recovery;

use super::append::Log;
use super::read::{Reader, first_header};
use super::segment::{self, Segment};
use super::{Position, RecordPlace};

/// A record without its payloads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) struct LoggedRecord {
    pub(in crate::store) sequence: u64,
    pub(in crate::store) place: RecordPlace,
    /// Encoded.
    pub(in crate::store) changes: Bytes,
}

/// Begins a run behind record `sequence`, behind all segments that there are and segment `after`. Gives where it begins.
pub(in crate::store) fn begin_run(recovery: &Recovery, after: u64, sequence: u64) -> io::Result<Position> {
    let names = recovery.disk.list(&recovery.layout.log())?;
    let last = names.iter().filter_map(|name| segment::number(name.to_str()?)).max();
    let number = last.unwrap_or(0).max(after) + 1;
    Ok(Log::begin(recovery, Arc::default(), number, sequence)?.position())
}

/// The number of a segment's first record; `None` if it has none.
pub(in crate::store) fn first_sequence(
    disk: &dyn Disk,
    folder: &Path,
    number: u64,
) -> io::Result<Option<u64>> {
    let segment = open(disk, folder, number)?;
    Ok(first_header(&segment)?.map(|header| header.sequence))
}

/// Reads the records of a segment up to number `last`. Returns the number of the last one that it has of them, if any.
pub(in crate::store) fn read_records<E: From<io::Error>>(
    disk: &dyn Disk,
    folder: &Path,
    number: u64,
    last: u64,
    mut visit: impl FnMut(LoggedRecord) -> Result<(), E>,
) -> Result<Option<u64>, E> {
    let segment = open(disk, folder, number)?;
    let Some(first) = first_header(&segment)? else { return Ok(None) };
    let mut reader = Reader::at_beginning(&segment, first.sequence.saturating_sub(1));
    let mut found = None;
    while reader.sequence() < last {
        let offset = reader.offset();
        let Some(record) = reader.next()? else { break };
        found = Some(record.sequence);
        let place = RecordPlace { segment: number, offset };
        visit(LoggedRecord { sequence: record.sequence, place, changes: record.changes })?;
    }
    Ok(found)
}

fn open(disk: &dyn Disk, folder: &Path, number: u64) -> io::Result<Segment> {
    let damaged = || io::Error::new(io::ErrorKind::InvalidData, format!("segment {number:x} has no header"));
    Segment::open(disk, folder, number)?.ok_or_else(damaged)
}
