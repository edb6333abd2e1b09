//! Which registry is loaded.

use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::str::FromStr;
use std::time::Duration;

/// How long a connection may take to come about.
const PATIENCE: Duration = Duration::from_secs(10);

/// A registry: where it listens, and the name that it is asked for by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    addresses: Vec<SocketAddr>,
    host: String,
}

/// Why a text names no registry that can be loaded.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    #[error("write it as http://HOST:PORT, such as http://127.0.0.1:5000")]
    Malformed,
    #[error("only plain HTTP is spoken, not HTTPS: name the port behind what ends TLS, as http://HOST:PORT")]
    Encrypted,
    #[error("a registry is named by its host and port alone, without a path")]
    HasPath,
    #[error("{host} has no address: {error}")]
    Unknown { host: String, error: io::Error },
}

impl Target {
    /// The value of `Host`.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Connects to the first of its addresses that answers.
    pub(super) fn connect(&self) -> io::Result<TcpStream> {
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
        Self { addresses: vec![address], host: address.to_string() }
    }
}

impl FromStr for Target {
    type Err = TargetError;

    /// Reads `http://HOST`, with a port unless it is 80, and looks the host up.
    fn from_str(url: &str) -> Result<Self, TargetError> {
        let (scheme, rest) = url.split_once("://").ok_or(TargetError::Malformed)?;
        match scheme {
            "http" => {}
            "https" => return Err(TargetError::Encrypted),
            _ => return Err(TargetError::Malformed),
        }
        let host = rest.strip_suffix('/').unwrap_or(rest);
        if host.contains(['/', '?', '#']) {
            return Err(TargetError::HasPath);
        }
        if host.is_empty() || host.contains(['@', ' ']) || !host.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(TargetError::Malformed);
        }
        let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        let place = if has_port { host.to_owned() } else { format!("{host}:80") };
        let unknown = |error| TargetError::Unknown { host: host.to_owned(), error };
        let addresses: Vec<_> = place.to_socket_addrs().map_err(unknown)?.collect();
        Ok(Self { addresses, host: host.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_is_named_by_a_plain_url() {
        for (url, address) in [
            ("http://127.0.0.1:5000", "127.0.0.1:5000"),
            ("http://127.0.0.1:5000/", "127.0.0.1:5000"),
            ("http://127.0.0.1", "127.0.0.1:80"),
            ("http://[::1]:5000", "[::1]:5000"),
            ("http://[::1]", "[::1]:80"),
        ] {
            let target: Target = url.parse().expect(url);
            assert_eq!(target.addresses, [address.parse().expect(address)], "{url}");
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
        assert!(matches!(parse("https://127.0.0.1"), TargetError::Encrypted));
        assert!(matches!(parse("http://127.0.0.1/v2/"), TargetError::HasPath));
    }
}
