//! Operations: what is asked of the writer, and what it answers.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use tokio::sync::oneshot;

use crate::store::clock::{ServedTime, Timestamp};
use crate::store::metadata::{Change, MetadataError, Tables, Write};

use super::group::Group;
use crate::observe::metrics::metrics;

/// Something that a registry does to its metadata.
pub trait Operation: Send + 'static {
    /// What an accepted operation tells whoever asked for it.
    type Outcome: Send + 'static;
    /// Why it was refused.
    type Refusal: Send + 'static;

    /// Decides, by reading alone, what is to change.
    ///
    /// Runs in the write transaction, after all operations that were accepted before it were applied.
    fn decide(self, tables: &Tables<Write<'_>>, slot: Slot) -> Decision<Self>
    where
        Self: Sized;

    /// Whether it brings something in, for which a full disk has no room. What takes something out, or keeps account of what
    /// is there, always goes through.
    fn needs_room(&self) -> bool {
        true
    }

    /// How many bytes of payload it may bring into the log.
    fn payload_size(&self) -> u64 {
        0
    }
}

/// What an operation is given to put into its changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    /// The time.
    pub now: Timestamp,
    /// The time by which ages are told.
    pub served: ServedTime,
    /// Where the payload that it brings will lie, in bytes from its record's beginning.
    pub offset: u64,
}

/// What an operation comes to.
pub type Decision<O> = Result<Accepted<<O as Operation>::Outcome>, Decline<<O as Operation>::Refusal>>;

/// An accepted operation: all its changes, which happen together or not at all, and its outcome.
#[derive(Debug)]
pub struct Accepted<T> {
    pub changes: Vec<Change>,
    /// What a [`Change::BlobLogged`] among the changes speaks of.
    pub payload: Option<Bytes>,
    pub outcome: T,
}

impl<T> Accepted<T> {
    /// Without a payload.
    pub fn new(changes: Vec<Change>, outcome: T) -> Self {
        Self { changes, payload: None, outcome }
    }
}

/// Why an operation has no outcome.
#[derive(Debug)]
pub enum Decline<R> {
    /// The registry's state does not allow it.
    Refused(R),
    /// The store could not do it.
    Failed(WriteError),
}

impl<R> From<MetadataError> for Decline<R> {
    fn from(error: MetadataError) -> Self {
        Self::Failed(WriteError::Metadata(Arc::new(error)))
    }
}

/// Why the store could not do it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum WriteError {
    /// It was not begun.
    #[error("too many operations wait to be written, or the log is full")]
    Busy,
    /// It was not begun: the disk has no room for it.
    #[error("the disk is full, or almost")]
    Full,
    /// It was handed over, and may have happened or not.
    #[error("the outcome is unknown")]
    Unknown,
    /// It has not happened, and nothing can be written any more.
    #[error("the store has stopped writing after an error")]
    Stopped,
    /// It has not happened: the log could not be appended to, but may be again.
    #[error("the log could not be appended to: {0}")]
    NotWritten(Arc<io::Error>),
    /// It has not happened.
    #[error(transparent)]
    Metadata(Arc<MetadataError>),
}

/// What waits for the writer.
pub(super) trait Waiting: Send {
    fn payload_size(&self) -> u64;

    /// Decides, and gives what was decided to the group.
    fn decide(
        self: Box<Self>,
        tables: &mut Tables<Write<'_>>,
        group: &mut Group,
    ) -> Result<(), MetadataError>;

    /// Answers that it was not begun.
    fn fail(self: Box<Self>, error: WriteError);
}

/// An answer that must not be given before the group is durable.
pub(super) trait Answer: Send {
    fn give(self: Box<Self>);

    /// Answers that it has not happened.
    fn fail(self: Box<Self>, error: WriteError);
}

type Answered<O> = Result<<O as Operation>::Outcome, Decline<<O as Operation>::Refusal>>;

/// An operation, and who waits for it.
pub(super) struct Request<O: Operation> {
    operation: O,
    answer: oneshot::Sender<Answered<O>>,
    handed_in: Instant,
}

impl<O: Operation> Request<O> {
    pub(super) fn hand_in(operation: O) -> (Box<dyn Waiting>, oneshot::Receiver<Answered<O>>) {
        let (answer, answered) = oneshot::channel();
        (Box::new(Self { operation, answer, handed_in: Instant::now() }), answered)
    }
}

impl<O: Operation> Waiting for Request<O> {
    fn payload_size(&self) -> u64 {
        self.operation.payload_size()
    }

    fn decide(
        self: Box<Self>,
        tables: &mut Tables<Write<'_>>,
        group: &mut Group,
    ) -> Result<(), MetadataError> {
        let Self { operation, answer, handed_in } = *self;
        metrics().queue_wait.record(handed_in.elapsed());
        let result = match operation.decide(tables, group.slot()) {
            Ok(Accepted { changes, payload, outcome }) => {
                group.apply(tables, changes, payload)?;
                Ok(outcome)
            }
            Err(decline) => Err(decline),
        };
        group.owe(Box::new(Ready::<O> { result, answer }));
        Ok(())
    }

    fn fail(self: Box<Self>, error: WriteError) {
        let _ = self.answer.send(Err(Decline::Failed(error)));
    }
}

struct Ready<O: Operation> {
    result: Answered<O>,
    answer: oneshot::Sender<Answered<O>>,
}

impl<O: Operation> Answer for Ready<O> {
    fn give(self: Box<Self>) {
        // Whoever asked may have gone; it has happened all the same.
        let _ = self.answer.send(self.result);
    }

    fn fail(self: Box<Self>, error: WriteError) {
        let _ = self.answer.send(Err(Decline::Failed(error)));
    }
}
