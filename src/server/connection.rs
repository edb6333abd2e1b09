//! A connection's bytes: the socket, with what was read ahead of it, and with a note of all that
//! passes.
//!
//! Vectored writes go through untouched: a payload's bytes may lie in mapped files, and no code of
//! ours may look at them.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

use super::linger::Linger;
use super::progress::Progress;
use super::socket::Socket;

/// What a connection's first bytes say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Greeting {
    /// A TLS handshake.
    Tls,
    /// HTTP/1.0, HTTP/1.1, or nothing that we know.
    Http1,
    /// HTTP/2 with prior knowledge.
    Http2,
    /// The client left without a word.
    Nothing,
}

/// What an HTTP/2 client begins with: RFC 9113, section 3.4.
const HTTP2_PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What a TLS handshake record begins with: RFC 8446, section 5.1.
const TLS_HANDSHAKE: u8 = 22;

#[derive(Debug)]
pub(super) struct Connection {
    socket: Socket,
    progress: Arc<Progress>,
    /// What the greeting read and nobody has consumed yet.
    ahead: Vec<u8>,
    linger: Option<Linger>,
}

impl Connection {
    pub(super) fn new(socket: Socket, progress: Arc<Progress>) -> Self {
        Connection { socket, progress, ahead: Vec::new(), linger: None }
    }

    pub(super) fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.progress)
    }

    /// Reads as much as is needed to know what the client speaks. What was read is read again later.
    pub(super) async fn greeting(&mut self) -> io::Result<Greeting> {
        while self.ahead.len() < HTTP2_PREFACE.len() {
            let missing = HTTP2_PREFACE.len() - self.ahead.len();
            let mut start = (&mut self.socket).take(missing as u64);
            if start.read_buf(&mut self.ahead).await? == 0 {
                break;
            }
            if !HTTP2_PREFACE.starts_with(&self.ahead) {
                break;
            }
        }
        Ok(match self.ahead.as_slice() {
            [] => Greeting::Nothing,
            [TLS_HANDSHAKE, ..] => Greeting::Tls,
            start if start == HTTP2_PREFACE => Greeting::Http2,
            _ => Greeting::Http1,
        })
    }

    fn take_ahead(&mut self, buffer: &mut ReadBuf<'_>) {
        let length = self.ahead.len().min(buffer.remaining());
        let rest = self.ahead.split_off(length);
        buffer.put_slice(&self.ahead);
        self.ahead = rest;
    }

    fn note_write(&self, written: &Poll<io::Result<usize>>) {
        match written {
            Poll::Ready(Ok(_)) => self.progress.sent(),
            Poll::Ready(Err(_)) => {}
            Poll::Pending => self.progress.write_blocked(),
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.ahead.is_empty() {
            self.take_ahead(buffer);
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.socket).poll_read(context, buffer))?;
        if buffer.filled().len() > before {
            self.progress.received();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write(context, bytes);
        self.note_write(&written);
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write_vectored(context, slices);
        self.note_write(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    /// Ends our side. Where the client may still be sending, its bytes are read and thrown away for a
    /// while: closing with bytes unread would reset the connection, and the client might never see
    /// the answer that it was given.
    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let connection = self.get_mut();
        if connection.linger.is_none() {
            ready!(Pin::new(&mut connection.socket).poll_shutdown(context))?;
            if !connection.progress.is_peer_sending() {
                return Poll::Ready(Ok(()));
            }
        }
        let linger = connection.linger.get_or_insert_with(Linger::new);
        linger.poll(&mut connection.socket, context).map(Ok)
    }
}
