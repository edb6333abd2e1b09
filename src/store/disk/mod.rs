//! The few calls that make things durable.
//!
//! Whatever has to survive a power cut goes through here and nowhere else: files are synced, and so are the folders
//! that name them. A sync that fails is reported and never repeated as if nothing had happened: the kernel may have
//! marked the pages clean that it could not write.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Creates a file that was not there before, to be written and read.
pub(super) fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create_new(true).mode(0o640).open(path)
}

/// Opens a file that is there, to be written and read.
pub(super) fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open(path)
}

/// Opens a file that is there, to be read.
pub(super) fn open_for_reading(path: &Path) -> io::Result<File> {
    File::open(path)
}

/// Makes a file's bytes and its length durable.
pub(super) fn sync(file: &File) -> io::Result<()> {
    file.sync_data()
}

/// Makes the names in a folder durable.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Starts write-back of a range without waiting for it, so that a later [`sync`] finds little left.
///
/// Where the file system has no such call, the sync does all the work; any other error means that bytes are lost.
pub(super) fn start_writeback(file: &File, offset: u64, length: u64) -> io::Result<()> {
    let offset = i64::try_from(offset).map_err(io::Error::other)?;
    let length = i64::try_from(length).map_err(io::Error::other)?;
    // SAFETY: the call takes no pointers, and the descriptor is open for as long as `file` is borrowed.
    let status =
        unsafe { libc::sync_file_range(file.as_raw_fd(), offset, length, libc::SYNC_FILE_RANGE_WRITE) };
    if status == 0 {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    match error.raw_os_error() {
        Some(libc::ENOSYS | libc::EINVAL | libc::ESPIPE) => Ok(()),
        _ => Err(error),
    }
}

/// Gives a file another name, durably: it is found under the new one after a power cut.
///
/// `to` must never have been a name before, so that nothing is replaced.
pub(super) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    sync_folder(parent(to)?)
}

/// Creates a folder and names it durably; one that is there already is fine.
pub(super) fn create_folder(path: &Path) -> io::Result<()> {
    create_folders([path.to_owned()])
}

/// Creates folders, and syncs each folder that names new ones once.
pub(super) fn create_folders(paths: impl IntoIterator<Item = PathBuf>) -> io::Result<()> {
    let mut changed = BTreeSet::new();
    for path in paths {
        match fs::create_dir(&path) {
            Ok(()) => {
                changed.insert(parent(&path)?.to_owned());
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
            Err(error) => return Err(error),
        }
    }
    changed.iter().try_for_each(|folder| sync_folder(folder))
}

/// Removes a name; one that is gone already is fine. Not durable by itself: what is unlinked twice does no harm.
pub(super) fn unlink(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Writes a small file whole and durably, under a name that is there either complete or not at all.
pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("new");
    unlink(&temporary)?;
    let file = create(&temporary)?;
    io::Write::write_all(&mut &file, bytes)?;
    sync(&file)?;
    rename(&temporary, path)
}

fn parent(path: &Path) -> io::Result<&Path> {
    path.parent().ok_or_else(|| io::Error::other("a path without a folder"))
}
