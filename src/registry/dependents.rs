//! Who needs a blob.

use std::collections::VecDeque;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::oci::{Digest, RepositoryName, Tag};
use crate::store::{MetadataError, NeedKind, Snapshot};

/// A manifest that a blob is part of, or an index that has such a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dependent {
    pub repository: RepositoryName,
    pub manifest: Digest,
    /// The first of those that point at it.
    pub tags: Vec<Tag>,
}

/// As whoever pulls it calls it: by its first tag, or by its digest if it has none.
impl fmt::Display for Dependent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { repository, manifest, tags } = self;
        match tags.first() {
            Some(tag) => write!(f, "{repository}:{tag}"),
            None => write!(f, "{repository}@{manifest}"),
        }
    }
}

/// Those who hold a blob, and what cannot be pulled without it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Dependents {
    pub(super) repositories: Vec<RepositoryName>,
    pub(super) manifests: Vec<Dependent>,
    /// Whether these are all; if not they are the first.
    pub(super) is_whole: bool,
}

/// How many are named.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) repositories: usize,
    pub(super) manifests: usize,
    /// Of each manifest.
    pub(super) tags: usize,
}

/// Finds those who need a blob.
pub(super) fn dependents(
    tables: &Snapshot,
    blob: &Digest,
    limits: Limits,
) -> Result<Dependents, MetadataError> {
    let mut repositories = tables.repositories_of(blob, limits.repositories + 1)?;
    let is_whole = repositories.len() <= limits.repositories;
    repositories.truncate(limits.repositories);
    let mut found = Dependents { repositories, manifests: Vec::new(), is_whole };
    for repository in found.repositories.clone() {
        found.is_whole &= add_manifests(tables, &repository, blob, limits, &mut found.manifests)?;
    }
    Ok(found)
}

/// Adds the manifests of a repository that are made of the blob, and the indexes that these are part of. `false` if these are too
/// many.
fn add_manifests(
    tables: &Snapshot,
    repository: &RepositoryName,
    blob: &Digest,
    limits: Limits,
    manifests: &mut Vec<Dependent>,
) -> Result<bool, MetadataError> {
    let limit = limits.manifests + 1;
    let mut found = tables.needed_by(repository, NeedKind::Blob, blob, limit)?;
    let mut next: VecDeque<_> = found.iter().copied().collect();
    while let Some(manifest) = next.pop_front() {
        if manifests.len() == limits.manifests {
            return Ok(false);
        }
        let tags = tables.tags_of(repository, &manifest, limits.tags)?;
        manifests.push(Dependent { repository: repository.clone(), manifest, tags });
        for index in tables.needed_by(repository, NeedKind::Manifest, &manifest, limit)? {
            if !found.contains(&index) {
                found.push(index);
                next.push_back(index);
            }
        }
    }
    Ok(true)
}
