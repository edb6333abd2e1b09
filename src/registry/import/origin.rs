//! Where an import takes things from: what all kinds of sources have in common.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::oci::{ChildKind, Digest, RepositoryName, Tag};
use crate::store::{Intake, IntakeError, Landed, Timestamp};

/// The largest manifest that is read, in bytes; distribution takes 4 MiB.
pub(super) const LARGEST_MANIFEST: u64 = 16 << 20;

/// Why a source cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    #[error(
        "{} holds no registry of distribution (docker/registry/v2/repositories) and no OCI image layout (index.json), and is \
         no archive of images; of a registry, name the folder that its storage.filesystem.rootdirectory names",
        .0.display()
    )]
    Nothing(PathBuf),
    #[error("{}: {error}", path.display())]
    Io { path: PathBuf, error: io::Error },
    #[error("{place}: {problem}")]
    Unreadable { place: String, problem: String },
    #[error(
        "{0:?} is no name that images can go to: with a layout or an archive, --repository names one repository, such as \
         team/app"
    )]
    Target(String),
    #[error(
        "{0} does not say which repository its images belong to: name one with --repository, such as --repository team/app"
    )]
    Unnamed(String),
}

/// Where an error has happened.
pub(super) fn at(path: &Path) -> impl Fn(io::Error) -> SourceError {
    move |error| SourceError::Io { path: path.to_owned(), error }
}

/// Why something in a source is not there.
#[derive(Debug)]
pub(super) enum Unread {
    /// It was deleted, or never was.
    Absent,
    /// It should be there, and this is wrong with it.
    Damaged(String),
    /// Nothing can be read any more.
    Lost(SourceError),
}

/// A tag, or whatever lies where tags do.
pub(super) struct FoundTag {
    pub(super) name: String,
    /// Where it points, and since when.
    pub(super) target: Result<(Tag, Digest, Timestamp), String>,
}

/// The bytes of a payload.
pub(super) struct FoundBlob {
    /// In bytes.
    pub(super) size: u64,
    /// The file that has them, where they lie in one; else the source hands them over ([`Origin::hand_over`]).
    pub(super) path: Option<PathBuf>,
}

/// Repositories as they are found, and what is none.
pub(super) type Names<'a> =
    Box<dyn Iterator<Item = Result<Result<RepositoryName, Unusable>, SourceError>> + 'a>;

/// Something that should be a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unusable {
    pub(super) repository: String,
    pub(super) reason: String,
}

impl Unusable {
    pub(super) fn misnamed(repository: String) -> Self {
        Self { repository, reason: "a repository cannot have this name here".to_owned() }
    }
}

/// Digests, and names that are none of one.
pub(super) type Digests = (Vec<Digest>, Vec<String>);

/// What refers to some manifests.
#[derive(Default)]
pub(super) struct Referrers {
    pub(super) found: Vec<Digest>,
    /// Those of which it could not be found out, and why.
    pub(super) failed: Vec<(Digest, String)>,
}

/// A source.
pub(super) trait Origin {
    /// What tells it from other sources, if it is a registry, which may be imported again: what an import has brought follows it
    /// then. Without, what comes is as if somebody had pushed it.
    fn followed(&self) -> Option<String>;

    /// How many payloads and manifests there are, whether or not anything refers to them; 0 if nobody knows.
    fn count_objects(&self) -> Result<u64, SourceError>;

    /// All repositories.
    fn repositories(&self) -> Names<'_>;

    /// Whether a repository has anything that it could serve.
    fn has_repository(&self, name: &RepositoryName) -> Result<bool, SourceError>;

    /// The tags of a repository.
    fn tags(&self, name: &RepositoryName) -> Result<Vec<FoundTag>, Unread>;

    /// The digests for which a repository may have a manifest, beside those that these lead to. Its tags point at `tagged`.
    fn revisions(&self, name: &RepositoryName, tagged: &[Digest]) -> Result<Digests, SourceError>;

