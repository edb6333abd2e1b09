//! The one writer: gathers what waits, decides, applies, commits, answers.
//!
//! Everything that changes the metadata is an [`Operation`]. Whatever waits when the writer turns to the queue becomes
//! one group: one transaction, one durable commit, and then the answers, refusals included, since those too rest on
//! what the group before them changed. A lone operation never waits for company.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use tokio::sync::{Notify, mpsc, oneshot};

use super::clock::Timestamp;
use super::disk::{Disk, Rule};
use super::metadata::{Change, Metadata, MetadataError, Tables, Write};

/// When answers are given. Always after the commit, but for a test that shows that the difference is noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answering {
    AfterCommit,
    BeforeCommit,
}

/// Something that a registry does to its metadata.
pub trait Operation: Send + 'static {
    /// What an accepted operation tells whoever asked for it.
    type Outcome: Send + 'static;
    /// Why it was refused.
    type Refusal: Send + 'static;

    /// Decides, by reading alone, what is to change. `now` is the time that the changes carry.
    ///
    /// Runs in the write transaction, after all operations that were accepted before it were applied.
    fn decide(self, tables: &Tables<Write<'_>>, now: Timestamp) -> Decision<Self>
    where
        Self: Sized;
}

/// What an operation comes to.
pub type Decision<O> = Result<Accepted<<O as Operation>::Outcome>, Decline<<O as Operation>::Refusal>>;

/// An accepted operation: all its changes, which are applied together or not at all, and its outcome.
#[derive(Debug)]
pub struct Accepted<T> {
    pub changes: Vec<Change>,
    pub outcome: T,
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
    #[error("too many operations wait to be written")]
    Busy,
    /// It was handed over, and may have happened or not.
    #[error("the outcome is unknown")]
    Unknown,
    /// It has not happened, and nothing can be written any more.
    #[error("the store has stopped writing after an error of its database")]
    Stopped,
    /// It has not happened.
    #[error(transparent)]
    Metadata(Arc<MetadataError>),
}

/// What waits for the writer.
trait Waiting: Send {
    /// Decides, and applies what was decided. Returns whoever has to be told after the commit.
    fn run(
        self: Box<Self>,
        tables: &mut Tables<Write<'_>>,
        now: Timestamp,
    ) -> Result<Box<dyn Answer>, MetadataError>;
}

/// An answer that must not be given before the commit.
trait Answer: Send {
    fn give(self: Box<Self>);
}

struct Request<O: Operation> {
    operation: O,
    answer: oneshot::Sender<Result<O::Outcome, Decline<O::Refusal>>>,
}

struct Ready<O: Operation> {
    result: Result<O::Outcome, Decline<O::Refusal>>,
    answer: oneshot::Sender<Result<O::Outcome, Decline<O::Refusal>>>,
}

impl<O: Operation> Waiting for Request<O> {
    fn run(
        self: Box<Self>,
        tables: &mut Tables<Write<'_>>,
        now: Timestamp,
    ) -> Result<Box<dyn Answer>, MetadataError> {
        let Self { operation, answer } = *self;
        let result = match operation.decide(tables, now) {
            Ok(Accepted { changes, outcome }) => {
                for change in &changes {
                    tables.apply(change)?;
                }
                Ok(outcome)
            }
            Err(decline) => Err(decline),
        };
        Ok(Box::new(Ready::<O> { result, answer }))
    }
}

impl<O: Operation> Answer for Ready<O> {
    fn give(self: Box<Self>) {
        // Whoever asked may have gone; it has happened all the same.
        let _ = self.answer.send(self.result);
    }
}

/// The way to the writer's thread.
pub(super) struct Writer {
    queue: Option<mpsc::Sender<Box<dyn Waiting>>>,
    thread: Option<thread::JoinHandle<()>>,
    failure: Arc<Failure>,
}

/// Whether the writer has given up.
#[derive(Default)]
struct Failure {
    has_happened: AtomicBool,
    happened: Notify,
}

impl Failure {
    fn declare(&self) {
        self.has_happened.store(true, Ordering::SeqCst);
        self.happened.notify_waiters();
    }
}

impl Writer {
    /// Starts the thread. A group has at most `group_size` operations; at most `queue` wait for it.
    pub(super) fn start(
        disk: &dyn Disk,
        metadata: Arc<Metadata>,
        group_size: usize,
        queue: usize,
    ) -> std::io::Result<Self> {
        let answering = match disk.keeps(Rule::AnswerAfterCommit) {
            true => Answering::AfterCommit,
            false => Answering::BeforeCommit,
        };
        let (sender, mut receiver) = mpsc::channel(queue.max(1));
        let failure = Arc::new(Failure::default());
        let thread = thread::Builder::new().name("writer".to_owned()).spawn({
            let failure = Arc::clone(&failure);
            move || {
                let _guard = AbortOnPanic;
                write_groups(&metadata, &mut receiver, group_size.max(1), answering, &failure);
            }
        })?;
        Ok(Self { queue: Some(sender), thread: Some(thread), failure })
    }

    /// Hands an operation to the writer, waiting at most `wait` for a place in the queue and as long again for the answer.
    pub(super) async fn submit<O: Operation>(
        &self,
        operation: O,
        wait: Duration,
    ) -> Result<O::Outcome, Decline<O::Refusal>> {
        let Some(queue) = &self.queue else {
            return Err(Decline::Failed(WriteError::Stopped));
        };
        let (answer, answered) = oneshot::channel();
        let request: Box<dyn Waiting> = Box::new(Request { operation, answer });
        match queue.send_timeout(request, wait).await {
            Ok(()) => {}
            Err(mpsc::error::SendTimeoutError::Timeout(_)) => {
                return Err(Decline::Failed(WriteError::Busy));
            }
            Err(mpsc::error::SendTimeoutError::Closed(_)) => {
                return Err(Decline::Failed(WriteError::Stopped));
            }
        }
        match tokio::time::timeout(wait, answered).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) | Err(_) => Err(Decline::Failed(WriteError::Unknown)),
        }
    }

    /// Resolves when the database has failed.
    pub(super) async fn failed(&self) {
        let happened = self.failure.happened.notified();
        if !self.failure.has_happened.load(Ordering::SeqCst) {
            happened.await;
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

fn write_groups(
    metadata: &Metadata,
    queue: &mut mpsc::Receiver<Box<dyn Waiting>>,
    group_size: usize,
    answering: Answering,
    failure: &Failure,
) {
    let mut group = Vec::with_capacity(group_size);
    while queue.blocking_recv_many(&mut group, group_size) > 0 {
        if let Err(error) = write_group(metadata, &mut group, answering) {
            tracing::error!(%error, "the database failed; nothing is acknowledged any more");
            failure.declare();
            return;
        }
    }
}

/// Whoever is not answered, because the commit failed, learns from the closed channel that the outcome is unknown.
fn write_group(
    metadata: &Metadata,
    group: &mut Vec<Box<dyn Waiting>>,
    answering: Answering,
) -> Result<(), MetadataError> {
    let answers = metadata.write(|tables| {
        let now = Timestamp::now();
        let mut answers = Vec::with_capacity(group.len());
        for waiting in group.drain(..) {
            answers.push(waiting.run(tables, now)?);
        }
        if answering == Answering::BeforeCommit {
            answers.drain(..).for_each(Answer::give);
        }
        Ok(answers)
    })?;
    answers.into_iter().for_each(Answer::give);
    Ok(())
}

/// A writer that has panicked may have left anything behind in memory; what is on disk is sound.
struct AbortOnPanic;

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        if thread::panicking() {
            std::process::abort();
        }
    }
}
