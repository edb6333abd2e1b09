//! One accepted socket, over TCP or unix.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use super::file_sender::Files;

#[derive(Debug)]
pub(super) enum Socket {
    Tcp(TcpStream),
    /// Over TCP, with files sent as such.
    TcpWithFiles(TcpStream, Files),
    Unix(UnixStream),
}

impl Socket {
    /// Has files sent as such, where the socket takes them.
    pub(super) fn with_files(self, files: Option<Files>) -> Self {
        match (self, files) {
            (Socket::Tcp(stream), Some(files)) => Socket::TcpWithFiles(stream, files),
            (other, _) => other,
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Socket::Tcp(stream) | Socket::TcpWithFiles(stream, _) => {
                Pin::new(stream).poll_read(context, buffer)
            }
            Socket::Unix(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Socket::Tcp(stream) | Socket::TcpWithFiles(stream, _) => {
                Pin::new(stream).poll_write(context, bytes)
            }
            Socket::Unix(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Socket::Tcp(stream) => Pin::new(stream).poll_write_vectored(context, slices),
            Socket::TcpWithFiles(stream, files) => files.poll_write_vectored(stream, context, slices),
            Socket::Unix(stream) => Pin::new(stream).poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Socket::Tcp(stream) | Socket::TcpWithFiles(stream, _) => Pin::new(stream).poll_shutdown(context),
            Socket::Unix(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
