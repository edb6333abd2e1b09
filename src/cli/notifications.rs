//! Whom a running registry tells of events, built from the configuration.

use std::sync::Arc;

use axum::http::{HeaderName, HeaderValue};
use uuid::Uuid;

use crate::config::{self, Config};
use crate::notifications::{Endpoint, Notifier, Settings, Source};
use crate::outgoing::Outgoing;
use crate::registry::{Error, Registry};
use crate::server::{self, Location};

/// Those whom the configuration names, told by this registry.
pub(super) async fn notifier(
    config: &Config,
    registry: &Arc<Registry>,
    source: Source,
) -> Result<Notifier, Error> {
    let notifications = &config.notifications;
    let settings = Settings {
        endpoints: notifications.endpoints.iter().map(endpoint).collect(),
        include_references: notifications.includereferences,
        source,
    };
    Notifier::new(Arc::clone(registry), settings, &Outgoing::default()).await
}

/// What events say of where they come from.
pub(super) fn source(at: &server::Endpoint) -> Source {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let addr = match &at.location {
        Location::Tcp(address) => format!("{host}:{}", address.port()),
        Location::Unix(_) => host,
    };
    Source { addr, instance_id: Uuid::new_v4().to_string() }
}

fn endpoint(endpoint: &config::NotifiedEndpoint) -> Endpoint {
    // The configuration lets no other headers pass.
    let header = |(name, value): &(String, String)| {
        HeaderName::try_from(name.as_str()).ok().zip(HeaderValue::try_from(value.as_str()).ok())
    };
    Endpoint {
        name: endpoint.name.clone(),
        url: endpoint.url.clone(),
        headers: endpoint.headers.iter().filter_map(header).collect(),
        timeout: endpoint.timeout,
        threshold: endpoint.threshold,
        backoff: endpoint.backoff,
        ignored_media_types: endpoint.ignoredmediatypes.iter().cloned().collect(),
        ignored_actions: endpoint.ignoredactions.iter().cloned().collect(),
    }
}
