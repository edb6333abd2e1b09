//! Upload sessions: begun, appended to, finished, cancelled; parked when a connection breaks or the server stops.
//!
//! One request at a time has a session's [`Incoming`]; the others wait for it, boundedly. Bytes are received by a task
//! of their own, so that a client that goes away never tears a session in the middle of a write.

mod expiry;
mod finish;
mod loss;
mod marks;
mod owner;
mod receive;
mod session;

use std::collections::HashSet;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::Stream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::oci::{Algorithm, RepositoryName};
use crate::store::{
    Accepted, Change, Decision, Incoming, MetadataError, Operation, PayloadId, Resumed, ServedClock, Slot,
    Tables, Write,
};

use super::{Error, Registry, Settings, blocking, joined};
pub use finish::Ending;
pub use owner::Owner;
use session::{Held, Session, Sessions};

/// The body of a request. It ends early with an error when the connection breaks.
pub type BodyStream = Pin<Box<dyn Stream<Item = Result<Bytes, BrokenBody>> + Send>>;

/// A body that broke off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the body broke off")]
pub struct BrokenBody;

/// Bytes to be appended to an upload.
pub struct Append {
    pub body: BodyStream,
    /// What the client said of them.
    pub extent: Extent,
}

/// What a client says of the bytes that it sends (distribution specification, "Pushing a blob in chunks").
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Extent {
    /// `Content-Range`: where in the upload they belong.
    pub range: Option<Range<u64>>,
    /// `Content-Length`.
    pub length: Option<u64>,
}

impl Extent {
    /// How many bytes have to arrive, where anybody said so.
    fn announced(&self) -> Option<u64> {
        let ranged = self.range.as_ref().map(|range| range.end.saturating_sub(range.start));
        ranged.or(self.length)
    }
}

/// An upload session as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Started {
    pub id: PayloadId,
    /// How many bytes it has.
    pub offset: u64,
}

/// The sessions of this process.
pub(super) struct Uploads {
    sessions: Arc<Sessions>,
    /// One permit for each body that is being received.
    receiving: Arc<Semaphore>,
    /// How many there are in all.
    most: usize,
    interrupted: watch::Sender<bool>,
}

impl Uploads {
    pub(super) fn new(resumed: Vec<Resumed>, clock: ServedClock, settings: &Settings) -> Self {
        let most = settings.max_uploads.clamp(1, Semaphore::MAX_PERMITS);
        let sessions = resumed.into_iter().map(|upload| Session::resume(upload, clock));
        Self {
            sessions: Arc::new(Sessions::new(sessions)),
            receiving: Arc::new(Semaphore::new(most)),
            most,
            interrupted: watch::Sender::new(false),
        }
    }

    pub(super) fn interrupt(&self) {
        self.interrupted.send_replace(true);
    }

    /// A session of this repository; one of another repository does not exist.
    fn find(&self, repository: &RepositoryName, id: PayloadId) -> Result<Arc<Session>, Error> {
        let session = self.sessions.get(id);
        session.filter(|session| session.repository == *repository).ok_or_else(|| unknown(repository, id))
    }

    /// Has a session of this repository to itself.
    async fn hold(
        &self,
        repository: &RepositoryName,
        id: PayloadId,
        settings: &Settings,
    ) -> Result<Held, Error> {
        self.find(repository, id)?.hold(&self.sessions, settings.wait).await
    }

    /// How many sessions are open, and how many bytes they have together.
    pub(super) fn open(&self) -> (u64, u64) {
        let sessions = self.sessions.all();
        (sessions.len() as u64, sessions.iter().map(|session| session.offset()).sum())
    }

    /// How many bodies are being received.
    pub(super) fn receiving(&self) -> usize {
        self.most - self.receiving.available_permits()
    }

    /// Those in which sessions are open.
    pub(super) fn repositories(&self) -> HashSet<RepositoryName> {
        self.sessions.all().iter().map(|session| session.repository.clone()).collect()
    }

    /// How many sessions are open.
    pub(super) fn count(&self) -> usize {
        self.sessions.all().len()
    }

    /// The right to receive a body, for which a request waits while others have it all.
    async fn permit(&self, settings: &Settings) -> Result<OwnedSemaphorePermit, Error> {
        match tokio::time::timeout(settings.wait, Arc::clone(&self.receiving).acquire_owned()).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => Err(Error::Busy),
        }
    }
}

fn unknown(repository: &RepositoryName, id: PayloadId) -> Error {
    Error::UploadUnknown { repository: repository.clone(), id }
}

impl Registry {
    /// Begins an upload session, which will most likely end with a digest of this algorithm. With an owner it is theirs alone.
    pub fn start_upload(
        &self,
        repository: &RepositoryName,
        algorithm: Algorithm,
        owner: Option<Owner>,
    ) -> Started {
        let id = PayloadId::random();
        let incoming = self.store.incoming(id, algorithm);
        let session = Session::new(id, repository.clone(), incoming, self.store.clock(), owner);
        self.uploads.sessions.insert(session);
        Started { id, offset: 0 }
    }

    /// Whose an upload session is; nobody's in particular where nobody was asked.
    pub fn upload_owner(&self, repository: &RepositoryName, id: PayloadId) -> Result<Option<Owner>, Error> {
        Ok(self.uploads.find(repository, id)?.owner.clone())
    }

    /// How far an upload has come. Waits a moment for a request that is just ending.
    pub async fn upload_status(&self, repository: &RepositoryName, id: PayloadId) -> Result<Started, Error> {
        let session = self.uploads.find(repository, id)?;
        let offset = session.settled_offset().await.ok_or_else(|| unknown(repository, id))?;
        Ok(Started { id, offset })
    }

    /// Ends an upload and forgets what it has.
    pub async fn cancel_upload(
        self: &Arc<Self>,
        repository: &RepositoryName,
        id: PayloadId,
    ) -> Result<(), Error> {
        let mut held = self.uploads.hold(repository, id, &self.settings).await?;
        let Some(incoming) = held.take() else {
            return Err(held.unknown());
        };
        let registry = Arc::clone(self);
        joined(tokio::spawn(async move { registry.end_upload(held, incoming).await })).await
    }

    /// Ends a session: its row first, then its file, so that no row ever names a file that is gone.
    async fn end_upload(&self, held: Held, incoming: Incoming) -> Result<(), Error> {
        self.submit(EndUpload { id: held.session().id }).await?;
        discard(incoming).await;
        Ok(())
    }
}

/// Throws away what a session had. Nobody needs it any more, so that a failure costs room and nothing else.
async fn discard(incoming: Incoming) {
    if let Err(error) = blocking(move || incoming.discard()).await {
        tracing::warn!(%error, "the file of an upload could not be removed");
    }
}

struct EndUpload {
    id: PayloadId,
}

impl Operation for EndUpload {
    type Outcome = ();
    type Refusal = Error;

    fn decide(self, tables: &Tables<Write<'_>>, _slot: Slot) -> Decision<Self> {
        Ok(Accepted::new(ended(tables, self.id)?, ()))
    }

    fn needs_room(&self) -> bool {
        false
    }
}

/// The change that ends a session, if it ever had a mark.
fn ended(tables: &Tables<Write<'_>>, id: PayloadId) -> Result<Vec<Change>, MetadataError> {
    Ok(tables.upload(id)?.map(|_| Change::UploadEnded { id }).into_iter().collect())
}
