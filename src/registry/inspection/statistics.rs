//! Figures of the whole registry.

use std::sync::Arc;
use std::time::Instant;

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::Sender;

use crate::oci::Digest;
use crate::registry::pages::PAGE;
use crate::registry::{Error, Registry, blocking};
use crate::store::{Counts, Figures, MetadataError};

/// How much there is of everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Statistics {
    /// Those that have a manifest.
    pub repositories: u64,
    pub tags: u64,
    /// Each once, however many repositories hold it.
    pub manifests: u64,
    /// Each once as well.
    pub blobs: u64,
    /// Of all blobs.
    pub blob_bytes: u64,
    pub damaged_blobs: u64,
    /// Upload sessions that are open.
    pub uploads: u64,
    /// What is taken on the disk beside the blobs, and how large that is, in bytes.
    pub disk: Figures,
    /// How long it took to find out.
    pub milliseconds: u64,
}

impl Registry {
    /// Counts. Tells how many blobs it has looked at so far, and ends when nobody listens any more.
    pub async fn statistics(self: &Arc<Self>, listener: Sender<u64>) -> Result<Statistics, Error> {
        let began = Instant::now();
        let damaged_blobs = self.count_damaged_blobs(listener).await?;
        let registry = Arc::clone(self);
        let (totals, disk) =
            blocking(move || Ok::<_, Error>((registry.store.read().counts()?, registry.store.figures()?)))
                .await?;
        let Counts { repositories, tags, manifests, blobs, payload_bytes: blob_bytes, .. } = totals;
        Ok(Statistics {
            repositories,
            tags,
            manifests,
            blobs,
            blob_bytes,
            damaged_blobs,
            uploads: self.uploads.count() as u64,
            disk,
            milliseconds: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
        })
    }

    async fn count_damaged_blobs(self: &Arc<Self>, listener: Sender<u64>) -> Result<u64, MetadataError> {
        let (mut looked, mut damaged, mut last): (u64, u64, Option<Digest>) = (0, 0, None);
        loop {
            let registry = Arc::clone(self);
            let page = blocking(move || {
                let tables = registry.store.read();
                let page = tables.payloads_after(last.as_ref(), PAGE)?;
                let mut damaged = 0;
                for digest in &page {
                    damaged += u64::from(!tables.is_sound(digest)?);
                }
                Ok::<_, MetadataError>((page, damaged))
            });
            let (page, damaged_on_page) = page.await?;
            looked += page.len() as u64;
            damaged += damaged_on_page;
            last = page.last().copied();
            if last.is_none() || listener.send(looked).await.is_err() {
                return Ok(damaged);
            }
        }
    }
}
