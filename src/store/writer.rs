//! The one writer: gathers what waits, decides, logs, syncs, commits, answers.
//!
//! Everything that changes the metadata is an [`Operation`]. Whatever waits when the writer turns to the queue becomes
//! one group: it is decided and applied in one transaction, appended to the log as one record, synced, committed without
//! durability, and answered; refusals too, since they rest on what was decided before them. A lone operation never waits
//! for company. Now and then a durable commit makes a checkpoint, from which the log is replayed after a crash.

mod checkpoints;
mod group;
mod operation;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, timeout_at};

pub use operation::{Accepted, Decision, Decline, Operation, Slot, WriteError};

use super::log::{AppendError, Log, Segments};
use super::metadata::Metadata;
use checkpoints::Checkpoints;
use group::{Group, GroupError};
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
    /// Nothing more may come for a while: what was not made durable in the database yet should be.
    Idle,
}

/// The way to the writer's thread.
pub(super) struct Writer {
    queue: Option<mpsc::Sender<Message>>,
    thread: Option<thread::JoinHandle<()>>,
    shared: Arc<Shared>,
    segments: Arc<Segments>,
    log_size: u64,
}

/// What the writer's thread tells others.
#[derive(Default)]
struct Shared {
    has_failed: AtomicBool,
    failed: Notify,
    /// How many groups there were.
    groups: AtomicU64,
    /// Woken when segments were deleted.
    room: Notify,
}

