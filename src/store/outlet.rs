//! Bringing out: payloads and small files in a folder of their own, in the shape that other programs read.
//!
//! A payload has its name there only when it is whole and synced, so that one that is found with its length is right. All names,
//! and what small files say, are durable when [`Outlet::finish`] has answered, and not before. A mark in the folder says
//! what was brought out there, and keeps a second one out.

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use crate::oci::{Digest, RepositoryName};

use super::backup::{BackupError, BackupListener, Carrier, CarryError, Summary, Watch, Way, real_path};
use super::disk::Barrier;
use super::metadata::{BlobRow, MetadataError, Place};
use super::{PayloadError, Store, Transfer};

/// The mark's name.
const MARK: &str = "EXPORT";

/// Why nothing can be brought out, or nothing more.
#[derive(Debug, thiserror::Error)]
pub enum OutletError {
    #[error("{} lies in the data folder {}; name a folder elsewhere", folder.display(), root.display())]
    Inside { folder: PathBuf, root: PathBuf },
    #[error("{} holds other files ({}); name an empty folder, or one that was exported to", folder.display(), names.join(", "))]
    Foreign { folder: PathBuf, names: Vec<String> },
    #[error("{} was exported to as {found:?}, and this is {wanted:?}; name another folder", folder.display())]
    OtherShape { folder: PathBuf, found: String, wanted: String },
    #[error("{} is being exported to by somebody else; wait for them", .0.display())]
    Busy(PathBuf),
    #[error(transparent)]
    Carry(#[from] BackupError),
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    #[error("{}: {error}", path.display())]
    Io { path: PathBuf, error: io::Error },
}

fn at(path: &Path) -> impl Fn(io::Error) -> OutletError + '_ {
    |error| OutletError::Io { path: path.to_owned(), error }
}

/// What became of a payload that was to be brought out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BroughtOut {
    /// It is there.
    There,
    /// The repository does not hold it, or not any more.
    Gone,
    /// The store has lost it, and why.
    Lost(String),
}

/// A folder that is being filled.
pub struct Outlet<'a> {
    store: &'a Store,
    carrier: Carrier<'a>,
    watch: Watch<'a>,
    folder: PathBuf,
    barrier: Option<Box<dyn Barrier>>,
    /// Locked.
    _mark: File,
}

impl<'a> Outlet<'a> {
    /// Begins to fill a folder that is empty or missing, or goes on with one of the same shape. Files may be the store's own
    /// under second names if `may_link` says so. The listener is told how far it is.
    pub fn open(
        store: &'a Store,
        folder: &Path,
        shape: &str,
        may_link: bool,
        listener: BackupListener<'a>,
    ) -> Result<Self, OutletError> {
        let root = store.layout.root();
        let real_root = root.canonicalize().map_err(at(root))?;
        if real_path(folder).map_err(at(folder))?.starts_with(real_root) {
            return Err(OutletError::Inside { folder: folder.to_owned(), root: root.to_owned() });
        }
        let disk = &*store.disk;
        fs::create_dir_all(folder).map_err(at(folder))?;
        disk.sync_folders_above(folder).map_err(at(folder))?;
        let barrier = disk.barrier(folder).map_err(at(folder))?;
        let mark = mark(folder, shape)?;
        let carrier = Carrier { disk, may_link, room: Some(store.room.elsewhere(folder)) };
        let folder = folder.to_owned();
        Ok(Self { store, carrier, watch: Watch::new(listener), folder, barrier, _mark: mark })
    }

    /// Brings out a payload that a repository holds, unless it is there. Blocks.
    pub fn payload(
        &mut self,
        repository: &RepositoryName,
        digest: &Digest,
        to: &Path,
    ) -> Result<BroughtOut, OutletError> {
        self.watch.go_on()?;
        let path = self.prepare(to)?;
        loop {
            let Some(row) = self.store.read().blob_in(repository, digest)? else {
                return Ok(BroughtOut::Gone);
            };
            match self.carry(digest, row, &path) {
                Ok(way) => {
                    self.watch.summary.note(way, row.size);
                    return Ok(BroughtOut::There);
                }
                // It has moved since it was looked up.
                Err(CarryError::Lacking(_)) if self.store.read().blob(digest)? != Some(row) => {}
                Err(CarryError::Lacking(reason)) => return Ok(BroughtOut::Lost(reason)),
                Err(CarryError::Failed(error)) => return Err(error.into()),
            }
        }
    }

    fn carry(&mut self, digest: &Digest, row: BlobRow, to: &Path) -> Result<Way, CarryError> {
        if row.is_damaged {
            return Err(CarryError::Lacking(PayloadError::Damaged.to_string()));
        }
        if let Place::File { id } = row.place {
            let from = self.store.layout.payload(digest, id);
            return self.carrier.carry(&from, to, row.size, &mut self.watch);
        }
        if self.carrier.is_there(to, row.size)? {
            return Ok(Way::Present);
        }
        let payload = self.store.open_unmapped(digest, row);
        let payload = payload.map_err(|error| CarryError::Lacking(error.to_string()))?;
        let bytes = payload.read(0..row.size, Transfer::Copied);
        self.carrier.put(&bytes.map_err(|error| CarryError::lacking(&error))?, to)
    }

    /// Makes a file with bytes that are never to be others, unless it is there.
    pub fn put(&mut self, bytes: &[u8], to: &Path) -> Result<(), OutletError> {
        self.watch.go_on()?;
        let path = self.prepare(to)?;
        let size = bytes.len() as u64;
        let put = match self.carrier.is_there(&path, size)? {
            true => Ok(Way::Present),
            false => self.carrier.put(bytes, &path),
        };
        match put {
            Ok(way) => self.watch.summary.note(way, size),
            Err(CarryError::Failed(error)) => return Err(error.into()),
            Err(CarryError::Lacking(reason)) => return Err(at(&path)(io::Error::other(reason))),
        }
        Ok(())
    }

