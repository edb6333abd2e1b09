//! A unix socket's file: made with its mode before anyone can connect, taken over when stale, left
//! alone when somebody listens on it, removed at the end.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use socket2::{Domain, SockAddr, Socket, Type};
use thiserror::Error;
use tokio::net::{UnixListener, UnixStream};

use super::listener::BACKLOG;

/// Why a path cannot be listened on.
#[derive(Debug, Error)]
pub enum SocketFileError {
    /// A live socket.
    #[error("another process listens on it; stop that one, or choose another path with --addr")]
    InUse,
    /// It is not removed: it may be somebody's file.
    #[error("something that is no socket is in its place; move it away, or choose another path with --addr")]
    NotASocket,
    /// The system takes 107 bytes, and the detour through an open folder did not help.
    #[error("the path is too long for a socket; choose a shorter one with --addr")]
    TooLong,
    /// Anything else that the system says.
    #[error("{0}; check that its folder exists and can be written to, or choose another path with --addr")]
    Io(#[from] io::Error),
}

/// The file of a socket that this process listens on. Dropping it removes the file.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    inode: u64,
}

impl SocketFile {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let ours = fs::symlink_metadata(&self.path).is_ok_and(|file| file.ino() == self.inode);
        if ours {
            // What cannot be removed is stale, and the next start replaces it.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Listens on the path. Connections are possible only once the file has its mode.
pub(super) fn listen(path: &Path, mode: u32) -> Result<(UnixListener, SocketFile), SocketFileError> {
    let address = Name::of(path)?;
    remove_stale(path, &address)?;
    let socket = stream_socket()?;
    socket.bind(&address.name)?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    socket.set_nonblocking(true)?;
    socket.listen(BACKLOG)?;
    let inode = fs::symlink_metadata(path)?.ino();
    let file = SocketFile { path: path.to_owned(), inode };
    Ok((UnixListener::from_std(socket.into())?, file))
}

/// Connects to the one who listens on the path.
pub async fn connect(path: &Path) -> io::Result<UnixStream> {
    let address = Name::of(path).map_err(io::Error::other)?;
    let socket = stream_socket()?;
    socket.connect(&address.name)?;
    socket.set_nonblocking(true)?;
    UnixStream::from_std(socket.into())
}

/// Removes a socket that nobody listens on any more, and nothing else.
fn remove_stale(path: &Path, address: &Name) -> Result<(), SocketFileError> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error.into()),
        Ok(file) if !file.file_type().is_socket() => return Err(SocketFileError::NotASocket),
        Ok(_) => {}
    }
    match stream_socket()?.connect(&address.name) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(fs::remove_file(path)?),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(error.into()),
        _ => Err(SocketFileError::InUse),
    }
}

fn stream_socket() -> io::Result<Socket> {
    Socket::new(Domain::UNIX, Type::STREAM, None)
}

/// A path in the form that the system takes for a socket: 107 bytes at the most.
struct Name {
    name: SockAddr,
    /// A longer path goes by way of its folder, which is held open for as long.
    _folder: Option<OwnedFd>,
}

impl Name {
    fn of(path: &Path) -> Result<Self, SocketFileError> {
        if let Ok(name) = SockAddr::unix(path) {
            return Ok(Name { name, _folder: None });
        }
        let (Some(parent), Some(file)) = (path.parent(), path.file_name()) else {
            return Err(SocketFileError::TooLong);
        };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = rustix::fs::open(parent, flags, Mode::empty()).map_err(io::Error::from)?;
        let short = Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string()).join(file);
        let name = SockAddr::unix(short).map_err(|_| SocketFileError::TooLong)?;
        Ok(Name { name, _folder: Some(folder) })
    }
}
