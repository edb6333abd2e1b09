//! Receiving a body into a session: bytes are gathered while the ones before them are hashed and written.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use tokio::task::JoinHandle;
use tracing::Instrument;

use crate::observe::step;
use crate::oci::{Algorithm, RepositoryName};
use crate::registry::{Error, Registry, blocking, joined};
use crate::store::{Incoming, Mark, PayloadId, Savepoint};

use super::session::{Held, Session};
use super::{Append, BodyStream, Extent, Started};

/// How many bytes are gathered before they are hashed and written. Twice this is the most that an upload has in memory.
const BATCH: usize = 1 << 20;

/// What file systems write at once, in bytes.
const PAGE: u64 = 4 << 10;

/// What becomes of a session whose body breaks off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnBreak {
    /// What has arrived stays, and the client goes on from there.
    Keep,
    /// The session returns to where it was, so that the same request can be repeated whole.
    RollBack,
}

/// A body that has arrived whole.
pub(super) struct Received {
    pub(super) held: Held,
    /// Where the session was before.
    pub(super) before: Savepoint,
}

impl Registry {
    /// Appends a body to an upload.
    pub async fn append_upload(
        self: &Arc<Self>,
        repository: &RepositoryName,
        id: PayloadId,
        append: Append,
    ) -> Result<Started, Error> {
        let held = self.uploads.hold(repository, id, &self.settings).await?;
        let registry = Arc::clone(self);
        let receiving = async move { registry.receive_chunk(held, append).await };
        joined(tokio::spawn(receiving.in_current_span())).await
    }

    async fn receive_chunk(self: &Arc<Self>, held: Held, append: Append) -> Result<Started, Error> {
        let Received { mut held, .. } = self.receive(held, append, OnBreak::Keep, None).await?;
        let (started, marked) =
            (Started { id: held.session().id, offset: held.offset() }, held.session().marked());
        if started.offset - marked >= self.settings.mark_interval
            && let Some(incoming) = held.take()
        {
            self.park(held, incoming).await?;
        }
        Ok(started)
    }

    /// Receives a body whole, or leaves the session as `on_break` says. `algorithm` is that of the digest, where it is
    /// known by now.
    pub(super) async fn receive(
        self: &Arc<Self>,
        mut held: Held,
        append: Append,
        on_break: OnBreak,
        algorithm: Option<Algorithm>,
    ) -> Result<Received, Error> {
        let Append { body, extent } = append;
        check_extent(&held, &extent)?;
        let end = held.offset().saturating_add(extent.announced().unwrap_or(0));
        self.expect_size(end)?;
        self.expect_quota(&held.session().repository, end)?;
        let Some(incoming) = held.take() else {
            return Err(held.unknown());
        };
        let (mut incoming, room) = self.make_room(incoming, &extent).await;
        if let Err(error) = room {
            held.put_back(incoming);
            return Err(error);
        }
        let (before, start) = (incoming.savepoint(), incoming.length());
        if let Some(algorithm) = algorithm {
            incoming.use_algorithm(algorithm);
        }
        let interval = match on_break {
            OnBreak::Keep => self.settings.mark_interval,
            // Nothing of it outlives a break.
            OnBreak::RollBack => u64::MAX,
        };
        let pipeline = Pipeline::new(incoming, interval, held.session().marked());
        let receiving = self.receive_body(held.session(), pipeline, body, &extent);
        let (mut incoming, result) = receiving.instrument(step!("receive the body")).await;
        let result = result.and_then(|()| check_length(&extent, incoming.length() - start));
        match result {
            Ok(()) => {
                held.put_back(incoming);
                Ok(Received { held, before })
            }
            // A full disk too: it may have been a sync that met it, after which a second one says nothing.
            Err(error @ (Error::Disk(_) | Error::DiskFull)) => {
                self.renew(held, incoming, &before).await?;
                Err(error)
            }
            Err(error) => {
                let is_too_much = matches!(error, Error::Size { .. } | Error::BlobTooLarge { .. });
                if on_break == OnBreak::RollBack || is_too_much {
                    incoming.roll_back(before);
                }
                self.park(held, incoming).await?;
                Err(error)
            }
        }
    }

    /// Refuses a blob of so many bytes, if it is larger than any may be.
    fn expect_size(&self, bytes: u64) -> Result<(), Error> {
        let limit = self.settings.max_blob;
        match bytes > limit {
            true => Err(Error::BlobTooLarge { limit }),
            false => Ok(()),
        }
    }

    /// Finds out, before the first byte is taken, whether the disk has room for what was announced, and takes that room.
    async fn make_room(&self, mut incoming: Incoming, extent: &Extent) -> (Incoming, Result<(), Error>) {
        let announced = extent.announced().unwrap_or(0);
        if !self.store.has_room(announced) {
            return (incoming, Err(Error::DiskFull));
        }
        if incoming.stays_in_memory(announced) {
            return (incoming, Ok(()));
        }
        blocking(move || {
            let reserved = incoming.reserve(announced);
            (incoming, reserved.map_err(Error::from))
        })
        .await
    }

    /// Receives until the body ends, whichever way. What has arrived is in the session's file then.
    async fn receive_body(
        &self,
        session: &Session,
        mut pipeline: Pipeline,
        body: BodyStream,
        extent: &Extent,
    ) -> (Incoming, Result<(), Error>) {
        let result = match extent.length {
            Some(0) => Ok(()),
            _ => self.pump(session, &mut pipeline, body, extent).await,
        };
        let (incoming, written) = pipeline.finish().await;
        // The disk's error comes first: after it what is there must not be trusted, whatever became of the body.
        (incoming, written.map_err(Error::from).and(result))
    }