    /// The same of its blobs.
    fn layers(&self, _name: &RepositoryName) -> Result<Digests, SourceError> {
        Ok((Vec::new(), Vec::new()))
    }

    /// Whether the source has to be asked what refers to a manifest, for it does not list it.
    fn hides_referrers(&self) -> bool {
        false
    }

    /// Manifests that refer to one of these.
    fn referrers(&self, _name: &RepositoryName, _subjects: &[Digest]) -> Result<Referrers, SourceError> {
        Ok(Referrers::default())
    }

    /// Since when a repository has a manifest, of which an index says that it is of this kind.
    fn revision(&self, name: &RepositoryName, digest: &Digest, kind: ChildKind) -> Result<Timestamp, Unread>;

    /// Whether a repository still has a manifest.
    fn has_manifest(&self, name: &RepositoryName, digest: &Digest) -> Result<bool, SourceError>;

    /// Since when a repository has a blob.
    fn layer(&self, _name: &RepositoryName, _digest: &Digest) -> Result<Timestamp, Unread> {
        Err(Unread::Absent)
    }

    /// Says that these manifests are about to be read.
    fn expect(&self, _name: &RepositoryName, _digests: &[Digest]) {}

    /// The bytes of a manifest.
    fn manifest(&self, name: &RepositoryName, digest: &Digest) -> Result<Vec<u8>, Unread>;

    /// The bytes of a payload. Where a manifest says that it has so many bytes, they need not be looked for.
    fn blob(&self, name: &RepositoryName, digest: &Digest, size: Option<u64>) -> Result<FoundBlob, Unread>;

    /// Brings payloads that lie in no file, verified and durable: each of them, or why not. Those that have come count, even if the source
    /// is lost meanwhile, which [`Origin::check`] tells.
    fn hand_over(
        &self,
        _intake: &Intake<'_>,
        _name: &RepositoryName,
        wanted: &[(Digest, u64)],
    ) -> Result<Vec<Result<Landed, String>>, IntakeError> {
        Ok(wanted.iter().map(|_| Err("it is missing".to_owned())).collect())
    }

    /// Whether the source was lost while payloads were brought.
    fn check(&self) -> Result<(), SourceError> {
        Ok(())
    }
}

/// Looks for the file of a payload.
pub(super) fn found_blob(path: PathBuf) -> Result<FoundBlob, Unread> {
    let found = fs::symlink_metadata(&path).map_err(|error| unread(&error))?;
    // A second name is to be one of the file.
    let (path, found) = match found.is_symlink() {
        true => {
            let path = path.canonicalize().map_err(|error| unread(&error))?;
            let found = fs::metadata(&path).map_err(|error| unread(&error))?;
            (path, found)
        }
        false => (path, found),
    };
    match found.is_file() {
        true => Ok(FoundBlob { size: found.len(), path: Some(path) }),
        false => Err(Unread::Damaged("its data is no file".to_owned())),
    }
}

/// Reads the file of a manifest, which should be there.
pub(super) fn read_manifest(path: &Path) -> Result<Vec<u8>, Unread> {
    let damaged = |error: io::Error| match is_absent(&error) {
        true => Unread::Damaged("its data is missing".to_owned()),
        false => unread(&error),
    };
    let (file, mut bytes) = (File::open(path).map_err(damaged)?, Vec::new());
    file.take(LARGEST_MANIFEST + 1).read_to_end(&mut bytes).map_err(damaged)?;
    match bytes.len() as u64 {
        0 => Err(Unread::Damaged("its data is empty".to_owned())),
        length if length > LARGEST_MANIFEST => {
            Err(Unread::Damaged(format!("it has more than {LARGEST_MANIFEST} bytes")))
        }
        _ => Ok(bytes),
    }
}

pub(super) fn unread(error: &io::Error) -> Unread {
    match is_absent(error) {
        true => Unread::Absent,
        false => Unread::Damaged(format!("it cannot be read: {error}")),
    }
}

pub(super) fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}
