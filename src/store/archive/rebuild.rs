//! Making the metadata out of the archive and the log.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::Path;

use crate::store::disk::Disk;
use crate::store::layout::Layout;
use crate::store::log::{LoggedRecord, decode_changes, read_records, segment_number};
use crate::store::metadata::{Metadata, MetadataError};

use super::file::Reader;
use super::folder::{Entry, Folder};
use super::{ArchiveError, Reach, at};

/// The cache of a database that is made anew, in bytes.
const CACHE: u64 = 8 << 20;

/// After how many bytes it is told how much was read.
const TOLD: u64 = 1 << 20;

/// How much of the archive was read, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArchiveRead {
    pub read: u64,
    /// How much there is.
    pub all: u64,
}

/// A database that has no name and goes with whoever has it.
pub(super) fn scratch(disk: &dyn Disk, folder: &Path) -> Result<Metadata, MetadataError> {
    Metadata::scratch(disk, folder, CACHE)
}

/// Makes the metadata, as they were after record `last` or the last one that there is, out of the archive and the log of
/// a store, in an empty database, and tells how much of the archive it has read. Gives how far they go.
pub(in crate::store) fn rebuild(
    disk: &dyn Disk,
    layout: &Layout,
    empty: Metadata,
    last: u64,
    listener: &mut dyn FnMut(ArchiveRead),
) -> Result<(Metadata, Reach), ArchiveError> {
    let (folder, _) = Folder::find(disk, &layout.archive())?;
    let (all, mut told) = (folder.length(), 0);
    let mut rebuilt = Rebuilt::new(empty);
    rebuilt.apply_folder(disk, &folder, |read| {
        if read - told >= TOLD {
            told = read;
            listener(ArchiveRead { read, all });
        }
        Ok(())
    })?;
    let segment = folder.reach().segment;
    rebuilt.apply_log(disk, &layout.log(), segment, last)?;
    let reach = Reach { segment, sequence: rebuilt.sequence };
    Ok((rebuilt.metadata, reach))
}

/// Metadata that are made of records.
pub(super) struct Rebuilt {
    pub(super) metadata: Metadata,
    /// The number of the last record.
    sequence: u64,
    /// What is to be applied next, in one transaction.
    waiting: Vec<LoggedRecord>,
    /// How large that is, in bytes.
    waiting_bytes: usize,
}

impl Rebuilt {
    /// How many records are applied in one transaction at the most, and how many bytes of them at the least.
    const AT_ONCE: usize = 1_000;
    const BYTES_AT_ONCE: usize = 1 << 20;

    pub(super) fn new(metadata: Metadata) -> Self {
        Self { metadata, sequence: 0, waiting: Vec::new(), waiting_bytes: 0 }
    }

    /// Applies the records of the archive's files. `go_on` is told how many bytes were read; whoever gives up there gets the error
    /// back.
    pub(super) fn apply_folder(
        &mut self,
        disk: &dyn Disk,
        folder: &Folder,
        mut go_on: impl FnMut(u64) -> Result<(), ArchiveError>,
    ) -> Result<(), ArchiveError> {
        let mut before = 0;
        let mut apply = |entry: &Entry, add: fn(&mut Self, LoggedRecord) -> Result<(), ArchiveError>| {
            let at = at(&entry.path);
            let mut file = Reader::open(disk, &entry.path).map_err(&at)?;
            while let Some(record) = file.next().map_err(&at)? {
                go_on(before + file.position())?;
                add(self, record)?;
            }
            before += file.position();
            self.flush()
        };
        // What a snapshot is made of are no records of their own, and all have the number of the last one.
        folder.snapshot.iter().try_for_each(|snapshot| apply(snapshot, Self::add))?;
        folder.changes.iter().try_for_each(|changes| apply(changes, Self::follow))
    }

    /// Applies the records of the log behind those that were applied, which lie behind segment `after`, up to record `last`.
    fn apply_log(
        &mut self,
        disk: &dyn Disk,
        folder: &Path,
        after: u64,
        last: u64,
    ) -> Result<(), ArchiveError> {
        let segments = find_records(disk, folder, after)?;
        while self.sequence < last {
            let next = self.sequence + 1;
            // What a later run has copied counts, as far as it goes: a start that was cut short has not copied all.
            let Some((number, records)) = segments.iter().rev().find(|(_, records)| records.contains(&next))
            else {
                break;
            };
            let copied = segments
                .range(number + 1..)
                .map(|(_, records)| *records.start())
                .filter(|first| *first > next);
            let until = copied.map(|first| first - 1).chain([*records.end(), last]).min().unwrap_or(last);
            read_records(disk, folder, *number, until, |record| match record.sequence < next {
                true => Ok(()),
                false => self.follow(record),
            })?;
        }
        self.flush()?;
        match segments.values().map(|records| *records.end()).max() {
            Some(wanted) if self.sequence < wanted.min(last) => {
                Err(ArchiveError::Elsewhere { found: self.sequence, wanted })
            }
            _ => Ok(()),
        }
    }

