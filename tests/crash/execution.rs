//! Operations, done to a registry.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream;
use holdfast::oci::{Algorithm, Digest, Reference, RepositoryName};
use holdfast::registry::{
    Append, BodyStream, BrokenBody, Ending, Error, Extent, MountSource, Occasion, PutManifest, Registry,
};
use holdfast::store::PayloadId;

use crate::goods::{Blob, GOODS};
use crate::model::Session;
use crate::operation::{Operation, Reply};

/// What came of an operation.
pub(crate) struct Outcome {
    pub(crate) reply: Reply,
    /// The session that it began.
    pub(crate) begun: Option<(PayloadId, Session)>,
}

pub(crate) async fn execute(registry: &Arc<Registry>, operation: &Operation) -> Outcome {
    let begun = match *operation {
        Operation::Begin { repository, blob, length } => {
            let id = registry.start_upload(&GOODS.repositories[repository], Algorithm::Sha256, None).id;
            let session = Session { repository, blob, sent: length, promised: 0, may_have_ended: false };
            Some((id, session))
        }
        _ => None,
    };
    let reply = match reply(registry, operation, begun.as_ref().map(|(id, _)| *id)).await {
        Ok(reply) => reply,
        Err(error) => Reply::Error(error),
    };
    Outcome { reply, begun }
}

async fn reply(
    registry: &Arc<Registry>,
    operation: &Operation,
    begun: Option<PayloadId>,
) -> Result<Reply, Error> {
    let name = |repository: usize| &GOODS.repositories[repository];
    match *operation {
        Operation::Push { repository, blob } => {
            let Blob { bytes, digest } = &GOODS.blobs[blob];
            registry.upload_whole(name(repository), whole(bytes.clone()), ending(*digest)).await?;
        }
        Operation::PushInChunks { repository, blob, chunk } => {
            push_in_chunks(registry, name(repository), &GOODS.blobs[blob], chunk).await?;
        }
        Operation::Mount { repository, blob, from } => {
            let digest = &GOODS.blobs[blob].digest;
            let source = match from {
                Some(from) => MountSource::Repository(name(from).clone()),
                None => MountSource::Anywhere,
            };
            if !registry.mount_blob(name(repository), digest, source, told()).await? {
                return Ok(Reply::NotMounted);
            }
        }
        Operation::PutManifest { repository, manifest, ref tags } => {
            put_manifest(registry, name(repository), manifest, tags).await?;
        }
        Operation::DeleteTag { repository, tag } => {
            let reference = Reference::Tag(GOODS.tags[tag].clone());
            registry.delete_manifest(name(repository), &reference, None, false, told()).await?;
        }
        Operation::DeleteManifest { repository, manifest } => {
            let reference = Reference::Digest(GOODS.manifests[manifest].digest);
            registry.delete_manifest(name(repository), &reference, None, false, told()).await?;
        }
        Operation::DeleteBlob { repository, blob } => {
            registry.delete_blob(name(repository), &GOODS.blobs[blob].digest, told()).await?;
        }
        Operation::Begin { repository, blob, length } => {
            let Some(id) = begun else { return Ok(Reply::Done) };
            let bytes = GOODS.blobs[blob].bytes.slice(..length);
            registry.append_upload(name(repository), id, whole(bytes)).await?;
        }
        Operation::Continue { id, ref session, length, breaks } => {
            let bytes = GOODS.blobs[session.blob].bytes.slice(session.sent..session.sent + length);
            let append = if breaks { broken(bytes) } else { ranged(bytes, session.sent) };
            registry.append_upload(name(session.repository), id, append).await?;
        }
        Operation::Finish { id, ref session } => {
            let Blob { bytes, digest } = &GOODS.blobs[session.blob];
            let rest = whole(bytes.slice(session.sent..));
            registry.finish_upload(name(session.repository), id, rest, ending(*digest)).await?;
        }
        Operation::Cancel { id, ref session } => {
            registry.cancel_upload(name(session.repository), id).await?;
        }
    }
    Ok(Reply::Done)
}

async fn push_in_chunks(
    registry: &Arc<Registry>,
    name: &RepositoryName,
    blob: &Blob,
    chunk: usize,
) -> Result<(), Error> {
    let id = registry.start_upload(name, Algorithm::Sha256, None).id;
    for start in (0..blob.bytes.len()).step_by(chunk) {
        let bytes = blob.bytes.slice(start..blob.bytes.len().min(start + chunk));
        registry.append_upload(name, id, ranged(bytes, start)).await?;
    }
    registry.finish_upload(name, id, whole(Bytes::new()), ending(blob.digest)).await
}

async fn put_manifest(
    registry: &Arc<Registry>,
    name: &RepositoryName,
    manifest: usize,
    tags: &[usize],
) -> Result<(), Error> {
    let manifest = &GOODS.manifests[manifest];
    let mut tags = tags.iter().map(|tag| GOODS.tags[*tag].clone());
    let put = PutManifest {
        repository: name.clone(),
        reference: tags.next().map_or(Reference::Digest(manifest.digest), Reference::Tag),
        tags: tags.collect(),
        expected: None,
        content_type: None,
        bytes: manifest.bytes.clone(),
        precondition: None,
        may_overwrite: false,
        occasion: told(),
    };
    registry.put_manifest(put).await.map(drop)
}

/// Everything that is done is told.
fn told() -> Option<Arc<Occasion>> {
    Some(Arc::default())
}

fn ending(digest: Digest) -> Ending {
    Ending { digest, occasion: told() }
}

/// A body that arrives whole, in two pieces.
fn whole(bytes: Bytes) -> Append {
    let extent = Extent { range: None, length: Some(bytes.len() as u64) };
    Append { body: body(bytes, None), extent }
}

/// A body that says where it belongs.
fn ranged(bytes: Bytes, start: usize) -> Append {
    let range = start as u64..(start + bytes.len()) as u64;
    let extent = Extent { range: Some(range), length: Some(bytes.len() as u64) };
    Append { body: body(bytes, None), extent }
}

/// A body that breaks off behind these bytes.
fn broken(bytes: Bytes) -> Append {
    Append { body: body(bytes, Some(BrokenBody)), extent: Extent::default() }
}

fn body(mut bytes: Bytes, end: Option<BrokenBody>) -> BodyStream {
    let first = bytes.split_to(bytes.len() / 3);
    let pieces = [first, bytes].into_iter().filter(|piece| !piece.is_empty()).map(Ok);
    Box::pin(stream::iter(pieces.chain(end.map(Err)).collect::<Vec<_>>()))
}
