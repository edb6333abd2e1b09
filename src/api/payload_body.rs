//! The bodies of responses that are made of a payload, or of parts of it.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::task::JoinHandle;

use crate::store::{Payload, Transfer};

/// A part of a response's body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// These bytes.
    Bytes(Bytes),
    /// This range of the payload.
    Payload(Range<u64>),
}

impl Piece {
    fn length(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Payload(range) => range.end - range.start,
        }
    }
}

/// The body of a response that is made of a payload, or parts of it.
///
/// It is sent in slices. A slice whose pages are not in memory is fetched on a thread that nobody else waits for, one slice
/// ahead of the socket; a page that cannot be had ends this response alone.
pub(super) struct PayloadBody {
    payload: Arc<Payload>,
    transfer: Transfer,
    pieces: VecDeque<Piece>,
    /// Bytes that are still to be sent.
    left: u64,
    next: Next,
}

/// What is sent next.
enum Next {
    Nothing,
    Ready(Bytes),
    Fetching(JoinHandle<io::Result<Bytes>>),
}

/// The size of a slice, in bytes. A copy is memory of ours, and if it is short, still in the processor's cache when it is sent.
fn slice_size(transfer: Transfer) -> u64 {
    match transfer {
        Transfer::Mapped => 1 << 20,
        Transfer::Copied => 256 << 10,
    }
}

impl PayloadBody {
    pub(super) fn new(payload: Arc<Payload>, transfer: Transfer, pieces: VecDeque<Piece>) -> Self {
        let left = pieces.iter().map(Piece::length).sum();
        let mut body = Self { payload, transfer, pieces, left, next: Next::Nothing };
        body.next = body.fetch();
        body
    }

    /// How many bytes it has, headers of parts included.
    pub(super) fn length(&self) -> u64 {
        self.left
    }

    /// Takes what comes next: at once where it is in memory.
    fn fetch(&mut self) -> Next {
        let range = match self.pieces.pop_front() {
            None => return Next::Nothing,
            Some(Piece::Bytes(bytes)) => return Next::Ready(bytes),
            Some(Piece::Payload(range)) => range,
        };
        let slice = range.start..range.end.min(range.start + slice_size(self.transfer));
        if slice.end < range.end {
            self.pieces.push_front(Piece::Payload(slice.end..range.end));
        }
        if let Some(bytes) = self.payload.read_at_once(&slice, self.transfer) {
            return Next::Ready(bytes);
        }
        let (payload, transfer) = (Arc::clone(&self.payload), self.transfer);
        Next::Fetching(tokio::task::spawn_blocking(move || payload.read(slice, transfer)))
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        let fetched = match &mut self.next {
            Next::Nothing => return Poll::Ready(None),
            Next::Ready(bytes) => Ok(std::mem::take(bytes)),
            Next::Fetching(fetching) => {
                ready!(Pin::new(fetching).poll(context)).map_err(io::Error::other).flatten()
            }
        };
        self.next = match &fetched {
            Ok(_) => self.fetch(),
            Err(_) => Next::Nothing,
        };
        Poll::Ready(Some(fetched))
    }
}

impl http_body::Body for PayloadBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let next = ready!(self.poll_next(context));
        if let Some(Ok(bytes)) = &next {
            self.left -= bytes.len() as u64;
        }
        if let Some(Err(error)) = &next {
            tracing::error!(%error, "a payload could not be read; its response was cut off");
        }
        Poll::Ready(next.map(|bytes| bytes.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
