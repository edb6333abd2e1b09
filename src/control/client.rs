//! Asking a running server.

use std::io::{self, ErrorKind};
use std::path::Path;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper::{Request, Response, body::Incoming, header};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;

use super::lines;

/// Why a server could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    #[error(
        "the server of this store cannot be reached over {path}: {error}; run this as the user who runs the server"
    )]
    Connect { path: String, error: io::Error },
    #[error("the server of this store broke off: {0}; see its log")]
    Broken(#[from] hyper::Error),
    #[error("the server of this store answered {status}: {text}; it may be of another version")]
    Refused { status: u16, text: String },
    #[error("what the server of this store says cannot be read: {0}; it may be of another version")]
    Unreadable(#[from] io::Error),
}

/// Asks the server that listens on `socket`, and hands on what it says until it has said everything. `false` if there is
/// no server.
pub async fn ask<E: DeserializeOwned>(
    socket: &Path,
    path: &str,
    question: &impl Serialize,
    events: mpsc::Sender<E>,
) -> Result<bool, AskError> {
    let stream = match crate::server::connect(socket).await {
        Ok(stream) => stream,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => {
            return Ok(false);
        }
        Err(error) => return Err(AskError::Connect { path: socket.display().to_string(), error }),
    };
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Its errors come to whoever waits for the response.
    tokio::spawn(connection);
    let body = serde_json::to_vec(question).map_err(io::Error::other)?;
    let request = Request::post(path).header(header::HOST, "holdfast").body(Full::new(Bytes::from(body)));
    let response = sender.send_request(request.map_err(io::Error::other)?).await?;
    match response.status().is_success() {
        true => lines::read(response.into_body(), events).await?,
        false => return Err(refusal(response).await?),
    }
    Ok(true)
}

async fn refusal(response: Response<Incoming>) -> Result<AskError, hyper::Error> {
    let status = response.status().as_u16();
    let text = response.into_body().collect().await?.to_bytes();
    Ok(AskError::Refused { status, text: String::from_utf8_lossy(&text).into_owned() })
}
