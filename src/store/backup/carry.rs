//! Bringing a payload to a file of its own: by a link, by a clone, or by copying its bytes.
//!
//! A file has its final name only when it is whole and synced, so that one that is found under it is right; the name itself is
//! durable when its folder was synced.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::oci::Digest;
use crate::store::disk::{Disk, DiskFile};
use crate::store::hasher::Hasher;
use crate::store::room::Room;

use super::listing::Listed;
use super::{BackupError, Watch, at};

/// How much is copied, or hashed, at once, in bytes.
const PIECE: usize = 1 << 20;

/// How a payload came to its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Way {
    Present,
    Linked,
    Cloned,
    Copied,
}

/// Why a payload was not brought over.
pub(in crate::store) enum CarryError {
    /// Where it comes from it is missing, or not what it was.
    Lacking(String),
    Failed(BackupError),
}

impl From<BackupError> for CarryError {
    fn from(error: BackupError) -> Self {
        Self::Failed(error)
    }
}

impl CarryError {
    /// The error of a read.
    pub(in crate::store) fn lacking(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::Lacking("its file is missing".to_owned()),
            _ => Self::Lacking(error.to_string()),
        }
    }
}

/// Brings payloads over.
pub(in crate::store) struct Carrier<'a> {
    pub(in crate::store) disk: &'a dyn Disk,
    /// Whether files may be the same, under two names.
    pub(in crate::store) may_link: bool,
    /// What is to stay free where files are copied to.
    pub(in crate::store) room: Option<Room>,
}

impl Carrier<'_> {
    /// Whether a file is there already, and has its length. One that has another is none.
    pub(in crate::store) fn is_there(&self, path: &Path, size: u64) -> Result<bool, BackupError> {
        match self.disk.length(path) {
            Ok(length) if length == size => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Ok(_) => self.disk.unlink(path).map(|()| false).map_err(at(path)),
            Err(error) => Err(at(path)(error)),
        }
    }

    /// Brings the file of a payload over.
    pub(in crate::store) fn carry(
        &self,
        from: &Path,
        to: &Path,
        size: u64,
        watch: &mut Watch<'_>,
    ) -> Result<Way, CarryError> {
        if self.is_there(to, size)? {
            return Ok(Way::Present);
        }
        let source = self.disk.open_for_reading(from).map_err(|error| CarryError::lacking(&error))?;
        match source.length().map_err(|error| CarryError::lacking(&error))? {
            length if length == size => {}
            length => {
                return Err(CarryError::Lacking(format!(
                    "its file has {length} bytes; it should have {size}"
                )));
            }
        }
        if self.may_link && self.disk.link(from, to).is_ok() {
            return Ok(Way::Linked);
        }
        self.write(to, size, |file| match clone(file, &*source) {
            Ok(()) => Ok(Way::Cloned),
            Err(_) => copy(&*source, file, to, size, watch).map(|()| Way::Copied),
        })
    }

    /// Makes a file with these bytes.
    pub(in crate::store) fn put(&self, bytes: &[u8], to: &Path) -> Result<Way, CarryError> {
        let size = bytes.len() as u64;
        self.write(to, size, |file| {
            file.write_at(bytes, 0).map_err(at(to))?;
            Ok(Way::Copied)
        })
    }

    /// Makes a file, which gets its name when it is whole.
    fn write(
        &self,
        to: &Path,
        size: u64,
        fill: impl FnOnce(&dyn DiskFile) -> Result<Way, CarryError>,
    ) -> Result<Way, CarryError> {
        if self.room.as_ref().is_some_and(|room| !room.admits(size)) {
            return Err(BackupError::Full(to.to_owned()).into());
        }
        let temporary = temporary(to);
        self.disk.unlink(&temporary).map_err(at(&temporary))?;
        let file: Arc<dyn DiskFile> = self.disk.create(&temporary).map_err(at(&temporary))?;
        let filled = fill(&*file).and_then(|way| {
            file.sync().map_err(at(&temporary))?;
            self.disk.rename(&temporary, to).map_err(at(to))?;
            Ok(way)
        });
        if filled.is_err() {
            // What went wrong first is told.
            let _ = self.disk.unlink(&temporary);
        }
        filled
    }

    /// Compares what was brought over with its digest; what is something else goes.
    pub(super) fn verify(
        &self,
        payload: &Listed,
        path: &Path,
        watch: &mut Watch<'_>,
    ) -> Result<(), CarryError> {
        let found = self.hash(payload, path, watch)?;
        if found == payload.digest {
            return Ok(());
        }
        self.disk.unlink(path).map_err(at(path))?;
        Err(CarryError::Lacking(format!("its file holds the bytes of {found}")))
    }

    fn hash(&self, payload: &Listed, path: &Path, watch: &mut Watch<'_>) -> Result<Digest, CarryError> {
        let file = self.disk.open_for_reading(path).map_err(|error| CarryError::lacking(&error))?;
        let mut hasher = Hasher::new(payload.digest.algorithm());
        in_pieces(&*file, payload.size, watch, |piece, _| {
            hasher.update(piece);
            Ok(())
        })?;
        Ok(hasher.finish())
    }
}

/// The name that a file has until it is whole.
pub(super) fn temporary(path: &Path) -> PathBuf {
    path.with_extension("new")
}

/// Lets an empty file share the blocks of another.
fn clone(file: &dyn DiskFile, source: &dyn DiskFile) -> io::Result<()> {
    match (file.file(), source.file()) {
        (Some(file), Some(source)) => Ok(rustix::fs::ioctl_ficlone(file, source)?),
        _ => Err(io::ErrorKind::Unsupported.into()),
    }
}

fn copy(
    source: &dyn DiskFile,
    file: &dyn DiskFile,
    to: &Path,
    size: u64,
    watch: &mut Watch<'_>,
) -> Result<(), CarryError> {
    in_pieces(source, size, watch, |piece, offset| {
        file.write_at(piece, offset).map_err(at(to))?;
        // Otherwise a large file would wait to be written in one go.
        file.start_writeback(offset, piece.len() as u64).map_err(at(to))
    })
}

fn in_pieces(
    source: &dyn DiskFile,
    size: u64,
    watch: &mut Watch<'_>,
    mut visit: impl FnMut(&[u8], u64) -> Result<(), BackupError>,
) -> Result<(), CarryError> {
    let mut buffer = vec![0; PIECE.min(usize::try_from(size).unwrap_or(PIECE))];
    let mut offset = 0;
    while offset < size {
        watch.go_on()?;
        let length = buffer.len().min(usize::try_from(size - offset).unwrap_or(PIECE));
        let (piece, _) = buffer.split_at_mut(length);
        source.read_exact_at(piece, offset).map_err(|error| CarryError::lacking(&error))?;
        visit(piece, offset)?;
        offset += length as u64;
    }
    Ok(())
}
