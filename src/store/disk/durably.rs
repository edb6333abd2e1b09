//! What every disk offers beside its calls, made of them.

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};

use super::{Disk, Rule};

impl dyn Disk {
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
        let mut missing = BTreeMap::<PathBuf, Vec<PathBuf>>::new();
        for path in paths {
            missing.entry(parent(&path)?.to_owned()).or_default().push(path);
        }
        for (above, mut folders) in missing {
            let found: HashSet<_> = self.list(&above)?.into_iter().collect();
            folders.retain(|folder| folder.file_name().is_none_or(|name| !found.contains(name)));
            folders.iter().try_for_each(|folder| self.create_folder(folder))?;
            if !folders.is_empty() || self.keeps(Rule::NameFolders) {
                self.sync_folder(&above)?;
            }
        }
        Ok(())
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
        if self.keeps(Rule::SyncWhole) {
            file.sync()?;
        }
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
