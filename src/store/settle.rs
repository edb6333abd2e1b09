//! Settling: small payloads move from the log into files of their own, behind everybody's back.
//!
//! Many at once share their syncs. Only when a file and its name are durable does the writer hear of it, and it accepts
//! only if the payload's place is still exactly the one that was copied; otherwise that file is one too many. A payload
//! that dies while it lies in the log never costs a file.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::background::Pieces;
use super::disk::{Barrier, DiskFile, Rule};
use super::hasher::Hasher;
use super::ids::PayloadId;
use super::in_flight::Guard;
use super::metadata::{Change, LogPayload, Place, Tables, Write};
use super::writer::{Accepted, Decision, Decline, Operation, Slot};

/// How many payloads are moved at once.
const BATCH: usize = 256;
/// How many threads write and sync a batch's files.
const THREADS: usize = 4;

/// How the files of a batch, and their names, are made durable.
#[derive(Clone, Copy)]
enum Syncing<'a> {
    OneByOne,
    AllAtOnce(&'a dyn Barrier),
}

/// What a batch came to.
pub(super) struct Batch {
    pub(super) moved: usize,
    pub(super) took: Duration,
}

impl Pieces {
    /// Moves the oldest payloads of the log.
    pub(super) fn settle_batch(&self) -> Result<Batch, Decline<io::Error>> {
        let began = Instant::now();
        let payloads = self.metadata.read().log_payloads(BATCH)?;
        if payloads.is_empty() {
            return Ok(Batch { moved: 0, took: Duration::ZERO });
        }
        let syncing = self.syncing();
        let copies = self.copy_all(&payloads, syncing).map_err(Decline::Refused)?;
        let moved = copies.len();
        self.finish_copies(&copies, syncing).map_err(Decline::Refused)?;
        let (copies, _guards): (Vec<_>, Vec<_>) = copies.into_iter().unzip();
        let unwanted = self.writer.submit(Settle { copies, is_exact: self.disk.keeps(Rule::ExactPlace) })?;
        self.unlink_copies(&unwanted).map_err(Decline::Refused)?;
        Ok(Batch { moved, took: began.elapsed() })
    }

    /// All at once takes half of the time of one by one, but waits for what anybody else has written.
    fn syncing(&self) -> Syncing<'_> {
        match self.barrier.as_deref().filter(|barrier| barrier.is_light()) {
            Some(barrier) => Syncing::AllAtOnce(barrier),
            None => Syncing::OneByOne,
        }
    }

    /// Makes copies and their names durable. What was written may be lost if that fails: it is written anew, as others.
    fn finish_copies(&self, copies: &[(Copied, Guard)], syncing: Syncing<'_>) -> io::Result<()> {
        let Syncing::AllAtOnce(barrier) = syncing else { return self.sync_folders(copies) };
        if !self.disk.keeps(Rule::SyncSettled) || !self.disk.keeps(Rule::NameSettled) {
            return Ok(());
        }
        let synced = barrier.sync();
        if synced.is_err() {
            self.unlink_copies(copies.iter().map(|(copy, _)| copy))?;
        }
        synced
    }

    fn unlink_copies<'a>(&self, copies: impl IntoIterator<Item = &'a Copied>) -> io::Result<()> {
        copies.into_iter().try_for_each(|copy| self.disk.unlink(&self.path(copy)))
    }

    /// Writes a file for each payload, on a few threads. What could be copied is; an error if nothing could.
    fn copy_all(&self, payloads: &[LogPayload], syncing: Syncing<'_>) -> io::Result<Vec<(Copied, Guard)>> {
        let share = payloads.len().div_ceil(THREADS).max(1);
        let copy_some =
            |some: &[LogPayload]| some.iter().map(|payload| self.copy(payload, syncing)).collect::<Vec<_>>();
        let results: Vec<io::Result<_>> = thread::scope(|scope| {
            let threads: Vec<_> =
                payloads.chunks(share).map(|some| scope.spawn(move || copy_some(some))).collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap_or_default()).collect()
        });
        let (copied, failed): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
        match failed.into_iter().find_map(Result::err) {
            Some(error) if copied.is_empty() => Err(error),
            Some(error) => {
                tracing::error!(%error, "some payloads could not be moved out of the log; this is tried again");
                Ok(copied.into_iter().flatten().collect())
            }
            None => Ok(copied.into_iter().flatten().collect()),
        }
    }

    fn copy(&self, payload: &LogPayload, syncing: Syncing<'_>) -> io::Result<(Copied, Guard)> {
        let length = usize::try_from(payload.size).map_err(io::Error::other)?;
        let bytes = self.segments.read_at(payload.segment, payload.offset, length)?;
        let found = Hasher::digest(payload.digest.algorithm(), &bytes);
        if found != payload.digest {
            return Err(io::Error::other(format!("the log has {found} where {} should be", payload.digest)));
        }
        let copy = Copied { payload: *payload, file: PayloadId::random() };
        let guard = self.in_flight.enter(copy.file);
        let path = self.path(&copy);
        let file = self.disk.create(&path)?;
        let written = file.write_at(&bytes, 0).and_then(|()| match syncing {
            Syncing::OneByOne => self.sync(&*file),
            Syncing::AllAtOnce(_) => Ok(()),
        });
        if let Err(error) = written {
            // Whatever the file has now is not to be trusted; it is written anew, as another.
            self.disk.unlink(&path)?;
            return Err(error);
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
