//! Small files that people and commands change while a server reads them: read whole, replaced whole.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::files;

/// Why a file cannot be used. Never quotes what it holds.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error("{} cannot be read: {source}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{} cannot be written: {source}", path.display())]
    Unwritable { path: PathBuf, source: io::Error },
    #[error("{}: {reason}", path.display())]
    Invalid { path: PathBuf, reason: String },
}

/// The largest file that is read, in bytes.
const LARGEST: u64 = 64 << 20;

/// Reads a file.
pub(super) fn read(path: &Path) -> Result<String, FileError> {
    let unreadable = |source| FileError::Unreadable { path: path.to_owned(), source };
    let invalid = |reason: &str| FileError::Invalid { path: path.to_owned(), reason: reason.to_owned() };
    if fs::metadata(path).map_err(unreadable)?.len() > LARGEST {
        return Err(invalid("it has more than 64 MiB"));
    }
    let bytes = fs::read(path).map_err(unreadable)?;
    String::from_utf8(bytes).map_err(|_| invalid("it is no UTF-8 text"))
}

/// Reads a file; one that is not there is empty.
pub(super) fn read_if_any(path: &Path) -> Result<String, FileError> {
    match read(path) {
        Err(FileError::Unreadable { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            Ok(String::new())
        }
        read => read,
    }
}

/// Locks a file, which is made where there is none and then is its owner's alone, against others who want to change it.
pub(super) fn lock(path: &Path) -> Result<File, FileError> {
    lock_or_error(path).map_err(|source| FileError::Unwritable { path: path.to_owned(), source })
}

fn lock_or_error(path: &Path) -> io::Result<File> {
    loop {
        let file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
        file.lock()?;
        // Whoever had it before has replaced it: the lock is one of a file that nobody reads any more.
        if fs::metadata(path).is_ok_and(|now| file.metadata().is_ok_and(|own| own.ino() == now.ino())) {
            return Ok(file);
        }
    }
}

/// Puts a new file in the place of a locked one, with its owner and mode, durably.
pub(super) fn replace(path: &Path, text: &str) -> Result<(), FileError> {
    replace_or_error(path, text).map_err(|source| FileError::Unwritable { path: path.to_owned(), source })
}

fn replace_or_error(path: &Path, text: &str) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    files::put(path, &path.with_file_name(name), text.as_bytes(), Some(&fs::metadata(path)?))
}
