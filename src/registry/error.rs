//! What can go wrong in a registry.

use std::io;

use super::quotas::Excess;
use crate::oci::{Digest, ManifestError, Reference, RepositoryName, Tag};
use crate::store::{Decline, MetadataError, NeedKind, PayloadError, PayloadId, WriteError, is_full};

/// Why an operation failed. Messages are for whoever asked, and say what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the repository {0} does not exist here")]
    RepositoryUnknown(RepositoryName),
    #[error("the repository {repository} has no blob {digest}")]
    BlobUnknown { repository: RepositoryName, digest: Digest },
    #[error("the repository {repository} has no manifest {reference}")]
    ManifestUnknown { repository: RepositoryName, reference: Reference },
    #[error("the upload {id} is not, or no longer, open in {repository}; begin a new one with POST")]
    UploadUnknown { repository: RepositoryName, id: PayloadId },
    #[error("another request is sending to this upload")]
    UploadBusy,
    #[error("the chunk begins at {first}, but the upload stands at {offset}; go on from there")]
    OutOfOrder { id: PayloadId, first: u64, offset: u64 },
    #[error("{announced} bytes were announced, {received} were received")]
    Size { announced: u64, received: u64 },
    #[error("the content has the digest {found}, not {expected}")]
    DigestMismatch { expected: Digest, found: Digest },
    #[error("the body broke off")]
    BodyBroken,
    #[error("no byte of the body arrived for too long")]
    Stalled,
    #[error("the server is stopping; what has arrived is kept")]
    Interrupted,
    #[error(transparent)]
    ManifestInvalid(#[from] ManifestError),
    #[error("the manifest is made of content that is not in the repository")]
    ChildrenMissing(Vec<Digest>),
    #[error("the URL {url} of the layer {digest} is not allowed by this registry's settings")]
    UrlNotAllowed { digest: Digest, url: String },
    #[error("{}", precondition(current.as_ref()))]
    PreconditionFailed { current: Option<Digest> },
    #[error("{}", still_needed(repository, *kind, digest, by))]
    StillNeeded { repository: RepositoryName, kind: NeedKind, digest: Digest, by: Vec<Digest> },
    #[error("the tag {tag} of {repository} is immutable and stays at {current}; push under another tag")]
    TagImmutable { repository: RepositoryName, tag: Tag, current: Digest },
    #[error("{0}")]
    QuotaExceeded(Excess),
    #[error("a blob may have {limit} bytes at the most (storage.uploads.maxsize)")]
    BlobTooLarge { limit: u64 },
    #[error("this registry is read-only for now (storage.maintenance.readonly); nothing was changed")]
    ReadOnly,
    #[error("deleting is switched off in this registry (storage.delete.enabled)")]
    DeleteDisabled,
    #[error("the server has more to do than it can; try again")]
    Busy,
    #[error("the server could not find out in time whether this has happened; try again")]
    OutcomeUnknown,
    #[error("the server cannot write any more and is about to stop; try again")]
    Stopped,
    #[error("the server's disk is full")]
    DiskFull,
    #[error("the content of {digest} is damaged; push it again")]
    Damaged { digest: Digest, source: PayloadError },
    #[error("an error of the server's disk")]
    Disk(#[source] io::Error),
    #[error("an error of the server's database")]
    Metadata(#[source] MetadataError),
    #[error("an error of the server's database")]
    Write(#[source] WriteError),
}

fn precondition(current: Option<&Digest>) -> String {
    match current {
        Some(digest) => format!("the reference has moved: it stands for {digest} now"),
        None => "the reference does not exist".to_owned(),
    }
}

fn still_needed(repository: &RepositoryName, kind: NeedKind, digest: &Digest, by: &[Digest]) -> String {
    let users: Vec<String> = by.iter().map(|user| format!("{repository}@{user}")).collect();
    let users = users.join(", ");
    match kind {
        NeedKind::Blob => {
            format!("the blob {digest} is still needed by {users}; delete those manifests first")
        }
        NeedKind::Manifest => format!(
            "the manifest {digest} is still needed by {users}; delete those first, or remove only a tag with \
             DELETE /v2/{repository}/manifests/<tag>"
        ),
    }
}

impl From<MetadataError> for Error {
    fn from(error: MetadataError) -> Self {
        Self::Metadata(error)
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        if is_full(&error) { Self::DiskFull } else { Self::Disk(error) }
    }
}

impl From<WriteError> for Error {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Busy => Self::Busy,
            WriteError::Full => Self::DiskFull,
            WriteError::Unknown => Self::OutcomeUnknown,
            WriteError::Stopped => Self::Stopped,
            WriteError::NotWritten(cause) => io::Error::from(cause.kind()).into(),
            WriteError::Metadata(_) => Self::Write(error),
        }
    }
}

impl From<Decline<Self>> for Error {
    fn from(decline: Decline<Self>) -> Self {
        match decline {
            Decline::Refused(error) => error,
            Decline::Failed(error) => error.into(),
        }
    }
}
