//! Files mapped into memory.
//!
//! No user code ever touches a mapping: a page that has vanished is an error to a system call, but a signal that kills
//! the process to a load instruction. So pages are fetched by `madvise`, which reports errors, and then handed to the
//! socket.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use memmap2::Mmap;

use super::mapped_files::{KnownMapping, MappedFiles};
use crate::store::disk::DiskFile;

/// A whole file, mapped read-only. The file is never written again.
#[derive(Debug)]
pub(super) struct Mapping(Bytes);

/// How many pages are asked about in one call.
const PAGES: usize = 256;

impl Mapping {
    /// Maps the file, and lets `files` know.
    pub(super) fn of(file: Arc<dyn DiskFile>, files: &Arc<MappedFiles>) -> io::Result<Self> {
        let mappable = file.file().ok_or(io::ErrorKind::Unsupported)?;
        // SAFETY: files of payloads are never written or truncated once they have their name, and nothing here or above
        // reads through the mapping in user code: see the module's comment.
        let mapped = unsafe { Mmap::map(mappable) }?;
        Ok(Self(Bytes::from_owner(KnownMapping::new(mapped, file, Arc::clone(files)))))
    }

    /// In bytes.
    pub(super) fn length(&self) -> usize {
        self.0.len()
    }

    /// A part of it, for a system call to read. The range lies within it.
    pub(super) fn slice(&self, range: Range<usize>) -> Bytes {
        self.0.slice(range)
    }

    /// Brings the pages of a range into memory. A page that cannot be had is an error, not a signal.
    pub(super) fn populate(&self, range: Range<usize>) -> io::Result<()> {
        let (start, length) = self.pages(range);
        // SAFETY: the range lies within the mapping; populating for reading changes nothing.
        unsafe { rustix::mm::madvise(start, length, rustix::mm::Advice::LinuxPopulateRead) }?;
        Ok(())
    }

    /// Whether the pages of a range are in memory, so that whoever reads them waits for no disk. They may leave it again
    /// at any time; the system says yes of all files that it would not let us write.
    pub(super) fn is_resident(&self, range: Range<usize>) -> bool {
        let page = rustix::param::page_size();
        let (mut start, mut left) = self.pages(range);
        let mut states = [0_u8; PAGES];
        while left > 0 {
            let length = left.min(PAGES * page);
            // SAFETY: the range lies within the mapping, and there is a byte for each of its pages.
            let status = unsafe { libc::mincore(start, length, states.as_mut_ptr()) };
            let (states, _) = states.split_at(length.div_ceil(page));
            if status != 0 || states.iter().any(|state| state & 1 == 0) {
                return false;
            }
            start = start.wrapping_byte_add(length);
            left -= length;
        }
        true
    }

    /// The first page of a range, and how many bytes there are from its beginning to the range's end.
    fn pages(&self, range: Range<usize>) -> (*mut std::ffi::c_void, usize) {
        let start = range.start - range.start % rustix::param::page_size();
        (self.0.as_ptr().wrapping_add(start).cast_mut().cast(), range.end - start)
    }
}
