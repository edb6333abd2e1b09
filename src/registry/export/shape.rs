//! The shapes in which an export may lie in its folder.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::oci::{Algorithm, Digest, ManifestType, RepositoryName, Tag};
use crate::store::{Outlet, OutletError};

use super::distribution::Distribution;
use super::oci_layout::OciLayout;

/// What can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExportFormat {
    /// An OCI image layout a repository.
    #[default]
    Oci,
    /// The folder tree that distribution (registry:2, registry:3) serves.
    Distribution,
}

impl ExportFormat {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Oci => "oci",
            Self::Distribution => "distribution",
        }
    }

    pub(super) fn shape(self) -> &'static dyn Shape {
        match self {
            Self::Oci => &OciLayout,
            Self::Distribution => &Distribution,
        }
    }
}

/// What was exported of a repository.
#[derive(Debug, Default)]
pub(super) struct Exported {
    pub(super) tags: BTreeMap<Tag, Digest>,
    pub(super) manifests: BTreeMap<Digest, ExportedManifest>,
    /// Those that an index is made of.
    pub(super) children: HashSet<Digest>,
}

#[derive(Debug)]
pub(super) struct ExportedManifest {
    pub(super) media_type: ManifestType,
    /// In bytes.
    pub(super) size: u64,
    pub(super) artifact_type: Option<String>,
}

/// How an export lies in its folder. All paths are relative to that.
pub(super) trait Shape: Sync {
    /// Why a repository cannot be exported because another one is, `above` it; nothing if it can.
    fn objection(&self, name: &RepositoryName, above: &dyn Fn(&RepositoryName) -> bool) -> Option<String>;

    /// Whether whoever reads this knows digests of this kind.
    fn knows(&self, algorithm: Algorithm) -> bool;

    /// Where the bytes of a blob, or a manifest, of a repository lie.
    fn payload(&self, name: &RepositoryName, digest: &Digest) -> PathBuf;

    fn begin(&self, outlet: &mut Outlet<'_>, name: &RepositoryName) -> Result<(), OutletError>;

    /// Lets a repository there have a blob, whose bytes are there.
    fn link_blob(
        &self,
        outlet: &mut Outlet<'_>,
        name: &RepositoryName,
        digest: &Digest,
    ) -> Result<(), OutletError>;

    /// The same of a manifest.
    fn link_manifest(
        &self,
        outlet: &mut Outlet<'_>,
        name: &RepositoryName,
        digest: &Digest,
    ) -> Result<(), OutletError>;

    /// Names what was exported of a repository, and nothing else. Returns how much of an earlier export went.
    fn end(
        &self,
        outlet: &mut Outlet<'_>,
        name: &RepositoryName,
        exported: &Exported,
    ) -> Result<u64, OutletError>;

    /// The repositories of an earlier export.
    fn repositories(&self, outlet: &Outlet<'_>) -> Result<Vec<RepositoryName>, OutletError>;

    /// Removes one of these, but not those whose names begin with its name.
    fn remove_repository(&self, outlet: &mut Outlet<'_>, name: &RepositoryName) -> Result<(), OutletError>;
}

/// The repositories in the folders below `root`. Each has something of the name `sign` in it; what is named in `inner` is part of
/// one there, and leads to no other.
pub(super) fn repositories_below(
    outlet: &Outlet<'_>,
    root: &str,
    sign: &str,
    inner: &[&str],
) -> Result<Vec<RepositoryName>, OutletError> {
    let (mut found, mut left) = (Vec::new(), vec![String::new()]);
    while let Some(name) = left.pop() {
        let names = outlet.list(&PathBuf::from(root).join(&name))?;
        if names.iter().any(|name| name == sign) {
            found.extend(name.parse().ok());
        }
        let leads_on = |folder: &&String| name.is_empty() || !inner.contains(&folder.as_str());
        let folders = names.iter().filter(leads_on);
        let below =
            folders.map(|folder| if name.is_empty() { folder.clone() } else { format!("{name}/{folder}") });
        left.extend(below.filter(|name| name.len() <= RepositoryName::MAX_LEN));
    }
    Ok(found)
}
