//! Settling: small payloads move from the log into files of their own, behind everybody's back.
//!
//! Many at once share their syncs. Only when a file and its name are durable does the writer hear of it, and it accepts
//! only if the payload's place is still exactly the one that was copied; otherwise that file is one too many. A payload
//! that dies while it lies in the log never costs a file, so there is no hurry: while pushes come in a burst, settling
//! waits, until the log has filled by a good part.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::disk::{Disk, DiskFile, Rule};
use super::hasher::Hasher;
use super::ids::PayloadId;
use super::layout::Layout;
use super::log::Segments;
use super::metadata::{Change, LogPayload, Metadata, Place, Tables, Write};
use super::writer::{Accepted, BlockingWriter, Decision, Decline, Operation, Slot};

/// How many payloads are moved at once.
const BATCH: usize = 256;
/// How many threads write and sync a batch's files.
const THREADS: usize = 4;

/// What the settler works with.
pub(super) struct Pieces {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) layout: Layout,
    pub(super) metadata: Arc<Metadata>,
    pub(super) segments: Arc<Segments>,
    pub(super) writer: BlockingWriter,
    /// The bound of the log's size, in bytes.
    pub(super) log_size: u64,
    /// How often the settler looks.
    pub(super) interval: Duration,
}

/// The settler's thread. Dropping it ends the batch under way and stops.
pub(super) struct Settler {
    stop: Arc<(Mutex<bool>, Condvar)>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Settler {
    pub(super) fn start(pieces: Pieces) -> io::Result<Self> {
        let stop = Arc::new((Mutex::new(false), Condvar::new()));
        let thread = thread::Builder::new().name("settler".to_owned()).spawn({
            let stop = Arc::clone(&stop);
            move || run(&pieces, &stop)
        })?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for Settler {
    fn drop(&mut self) {
        let (stop, told) = &*self.stop;
        *stop.lock().unwrap_or_else(PoisonError::into_inner) = true;
        told.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn run(pieces: &Pieces, stop: &(Mutex<bool>, Condvar)) {
    let interval = pieces.interval;
    let mut pause = interval;
    let mut groups = pieces.writer.groups();
    while !waits_until_stopped(stop, pause) {
        let is_busy = pieces.writer.groups() != groups;
        groups = pieces.writer.groups();
        if !is_busy {
            pieces.writer.idle();
        }
        pause = match pieces.pace(is_busy) {
            Pace::Rest => interval,
            pace => match pieces.settle_batch() {
                Ok(Batch { moved: 0, .. }) => interval,
                Ok(Batch { took, .. }) if pace == Pace::Walk => took,
                Ok(_) => Duration::ZERO,
                Err(Decline::Failed(error)) => {
                    tracing::warn!(%error, "settling stopped");
                    return;
                }
                Err(Decline::Refused(error)) => {
                    tracing::error!(%error, "payloads could not be moved out of the log; this is tried again");
                    10 * interval
                }
            },
        };
    }
}

/// Waits, and tells whether it is time to stop.
fn waits_until_stopped((stop, told): &(Mutex<bool>, Condvar), pause: Duration) -> bool {
    let stop = stop.lock().unwrap_or_else(PoisonError::into_inner);
    let waited = told.wait_timeout_while(stop, pause, |stop| !*stop);
    *waited.unwrap_or_else(PoisonError::into_inner).0
}

/// How hard the settler works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pace {
    Rest,
    /// Half of the time.
    Walk,
    Run,
}

struct Batch {
    moved: usize,
    took: Duration,
}

impl Pieces {
    /// At ease while pushes come in a burst, harder as the log fills.
    fn pace(&self, is_busy: bool) -> Pace {
        let filled = self.segments.total();
        match is_busy {
            true if filled < self.log_size / 4 => Pace::Rest,
            true if filled < self.log_size / 2 => Pace::Walk,
            _ => Pace::Run,
        }
    }

    /// Moves the oldest payloads.
    fn settle_batch(&self) -> Result<Batch, Decline<io::Error>> {
        let began = Instant::now();
        let payloads = self.metadata.read().log_payloads(BATCH)?;
        if payloads.is_empty() {
            return Ok(Batch { moved: 0, took: Duration::ZERO });
        }
        let copies = self.copy_all(&payloads).map_err(Decline::Refused)?;
        let moved = copies.len();
        self.sync_folders(&copies).map_err(Decline::Refused)?;
        let unwanted = self.writer.submit(Settle { copies })?;
        for path in unwanted.iter().map(|copy| self.path(copy)) {
            self.disk.unlink(&path).map_err(Decline::Refused)?;
        }
        Ok(Batch { moved, took: began.elapsed() })
    }

    /// Writes and syncs a file for each payload, on a few threads. What could be copied is; an error if nothing could.
    fn copy_all(&self, payloads: &[LogPayload]) -> io::Result<Vec<Copied>> {
        let share = payloads.len().div_ceil(THREADS).max(1);
        let copy_some =
            |some: &[LogPayload]| some.iter().map(|payload| self.copy(payload)).collect::<Vec<_>>();
        let results: Vec<io::Result<Copied>> = thread::scope(|scope| {
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

    fn copy(&self, payload: &LogPayload) -> io::Result<Copied> {
        let length = usize::try_from(payload.size).map_err(io::Error::other)?;
        let bytes = self.segments.read_at(payload.segment, payload.offset, length)?;
        let found = Hasher::digest(payload.digest.algorithm(), &bytes);
        if found != payload.digest {
            return Err(io::Error::other(format!("the log has {found} where {} should be", payload.digest)));
        }
        let copy = Copied { payload: *payload, file: PayloadId::random() };
        let path = self.path(&copy);
        let file = self.disk.create(&path)?;
        let written = file.write_at(&bytes, 0).and_then(|()| self.sync(&*file));
        if let Err(error) = written {
            // Whatever the file has now is not to be trusted; it is written anew, as another.
            self.disk.unlink(&path)?;
            return Err(error);
        }
        Ok(copy)
    }

    fn sync(&self, file: &dyn DiskFile) -> io::Result<()> {
        match self.disk.keeps(Rule::SyncSettled) {
            true => file.sync(),
            false => Ok(()),
        }
    }

    fn sync_folders(&self, copies: &[Copied]) -> io::Result<()> {
        let folders: BTreeSet<PathBuf> =
            copies.iter().filter_map(|copy| self.path(copy).parent().map(Path::to_owned)).collect();
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
}

impl Operation for Settle {
    type Outcome = Vec<Copied>;
    type Refusal = io::Error;

    fn decide(self, tables: &Tables<Write<'_>>, _slot: Slot) -> Decision<Self> {
        let (mut changes, mut unwanted) = (Vec::new(), Vec::new());
        for copy in self.copies {
            let LogPayload { digest, segment, offset, .. } = copy.payload;
            match tables.blob(&digest)? {
                Some(row) if row.place == (Place::Log { segment, offset }) => {
                    changes.push(Change::PayloadSettled { digest, file: copy.file });
                }
                _ => unwanted.push(copy),
            }
        }
        Ok(Accepted::new(changes, unwanted))
    }
}