    /// Has a small file say this, whatever it said before.
    pub fn write(&mut self, bytes: &[u8], to: &Path) -> Result<(), OutletError> {
        let path = self.prepare(to)?;
        if fs::read(&path).is_ok_and(|found| found == bytes) {
            return Ok(());
        }
        let temporary = path.with_extension("new");
        fs::write(&temporary, bytes).map_err(at(&temporary))?;
        fs::rename(&temporary, &path).map_err(at(&path))
    }

    /// Creates a folder, unless it is there.
    pub fn create_folder(&mut self, path: &Path) -> Result<(), OutletError> {
        let path = self.folder.join(path);
        fs::create_dir_all(&path).map_err(at(&path))
    }

    /// Removes a file; one that is gone already is fine.
    pub fn remove_file(&mut self, path: &Path) -> Result<(), OutletError> {
        let path = self.folder.join(path);
        self.carrier.disk.unlink(&path).map_err(at(&path))
    }

    /// Removes a folder, with all that lies in it; one that is gone already is fine.
    pub fn remove_folder(&mut self, path: &Path) -> Result<(), OutletError> {
        let path = self.folder.join(path);
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            other => other.map_err(at(&path)),
        }
    }

    /// The names in a folder, in order; none where there is no such folder.
    pub fn list(&self, path: &Path) -> Result<Vec<String>, OutletError> {
        let path = self.folder.join(path);
        let entries = match fs::read_dir(&path) {
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                return Ok(Vec::new());
            }
            other => other.map_err(at(&path))?,
        };
        let names = entries.map(|entry| Ok(entry.map_err(at(&path))?.file_name().into_string().ok()));
        let mut names: Vec<_> = names.filter_map(Result::transpose).collect::<Result<_, OutletError>>()?;
        names.sort_unstable();
        Ok(names)
    }

    /// Makes everything durable, and says how payloads and manifests came. Blocks.
    pub fn finish(self) -> Result<Summary, OutletError> {
        match &self.barrier {
            Some(barrier) => barrier.sync().map_err(at(&self.folder))?,
            None => sync_all(&self.folder)?,
        }
        Ok(self.watch.summary)
    }

    /// Where something is to lie, in a folder that is there.
    fn prepare(&self, to: &Path) -> Result<PathBuf, OutletError> {
        let path = self.folder.join(to);
        let folder = path.parent().unwrap_or(&self.folder);
        fs::create_dir_all(folder).map_err(at(folder))?;
        Ok(path)
    }
}

/// Marks a folder as one that is filled in this shape, and locks the mark.
fn mark(folder: &Path, shape: &str) -> Result<File, OutletError> {
    let path = folder.join(MARK);
    let names = fs::read_dir(folder).map_err(at(folder))?.map(|entry| Ok(entry?.file_name()));
    let names: Vec<_> = names.collect::<io::Result<_>>().map_err(at(folder))?;
    if !names.is_empty() && names.iter().all(|name| *name != *MARK) {
        /// How many of them are told.
        const TOLD: usize = 5;
        let names = names.iter().take(TOLD).map(|name| name.to_string_lossy().into_owned()).collect();
        return Err(OutletError::Foreign { folder: folder.to_owned(), names });
    }
    let mut file = File::options().read(true).append(true).create(true).open(&path).map_err(at(&path))?;
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => return Err(OutletError::Busy(folder.to_owned())),
        Err(TryLockError::Error(error)) => return Err(at(&path)(error)),
        Ok(()) => {}
    }
    let mut found = String::new();
    file.read_to_string(&mut found).map_err(at(&path))?;
    match found.trim() {
        "" => writeln!(file, "{shape}").map_err(at(&path))?,
        found if found == shape => {}
        found => {
            let (found, wanted) = (found.to_owned(), shape.to_owned());
            return Err(OutletError::OtherShape { folder: folder.to_owned(), found, wanted });
        }
    }
    Ok(file)
}

/// Makes a folder durable, with all that lies in it.
fn sync_all(folder: &Path) -> Result<(), OutletError> {
    for entry in fs::read_dir(folder).map_err(at(folder))? {
        let entry = entry.map_err(at(folder))?;
        let path = entry.path();
        match entry.file_type().map_err(at(&path))?.is_dir() {
            true => sync_all(&path)?,
            false => File::open(&path).and_then(|file| file.sync_all()).map_err(at(&path))?,
        }
    }
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(at(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_taken_that_is_empty_or_was_begun_in_the_same_shape() {
        let folder = tempfile::tempdir().expect("a folder");
        let first = mark(folder.path(), "oci").expect("a mark");
        assert!(matches!(mark(folder.path(), "oci"), Err(OutletError::Busy(_))));
        drop(first);
        assert!(mark(folder.path(), "oci").is_ok());
        let other = mark(folder.path(), "distribution");
        assert!(matches!(other, Err(OutletError::OtherShape { found, .. }) if found == "oci"));
    }

    #[test]
    fn a_folder_with_files_of_others_is_refused_and_stays_as_it_is() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("letter"), "dear").expect("a file");
        let refused = mark(folder.path(), "oci");
        assert!(matches!(refused, Err(OutletError::Foreign { names, .. }) if names == ["letter"]));
        assert!(!folder.path().join(MARK).exists());
    }

    #[test]
    fn everything_can_be_synced_one_by_one() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir_all(folder.path().join("a/b")).expect("folders");
        fs::write(folder.path().join("a/b/c"), "c").expect("a file");
        assert!(sync_all(folder.path()).is_ok());
        assert!(sync_all(&folder.path().join("missing")).is_err());
    }
}
