//! Where a request comes from, when proxies stand between.

use std::net::IpAddr;

use axum::http::{HeaderMap, HeaderName};
use ipnet::IpNet;

use crate::observe::Peer;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The address that a request comes from: the peer's, or where that is a trusted proxy the last one in `X-Forwarded-For` that is
/// none. What stands before it may be made up.
pub(super) fn source(headers: &HeaderMap, peer: Option<&Peer>, trusted: &[IpNet]) -> Peer {
    let peer = peer.copied().unwrap_or(Peer::Local);
    if !peer.is_trusted(trusted) {
        return peer;
    }
    let lines = headers.get_all(X_FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok());
    let hops: Vec<&str> = lines.flat_map(|line| line.split(',')).map(str::trim).collect();
    let mut nearest = peer;
    for hop in hops.into_iter().rev() {
        let Some(address) = address(hop) else {
            break;
        };
        nearest = Peer::Address(address);
        if !nearest.is_trusted(trusted) {
            break;
        }
    }
    nearest
}

/// An address, in whichever of the forms proxies write it: with a port, in brackets.
fn address(hop: &str) -> Option<IpAddr> {
    let socket = || hop.parse().map(|address: std::net::SocketAddr| address.ip());
    let bracketed = || hop.trim_start_matches('[').trim_end_matches(']').parse();
    hop.parse()
        .or_else(|_| socket())
        .or_else(|_| bracketed())
        .ok()
        .map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn from(peer: &str, forwarded: &[&'static str]) -> String {
        let trusted = ["10.0.0.0/8".parse().expect("a network"), "192.0.2.1/32".parse().expect("a network")];
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append(X_FORWARDED_FOR, HeaderValue::from_static(line));
        }
        source(&headers, Some(&Peer::Address(peer.parse().expect("an address"))), &trusted).to_string()
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        assert_eq!(from("203.0.113.9", &["198.51.100.1"]), "203.0.113.9");
        assert_eq!(from("10.1.2.3", &["198.51.100.1"]), "198.51.100.1");
        assert_eq!(from("10.1.2.3", &[]), "10.1.2.3");
    }

    #[test]
    fn what_a_client_made_up_is_not_believed() {
        assert_eq!(from("10.1.2.3", &["1.1.1.1, 198.51.100.1, 192.0.2.1"]), "198.51.100.1");
        assert_eq!(from("10.1.2.3", &["1.1.1.1", "198.51.100.1"]), "198.51.100.1");
        assert_eq!(from("10.1.2.3", &["1.1.1.1, unknown"]), "10.1.2.3");
        assert_eq!(from("10.1.2.3", &["[2001:db8::1]:443"]), "2001:db8::1");
        assert_eq!(from("10.1.2.3", &["198.51.100.1:4711"]), "198.51.100.1");
    }
}
