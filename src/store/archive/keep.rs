//! Keeping the changes of the log's segments before these are deleted.

use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::store::background::Pieces;
use crate::store::log::{Position, Segments, first_sequence, read_records};
use crate::store::spare::Create;
use crate::store::writer::Decline;

use super::file::Writer;
use super::folder::{Entry, Folder, Kind};
use super::task::{Source, Task};
use super::{Archive, ArchiveError, Reach, State, at};

/// How long after one that failed the next snapshot is begun.
const REST: Duration = Duration::from_secs(10);

impl Pieces {
    /// Keeps the changes of all segments that are complete, and has a snapshot made when it is time for one.
    pub(in crate::store) fn keep_changes(&self, archive: &mut Archive) -> Result<(), Decline<io::Error>> {
        let tables = self.metadata.read();
        let Some(position) = tables.position()? else { return Ok(()) };
        archive.hear_wish();
        archive.finish_task().map_err(Decline::Refused)?;
        if matches!(archive.state, State::Unknown) {
            archive.find(&self.segments, &position).map_err(Decline::Refused)?;
        }
        if matches!(archive.state, State::Broken) {
            if archive.can_begin() {
                // Places behind the last durable commit are not kept: whatever replays the log copies what lies there.
                self.writer.checkpoint()?;
                if self.metadata.read().position()?.is_none_or(|now| now.run != position.run) {
                    return Ok(());
                }
                archive.begin(Source::Tables(tables, position)).map_err(Decline::Refused)?;
            }
            return Ok(());
        }
        drop(tables);
        let complete: Vec<_> =
            self.segments.numbers().into_iter().take_while(|n| *n < position.segment).collect();
        if complete.iter().any(|number| !archive.has(*number)) {
            // What is kept is never decided anew: a start replays what comes behind the last durable commit.
            self.writer.checkpoint()?;
        }
        for number in complete {
            archive.keep(number, &self.segments, &position).map_err(Decline::Refused)?;
        }
        archive.merge().map_err(Decline::Refused)
    }
}

/// What has gone wrong while the changes of a segment were copied.
enum KeepError {
    Segment(io::Error),
    File(io::Error),
}

impl From<io::Error> for KeepError {
    fn from(error: io::Error) -> Self {
        Self::Segment(error)
    }
}

/// What a segment does not tell any more the tables do: to the archive it is damaged.
fn unreadable(error: &io::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the log cannot be read: {error}"))
}

/// A segment lacks a record that it should have.
fn missing(number: u64, sequence: u64) -> io::Error {
    let what = format!("record {sequence} is missing in segment {number:x}");
    io::Error::new(io::ErrorKind::InvalidData, what)
}

impl Archive {
    /// Somebody has found out that the files do not lead to where the log is: they are as good as none.
    fn hear_wish(&mut self) {
        let wish = self.renewal.last();
        if wish > self.heard {
            (self.heard, self.state, self.task) = (wish, State::Broken, None);
            self.rests_until = None;
        }
    }

    /// Looks at the files, removes those that do not count, and finds out whether the others lead to the log.
    fn find(&mut self, segments: &Segments, position: &Position) -> io::Result<()> {
        // After a kill there may be names that the disk does not have: segments are deleted on the strength of these.
        self.disk.sync_folder(&self.path())?;
        let (folder, others) = Folder::find(&*self.disk, &self.path())?;
        let reach = folder.reach();
        let behind = segments.numbers().into_iter().filter(|number| *number > reach.segment);
        self.state = match self.first_of(behind) {
            Ok(first) if first.unwrap_or(position.sequence + 1) <= reach.sequence + 1 => State::Whole(folder),
            Ok(_) => State::Broken,
            Err(error) => return Err(self.note_failure(error.into())),
        };
        if matches!(self.state, State::Whole(_)) {
            self.unlink(others)?;
        }
        Ok(())
    }

    /// The least number of a record of these segments.
    fn first_of(&self, segments: impl Iterator<Item = u64>) -> io::Result<Option<u64>> {
        let mut first: Option<u64> = None;
        for number in segments {
            let found = first_sequence(&*self.disk, &self.layout.log(), number)
                .map_err(|error| unreadable(&error))?;
            first = first.into_iter().chain(found).min();
        }
        Ok(first)
    }

