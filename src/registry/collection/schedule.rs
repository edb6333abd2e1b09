//! Collection by itself, now and then.

use std::sync::Arc;
use std::time::Duration;

use crate::registry::{Error, Registry};

use super::{Collection, Report};

impl Registry {
    /// Collects and purges as the settings have it, for as long as somebody waits for it.
    pub async fn collect_on_schedule(self: Arc<Self>) {
        tokio::join!(self.collect_now_and_then(), self.purge_now_and_then());
    }

    async fn collect_now_and_then(self: &Arc<Self>) {
        let settings = self.settings.collection;
        if !settings.enabled {
            return;
        }
        // Before the leases that nobody remembers have ended there is nothing to collect.
        tokio::time::sleep(self.store.leases().duration()).await;
        loop {
            tokio::time::sleep(settings.interval).await;
            let wanted = Collection {
                grace: settings.grace,
                delete_untagged: settings.delete_untagged,
                dry_run: false,
                is_at_ease: true,
            };
            match self.collect(wanted, None).await {
                Ok(report) => log(&report),
                Err(error) => log_failure(&error),
            }
        }
    }

    async fn purge_now_and_then(self: &Arc<Self>) {
        let settings = self.settings.purging;
        if !settings.enabled {
            return;
        }
        loop {
            tokio::time::sleep(settings.interval).await;
            match self.purge_uploads(settings.age, settings.dry_run).await {
                Ok(purged) if purged.is_empty() => {}
                Ok(purged) => {
                    let (uploads, dry_run) = (purged.len(), settings.dry_run);
                    tracing::info!(uploads, dry_run, "purged uploads that nobody went on with");
                }
                Err(error) => log_failure(&error),
            }
        }
    }
}

fn log(report: &Report) {
    let Report { manifests, blobs, uploads, bytes, young, vouched, uploading, .. } = *report;
    match report.removed() {
        0 => tracing::debug!(young, vouched, uploading, "collected, and found nothing to remove"),
        _ => tracing::info!(
            manifests,
            blobs,
            uploads,
            bytes,
            young,
            vouched,
            uploading,
            "collected what nothing refers to"
        ),
    }
}

fn log_failure(error: &Error) {
    /// Said once a pass at the most, and a pass is rare.
    const AGAIN: &str = "the rest is left for the next time";
    tracing::warn!(%error, "collecting met an error; {AGAIN}");
}

/// When the registry collects by itself, and what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CollectionSettings {
    pub enabled: bool,
    /// From the end of one pass to the beginning of the next.
    pub interval: Duration,
    pub grace: Duration,
    pub delete_untagged: bool,
}

impl Default for CollectionSettings {
    fn default() -> Self {
        const HOUR: Duration = Duration::from_secs(3_600);
        Self { enabled: true, interval: HOUR, grace: 24 * HOUR, delete_untagged: false }
    }
}

/// When uploads are purged that nobody goes on with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PurgingSettings {
    pub enabled: bool,
    /// For how long nobody has gone on with them.
    pub age: Duration,
    pub interval: Duration,
    /// Nothing is removed; the log says how much would be.
    pub dry_run: bool,
}

impl Default for PurgingSettings {
    fn default() -> Self {
        const HOUR: Duration = Duration::from_secs(3_600);
        Self { enabled: true, age: 168 * HOUR, interval: 24 * HOUR, dry_run: false }
    }
}
