//! A way to the log's format for fuzzing: segments as bytes, written and read by the code that the store uses.

use std::io;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use crate::store::ballast::Ballast;
use crate::store::disk::simulated::Simulated;
use crate::store::layout::Layout;
use crate::store::recovery::Recovery;
use crate::store::spare::Spare;

use super::append::{AppendError, Log};
use super::read::{Reader, proves_loss};
use super::segment::{self, Segment};

/// The number of the segment.
const NUMBER: u64 = 1;
const ROOT: &str = "/";

/// What a record is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbedRecord {
    pub payloads: Bytes,
    pub changes: Bytes,
}

/// A segment as it was written.
#[derive(Debug)]
pub struct WrittenSegment {
    pub bytes: Vec<u8>,
    /// Where each record lies.
    pub records: Vec<std::ops::Range<usize>>,
}

/// What a segment reads as.
#[derive(Debug)]
pub struct ReadSegment {
    pub records: Vec<ProbedRecord>,
    /// Whether something behind them proves that there have been more.
    pub proves_loss: bool,
}

/// Writes a segment with these records, each synced before the next.
pub fn write_segment(records: &[ProbedRecord]) -> Result<WrittenSegment, AppendError> {
    let recovery = empty_log().map_err(AppendError::NotWritten)?;
    let path = segment::path(&recovery.layout.log(), NUMBER);
    let read = || recovery.disk.read_whole(&path).map_err(AppendError::NotWritten);
    let mut log = Log::begin(&recovery, Arc::default(), NUMBER, 0).map_err(AppendError::NotWritten)?;
    let mut ranges = Vec::new();
    for (sequence, record) in (1..).zip(records) {
        let start = usize::try_from(log.position().offset).unwrap_or(usize::MAX);
        log.write(sequence, &record.changes, std::slice::from_ref(&record.payloads))?;
        log.sync()?;
        ranges.push(start..read()?.len());
    }
    Ok(WrittenSegment { bytes: read()?, records: ranges })
}

/// Reads any bytes as a segment. `None` if they have no segment's header.
pub fn read_segment(bytes: &[u8]) -> io::Result<Option<ReadSegment>> {
    let Recovery { disk, layout, .. } = empty_log()?;
    disk.create(&segment::path(&layout.log(), NUMBER))?.write_at(bytes, 0)?;
    let Some(segment) = Segment::open(&*disk, &layout.log(), NUMBER)? else { return Ok(None) };
    let (mut reader, mut records) = (Reader::at_beginning(&segment, 0), Vec::new());
    while let Some(record) = reader.next()? {
        records.push(ProbedRecord { payloads: record.payloads, changes: record.changes });
    }
    let (run, missing) = (segment.header.run, reader.sequence() + 1);
    let proves_loss = proves_loss(&*segment.file, reader.offset(), run, missing)?;
    Ok(Some(ReadSegment { records, proves_loss }))
}

/// A disk with the log's folder.
fn empty_log() -> io::Result<Recovery> {
    let (disk, layout) = (Simulated::new(0).disk(), Layout::new(Path::new(ROOT)));
    disk.create_folder(&layout.log())?;
    let ballast = Arc::new(Ballast::take(Arc::clone(&disk), layout.ballast(), 0));
    let spare = Arc::new(Spare::find(Arc::clone(&disk), &layout.log(), 0)?);
    // The segment is never full.
    Ok(Recovery { disk, layout, cache_size: 0, segment_size: u64::MAX, ballast, spare })
}
