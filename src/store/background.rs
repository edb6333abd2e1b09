//! What the store does behind everybody's back, on one thread: small payloads settle, files of payloads that have gone
//! are unlinked, what has changed is kept in the archive, files that nothing names are swept out.
//!
//! There is no hurry in any of it. While pushes come in a burst settling waits, until the log has filled by a good part.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::archive::{Archive, Renewal};
use super::ballast::Ballast;
use super::blobs::Payloads;
use super::disk::{Barrier, Disk};
use super::in_flight::InFlight;
use super::layout::Layout;
use super::log::Segments;
use super::metadata::Metadata;
use super::room::Room;
use super::settle::{Batch, Unreadable};
use super::spare::Spares;
use super::sweep::Sweep;
use super::unlink::Holds;
use super::writer::{BlockingWriter, Decline, WriteError};

/// What the thread works with.
pub(super) struct Pieces {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) layout: Layout,
    pub(super) metadata: Arc<Metadata>,
    pub(super) payloads: Arc<Payloads>,
    pub(super) segments: Arc<Segments>,
    pub(super) in_flight: Arc<InFlight>,
    /// While any is taken the files of payloads that have gone stay.
    pub(super) holds: Arc<Holds>,
    pub(super) renewal: Arc<Renewal>,
    /// While it is true nothing is done: the store is only looked at.
    pub(super) is_at_rest: Arc<AtomicBool>,
    pub(super) ballast: Arc<Ballast>,
    /// Syncs many files with one call, where that can be.
    pub(super) barrier: Option<Box<dyn Barrier>>,
    pub(super) spares: Spares,
    pub(super) room: Arc<Room>,
    pub(super) writer: BlockingWriter,
    /// The bound of the log's size, in bytes.
    pub(super) log_size: u64,
    /// How much the archive keeps before it makes a snapshot, in bytes.
    pub(super) archive_size: u64,
    /// How often the thread looks.
    pub(super) interval: Duration,
}

/// The thread. Dropping it ends what is under way and stops.
pub(super) struct Background {
    stop: Arc<Stop>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Background {
    pub(super) fn start(pieces: Pieces) -> io::Result<Self> {
        let stop = Arc::new(Stop::default());
        let thread = thread::Builder::new().name("background".to_owned()).spawn({
            let stop = Arc::clone(&stop);
            move || run(&pieces, &stop)
        })?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.stop.now();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn run(pieces: &Pieces, stop: &Stop) {
    give_way();
    let mut sweep = Sweep::new(&pieces.layout);
    let mut archive = Archive::new(pieces);
    let mut unreadable = Unreadable::default();
    let mut pause = pieces.interval;
    let mut groups = pieces.writer.groups();
    while !stop.comes_within(pause) {
        if pieces.is_at_rest.load(Ordering::Relaxed) {
            continue;
        }
        let is_busy = pieces.writer.groups() != groups;
        groups = pieces.writer.groups();
        match pieces.work(is_busy, &mut sweep, &mut archive, &mut unreadable) {
            Ok(next) => pause = next,
            Err(Decline::Failed(WriteError::Stopped)) => return,
            // The database is opened anew after most errors, and the disk may have room again.
            Err(error) => {
                let error: &dyn std::error::Error = match &error {
                    Decline::Failed(error) => error,
                    Decline::Refused(error) => error,
                };
                tracing::error!(%error, "the store's background work met an error; it is tried again");
                pause = 10 * pieces.interval;
            }
        }
    }
}

/// Leaves the processor to those whom somebody waits for, where there are more of them than processors. What the thread
/// starts does so too.
fn give_way() {
    const NICENESS: i32 = 10;
    // On Linux this is of the calling thread alone. Without it pushes wait longer, and nothing else is lost.
    let _ = rustix::process::nice(NICENESS);
}

/// How hard the thread works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pace {
    Rest,
    /// Half of the time, one thing after the other: pushes hardly notice.
    Walk,
    /// All of the time, several things at once.
    Run,
}

impl Pace {
    /// How many payloads are copied at the same time.
    fn threads(self) -> usize {
        match self {
            Self::Rest | Self::Walk => 1,
            Self::Run => 4,
        }
    }
}

impl Pieces {
    /// Does a bounded amount of everything, and says how long to wait until there is more to do.
    fn work(
        &self,
        is_busy: bool,
        sweep: &mut Sweep,
        archive: &mut Archive,
        unreadable: &mut Unreadable,
    ) -> Result<Duration, Decline<io::Error>> {
        // A database that has failed under a reader is opened anew by the writer, whoever wakes it.
        if !is_busy || self.metadata.has_failed() {
            self.writer.idle();
        }
        self.ballast.restore();
        self.spares.restore();
        self.unlink_doomed()?;
        self.keep_changes(archive)?;
        self.delete_segments(archive)?;
        self.release_segments().map_err(Decline::Refused)?;
        self.sweep(sweep)?;
        let pace = self.pace(is_busy);
        if pace == Pace::Rest {
            return Ok(self.interval);
        }
        Ok(match self.settle_batch(pace.threads(), unreadable)? {
            Batch { moved: 0, .. } => self.interval,
            Batch { took, .. } if pace == Pace::Walk => took,
            Batch { .. } => Duration::ZERO,
        })
    }

    /// At ease while pushes come in a burst, harder as the log fills.
    fn pace(&self, is_busy: bool) -> Pace {
        let filled = self.segments.total();
        match is_busy {
            true if filled < self.log_size / 4 => Pace::Rest,
            true if filled < self.log_size / 2 => Pace::Walk,
            _ => Pace::Run,
        }
    }
}

impl From<WriteError> for Decline<io::Error> {
    fn from(error: WriteError) -> Self {
        Self::Failed(error)
    }
}

/// The word to stop.
#[derive(Default)]
struct Stop {
    is_said: Mutex<bool>,
    told: Condvar,
}

impl Stop {
    fn now(&self) {
        *self.is_said.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.told.notify_all();
    }

    /// Waits, and tells whether it is time to stop.
    fn comes_within(&self, pause: Duration) -> bool {
        let is_said = self.is_said.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.told.wait_timeout_while(is_said, pause, |is_said| !*is_said);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}
