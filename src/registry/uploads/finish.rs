//! The end of an upload: the digest is verified, the payload gets its name, the repository its blob.

use std::sync::Arc;

use bytes::Bytes;
use tracing::Instrument;

use crate::oci::{Algorithm, Digest, RepositoryName};
use crate::registry::{Error, Occasion, Registry, blocking, joined};
use crate::store::{
    Accepted, Change, Decision, Incoming, Operation, PayloadId, Savepoint, Slot, Tables, Write,
};

use super::receive::{OnBreak, Received};
use super::session::Held;
use super::{Append, discard, ended};

/// What an upload is to become.
#[derive(Debug, Clone)]
pub struct Ending {
    /// The digest that what has come in must have.
    pub digest: Digest,
    /// What is told of it, where anybody is told.
    pub occasion: Option<Arc<Occasion>>,
}

impl From<Digest> for Ending {
    /// Nobody is told of it.
    fn from(digest: Digest) -> Self {
        Self { digest, occasion: None }
    }
}

impl Registry {
    /// Appends the last bytes, if there are any, and makes the upload a blob of its repository.
    pub async fn finish_upload(
        self: &Arc<Self>,
        repository: &RepositoryName,
        id: PayloadId,
        append: Append,
        ending: Ending,
    ) -> Result<(), Error> {
        let held = self.uploads.hold(repository, id, &self.settings).await?;
        let registry = Arc::clone(self);
        let receiving = async move { registry.receive_and_commit(held, append, ending).await };
        joined(tokio::spawn(receiving.in_current_span())).await
    }

    /// Receives a blob in one request, in a session that nobody else knows of and that ends with it.
    pub async fn upload_whole(
        self: &Arc<Self>,
        repository: &RepositoryName,
        append: Append,
        ending: Ending,
    ) -> Result<(), Error> {
        let id = self.start_upload(repository, ending.digest.algorithm(), None).id;
        let (registry, name) = (Arc::clone(self), repository.clone());
        // A task of its own, so that the session ends although the client may leave in the middle.
        let whole = async move {
            let result = registry.finish_upload(&name, id, append, ending).await;
            if result.is_err() {
                // It may have ended by itself.
                let _ = registry.cancel_upload(&name, id).await;
            }
            result
        };
        joined(tokio::spawn(whole.in_current_span())).await
    }

    async fn receive_and_commit(
        self: &Arc<Self>,
        held: Held,
        append: Append,
        ending: Ending,
    ) -> Result<(), Error> {
        let on_break = match append.extent.range {
            Some(_) => OnBreak::Keep,
            None => OnBreak::RollBack,
        };
        let Received { mut held, before } =
            self.receive(held, append, on_break, Some(ending.digest.algorithm())).await?;
        let Some(incoming) = held.take() else {
            return Err(held.unknown());
        };
        let way_back = match on_break {
            OnBreak::Keep => incoming.savepoint(),
            OnBreak::RollBack => before,
        };
        self.commit(held, incoming, way_back, ending).await
    }

    /// Makes what has come in a blob. If that surely has not happened, the session goes on from `way_back`.
    async fn commit(
        self: &Arc<Self>,
        held: Held,
        incoming: Incoming,
        way_back: Savepoint,
        ending: Ending,
    ) -> Result<(), Error> {
        let digest = ending.digest;
        let (incoming, found) = compute_digest(incoming, digest.algorithm()).await;
        match found {
            Ok(found) if found == digest => {}
            Ok(found) => {
                self.end_upload(held, incoming).await?;
                return Err(Error::DigestMismatch { expected: digest, found });
            }
            Err(error) => {
                self.renew(held, incoming, &way_back).await?;
                return Err(error.into());
            }
        }
        if self.store.read().is_proven(&digest)? {
            return self.commit_known(held, incoming, way_back, ending).await;
        }
        self.commit_new(held, incoming, way_back, ending).await
    }

    /// The payload is here already, so that only the link is missing.
    async fn commit_known(
        self: &Arc<Self>,
        held: Held,
        incoming: Incoming,
        way_back: Savepoint,
        ending: Ending,
    ) -> Result<(), Error> {
        match self.submit_end(&held, &ending, Offer::Nothing).await {
            Ok(Outcome::Linked) => {
                discard(incoming).await;
                Ok(())
            }
            // It has gone in the meantime.
            Ok(Outcome::PayloadMissing) => self.commit_new(held, incoming, way_back, ending).await,
            Ok(Outcome::Added) => unreachable!("no payload was offered"),
            Err(Error::OutcomeUnknown) => {
                discard(incoming).await;
                Err(Error::OutcomeUnknown)
            }
            Err(error) => Err(self.after_failure(held, incoming, way_back, error).await),
        }
    }

    /// The payload is new. A small one goes into the log with the change that names it; a large one gets its name first.
    async fn commit_new(
        self: &Arc<Self>,
        held: Held,
        mut incoming: Incoming,
        way_back: Savepoint,
        ending: Ending,
    ) -> Result<(), Error> {
        // One without a byte would have no place of its own in the log.
        match incoming.small().filter(|bytes| !bytes.is_empty()) {
            Some(bytes) => self.commit_small(held, incoming, way_back, ending, bytes).await,
            None => self.commit_large(held, incoming, way_back, ending).await,
        }
    }

    async fn commit_small(
        self: &Arc<Self>,
        held: Held,
        incoming: Incoming,
        way_back: Savepoint,
        ending: Ending,
        bytes: Bytes,
    ) -> Result<(), Error> {
        match self.submit_end(&held, &ending, Offer::Bytes(bytes)).await {
            Ok(_) => Ok(()),
            Err(Error::OutcomeUnknown) => Err(Error::OutcomeUnknown),
            Err(error) => Err(self.after_failure(held, incoming, way_back, error).await),
        }
    }