    /// Keeps the changes of a segment that is complete, unless they are kept.
    fn keep(&mut self, number: u64, segments: &Segments, position: &Position) -> io::Result<()> {
        let State::Whole(folder) = &self.state else { return Ok(()) };
        let Reach { segment, sequence: after } = folder.reach();
        if number <= segment {
            return Ok(());
        }
        // A later run has copied what came behind the last durable commit of the one before: that copy counts.
        let later = segments.numbers().into_iter().filter(|later| *later > number);
        let last = match self.first_of(later) {
            Ok(first) => first.map_or(position.sequence, |first| first - 1),
            Err(error) => return Err(self.note_failure(error.into())),
        };
        let path = Kind::Changes.path(&self.path(), number);
        let write =
            |create: Create<'_>| self.write_changes(path.clone(), create, number, after, last.max(after));
        match self.ballast.relieve(|| self.spare.stand_in(write)) {
            Ok(entry) => {
                if let State::Whole(folder) = &mut self.state {
                    folder.changes.push(entry);
                }
                Ok(())
            }
            Err(error) => Err(self.note_failure(error.into())),
        }
    }

    /// Writes the changes of a segment behind record `after`, up to record `last`.
    fn write_changes(
        &self,
        path: PathBuf,
        create: Create<'_>,
        number: u64,
        after: u64,
        last: u64,
    ) -> io::Result<Entry> {
        let mut found = after;
        let mut file = Writer::begin_with(&*self.disk, &path, create)?;
        let read = read_records(&*self.disk, &self.layout.log(), number, last, |record| {
            if record.sequence <= after {
                return Ok(());
            }
            if record.sequence != found + 1 {
                return Err(KeepError::Segment(missing(number, found + 1)));
            }
            found = record.sequence;
            file.push(&record).map_err(KeepError::File)
        });
        read.map_err(|error| match error {
            KeepError::Segment(error) => unreadable(&error),
            KeepError::File(error) => error,
        })?;
        if found != last {
            return Err(missing(number, found + 1));
        }
        let header = file.finish(number, after, last).map_err(at(&path))?;
        Ok(Entry::new(path, &header))
    }

    /// Has the snapshot and what came since merged, if it is time.
    fn merge(&mut self) -> io::Result<()> {
        match &self.state {
            State::Whole(folder) if self.can_begin() && folder.is_to_be_merged(self.least) => {
                self.begin(Source::Folder(folder.clone()))
            }
            _ => Ok(()),
        }
    }

    /// Whether no snapshot is being made, and none has failed just now.
    fn can_begin(&self) -> bool {
        self.task.is_none() && self.rests_until.is_none_or(|end| Instant::now() >= end)
    }

    /// Begins to make a snapshot.
    fn begin(&mut self, source: Source) -> io::Result<()> {
        self.task = Some(Task::start(&self.disk, self.path(), source)?);
        Ok(())
    }

    /// Takes the snapshot that was made, if one is.
    fn finish_task(&mut self) -> io::Result<()> {
        let Some(task) = self.task.take_if(|task| task.is_finished()) else { return Ok(()) };
        let snapshot = task.finish().map_err(|error| {
            self.rests_until = Some(Instant::now() + REST);
            self.note_failure(error)
        })?;
        if !matches!(self.state, State::Whole(_)) {
            // Of what was there before nothing counts.
            let (folder, others) = Folder::find(&*self.disk, &self.path())?;
            let older = folder.paths().into_iter().chain(others);
            self.unlink(older.filter(|path| *path != snapshot.path))?;
            self.state = State::Whole(Folder::default());
            self.renewal.fulfil(self.heard);
        }
        let State::Whole(folder) = &mut self.state else { return Ok(()) };
        let older = folder.replace(snapshot);
        self.unlink(older)
    }

    fn unlink(&self, paths: impl IntoIterator<Item = PathBuf>) -> io::Result<()> {
        paths.into_iter().try_for_each(|path| self.disk.unlink(&path).map_err(at(&path)))
    }

