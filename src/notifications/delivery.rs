//! Tells one endpoint.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::http::{Request, header};
use bytes::Bytes;
use serde_json::value::RawValue;

use crate::observe::metrics::metrics;
use crate::oci::Reference;
use crate::outgoing::{Outgoing, OutgoingError};
use crate::registry::{Error, Registry};
use crate::store::EventRow;

use super::Endpoint;
use super::envelope::{Envelope, Event, MEDIA_TYPE, Source, references};

/// The most events of one request.
const BATCH: usize = 32;
/// How long until it is looked for events although nobody said that there are any.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// The pause after a failure before there were too many of them.
const SHORT_PAUSE: Duration = Duration::from_millis(50);
/// How often it is said that an endpoint still cannot be told.
const COMPLAIN_EVERY: Duration = Duration::from_secs(60);

/// Events, and up to where they go.
type Batch = Vec<(u64, EventRow)>;

/// One endpoint, and up to where it was told.
pub(super) struct Delivery {
    pub(super) registry: Arc<Registry>,
    pub(super) endpoint: Endpoint,
    pub(super) told: Arc<AtomicU64>,
    pub(super) outgoing: Outgoing,
    pub(super) source: Source,
    pub(super) include_references: bool,
}

impl Delivery {
    /// Tells it for good.
    pub(super) async fn run(self) {
        loop {
            let recorded = self.registry.events_recorded();
            match self.next() {
                Ok(batch) if !batch.is_empty() => self.tell(batch).await,
                Ok(_) => _ = tokio::time::timeout(LOOK_EVERY, recorded).await,
                Err(error) => {
                    tracing::error!(%error, "events could not be read");
                    tokio::time::sleep(LOOK_EVERY).await;
                }
            }
        }
    }

    fn next(&self) -> Result<Batch, Error> {
        self.registry.events_after(self.told.load(Ordering::Acquire), BATCH)
    }

    /// Tells a batch until it was taken.
    async fn tell(&self, batch: Batch) {
        let Some((last, _)) = batch.last() else {
            return;
        };
        let last = *last;
        self.note_gap(&batch);
        let wanted: Vec<&EventRow> =
            batch.iter().map(|(_, event)| event).filter(|event| self.is_wanted(event)).collect();
        if !wanted.is_empty() {
            self.send_until_taken(self.envelope(&wanted)).await;
            metrics().events_sent.inc_by(wanted.len() as u64);
        }
        self.told.store(last, Ordering::Release);
    }

    /// Numbers go up by one: what is missing before a batch was forgotten, for there was too much of it.
    fn note_gap(&self, batch: &Batch) {
        let next = self.told.load(Ordering::Acquire) + 1;
        let lost = batch.first().map_or(0, |(first, _)| first.saturating_sub(next));
        if lost > 0 {
            metrics().events_lost.inc_by(lost);
            let endpoint = &self.endpoint.name;
            tracing::error!(
                endpoint,
                lost,
                "events were lost: more of them waited than notifications.backlog allows"
            );
        }
    }

    fn is_wanted(&self, event: &EventRow) -> bool {
        let Endpoint { ignored_actions, ignored_media_types, .. } = &self.endpoint;
        let is_of_ignored_type =
            event.media_type.as_ref().is_some_and(|media_type| ignored_media_types.contains(media_type));
        !is_of_ignored_type && !ignored_actions.contains(event.action.as_str())
    }

    fn envelope(&self, events: &[&EventRow]) -> Bytes {
        let events = events.iter().map(|event| Event::new(event, self.references(event), &self.source));
        let envelope = Envelope { events: events.collect() };
        serde_json::to_vec(&envelope).expect("documents of text and numbers can always be written").into()
    }

    /// What the event's manifest is made of, where that is wanted and the manifest is still there.
    fn references(&self, event: &EventRow) -> Vec<Box<RawValue>> {
        match event.digest {
            Some(digest) if self.include_references => {
                let manifest = self.registry.read_manifest(&event.repository, &Reference::Digest(digest));
                manifest.map(|(_, bytes)| references(&bytes)).unwrap_or_default()
            }
            _ => Vec::new(),
        }
    }

    async fn send_until_taken(&self, envelope: Bytes) {
        let (mut failures, mut complained) = (0, None::<Instant>);
        while let Err(error) = self.send(envelope.clone()).await {
            failures += 1;
            metrics().event_failures.inc();
            if complained.is_none_or(|at| at.elapsed() >= COMPLAIN_EVERY) {
                self.complain(failures, &error);
                complained = Some(Instant::now());
            }
            let is_bad = failures >= self.endpoint.threshold;
            tokio::time::sleep(if is_bad { self.endpoint.backoff } else { SHORT_PAUSE }).await;
        }
        if failures > 0 {
            tracing::info!(endpoint = self.endpoint.name, failures, "the endpoint is told of events again");
        }
    }

    fn complain(&self, failures: usize, error: &OutgoingError) {
        let waiting = self.registry.lag(self.told.load(Ordering::Acquire)).unwrap_or_default().events;
        let endpoint = &self.endpoint.name;
        tracing::warn!(endpoint, failures, waiting, %error, "an endpoint could not be told of events; they are kept");
    }

    async fn send(&self, envelope: Bytes) -> Result<(), OutgoingError> {
        let mut request = Request::post(&self.endpoint.url).header(header::CONTENT_TYPE, MEDIA_TYPE);
        for (name, value) in &self.endpoint.headers {
            request = request.header(name, value);
        }
        let malformed = |_| OutgoingError::Url(self.endpoint.name.clone());
        self.outgoing.hand_over(request.body(envelope).map_err(malformed)?, self.endpoint.timeout).await
    }
}
