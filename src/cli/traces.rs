//! Where a running registry sends its traces, built from the configuration.

use axum::http::{HeaderName, HeaderValue};

use crate::config::Tracing;
use crate::observe::{SpanSettings, Spans};
use crate::outgoing::Outgoing;
use crate::traces::{Sender, Settings};

/// What is traced.
pub(super) fn span_settings(tracing: &Tracing) -> SpanSettings {
    SpanSettings {
        // The configuration lets nothing else pass.
        ratio: tracing.samplingratio.parse().unwrap_or(1.0),
        service: tracing.servicename.clone(),
        attributes: tracing.attributes.clone(),
    }
}

/// Who sends it, if anything is traced.
pub(super) fn sender(tracing: Option<&Tracing>, spans: Option<Spans>) -> Option<Sender> {
    let (tracing, spans) = tracing.zip(spans)?;
    // The configuration lets no other headers pass.
    let header = |(name, value): &(String, String)| {
        HeaderName::try_from(name.as_str()).ok().zip(HeaderValue::try_from(value.as_str()).ok())
    };
    let settings = Settings {
        endpoint: tracing.endpoint.clone(),
        headers: tracing.headers.iter().filter_map(header).collect(),
        timeout: tracing.timeout,
    };
    Some(Sender::new(settings, spans, Outgoing::default()))
}
