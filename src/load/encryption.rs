//! TLS as the load speaks it: whom it trusts, and how often it shakes hands.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, HandshakeKind, RootCertStore,
    SignatureScheme, StreamOwned,
};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::TargetError;

/// Whose certificates are taken.
#[derive(Debug, Clone, Copy)]
pub enum Trust<'a> {
    /// What the certificates of this file, in PEM, have signed.
    Signers(&'a Path),
    /// Any.
    Anybody,
}

/// When a connection is left for a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reconnect {
    /// When the server wants it, or after a failure.
    #[default]
    Never,
    /// For each request, going on with an earlier session where there is one.
    Resuming,
    /// For each request, with a whole handshake.
    Anew,
}

/// How TLS is spoken with one registry.
#[derive(Debug, Clone)]
pub(super) struct Encryption {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

/// An encrypted connection.
pub(super) type Encrypted = StreamOwned<ClientConnection, TcpStream>;

impl Encryption {
    pub(super) fn new(host: &str, trust: Trust<'_>, reconnect: Reconnect) -> Result<Self, TargetError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder.with_safe_default_protocol_versions().map_err(TargetError::Tls)?;
        let mut config = match trust {
            Trust::Signers(file) => builder.with_root_certificates(signers(file)?).with_no_client_auth(),
            Trust::Anybody => {
                let verifier = Arc::new(NoVerifier(provider));
                builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth()
            }
        };
        if reconnect == Reconnect::Anew {
            config.resumption = Resumption::disabled();
        }
        let name = name_of(host).to_owned();
        let name = ServerName::try_from(name).map_err(|_| TargetError::Malformed)?;
        Ok(Self { config: Arc::new(config), name })
    }

    /// What will shake hands on this socket when it is first used.
    pub(super) fn over(&self, socket: TcpStream) -> io::Result<Encrypted> {
        let session = ClientConnection::new(Arc::clone(&self.config), self.name.clone());
        Ok(StreamOwned::new(session.map_err(io::Error::other)?, socket))
    }

    /// Shakes hands on this socket, and agrees on HTTP/2.
    pub(super) async fn agree_on_http2(
        &self,
        socket: tokio::net::TcpStream,
    ) -> io::Result<TlsStream<tokio::net::TcpStream>> {
        let connector = TlsConnector::from(Arc::clone(&self.config));
        let connector = connector.with_alpn(vec![HTTP2.to_vec()]);
        let stream = connector.connect(self.name.clone(), socket).await?;
        match stream.get_ref().1.alpn_protocol() {
            Some(HTTP2) => Ok(stream),
            _ => Err(io::Error::other("the server does not speak HTTP/2 over TLS")),
        }
    }
}

/// What ALPN calls HTTP/2 over TLS (RFC 9113, section 3.2).
const HTTP2: &[u8] = b"h2";

/// The host without its port, and an IPv6 address without its brackets.
fn name_of(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.parse::<u16>().is_ok() => name,
        _ => host,
    }
    .trim_matches(['[', ']'])
}

fn signers(file: &Path) -> Result<RootCertStore, TargetError> {
    let unreadable = |reason: String| TargetError::Signers { file: file.to_owned(), reason };
    let certificates = CertificateDer::pem_file_iter(file).map_err(|error| unreadable(error.to_string()))?;
    let certificates: Vec<_> = certificates.flatten().collect();
    let mut roots = RootCertStore::empty();
    match roots.add_parsable_certificates(certificates) {
        (0, _) => Err(unreadable("there is no certificate in it".to_owned())),
        _ => Ok(roots),
    }
}

/// What a load writes to and reads from.
pub(super) enum Stream {
    Plain(TcpStream),
    Encrypted(Box<Encrypted>),
}

impl Stream {
    /// How the handshake has gone, once it is over.
    pub(super) fn handshake(&self) -> Option<HandshakeKind> {
        match self {
            Self::Plain(_) => None,
            Self::Encrypted(stream) => stream.conn.handshake_kind(),
        }
    }

    /// Says that nothing more will be sent, as far as that takes no waiting.
    pub(super) fn say_farewell(&mut self) {
        if let Self::Encrypted(stream) = self {
            stream.conn.send_close_notify();
            let _ = stream.conn.write_tls(&mut stream.sock);
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buffer),
            Self::Encrypted(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(bytes),
            Self::Encrypted(stream) => stream.write(bytes),
        }
    }

    fn write_vectored(&mut self, slices: &[io::IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write_vectored(slices),
            Self::Encrypted(stream) => stream.write_vectored(slices),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(_) => Ok(()),
            Self::Encrypted(stream) => stream.flush(),
        }
    }
}

/// Takes every certificate; that the server has its key is still looked at.
#[derive(Debug)]
struct NoVerifier(Arc<CryptoProvider>);

impl ServerCertVerifier for NoVerifier {
    fn verify_server_cert(
        &self,
        _certificate: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_looked_at_for_the_host_alone() {
        for (host, name) in [
            ("registry.example.com", "registry.example.com"),
            ("registry.example.com:5000", "registry.example.com"),
            ("127.0.0.1:5000", "127.0.0.1"),
            ("[::1]:5000", "::1"),
            ("[::1]", "::1"),
        ] {
            assert_eq!(name_of(host), name);
        }
    }
}
