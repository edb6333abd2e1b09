//! From a connection to one that is encrypted.

use std::io;
use std::pin::pin;
use std::sync::Arc;

use rustls::ServerConnection;
use rustls::server::Acceptor;
use tokio::io::AsyncWriteExt;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::{StartHandshake, TlsStream};

use super::terms::H2;
use super::{Source, Tls, client};
use crate::auth::ClientCertificate;
use crate::server::connection::Connection;

/// How much is encrypted ahead of the socket, in bytes: what one system call takes.
const AHEAD: usize = 256 << 10;

/// A connection after the handshake.
pub(in crate::server) struct Secured {
    pub(in crate::server) stream: TlsStream<Connection>,
    /// The client has chosen HTTP/2.
    pub(in crate::server) http2: bool,
    /// Who the client is, where it has shown a certificate.
    pub(in crate::server) certificate: Option<Arc<ClientCertificate>>,
}

impl Tls {
    /// Shakes hands. A client that is turned away gets to read why. `None` where the handshake was all that was wanted: an ACME
    /// server has asked whether a host is ours.
    pub(in crate::server) async fn accept(&self, connection: Connection) -> io::Result<Option<Secured>> {
        let hello = read_hello(connection).await?;
        let challenged = match &self.settings.source {
            Source::Files(_) => None,
            Source::Acme(acme) => acme.answer(&hello.client_hello()),
        };
        let is_challenge = challenged.is_some();
        let terms = challenged.unwrap_or_else(|| self.in_force());
        let accepting = hello.into_stream_with(terms, |session| session.set_buffer_limit(Some(AHEAD)));
        match accepting.into_fallible().await {
            Ok(mut stream) if is_challenge => {
                tracing::info!(
                    host = stream.get_ref().1.server_name(),
                    "the ACME server has asked for a host"
                );
                stream.shutdown().await?;
                Ok(None)
            }
            Ok(stream) => secure(stream).await.map(Some),
            Err((error, connection)) => Err(end(error, Some(connection)).await),
        }
    }
}

async fn read_hello(connection: Connection) -> io::Result<StartHandshake<Connection>> {
    let mut reading = pin!(LazyConfigAcceptor::new(Acceptor::default(), connection));
    match reading.as_mut().await {
        Ok(hello) => Ok(hello),
        Err(error) => Err(end(error, reading.take_io()).await),
    }
}

/// Ends a connection after an alert.
async fn end(error: io::Error, connection: Option<Connection>) -> io::Error {
    if let Some(mut connection) = connection {
        // It may be gone, and then nobody misses the alert.
        let _ = connection.shutdown().await;
    }
    error
}

async fn secure(mut stream: TlsStream<Connection>) -> io::Result<Secured> {
    let session = stream.get_ref().1;
    let http2 = session.alpn_protocol() == Some(H2);
    match identify(session) {
        Ok(certificate) => Ok(Secured { stream, http2, certificate }),
        Err(error) => {
            let _ = stream.shutdown().await;
            Err(error)
        }
    }
}

fn identify(session: &ServerConnection) -> io::Result<Option<Arc<ClientCertificate>>> {
    let Some(shown) = session.peer_certificates().and_then(|chain| chain.first()) else {
        return Ok(None);
    };
    let expired = || io::Error::other("the client's certificate has expired since its session began");
    client::certificate(shown).map(|certificate| Some(Arc::new(certificate))).ok_or_else(expired)
}
