//! Which memory is which file's: for those who would rather hand a file to a socket than its bytes.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::{Arc, PoisonError, RwLock};

use memmap2::Mmap;

use crate::store::disk::DiskFile;

/// The files of payloads that are mapped at the moment, by the address of their mapping.
#[derive(Debug, Default)]
pub struct MappedFiles {
    files: RwLock<BTreeMap<usize, Mapped>>,
}

#[derive(Debug, Clone)]
struct Mapped {
    /// The address behind its last byte.
    end: usize,
    file: Arc<dyn DiskFile>,
}

impl MappedFiles {
    /// How many files are mapped.
    pub(in crate::store) fn count(&self) -> usize {
        self.files.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Whether these bytes are a mapped file's. Does not look at them.
    pub fn has(&self, bytes: &[u8]) -> bool {
        self.locate(bytes).is_some()
    }

    /// Sends what these bytes are of a mapped file, from the file, or a part of it: how many bytes were sent.
    pub fn send(&self, bytes: &[u8], socket: BorrowedFd<'_>) -> io::Result<usize> {
        let (file, mut offset) = self.locate(bytes).ok_or(io::ErrorKind::NotFound)?;
        let file = file.file().ok_or(io::ErrorKind::Unsupported)?;
        match rustix::fs::sendfile(socket, file, Some(&mut offset), bytes.len())? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            sent => Ok(sent),
        }
    }

    /// The file, and where in it the bytes begin.
    fn locate(&self, bytes: &[u8]) -> Option<(Arc<dyn DiskFile>, u64)> {
        let address = bytes.as_ptr().addr();
        let files = self.files.read().unwrap_or_else(PoisonError::into_inner);
        let (start, Mapped { end, file }) = files.range(..=address).next_back()?;
        let is_within = address.checked_add(bytes.len()).is_some_and(|behind| behind <= *end);
        is_within.then(|| (Arc::clone(file), (address - start) as u64))
    }
}

/// A mapping that its [`MappedFiles`] know of for as long as there is anybody who has a slice of it.
#[derive(Debug)]
pub(super) struct KnownMapping {
    mapped: Mmap,
    files: Arc<MappedFiles>,
}

impl KnownMapping {
    pub(super) fn new(mapped: Mmap, file: Arc<dyn DiskFile>, files: Arc<MappedFiles>) -> Self {
        let start = mapped.as_ptr().addr();
        let end = start + mapped.len();
        files.files.write().unwrap_or_else(PoisonError::into_inner).insert(start, Mapped { end, file });
        Self { mapped, files }
    }
}

impl AsRef<[u8]> for KnownMapping {
    fn as_ref(&self) -> &[u8] {
        &self.mapped
    }
}

impl Drop for KnownMapping {
    fn drop(&mut self) {
        let start = self.mapped.as_ptr().addr();
        self.files.files.write().unwrap_or_else(PoisonError::into_inner).remove(&start);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;
    use std::path::Path;

    use super::super::mapping::Mapping;
    use super::*;
    use crate::store::disk::{Disk, Real};

    fn map(path: &Path, files: &Arc<MappedFiles>) -> Mapping {
        std::fs::write(path, b"holdfast holds fast").expect("a file");
        Mapping::of(Real.open_for_reading(path).expect("the file"), files).expect("a mapping")
    }

    #[test]
    fn a_slice_of_a_mapping_is_sent_from_its_file_and_nothing_else_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let files = Arc::new(MappedFiles::default());
        let mapping = map(&folder.path().join("a"), &files);
        let _other = map(&folder.path().join("b"), &files);
        let slice = mapping.slice(9..14);
        assert!(files.has(&slice) && files.has(&mapping.slice(0..19)));
        assert!(!files.has(b"holds"));
        let (out, mut back) = UnixStream::pair().expect("sockets");
        assert_eq!(files.send(&slice, out.as_fd()).expect("sent"), 5);
        let mut received = [0; 5];
        back.read_exact(&mut received).expect("received");
        assert_eq!(&received, b"holds");
    }

    #[test]
    fn a_mapping_is_known_for_as_long_as_somebody_has_a_slice_of_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let files = Arc::new(MappedFiles::default());
        let mapping = map(&folder.path().join("a"), &files);
        let slice = mapping.slice(0..4);
        drop(mapping);
        assert!(files.has(&slice));
        drop(slice);
        assert!(files.files.read().expect("no panic").is_empty());
    }

    #[test]
    fn a_file_that_was_truncated_is_an_error_and_no_end_without_end() {
        let folder = tempfile::tempdir().expect("a folder");
        let files = Arc::new(MappedFiles::default());
        let path = folder.path().join("a");
        let mapping = map(&path, &files);
        Real.open(&path).expect("the file").set_length(0).expect("cut");
        let (out, _back) = UnixStream::pair().expect("sockets");
        let error = files.send(&mapping.slice(0..4), out.as_fd()).expect_err("nothing to send");
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
