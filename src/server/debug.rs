//! The debug listener's routes (`http.debug.addr`): is the process alive, is it ready for requests, and what has it counted.

use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::Readiness;
use crate::observe::metrics::{Exposition, Form};

/// Metrics, and where they are served.
#[derive(Debug, Clone)]
pub struct MetricsPage {
    /// Not the path of one of the probes.
    pub path: String,
    pub exposition: Arc<Exposition>,
}

/// `/debug/health` is distribution's path, `/livez` and `/readyz` Kubernetes' habit.
pub(super) fn router(readiness: Readiness, metrics: Option<MetricsPage>) -> Router {
    let health = readiness.clone();
    let router = Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(move || async move { ready(&readiness) }))
        .route("/debug/health", get(move || async move { healthy(&health) }));
    match metrics {
        Some(page) => router.fallback(get(move |uri: Uri, headers: HeaderMap| page.serve(uri, headers))),
        None => router,
    }
}

fn ready(readiness: &Readiness) -> Response {
    match readiness.is_ready() {
        true => "ok\n".into_response(),
        false => (StatusCode::SERVICE_UNAVAILABLE, "draining\n").into_response(),
    }
}

/// As distribution answers: an empty object, or one that names each check that failed.
fn healthy(readiness: &Readiness) -> Response {
    let json = [(header::CONTENT_TYPE, "application/json")];
    match readiness.is_ready() {
        true => (json, "{}").into_response(),
        false => {
            let body = r#"{"drain":"the server finishes what is under way and stops"}"#;
            (StatusCode::SERVICE_UNAVAILABLE, json, body).into_response()
        }
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
