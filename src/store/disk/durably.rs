//! What every disk offers beside its calls, made of them.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Disk, DiskFile, Rule};

impl dyn Disk {
    /// Opens a file to be written and read, creating it if it is missing.
    pub(in crate::store) fn open_or_create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        match self.open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.create(path),
            other => other,
        }
    }

    /// Gives a file another name, and makes that name durable; the old one may come back in a power cut.
    pub(in crate::store) fn rename_durably(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.rename(from, to)?;
        self.sync_folder(parent(to)?)
    }

    /// Creates whatever folders are missing, and makes the names of all of them durable: a process that was killed may
    /// have created some and synced none.
    pub(in crate::store) fn create_folders(
        &self,
        paths: impl IntoIterator<Item = PathBuf>,
    ) -> io::Result<()> {
        let mut parents = BTreeSet::new();
        for path in paths {
            let is_new = self.create_folder(&path)?;
            if is_new || self.keeps(Rule::NameFolders) {
                parents.insert(parent(&path)?.to_owned());
            }
        }
        parents.iter().try_for_each(|folder| self.sync_folder(folder))
    }

    /// Makes the name of a folder durable, and the names of those that it lies in, as far up as this user may.
    pub(in crate::store) fn sync_folders_above(&self, folder: &Path) -> io::Result<()> {
        use io::ErrorKind::{InvalidInput, PermissionDenied, ReadOnlyFilesystem, Unsupported};
        for above in folder.ancestors().skip(1) {
            match self.sync_folder(above) {
                // Nobody who may not write here has created anything here.
                Err(error) if matches!(error.kind(), PermissionDenied | ReadOnlyFilesystem) => break,
                // A file system that has no such call, and not the one that the folder lies on.
                Err(error) if matches!(error.kind(), InvalidInput | Unsupported) => break,
                other => other?,
            }
        }
        Ok(())
    }

    /// Writes a small file whole and durably, under a name that is there either complete or not at all.
    pub(in crate::store) fn write_whole(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let temporary = path.with_extension("new");
        self.unlink(&temporary)?;
        let file = self.create(&temporary)?;
        file.write_at(bytes, 0)?;
        file.sync()?;
        self.rename_durably(&temporary, path)
    }

    /// Reads a small file whole.
    pub(in crate::store) fn read_whole(&self, path: &Path) -> io::Result<Vec<u8>> {
        let file = self.open_for_reading(path)?;
        let length = usize::try_from(file.length()?).map_err(io::Error::other)?;
        let mut bytes = vec![0; length];
        file.read_exact_at(&mut bytes, 0)?;
        Ok(bytes)
    }

    /// Whether there is a file of that name.
    pub(in crate::store) fn has(&self, path: &Path) -> io::Result<bool> {
        match self.length(path) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// The folder that a name lies in.
pub(in crate::store) fn parent(path: &Path) -> io::Result<&Path> {
    path.parent().ok_or_else(|| io::Error::other("a path without a folder"))
}