    /// After damage a new snapshot of the tables is due, and none of the files as they were: it would be taken for that.
    fn note_failure(&mut self, error: ArchiveError) -> io::Error {
        if error.is_damage() {
            tracing::error!(%error, "the archive cannot go on; a new snapshot is taken");
            self.state = State::Broken;
            self.task = None;
        }
        match error {
            ArchiveError::Io(error) => error,
            other => io::Error::other(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use super::*;
    use crate::store::archive::renewal::Wish;
    use crate::store::ballast::Ballast;
    use crate::store::disk::Disk;
    use crate::store::disk::simulated::{Call, Failure, Simulated};
    use crate::store::layout::Layout;
    use crate::store::log::{LoggedRecord, NO_RECORD, encode_changes};
    use crate::store::recovery::Recovery;
    use crate::store::spare::Spare;

    /// A machine with the folders of a store.
    fn machine(seed: u64) -> Simulated {
        let (machine, layout) = (Simulated::new(seed), Layout::new(Path::new("/")));
        let disk = machine.disk();
        for folder in [layout.log(), layout.archive()] {
            disk.create_folder(&folder).and_then(|()| disk.sync_folder(Path::new("/"))).expect("a folder");
        }
        machine
    }

    /// What a process has that starts on it.
    fn recovery(machine: &Simulated) -> Recovery {
        let (disk, layout) = (machine.disk(), Layout::new(Path::new("/")));
        let ballast = Arc::new(Ballast::take(Arc::clone(&disk), layout.ballast(), 0));
        let spare = Spare::find(Arc::clone(&disk), &layout.archive(), 0).map(Arc::new).expect("none");
        // Each record fills a segment.
        Recovery { disk, layout, cache_size: 1 << 20, segment_size: 8 << 10, ballast, spare }
    }

    fn archive(recovery: &Recovery) -> Archive {
        Archive {
            disk: Arc::clone(&recovery.disk),
            layout: recovery.layout.clone(),
            ballast: Arc::clone(&recovery.ballast),
            spare: Arc::clone(&recovery.spare),
            least: 0,
            state: State::Whole(Folder::default()),
            task: None,
            rests_until: None,
            renewal: Arc::default(),
            heard: Wish::default(),
        }
    }

    fn put_changes(disk: &dyn Disk, archive: &Archive, segment: u64, records: std::ops::Range<u64>) -> Entry {
        let path = Kind::Changes.path(&archive.path(), segment);
        let mut file = Writer::begin(disk, &path).expect("a file");
        for sequence in records.clone() {
            let changes = encode_changes(&[]).into();
            file.push(&LoggedRecord { sequence, place: NO_RECORD, changes }).expect("written");
        }
        Entry::new(path.clone(), &file.finish(segment, records.start - 1, records.end - 1).expect("named"))
    }

    #[test]
    fn a_merge_that_is_under_way_when_the_archive_breaks_does_not_count_as_the_snapshot_that_is_due() {
        let recovery = recovery(&machine(0));
        let mut archive = archive(&recovery);
        let folder =
            Folder { snapshot: None, changes: vec![put_changes(&*recovery.disk, &archive, 1, 1..3)] };
        archive.begin(Source::Folder(folder)).expect("a thread");
        // What comes meanwhile the merge does not have.
        put_changes(&*recovery.disk, &archive, 2, 3..4);
        archive.note_failure(io::Error::from(io::ErrorKind::InvalidData).into());
        while archive.task.as_ref().is_some_and(|task| !task.is_finished()) {
            std::thread::yield_now();
        }
        archive.finish_task().expect("nothing fails");
        assert!(matches!(archive.state, State::Broken));
        let (left, _) = Folder::find(&*recovery.disk, &archive.path()).expect("read");
        assert_eq!(left.reach(), Reach { segment: 2, sequence: 3 });
    }

    /// The process is killed when a file has its name in memory alone; the next one relies on it, and the power fails.
    #[test]
    fn a_file_that_is_found_is_relied_on_only_when_its_name_is_durable() {
        for seed in 0..20 {
            let machine = machine(seed);
            machine.fail(Call::SyncFolder, 0, Failure::Device);
            let (disk, path) = (machine.disk(), Kind::Changes.path(Path::new("/archive"), 1));
            let file = Writer::begin(&*disk, &path).expect("a file");
            file.finish(1, 0, 0).expect_err("its name is not durable");
            machine.kill();
            let recovery = recovery(&machine);
            let mut archive = archive(&recovery);
            let metadata = recovery.open_metadata().expect("a database");
            let position = recovery.replay(&metadata, &Arc::default()).expect("an empty log").position();
            archive.find(&Segments::default(), &position).expect("read");
            assert!(archive.has(1), "seed {seed}");
            machine.cut(seed);
            let (left, _) = Folder::find(&*machine.disk(), &archive.path()).expect("read");
            assert_eq!(left.reach(), Reach { segment: 1, sequence: 0 }, "seed {seed}");
        }
    }

    #[test]
    fn a_segment_is_not_kept_behind_a_gap() {
        let recovery = recovery(&machine(0));
        let (metadata, segments) = (recovery.open_metadata().expect("a database"), Arc::default());
        let mut log = recovery.replay(&metadata, &segments).expect("an empty log");
        for _ in 1..=3 {
            log.place().expect("a segment");
            log.append(&[], &[]).expect("a record");
        }
        let numbers = segments.numbers();
        let [first, second, third] = numbers[..] else { panic!("a record filled no segment: {numbers:?}") };
        let mut archive = archive(&recovery);
        archive.keep(first, &segments, &log.position()).expect("the first record");
        let error = archive.keep(third, &segments, &log.position()).expect_err("the second is missing");
        assert!(error.to_string().contains("record 2 is missing"), "{error}");
        assert!(matches!(archive.state, State::Broken) && !archive.has(second));
    }
}
