//! Events as lines of JSON, and back.

use axum::body::Body;
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;

use super::AskError;

/// The longest line that is understood, in bytes.
const LONGEST: usize = 1 << 20;

/// A body that says each event in a line, as it comes.
pub(super) fn body<E: Serialize + Send + 'static>(events: mpsc::Receiver<E>) -> Body {
    Body::from_stream(received(events).map(|event| {
        let mut line = serde_json::to_vec(&event)?;
        line.push(b'\n');
        Ok::<_, serde_json::Error>(Bytes::from(line))
    }))
}

fn received<E>(events: mpsc::Receiver<E>) -> impl Stream<Item = E> {
    stream::unfold(events, |mut events| async { events.recv().await.map(|event| (event, events)) })
}

/// Reads a body of lines, and hands on what they say until nobody takes it any more.
pub(super) async fn read<E: DeserializeOwned>(
    mut body: Incoming,
    events: mpsc::Sender<E>,
) -> Result<(), AskError> {
    let mut waiting = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        waiting.extend_from_slice(&data);
        while let Some(end) = waiting.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = waiting.drain(..=end).collect();
            let event = serde_json::from_slice(&line).map_err(std::io::Error::other)?;
            if events.send(event).await.is_err() {
                return Ok(());
            }
        }
        if waiting.len() > LONGEST {
            return Err(std::io::Error::other("a line without an end").into());
        }
    }
    Ok(())
}
