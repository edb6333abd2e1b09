//! The debug listener's routes (`http.debug.addr`): is the process alive, is it ready for requests.

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::Readiness;

/// `/debug/health` is distribution's path, `/livez` and `/readyz` Kubernetes' habit.
pub(super) fn router(readiness: Readiness) -> Router {
    let health = readiness.clone();
    Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(move || async move { ready(&readiness) }))
        .route("/debug/health", get(move || async move { healthy(&health) }))
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
