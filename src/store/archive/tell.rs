//! Tables told as changes, in a file that is written and read.

use std::io;
use std::path::{Path, PathBuf};
use std::vec;

use crate::store::disk::Disk;
use crate::store::log::{LoggedRecord, NO_RECORD, RecordPlace, decode_changes, encode_changes};
use crate::store::metadata::Change;

use super::file::{Header, Reader, Writer};
use super::{ArchiveError, at};

/// Writes what is told to a file, durably and under its name: everything up to record `sequence`, which lies in a segment no
/// later than the one behind `segment`. An error in what is told ends it.
pub(in crate::store) fn tell<E: From<io::Error>>(
    disk: &dyn Disk,
    path: &Path,
    told: impl IntoIterator<Item = Result<(RecordPlace, Change), E>>,
    segment: u64,
    sequence: u64,
) -> Result<Header, E> {
    let mut file = Writer::begin(disk, path)?;
    let mut batch = Batch::new(sequence);
    for told in told {
        let (place, change) = told?;
        if let Some(record) = batch.add(place, change) {
            file.push(&record)?;
        }
    }
    file.push(&batch.take())?;
    Ok(file.finish(segment, 0, sequence)?)
}

/// The changes in a file, one after another. Only when the last one has come is it certain that all of them are as they were
/// told.
pub(in crate::store) struct Telling {
    file: Reader,
    path: PathBuf,
    /// What is left of the record that was read last.
    changes: vec::IntoIter<Change>,
}

impl Telling {
    pub(in crate::store) fn open(disk: &dyn Disk, path: &Path) -> Result<Self, ArchiveError> {
        let file = Reader::open(disk, path).map_err(at(path))?;
        Ok(Self { file, path: path.to_owned(), changes: Vec::new().into_iter() })
    }

    /// The next one, or `None` behind the last.
    pub(in crate::store) fn next(&mut self) -> Result<Option<Change>, ArchiveError> {
        loop {
            if let Some(change) = self.changes.next() {
                return Ok(Some(change));
            }
            let Some(LoggedRecord { sequence, changes, .. }) = self.file.next().map_err(at(&self.path))?
            else {
                return Ok(None);
            };
            let changes = decode_changes(&changes)
                .map_err(|error| ArchiveError::Unreadable { sequence, reason: error.to_string() })?;
            self.changes = changes.into_iter();
        }
    }
}

/// Changes that are told of one place, gathered to a record.
struct Batch {
    sequence: u64,
    place: RecordPlace,
    changes: Vec<Change>,
    /// How large they are, more or less, in bytes.
    size: usize,
}

impl Batch {
    /// The size of a record, more or less.
    const SIZE: usize = 128 << 10;

    fn new(sequence: u64) -> Self {
        Self { sequence, place: NO_RECORD, changes: Vec::new(), size: 0 }
    }

    /// Adds a change, and gives the record that was gathered before if this one does not belong to it.
    fn add(&mut self, place: RecordPlace, change: Change) -> Option<LoggedRecord> {
        let is_another = place != self.place || self.size >= Self::SIZE;
        let record = (is_another && !self.changes.is_empty()).then(|| self.take());
        self.place = place;
        self.size += match &change {
            Change::ManifestPut { bytes, needs, .. } => bytes.len() + needs.len() * 40,
            _ => 100,
        };
        self.changes.push(change);
        record
    }

    fn take(&mut self) -> LoggedRecord {
        self.size = 0;
        let changes = encode_changes(&std::mem::take(&mut self.changes)).into();
        LoggedRecord { sequence: self.sequence, place: self.place, changes }
    }
}
