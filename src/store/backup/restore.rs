//! Making a store out of a backup.
//!
//! The folder is marked first, and is no store as long as the mark is there: payloads come first, the database and the end of
//! the mark last. A restoring that was cut off is run again, and takes what is there.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::store::Options;
use crate::store::archive;
use crate::store::disk::{Disk, Real};
use crate::store::format;
use crate::store::layout::Layout;
use crate::store::lock::Lock;
use crate::store::rebuild::rebuild_on;

use super::carry::{Carrier, CarryError, Way};
use super::folder::{Folder, other_names};
use super::listing::{Listed, Listing, prove};
use super::{BackupError, BackupListener, BackupNews, Summary, Watch, at};

/// What a folder may have and be empty all the same.
const NOTHING: [&str; 3] = ["lost+found", "LOCK", "RESTORE.new"];

/// How a backup is restored.
#[derive(Debug, Clone, Copy, Default)]
pub struct Restoring {
    /// Whether the store and the backup may have the same files, under two names.
    pub links: bool,
    /// Whether every payload is read and compared with its digest.
    pub verifies: bool,
}

/// Makes a store of the backup in `folder`, in `root`, which must be empty or missing, or have what is left of an attempt that
/// was cut off.
pub fn restore(
    folder: &Path,
    root: &Path,
    options: &Options,
    how: Restoring,
    listener: BackupListener<'_>,
) -> Result<Summary, BackupError> {
    let absolute = |path: &Path| std::path::absolute(path).map_err(at(path));
    let (folder, root) = (absolute(folder)?, absolute(root)?);
    // Before anything is created there.
    Folder::new(&folder).check_backup(&Real)?;
    check_empty(&Real, &Layout::new(&root))?;
    let _lock = Lock::take(&Layout::new(&root), options.lock_wait)?;
    let disk: Arc<dyn Disk> = Arc::new(Real);
    restore_on(&disk, &folder, &root, options, how, listener)
}

/// The same on a disk that nobody else uses, where both folders lie and `root` is there.
#[cfg_attr(
    not(any(test, feature = "simulation")),
    allow(unreachable_pub, reason = "only tests reach it from outside")
)]
pub fn restore_on(
    disk: &Arc<dyn Disk>,
    folder: &Path,
    root: &Path,
    options: &Options,
    how: Restoring,
    listener: BackupListener<'_>,
) -> Result<Summary, BackupError> {
    let (folder, layout) = (Folder::new(folder), Layout::new(root));
    let mut watch = Watch::new(listener);
    folder.check_backup(&**disk)?;
    watch.tell(BackupNews::Ahead(prove(&**disk, &folder.snapshot())?))?;
    check_empty(&**disk, &layout)?;
    begin(&**disk, &layout).map_err(at(root))?;
    let restore = Restore { disk: &**disk, folder: &folder, layout: &layout, how };
    restore.carry_all(&mut watch)?;
    restore.put_snapshot(&mut watch)?;
    format::write(&**disk, &layout).map_err(at(root))?;
    rebuild_on(disk, root, options, u64::MAX, &mut |_| ())?;
    disk.unlink(&layout.restore_mark()).and_then(|()| disk.sync_folder(root)).map_err(at(root))?;
    Ok(watch.summary)
}

/// Refuses a folder that has anything of another's.
fn check_empty(disk: &dyn Disk, layout: &Layout) -> Result<(), BackupError> {
    let (root, mark) = (layout.root(), layout.restore_mark());
    if disk.has(&mark).map_err(at(&mark))? {
        return Ok(());
    }
    match other_names(disk, root, &NOTHING)? {
        names if names.is_empty() => Ok(()),
        names => Err(BackupError::Occupied { root: root.to_owned(), names }),
    }
}

/// Marks the folder, and removes what an attempt before has left, but for the payloads.
fn begin(disk: &dyn Disk, layout: &Layout) -> io::Result<()> {
    if !disk.has(&layout.restore_mark())? {
        disk.write_whole(&layout.restore_mark(), b"This is no store yet: holdfast restore was cut off.\n")?;
    }
    disk.sync_folder(layout.root())?;
    disk.sync_folders_above(layout.root())?;
    disk.unlink(&layout.metadata())?;
    layout.create_folders(disk)?;
    for folder in [layout.log(), layout.archive()] {
        for name in disk.list(&folder)? {
            disk.unlink(&folder.join(name))?;
        }
        disk.sync_folder(&folder)?;
    }
    Ok(())
}

struct Restore<'a> {
    disk: &'a dyn Disk,
    folder: &'a Folder,
    layout: &'a Layout,
    how: Restoring,
}

impl Restore<'_> {
    fn carrier(&self, may_link: bool) -> Carrier<'_> {
        Carrier { disk: self.disk, may_link, room: None }
    }

    /// Brings all payloads over, durably.
    fn carry_all(&self, watch: &mut Watch<'_>) -> Result<(), BackupError> {
        let mut listing = Listing::open(self.disk, self.folder, &self.folder.snapshot())?;
        let shards = self.folder.shards().zip(self.layout.shards());
        for ((_, from), (_, to)) in shards {
            let listed = listing.take(&from)?;
            for payload in &listed {
                watch.go_on()?;
                match self.carry(payload, watch) {
                    Ok(way) => watch.summary.note(way, payload.size),
                    Err(CarryError::Lacking(reason)) => watch.note_lacking(payload.digest, reason)?,
                    Err(CarryError::Failed(error)) => return Err(error),
                }
            }
            if !listed.is_empty() {
                self.disk.sync_folder(&to).map_err(at(&to))?;
            }
        }
        listing.finish()
    }

    fn carry(&self, payload: &Listed, watch: &mut Watch<'_>) -> Result<Way, CarryError> {
        let (carrier, to) =
            (self.carrier(self.how.links), self.layout.payload(&payload.digest, payload.file));
        let way = carrier.carry(&self.folder.payload(payload), &to, payload.size, watch)?;
        if self.how.verifies {
            carrier.verify(payload, &to, watch)?;
        }
        Ok(way)
    }

    /// Puts the snapshot where the archive of a store begins.
    fn put_snapshot(&self, watch: &mut Watch<'_>) -> Result<(), BackupError> {
        let (from, folder): (PathBuf, PathBuf) = (self.folder.snapshot(), self.layout.archive());
        let size = self.disk.length(&from).map_err(at(&from))?;
        let carried = self.carrier(false).carry(&from, &archive::snapshot_path(&folder), size, watch);
        match carried {
            Ok(_) => self.disk.sync_folder(&folder).map_err(at(&folder)),
            Err(CarryError::Lacking(reason)) => Err(at(&from)(io::Error::other(reason))),
            Err(CarryError::Failed(error)) => Err(error),
        }
    }
}
