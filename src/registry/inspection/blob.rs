//! A blob.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::oci::{Digest, RepositoryName};
use crate::registry::dependents::{Dependents, Limits, dependents};
use crate::registry::{Dependent, Error, Registry, blocking};
use crate::store::BlobRow;

use super::NAMED;

/// A payload, and who needs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BlobReport {
    pub digest: Digest,
    /// In bytes.
    pub size: u64,
    /// Where it lies below the root: a path, or a place in the log.
    pub place: String,
    #[serde(rename = "damaged")]
    pub is_damaged: bool,
    /// Whether it was taken in by its size, and nobody has compared it with its digest yet.
    #[serde(rename = "unverified")]
    pub is_unverified: bool,
    /// Those that hold it.
    pub repositories: Vec<RepositoryName>,
    /// What is made of it, and the indexes that these are part of.
    pub manifests: Vec<Dependent>,
    /// Whether all are named who need it.
    #[serde(rename = "complete")]
    pub is_whole: bool,
}

impl Registry {
    /// What is known of a blob, whoever holds it; `None` if nobody does.
    pub async fn inspect_blob(self: &Arc<Self>, digest: Digest) -> Result<Option<BlobReport>, Error> {
        const LIMITS: Limits = Limits { repositories: NAMED, manifests: NAMED, tags: 16 };
        let registry = Arc::clone(self);
        blocking(move || {
            let tables = registry.store.read();
            let Some(row) = tables.blob(&digest)? else { return Ok(None) };
            let Dependents { repositories, manifests, is_whole } = dependents(&tables, &digest, LIMITS)?;
            let place = registry.store.describe_place(&digest, &row);
            let BlobRow { size, is_damaged, is_unverified, .. } = row;
            Ok(Some(BlobReport {
                digest,
                size,
                place,
                is_damaged,
                is_unverified,
                repositories,
                manifests,
                is_whole,
            }))
        })
        .await
    }
}
