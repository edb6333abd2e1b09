//! What a server can be asked for over its socket.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use bytes::Bytes;

use crate::registry::Registry;

use super::{collecting, lines};

/// `POST /gc` with a [`Gc`](super::Gc) answers [`Event`](super::Event)s.
pub fn router(registry: Arc<Registry>) -> Router {
    Router::new().route("/gc", post(collect)).with_state(registry)
}

async fn collect(State(registry): State<Arc<Registry>>, body: Bytes) -> Response {
    match serde_json::from_slice(&body) {
        Ok(wanted) => {
            let told = collecting::collect(registry, wanted);
            ([(header::CONTENT_TYPE, "application/x-ndjson")], lines::body(told)).into_response()
        }
        Err(error) => (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
    }
}
