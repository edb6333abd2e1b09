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

use super::{backing_up, checking, collecting, lines, scrubbing};

/// Each path takes what is wanted and answers events: `POST /gc` a [`Gc`](super::Gc) and [`Event`](super::Event)s, `POST /scrub` a
/// [`Scrub`](scrubbing::Scrub) and [`scrubbing::Event`]s, `POST /check` a [`Check`](checking::Check) and [`checking::Event`]s,
/// `POST /backup` a [`Backup`](super::Backup) and [`BackupEvent`](super::BackupEvent)s.
pub fn router(registry: Arc<Registry>) -> Router {
    Router::new()
        .route("/gc", post(collect))
        .route("/scrub", post(scrub))
        .route("/check", post(check))
        .route("/backup", post(back_up))
        .with_state(registry)
}

async fn collect(State(registry): State<Arc<Registry>>, body: Bytes) -> Response {
    answer(&body, |wanted| collecting::collect(registry, wanted))
}

async fn scrub(State(registry): State<Arc<Registry>>, body: Bytes) -> Response {
    answer(&body, |wanted| scrubbing::scrub(&registry, wanted))
}

async fn check(State(registry): State<Arc<Registry>>, body: Bytes) -> Response {
    answer(&body, |wanted| checking::check(&registry, wanted))
}

async fn back_up(State(registry): State<Arc<Registry>>, body: Bytes) -> Response {
    answer(&body, |wanted| backing_up::back_up(registry, wanted))
}

/// Does what is wanted, and answers what happens.
fn answer<W: DeserializeOwned, E: Serialize + Send + 'static>(
    body: &[u8],
    act: impl FnOnce(W) -> mpsc::Receiver<E>,
) -> Response {
    match serde_json::from_slice(body) {
        Ok(wanted) => {
            ([(header::CONTENT_TYPE, "application/x-ndjson")], lines::body(act(wanted))).into_response()
        }
        Err(error) => (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
    }
}
