//! What repositories take.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::Sender;

use crate::oci::RepositoryName;
use crate::registry::pages::{Place, blobs_behind};
use crate::registry::{Error, Registry, blocking};
use crate::store::{MetadataError, Snapshot, UsageRow};

/// What a repository holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    pub repository: RepositoryName,
    pub tags: u64,
    pub manifests: u64,
    /// In bytes.
    pub manifest_bytes: u64,
    pub blobs: u64,
    /// Of blobs that no other repository holds: what would be gained without it.
    pub own_bytes: u64,
    /// Of blobs that others hold as well.
    pub shared_bytes: u64,
}

impl Registry {
    /// Tells what a repository takes, or each that has a manifest. Returns how many that were.
    pub async fn tell_usage(
        self: &Arc<Self>,
        repository: Option<RepositoryName>,
        listener: Sender<Usage>,
    ) -> Result<u64, Error> {
        if let Some(repository) = repository {
            // Nobody may listen any more.
            let _ = listener.send(self.usage(&repository).await?).await;
            return Ok(1);
        }
        let (mut count, mut last) = (0, String::new());
        loop {
            let names = self.page_of_repositories(last).await?;
            let Some(end) = names.last() else { return Ok(count) };
            last = end.to_string();
            for name in &names {
                let usage = match self.usage(name).await {
                    // It has gone meanwhile.
                    Err(Error::RepositoryUnknown(_)) => continue,
                    usage => usage?,
                };
                count += 1;
                if listener.send(usage).await.is_err() {
                    return Ok(count);
                }
            }
        }
    }

    /// What a repository takes.
    pub async fn usage(self: &Arc<Self>, repository: &RepositoryName) -> Result<Usage, Error> {
        self.expect_repository(repository)?;
        let (mut own_bytes, mut place) = (0, Some(Place::default()));
        while let Some(last) = place {
            let (registry, name) = (Arc::clone(self), repository.clone());
            let (bytes, next) = blocking(move || own_behind(&registry.store.read(), &name, &last)).await?;
            own_bytes += bytes;
            place = next;
        }
        let UsageRow { blobs, blob_bytes, manifests, manifest_bytes, tags } =
            self.store.read().usage(repository)?;
        let (repository, shared_bytes) = (repository.clone(), blob_bytes.saturating_sub(own_bytes));
        Ok(Usage { repository, tags, manifests, manifest_bytes, blobs, own_bytes, shared_bytes })
    }
}

/// Of the blobs of a page that nobody else holds, in bytes; and where the next page begins, if there is one.
fn own_behind(
    tables: &Snapshot,
    repository: &RepositoryName,
    place: &Place,
) -> Result<(u64, Option<Place>), MetadataError> {
    let (page, next) = blobs_behind(tables, repository, place)?;
    let mut bytes = 0;
    for digest in &page {
        if tables.holders(digest, 2)? == 1 {
            bytes += tables.blob(digest)?.map_or(0, |row| row.size);
        }
    }
    Ok((bytes, next))
}
