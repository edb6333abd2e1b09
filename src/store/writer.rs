//! The one writer: gathers what waits, decides, logs, syncs, commits, answers.
//!
//! Everything that changes the metadata is an [`Operation`]. Whatever waits when the writer turns to the queue becomes
//! one group: it is decided and applied in one transaction, appended to the log as one record, synced, committed without
//! durability, and answered; refusals too, since they rest on what was decided before them. A lone operation never waits
//! for company. Now and then a durable commit makes a checkpoint, from which the log is replayed after a crash.

mod checkpoints;
mod engine;
mod group;
mod operation;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

pub use operation::{Accepted, Decision, Decline, Operation, Slot, WriteError};

use super::clock::ServedClock;
use super::disk::Rule;
use super::log::{Log, Segments};
use super::metadata::{Durable, Metadata};
use super::recovery::Recovery;
use super::room::Room;
use engine::Engine;
use operation::{Request, Waiting};

/// How the writer works.
#[derive(Debug, Clone, Copy)]
pub(super) struct Options {
    /// The most operations of a group.
    pub(super) group_size: usize,
    /// The most operations that wait.
    pub(super) queue: usize,
    /// The least time between two checkpoints.
    pub(super) checkpoint_interval: Duration,
    /// How large the log may become before operations that bring a payload have to wait, in bytes.
    pub(super) log_size: u64,
}

/// What is sent to the writer's thread.
enum Message {
    Operation(Box<dyn Waiting>),
    /// What was not made durable in the database yet should be; whoever relies on that is told when it is.
    Checkpoint(Option<oneshot::Sender<Durable>>),
}

/// The way to the writer's thread.
pub(super) struct Writer {
    queue: Option<mpsc::Sender<Message>>,
    thread: Option<thread::JoinHandle<()>>,
    shared: Arc<Shared>,
    segments: Arc<Segments>,
    room: Arc<Room>,
    log_size: u64,
    awaits: bool,
}

/// What the writer's thread tells others.
#[derive(Default)]
struct Shared {
    has_failed: AtomicBool,
    failed: Notify,
    /// How many groups there were.
    groups: AtomicU64,
    /// Woken when segments were deleted.
    segment_deleted: Notify,
}

impl Shared {
    /// Says that nothing can be acknowledged any more.
    fn fail(&self) {
        self.has_failed.store(true, Ordering::SeqCst);
        self.failed.notify_waiters();
    }
}

impl Writer {
    /// Starts the thread.
    pub(super) fn start(
        metadata: Arc<Metadata>,
        log: Log,
        recovery: Recovery,
        room: Arc<Room>,
        clock: ServedClock,
        options: Options,
    ) -> std::io::Result<Self> {
        let (sender, receiver) = mpsc::channel(options.queue.max(1));
        let shared = Arc::new(Shared::default());
        let segments = Arc::clone(log.segments());
        let awaits = recovery.disk.keeps(Rule::AwaitCheckpoint);
        let engine = Engine::new(metadata, log, recovery, Arc::clone(&shared), clock, options);
        let thread = thread::Builder::new().name("writer".to_owned()).spawn(move || engine.run(receiver))?;
        let (queue, thread, log_size) = (Some(sender), Some(thread), options.log_size);
        Ok(Self { queue, thread, shared, segments, room, log_size, awaits })
    }

