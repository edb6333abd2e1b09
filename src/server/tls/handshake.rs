//! From a connection to one that is encrypted.

use std::io;
use std::sync::Arc;

use rustls::ServerConnection;
use tokio::io::AsyncWriteExt;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::terms::H2;
use super::{Tls, client};
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
    /// Shakes hands. A client that is turned away gets to read why.
    pub(in crate::server) async fn accept(&self, connection: Connection) -> io::Result<Secured> {
        let acceptor = TlsAcceptor::from(self.in_force());
        let accepting = acceptor.accept_with(connection, |session| session.set_buffer_limit(Some(AHEAD)));
        match accepting.into_fallible().await {
            Ok(stream) => secure(stream).await,
            Err((error, mut connection)) => {
                // It may be gone, and then nobody misses the alert.
                let _ = connection.shutdown().await;
                Err(error)
            }
        }
    }
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
