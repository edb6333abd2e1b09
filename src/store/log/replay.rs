//! Coming back: what the log has past the last checkpoint is applied again, and the log goes on.
//!
//! The page cache is not the disk. After a kill between a write and its sync, or after a sync that failed, records read
//! whole that the disk does not have. So whatever is accepted here is copied into a segment of a new run, payloads too,
//! synced, and covered by a durable commit before anybody is served. Where no record was begun behind the checkpoint the log
//! goes on in the same segment: that costs no room, which there may not be.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::store::disk::{Disk, Rule};
use crate::store::metadata::{Change, Metadata, MetadataError, Tables, Write};
use crate::store::recovery::Recovery;
use crate::store::spare::Spare;

use super::Position;
use super::append::{AppendError, Log};
use super::format::BLOCK;
use super::read::{Reader, Record, is_begun, proves_loss};
use super::segment::{self, Segment};
use super::segments::Segments;

/// Why the log cannot be replayed. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    #[error("{}: {error}", path.display())]
    Io { path: PathBuf, error: io::Error },
    #[error("the log's segment {} is missing, which {need}; bring it back, or restore a backup of the whole folder", path.display())]
    Missing { path: PathBuf, need: &'static str },
    #[error(
        "the log's segment {} has lost bytes that the disk had promised to keep ({what}); restore a backup of the whole \
         folder",
        path.display()
    )]
    Lost { path: PathBuf, what: &'static str },
    #[error("record {sequence} of {} was written by another version: {reason}; start that version", path.display())]
    Unreadable { path: PathBuf, sequence: u64, reason: String },
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    #[error(transparent)]
    Append(AppendError),
}

/// The segments of a folder, and what of them is to be replayed.
struct Found {
    folder: PathBuf,
    position: Option<Position>,
    segments: BTreeMap<u64, Segment>,
    /// Above every number that was seen.
    next_number: u64,
    /// Whether records are verified, and losses noticed: see [`Rule`].
    verifies: bool,
    notices: bool,
}

/// Replays the log into the metadata, and begins a new run behind it.
pub(in crate::store) fn replay(
    recovery: &Recovery,
    metadata: &Metadata,
    segments: &Arc<Segments>,
) -> Result<Log, ReplayError> {
    let (disk, folder) = (&recovery.disk, recovery.layout.log());
    segments.forget_retired();
    let found = find(&**disk, &folder, metadata)?;
    let count = found.check()?;
    let at = |error| ReplayError::Io { path: folder.clone(), error };
    for (number, segment) in &found.segments {
        segments.add(*number, Arc::clone(&segment.file), segment.file.length().map_err(at)?);
    }
    if let Some((segment, position)) = found.untouched_end().map_err(at)? {
        return Log::go_on(recovery, Arc::clone(segments), segment, position).map_err(at);
    }
    let sequence = found.position.map_or(0, |position| position.sequence);
    let is_copy_synced = disk.keeps(Rule::CopyTail);
    let segments = Arc::clone(segments);
    let mut log = Log::begin(recovery, segments, found.next_number, sequence).map_err(at)?;
    let is_committed = disk.keeps(Rule::CommitReplayed);
    let mut apply = |tables: &mut Tables<Write<'_>>| {
        found.walk(|segment, record| {
            let place = log.place().map_err(ReplayError::Append)?;
            let payloads = std::slice::from_ref(&record.payloads);
            log.write(record.sequence, &record.changes, payloads).map_err(ReplayError::Append)?;
            for change in found.changes(segment, record)? {
                tables.apply(&change, place)?;
            }
            Ok(())
        })?;
        if is_copy_synced {
            log.sync().map_err(ReplayError::Append)?;
        }
        tables.set_position(&log.position())?;
        Ok::<_, ReplayError>(())
    };
    match is_committed {
        true => metadata.write_durably(apply)?,
        false => drop(metadata.write(|tables| apply(tables).map(|()| true))?),
    }
    if count > 0 {
        tracing::info!(records = count, "replayed the log past the last checkpoint");
    }
    Ok(log)
}

/// Finds the segments, and removes those that were set aside, and what was being made when an earlier start or an earlier
/// run was cut off.
fn find(disk: &dyn Disk, folder: &Path, metadata: &Metadata) -> Result<Found, ReplayError> {
    let at = |path: &Path, error| ReplayError::Io { path: path.to_owned(), error };
    let tables = metadata.read();
    let position = tables.position()?;
    let mut found = Found {
        folder: folder.to_owned(),
        position,
        segments: BTreeMap::new(),
        next_number: 1,
        verifies: disk.keeps(Rule::VerifyRecord),
        notices: disk.keeps(Rule::NoticeLoss),
    };
    for name in disk.list(folder).map_err(|error| at(folder, error))? {
        let path = folder.join(&name);
        match name.to_str().and_then(segment::number) {
            Some(number) => {
                found.next_number = found.next_number.max(number + 1);
                match Segment::open(disk, folder, number).map_err(|error| at(&path, error))? {
                    Some(segment) if found.is_leftover(&segment) => {
                        disk.unlink(&path).map_err(|error| at(&path, error))?;
                    }
                    Some(segment) => {
                        found.segments.insert(number, segment);
                    }
                    None => return Err(ReplayError::Lost { path, what: "its header" }),
                }
            }
            None if Spare::is_name(&name) => {}
            None => disk.unlink(&path).map_err(|error| at(&path, error))?,
        }
    }
    for number in tables.log_segments()? {
        if !found.segments.contains_key(&number) {
            let path = segment::path(folder, number);
            return Err(ReplayError::Missing { path, need: "holds payloads that nothing else holds" });
        }
    }
    Ok(found)
}

