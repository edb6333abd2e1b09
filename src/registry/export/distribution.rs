//! The folder tree of distribution, as an import reads it too.
//!
//! ```text
//! docker/registry/v2/
//!   blobs/<algorithm>/<first two digits>/<hex>/data             payloads, and the bytes of manifests
//!   repositories/<name>/
//!     _layers/<algorithm>/<hex>/link                            the blobs of the repository
//!     _manifests/revisions/<algorithm>/<hex>/link               its manifests
//!     _manifests/tags/<tag>/current/link                        where a tag points
//!     _manifests/tags/<tag>/index/<algorithm>/<hex>/link        where it has pointed, that included
//! ```

use std::path::{Path, PathBuf};

use crate::oci::{Algorithm, Digest, RepositoryName};
use crate::store::{Outlet, OutletError};

use super::shape::{Exported, Shape, repositories_below};

const REPOSITORIES: &str = "docker/registry/v2/repositories";

/// What lies in the folder of a repository, beside other repositories.
const INNER: [&str; 3] = ["_manifests", "_layers", "_uploads"];

pub(super) struct Distribution;

impl Shape for Distribution {
    fn objection(&self, _name: &RepositoryName, _above: &dyn Fn(&RepositoryName) -> bool) -> Option<String> {
        None
    }

    fn knows(&self, algorithm: Algorithm) -> bool {
        matches!(algorithm, Algorithm::Sha256 | Algorithm::Sha512)
    }

    fn payload(&self, _name: &RepositoryName, digest: &Digest) -> PathBuf {
        let hex = digest.hex();
        let shard = hex.get(..2).unwrap_or_default();
        let folder = Path::new("docker/registry/v2/blobs").join(digest.algorithm().as_str());
        folder.join(shard).join(&hex).join("data")
    }

    /// Its catalog lists repositories by either of these folders, as its version goes.
    fn begin(&self, outlet: &mut Outlet<'_>, name: &RepositoryName) -> Result<(), OutletError> {
        let repository = repository(name);
        outlet.create_folder(&repository.join("_layers"))?;
        outlet.create_folder(&repository.join("_manifests/revisions"))?;
        outlet.create_folder(&repository.join("_manifests/tags"))
    }

    fn link_blob(
        &self,
        outlet: &mut Outlet<'_>,
        name: &RepositoryName,
        digest: &Digest,
    ) -> Result<(), OutletError> {
        link(outlet, &in_folder(&repository(name).join("_layers"), digest), digest)
    }

    fn link_manifest(
        &self,
        outlet: &mut Outlet<'_>,
        name: &RepositoryName,
        digest: &Digest,
    ) -> Result<(), OutletError> {
        link(outlet, &in_folder(&revisions(name), digest), digest)
    }

    fn end(
        &self,
        outlet: &mut Outlet<'_>,
        name: &RepositoryName,
        exported: &Exported,
    ) -> Result<u64, OutletError> {
        let tags = repository(name).join("_manifests/tags");
        for (tag, digest) in &exported.tags {
            let tag = tags.join(tag.as_str());
            link(outlet, &in_folder(&tag.join("index"), digest), digest)?;
            link(outlet, &tag.join("current"), digest)?;
        }
        let is_tag = |found: &str| found.parse().is_ok_and(|tag| exported.tags.contains_key(&tag));
        let mut removed = remove_others(outlet, &tags, is_tag)?;
        for algorithm in Algorithm::ALL {
            let is_manifest = |hex: &str| {
                let digest = format!("{}:{hex}", algorithm.as_str()).parse();
                digest.is_ok_and(|digest| exported.manifests.contains_key(&digest))
            };
            removed += remove_others(outlet, &revisions(name).join(algorithm.as_str()), is_manifest)?;
        }
        Ok(removed)
    }

    fn repositories(&self, outlet: &Outlet<'_>) -> Result<Vec<RepositoryName>, OutletError> {
        repositories_below(outlet, REPOSITORIES, "_manifests", &INNER)
    }

    fn remove_repository(&self, outlet: &mut Outlet<'_>, name: &RepositoryName) -> Result<(), OutletError> {
        INNER.into_iter().try_for_each(|inner| outlet.remove_folder(&repository(name).join(inner)))
    }
}

fn repository(name: &RepositoryName) -> PathBuf {
    Path::new(REPOSITORIES).join(name.as_str())
}

fn revisions(name: &RepositoryName) -> PathBuf {
    repository(name).join("_manifests/revisions")
}

fn in_folder(folder: &Path, digest: &Digest) -> PathBuf {
    folder.join(digest.algorithm().as_str()).join(digest.hex())
}

fn link(outlet: &mut Outlet<'_>, folder: &Path, digest: &Digest) -> Result<(), OutletError> {
    outlet.write(digest.to_string().as_bytes(), &folder.join("link"))
}

fn remove_others(
    outlet: &mut Outlet<'_>,
    folder: &Path,
    stays: impl Fn(&str) -> bool,
) -> Result<u64, OutletError> {
    let mut removed = 0;
    for name in outlet.list(folder)?.iter().filter(|name| !stays(name)) {
        outlet.remove_folder(&folder.join(name))?;
        removed += 1;
    }
    Ok(removed)
}
