//! Sends spans to a collector, by OTLP over HTTP.
//!
//! They are made and queued by [`observe`](crate::observe), and lost rather than waited for: what a collector does not take in time is
//! given up and counted, while requests go on.

use std::time::{Duration, Instant};

use axum::http::{HeaderName, HeaderValue, Request, header};
use bytes::Bytes;
use futures_util::FutureExt;

use crate::observe::Spans;
use crate::observe::metrics::metrics;
use crate::outgoing::{Outgoing, OutgoingError};

/// The most spans of one request.
const BATCH: usize = 512;
/// How long spans are gathered for one request.
const GATHER: Duration = Duration::from_secs(1);
/// How often it is said that the collector still takes nothing.
const COMPLAIN_EVERY: Duration = Duration::from_secs(60);
/// How long the end waits for what is left to be sent, at the most.
const LAST: Duration = Duration::from_secs(1);

/// Where spans are sent, and how.
#[derive(Debug, Clone)]
pub struct Settings {
    pub endpoint: String,
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// How long a request may take.
    pub timeout: Duration,
}

/// Sends spans.
pub struct Sender {
    settings: Settings,
    spans: Spans,
    outgoing: Outgoing,
    /// When it was last said that it fails, if that was not taken back.
    complained: Option<Instant>,
}

impl Sender {
    pub fn new(settings: Settings, spans: Spans, outgoing: Outgoing) -> Self {
        Self { settings, spans, outgoing, complained: None }
    }

    /// Sends them until `stopped` resolves, and then what is left, for a moment.
    pub async fn run(mut self, stopped: impl Future<Output = ()>) {
        let stopped = stopped.shared();
        let over = async {
            stopped.clone().await;
            tokio::time::sleep(LAST).await;
        };
        tokio::select! {
            () = self.send_until(stopped.clone()) => {}
            // What could not be sent by then is lost with the process.
            () = over => {}
        }
    }

    async fn send_until(&mut self, stopped: impl Future<Output = ()> + Clone) {
        loop {
            tokio::select! {
                () = self.spans.gather(BATCH, GATHER) => {}
                () = stopped.clone() => break,
            }
            self.send().await;
        }
        loop {
            self.spans.gather_rest(BATCH);
            if self.send().await == 0 {
                return;
            }
        }
    }

    /// Sends what was gathered, once. Returns how many spans that were.
    async fn send(&mut self) -> usize {
        let (body, count) = self.spans.take();
        if count == 0 {
            return 0;
        }
        match self.hand_over(body.into()).await {
            Ok(()) => {
                metrics().spans_sent.inc_by(count as u64);
                if self.complained.take().is_some() {
                    tracing::info!("traces are sent again");
                }
            }
            Err(error) => {
                metrics().spans_lost.inc_by(count as u64);
                self.complain(&error);
            }
        }
        count
    }

    fn complain(&mut self, error: &OutgoingError) {
        if self.complained.is_none_or(|at| at.elapsed() >= COMPLAIN_EVERY) {
            self.complained = Some(Instant::now());
            tracing::warn!(%error, "traces cannot be sent, and are lost; see tracing.endpoint");
        }
    }

    async fn hand_over(&self, body: Bytes) -> Result<(), OutgoingError> {
        let Settings { endpoint, headers, timeout } = &self.settings;
        let mut request = Request::post(endpoint).header(header::CONTENT_TYPE, "application/x-protobuf");
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let malformed = |_| OutgoingError::Url(endpoint.clone());
        self.outgoing.hand_over(request.body(body).map_err(malformed)?, *timeout).await
    }
}
