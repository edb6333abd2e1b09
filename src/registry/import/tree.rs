//! The folder tree in which distribution (registry:2 and registry:3) keeps what it holds, as it lies on a file system.
//!
//! ```text
//! docker/registry/v2/
//!   blobs/<algorithm>/<first two digits>/<hex>/data             payloads, and the bytes of manifests
//!   repositories/<name>/
//!     _layers/<algorithm>/<hex>/link                            the blobs of the repository
//!     _manifests/revisions/<algorithm>/<hex>/link               its manifests
//!     _manifests/tags/<tag>/current/link                        where a tag points; beside it where it has pointed
//!     _uploads/<id>/                                            what has come in so far; nothing of it is read here
//! ```
//!
//! A link is a file that has a digest in it. Deleting something is removing its link; the folder that it lay in may stay. The
//! registry may go on meanwhile: what has gone since it was listed is taken for deleted.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use crate::oci::{Digest, RepositoryName, Tag};
use crate::store::Timestamp;

/// Where the tree lies below the folder that `storage.filesystem.rootdirectory` names.
const BELOW_ROOT: [&str; 4] = ["docker/registry/v2", "registry/v2", "v2", ""];
/// The largest manifest that is read, in bytes; distribution takes 4 MiB.
const LARGEST_MANIFEST: u64 = 16 << 20;

/// Why a source cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    #[error(
        "{} holds no registry of distribution: there is no docker/registry/v2/repositories in it; name the folder that \
         its storage.filesystem.rootdirectory names",
        .0.display()
    )]
    NoTree(PathBuf),
    #[error("{}: {error}", path.display())]
    Io { path: PathBuf, error: io::Error },
}

fn at(path: &Path) -> impl Fn(io::Error) -> SourceError {
    move |error| SourceError::Io { path: path.to_owned(), error }
}

/// The tree.
pub(super) struct Tree {
    /// `…/docker/registry/v2`.
    root: PathBuf,
}

/// Why something in the tree is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unread {
    /// It was deleted, or never was.
    Absent,
    /// It should be there, and this is wrong with it.
    Damaged(String),
}

/// A tag, or whatever lies where tags do.
pub(super) struct FoundTag {
    pub(super) name: String,
    /// Where it points, and since when.
    pub(super) target: Result<(Tag, Digest, Timestamp), String>,
}

/// The bytes of a payload.
pub(super) struct FoundBlob {
    pub(super) path: PathBuf,
    /// In bytes.
    pub(super) size: u64,
}

impl Tree {
    /// Finds the tree in a folder, or above what the folder is.
    pub(super) fn find(source: &Path) -> Result<Self, SourceError> {
        let source = std::path::absolute(source).map_err(at(source))?;
        let mut roots = BELOW_ROOT.iter().map(|below| source.join(below));
        let found = roots.find(|root| root.join("repositories").is_dir());
        found.map(|root| Self { root }).ok_or(SourceError::NoTree(source))
    }

    /// How many payloads and manifests there are, whether or not anything refers to them.
    pub(super) fn count_objects(&self) -> Result<u64, SourceError> {
        let mut count = 0;
        let blobs = self.root.join("blobs");
        for algorithm in list(&blobs)? {
            for shard in list(&blobs.join(&algorithm))? {
                count += list(&blobs.join(&algorithm).join(shard))?.len() as u64;
            }
        }
        Ok(count)
    }

    /// All repositories, in the order of their names' parts.
    pub(super) fn repositories(&self) -> Repositories {
        let root = self.root.join("repositories");
        Repositories { root, left: vec![String::new()] }
    }

    /// Whether a repository has anything that it could serve.
    pub(super) fn has_repository(&self, name: &RepositoryName) -> Result<bool, SourceError> {
        let path = self.repository(name).join("_manifests");
        path.try_exists().map_err(at(&path))
    }

    /// The tags of a repository.
    pub(super) fn tags(&self, name: &RepositoryName) -> Result<Vec<FoundTag>, SourceError> {
        let folder = self.tags_folder(name);
        let names = list(&folder)?.into_iter();
        Ok(names.map(|tag| FoundTag { target: read_tag(&folder, &tag), name: tag }).collect())
    }

    /// The digests for which there is a folder among a repository's manifests, and what is no digest.
    pub(super) fn revisions(&self, name: &RepositoryName) -> Result<(Vec<Digest>, Vec<String>), SourceError> {
        list_digests(&self.repository(name).join("_manifests/revisions"))
    }

    /// The same of its blobs.
    pub(super) fn layers(&self, name: &RepositoryName) -> Result<(Vec<Digest>, Vec<String>), SourceError> {
        list_digests(&self.repository(name).join("_layers"))
    }

    /// Since when a repository has a manifest.
    pub(super) fn revision(&self, name: &RepositoryName, digest: &Digest) -> Result<Timestamp, Unread> {
        read_link_to(&self.repository(name).join("_manifests/revisions"), digest)
    }

    /// Since when a repository has a blob.
    pub(super) fn layer(&self, name: &RepositoryName, digest: &Digest) -> Result<Timestamp, Unread> {
        read_link_to(&self.repository(name).join("_layers"), digest)
    }

