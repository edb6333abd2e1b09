//! The bodies of requests, read so that one that nobody wants does no harm.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::http::{HeaderMap, header};
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use http_body::Body as _;

use super::error::Error;
use super::headers::content_length;
use crate::registry::{self, BodyStream, BrokenBody};

/// The body of a request.
///
/// A client that is still sending when it is refused would miss the answer if the connection were closed under it. So
/// what is left of a body that nobody reads is read for a moment, unless the client waits to be asked for it.
pub(super) struct RequestBody {
    /// `None` once it has ended.
    body: Option<Body>,
    /// Whether the client sends only when it is told that the body is wanted.
    awaits_invitation: bool,
}

impl RequestBody {
    pub(super) fn new(body: Body, headers: &HeaderMap) -> Self {
        Self { body: Some(body), awaits_invitation: headers.contains_key(header::EXPECT) }
    }

    /// The body for the registry.
    pub(super) fn into_stream(self) -> BodyStream {
        Box::pin(self)
    }

    /// Reads the body whole into memory, if it is not larger than `max` bytes.
    pub(super) async fn read(
        mut self,
        headers: &HeaderMap,
        max: usize,
        idle: Duration,
    ) -> Result<Bytes, Error> {
        let too_large = Error::ManifestTooLarge { max };
        if content_length(headers).is_some_and(|length| length > max as u64) {
            return Err(too_large);
        }
        let mut bytes = BytesMut::new();
        loop {
            match tokio::time::timeout(idle, self.next()).await {
                Err(_) => return Err(registry::Error::Stalled.into()),
                Ok(None) => return Ok(bytes.freeze()),
                Ok(Some(Err(_))) => return Err(registry::Error::BodyBroken.into()),
                Ok(Some(Ok(chunk))) if bytes.len() + chunk.len() > max => return Err(too_large),
                Ok(Some(Ok(chunk))) => bytes.extend_from_slice(&chunk),
            }
        }
    }
}

impl Stream for RequestBody {
    type Item = Result<Bytes, BrokenBody>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.awaits_invitation = false;
        loop {
            let Some(body) = &mut self.body else {
                return Poll::Ready(None);
            };
            match ready!(Pin::new(body).poll_frame(context)) {
                // Trailers say nothing that is needed here.
                Some(Ok(frame)) => {
                    if let Ok(chunk) = frame.into_data() {
                        return Poll::Ready(Some(Ok(chunk)));
                    }
                }
                ended => {
                    self.body = None;
                    return Poll::Ready(ended.map(|_| Err(BrokenBody)));
                }
            }
        }
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        if let Some(body) = self.body.take()
            && !self.awaits_invitation
            && !body.is_end_stream()
        {
            tokio::spawn(drain(body.into_data_stream()));
        }
    }
}

/// Reads on for a moment, and no more than a moment's worth.
async fn drain(mut stream: BodyDataStream) {
    const MOMENT: Duration = Duration::from_secs(2);
    const ENOUGH: usize = 8 << 20;
    let mut size = 0;
    let _ = tokio::time::timeout(MOMENT, async {
        while let Some(Ok(chunk)) = stream.next().await {
            size += chunk.len();
            if size > ENOUGH {
                break;
            }
        }
    })
    .await;
}
