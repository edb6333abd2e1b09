//! A payload on its way out.
//!
//! No user code ever touches a mapping: a page that has vanished is an error to a system call, but a signal that kills
//! the process to a load instruction. So pages are fetched by `madvise`, which reports errors, and then handed to the
//! socket; whoever has to look at bytes gets a copy that was read with `pread`.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use memmap2::Mmap;

use super::Abilities;
use crate::oci::Digest;
use crate::store::disk::{Disk, DiskFile};
use crate::store::hasher::Hasher;
use crate::store::metadata::MetadataError;

/// What became of the attempt to open a payload.
#[derive(Debug, thiserror::Error)]
pub enum PayloadError {
    #[error("the payload's file is missing")]
    Missing,
    #[error("the payload's file has {found} bytes; it should have {expected}")]
    Size { expected: u64, found: u64 },
    #[error("the log holds the bytes of {found} in its place")]
    Content { found: Digest },
    #[error("the payload's file cannot be read: {0}")]
    Io(#[from] io::Error),
    #[error(transparent)]
    Metadata(#[from] MetadataError),
}

/// How bytes leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transfer {
    /// As slices of the mapping. For whoever passes them to a system call and does not look at them.
    Mapped,
    /// As copies, for whoever has to look at them.
    Copied,
}

/// An open payload. Its file is never written again, and stays readable after it was unlinked.
#[derive(Debug)]
pub struct Payload {
    file: Arc<dyn DiskFile>,
    /// Where in the file it begins: payloads that still lie in the log share one.
    start: u64,
    size: u64,
    /// The whole file, where it could be mapped.
    mapping: Option<Bytes>,
}

impl Payload {
    pub(in crate::store) fn open(
        disk: &dyn Disk,
        path: &Path,
        size: u64,
        abilities: Abilities,
    ) -> Result<Self, PayloadError> {
        let file = match disk.open_for_reading(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(PayloadError::Missing);
            }
            other => other?,
        };
        let found = file.length()?;
        if found != size {
            return Err(PayloadError::Size { expected: size, found });
        }
        // Without a mapping, for want of address space or of maps, it is read all the same.
        let mapped = file.file().filter(|_| abilities.can_map && size > 0);
        let mapping = mapped.and_then(|file| map(file).ok());
        Ok(Self { file, start: 0, size, mapping: mapping.map(Bytes::from_owner) })
    }

    /// A payload that lies in a segment of the log. It is small, and compared with its digest.
    pub(in crate::store) fn in_log(
        segment: Arc<dyn DiskFile>,
        start: u64,
        size: u64,
        digest: &Digest,
    ) -> Result<Self, PayloadError> {
        let payload = Self { file: segment, start, size, mapping: None };
        let found = Hasher::digest(digest.algorithm(), &payload.read(0..size, Transfer::Copied)?);
        match found == *digest {
            true => Ok(payload),
            false => Err(PayloadError::Content { found }),
        }
    }

    /// In bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The bytes of a range, present in memory. Blocks until they are; the range must lie within the payload.
    pub fn read(&self, range: Range<u64>, transfer: Transfer) -> io::Result<Bytes> {
        if range.start >= range.end {
            return Ok(Bytes::new());
        }
        let out_of_range = || io::Error::from(io::ErrorKind::InvalidInput);
        let (start, end) = match (usize::try_from(range.start), usize::try_from(range.end)) {
            (Ok(start), Ok(end)) if range.end <= self.size => (start, end),
            _ => return Err(out_of_range()),
        };
        match (&self.mapping, transfer) {
            (Some(mapping), Transfer::Mapped) => {
                populate(mapping, start..end)?;
                Ok(mapping.slice(start..end))
            }
            _ => {
                let mut buffer = vec![0; end - start];
                self.file.read_exact_at(&mut buffer, self.start + range.start)?;
                Ok(buffer.into())
            }
        }
    }
}

/// Maps a whole file, read-only.
pub(super) fn map(file: &File) -> io::Result<Mmap> {
    // SAFETY: files of payloads are never written or truncated once they have their name, and nothing here or above
    // reads through the mapping in user code: see the module's comment.
    unsafe { Mmap::map(file) }
}

/// Brings the pages of a range into memory. A page that cannot be had is an error, not a signal.
pub(super) fn populate(mapping: &[u8], range: Range<usize>) -> io::Result<()> {
    let page = rustix::param::page_size();
    let start = range.start - range.start % page;
    let pointer = mapping.as_ptr().wrapping_add(start).cast_mut().cast();
    // SAFETY: the range lies within the mapping, whose start is page-aligned; populating for reading changes nothing.
    unsafe { rustix::mm::madvise(pointer, range.end - start, rustix::mm::Advice::LinuxPopulateRead) }?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::disk::Real;

    const WAYS: [Abilities; 2] = [Abilities { can_map: true }, Abilities { can_map: false }];

    fn payload(bytes: &[u8]) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("payload");
        std::fs::write(&path, bytes).expect("a file");
        (folder, path)
    }

    #[test]
    fn every_range_is_the_same_mapped_or_read_where_mapping_fails() {
        let bytes: Vec<u8> = (0..20_000_u32).flat_map(u32::to_le_bytes).collect();
        let (_folder, path) = payload(&bytes);
        for abilities in WAYS {
            let payload = Payload::open(&Real, &path, bytes.len() as u64, abilities).expect("a payload");
            for range in [0..80_000, 0..1, 4_095..4_097, 79_999..80_000, 5..5, 12_288..70_001] {
                let expected = &bytes[range.clone()];
                for transfer in [Transfer::Mapped, Transfer::Copied] {
                    let range = range.start as u64..range.end as u64;
                    assert_eq!(payload.read(range, transfer).expect("bytes"), expected);
                }
            }
            assert!(payload.read(0..80_001, Transfer::Mapped).is_err());
        }
    }

    #[test]
    fn a_payload_of_the_wrong_size_is_refused_at_once() {
        let (_folder, path) = payload(b"holdfas");
        for abilities in WAYS {
            let refused = Payload::open(&Real, &path, 8, abilities);
            assert!(matches!(refused, Err(PayloadError::Size { expected: 8, found: 7 })));
        }
        let missing = Payload::open(&Real, &path.with_extension("gone"), 8, WAYS[0]);
        assert!(matches!(missing, Err(PayloadError::Missing)));
    }

    #[test]
    fn a_file_truncated_under_a_pull_is_an_error_and_no_crash() {
        let bytes = vec![7; 1 << 20];
        let (_folder, path) = payload(&bytes);
        for transfer in [Transfer::Mapped, Transfer::Copied] {
            std::fs::write(&path, &bytes).expect("a file");
            let payload = Payload::open(&Real, &path, 1 << 20, WAYS[0]).expect("a payload");
            Real.open(&path).expect("the file").set_length(8_192).expect("cut");
            assert!(payload.read(0..4_096, transfer).is_ok());
            assert!(payload.read(4_096..1 << 20, transfer).is_err());
        }
    }

    #[test]
    fn an_unlinked_payload_stays_readable_for_who_has_it_open() {
        let (_folder, path) = payload(b"holdfast");
        let payload = Payload::open(&Real, &path, 8, WAYS[0]).expect("a payload");
        Real.unlink(&path).expect("gone");
        assert_eq!(payload.read(0..8, Transfer::Copied).expect("bytes"), &b"holdfast"[..]);
    }
}
