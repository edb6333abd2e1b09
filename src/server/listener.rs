//! A socket that is listened on, over TCP or as a file.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket as RawSocket, TcpKeepalive, Type};
use thiserror::Error;
use tokio::net::{TcpListener, UnixListener};

use super::address::Address;
use super::endpoint::Location;
use super::socket::Socket;
use super::socket_file::{self, SocketFile};
use crate::observe::Peer;

/// Connections that the system holds for us while none are accepted; it may cut this down.
pub(super) const BACKLOG: i32 = 4096;

/// A peer that vanished without a word is noticed after about a minute and a half.
const KEEPALIVE: TcpKeepalive =
    TcpKeepalive::new().with_time(Duration::from_secs(60)).with_interval(Duration::from_secs(10));

/// Why nothing can be listened on. The message names the address.
#[derive(Debug, Error)]
pub enum BindError {
    #[error("cannot listen on {address}: {source}; {advice}")]
    Tcp { address: String, source: io::Error, advice: &'static str },
    #[error(
        "cannot listen on {address}: the name `{host}` cannot be resolved: {source}; write an address instead, or `:PORT` for every address of this machine"
    )]
    Resolve { address: String, host: String, source: io::Error },
    #[error("cannot listen on the unix socket {}: {source}", path.display())]
    Unix { path: PathBuf, source: socket_file::SocketFileError },
    #[error("the supervisor's socket cannot be used: {0}; mend its unit, or start this without it")]
    Inherited(#[source] io::Error),
    #[error("the system does not say what is listened on: {0}")]
    Lost(#[source] io::Error),
}

/// A socket that is listened on. Dropping it stops that, and removes a unix socket's file.
#[derive(Debug)]
pub(super) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener, SocketFile),
    /// A unix socket whose file is somebody else's.
    Inherited(UnixListener, PathBuf),
}

impl Listener {
    pub(super) async fn bind(address: &Address) -> Result<Self, BindError> {
        match address {
            Address::Everywhere { port } => everywhere(*port, listen)
                .map(Listener::Tcp)
                .map_err(|source| failed(format!(":{port}"), source)),
            Address::Host { host, port } => host_and_port(host, *port).await.map(Listener::Tcp),
            Address::Unix { path, mode } => match socket_file::listen(path, *mode) {
                Ok((listener, file)) => Ok(Listener::Unix(listener, file)),
                Err(source) => Err(BindError::Unix { path: path.clone(), source }),
            },
        }
    }

    /// Goes on with a socket that somebody else listens on already.
    pub(super) fn inherit(socket: OwnedFd) -> Result<Self, BindError> {
        let socket = RawSocket::from(socket);
        let inherited = || {
            socket.set_nonblocking(true)?;
            let address = socket.local_addr()?;
            match address.as_pathname() {
                Some(path) => {
                    Ok(Self::Inherited(UnixListener::from_std(socket.try_clone()?.into())?, path.to_owned()))
                }
                None if address.as_socket().is_some() => {
                    Ok(Self::Tcp(TcpListener::from_std(socket.try_clone()?.into())?))
                }
                None => Err(io::Error::other("it is neither of TCP nor has it a path")),
            }
        };
        inherited().map_err(BindError::Inherited)
    }

    /// Where it listens, with the port that the system chose.
    pub(super) fn location(&self) -> io::Result<Location> {
        Ok(match self {
            Listener::Tcp(listener) => Location::Tcp(listener.local_addr()?),
            Listener::Unix(_, file) => Location::Unix(file.path().to_owned()),
            Listener::Inherited(_, path) => Location::Unix(path.clone()),
        })
    }

    /// The next connection. Cancelling loses none.
    pub(super) async fn accept(&self) -> io::Result<(Socket, Peer)> {
        match self {
            Listener::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                stream.set_nodelay(true)?;
                SockRef::from(&stream).set_tcp_keepalive(&KEEPALIVE)?;
                Ok((Socket::Tcp(stream), Peer::Address(peer.ip().to_canonical())))
            }
            Listener::Unix(listener, _) | Listener::Inherited(listener, _) => {
                let (stream, _) = listener.accept().await?;
                Ok((Socket::Unix(stream), Peer::Local))
            }
        }
    }
}

/// IPv6 and IPv4 on one socket; IPv4 alone where the system has no IPv6.
fn everywhere<L>(port: u16, listen: impl Fn(SocketAddr) -> io::Result<L>) -> io::Result<L> {
    match listen(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port))) {
        Err(error) if no_ipv6(&error) => {
            tracing::info!(%error, "IPv6 is off on this machine: listening on IPv4 alone");
            listen(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)))
        }
        result => result,
    }
}

fn no_ipv6(error: &io::Error) -> bool {
    let number = error.raw_os_error().map(rustix::io::Errno::from_raw_os_error);
    matches!(
        number,
        Some(
            rustix::io::Errno::AFNOSUPPORT
                | rustix::io::Errno::ADDRNOTAVAIL
                | rustix::io::Errno::PROTONOSUPPORT
        )
    )
}

/// The first of the host's addresses that can be listened on, IPv4 first.
async fn host_and_port(host: &str, port: u16) -> Result<TcpListener, BindError> {
    let name = match host.contains(':') {
        true => format!("[{host}]:{port}"),
        false => format!("{host}:{port}"),
    };
    let unresolved = |source| BindError::Resolve { address: name.clone(), host: host.to_owned(), source };
    let mut addresses: Vec<SocketAddr> =
        tokio::net::lookup_host((host, port)).await.map_err(unresolved)?.collect();
    addresses.sort_by_key(SocketAddr::is_ipv6);
    let mut failure = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in addresses {
        match listen(address) {
            Ok(listener) => return Ok(listener),
            Err(error) => failure = error,
        }
    }
    Err(failed(name, failure))
}

fn failed(address: String, source: io::Error) -> BindError {
    let advice = match source.kind() {
        io::ErrorKind::AddrInUse => "stop what listens there, or choose another address with --addr",
        io::ErrorKind::AddrNotAvailable => {
            "this machine has no such address: choose another with --addr, or `:PORT` for every one"
        }
        io::ErrorKind::PermissionDenied => {
            "ports below 1024 need a privilege: choose a higher one with --addr"
        }
        _ => "choose another address with --addr",
    };
    BindError::Tcp { address, source, advice }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = RawSocket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(address.ip() != IpAddr::V6(Ipv6Addr::UNSPECIFIED))?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_ipv6_is_off_every_address_means_every_ipv4_address() {
        let ipv4_only = |address: SocketAddr| match address.is_ipv4() {
            true => Ok(address),
            false => Err(rustix::io::Errno::AFNOSUPPORT.into()),
        };
        let address = everywhere(5000, ipv4_only).ok();
        assert_eq!(address, Some(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 5000))));
    }

    #[test]
    fn an_address_in_use_is_not_taken_for_a_machine_without_ipv6() {
        let taken = |_| Err::<(), _>(rustix::io::Errno::ADDRINUSE.into());
        let error = everywhere(5000, taken).err().map(|error| error.kind());
        assert_eq!(error, Some(io::ErrorKind::AddrInUse));
    }
}
