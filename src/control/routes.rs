//! What a server can be asked for over its socket.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;

use crate::registry::Registry;

use super::{backing_up, collecting, lines};

/// `POST /gc` with a [`Gc`](super::Gc) answers [`Event`](super::Event)s, `POST /backup` with a [`Backup`](super::Backup)
/// [`BackupEvent`](super::BackupEvent)s.
pub fn router(registry: Arc<Registry>) -> Router {
    Router::new().route("/gc", post(collect)).route("/backup", post(back_up)).with_state(registry)
}

async fn collect(State(registry): State<Arc<Registry>>, body: Bytes) -> Response {
    answer(&body, |wanted| collecting::collect(registry, wanted))
}

async fn back_up(State(registry): State<Arc<Registry>>, body: Bytes) -> Response {
    answer(&body, |wanted| backing_up::back_up(registry, wanted))
}

/// Begins what a body asks for, and answers with what happens.
fn answer<Q: DeserializeOwned, E: Serialize + Send + 'static>(
    body: &[u8],
    begin: impl FnOnce(Q) -> mpsc::Receiver<E>,
) -> Response {
    match serde_json::from_slice(body) {
        Ok(wanted) => {
            ([(header::CONTENT_TYPE, "application/x-ndjson")], lines::body(begin(wanted))).into_response()
        }
        Err(error) => (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
    }
}
