//! The files of the archive: which there are, and which of them count.

use std::io;
use std::path::{Path, PathBuf};

use crate::store::disk::Disk;
use crate::store::ids::PayloadId;
use crate::store::log::segment_number;
use crate::store::spare::Spare;

use super::file::{Header, read_header};
use super::{Reach, at};

/// The files that count: at most one snapshot, and what has changed since, without a gap.
#[derive(Debug, Clone, Default)]
pub(super) struct Folder {
    pub(super) snapshot: Option<Entry>,
    /// In order.
    pub(super) changes: Vec<Entry>,
}

/// A file.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) path: PathBuf,
    pub(super) reach: Reach,
    /// The number of the last record before those in the file.
    after: u64,
    /// In bytes.
    length: u64,
}

/// What a file is, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Snapshot,
    Changes,
}

impl Kind {
    const fn extension(self) -> &'static str {
        match self {
            Self::Snapshot => "snapshot",
            Self::Changes => "changes",
        }
    }

    /// The path of a file that ends with a segment. That of a snapshot is a new one each time: the one before it must not go
    /// until this one is durable, and may end with the same segment.
    pub(super) fn path(self, folder: &Path, segment: u64) -> PathBuf {
        let extension = self.extension();
        folder.join(match self {
            Self::Snapshot => format!("{segment:016x}-{}.{extension}", PayloadId::random()),
            Self::Changes => format!("{segment:016x}.{extension}"),
        })
    }

    fn of(path: &Path) -> Option<Self> {
        let (name, extension) = path.file_name()?.to_str()?.split_once('.')?;
        segment_number(name.split('-').next()?)?;
        [Self::Snapshot, Self::Changes].into_iter().find(|kind| kind.extension() == extension)
    }
}

/// Removes all that has changed and all snapshots. The next who looks finds that they lead nowhere, and makes a new snapshot.
pub(in crate::store) fn forget(disk: &dyn Disk, folder: &Path) -> io::Result<()> {
    let names = disk.list(folder).map_err(at(folder))?;
    let paths = names.iter().map(|name| folder.join(name)).filter(|path| Kind::of(path).is_some());
    paths.into_iter().try_for_each(|path| disk.unlink(&path))?;
    disk.sync_folder(folder)
}

/// The path of a snapshot from which an archive begins that belongs to no log yet.
pub(in crate::store) fn snapshot_path(folder: &Path) -> PathBuf {
    Kind::Snapshot.path(folder, 0)
}

impl Folder {
    /// Finds the files that count, and the paths of those that do not: remains of what was cut short, what a snapshot has
    /// as well, and what comes behind a gap.
    pub(super) fn find(disk: &dyn Disk, folder: &Path) -> io::Result<(Self, Vec<PathBuf>)> {
        let (mut snapshots, mut changes, mut others) = (Vec::new(), Vec::new(), Vec::new());
        let names = disk.list(folder).map_err(at(folder))?;
        for name in names.into_iter().filter(|name| !Spare::is_name(name)) {
            let path = folder.join(&name);
            let Some(kind) = Kind::of(&path) else {
                others.push(path);
                continue;
            };
            match (kind, read_header(disk, &path).map_err(at(&path))?) {
                (Kind::Snapshot, Some(header)) => snapshots.push(Entry::new(path, &header)),
                (Kind::Changes, Some(header)) => changes.push(Entry::new(path, &header)),
                (_, None) => others.push(path),
            }
        }
        snapshots.sort_by_key(|entry| entry.reach.sequence);
        changes.sort_by_key(|entry| entry.reach.segment);
        let mut found = Self { snapshot: snapshots.pop(), changes: Vec::new() };
        others.extend(snapshots.into_iter().map(|entry| entry.path));
        for entry in changes {
            match found.is_followed_by(&entry) {
                true => found.changes.push(entry),
                false => others.push(entry.path),
            }
        }
        Ok((found, others))
    }

    fn is_followed_by(&self, entry: &Entry) -> bool {
        let Reach { segment, sequence } = self.reach();
        entry.reach.segment > segment && entry.after == sequence
    }

    /// How far the changes go.
    pub(super) fn reach(&self) -> Reach {
        let last = self.changes.last().or(self.snapshot.as_ref());
        last.map_or_else(Reach::default, |entry| entry.reach)
    }

    /// The size of all files, in bytes.
    pub(super) fn length(&self) -> u64 {
        self.snapshot.iter().chain(&self.changes).map(|entry| entry.length).sum()
    }

    /// All files, in the order in which they are read.
    pub(super) fn paths(&self) -> Vec<PathBuf> {
        self.snapshot.iter().chain(&self.changes).map(|entry| entry.path.clone()).collect()
    }

