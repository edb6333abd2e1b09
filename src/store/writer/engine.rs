//! The writer's thread: one group after another, and a checkpoint now and then.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TryRecvError;

use crate::observe::metrics::metrics;
use crate::store::abort::AbortOnPanic;
use crate::store::clock::ServedClock;
use crate::store::log::{AppendError, Log};
use crate::store::metadata::{Metadata, MetadataError};
use crate::store::recovery::Recovery;

use super::checkpoints::Checkpoints;
use super::group::{Group, GroupError};
use super::operation::{Waiting, WriteError};
use super::{Message, Options, Shared};

/// The most bytes of payloads of a group, beyond its first.
const MOST_BYTES: u64 = 8 << 20;

/// Nothing can be acknowledged any more.
struct Failed;

/// What the writer's thread has.
pub(super) struct Engine {
    metadata: Arc<Metadata>,
    log: Log,
    recovery: Recovery,
    checkpoints: Checkpoints,
    shared: Arc<Shared>,
    clock: ServedClock,
    group_size: usize,
    /// The operations of the next group.
    waiting: Vec<Box<dyn Waiting>>,
}

impl Engine {
    pub(super) fn new(
        metadata: Arc<Metadata>,
        log: Log,
        recovery: Recovery,
        shared: Arc<Shared>,
        clock: ServedClock,
        options: Options,
    ) -> Self {
        let checkpoints = Checkpoints::new(options.checkpoint_interval);
        let group_size = options.group_size.max(1);
        let waiting = Vec::with_capacity(group_size);
        Self { metadata, log, recovery, checkpoints, shared, clock, group_size, waiting }
    }

    /// Works until nobody can send any more, or until the store fails.
    pub(super) fn run(mut self, mut queue: mpsc::Receiver<Message>) {
        let _guard = AbortOnPanic;
        let mut next = queue.blocking_recv();
        let end = loop {
            let Some(message) = next else { break self.last_checkpoint() };
            match self.handle(message, &mut queue) {
                Ok(follows) => next = follows.or_else(|| queue.blocking_recv()),
                Err(Failed) => break Err(Failed),
            }
        };
        if end.is_err() {
            self.shared.fail();
        }
        // Whoever has a place in the queue and is about to take it would wait for an answer for good.
        queue.close();
        while queue.blocking_recv().is_some() {}
    }

    /// Does what a message asks for. Returns the next one, if it was taken from the queue already.
    fn handle(
        &mut self,
        message: Message,
        queue: &mut mpsc::Receiver<Message>,
    ) -> Result<Option<Message>, Failed> {
        // Whoever read may have met it first.
        if self.metadata.has_failed() {
            self.come_back()?;
        }
        match message {
            Message::Checkpoint(done) => {
                if self.checkpoints.is_anything_pending() {
                    self.checkpoint()?;
                }
                // Whoever asked may have gone.
                let _ = done.map(|done| done.send(self.metadata.so_far()));
                Ok(None)
            }
            Message::Operation(first) => {
                let next = self.gather(first, queue);
                self.write()?;
                Ok(next)
            }
        }
    }

    /// Takes what waits beside `first`, within bounds, up to what is no operation.
    fn gather(&mut self, first: Box<dyn Waiting>, queue: &mut mpsc::Receiver<Message>) -> Option<Message> {
        let mut bytes = first.payload_size();
        self.waiting.push(first);
        while self.waiting.len() < self.group_size && bytes < MOST_BYTES {
            match queue.try_recv() {
                Ok(Message::Operation(next)) => {
                    bytes += next.payload_size();
                    self.waiting.push(next);
                }
                Ok(other) => return Some(other),
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
            }
        }
        None
    }

    /// Writes a group and answers it.
    fn write(&mut self) -> Result<(), Failed> {
        let mut group = Group::new(self.clock.now());
        let written = group.write(&mut self.waiting, &self.metadata, &mut self.log);
        self.shared.groups.fetch_add(1, Ordering::Relaxed);
        match written {
            Ok(has_changed) => {
                group.answer();
                self.after_commit(has_changed)
            }
            Err(GroupError::Append(AppendError::NotWritten(error))) => {
                tracing::error!(%error, "a group could not be appended to the log; nothing of it has happened");
                self.fail(group, &WriteError::NotWritten(Arc::new(error)));
                Ok(())
            }
            Err(GroupError::Append(error)) => {
                tracing::error!(%error, "nothing is acknowledged any more");
                Err(Failed)
            }
            Err(GroupError::Metadata(error)) => {
                tracing::error!(%error, "a group could not be applied");
                // If the log has it, it will have happened once the log is replayed; nobody is told that it has not.
                if !group.is_logged() {
                    self.fail(group, &WriteError::Metadata(Arc::new(error)));
                }
                self.come_back()
            }
        }
    }

    /// Answers everybody, those of the group and those who were to be, that it has not happened.
    fn fail(&mut self, group: Group, error: &WriteError) {
        self.waiting.drain(..).for_each(|waiting| waiting.fail(error.clone()));
        group.fail(error);
    }

    /// Comes back as after a crash, without one: the database is opened anew, and the log replayed into it. Not after a
    /// sync that failed: then memory holds pages that the disk does not, and only a new start may trust what it reads.
    fn come_back(&mut self) -> Result<(), Failed> {
        if self.metadata.has_failed_to_sync() {
            tracing::error!("the database could not be synced; nothing is acknowledged any more");
            return Err(Failed);
        }
        self.log.come_to_rest();
        let segments = Arc::clone(self.log.segments());
        match self.recovery.reopen(&self.metadata, &segments) {
            Ok(log) => {
                tracing::warn!("the database was opened anew after an error; nothing acknowledged is lost");
                self.log = log;
                self.checkpoints.note_checkpoint(None);
                Ok(())
            }
            Err(error) => {
                tracing::error!(%error, "the database could not be opened anew; nothing is acknowledged any more");
                Err(Failed)
            }
        }
    }

    fn after_commit(&mut self, has_changed: bool) -> Result<(), Failed> {
        if has_changed {
            self.checkpoints.note_commit();
        }
        match self.checkpoints.is_due() {
            true => self.checkpoint(),
            false => Ok(()),
        }
    }

    /// Has everything that is applied made durable in the database, without waiting for that.
    fn checkpoint(&mut self) -> Result<(), Failed> {
        let (position, began) = (self.log.position(), Instant::now());
        match self.metadata.write_through(|tables| tables.set_position(&position)) {
            Ok(durable) => {
                metrics().checkpoint.record(began.elapsed());
                self.checkpoints.note_checkpoint(Some(durable));
                Ok(())
            }
            Err::<_, MetadataError>(error) => {
                tracing::error!(%error, "a checkpoint failed");
                self.come_back()
            }
        }
    }

    fn last_checkpoint(&mut self) -> Result<(), Failed> {
        self.checkpoint()?;
        self.metadata.so_far().wait().map_err(|error| {
            tracing::error!(%error, "the last checkpoint failed; the next start replays the log");
            Failed
        })
    }
}