    async fn pump(
        &self,
        session: &Session,
        pipeline: &mut Pipeline,
        mut body: BodyStream,
        extent: &Extent,
    ) -> Result<(), Error> {
        let _permit = self.uploads.permit(&self.settings).await?;
        let (start, mut received) = (pipeline.start, 0);
        let mut interrupted = self.uploads.interrupted.subscribe();
        loop {
            let next = tokio::select! {
                next = body.next() => next,
                _ = interrupted.wait_for(|interrupted| *interrupted) => return Err(Error::Interrupted),
                () = session.is_wanted_long() => return Err(Error::Stalled),
                () = tokio::time::sleep(self.settings.idle) => return Err(Error::Stalled),
            };
            match next {
                None => return Ok(()),
                Some(Err(_)) => return Err(Error::BodyBroken),
                Some(Ok(chunk)) => {
                    received += chunk.len() as u64;
                    check_not_beyond(extent, received)?;
                    self.expect_size(start + received)?;
                    pipeline.gather(chunk);
                }
            }
            if pipeline.is_full()
                && let Some(mark) = pipeline.write(session).await?
            {
                self.record_mark(session, mark).await?;
            }
        }
    }
}

fn check_extent(held: &Held, extent: &Extent) -> Result<(), Error> {
    let Some(range) = &extent.range else {
        return Ok(());
    };
    let (id, first, offset) = (held.session().id, range.start, held.offset());
    if first != offset {
        return Err(Error::OutOfOrder { id, first, offset });
    }
    match extent.length {
        Some(length) => check_length(extent, length),
        None => Ok(()),
    }
}

fn check_length(extent: &Extent, received: u64) -> Result<(), Error> {
    match extent.announced() {
        Some(announced) if announced != received => Err(Error::Size { announced, received }),
        _ => Ok(()),
    }
}

/// More than was announced is not even read.
fn check_not_beyond(extent: &Extent, received: u64) -> Result<(), Error> {
    match extent.announced() {
        Some(announced) if received > announced => Err(Error::Size { announced, received }),
        _ => Ok(()),
    }
}

/// A batch that is being gathered, and the one before it that is being written.
struct Pipeline {
    batch: Vec<Bytes>,
    batch_size: usize,
    state: State,
    /// Where the first batch belongs.
    start: u64,
    mark_interval: u64,
    marked: u64,
}

fn size(batch: &[Bytes]) -> u64 {
    batch.iter().map(|chunk| chunk.len() as u64).sum()
}

enum State {
    Idle(Box<Incoming>),
    Writing(JoinHandle<Written>),
    /// Only while one of the above turns into the other.
    Moving,
}

struct Written {
    incoming: Incoming,
    result: io::Result<Option<Mark>>,
}

impl Pipeline {
    fn new(incoming: Incoming, mark_interval: u64, marked: u64) -> Self {
        Self {
            batch: Vec::new(),
            batch_size: 0,
            start: incoming.length(),
            state: State::Idle(Box::new(incoming)),
            mark_interval,
            marked,
        }
    }

    fn gather(&mut self, chunk: Bytes) {
        self.batch_size += chunk.len();
        self.batch.push(chunk);
    }

    fn is_full(&self) -> bool {
        self.batch_size >= BATCH
    }

    /// Waits for the batch before, then has this one written. Returns the mark that the one before came to.
    async fn write(&mut self, session: &Session) -> io::Result<Option<Mark>> {
        let Written { mut incoming, result } = self.idle().await;
        session.publish_offset(incoming.length());
        let mark = match result {
            Ok(mark) => mark,
            Err(error) => {
                self.state = State::Idle(Box::new(incoming));
                return Err(error);
            }
        };
        let batch = self.take_batch(incoming.length());
        let end = incoming.length() + size(&batch);
        let is_mark_due = end >= self.marked.saturating_add(self.mark_interval);
        if is_mark_due {
            self.marked = end;
        }
        self.state = State::Writing(tokio::task::spawn_blocking(move || {
            let result =
                incoming.append(&batch).and_then(|()| is_mark_due.then(|| incoming.mark()).transpose());
            Written { incoming, result }
        }));
        Ok(mark)
    }

    /// The batch, up to where a page of the file ends: pages are written whole, and once. What is left begins the next.
    fn take_batch(&mut self, offset: u64) -> Vec<Bytes> {
        let mut batch = std::mem::take(&mut self.batch);
        let odd = usize::try_from((offset + self.batch_size as u64) % PAGE).unwrap_or(0);
        self.batch_size = 0;
        if let Some(last) = batch.last_mut().filter(|last| odd > 0 && last.len() > odd) {
            let rest = last.split_off(last.len() - odd);
            self.gather(rest);
        }
        batch
    }

    /// Takes the session's file back from whoever writes.
    async fn idle(&mut self) -> Written {
        match std::mem::replace(&mut self.state, State::Moving) {
            State::Idle(incoming) => Written { incoming: *incoming, result: Ok(None) },
            State::Writing(writing) => joined(writing).await,
            State::Moving => {
                unreachable!("only `write` and `finish` call this, and both leave another state")
            }
        }
    }

    /// Writes what is left. Bytes before an error count.
    async fn finish(mut self) -> (Incoming, io::Result<()>) {
        let Written { mut incoming, result } = self.idle().await;
        let batch = self.batch;
        if result.is_err() || batch.is_empty() {
            return (incoming, result.map(drop));
        }
        if incoming.stays_in_memory(self.batch_size as u64) {
            let result = incoming.append(&batch);
            return (incoming, result);
        }
        blocking(move || {
            let result = incoming.append(&batch);
            (incoming, result)
        })
        .await
    }
}
