//! Settling: small payloads move from the log into files of their own, behind everybody's back.
//!
//! Many at once share their syncs. Only when a file and its name are durable does the writer hear of it, and it accepts
//! only if the payload's place is still exactly the one that was copied; otherwise that file is one too many. A payload
//! that dies while it lies in the log never costs a file. One that cannot be read there holds up no others: it stays,
//! and is tried again from time to time.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::background::Pieces;
use super::disk::{DiskFile, Rule};
use super::hasher::Hasher;
use super::ids::PayloadId;
use super::in_flight::Guard;
use super::metadata::{Change, LogPayload, Place, Tables, Write};
use super::writer::{Accepted, Decision, Decline, Operation, Slot};

/// How many payloads are moved at once.
const BATCH: usize = 256;
/// How many threads write and sync a batch's files.
const THREADS: usize = 4;

/// Payloads in the log that could not be read, by segment and offset, and when they were tried last.
#[derive(Default)]
pub(super) struct Unreadable(BTreeMap<(u64, u64), Instant>);

impl Unreadable {
    /// How long one is left alone.
    const PAUSE: Duration = Duration::from_secs(60);

    fn is_to_be_tried(&self, place: &(u64, u64)) -> bool {
        self.0.get(place).is_none_or(|tried| tried.elapsed() >= Self::PAUSE)
    }

    /// Says so once.
    fn note(&mut self, payload: &LogPayload, error: &io::Error) {
        let LogPayload { digest, segment, offset, .. } = payload;
        if self.0.insert((*segment, *offset), Instant::now()).is_none() {
            tracing::error!(
                %digest, segment, offset, %error,
                "a payload in the log cannot be read, and stays there; push it again under another name, or delete it"
            );
        }
    }
}

/// Why a payload was not copied.
enum CopyError {
    /// The log does not have it any more.
    Unreadable(LogPayload, io::Error),
    NotWritten(io::Error),
}

impl From<io::Error> for CopyError {
    fn from(error: io::Error) -> Self {
        Self::NotWritten(error)
    }
}

/// What a batch came to.
pub(super) struct Batch {
    pub(super) moved: usize,
    pub(super) took: Duration,
}

impl Pieces {
    /// Moves the oldest payloads of the log.
    pub(super) fn settle_batch(&self, unreadable: &mut Unreadable) -> Result<Batch, Decline<io::Error>> {
        let began = Instant::now();
        let payloads = self.metadata.read().log_payloads(BATCH, |place| unreadable.is_to_be_tried(place))?;
        let copies = self.copy_all(&payloads, unreadable).map_err(Decline::Refused)?;
        if copies.is_empty() {
            return Ok(Batch { moved: 0, took: Duration::ZERO });
        }
        let moved = copies.len();
        self.sync_folders(&copies).map_err(Decline::Refused)?;
        let (copies, _guards): (Vec<_>, Vec<_>) = copies.into_iter().unzip();
        let unwanted = self.writer.submit(Settle { copies, is_exact: self.disk.keeps(Rule::ExactPlace) })?;
        for path in unwanted.iter().map(|copy| self.path(copy)) {
            self.disk.unlink(&path).map_err(Decline::Refused)?;
        }
        Ok(Batch { moved, took: began.elapsed() })
    }

    /// Writes and syncs a file for each payload, on a few threads. What could be copied is; an error if no file could be
    /// written.
    fn copy_all(
        &self,
        payloads: &[LogPayload],
        unreadable: &mut Unreadable,
    ) -> io::Result<Vec<(Copied, Guard)>> {
        let share = payloads.len().div_ceil(THREADS).max(1);
        let copy_some =
            |some: &[LogPayload]| some.iter().map(|payload| self.copy(payload)).collect::<Vec<_>>();
        let results: Vec<Result<_, CopyError>> = thread::scope(|scope| {
            let threads: Vec<_> =
                payloads.chunks(share).map(|some| scope.spawn(move || copy_some(some))).collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap_or_default()).collect()
        });
        let (mut copied, mut not_written) = (Vec::new(), None);
        for result in results {
            match result {
                Ok(copy) => copied.push(copy),
                Err(CopyError::Unreadable(payload, error)) => unreadable.note(&payload, &error),
                Err(CopyError::NotWritten(error)) => not_written = Some(error),
            }
        }
        match not_written {
            Some(error) if copied.is_empty() => return Err(error),
            Some(error) => {
                tracing::error!(%error, "some payloads could not be moved out of the log; this is tried again");
            }
            None => {}
        }
        Ok(copied)
    }

    fn read_logged(&self, payload: &LogPayload) -> io::Result<Vec<u8>> {
        let length = usize::try_from(payload.size).map_err(io::Error::other)?;
        let bytes = self.segments.read_at(payload.segment, payload.offset, length)?;
        let found = Hasher::digest(payload.digest.algorithm(), &bytes);
        match found == payload.digest {
            true => Ok(bytes),
            false => Err(io::Error::other(format!("the log has {found} where {} should be", payload.digest))),
        }
    }

    fn copy(&self, payload: &LogPayload) -> Result<(Copied, Guard), CopyError> {
        let bytes = self.read_logged(payload).map_err(|error| CopyError::Unreadable(*payload, error))?;
        let copy = Copied { payload: *payload, file: PayloadId::random() };
        let guard = self.in_flight.enter(copy.file);
        let path = self.path(&copy);
        let file = self.disk.create(&path)?;
        let written = file.write_at(&bytes, 0).and_then(|()| self.sync(&*file));
        if let Err(error) = written {
            // Whatever the file has now is not to be trusted; it is written anew, as another.
            self.disk.unlink(&path)?;
            return Err(error.into());
        }
        Ok((copy, guard))
    }

    fn sync(&self, file: &dyn DiskFile) -> io::Result<()> {
        match self.disk.keeps(Rule::SyncSettled) {
            true => file.sync(),
            false => Ok(()),
        }
    }

    fn sync_folders(&self, copies: &[(Copied, Guard)]) -> io::Result<()> {
        let folders: BTreeSet<PathBuf> =
            copies.iter().filter_map(|(copy, _)| self.path(copy).parent().map(Path::to_owned)).collect();
        let mut folders = folders.iter().filter(|_| self.disk.keeps(Rule::NameSettled));
        folders.try_for_each(|folder| self.disk.sync_folder(folder))
    }

    fn path(&self, copy: &Copied) -> PathBuf {
        self.layout.payload(&copy.payload.digest, copy.file)
    }
}

/// A payload in the log, and its copy in a file.
#[derive(Debug, Clone, Copy)]
struct Copied {
    payload: LogPayload,
    file: PayloadId,
}

/// Says that files serve payloads that the log has served. Its outcome is the copies that nobody wants.
struct Settle {
    copies: Vec<Copied>,
    /// Whether a payload that lies elsewhere by now stays there: see [`Rule::ExactPlace`].
    is_exact: bool,
}

impl Operation for Settle {
    type Outcome = Vec<Copied>;
    type Refusal = io::Error;

    fn decide(self, tables: &Tables<Write<'_>>, _slot: Slot) -> Decision<Self> {
        let (mut changes, mut unwanted) = (Vec::new(), Vec::new());
        for copy in self.copies {
            let LogPayload { digest, segment, offset, .. } = copy.payload;
            match tables.blob(&digest)? {
                Some(row) if row.place == (Place::Log { segment, offset }) || !self.is_exact => {
                    changes.push(Change::PayloadSettled { digest, file: copy.file });
                }
                _ => unwanted.push(copy),
            }
        }
        Ok(Accepted::new(changes, unwanted))
    }
}
