//! What a backup's folder has, and whose folder one is.

use std::io;
use std::path::{Path, PathBuf};

use crate::oci::Algorithm;
use crate::store::disk::Disk;
use crate::store::format::VERSION;
use crate::store::layout::Layout;

use super::listing::Listed;
use super::{BackupError, at};

/// What a folder may have and be empty all the same.
const NOTHING: [&str; 3] = ["lost+found", "LOCK", "BACKUP.new"];

/// The folder of a backup.
pub(super) struct Folder {
    /// Payload files lie where a store has them.
    layout: Layout,
}

impl Folder {
    pub(super) fn new(root: &Path) -> Self {
        Self { layout: Layout::new(root) }
    }

    /// All metadata, told.
    pub(super) fn snapshot(&self) -> PathBuf {
        self.layout.root().join("metadata.snapshot")
    }

    /// The same while there are not all payloads yet that it names.
    pub(super) fn pending(&self) -> PathBuf {
        self.layout.root().join("metadata.pending")
    }

    pub(super) fn payload(&self, payload: &Listed) -> PathBuf {
        self.layout.payload(&payload.digest, payload.file)
    }

    /// The folders that payload files lie in, in the order in which payloads are listed.
    pub(super) fn shards(&self) -> impl Iterator<Item = (Algorithm, PathBuf)> {
        self.layout.shards()
    }

    /// Makes a backup's folder of one that is empty or a backup already.
    pub(super) fn prepare(&self, disk: &dyn Disk) -> Result<(), BackupError> {
        let root = self.layout.root();
        self.check_free(disk)?;
        let text =
            format!("holdfast {VERSION}\nThis is a backup and no store; holdfast restore makes one of it.\n");
        let mark = self.layout.backup_mark();
        let is_right = disk.has(&mark).map_err(at(&mark))?
            && disk.read_whole(&mark).map_err(at(&mark))? == text.as_bytes();
        if !is_right {
            disk.write_whole(&mark, text.as_bytes()).map_err(at(&mark))?;
            disk.sync_folders_above(root).map_err(at(root))?;
        }
        self.layout.create_shards(disk).map_err(at(root))
    }

    /// Refuses a folder that is neither empty, or missing, nor a backup that this version can renew.
    pub(super) fn check_free(&self, disk: &dyn Disk) -> Result<(), BackupError> {
        let folder = self.layout.root();
        match self.version(disk)? {
            Some(found) if found > VERSION => Err(BackupError::Newer { folder: folder.to_owned(), found }),
            Some(_) => Ok(()),
            None => match other_names(disk, folder, &NOTHING)? {
                names if names.is_empty() => Ok(()),
                names => Err(BackupError::Foreign { folder: folder.to_owned(), names }),
            },
        }
    }

    /// Refuses a folder that is no backup, or one that nothing can be restored from.
    pub(super) fn check_backup(&self, disk: &dyn Disk) -> Result<(), BackupError> {
        let folder = || self.layout.root().to_owned();
        match self.version(disk)? {
            None => Err(BackupError::NoBackup(folder())),
            Some(found) if found > VERSION => Err(BackupError::Newer { folder: folder(), found }),
            Some(_) if !disk.has(&self.snapshot()).map_err(at(&self.snapshot()))? => {
                Err(BackupError::Unfinished(folder()))
            }
            Some(_) => Ok(()),
        }
    }

    /// Of which layout the store is that this is a backup of; `None` if it is none.
    fn version(&self, disk: &dyn Disk) -> Result<Option<u32>, BackupError> {
        let path = self.layout.backup_mark();
        let text = match disk.read_whole(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(at(&path))?,
        };
        let text = String::from_utf8_lossy(&text);
        let version = text.lines().next().and_then(|line| line.strip_prefix("holdfast ")?.parse().ok());
        let unreadable = || BackupError::Unreadable { path, text: text.chars().take(80).collect() };
        version.map(Some).ok_or_else(unreadable)
    }
}

/// Some of the names in a folder that are none of these; of one that is missing none.
pub(super) fn other_names(disk: &dyn Disk, folder: &Path, own: &[&str]) -> Result<Vec<String>, BackupError> {
    let names = match disk.list(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(at(folder))?,
    };
    let names = names.iter().map(|name| name.to_string_lossy().into_owned());
    Ok(names.filter(|name| !own.contains(&name.as_str())).take(5).collect())
}
