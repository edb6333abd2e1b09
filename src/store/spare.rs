//! A spare file: it becomes the one that cannot be created, on a disk that others have filled.
//!
//! Without a segment of the log nothing can be deleted, and without a file of the archive no segment; so room would
//! never be made. A spare file has its place among the disk's files, and blocks of its own, and lies in the folder
//! in which it would be needed: it gets the other's name, and nobody can be faster.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::Options;
use super::disk::{Disk, DiskFile, Space, is_full, parent};
use super::layout::Layout;
use super::room::SHARE;

/// The name of a spare file in its folder.
const NAME: &str = "spare";

/// How something creates a file, which is empty.
pub(super) type Create<'a> = &'a dyn Fn(&Path) -> io::Result<Arc<dyn DiskFile>>;

/// The spare files of a store.
pub(super) struct Spares {
    /// A segment of the log.
    pub(super) log: Arc<Spare>,
    /// What the archive keeps of a segment.
    pub(super) archive: Arc<Spare>,
}

impl Spares {
    /// Those that an earlier run has left. There are none where no ballast is wanted.
    pub(super) fn find(disk: &Arc<dyn Disk>, layout: &Layout, options: &Options) -> io::Result<Self> {
        /// How much smaller than a segment its changes are, where deletions alone fill it.
        const CHANGES: u64 = 16;
        let size = if options.ballast == 0 { 0 } else { options.log_segment };
        let find = |folder: &Path, size| Spare::find(Arc::clone(disk), folder, size).map(Arc::new);
        Ok(Self { log: find(&layout.log(), size)?, archive: find(&layout.archive(), size / CHANGES)? })
    }

    /// See [`Spare::restore`].
    pub(super) fn restore(&self) {
        self.log.restore();
        self.archive.restore();
    }
}

/// A folder's spare file.
#[derive(Debug)]
pub(super) struct Spare {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    /// In bytes; 0 for no file at all.
    size: u64,
    is_there: Mutex<bool>,
}

impl Spare {
    /// The one that an earlier run has left in a folder, if there is any. `size` in bytes, at most a twentieth of the disk.
    pub(super) fn find(disk: Arc<dyn Disk>, folder: &Path, size: u64) -> io::Result<Self> {
        let path = folder.join(NAME);
        let is_there = Mutex::new(disk.has(&path)?);
        let size = disk.space(folder).map_or(size, |space| size.min(space.bytes_in_all / SHARE));
        Ok(Self { disk, path, size, is_there })
    }

    /// Whether this is the name of a spare file.
    pub(super) fn is_name(name: &OsStr) -> bool {
        name == NAME
    }

    pub(super) fn is_there(&self) -> bool {
        *self.is_there.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does `call`, a second time if the disk was full and there is a spare file, which it gets then instead of one that
    /// is created. It must make the file's new name durable before anything in it counts.
    pub(super) fn stand_in<T>(&self, call: impl Fn(Create<'_>) -> io::Result<T>) -> io::Result<T> {
        match call(&|path| self.disk.create(path)) {
            Err(error) if is_full(&error) && self.is_there() => call(&|path| self.take(path)),
            other => other,
        }
    }

    fn take(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let mut is_there = self.is_there.lock().unwrap_or_else(PoisonError::into_inner);
        self.disk.rename(&self.path, path)?;
        *is_there = false;
        self.disk.open(path)
    }

    /// Has a spare file again, once the disk has room for two.
    pub(super) fn restore(&self) {
        let mut is_there = self.is_there.lock().unwrap_or_else(PoisonError::into_inner);
        if *is_there || self.size == 0 {
            return;
        }
        match self.make() {
            Ok(is_made) => *is_there = is_made,
            Err(error) => {
                tracing::debug!(%error, path = %self.path.display(), "no file could be set aside for a full disk");
                let _ = self.disk.unlink(&self.temporary());
            }
        }
    }

    fn make(&self) -> io::Result<bool> {
        let folder = parent(&self.path)?;
        let Space { bytes, files, .. } = self.disk.space(folder)?;
        if bytes < self.size.saturating_mul(2) || files < 2 {
            return Ok(false);
        }
        let temporary = self.temporary();
        self.disk.unlink(&temporary)?;
        let file = self.disk.create(&temporary)?;
        write_in_place(&*file);
        file.allocate(self.size)?;
        file.sync()?;
        self.disk.rename_durably(&temporary, &self.path)?;
        Ok(true)
    }

    fn temporary(&self) -> PathBuf {
        self.path.with_extension("new")
    }
}

/// On btrfs a file that is written and synced piece by piece is far cheaper without copying on write, which has to be
/// said while it is empty. Elsewhere the flag is not known, and nothing is lost.
pub(super) fn write_in_place(file: &dyn DiskFile) {
    use rustix::fs::{IFlags, ioctl_getflags, ioctl_setflags};
    if let Some(file) = file.file()
        && let Ok(flags) = ioctl_getflags(file)
    {
        let _ = ioctl_setflags(file, flags | IFlags::NOCOW);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::disk::simulated::{Call, Failure, Simulated};

    #[test]
    fn where_no_file_can_be_created_the_spare_one_stands_in_once() {
        let machine = Simulated::new(0);
        let disk = machine.disk();
        let spare = Spare::find(Arc::clone(&disk), Path::new("/"), 4096).expect("a folder");
        assert!(!spare.is_there());
        spare.restore();
        assert!(spare.is_there());
        spare.stand_in(|create| create(Path::new("/first"))).expect("created");
        assert!(spare.is_there(), "it was not needed");
        machine.fail(Call::Create, 0, Failure::FullForGood);
        let file = spare.stand_in(|create| create(Path::new("/second"))).expect("it stands in");
        file.write_at(b"holdfast", 0).expect("written");
        assert_eq!(disk.read_whole(Path::new("/second")).expect("there"), b"holdfast");
        let error = spare.stand_in(|create| create(Path::new("/third"))).expect_err("there is none left");
        assert!(is_full(&error), "{error}");
        spare.restore();
        assert!(!spare.is_there(), "no file can be created");
    }

    #[test]
    fn a_spare_file_outlives_the_process_and_is_not_made_where_there_is_little_room() {
        let machine = Simulated::new(0);
        let find = || Spare::find(machine.disk(), Path::new("/"), 4096).expect("a folder");
        machine.set_space(Space { bytes: 8_000, bytes_in_all: 1 << 20, files: 10, files_in_all: 10 });
        find().restore();
        assert!(!find().is_there());
        machine.set_space(Space::UNKNOWN);
        find().restore();
        machine.cut(0);
        assert!(find().is_there());
    }
}
