//! Tells endpoints of events, in distribution's form, over HTTP.
//!
//! Events wait in the store ([`registry`](crate::registry)), in one order. Each endpoint is told them one batch after another, and
//! a batch again until it was taken: at least once, and never out of order. Up to where each was told is kept every
//! second; after a crash it may be told the last second again, and can tell by an event's `id`.

mod delivery;
mod envelope;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::http::{HeaderName, HeaderValue};
use tokio::task::JoinSet;

use crate::outgoing::Outgoing;
use crate::registry::{Endpoints, Error, Registry};
use delivery::Delivery;
pub use envelope::{Source, event_as_json};

/// How often it is kept up to where endpoints were told, and pulls are put down.
const KEEP_EVERY: Duration = Duration::from_secs(1);

/// Whom events are told to, and how.
#[derive(Debug, Clone)]
pub struct Settings {
    pub endpoints: Vec<Endpoint>,
    /// Whether the event of a manifest has the descriptors of what the manifest is made of.
    pub include_references: bool,
    /// Where events come from, as they say themselves.
    pub source: Source,
}

/// Somebody who is told of events.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// What it goes by in the store: under another name it is another one.
    pub name: String,
    pub url: String,
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// How long a request may take.
    pub timeout: Duration,
    /// After how many failures in a row there is a pause before each request.
    pub threshold: usize,
    /// That pause.
    pub backoff: Duration,
    /// Media types whose events are not sent.
    pub ignored_media_types: BTreeSet<String>,
    /// Actions whose events are not sent.
    pub ignored_actions: BTreeSet<String>,
}

/// Tells everybody.
pub struct Notifier {
    registry: Arc<Registry>,
    /// Up to where each endpoint was told.
    told: BTreeMap<String, Arc<AtomicU64>>,
    deliveries: Vec<Delivery>,
}

impl Notifier {
    /// Begins where it was kept that each endpoint was told up to; with those who are new, at what happens next.
    pub async fn new(
        registry: Arc<Registry>,
        settings: Settings,
        outgoing: &Outgoing,
    ) -> Result<Self, Error> {
        let names = settings.endpoints.iter().map(|endpoint| endpoint.name.clone()).collect();
        let told = registry.name_endpoints(names).await?;
        let told: BTreeMap<String, Arc<AtomicU64>> =
            told.into_iter().map(|(name, number)| (name, Arc::new(AtomicU64::new(number)))).collect();
        let deliveries = settings.endpoints.into_iter().map(|endpoint| Delivery {
            registry: Arc::clone(&registry),
            told: told.get(&endpoint.name).cloned().unwrap_or_default(),
            outgoing: outgoing.clone(),
            source: settings.source.clone(),
            include_references: settings.include_references,
            endpoint,
        });
        Ok(Self { deliveries: deliveries.collect(), registry: Arc::clone(&registry), told })
    }

    /// Tells them until `stopped` resolves, and keeps then up to where they were told.
    pub async fn run(mut self, stopped: impl Future<Output = ()>) {
        let mut deliveries = JoinSet::new();
        for delivery in std::mem::take(&mut self.deliveries) {
            deliveries.spawn(delivery.run());
        }
        tokio::select! {
            () = self.keep_on() => {}
            () = stopped => {}
        }
        deliveries.shutdown().await;
        self.keep(&mut Endpoints::new()).await;
    }

    async fn keep_on(&self) {
        let mut kept = self.now();
        loop {
            tokio::time::sleep(KEEP_EVERY).await;
            self.keep(&mut kept).await;
        }
    }

    /// Puts down what pulls there were, and up to where everybody was told, if that is not what was `kept`.
    async fn keep(&self, kept: &mut Endpoints) {
        if let Err(error) = self.registry.record_pulls().await {
            tracing::warn!(%error, "pulls were not told of");
        }
        let now = self.now();
        if now == *kept {
            return;
        }
        match self.registry.keep_told(now.clone()).await {
            Ok(()) => *kept = now,
            // They will be told again what they were told already, if the server ends before this succeeds.
            Err(error) => {
                tracing::warn!(%error, "it could not be kept up to where endpoints were told of events");
            }
        }
    }

    fn now(&self) -> Endpoints {
        self.told.iter().map(|(name, told)| (name.clone(), told.load(Ordering::Acquire))).collect()
    }
}
