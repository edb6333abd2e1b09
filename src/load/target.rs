//! Which registry is loaded.

use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use super::encryption::{Encryption, Stream};
use super::{Reconnect, Trust};

/// How long a connection may take to come about.
const PATIENCE: Duration = Duration::from_secs(10);

/// A registry: where it listens, and the name that it is asked for by.
#[derive(Debug, Clone)]
pub struct Target {
    addresses: Vec<SocketAddr>,
    host: String,
    is_encrypted: bool,
    encryption: Option<Encryption>,
    reconnect: Reconnect,
    is_http2: bool,
    authorization: Option<String>,
}

/// Why a text names no registry that can be loaded.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    #[error("write it as http://HOST:PORT or https://HOST:PORT, such as http://127.0.0.1:5000")]
    Malformed,
    #[error("{}: no signers of certificates can be read from it: {reason}", file.display())]
    Signers { file: PathBuf, reason: String },
    #[error("TLS cannot be spoken: {0}")]
    Tls(#[source] rustls::Error),
    #[error("a registry is named by its host and port alone, without a path")]
    HasPath,
    #[error("{host} has no address: {error}")]
    Unknown { host: String, error: io::Error },
}

impl Target {
    fn new(addresses: Vec<SocketAddr>, host: String, is_encrypted: bool) -> Self {
        Self {
            addresses,
            host,
            is_encrypted,
            encryption: None,
            reconnect: Reconnect::Never,
            is_http2: false,
            authorization: None,
        }
    }

    /// The value of `Host`.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Whether its URL says `https`.
    pub fn is_encrypted(&self) -> bool {
        self.is_encrypted
    }

    /// The same registry over TLS.
    pub fn encrypted(self, trust: Trust<'_>, reconnect: Reconnect) -> Result<Self, TargetError> {
        let encryption = Some(Encryption::new(&self.host, trust, reconnect)?);
        Ok(Self { is_encrypted: true, encryption, reconnect, ..self })
    }

    /// The same registry, spoken to over HTTP/2.
    pub fn over_http2(self) -> Self {
        Self { is_http2: true, ..self }
    }

    /// Whether it is spoken to over HTTP/2, else over HTTP/1.1.
    pub fn is_http2(&self) -> bool {
        self.is_http2
    }

    /// The same registry with this `Authorization` on every request.
    pub fn with_authorization(self, authorization: String) -> Self {
        Self { authorization: Some(authorization), ..self }
    }

    /// What every request sends as `Authorization`.
    pub fn authorization(&self) -> Option<&str> {
        self.authorization.as_deref()
    }

    /// When a connection is left for a new one.
    pub fn reconnect(&self) -> Reconnect {
        self.reconnect
    }

    /// Connects to the first of its addresses that answers. No call on the stream takes longer than `patience`.
    pub(super) fn connect(&self, patience: Duration) -> io::Result<Stream> {
        let socket = self.connect_socket()?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(patience))?;
        socket.set_write_timeout(Some(patience))?;
        match self.encryption()? {
            Some(encryption) => Ok(Stream::Encrypted(Box::new(encryption.over(socket)?))),
            None => Ok(Stream::Plain(socket)),
        }
    }

    /// How TLS is spoken with it, if it is.
    pub(super) fn encryption(&self) -> io::Result<Option<&Encryption>> {
        match &self.encryption {
            None if self.is_encrypted => {
                Err(io::Error::other("nobody has said whose certificates are taken"))
            }
            encryption => Ok(encryption.as_ref()),
        }
    }

    pub(super) fn connect_socket(&self) -> io::Result<TcpStream> {
        let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for address in &self.addresses {
            match TcpStream::connect_timeout(address, PATIENCE) {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

impl From<SocketAddr> for Target {
    fn from(address: SocketAddr) -> Self {
        Self::new(vec![address], address.to_string(), false)
    }
}

impl FromStr for Target {
    type Err = TargetError;

    /// Reads `http://HOST` or `https://HOST`, with a port unless it is the scheme's own, and looks the host up. Over TLS nobody
    /// is trusted before [`Target::encrypted`] says whom.
    fn from_str(url: &str) -> Result<Self, TargetError> {
        let (scheme, rest) = url.split_once("://").ok_or(TargetError::Malformed)?;
        let (is_encrypted, own_port) = match scheme {
            "http" => (false, 80),
            "https" => (true, 443),
            _ => return Err(TargetError::Malformed),
        };
        let host = rest.strip_suffix('/').unwrap_or(rest);
        if host.contains(['/', '?', '#']) {
            return Err(TargetError::HasPath);
        }
        if host.is_empty() || host.contains(['@', ' ']) || !host.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(TargetError::Malformed);
        }
        let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        let place = if has_port { host.to_owned() } else { format!("{host}:{own_port}") };
        let unknown = |error| TargetError::Unknown { host: host.to_owned(), error };
        let addresses: Vec<_> = place.to_socket_addrs().map_err(unknown)?.collect();
        Ok(Self::new(addresses, host.to_owned(), is_encrypted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_is_named_by_a_url() {
        for (url, address) in [
            ("http://127.0.0.1:5000", "127.0.0.1:5000"),
            ("http://127.0.0.1:5000/", "127.0.0.1:5000"),
            ("http://127.0.0.1", "127.0.0.1:80"),
            ("http://[::1]:5000", "[::1]:5000"),
            ("http://[::1]", "[::1]:80"),
            ("https://127.0.0.1", "127.0.0.1:443"),
            ("https://127.0.0.1:5000", "127.0.0.1:5000"),
        ] {
            let target: Target = url.parse().expect(url);
            assert_eq!(target.addresses, [address.parse().expect(address)], "{url}");
            assert_eq!(target.is_encrypted(), url.starts_with("https"));
        }
    }

    #[test]
    fn what_is_no_such_url_is_told_apart() {
        let parse = |url: &str| url.parse::<Target>().expect_err(url);
        assert!(matches!(parse("127.0.0.1:5000"), TargetError::Malformed));
        assert!(matches!(parse("ftp://127.0.0.1"), TargetError::Malformed));
        assert!(matches!(parse("http://"), TargetError::Malformed));
        assert!(matches!(parse("http://user@127.0.0.1"), TargetError::Malformed));
        assert!(matches!(parse("http://127.0.0.1\r\nX: y"), TargetError::Malformed));
        assert!(matches!(parse("http://127.0.0.1/v2/"), TargetError::HasPath));
    }
}
