//! The operating system's file system.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, IoSlice};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

use super::barrier::SyncFs;
use super::{Barrier, Disk, DiskFile, Space};

/// The disk that a store lies on when it is no test's.
#[derive(Debug, Clone, Copy)]
pub(in crate::store) struct Real;

impl Disk for Real {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        opened(OpenOptions::new().read(true).write(true).create_new(true).mode(0o640).open(path))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        opened(OpenOptions::new().read(true).write(true).open(path))
    }

    fn open_for_reading(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        opened(File::open(path))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::hard_link(from, to)
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn create_folder(&self, path: &Path) -> io::Result<()> {
        match fs::create_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
            other => other,
        }
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<OsString>> {
        fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name())).collect()
    }

    fn length(&self, path: &Path) -> io::Result<u64> {
        Ok(fs::metadata(path)?.len())
    }

    fn barrier(&self, folder: &Path) -> io::Result<Option<Box<dyn Barrier>>> {
        Ok(SyncFs::open(folder)?.map(|barrier| Box::new(barrier) as Box<dyn Barrier>))
    }

    fn space(&self, folder: &Path) -> io::Result<Space> {
        let found = rustix::fs::statvfs(folder)?;
        let bytes = found.f_bavail.saturating_mul(found.f_frsize);
        let bytes_in_all = found.f_blocks.saturating_mul(found.f_frsize);
        // A file system that makes inodes as it needs them says that it has none at all.
        match found.f_files {
            0 => Ok(Space { bytes, bytes_in_all, ..Space::UNKNOWN }),
            files_in_all => Ok(Space { bytes, bytes_in_all, files: found.f_favail, files_in_all }),
        }
    }
}

fn opened(file: io::Result<File>) -> io::Result<Arc<dyn DiskFile>> {
    Ok(Arc::new(RealFile(file?)))
}

#[derive(Debug)]
struct RealFile(File);

impl DiskFile for RealFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn write_vectored_at(&self, slices: &[IoSlice<'_>], mut offset: u64) -> io::Result<()> {
        let mut owned = slices.to_vec();
        let mut left = &mut owned[..];
        // Empty slices go first: a write of nothing could not be told from a disk that takes nothing.
        IoSlice::advance_slices(&mut left, 0);
        while !left.is_empty() {
            match rustix::io::pwritev(&self.0, left, offset) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    IoSlice::advance_slices(&mut left, written);
                    offset += written as u64;
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        use rustix::fs::{FallocateFlags, fallocate};
        use rustix::io::Errno;
        if length == 0 {
            return Ok(());
        }
        match fallocate(&self.0, FallocateFlags::KEEP_SIZE, 0, length) {
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
            other => Ok(other?),
        }
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn start_writeback(&self, offset: u64, length: u64) -> io::Result<()> {
        sync_file_range(&self.0, offset, length, libc::SYNC_FILE_RANGE_WRITE)
    }

    fn write_back(&self, offset: u64, length: u64) -> io::Result<()> {
        const WAIT: libc::c_uint = libc::SYNC_FILE_RANGE_WAIT_BEFORE | libc::SYNC_FILE_RANGE_WAIT_AFTER;
        sync_file_range(&self.0, offset, length, libc::SYNC_FILE_RANGE_WRITE | WAIT)
    }

    fn file(&self) -> Option<&File> {
        Some(&self.0)
    }
}

/// Linux's call of this name. Where there is none nothing is done.
fn sync_file_range(file: &File, offset: u64, length: u64, flags: libc::c_uint) -> io::Result<()> {
    let offset = i64::try_from(offset).map_err(io::Error::other)?;
    let length = i64::try_from(length).map_err(io::Error::other)?;
    // SAFETY: the call takes no pointers, and the descriptor is open for as long as `file` is borrowed.
    let status = unsafe { libc::sync_file_range(file.as_raw_fd(), offset, length, flags) };
    if status == 0 {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    match error.raw_os_error() {
        Some(libc::ENOSYS | libc::EINVAL | libc::ESPIPE) => Ok(()),
        _ => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_are_written_one_behind_the_other_however_many_there_are() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = Real.create(&folder.path().join("file")).expect("a file");
        let texts: Vec<String> = (0..3_000).map(|number| number.to_string().repeat(number % 4)).collect();
        let slices: Vec<_> = texts.iter().map(|text| IoSlice::new(text.as_bytes())).collect();
        file.write_at(b"head", 0).expect("written");
        file.write_vectored_at(&slices, 4).expect("written");
        file.write_vectored_at(&[IoSlice::new(b""), IoSlice::new(b"")], 4).expect("nothing to write");
        let expected = format!("head{}", texts.concat());
        assert_eq!(file.length().expect("a length"), expected.len() as u64);
        let mut found = vec![0; expected.len()];
        file.read_exact_at(&mut found, 0).expect("read");
        assert_eq!(found, expected.as_bytes());
    }
}