    /// The bytes of a payload.
    pub(super) fn blob(&self, digest: &Digest) -> Result<FoundBlob, Unread> {
        let path = self.data(digest);
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
            true => Ok(FoundBlob { path, size: found.len() }),
            false => Err(Unread::Damaged("its data is no file".to_owned())),
        }
    }

    /// The bytes of a manifest.
    pub(super) fn manifest(&self, digest: &Digest) -> Result<Vec<u8>, Unread> {
        let file = File::open(self.data(digest)).map_err(|error| unread(&error))?;
        let mut bytes = Vec::new();
        file.take(LARGEST_MANIFEST + 1).read_to_end(&mut bytes).map_err(|error| unread(&error))?;
        match bytes.len() as u64 {
            0 => Err(Unread::Damaged("its data is empty".to_owned())),
            length if length > LARGEST_MANIFEST => {
                Err(Unread::Damaged(format!("it has more than {LARGEST_MANIFEST} bytes")))
            }
            _ => Ok(bytes),
        }
    }

    fn repository(&self, name: &RepositoryName) -> PathBuf {
        self.root.join("repositories").join(name.as_str())
    }

    fn tags_folder(&self, name: &RepositoryName) -> PathBuf {
        self.repository(name).join("_manifests/tags")
    }

    fn data(&self, digest: &Digest) -> PathBuf {
        let hex = digest.hex();
        let shard = hex.get(..2).unwrap_or_default();
        self.root.join("blobs").join(digest.algorithm().as_str()).join(shard).join(&hex).join("data")
    }
}

/// Walks through the folders of repositories, which may lie in one another.
pub(super) struct Repositories {
    root: PathBuf,
    /// What is still to be looked at, the next one last.
    left: Vec<String>,
}

impl Iterator for Repositories {
    /// A repository, or a name that is none of one.
    type Item = Result<Result<RepositoryName, String>, SourceError>;

    fn next(&mut self) -> Option<Self::Item> {
        while let Some(name) = self.left.pop() {
            let names = match list(&self.root.join(&name)) {
                Ok(names) => names,
                Err(error) => return Some(Err(error)),
            };
            let is_repository = names.iter().any(|name| matches!(name.as_str(), "_manifests" | "_layers"));
            // A link that leads back would lead on for ever.
            if name.len() <= RepositoryName::MAX_LEN {
                self.enter(&name, &names);
            }
            if is_repository {
                return Some(Ok(name.parse().map_err(|_| name)));
            }
        }
        None
    }
}

impl Repositories {
    fn enter(&mut self, above: &str, names: &[String]) {
        let folders = names.iter().rev().filter(|name| !name.starts_with('_'));
        for name in folders {
            let name = if above.is_empty() { name.clone() } else { format!("{above}/{name}") };
            if self.root.join(&name).is_dir() {
                self.left.push(name);
            }
        }
    }
}

/// The names in a folder, in order; none where there is no such folder. Names that are no text are none that distribution gives.
fn list(folder: &Path) -> Result<Vec<String>, SourceError> {
    let entries = match fs::read_dir(folder) {
        Err(error) if is_absent(&error) => return Ok(Vec::new()),
        other => other.map_err(at(folder))?,
    };
    let names = entries.map(|entry| Ok(entry.map_err(at(folder))?.file_name().into_string().ok()));
    let mut names: Vec<_> = names.filter_map(Result::transpose).collect::<Result<_, _>>()?;
    names.sort_unstable();
    Ok(names)
}

/// What lies in `<algorithm>/<hex>`.
fn list_digests(folder: &Path) -> Result<(Vec<Digest>, Vec<String>), SourceError> {
    let (mut digests, mut others) = (Vec::new(), Vec::new());
    for algorithm in list(folder)? {
        for hex in list(&folder.join(&algorithm))? {
            match format!("{algorithm}:{hex}").parse() {
                Ok(digest) => digests.push(digest),
                Err(_) => others.push(format!("{algorithm}:{hex}")),
            }
        }
    }
    Ok((digests, others))
}

fn read_tag(folder: &Path, name: &str) -> Result<(Tag, Digest, Timestamp), String> {
    let tag = name.parse().map_err(|_| "it is no name of a tag".to_owned())?;
    match read_link(&folder.join(name).join("current/link")) {
        Ok((digest, set)) => Ok((tag, digest, set)),
        Err(Unread::Absent) => Err("it points nowhere: its current/link is missing".to_owned()),
        Err(Unread::Damaged(problem)) => Err(problem),
    }
}

/// Reads a link whose folder says where it has to lead.
fn read_link_to(folder: &Path, digest: &Digest) -> Result<Timestamp, Unread> {
    let path = folder.join(digest.algorithm().as_str()).join(digest.hex()).join("link");
    match read_link(&path)? {
        (found, since) if found == *digest => Ok(since),
        (found, _) => Err(Unread::Damaged(format!("its link names {found}"))),
    }
}

fn read_link(path: &Path) -> Result<(Digest, Timestamp), Unread> {
    /// Longer than any digest.
    const LONGEST: u64 = 1_024;
    let file = File::open(path).map_err(|error| unread(&error))?;
    let modified = file.metadata().and_then(|metadata| metadata.modified());
    let modified = modified.ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
    let since = Timestamp(u64::try_from(modified.as_millis()).unwrap_or_default()).min(Timestamp::now());
    let mut text = String::new();
    file.take(LONGEST).read_to_string(&mut text).map_err(|error| unread(&error))?;
    match text.trim() {
        "" => Err(Unread::Damaged("its link is empty".to_owned())),
        text => match text.parse() {
            Ok(digest) => Ok((digest, since)),
            Err(error) => Err(Unread::Damaged(format!("its link has {text:?}: {error}"))),
        },
    }
}

fn unread(error: &io::Error) -> Unread {
    match is_absent(error) {
        true => Unread::Absent,
        false => Unread::Damaged(format!("it cannot be read: {error}")),
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}