    /// Hands an operation to the writer. Waits at most `wait`: for room in the log, for a place in the queue and for the
    /// answer, all together.
    pub(super) async fn submit<O: Operation>(
        &self,
        operation: O,
        wait: Duration,
    ) -> Result<O::Outcome, Decline<O::Refusal>> {
        let deadline = Instant::now() + wait;
        let Some(queue) = &self.queue else { return Err(Decline::Failed(WriteError::Stopped)) };
        if operation.needs_room() && !self.room.admits(operation.payload_size()) {
            return Err(Decline::Failed(WriteError::Full));
        }
        if operation.payload_size() > 0 && timeout_at(deadline, self.room_in_log()).await.is_err() {
            return Err(Decline::Failed(WriteError::Busy));
        }
        let (request, answered) = Request::hand_in(operation);
        match timeout_at(deadline, queue.send(Message::Operation(request))).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Err(Decline::Failed(WriteError::Stopped)),
            Err(_) => return Err(Decline::Failed(WriteError::Busy)),
        }
        match timeout_at(deadline, answered).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) | Err(_) => Err(Decline::Failed(WriteError::Unknown)),
        }
    }

    /// Waits until the log has room for payloads. What makes room is settling, which does not wait here.
    async fn room_in_log(&self) {
        loop {
            let deleted = self.shared.segment_deleted.notified();
            if self.segments.total() < self.log_size {
                return;
            }
            // Woken by the deletion of a segment, or to look again all the same.
            let _ = tokio::time::timeout(Duration::from_millis(100), deleted).await;
        }
    }

    /// How many operations wait, and how many may.
    pub(super) fn queue(&self) -> (usize, usize) {
        let most = self.queue.as_ref().map_or(0, mpsc::Sender::max_capacity);
        (most - self.queue.as_ref().map_or(0, mpsc::Sender::capacity), most)
    }

    /// How large the log may become before pushes wait, in bytes.
    pub(super) fn log_size(&self) -> u64 {
        self.log_size
    }

    /// A way to the writer for threads that may block.
    pub(super) fn blocking(&self) -> BlockingWriter {
        BlockingWriter {
            queue: self.queue.as_ref().map(mpsc::Sender::downgrade),
            awaits: self.awaits,
            shared: Arc::clone(&self.shared),
        }
    }

    /// Resolves when the store has failed.
    pub(super) async fn failed(&self) {
        loop {
            let failed = self.shared.failed.notified();
            if self.shared.has_failed.load(Ordering::SeqCst) {
                return;
            }
            failed.await;
        }
    }
}

impl Drop for Writer {
    /// Lets the writer finish what waits.
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A way to the writer that does not keep it running.
pub(super) struct BlockingWriter {
    queue: Option<mpsc::WeakSender<Message>>,
    /// Whether checkpoints are waited for: see [`Rule::AwaitCheckpoint`].
    awaits: bool,
    shared: Arc<Shared>,
}

impl BlockingWriter {
    /// Hands an operation to the writer and waits for its answer, which comes unless the store fails or stops.
    pub(super) fn submit<O: Operation>(&self, operation: O) -> Result<O::Outcome, Decline<O::Refusal>> {
        let (request, answered) = Request::hand_in(operation);
        let stopped = || Decline::Failed(WriteError::Stopped);
        let queue = self.queue.as_ref().and_then(mpsc::WeakSender::upgrade).ok_or_else(stopped)?;
        queue.blocking_send(Message::Operation(request)).map_err(|_| stopped())?;
        drop(queue);
        answered.blocking_recv().unwrap_or(Err(Decline::Failed(WriteError::Unknown)))
    }

    /// Tells the writer that nothing more may come for a while.
    pub(super) fn idle(&self) {
        if let Some(queue) = self.queue.as_ref().and_then(mpsc::WeakSender::upgrade) {
            // A full queue is not idle.
            let _ = queue.try_send(Message::Checkpoint(None));
        }
    }

    /// Waits until the database has, durably, all that was committed before.
    pub(super) fn checkpoint(&self) -> Result<(), WriteError> {
        let (done, is_done) = oneshot::channel();
        let queue = self.queue.as_ref().and_then(mpsc::WeakSender::upgrade).ok_or(WriteError::Stopped)?;
        queue.blocking_send(Message::Checkpoint(Some(done))).map_err(|_| WriteError::Stopped)?;
        drop(queue);
        let durable = is_done.blocking_recv().map_err(|_| WriteError::Stopped)?;
        match self.awaits {
            true => durable.wait().map_err(|error| WriteError::Metadata(Arc::new(error.into()))),
            false => Ok(()),
        }
    }

    /// Tells those who wait for room in the log that there may be some.
    pub(super) fn note_segments_deleted(&self) {
        self.shared.segment_deleted.notify_waiters();
    }

    /// How many groups there were so far.
    pub(super) fn groups(&self) -> u64 {
        self.shared.groups.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests;
