//! Retention by itself, now and then.

use std::sync::Arc;
use std::time::Duration;

use crate::registry::Registry;

use super::{Retention, RetentionReport};

/// How often it is put down what was pulled.
const RECORD_EVERY: Duration = Duration::from_secs(60);

impl Registry {
    /// Keeps account of pulls, and removes what no rule keeps, as the settings have it, for as long as somebody waits for it.
    pub async fn retain_on_schedule(self: Arc<Self>) {
        tokio::join!(self.record_uses_now_and_then(), self.retain_now_and_then());
    }

    async fn record_uses_now_and_then(self: &Arc<Self>) {
        if !self.settings.retention.counts_pulls() {
            return;
        }
        loop {
            tokio::time::sleep(RECORD_EVERY).await;
            if let Err(error) = self.record_uses().await {
                tracing::warn!(%error, "it was not put down which images were pulled");
            }
        }
    }

    async fn retain_now_and_then(self: &Arc<Self>) {
        let settings = &self.settings.retention;
        let Some(interval) = settings.interval.filter(|_| !settings.rules.is_empty()) else {
            return;
        };
        loop {
            tokio::time::sleep(interval).await;
            match self.retain(Retention::default(), None).await {
                Ok(RetentionReport { removed: 0, tags, .. }) => {
                    tracing::debug!(
                        tags,
                        "looked at all tags that a retention rule is about: all of them stay"
                    );
                }
                Ok(RetentionReport { repositories, tags, removed, images }) => {
                    tracing::info!(
                        repositories,
                        tags,
                        removed,
                        images,
                        "removed tags that no retention rule keeps"
                    );
                }
                Err(error) => {
                    tracing::warn!(%error, "retention met an error; the rest is left for the next time");
                }
            }
        }
    }
}
