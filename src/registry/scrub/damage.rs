//! What a damaged payload breaks.

use std::sync::Arc;

use crate::oci::{Digest, RepositoryName};
use crate::registry::dependents::{Dependents, Limits, dependents};
use crate::registry::{Error, Registry, blocking};

use super::Damage;

/// How much is named of what a payload breaks.
const LIMITS: Limits = Limits { repositories: 16, manifests: 32, tags: 16 };

impl Registry {
    /// Finds out what a damaged payload breaks, as of the last commit.
    pub(super) async fn assess(
        self: &Arc<Self>,
        digest: Digest,
        size: u64,
        problem: String,
    ) -> Result<Damage, Error> {
        let registry = Arc::clone(self);
        let found = blocking(move || dependents(&registry.store.read(), &digest, LIMITS)).await?;
        let Dependents { repositories, manifests: broken, is_whole } = found;
        Ok(Damage { digest, size, problem, repositories, broken, is_whole })
    }
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
