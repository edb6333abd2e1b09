//! Where the registry can be reached, and what to tell a person who wants to.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Where a listener listens, and what is spoken there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    pub location: Location,
    /// TLS is spoken, and nothing else.
    pub is_encrypted: bool,
}

/// Where a listener listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// With the port that was chosen.
    Tcp(SocketAddr),
    /// The socket's path.
    Unix(PathBuf),
}

impl fmt::Display for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.location {
            Location::Tcp(address) => write!(formatter, "{}://{address}", self.scheme()),
            Location::Unix(path) => write!(formatter, "unix:{}", path.display()),
        }
    }
}

impl Endpoint {
    fn scheme(&self) -> &'static str {
        if self.is_encrypted { "https" } else { "http" }
    }

    /// Whether others than this machine's own processes can connect.
    pub fn is_reachable_from_outside(&self) -> bool {
        match &self.location {
            Location::Tcp(address) => !address.ip().to_canonical().is_loopback(),
            Location::Unix(_) => false,
        }
    }

    /// The command that pushes a first image here. `public` is the URL that clients are told to use
    /// (`http.host`), where one is set.
    pub fn first_push(&self, public: Option<&str>) -> String {
        let host = match (public.and_then(authority), &self.location) {
            (Some(authority), _) => authority.to_owned(),
            (None, Location::Tcp(address)) => docker_name(*address),
            (None, Location::Unix(path)) => {
                let (path, scheme) = (path.display(), self.scheme());
                return format!("curl --unix-socket {path} {scheme}://localhost/v2/");
            }
        };
        format!("docker tag alpine {host}/alpine && docker push {host}/alpine")
    }
}

/// The host and port of a URL.
fn authority(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    rest.split('/').next().filter(|authority| !authority.is_empty())
}

/// How docker on this machine names the registry. Over `localhost` it needs neither TLS nor a certificate that it knows.
fn docker_name(address: SocketAddr) -> String {
    let port = address.port();
    let ip = address.ip();
    match ip.is_unspecified() || ip == std::net::Ipv4Addr::LOCALHOST {
        true => format!("localhost:{port}"),
        false => address.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first_push(address: &str, public: Option<&str>) -> Option<String> {
        Some(tcp(address)?.first_push(public))
    }

    fn tcp(address: &str) -> Option<Endpoint> {
        let location = Location::Tcp(address.parse().ok()?);
        Some(Endpoint { location, is_encrypted: false })
    }

    #[test]
    fn the_first_push_goes_where_the_registry_really_listens() {
        let localhost = "docker tag alpine localhost:5000/alpine && docker push localhost:5000/alpine";
        assert_eq!(first_push("127.0.0.1:5000", None).as_deref(), Some(localhost));
        assert_eq!(first_push("[::]:5000", None).as_deref(), Some(localhost));
        assert_eq!(
            first_push("192.0.2.1:80", None).as_deref(),
            Some("docker tag alpine 192.0.2.1:80/alpine && docker push 192.0.2.1:80/alpine")
        );
        assert_eq!(
            first_push("[::]:5000", Some("https://registry.example.com/")).as_deref(),
            Some("docker tag alpine registry.example.com/alpine && docker push registry.example.com/alpine")
        );
    }

    #[test]
    fn only_loopback_and_unix_sockets_are_out_of_others_reach() {
        let outside = |text: &str| tcp(text).map(|endpoint| endpoint.is_reachable_from_outside());
        assert_eq!(outside("127.0.0.1:5000"), Some(false));
        assert_eq!(outside("[::1]:5000"), Some(false));
        assert_eq!(outside("[::]:5000"), Some(true));
        assert_eq!(outside("192.0.2.1:5000"), Some(true));
        let socket = Location::Unix("/run/holdfast.sock".into());
        assert!(!Endpoint { location: socket, is_encrypted: false }.is_reachable_from_outside());
    }

    #[test]
    fn an_encrypted_endpoint_says_https() {
        let encrypted = |location| Endpoint { location, is_encrypted: true };
        let tcp = tcp("192.0.2.1:443").map(|endpoint| encrypted(endpoint.location).to_string());
        assert_eq!(tcp.as_deref(), Some("https://192.0.2.1:443"));
        let unix = encrypted(Location::Unix("/run/holdfast.sock".into()));
        assert_eq!(unix.first_push(None), "curl --unix-socket /run/holdfast.sock https://localhost/v2/");
    }
}
