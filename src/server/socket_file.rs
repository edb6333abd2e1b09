//! A unix socket's file: made with its mode before anyone can connect, taken over when stale, left
//! alone when somebody listens on it, removed at the end.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use socket2::{Domain, SockAddr, Socket, Type};
use thiserror::Error;
use tokio::net::UnixListener;

use super::listener::BACKLOG;

/// Why a path cannot be listened on.
#[derive(Debug, Error)]
pub enum SocketFileError {
    #[error("another process listens on it; stop that one, or choose another path with --addr")]
    InUse,
    #[error(
        "something that is no socket is in its place; move it away, or choose another path with --addr"
    )]
    NotASocket,
    #[error(
        "the path is longer than the 107 bytes that the system allows; choose a shorter one with --addr"
    )]
    TooLong,
    #[error("{0}; check that its folder exists and can be written to")]
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
pub(super) fn listen(
    path: &Path,
    mode: u32,
) -> Result<(UnixListener, SocketFile), SocketFileError> {
    let address = SockAddr::unix(path).map_err(|_| SocketFileError::TooLong)?;
    remove_stale(path)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address)?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    socket.listen(BACKLOG)?;
    let inode = fs::symlink_metadata(path)?.ino();
    let file = SocketFile {
        path: path.to_owned(),
        inode,
    };
    Ok((UnixListener::from_std(socket.into())?, file))
}

/// Removes a socket that nobody listens on any more, and nothing else.
fn remove_stale(path: &Path) -> Result<(), SocketFileError> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error.into()),
        Ok(file) if !file.file_type().is_socket() => return Err(SocketFileError::NotASocket),
        Ok(_) => {}
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            Ok(fs::remove_file(path)?)
        }
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(error.into()),
        _ => Err(SocketFileError::InUse),
    }
}
