//! Upload sessions: begun, appended to, finished, cancelled; parked when a connection breaks or the server stops.
//!
//! One request at a time has a session's [`Incoming`]; the others wait for it, boundedly. Bytes are received by a task
//! of their own, so that a client that goes away never tears a session in the middle of a write.

mod finish;
mod receive;
mod session;

use std::collections::HashMap;
use std::ops::Range;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::Stream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::oci::{Algorithm, RepositoryName};
use crate::store::{
    Accepted, Change, Decision, Incoming, Mark, MetadataError, Operation, PayloadId, Resumed, Savepoint,
    Tables, Timestamp, UploadRow, Write,
};

use super::{Error, Registry, Settings, blocking};
use session::{Held, Session};

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
    sessions: Mutex<HashMap<PayloadId, Arc<Session>>>,
    /// One permit for each body that is being received.
    receiving: Arc<Semaphore>,
    interrupted: watch::Sender<bool>,
}

impl Uploads {
    pub(super) fn new(resumed: Vec<Resumed>, settings: &Settings) -> Self {
        let sessions = resumed.into_iter().map(|upload| (upload.id, Arc::new(Session::resume(upload))));
        Self {
            sessions: Mutex::new(sessions.collect()),
            receiving: Arc::new(Semaphore::new(settings.max_uploads.clamp(1, Semaphore::MAX_PERMITS))),
            interrupted: watch::Sender::new(false),
        }
    }

    pub(super) fn interrupt(&self) {
        self.interrupted.send_replace(true);
    }

    fn sessions(&self) -> std::sync::MutexGuard<'_, HashMap<PayloadId, Arc<Session>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A session of this repository; one of another repository does not exist.
    fn find(&self, repository: &RepositoryName, id: PayloadId) -> Result<Arc<Session>, Error> {
        let session = self.sessions().get(&id).cloned();
        session.filter(|session| session.repository == *repository).ok_or_else(|| unknown(repository, id))
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
    /// Begins an upload session, which will most likely end with a digest of this algorithm.
    pub fn start_upload(&self, repository: &RepositoryName, algorithm: Algorithm) -> Started {
        let id = PayloadId::random();
        let session = Session::new(id, repository.clone(), self.store.incoming(id, algorithm));
        self.uploads.sessions().insert(id, Arc::new(session));
        Started { id, offset: 0 }
    }

    /// How far an upload has come. Waits a moment for a request that is just ending.
    pub async fn upload_status(&self, repository: &RepositoryName, id: PayloadId) -> Result<Started, Error> {
        let session = self.uploads.find(repository, id)?;
        Ok(Started { id, offset: session.settled_offset().await })
    }

    /// Ends an upload and forgets what it has.
    pub async fn cancel_upload(&self, repository: &RepositoryName, id: PayloadId) -> Result<(), Error> {
        let session = self.uploads.find(repository, id)?;
        let held = session.hold(self.settings.wait).await?;
        self.end_upload(held).await
    }

    /// Ends a session: its row first, then its file, so that no row ever names a file that is gone.
    async fn end_upload(&self, mut held: Held) -> Result<(), Error> {
        let id = held.session().id;
        let Some(incoming) = held.take() else {
            return Err(held.unknown());
        };
        self.uploads.sessions().remove(&id);
        self.submit(EndUpload { id }).await?;
        Ok(blocking(move || incoming.discard()).await?)
    }

    /// Marks every session where it stands.
    pub(super) async fn park_uploads(&self) {
        let sessions: Vec<_> = self.uploads.sessions().values().cloned().collect();
        for session in sessions {
            let parked = match session.hold(self.settings.wait).await {
                Ok(mut held) => self.mark_upload(&mut held).await,
                Err(error) => Err(error),
            };
            if let Err(error) = parked {
                tracing::warn!(upload = %session.id, %error, "an upload could not be parked and will be gone");
            }
        }
    }

    /// Makes what a session has durable, so that it can be continued after a restart.
    async fn mark_upload(&self, held: &mut Held) -> Result<(), Error> {
        let Some(mut incoming) = held.take() else {
            return Ok(());
        };
        if incoming.length() == 0 {
            held.put_back(incoming);
            return Ok(());
        }
        let (incoming, mark) = blocking(move || {
            let mark = incoming.mark();
            (incoming, mark)
        })
        .await;
        // Not put back after an error: bytes that failed to be synced are never trusted again.
        let mark = mark?;
        held.put_back(incoming);
        self.record_mark(held.session(), mark).await
    }

    /// Takes a session back to where it was before a request, in its row too: a mark that lies behind speaks of bytes that
    /// others will be written over.
    async fn take_back(
        &self,
        mut held: Held,
        mut incoming: Incoming,
        way_back: Savepoint,
    ) -> Result<(), Error> {
        if incoming.roll_back(way_back) {
            if let Err(error) = self.submit(EndUpload { id: held.session().id }).await {
                // The row stays, so the file must go: a session without its file ends at the next start.
                self.uploads.sessions().remove(&held.session().id);
                blocking(move || incoming.discard()).await?;
                return Err(error);
            }
            incoming.forget_mark();
        }
        held.put_back(incoming);
        self.mark_upload(&mut held).await
    }

    /// Records from where an upload can be continued.
    async fn record_mark(&self, session: &Session, mark: Mark) -> Result<(), Error> {
        let upload = UploadRow {
            repository: session.repository.clone(),
            algorithm: mark.algorithm,
            offset: mark.offset,
            hash_state: mark.hash_state,
            started: session.started,
            touched: Timestamp::now(),
        };
        self.submit(MarkUpload { id: session.id, upload }).await
    }
}

struct MarkUpload {
    id: PayloadId,
    upload: UploadRow,
}

impl Operation for MarkUpload {
    type Outcome = ();
    type Refusal = Error;

    fn decide(self, _tables: &Tables<Write<'_>>, _now: Timestamp) -> Decision<Self> {
        let Self { id, upload } = self;
        Ok(Accepted { changes: vec![Change::UploadMarked { id, upload }], outcome: () })
    }
}

struct EndUpload {
    id: PayloadId,
}

impl Operation for EndUpload {
    type Outcome = ();
    type Refusal = Error;

    fn decide(self, tables: &Tables<Write<'_>>, _now: Timestamp) -> Decision<Self> {
        Ok(Accepted { changes: ended(tables, self.id)?, outcome: () })
    }
}

/// The change that ends a session, if it ever had a mark.
fn ended(tables: &Tables<Write<'_>>, id: PayloadId) -> Result<Vec<Change>, MetadataError> {
    Ok(tables.upload(id)?.map(|_| Change::UploadEnded { id }).into_iter().collect())
}
