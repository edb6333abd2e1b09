//! Traces: requests, and the few steps of them that matter, as spans of OpenTelemetry.
//!
//! Off unless [`start`](super::start) is told otherwise, and then nothing is made of them. A span that has ended waits in a queue of
//! [`Spans`] for whoever sends it on; where the queue is full the span is lost, and counted: no request waits.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::http::StatusCode;
use opentelemetry::trace::{Status, TraceContextExt, TracerProvider};
use opentelemetry::{Context, KeyValue};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider, Span as SdkSpan, SpanData, SpanProcessor};
use prost::Message;
use tokio::sync::mpsc;
use tracing::{Metadata, Span, Subscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::Layer;
use tracing_subscriber::registry::LookupSpan;

use super::identifiers::TraceParent;
use super::metrics::metrics;

/// How many spans wait to be sent before new ones are lost; some hundred bytes each.
const CAPACITY: usize = 4_096;

static ARE_MADE: AtomicBool = AtomicBool::new(false);

/// Whether anything is traced.
pub(super) fn are_made() -> bool {
    ARE_MADE.load(Ordering::Relaxed)
}

/// The targets of the spans that are traced.
pub(super) const REQUEST: &str = "holdfast::request";
/// See [`step`].
pub const STEP: &str = "holdfast::step";

/// What is traced, and what is said of it.
#[derive(Debug, Clone, PartialEq)]
pub struct SpanSettings {
    /// The share of the requests that is traced, unless they are a part of a trace already; from 0 to 1.
    pub ratio: f64,
    /// What the traces call this registry.
    pub service: String,
    /// More attributes of it.
    pub attributes: BTreeMap<String, String>,
}

/// Spans that have ended, for who sends them on.
#[derive(Debug)]
pub struct Spans {
    ended: mpsc::Receiver<SpanData>,
    gathered: Vec<SpanData>,
    resource: ResourceAttributesWithSchema,
}

impl Spans {
    /// Waits for a span, and then gathers more for a while, up to `most`. What was gathered stays when nobody waits to the end.
    pub async fn gather(&mut self, most: usize, patience: Duration) {
        if self.gathered.is_empty() && self.ended.recv_many(&mut self.gathered, 1).await == 0 {
            // Nobody makes spans any more.
            std::future::pending::<()>().await;
        }
        let gathering = async {
            while let room @ 1.. = most.saturating_sub(self.gathered.len()) {
                self.ended.recv_many(&mut self.gathered, room).await;
            }
        };
        // Those that came before the time was over are there.
        let _ = tokio::time::timeout(patience, gathering).await;
    }

    /// Gathers what there is without waiting, up to `most`.
    pub fn gather_rest(&mut self, most: usize) {
        while self.gathered.len() < most
            && let Ok(span) = self.ended.try_recv()
        {
            self.gathered.push(span);
        }
    }

    /// What was gathered, as the body of an OTLP request (protobuf), and how many spans that are.
    pub fn take(&mut self) -> (Vec<u8>, usize) {
        let spans = std::mem::take(&mut self.gathered);
        let count = spans.len();
        let resource_spans = group_spans_by_resource_and_scope(spans, &self.resource);
        (ExportTraceServiceRequest { resource_spans }.encode_to_vec(), count)
    }
}

/// The layer that makes spans, and where those go that have ended.
pub(super) fn layer<S>(settings: &SpanSettings) -> (impl Layer<S> + Send + Sync, Spans)
where
    S: Subscriber + for<'lookup> LookupSpan<'lookup> + Send + Sync,
{
    let (queue, ended) = mpsc::channel(CAPACITY);
    let attributes =
        settings.attributes.iter().map(|(name, value)| KeyValue::new(name.clone(), value.clone()));
    let resource = Resource::builder_empty()
        .with_attributes(attributes)
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .with_attribute(KeyValue::new("service.name", settings.service.clone()))
        .build();
    let spans = Spans { ended, gathered: Vec::new(), resource: (&resource).into() };
    let provider = SdkTracerProvider::builder()
        .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(settings.ratio))))
        .with_resource(resource)
        .with_span_processor(Queue(queue))
        .build();
    let layer = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("holdfast"))
        .with_location(false)
        .with_threads(false)
        .with_level(false)
        .with_target(false)
        .with_tracked_inactivity(false)
        .with_filter(filter_fn(is_traced));
    ARE_MADE.store(true, Ordering::Relaxed);
    (layer, spans)
}

fn is_traced(metadata: &Metadata<'_>) -> bool {
    metadata.is_span() && (metadata.target() == REQUEST || metadata.target() == STEP)
}

/// Where spans go when they end.
#[derive(Debug)]
struct Queue(mpsc::Sender<SpanData>);

impl SpanProcessor for Queue {
    fn on_start(&self, _: &mut SdkSpan, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        if span.span_context.is_sampled() && self.0.try_send(span).is_err() {
            metrics().spans_lost.inc();
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// A step of whatever is under way, by its name: the span within which it is done. Where nothing is traced it costs nothing.
macro_rules! step {
    ($name:literal) => {
        tracing::trace_span!(target: $crate::observe::STEP, $name)
    };
}
pub(crate) use step;

/// The request of this span is a part of a trace.
pub(super) fn continue_trace(span: &Span, parent: &TraceParent) {
    if !are_made() {
        return;
    }
    // It fails where something has begun in the span already, which is not so.
    let _ = span.set_parent(Context::new().with_remote_span_context(parent.into()));
}

/// What is said of a request in its span when it is over.
pub(super) struct Ended<'a> {
    pub(super) method: &'a str,
    /// The path with the names of its parts in their place.
    pub(super) template: &'static str,
    pub(super) path: &'a str,
    pub(super) status: u16,
    pub(super) repository: Option<&'a str>,
    pub(super) received: u64,
    pub(super) sent: u64,
    pub(super) client: String,
    pub(super) user_agent: &'a str,
}

impl Ended<'_> {
    /// Says it, under the names of OpenTelemetry's semantic conventions for HTTP servers.
    pub(super) fn record(self, span: &Span) {
        let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        span.context().span().update_name(format!("{} {}", self.method, self.template));
        span.set_attribute("http.request.method", self.method.to_owned());
        span.set_attribute("http.route", self.template);
        span.set_attribute("url.path", self.path.to_owned());
        span.set_attribute("http.response.status_code", i64::from(self.status));
        span.set_attribute("http.request.body.size", number(self.received));
        span.set_attribute("http.response.body.size", number(self.sent));
        span.set_attribute("client.address", self.client);
        span.set_attribute("user_agent.original", self.user_agent.to_owned());
        if let Some(repository) = self.repository {
            span.set_attribute("holdfast.repository", repository.to_owned());
        }
        if self.status >= StatusCode::INTERNAL_SERVER_ERROR.as_u16() {
            span.set_status(Status::error(""));
        }
    }
}
