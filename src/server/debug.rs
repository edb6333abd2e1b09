//! The debug listener's routes (`http.debug.addr`): is the process alive, is it ready for requests, and what has it counted.

use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::Readiness;
use crate::health::Health;
use crate::observe::metrics::{Exposition, Form};

/// Metrics, and where they are served.
#[derive(Debug, Clone)]
pub struct MetricsPage {
    /// Not the path of one of the probes.
    pub path: String,
    pub exposition: Arc<Exposition>,
}

/// What probes ask.
#[derive(Debug, Clone)]
pub(super) struct Probes {
    pub(super) readiness: Readiness,
    pub(super) health: Arc<Health>,
}

/// `/debug/health` is distribution's path, `/livez` and `/readyz` Kubernetes' habit.
pub(super) fn router(probes: Probes, metrics: Option<MetricsPage>) -> Router {
    let health = probes.clone();
    let router = Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(move || async move { probes.ready() }))
        .route("/debug/health", get(move || async move { health.healthy() }));
    match metrics {
        Some(page) => router.fallback(get(move |uri: Uri, headers: HeaderMap| page.serve(uri, headers))),
        None => router,
    }
}

impl Probes {
    fn ready(&self) -> Response {
        match (self.readiness.is_ready(), self.health.is_well()) {
            (true, true) => "ok\n".into_response(),
            (false, _) => (StatusCode::SERVICE_UNAVAILABLE, "draining\n").into_response(),
            (true, false) => (StatusCode::SERVICE_UNAVAILABLE, "a health check fails\n").into_response(),
        }
    }

    /// As distribution answers: an empty object, or one that names each check that failed.
    fn healthy(&self) -> Response {
        let mut problems = self.health.problems();
        if !self.readiness.is_ready() {
            problems.insert("drain", "the server finishes what is under way and stops".to_owned());
        }
        let status = if problems.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        let body = serde_json::json!(problems).to_string();
        (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
    }
}

impl MetricsPage {
    /// A configured path may have characters that mean something in a router's, so that it is compared here.
    async fn serve(self, uri: Uri, headers: HeaderMap) -> Response {
        if uri.path() != self.path {
            return StatusCode::NOT_FOUND.into_response();
        }
        let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
        let form = Form::accepted(accept.unwrap_or_default());
        let exposition = Arc::clone(&self.exposition);
        match tokio::task::spawn_blocking(move || exposition.text(form)).await {
            Ok(Ok(text)) => ([(header::CONTENT_TYPE, form.content_type())], text).into_response(),
            Ok(Err(_)) | Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        }
    }
}
