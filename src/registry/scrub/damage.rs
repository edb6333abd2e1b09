//! What a damaged payload breaks.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::oci::{Digest, RepositoryName};
use crate::registry::{Error, Registry, blocking};
use crate::store::{MetadataError, NeedKind, Snapshot};

use super::{BrokenManifest, Damage};

/// How many repositories, manifests and tags of each are named.
const REPOSITORIES: usize = 16;
const MANIFESTS: usize = 32;
const TAGS: usize = 16;

impl Registry {
    /// Finds out what a damaged payload breaks, as of the last commit.
    pub(super) async fn assess(
        self: &Arc<Self>,
        digest: Digest,
        size: u64,
        problem: String,
    ) -> Result<Damage, Error> {
        let registry = Arc::clone(self);
        let assessed = blocking(move || {
            let tables = registry.store.read();
            let mut repositories = tables.repositories_of(&digest, REPOSITORIES + 1)?;
            let mut is_whole = repositories.len() <= REPOSITORIES;
            repositories.truncate(REPOSITORIES);
            let mut broken = Vec::new();
            for repository in &repositories {
                is_whole &= add_broken(&tables, repository, digest, &mut broken)?;
            }
            Ok(Damage { digest, size, problem, repositories, broken, is_whole })
        });
        assessed.await
    }
}

/// Adds the manifests of a repository that are made of the blob, and the indexes that these are part of. `false` if these are too
/// many.
fn add_broken(
    tables: &Snapshot,
    repository: &RepositoryName,
    blob: Digest,
    broken: &mut Vec<BrokenManifest>,
) -> Result<bool, MetadataError> {
    let limit = MANIFESTS + 1;
    let mut found = tables.needed_by(repository, NeedKind::Blob, &blob, limit)?;
    let mut next: VecDeque<_> = found.iter().copied().collect();
    while let Some(manifest) = next.pop_front() {
        if broken.len() == MANIFESTS {
            return Ok(false);
        }
        let tags = tables.tags_of(repository, &manifest, TAGS)?;
        broken.push(BrokenManifest { repository: repository.clone(), manifest, tags });
        for index in tables.needed_by(repository, NeedKind::Manifest, &manifest, limit)? {
            if !found.contains(&index) {
                found.push(index);
                next.push_back(index);
            }
        }
    }
    Ok(true)
}

impl Damage {
    pub(super) fn log(&self) {
        let Self { digest, size, problem, .. } = self;
        let repositories: Vec<_> = self.repositories.iter().map(RepositoryName::as_str).collect();
        let repositories = repositories.join(", ");
        let images: Vec<_> = self.broken.iter().map(ToString::to_string).collect();
        let images = images.join(", ");
        tracing::error!(
            %digest, size, problem, repositories, images,
            "a payload is damaged, and not served until it is pushed again; holdfast scrub says what it breaks"
        );
    }
}
