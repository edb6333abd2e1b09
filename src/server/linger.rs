//! The end of a connection whose client may still be sending: what comes is read and thrown away,
//! within bounds, until the client has seen our end and closes its own.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::Sleep;

/// How long a client gets to notice the answer.
const TIME: Duration = Duration::from_secs(2);

/// How much is read at the most.
const BYTES: usize = 16 * 1024 * 1024;

#[derive(Debug)]
pub(super) struct Linger {
    time: Pin<Box<Sleep>>,
    bytes_left: usize,
}

impl Linger {
    pub(super) fn new() -> Self {
        Linger { time: Box::pin(tokio::time::sleep(TIME)), bytes_left: BYTES }
    }

    /// Ready when the client has closed, or a bound is reached.
    pub(super) fn poll<S: AsyncRead + Unpin>(
        &mut self,
        socket: &mut S,
        context: &mut Context<'_>,
    ) -> Poll<()> {
        let mut space = [0; 16 * 1024];
        while self.bytes_left > 0 && self.time.as_mut().poll(context).is_pending() {
            let mut buffer = ReadBuf::new(&mut space);
            let read = ready!(Pin::new(&mut *socket).poll_read(context, &mut buffer));
            if read.is_err() || buffer.filled().is_empty() {
                return Poll::Ready(());
            }
            self.bytes_left = self.bytes_left.saturating_sub(buffer.filled().len());
        }
        Poll::Ready(())
    }
}
