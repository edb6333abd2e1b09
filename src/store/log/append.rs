//! Appending: one record a group, one sync a record.

use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use bytes::Bytes;

use crate::observe::metrics::metrics;
use crate::store::ballast::Ballast;
use crate::store::disk::{Disk, DiskFile, Rule, is_full};
use crate::store::metadata::Change;
use crate::store::recovery::Recovery;
use crate::store::spare::{Create, Spare};

use super::format::{BLOCK, RecordHeader, align};
use super::segment::{self, Segment};
use super::segments::Segments;
use super::{Key, Position, RecordPlace, RunId, encode_changes};

/// Why a record is not in the log.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// It was not written whole. Nothing has happened, and the log can go on.
    #[error("a record could not be appended to the log: {0}")]
    NotWritten(#[source] io::Error),
    /// Some of it was written, and nobody knows whether the disk has it. Nothing may be acknowledged any more.
    #[error("the log could not be synced: {0}")]
    NotSynced(#[source] io::Error),
}

/// Makes segments of a run.
#[derive(Debug, Clone)]
struct Maker {
    disk: Arc<dyn Disk>,
    ballast: Arc<Ballast>,
    spare: Arc<Spare>,
    segments: Arc<Segments>,
    folder: PathBuf,
    run: RunId,
}

impl Maker {
    fn new(recovery: &Recovery, segments: Arc<Segments>, run: RunId) -> Self {
        Self {
            segments,
            disk: Arc::clone(&recovery.disk),
            ballast: Arc::clone(&recovery.ballast),
            spare: Arc::clone(&recovery.spare),
            folder: recovery.layout.log(),
            run,
        }
    }

    fn make(&self, number: u64) -> io::Result<Segment> {
        let create =
            |create: Create<'_>| Segment::create(&*self.disk, &self.folder, number, self.run, create);
        if let Some(retired) = self.segments.take_retired(self.disk.keeps(Rule::SpareReaders)) {
            match create(&|path| self.write_over(retired, path)) {
                // Replaying the log in place removes what is set aside, even at this moment.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                other => return other,
            }
        }
        self.ballast.relieve(|| self.spare.stand_in(create))
    }

    /// Gives the file of a segment that was set aside its new name. Not even a power cut may bring it back under its own
    /// number, which its new header does not have.
    fn write_over(&self, retired: u64, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.disk.rename(&segment::retired_path(&self.folder, retired), path)?;
        if self.disk.keeps(Rule::RenameRetired) {
            self.disk.sync_folder(&self.folder)?;
        }
        self.disk.open(path)
    }

    /// Makes one on a thread of its own; `None` if there is no thread to be had.
    fn make_ahead(&self, number: u64) -> Option<Ahead> {
        let maker = self.clone();
        let thread = thread::Builder::new().name("segment".to_owned()).spawn(move || maker.make(number));
        thread.ok().map(Ahead)
    }
}

/// A segment that is being made.
#[derive(Debug)]
struct Ahead(thread::JoinHandle<io::Result<Segment>>);

impl Ahead {
    fn finish(self) -> io::Result<Segment> {
        self.0.join().unwrap_or_else(|_| Err(io::Error::other("the thread that made a segment has panicked")))
    }
}

/// The end of the log that records are appended to.
#[derive(Debug)]
pub(in crate::store) struct Log {
    maker: Maker,
    segments: Arc<Segments>,
    current: Segment,
    /// The next segment, which is made while records still go into this one.
    ahead: Option<Ahead>,
    /// Where the next record begins in the current segment.
    offset: u64,
    /// The key of the next record.
    key: Key,
    /// The number of the last record.
    sequence: u64,
    /// Up to which number the log is synced.
    synced: u64,
    /// From which size on a segment is succeeded by the next, in bytes.
    segment_size: u64,
    /// Whether the disk had no room for a record in the current segment.
    is_out_of_room: bool,
}

impl Log {
    /// Begins a run of its own behind everything that there is: segment `number`, its first record after `sequence`.
    pub(super) fn begin(
        recovery: &Recovery,
        segments: Arc<Segments>,
        number: u64,
        sequence: u64,
    ) -> io::Result<Self> {
        let maker = Maker::new(recovery, Arc::clone(&segments), RunId::random());
        let current = maker.make(number)?;
        segments.add(number, Arc::clone(&current.file), BLOCK);
        let (run, key) = (maker.run, current.header.seed);
        let position = Position { run, segment: number, offset: BLOCK, sequence, key };
        Ok(Self::new(maker, segments, current, &position, recovery.segment_size))
    }

    /// Goes on in a segment in which nothing was written behind `position`, which a durable commit has: as the run would
    /// have done that ended there.
    pub(super) fn go_on(
        recovery: &Recovery,
        segments: Arc<Segments>,
        segment: &Segment,
        position: &Position,
    ) -> io::Result<Self> {
        let maker = Maker::new(recovery, Arc::clone(&segments), position.run);
        let current = segment.reopen(&*maker.disk, &maker.folder)?;
        Ok(Self::new(maker, segments, current, position, recovery.segment_size))
    }

    fn new(
        maker: Maker,
        segments: Arc<Segments>,
        current: Segment,
        position: &Position,
        segment_size: u64,
    ) -> Self {
        let Position { offset, key, sequence, .. } = *position;
        Self {
            maker,
            segments,
            current,
            ahead: None,
            offset,
            key,
            sequence,
            synced: sequence,
            segment_size,
            is_out_of_room: false,
        }
    }

    /// The segments, for readers.
    pub(in crate::store) fn segments(&self) -> &Arc<Segments> {
        &self.segments
    }

    /// Where the next record will lie. Goes on to the next segment if this one is full, or if the disk is and a segment
    /// can be had that has its room already.
    pub(in crate::store) fn place(&mut self) -> Result<RecordPlace, AppendError> {
        let is_out_of_room = std::mem::take(&mut self.is_out_of_room)
            && (self.maker.spare.is_there() || self.segments.retired() > 0);
        if self.offset >= self.segment_size || is_out_of_room {
            // This one is synced to its end before a record goes into the next.
            if self.synced < self.sequence && self.maker.disk.keeps(Rule::SyncSegment) {
                self.sync()?;
            }
            let number = self.current.header.number + 1;
            let next = match self.ahead.take() {
                Some(ahead) => ahead.finish(),
                None => self.maker.make(number),
            };
            let next = next.map_err(AppendError::NotWritten)?;
            self.segments.add(number, Arc::clone(&next.file), BLOCK);
            (self.offset, self.key, self.current) = (BLOCK, next.header.seed, next);
        }
        Ok(RecordPlace { segment: self.current.header.number, offset: self.offset })
    }

    /// Appends a record at the place that [`Log::place`] has named, and syncs it.
    pub(in crate::store) fn append(
        &mut self,
        changes: &[Change],
        payloads: &[Bytes],
    ) -> Result<Position, AppendError> {
        let position = self.write(self.sequence + 1, &encode_changes(changes), payloads)?;
        self.sync()?;
        self.make_ahead();
        Ok(position)
    }

    /// Has the next segment made once half of this one is full, so that nobody waits for it.
    fn make_ahead(&mut self) {
        if self.ahead.is_none() && self.offset >= self.segment_size / 2 {
            self.ahead = self.maker.make_ahead(self.current.header.number + 1);
        }
    }

    /// Waits until nothing changes in the log's folder any more.
    pub(in crate::store) fn come_to_rest(&mut self) {
        // What was made is found when the log is replayed; what could not be made is not missed.
        drop(self.ahead.take().map(Ahead::finish));
    }

    /// Writes a record without syncing it. If it could not be written nothing is left of it.
    pub(super) fn write(
        &mut self,
        sequence: u64,
        changes: &[u8],
        payloads: &[Bytes],
    ) -> Result<Position, AppendError> {
        let header = RecordHeader {
            run: self.current.header.run,
            sequence,
            synced: self.synced,
            payload_bytes: payloads.iter().map(|payload| payload.len() as u64).sum(),
            change_bytes: changes.len() as u64,
            key: self.key,
        };
        let rest = || payloads.iter().map(|payload| &**payload).chain([changes]);
        let (head, checksum) = header.encode(rest());
        let slices: Vec<IoSlice<'_>> = std::iter::once(&head[..]).chain(rest()).map(IoSlice::new).collect();
        let write = || self.current.file.write_vectored_at(&slices, self.offset);
        let written = self.maker.ballast.relieve(write);
        self.is_out_of_room = written.as_ref().is_err_and(is_full);
        written.map_err(|error| self.take_back(error))?;
        let length: u64 = slices.iter().map(|slice| slice.len() as u64).sum();
        metrics().log_appended.inc_by(length);
        self.offset = align(self.offset + length);
        self.key = checksum;
        self.sequence = sequence;
        self.segments.set_length(self.current.header.number, self.offset);
        Ok(self.position())
    }

    /// What there is of a record that could not be written, which may be all of it, must not be found after a crash: it has
    /// not happened.
    fn take_back(&self, error: io::Error) -> AppendError {
        let file = &self.current.file;
        let taken_back = file.length().and_then(|length| match length > self.offset {
            true => file.set_length(self.offset).and_then(|()| file.sync()),
            false => Ok(()),
        });
        match taken_back {
            Ok(()) => AppendError::NotWritten(error),
            Err(error) => AppendError::NotSynced(error),
        }
    }

    /// Makes everything that was written durable.
    pub(super) fn sync(&mut self) -> Result<(), AppendError> {
        if self.maker.disk.keeps(Rule::SyncRecord) {
            let began = Instant::now();
            self.current.file.sync().map_err(AppendError::NotSynced)?;
            metrics().log_sync.record(began.elapsed());
        }
        self.synced = self.sequence;
        Ok(())
    }

    /// Behind the last record.
    pub(in crate::store) fn position(&self) -> Position {
        Position {
            run: self.current.header.run,
            segment: self.current.header.number,
            offset: self.offset,
            sequence: self.sequence,
            key: self.key,
        }
    }
}
