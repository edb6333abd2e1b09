//! The address to listen on, as it stands in `http.addr`, `http.debug.addr` and `--addr`.

use std::path::PathBuf;

use thiserror::Error;

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// `:5000`, `[::]:5000`: every address of the machine, IPv6 and IPv4 on one socket.
    Everywhere {
        /// 0 lets the system choose.
        port: u16,
    },
    /// `127.0.0.1:5000`, `[::1]:5000`, `registry.example.com:5000`.
    Host {
        /// A name or an address, without brackets.
        host: String,
        /// 0 lets the system choose.
        port: u16,
    },
    /// The path of a unix socket.
    Unix {
        /// Relative to the working directory, or absolute.
        path: PathBuf,
        /// The permissions of the socket's file.
        mode: u32,
    },
}

/// A text that is no address. The message names the text and shows what one looks like.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AddressError {
    #[error(
        "`{0}` is no address to listen on: it has no port; write `{0}:5000`, or `:5000` for every address of this machine"
    )]
    NoPort(String),
    #[error(
        "`{0}` is no address to listen on: `{1}` is no port; a port is a number from 0 to 65535, 0 for any free one"
    )]
    BadPort(String, String),
    #[error("`{0}` is no address to listen on: an IPv6 address stands in brackets, like `[::1]:5000`")]
    NoBrackets(String),
}

impl Address {
    /// Reads `HOST:PORT`, `[IPV6]:PORT` or `:PORT`.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let no_port = || AddressError::NoPort(text.to_owned());
        let (host, port) = text.rsplit_once(':').ok_or_else(no_port)?;
        if text.ends_with(']') {
            return Err(no_port());
        }
        let bad_port = |_| AddressError::BadPort(text.to_owned(), port.to_owned());
        let port = port.parse::<u16>().map_err(bad_port)?;
        let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        if bracketed.is_none() && host.contains(':') {
            return Err(AddressError::NoBrackets(text.to_owned()));
        }
        Ok(match bracketed.unwrap_or(host) {
            "" | "::" => Address::Everywhere { port },
            host => Address::Host { host: host.to_owned(), port },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(host: &str, port: u16) -> Result<Address, AddressError> {
        Ok(Address::Host { host: host.to_owned(), port })
    }

    #[test]
    fn a_port_alone_means_every_address() {
        assert_eq!(Address::parse(":5000"), Ok(Address::Everywhere { port: 5000 }));
        assert_eq!(Address::parse("[::]:0"), Ok(Address::Everywhere { port: 0 }));
    }

    #[test]
    fn names_and_addresses_of_both_families_are_hosts() {
        assert_eq!(Address::parse("127.0.0.1:5000"), host("127.0.0.1", 5000));
        assert_eq!(Address::parse("0.0.0.0:80"), host("0.0.0.0", 80));
        assert_eq!(Address::parse("[::1]:5000"), host("::1", 5000));
        assert_eq!(Address::parse("registry.example.com:443"), host("registry.example.com", 443));
    }

    #[test]
    fn what_is_no_address_is_refused_with_what_one_looks_like() {
        let message = |text| Address::parse(text).err().map(|error| error.to_string());
        assert!(message("localhost").is_some_and(|said| said.contains("write `localhost:5000`")));
        assert!(message("[::1]").is_some_and(|said| said.contains("has no port")));
        assert!(message("::1:5000").is_some_and(|said| said.contains("`[::1]:5000`")));
        assert!(message("localhost:http").is_some_and(|said| said.contains("`http` is no port")));
        assert!(message("localhost:65536").is_some_and(|said| said.contains("from 0 to 65535")));
    }
}