    /// Whether what has changed since the snapshot has become as large as it, and `least` bytes, so that both should be
    /// merged.
    pub(super) fn is_to_be_merged(&self, least: u64) -> bool {
        /// More files than this always are.
        const MOST: usize = 1_000;
        let changes: u64 = self.changes.iter().map(|entry| entry.length).sum();
        let snapshot = self.snapshot.as_ref().map_or(0, |entry| entry.length);
        self.changes.len() > MOST || changes > snapshot.max(least)
    }

    /// Puts a new snapshot in the place of all that it has as well, and gives the paths of these.
    pub(super) fn replace(&mut self, snapshot: Entry) -> Vec<PathBuf> {
        let is_newer = |entry: &Entry| entry.reach.segment > snapshot.reach.segment;
        let (newer, older): (Vec<_>, Vec<_>) = self.changes.drain(..).partition(is_newer);
        let older = self.snapshot.take().into_iter().chain(older);
        let older = older.map(|entry| entry.path).filter(|path| *path != snapshot.path).collect();
        (self.snapshot, self.changes) = (Some(snapshot), newer);
        older
    }
}

impl Entry {
    pub(super) fn new(path: PathBuf, header: &Header) -> Self {
        let Header { segment, after, last, length, .. } = *header;
        Self { path, reach: Reach { segment, sequence: last }, after, length }
    }
}

#[cfg(test)]
mod tests {
    use super::super::file::Writer;
    use super::*;
    use crate::store::disk::simulated::{Call, Failure, Simulated};

    const FOLDER: &str = "/archive";

    fn put(disk: &dyn Disk, kind: Kind, segment: u64, after: u64, last: u64) -> Entry {
        let path = kind.path(Path::new(FOLDER), segment);
        let header = Writer::begin(disk, &path).and_then(|file| file.finish(segment, after, last));
        let header = header.expect("written");
        Entry::new(path, &header)
    }

    fn found(disk: &dyn Disk) -> (Reach, usize) {
        let (folder, others) = Folder::find(disk, Path::new(FOLDER)).expect("read");
        (folder.reach(), others.len())
    }

    fn disk() -> std::sync::Arc<dyn Disk> {
        let disk = Simulated::new(0).disk();
        disk.create_folder(Path::new(FOLDER)).expect("a folder");
        disk
    }

    #[test]
    fn what_counts_is_the_last_snapshot_and_what_follows_it_without_a_gap() {
        let disk = disk();
        assert_eq!(found(&*disk), (Reach::default(), 0));
        put(&*disk, Kind::Changes, 1, 0, 7);
        put(&*disk, Kind::Changes, 2, 7, 9);
        assert_eq!(found(&*disk), (Reach { segment: 2, sequence: 9 }, 0));
        put(&*disk, Kind::Snapshot, 2, 0, 9);
        // A number that no segment has is none missing.
        put(&*disk, Kind::Changes, 4, 9, 9);
        put(&*disk, Kind::Changes, 5, 9, 20);
        assert_eq!(found(&*disk), (Reach { segment: 5, sequence: 20 }, 2));
        put(&*disk, Kind::Changes, 7, 21, 22);
        assert_eq!(found(&*disk), (Reach { segment: 5, sequence: 20 }, 3));
    }

    /// The one before may have been given up for a read that failed once: it is what there is until the new one is durable.
    #[test]
    fn a_snapshot_that_does_not_come_to_be_takes_none_along_that_ends_with_the_same_segment() {
        for (seed, failing) in (0..20).flat_map(|seed| [(seed, Call::Rename), (seed, Call::SyncFolder)]) {
            let machine = Simulated::new(seed);
            let disk = machine.disk();
            disk.create_folder(Path::new(FOLDER))
                .and_then(|()| disk.sync_folder(Path::new("/")))
                .expect("a folder");
            put(&*disk, Kind::Snapshot, 2, 0, 8);
            machine.fail(failing, 0, Failure::Device);
            let path = Kind::Snapshot.path(Path::new(FOLDER), 2);
            let again = Writer::begin(&*disk, &path).and_then(|file| file.finish(2, 0, 9));
            assert!(again.is_err(), "{failing:?} failed");
            machine.cut(seed);
            let (reach, _) = found(&*machine.disk());
            assert!(reach.sequence >= 8, "seed {seed}, {failing:?}: {reach:?}");
        }
    }

    #[test]
    fn a_snapshot_that_was_merged_takes_the_place_of_what_it_has() {
        let disk = disk();
        for segment in 1..=3 {
            put(&*disk, Kind::Changes, segment, segment - 1, segment);
        }
        let (mut folder, _) = Folder::find(&*disk, Path::new(FOLDER)).expect("read");
        let snapshot = put(&*disk, Kind::Snapshot, 2, 0, 2);
        assert_eq!(folder.replace(snapshot).len(), 2);
        assert_eq!((folder.reach(), folder.paths().len()), (Reach { segment: 3, sequence: 3 }, 2));
    }
}
