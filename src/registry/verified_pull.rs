//! Blobs that are compared with their digests on their way out.
//!
//! What is sent are the bytes that were hashed, and never the file, which might be read from the disk a second time and be another
//! one then. The last piece is kept back until the digest is known, so that no client has a damaged blob whole.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{Stream, stream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::oci::{Digest, RepositoryName};
use crate::store::{BlobRow, PayloadError, Verification};

use super::blobs::{unknown, unreadable};
use super::{Error, Registry, blocking};

/// How much is read, hashed and handed out at once, in bytes. Hashing costs little more than in larger pieces.
const PIECE: u64 = 128 << 10;

/// How many pieces there are at once: one that is hashed while one is sent. A client that reads slowly costs this much memory.
const PIECES: usize = 2;

/// A blob that is pulled whole, and verified meanwhile.
pub struct VerifiedPull {
    registry: Arc<Registry>,
    digest: Digest,
    row: BlobRow,
    verification: Verification,
    /// What has been read and not been handed out.
    first: Option<Bytes>,
    /// For as many pieces more.
    room: Arc<Semaphore>,
}

/// A piece, for as long as somebody has a part of it that is still to be sent.
struct Piece {
    bytes: Bytes,
    _room: OwnedSemaphorePermit,
}

impl Registry {
    /// Begins to pull a blob, and reads its first piece, so that damage to a blob of one piece is an error here.
    pub async fn verify_pull(
        self: &Arc<Self>,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<VerifiedPull, Error> {
        let (registry, name, digest) = (Arc::clone(self), repository.clone(), *digest);
        let begun = blocking(move || {
            let opened = registry.store.verify_blob(&name, &digest, PIECE)?;
            Ok(opened.map(|(row, verification)| (row, read_on(verification))))
        });
        let begun = begun.await.map_err(|error| self.unopened(digest, error))?;
        let (row, (verification, first)) = begun.ok_or_else(|| unknown(repository, &digest))?;
        let first = first.map_err(|error| {
            self.convict(digest, row, &error);
            unreadable(digest, error)
        })?;
        let (registry, room) = (Arc::clone(self), Arc::new(Semaphore::new(PIECES)));
        Ok(VerifiedPull { registry, digest, row, verification, first: Some(first), room })
    }
}

impl VerifiedPull {
    /// In bytes.
    pub fn size(&self) -> u64 {
        self.row.size
    }

    /// The blob, piece by piece. In the place of a piece that cannot be read, and of the last one if not everything is right,
    /// there is an error.
    pub fn into_pieces(self) -> impl Stream<Item = Result<Bytes, PayloadError>> + Send {
        stream::try_unfold(self, Self::next)
    }

    async fn next(mut self) -> Result<Option<(Bytes, Self)>, PayloadError> {
        if self.first.is_none() && self.verification.is_read() {
            return Ok(None);
        }
        let room = Arc::clone(&self.room).acquire_owned().await.expect("nobody closes it");
        let bytes = match self.first.take() {
            Some(first) => first,
            None => {
                let (pull, read) = self.read_on().await;
                self = pull;
                read.inspect_err(|error| self.cut_off(error))?
            }
        };
        Ok(Some((Bytes::from_owner(Piece { bytes, _room: room }), self)))
    }

    async fn read_on(self) -> (Self, Result<Bytes, PayloadError>) {
        let Self { registry, digest, row, verification, first, room } = self;
        let (verification, read) = blocking(move || read_on(verification)).await;
        (Self { registry, digest, row, verification, first, room }, read)
    }

    fn cut_off(&self, error: &PayloadError) {
        let digest = self.digest;
        tracing::error!(%digest, %error, "a pull was cut off before its last byte");
        self.registry.convict(digest, self.row, error);
    }
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

fn read_on(mut verification: Verification) -> (Verification, Result<Bytes, PayloadError>) {
    let piece = verification.next_piece();
    (verification, piece)
}
