//! Bytes that are a file's on their way into a socket: the file is handed over, and nobody copies them.

use std::fmt::Debug;
use std::io::{self, ErrorKind, IoSlice};
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use socket2::SockRef;
use tokio::io::{AsyncWrite, Interest};
use tokio::net::TcpStream;

/// Whoever knows which memory is a file's.
pub trait FileSender: Debug + Send + Sync {
    /// Whether these bytes are a file's.
    fn has(&self, bytes: &[u8]) -> bool;

    /// Sends these bytes, which are a file's, from the file, or a part of them: how many bytes were sent. Like a write
    /// to a socket it fails with `WouldBlock` while the peer takes none.
    fn send(&self, bytes: &[u8], socket: BorrowedFd<'_>) -> io::Result<usize>;
}

/// A vectored write to a socket that has files sent.
#[derive(Debug, Clone)]
pub(super) struct Files(Arc<dyn FileSender>);

/// What is shorter is copied: that costs less than a system call of its own. The two are equal at 64 KiB.
const SHORT: usize = 128 << 10;

impl Files {
    pub(super) fn new(sender: Arc<dyn FileSender>) -> Self {
        Self(sender)
    }

    /// Writes the first slices: those that are no file's, or one that is.
    pub(super) fn poll_write_vectored(
        &self,
        stream: &mut TcpStream,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let is_file = |slice: &IoSlice<'_>| slice.len() >= SHORT && self.0.has(slice);
        let (before, rest) = slices.split_at(slices.iter().take_while(|slice| !is_file(slice)).count());
        match (before, rest) {
            ([], [file, ..]) => match ready!(poll_io(stream, context, |socket| self.0.send(file, socket))) {
                // Not every file can be sent.
                Err(error) if matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => {
                    Pin::new(stream).poll_write(context, file)
                }
                sent => Poll::Ready(sent),
            },
            (_, []) => Pin::new(stream).poll_write_vectored(context, before),
            // The file comes right behind, and into the same packet.
            (_, [_, ..]) => poll_io(stream, context, |socket| {
                SockRef::from(&socket).send_vectored_with_flags(before, libc::MSG_MORE | libc::MSG_NOSIGNAL)
            }),
        }
    }
}

/// Does `work` once the socket takes bytes.
fn poll_io(
    stream: &TcpStream,
    context: &mut Context<'_>,
    work: impl Fn(BorrowedFd<'_>) -> io::Result<usize>,
) -> Poll<io::Result<usize>> {
    loop {
        ready!(stream.poll_write_ready(context))?;
        match stream.try_io(Interest::WRITABLE, || work(stream.as_fd())) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            done => return Poll::Ready(done),
        }
    }
}