impl Found {
    /// Whether a segment was made by a start that did not come to its end: no durable commit knows its run, and nobody was
    /// answered out of it.
    fn is_leftover(&self, segment: &Segment) -> bool {
        match &self.position {
            Some(position) => segment.header.number > position.segment && segment.header.run != position.run,
            None => true,
        }
    }

    /// Proves that everything that has to be there can be read, without changing anything. Returns the number of records.
    fn check(&self) -> Result<u64, ReplayError> {
        let mut count = 0;
        let end = self.walk(|segment, record| {
            count += 1;
            self.changes(segment, record).map(drop)
        })?;
        if let Some(end) = end.filter(|_| self.notices) {
            self.check_end(&end)?;
        }
        Ok(count)
    }

    /// Reads all records past the last checkpoint. Returns where they end.
    fn walk(
        &self,
        mut visit: impl FnMut(&Segment, &Record) -> Result<(), ReplayError>,
    ) -> Result<Option<End>, ReplayError> {
        let Some(position) = &self.position else { return Ok(None) };
        let mut segment = self.segment(position.segment, "the last checkpoint names")?;
        // The block before the next record has at least a byte of what it is the end of.
        if self.length(segment)? <= position.offset - BLOCK {
            let what = "the records up to the last checkpoint";
            return Err(ReplayError::Lost { path: self.path(segment), what });
        }
        let mut reader = Reader::at(segment, position).verifying(self.verifies);
        loop {
            let record = reader.next().map_err(|error| self.io(segment, error))?;
            if let Some(record) = record {
                visit(segment, &record)?;
                continue;
            }
            let end =
                End { segment: segment.header.number, offset: reader.offset(), sequence: reader.sequence() };
            let Some(next) = self.segments.get(&(end.segment + 1)) else { return Ok(Some(end)) };
            let mut next_reader = Reader::at_beginning(next, end.sequence).verifying(self.verifies);
            let Some(record) = next_reader.next().map_err(|error| self.io(next, error))? else {
                return Ok(Some(end));
            };
            visit(next, &record)?;
            (segment, reader) = (next, next_reader);
        }
    }

    /// Where the last checkpoint was made, if no record was begun behind it: then there is nothing to copy, and the log can
    /// go on there, over whatever the file has.
    fn untouched_end(&self) -> io::Result<Option<(&Segment, &Position)>> {
        let Some(position) = &self.position else { return Ok(None) };
        for (number, segment) in self.segments.range(position.segment..) {
            let (offset, key) = match *number == position.segment {
                true => (position.offset, &position.key),
                false => (BLOCK, &segment.header.seed),
            };
            if is_begun(segment, offset, key)? {
                return Ok(None);
            }
        }
        Ok(self.segments.get(&position.segment).map(|segment| (segment, position)))
    }

    /// The log may end at a record that is not whole, but only if nothing proves that it had been.
    fn check_end(&self, end: &End) -> Result<(), ReplayError> {
        let missing = end.sequence + 1;
        for (expected, (number, segment)) in (end.segment..).zip(self.segments.range(end.segment..)) {
            if *number != expected {
                let path = segment::path(&self.folder, expected);
                return Err(ReplayError::Missing { path, need: "lies between others" });
            }
            let from = if *number == end.segment { end.offset } else { BLOCK };
            let proof = proves_loss(&*segment.file, from, segment.header.run, missing);
            if proof.map_err(|error| self.io(segment, error))? {
                let path = segment::path(&self.folder, end.segment);
                return Err(ReplayError::Lost { path, what: "a record before others" });
            }
        }
        Ok(())
    }

    fn changes(&self, segment: &Segment, record: &Record) -> Result<Vec<Change>, ReplayError> {
        super::decode_changes(&record.changes).map_err(|error| ReplayError::Unreadable {
            path: self.path(segment),
            sequence: record.sequence,
            reason: error.to_string(),
        })
    }

    fn segment(&self, number: u64, need: &'static str) -> Result<&Segment, ReplayError> {
        let path = || segment::path(&self.folder, number);
        self.segments.get(&number).ok_or_else(|| ReplayError::Missing { path: path(), need })
    }

    fn length(&self, segment: &Segment) -> Result<u64, ReplayError> {
        segment.file.length().map_err(|error| self.io(segment, error))
    }

    fn path(&self, segment: &Segment) -> PathBuf {
        segment::path(&self.folder, segment.header.number)
    }

    fn io(&self, segment: &Segment, error: io::Error) -> ReplayError {
        ReplayError::Io { path: self.path(segment), error }
    }
}

/// Where the records end.
struct End {
    segment: u64,
    offset: u64,
    /// Of the last record.
    sequence: u64,
}