    /// Adds the next record.
    fn follow(&mut self, record: LoggedRecord) -> Result<(), ArchiveError> {
        match record.sequence == self.sequence + 1 {
            true => self.add(record),
            false => Err(ArchiveError::Gap { missing: self.sequence + 1, found: record.sequence }),
        }
    }

    fn add(&mut self, record: LoggedRecord) -> Result<(), ArchiveError> {
        self.sequence = record.sequence;
        self.waiting_bytes += record.changes.len();
        self.waiting.push(record);
        match self.waiting.len() >= Self::AT_ONCE || self.waiting_bytes >= Self::BYTES_AT_ONCE {
            true => self.flush(),
            false => Ok(()),
        }
    }

    fn flush(&mut self) -> Result<(), ArchiveError> {
        let records = std::mem::take(&mut self.waiting);
        self.waiting_bytes = 0;
        self.metadata.write_durably(|tables| {
            for LoggedRecord { sequence, place, changes } in records {
                let changes = decode_changes(&changes)
                    .map_err(|error| ArchiveError::Unreadable { sequence, reason: error.to_string() })?;
                changes.iter().try_for_each(|change| tables.apply(change, place))?;
            }
            Ok(())
        })
    }
}

/// The numbers of the records that each segment of the log behind segment `after` has.
fn find_records(
    disk: &dyn Disk,
    folder: &Path,
    after: u64,
) -> Result<BTreeMap<u64, RangeInclusive<u64>>, ArchiveError> {
    let mut segments = BTreeMap::new();
    for name in disk.list(folder)? {
        let number = name.to_str().and_then(segment_number);
        let Some(number) = number.filter(|number| *number > after) else { continue };
        let mut first = None;
        let last = read_records(disk, folder, number, u64::MAX, |record| {
            first.get_or_insert(record.sequence);
            Ok::<_, ArchiveError>(())
        })?;
        segments.extend(first.zip(last).map(|(first, last)| (number, first..=last)));
    }
    Ok(segments)
}

#[cfg(test)]
mod tests {
    use super::super::file::Writer;
    use super::super::folder::Kind;
    use super::*;
    use crate::store::disk::simulated::Simulated;
    use crate::store::log::{NO_RECORD, encode_changes};

    /// An archive of one file with these records, which change nothing.
    fn folder(disk: &dyn Disk, sequences: &[u64]) -> Folder {
        let path = Kind::Changes.path(Path::new("/"), 1);
        let mut file = Writer::begin(disk, &path).expect("a file");
        for sequence in sequences.iter().copied() {
            let changes = encode_changes(&[]).into();
            file.push(&LoggedRecord { sequence, place: NO_RECORD, changes }).expect("written");
        }
        let last = *sequences.last().expect("a record");
        let entry = Entry::new(path.clone(), &file.finish(1, 0, last).expect("named"));
        Folder { snapshot: None, changes: vec![entry] }
    }

    #[test]
    fn all_of_the_archive_was_read_at_its_end() {
        let disk = Simulated::new(0).disk();
        let folder = folder(&*disk, &[1, 2, 3]);
        let mut rebuilt = Rebuilt::new(scratch(&*disk, Path::new("/")).expect("a database"));
        let mut told = Vec::new();
        let applied = rebuilt.apply_folder(&*disk, &folder, |read| {
            told.push(read);
            Ok(())
        });
        applied.expect("applied");
        assert_eq!(told.len(), 3);
        assert_eq!(told.last(), Some(&folder.length()));
    }

    #[test]
    fn records_are_not_applied_behind_a_gap() {
        let disk = Simulated::new(0).disk();
        let folder = folder(&*disk, &[1, 3]);
        let mut rebuilt = Rebuilt::new(scratch(&*disk, Path::new("/")).expect("a database"));
        let applied = rebuilt.apply_folder(&*disk, &folder, |_| Ok(()));
        assert!(matches!(applied, Err(ArchiveError::Gap { missing: 2, found: 3 })), "{applied:?}");
    }
}