    async fn commit_large(
        self: &Arc<Self>,
        held: Held,
        mut incoming: Incoming,
        way_back: Savepoint,
        ending: Ending,
    ) -> Result<(), Error> {
        let (id, size, registry) = (held.session().id, incoming.length(), Arc::clone(self));
        let digest = ending.digest;
        let (incoming, settled) = blocking(move || {
            let settled = registry.store.settle(&mut incoming, id, &digest);
            (incoming, settled)
        })
        .await;
        if let Err(error) = settled {
            self.renew(held, incoming, &way_back).await?;
            return Err(error.into());
        }
        match self.submit_end(&held, &ending, Offer::File(size)).await {
            Ok(Outcome::Added) => Ok(()),
            // Somebody else was faster; this file is one too many.
            Ok(Outcome::Linked | Outcome::PayloadMissing) => {
                discard(incoming).await;
                Ok(())
            }
            // The file may have come to be named: it stays as it is.
            Err(Error::OutcomeUnknown) => Err(Error::OutcomeUnknown),
            Err(error) => {
                let incoming = self.unsettle(id, incoming).await?;
                Err(self.after_failure(held, incoming, way_back, error).await)
            }
        }
    }

    async fn submit_end(&self, held: &Held, ending: &Ending, offer: Offer) -> Result<Outcome, Error> {
        let finish = Finish::new(held, ending.digest, offer);
        self.submit_request(finish, ending.occasion.clone(), None).await
    }

    /// Takes the payload's name back: it surely has not been committed under it.
    async fn unsettle(self: &Arc<Self>, id: PayloadId, mut incoming: Incoming) -> Result<Incoming, Error> {
        let registry = Arc::clone(self);
        blocking(move || {
            registry.store.unsettle(&mut incoming, id)?;
            Ok(incoming)
        })
        .await
    }

    /// Puts the session back where it can be continued from: what was asked for surely has not happened.
    async fn after_failure(
        &self,
        mut held: Held,
        mut incoming: Incoming,
        way_back: Savepoint,
        error: Error,
    ) -> Error {
        incoming.roll_back(way_back);
        if held.session().marked() <= incoming.length() {
            held.put_back(incoming);
            return error;
        }
        match self.park(held, incoming).await {
            Ok(()) => error,
            Err(ended) => ended,
        }
    }

    /// The disk has failed under a session's file, whose bytes are never trusted again. A session that can start over
    /// does; any other ends.
    pub(super) async fn renew(
        &self,
        mut held: Held,
        incoming: Incoming,
        way_back: &Savepoint,
    ) -> Result<(), Error> {
        if way_back.length() > 0 {
            return self.end_upload(held, incoming).await;
        }
        self.remove_mark(held.session()).await?;
        blocking(move || incoming.discard()).await?;
        held.put_back(self.store.incoming(held.session().id, way_back.algorithm()));
        Ok(())
    }
}

async fn compute_digest(mut incoming: Incoming, algorithm: Algorithm) -> (Incoming, std::io::Result<Digest>) {
    if incoming.stays_in_memory(0) {
        let digest = incoming.digest(algorithm);
        return (incoming, digest);
    }
    blocking(move || {
        let digest = incoming.digest(algorithm);
        (incoming, digest)
    })
    .await
}

/// Makes a verified upload a blob of its repository.
struct Finish {
    id: PayloadId,
    repository: RepositoryName,
    digest: Digest,
    offer: Offer,
}

/// The payload, as far as the writer needs it.
enum Offer {
    /// It is hoped to be there already.
    Nothing,
    /// It lies in its file, under the session's id, and has so many bytes.
    File(u64),
    Bytes(Bytes),
}

enum Outcome {
    /// The payload is new.
    Added,
    /// The payload was there already.
    Linked,
    /// The payload was not there, nor offered. Nothing has changed.
    PayloadMissing,
}

impl Finish {
    fn new(held: &Held, digest: Digest, offer: Offer) -> Self {
        let session = held.session();
        Self { id: session.id, repository: session.repository.clone(), digest, offer }
    }
}

impl Operation for Finish {
    type Outcome = Outcome;
    type Refusal = Error;

    fn decide(self, tables: &Tables<Write<'_>>, slot: Slot) -> Decision<Self> {
        let Self { id, repository, digest, offer } = self;
        let mut accepted = Accepted::new(ended(tables, id)?, Outcome::Added);
        // A damaged payload, or one that was taken in unseen, is as good as none: this one takes its place.
        match (tables.is_proven(&digest)?, offer) {
            (true, _) => accepted.outcome = Outcome::Linked,
            (false, Offer::Nothing) => return Ok(Accepted::new(Vec::new(), Outcome::PayloadMissing)),
            (false, Offer::File(size)) => accepted.changes.push(Change::BlobAdded { digest, size, file: id }),
            (false, Offer::Bytes(bytes)) => {
                let (size, offset) = (bytes.len() as u64, slot.offset);
                accepted.changes.push(Change::BlobLogged { digest, size, offset });
                accepted.payload = Some(bytes);
            }
        }
        accepted.changes.push(Change::BlobLinked { repository, digest, at: slot.now });
        Ok(accepted)
    }

    fn payload_size(&self) -> u64 {
        match &self.offer {
            Offer::Bytes(bytes) => bytes.len() as u64,
            Offer::Nothing | Offer::File(_) => 0,
        }
    }
}
