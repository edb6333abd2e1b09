//! The bodies of requests, read so that one that nobody wants does no harm.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::http::{HeaderMap, header};
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use http_body::Body as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::error::Error;
use super::headers::content_length;
use crate::registry::{self, BodyStream, BrokenBody};

/// The body of a request.
///
/// A connection can serve no other request while the body of a refused one is still coming, so that it would have to
/// be closed; a client that has sent it all reuses the connection, and its next request would be lost. So what is left of
/// a body that nobody reads is read for a moment, unless the client waits to be asked for it. (Whether the client gets to
/// see the answer is another matter, and the server's.)
pub(super) struct RequestBody {
    /// `None` once it has ended.
    body: Option<Body>,
    /// Whether the client sends only when it is told that the body is wanted.
    awaits_invitation: bool,
}

/// Up to this many bytes a body may be in memory without anybody counting.
const SMALL: usize = 64 << 10;

/// Room for large bodies in memory: so many of them at once, however many connections there are.
pub(super) struct Room {
    places: Arc<Semaphore>,
    wait: Duration,
}

impl Room {
    /// Whoever finds all `places` taken waits for at most `wait`.
    pub(super) fn new(places: usize, wait: Duration) -> Self {
        Self { places: Arc::new(Semaphore::new(places)), wait }
    }

    async fn place(&self) -> Result<OwnedSemaphorePermit, Error> {
        match tokio::time::timeout(self.wait, Arc::clone(&self.places).acquire_owned()).await {
            Ok(Ok(place)) => Ok(place),
            Ok(Err(_)) | Err(_) => Err(registry::Error::Busy.into()),
        }
    }
}

/// A body that was read whole.
pub(super) struct Whole {
    pub(super) bytes: Bytes,
    /// Given back when the bytes are no longer needed.
    _place: Option<OwnedSemaphorePermit>,
}

impl RequestBody {
    pub(super) fn new(body: Body, headers: &HeaderMap) -> Self {
        Self { body: Some(body), awaits_invitation: headers.contains_key(header::EXPECT) }
    }

    /// The body for the registry.
    pub(super) fn into_stream(self) -> BodyStream {
        Box::pin(self)
    }

    /// Reads the body whole into memory, if it is not larger than `max` bytes. Beyond [`SMALL`] it takes its place in
    /// `room`, for as long as the bytes are needed.
    pub(super) async fn read(
        mut self,
        headers: &HeaderMap,
        max: usize,
        idle: Duration,
        room: &Room,
    ) -> Result<Whole, Error> {
        let too_large = Error::ManifestTooLarge { max };
        if content_length(headers).is_some_and(|length| length > max as u64) {
            return Err(too_large);
        }
        let (mut bytes, mut place) = (BytesMut::new(), None);
        loop {
            match tokio::time::timeout(idle, self.next()).await {
                Err(_) => return Err(registry::Error::Stalled.into()),
                Ok(None) => return Ok(Whole { bytes: bytes.freeze(), _place: place }),
                Ok(Some(Err(_))) => return Err(registry::Error::BodyBroken.into()),
                Ok(Some(Ok(chunk))) if bytes.len() + chunk.len() > max => return Err(too_large),
                Ok(Some(Ok(chunk))) => {
                    if place.is_none() && bytes.len() + chunk.len() > SMALL {
                        place = Some(room.place().await?);
                    }
                    bytes.extend_from_slice(&chunk);
                }
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

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(bytes: Vec<u8>, room: &Room) -> Result<Whole, Error> {
        let (headers, idle) = (HeaderMap::new(), Duration::from_secs(60));
        RequestBody::new(Body::from(bytes), &headers).read(&headers, 1 << 20, idle, room).await
    }

    #[tokio::test]
    async fn large_bodies_are_in_memory_only_so_many_at_once_and_small_ones_never_wait() {
        let room = Room::new(1, Duration::from_millis(50));
        let large = || read(vec![7; SMALL + 1], &room);
        let first = large().await.expect("room for one");
        assert!(matches!(large().await, Err(Error::Registry(registry::Error::Busy))));
        assert!(read(vec![7; SMALL], &room).await.is_ok());
        drop(first);
        assert!(large().await.is_ok());
    }
}
