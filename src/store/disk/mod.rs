//! The few calls that make things durable.
//!
//! Whatever has to survive a power cut goes through here and nowhere else, so that a test can put a disk of its own
//! under the store that forgets what was not synced, and fails when it is told to. Two rules hold for every disk:
//!
//! - The bytes of a file are one thing, its name another: [`DiskFile::sync`] makes the first durable,
//!   [`Disk::sync_folder`] the second, and neither does the other's work.
//! - A sync that fails is reported and never repeated as if nothing had happened: the kernel may have marked the pages
//!   clean that it could not write.
//!
//! All calls block; they belong on a thread that may.

mod barrier;
mod durably;
mod real;
mod rule;
#[cfg(any(test, feature = "simulation"))]
pub mod simulated;

use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::Arc;

pub(super) use durably::parent;
pub(super) use real::Real;
pub use rule::Rule;

/// Where a store lies. What it offers beside these calls, made of them, stands in `durably`.
pub trait Disk: fmt::Debug + Send + Sync + 'static {
    /// Creates a file that was not there before, to be written and read.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;

    /// Opens a file that is there, to be written and read.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;

    /// Opens a file that is there, to be read.
    fn open_for_reading(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;

    /// Gives a file another name. Durable when the folders of both names were synced; until then a power cut may leave
    /// either name, both or none. `to` must never have been a name before, so that nothing is replaced, unless it is
    /// that of the layout's version, or of a backup's snapshot: there a power cut leaves the old file or the new one.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Gives a file a second name, on the same file system. Durable when its folder was synced. An error where there is no
    /// such thing: whoever asks has another way.
    fn link(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a name; one that is gone already is fine. Whoever has the file open keeps it.
    fn unlink(&self, path: &Path) -> io::Result<()>;

    /// Creates a folder in one that is there; one that is there already is fine.
    fn create_folder(&self, path: &Path) -> io::Result<()>;

    /// Makes the names in a folder durable: those that came, and the absence of those that went.
    fn sync_folder(&self, path: &Path) -> io::Result<()>;

    /// The names in a folder, in no order.
    fn list(&self, folder: &Path) -> io::Result<Vec<OsString>>;

    /// The length of a file in bytes; `NotFound` if there is none of that name.
    fn length(&self, path: &Path) -> io::Result<u64>;

    /// How much room is left on the disk that a folder lies on.
    fn space(&self, folder: &Path) -> io::Result<Space>;

    /// What makes everything durable at once that is written on the folder's file system from now on; `None` where the system
    /// has no such call that can be relied on.
    fn barrier(&self, folder: &Path) -> io::Result<Option<Box<dyn Barrier>>>;

    /// Whether the store is to keep a rule. All disks say yes, but for one under a test that wants to see it missed.
    fn keeps(&self, _rule: Rule) -> bool {
        true
    }
}

/// Makes everything durable that was written on its file system since it was made: the bytes and the names of all files.
pub trait Barrier: fmt::Debug + Send + Sync {
    /// Whether little waits to be written: whatever anybody has written is waited for.
    fn is_light(&self) -> bool;

    /// An error says that something that was written is lost, and not what.
    fn sync(&self) -> io::Result<()>;
}

/// Whether an error says that the disk, or what this user may have of it, is full.
pub fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Room on a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Bytes that this user may still write.
    pub bytes: u64,
    /// Bytes of the whole disk.
    pub bytes_in_all: u64,
    /// Files that this user may still create.
    pub files: u64,
    /// Files that the whole disk can have.
    pub files_in_all: u64,
}

impl Space {
    /// No bound that anybody knows of.
    pub const UNKNOWN: Self =
        Self { bytes: u64::MAX, bytes_in_all: u64::MAX, files: u64::MAX, files_in_all: u64::MAX };
}

/// An open file. It stays usable when its name changes or goes.
pub trait DiskFile: fmt::Debug + Send + Sync {
    /// Reads what is there from `offset` on, at most a buffer full; 0 at the end of the file.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Fills the buffer, or fails with `UnexpectedEof`.
    fn read_exact_at(&self, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
        while !buffer.is_empty() {
            match self.read_at(buffer, offset) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => {
                    (_, buffer) = buffer.split_at_mut(read);
                    offset += read as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Writes all of `bytes`. After an error any part of them may have been written.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Writes all slices, one behind the other. After an error any part of them may have been written.
    fn write_vectored_at(&self, slices: &[IoSlice<'_>], offset: u64) -> io::Result<()>;

    /// In bytes.
    fn length(&self) -> io::Result<u64>;

    /// Cuts the file, or extends it with zeros.
    fn set_length(&self, length: u64) -> io::Result<()>;

    /// Takes room on the disk for the first `length` bytes, without changing the file's length or what it holds. Where there
    /// is no such thing nothing is taken.
    fn allocate(&self, length: u64) -> io::Result<()>;

    /// Makes the bytes and the length durable, but no name.
    fn sync(&self) -> io::Result<()>;

    /// Starts write-back of a range without waiting for it, so that a later [`sync`](Self::sync) finds little left.
    /// Where there is no such thing the sync does all the work; any error means that bytes are lost.
    fn start_writeback(&self, offset: u64, length: u64) -> io::Result<()>;

    /// Has a range written back, and waits until it was. That makes nothing durable, but whoever syncs anything next waits for
    /// nothing of it; any error means that bytes are lost.
    fn write_back(&self, offset: u64, length: u64) -> io::Result<()>;

    /// The file of the operating system, for those who map it; a disk of tests has none.
    fn file(&self) -> Option<&File> {
        None
    }
}
