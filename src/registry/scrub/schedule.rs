//! Scrubbing by itself, now and then.

use std::sync::Arc;
use std::time::Duration;

use crate::registry::Registry;

use super::{Pass, ScrubReport};

impl Registry {
    /// Scrubs as the settings have it, for as long as somebody waits for it. How far it has come is not kept: after a
    /// restart it begins with the first payload.
    pub async fn scrub_on_schedule(self: Arc<Self>) {
        /// Before the first pass, so that a start is not held up by it.
        const START: Duration = Duration::from_secs(600);
        let settings = self.settings.scrub;
        if !settings.enabled {
            return;
        }
        tokio::time::sleep(settings.interval.min(START)).await;
        loop {
            log(&self.scrub_to_the_end(settings.rate).await);
            tokio::time::sleep(settings.interval).await;
        }
    }

    /// A pass that meets an error goes on later, behind the payload that it has looked at last.
    async fn scrub_to_the_end(self: &Arc<Self>, rate: u64) -> ScrubReport {
        const PAUSE: Duration = Duration::from_secs(60);
        let mut pass = Pass::new(self, rate, None);
        while let Err(error) = pass.run().await {
            tracing::warn!(%error, "scrubbing met an error; it goes on in a minute");
            tokio::time::sleep(PAUSE).await;
        }
        pass.report
    }
}

fn log(report: &ScrubReport) {
    let ScrubReport { payloads, bytes, damaged, restored, verified, unread } = *report;
    tracing::info!(
        payloads,
        bytes,
        damaged,
        restored,
        verified,
        unread,
        "read all payloads and compared them with their digests"
    );
}

/// When the registry verifies what lies at rest by itself, and how fast.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScrubSettings {
    pub enabled: bool,
    /// From the end of one pass to the beginning of the next.
    pub interval: Duration,
    /// How much is read at the most, in bytes a second; 0 is no bound.
    pub rate: u64,
}

impl Default for ScrubSettings {
    fn default() -> Self {
        Self { enabled: true, interval: Duration::from_secs(168 * 3_600), rate: 20 << 20 }
    }
}
