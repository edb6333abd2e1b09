//! One connection, kept open, and what is taken for an answer on it, whichever HTTP is spoken.

use std::time::Duration;

use rustls::HandshakeKind;

use super::http1::Http1;
use super::http2::Http2;
use super::{Failure, Reconnect, Request, Response, Stop, Target};

/// A server that neither takes nor sends a byte for longer has failed.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// How soon whoever waits notices that it is to stop.
pub(super) const TICK: Duration = Duration::from_millis(100);

/// The most that is kept of the body of an answer that was not expected.
const EXCERPT: usize = 300;

/// Takes a body, piece by piece.
pub(super) type Sink<'a> = &'a mut dyn FnMut(&[u8]);

/// Takes the body of an answer of some status, piece by piece.
pub(super) type AnswerSink<'a> = &'a mut dyn FnMut(u16, &[u8]);

/// A version of HTTP, and the connection on which it is spoken.
pub(super) trait Protocol: Send {
    /// Opens it, in place of what may still be open.
    fn open(&mut self) -> Result<(), Failure>;

    /// Whether something may be asked on it.
    fn is_open(&self) -> bool;

    /// How its handshake has gone, in TLS, once that is over.
    fn handshake(&self) -> Option<HandshakeKind>;

    /// Ends it as a client does that is done.
    fn leave(&mut self);

    /// Ends it without a word.
    fn abandon(&mut self);

    /// Sends a request and takes the answer, whatever its status.
    fn exchange(&mut self, request: &Request<'_>, sink: AnswerSink<'_>) -> Result<Response, Failure>;
}

/// A connection. It is opened anew for the next request after a failure, where the server has said that it closes it, and for
/// each request where the target wants that.
pub struct Connection {
    protocol: Box<dyn Protocol>,
    reconnect: Reconnect,
    /// How the handshake of the connection before went.
    handshake: Option<HandshakeKind>,
}

impl Connection {
    pub fn open(target: &Target) -> Result<Self, Failure> {
        let mut connection = Self::closed(target, &Stop::default());
        connection.reopen()?;
        Ok(connection)
    }

    /// One that is opened when something is asked, and gives up once `stop` is set.
    pub fn closed(target: &Target, stop: &Stop) -> Self {
        let protocol: Box<dyn Protocol> = match target.is_http2() {
            true => Box::new(Http2::closed(target, stop)),
            false => Box::new(Http1::closed(target, stop)),
        };
        Self { protocol, reconnect: target.reconnect(), handshake: None }
    }

    /// Opens it, in place of what may still be open.
    pub(super) fn reopen(&mut self) -> Result<(), Failure> {
        self.protocol.open()
    }

    fn leave(&mut self) {
        self.handshake = self.protocol.handshake();
        self.protocol.leave();
    }

    /// Whether the last handshake that is over, in TLS, has gone on with an earlier session.
    pub fn was_resumed(&self) -> bool {
        self.protocol.handshake().or(self.handshake) == Some(HandshakeKind::Resumed)
    }

    /// Sends a request whose answer has to have this status, and throws the body away.
    pub fn ask(&mut self, request: &Request<'_>, status: u16) -> Result<Response, Failure> {
        self.fetch(request, status, &mut |_| ())
    }

    /// Sends a request whose answer has to have this status, and hands its body on, piece by piece.
    pub fn fetch(&mut self, request: &Request<'_>, status: u16, sink: Sink<'_>) -> Result<Response, Failure> {
        if !self.protocol.is_open() {
            self.reopen()?;
        }
        let outcome = self.exchange(request, status, sink);
        match &outcome {
            Ok(response) if response.is_last || self.reconnect != Reconnect::Never => self.leave(),
            // A wrong status has come with its whole body: the connection is as good as before.
            Ok(_) | Err(Failure::Status { .. }) => {}
            Err(_) => self.protocol.abandon(),
        }
        outcome
    }

    fn exchange(
        &mut self,
        request: &Request<'_>,
        expected: u16,
        sink: Sink<'_>,
    ) -> Result<Response, Failure> {
        let mut excerpt = Vec::new();
        let response = self.protocol.exchange(request, &mut |status, bytes| {
            if status == expected {
                sink(bytes);
            } else {
                excerpt.extend(bytes.iter().take(EXCERPT - excerpt.len()));
            }
        })?;
        if response.status == expected {
            return Ok(response);
        }
        if response.is_last {
            self.protocol.abandon();
        }
        let body = String::from_utf8_lossy(&excerpt).trim_end().to_owned();
        Err(Failure::Status { request: request.to_string(), status: response.status, expected, body })
    }
}

#[cfg(test)]
mod tests;