impl Writer {
    /// Starts the thread.
    pub(super) fn start(metadata: Arc<Metadata>, log: Log, options: Options) -> std::io::Result<Self> {
        let (sender, receiver) = mpsc::channel(options.queue.max(1));
        let shared = Arc::new(Shared::default());
        let segments = Arc::clone(log.segments());
        let checkpoints = Checkpoints::new(options.checkpoint_interval);
        let engine = Engine { metadata, log, checkpoints, shared: Arc::clone(&shared), options };
        let thread = thread::Builder::new().name("writer".to_owned()).spawn(move || {
            let _guard = AbortOnPanic;
            engine.run(receiver);
        })?;
        let (queue, thread, log_size) = (Some(sender), Some(thread), options.log_size);
        Ok(Self { queue, thread, shared, segments, log_size })
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
        if operation.payload_size() > 0 && timeout_at(deadline, self.room()).await.is_err() {
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
    async fn room(&self) {
        loop {
            let room = self.shared.room.notified();
            if self.segments.total() < self.log_size {
                return;
            }
            // Woken by the deletion of a segment, or to look again all the same.
            let _ = tokio::time::timeout(Duration::from_millis(100), room).await;
        }
    }

    /// A way to the writer for threads that may block.
    pub(super) fn blocking(&self) -> BlockingWriter {
        BlockingWriter {
            queue: self.queue.as_ref().map(mpsc::Sender::downgrade),
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
            let _ = queue.try_send(Message::Idle);
        }
    }

    /// How many groups there were so far.
    pub(super) fn groups(&self) -> u64 {
        self.shared.groups.load(Ordering::Relaxed)
    }
}

/// What the writer's thread has.
struct Engine {
    metadata: Arc<Metadata>,
    log: Log,
    checkpoints: Checkpoints,
    shared: Arc<Shared>,
    options: Options,
}

impl Engine {
    fn run(mut self, mut queue: mpsc::Receiver<Message>) {
        let mut waiting = Vec::with_capacity(self.options.group_size);
        let end = loop {
            match queue.blocking_recv() {
                None => break self.checkpoint(),
                Some(Message::Idle) => {
                    if self.checkpoints.is_anything_pending() && self.checkpoint().is_err() {
                        break Err(());
                    }
                }
                Some(Message::Operation(first)) => {
                    self.gather(first, &mut waiting, &mut queue);
                    if self.write(&mut waiting).is_err() {
                        break Err(());
                    }
                }
            }
        };
        if end.is_err() {
            self.shared.has_failed.store(true, Ordering::SeqCst);
            self.shared.failed.notify_waiters();
        }
    }

    /// Takes what waits beside `first`, within bounds.
    fn gather(
        &self,
        first: Box<dyn Waiting>,
        waiting: &mut Vec<Box<dyn Waiting>>,
        queue: &mut mpsc::Receiver<Message>,
    ) {
        const MOST_BYTES: u64 = 8 << 20;
        let mut bytes = first.payload_size();
        waiting.push(first);
        while waiting.len() < self.options.group_size.max(1) && bytes < MOST_BYTES {
            match queue.try_recv() {
                Ok(Message::Operation(next)) => {
                    bytes += next.payload_size();
                    waiting.push(next);
                }
                Ok(Message::Idle) => {}
                Err(_) => break,
            }
        }
    }

    /// Writes a group and answers it. An error means that nothing can be acknowledged any more.
    fn write(&mut self, waiting: &mut Vec<Box<dyn Waiting>>) -> Result<(), ()> {
        let mut group = Group::default();
        let written = group.write(waiting, &self.metadata, &mut self.log);
        self.shared.groups.fetch_add(1, Ordering::Relaxed);
        match written {
            Ok(has_changed) => {
                group.answer();
                self.after_commit(has_changed)
            }
            Err(GroupError::Append(AppendError::NotWritten(error))) => {
                tracing::error!(%error, "a group could not be appended to the log; nothing of it has happened");
                let error = WriteError::NotWritten(Arc::new(error));
                waiting.drain(..).for_each(|waiting| waiting.fail(error.clone()));
                group.fail(&error);
                Ok(())
            }
            Err(error) => {
                tracing::error!(%error, "the store failed; nothing is acknowledged any more");
                Err(())
            }
        }
    }

    fn after_commit(&mut self, has_changed: bool) -> Result<(), ()> {
        if has_changed {
            self.checkpoints.note_commit();
        }
        match self.checkpoints.is_due() {
            true => self.checkpoint(),
            false => Ok(()),
        }
    }

    /// Makes everything that is applied durable in the database, and deletes the segments that nothing needs any more.
    fn checkpoint(&mut self) -> Result<(), ()> {
        let position = self.log.position();
        let result = self.metadata.write_durably(|tables| tables.set_position(&position));
        if let Err(error) = result {
            tracing::error!(%error, "a checkpoint failed; nothing is acknowledged any more");
            return Err(());
        }
        self.checkpoints.note_checkpoint();
        let tables = self.metadata.read();
        let is_needed = |segment| tables.is_segment_needed(segment).unwrap_or(true);
        if let Err(error) = self.log.delete_segments(is_needed) {
            tracing::warn!(%error, "a segment of the log could not be deleted; it is tried again");
        }
        self.shared.room.notify_waiters();
        Ok(())
    }
}

/// A writer that has panicked may have left anything behind in memory; what is on disk is sound.
struct AbortOnPanic;

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        if thread::panicking() {
            crate::observe::finish();
            std::process::abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;
    use crate::store::metadata::{Tables, Write};

    /// Keeps the writer for as long as it takes.
    struct Slow(Duration);

    impl Operation for Slow {
        type Outcome = ();
        type Refusal = ();

        fn decide(self, _tables: &Tables<Write<'_>>, _slot: Slot) -> Decision<Self> {
            thread::sleep(self.0);
            Ok(Accepted::new(Vec::new(), ()))
        }
    }

    #[tokio::test]
    async fn an_operation_waits_no_longer_than_it_may_for_the_queue_and_the_answer_together() {
        let folder = tempfile::tempdir().expect("a folder");
        let options = crate::store::Options { group_size: 1, queue: 1, ..crate::store::Options::default() };
        let store = Store::open(folder.path(), &options).expect("a store");
        let (slow, wait) = (Duration::from_millis(800), Duration::from_millis(1_400));
        let began = Instant::now();
        let submit = || async {
            let result = store.submit(Slow(slow), wait).await;
            (result.is_ok(), began.elapsed())
        };
        let ends = tokio::join!(submit(), submit(), submit(), submit());
        assert!(ends.0.0, "the first is answered");
        for (_, elapsed) in [ends.1, ends.2, ends.3] {
            assert!(elapsed < Duration::from_millis(1_900), "waited {elapsed:?} of {wait:?}");
        }
    }
}
