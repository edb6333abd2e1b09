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
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use crate::oci::{ChildKind, Digest, RepositoryName, Tag};
use crate::store::Timestamp;

use super::origin::{
    Digests, FoundBlob, FoundTag, Names, Origin, SourceError, Unread, Unusable, at, found_blob, is_absent,
    read_manifest, unread,
};

/// Where the tree lies below the folder that `storage.filesystem.rootdirectory` names.
const BELOW_ROOT: [&str; 4] = ["docker/registry/v2", "registry/v2", "v2", ""];

/// The tree.
pub(super) struct Tree {
    /// `…/docker/registry/v2`.
    root: PathBuf,
}

impl Tree {
    /// Finds the tree in a folder, or above what the folder is.
    pub(super) fn find(source: &Path) -> Option<Self> {
        let mut roots = BELOW_ROOT.iter().map(|below| source.join(below));
        roots.find(|root| root.join("repositories").is_dir()).map(|root| Self { root })
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

impl Origin for Tree {
    fn followed(&self) -> Option<String> {
        Some(self.root.display().to_string())
    }

    fn count_objects(&self) -> Result<u64, SourceError> {
        let mut count = 0;
        let blobs = self.root.join("blobs");
        for algorithm in list(&blobs)? {
            for shard in list(&blobs.join(&algorithm))? {
                count += list(&blobs.join(&algorithm).join(shard))?.len() as u64;
            }
        }
        Ok(count)
    }

    /// In the order of their names' parts.
    fn repositories(&self) -> Names<'_> {
        let root = self.root.join("repositories");
        Box::new(Repositories { root, left: vec![String::new()] })
    }

    fn has_repository(&self, name: &RepositoryName) -> Result<bool, SourceError> {
        let path = self.repository(name).join("_manifests");
        path.try_exists().map_err(at(&path))
    }

    fn tags(&self, name: &RepositoryName) -> Result<Vec<FoundTag>, Unread> {
        let folder = self.tags_folder(name);
        let names = list(&folder).map_err(Unread::Lost)?.into_iter();
        Ok(names.map(|tag| FoundTag { target: read_tag(&folder, &tag), name: tag }).collect())
    }

    fn revisions(&self, name: &RepositoryName, _tagged: &[Digest]) -> Result<Digests, SourceError> {
        list_digests(&self.repository(name).join("_manifests/revisions"))
    }

    fn layers(&self, name: &RepositoryName) -> Result<Digests, SourceError> {
        list_digests(&self.repository(name).join("_layers"))
    }

    fn revision(
        &self,
        name: &RepositoryName,
        digest: &Digest,
        _kind: ChildKind,
    ) -> Result<Timestamp, Unread> {
        read_link_to(&self.repository(name).join("_manifests/revisions"), digest)
    }

    fn has_manifest(&self, name: &RepositoryName, digest: &Digest) -> Result<bool, SourceError> {
        Ok(!matches!(self.revision(name, digest, ChildKind::Manifest), Err(Unread::Absent)))
    }

    fn layer(&self, name: &RepositoryName, digest: &Digest) -> Result<Timestamp, Unread> {
        read_link_to(&self.repository(name).join("_layers"), digest)
    }

    fn manifest(&self, _name: &RepositoryName, digest: &Digest) -> Result<Vec<u8>, Unread> {
        read_manifest(&self.data(digest))
    }

    fn blob(&self, _name: &RepositoryName, digest: &Digest, _size: Option<u64>) -> Result<FoundBlob, Unread> {
        found_blob(self.data(digest))
    }
}

/// Walks through the folders of repositories, which may lie in one another.
struct Repositories {
    root: PathBuf,
    /// What is still to be looked at, the next one last.
    left: Vec<String>,
}

impl Iterator for Repositories {
    /// A repository, or a name that is none of one.
    type Item = Result<Result<RepositoryName, Unusable>, SourceError>;

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
                return Some(Ok(name.parse().map_err(|_| Unusable::misnamed(name))));
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
        Err(Unread::Lost(error)) => Err(error.to_string()),
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
