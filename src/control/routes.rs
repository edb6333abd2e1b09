//! What a server can be asked for over its socket.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, post};
use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;

use crate::notifications::Source;
use crate::observe::metrics::Exposition;
use crate::registry::Registry;

use super::telling::Events;
use super::{changes, events, figures, inspection, lines, work};

/// What is at hand where tools ask.
#[derive(Clone)]
pub struct Desk {
    pub registry: Arc<Registry>,
    /// What events say of where they come from.
    pub source: Source,
    /// What the server's metrics are.
    pub exposition: Arc<Exposition>,
}

/// Each path takes what is wanted, as JSON, and answers [`Event`](super::Event)s, a line of JSON each: what is wanted is the second
/// parameter of the function that is named beside the path.
pub fn router(desk: Desk) -> Router {
    Router::new()
        .route("/gc", does(work::collect))
        .route("/retention", does(work::retain))
        .route("/scrub", does(work::scrub))
        .route("/check", does(work::check))
        .route("/backup", does(work::back_up))
        .route("/export", does(work::export))
        .route("/repositories", does(inspection::repositories))
        .route("/usage", does(inspection::usage))
        .route("/tags", does(inspection::tags))
        .route("/manifest", does(inspection::manifest))
        .route("/manifest/text", does(inspection::manifest_text))
        .route("/blob", does(inspection::blob))
        .route("/statistics", does(inspection::statistics))
        .route("/tags/removal", does(changes::remove_tags))
        .route("/repository/removal", does(changes::remove_repository))
        .route("/copy", does(changes::copy))
        .route("/events", post(events))
        .route("/figures", post(figures))
        .with_state(desk)
}

/// A path at which work is begun.
fn does<W, N, O>(begin: fn(Arc<Registry>, W) -> Events<N, O>) -> MethodRouter<Desk>
where
    W: DeserializeOwned + 'static,
    N: Serialize + Send + 'static,
    O: Serialize + Send + 'static,
{
    post(async move |State(desk): State<Desk>, body: Bytes| {
        answer(&body, |wanted| begin(desk.registry, wanted))
    })
}

async fn events(State(desk): State<Desk>, body: Bytes) -> Response {
    answer(&body, |wanted| events::tail(desk.registry, desk.source, wanted))
}

async fn figures(State(desk): State<Desk>, body: Bytes) -> Response {
    answer(&body, |wanted| figures::figures(desk.exposition, wanted))
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
