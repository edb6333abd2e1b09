//! A payload on its way out.
//!
//! Whoever passes bytes to a system call gets slices of a [`Mapping`]; whoever has to look at them gets a copy that was
//! read with `pread`.

use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use rustix::io::Errno;

use super::Abilities;
use super::mapped_files::MappedFiles;
use super::mapping::Mapping;
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
    #[error("its place holds the bytes of {found}")]
    Content { found: Digest },
    #[error("it was found damaged before")]
    Damaged,
    #[error("the payload's file cannot be read: {0}")]
    Io(#[from] io::Error),
    #[error(transparent)]
    Metadata(#[from] MetadataError),
}

impl PayloadError {
    /// Whether it says that the payload's bytes are not there any more, and not just that they could not be read this time.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Missing | Self::Size { .. } | Self::Content { .. } | Self::Damaged => true,
            Self::Io(error) => is_damage(error),
            Self::Metadata(_) => false,
        }
    }
}

/// What disks and file systems say of bytes that they have lost. Too few descriptors, say, tell nothing of them.
fn is_damage(error: &io::Error) -> bool {
    const LOST: [Errno; 4] = [Errno::IO, Errno::BADMSG, Errno::UCLEAN, Errno::NODATA];
    error.kind() == io::ErrorKind::UnexpectedEof
        || Errno::from_io_error(error).is_some_and(|errno| LOST.contains(&errno))
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
    size: u64,
    source: Source,
}

#[derive(Debug)]
enum Source {
    /// A file of its own, and its mapping where it could be mapped.
    File { file: Arc<dyn DiskFile>, mapping: Option<Mapping> },
    /// A copy of what the log has, which is small.
    Memory(Bytes),
}

impl Payload {
    pub(in crate::store) fn open(
        disk: &dyn Disk,
        path: &Path,
        size: u64,
        abilities: Abilities,
        files: &Arc<MappedFiles>,
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
        let is_mapped = abilities.can_map && size > 0;
        let mapping = is_mapped.then(|| Mapping::of(Arc::clone(&file), files).ok()).flatten();
        Ok(Self { size, source: Source::File { file, mapping } })
    }

    /// A payload that is read, and neither mapped nor kept.
    pub(in crate::store) fn open_unmapped(
        disk: &dyn Disk,
        path: &Path,
        size: u64,
    ) -> Result<Self, PayloadError> {
        Self::open(disk, path, size, Abilities { can_map: false }, &Arc::default())
    }

    /// A payload that lies in a segment of the log. It is small, and compared with its digest.
    pub(in crate::store) fn in_log(
        segment: &dyn DiskFile,
        offset: u64,
        size: u64,
        digest: &Digest,
    ) -> Result<Self, PayloadError> {
        let mut bytes = vec![0; usize::try_from(size).map_err(io::Error::other)?];
        segment.read_exact_at(&mut bytes, offset)?;
        let found = Hasher::digest(digest.algorithm(), &bytes);
        match found == *digest {
            true => Ok(Self { size, source: Source::Memory(bytes.into()) }),
            false => Err(PayloadError::Content { found }),
        }
    }

    /// In bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Whether it was compared with its digest when it was opened.
    pub fn is_verified(&self) -> bool {
        matches!(self.source, Source::Memory(_))
    }

    /// Whether nobody has cut or extended the file since it was opened, as far as can be told without waiting.
    pub(super) fn has_its_length(&self) -> bool {
        match &self.source {
            Source::File { file, .. } => file.length().is_ok_and(|length| length == self.size),
            Source::Memory(_) => true,
        }
    }

    /// The bytes of a range, if nothing has to be waited for: they are in memory.
    pub fn read_at_once(&self, range: &Range<u64>, transfer: Transfer) -> Option<Bytes> {
        let wanted = self.within(range)?;
        match (&self.source, transfer) {
            (Source::Memory(bytes), _) => Some(bytes.slice(wanted)),
            (Source::File { mapping: Some(mapping), .. }, Transfer::Mapped) => {
                mapping.is_resident(wanted.clone()).then(|| mapping.slice(wanted))
            }
            // Where it cannot be had after all, whoever is told so reads it again, and learns why.
            (Source::File { mapping: Some(mapping), .. }, Transfer::Copied)
                if mapping.is_resident(wanted) =>
            {
                self.read(range.clone(), transfer).ok()
            }
            (Source::File { .. }, _) => None,
        }
    }

    /// The bytes of a range, present in memory. Blocks until they are; the range must lie within the payload.
    pub fn read(&self, range: Range<u64>, transfer: Transfer) -> io::Result<Bytes> {
        let wanted = self.within(&range).ok_or(io::ErrorKind::InvalidInput)?;
        match (&self.source, transfer) {
            (Source::Memory(bytes), _) => Ok(bytes.slice(wanted)),
            (Source::File { mapping: Some(mapping), .. }, Transfer::Mapped) => {
                mapping.populate(wanted.clone())?;
                Ok(mapping.slice(wanted))
            }
            (Source::File { file, .. }, _) => {
                let mut buffer = vec![0; wanted.len()];
                file.read_exact_at(&mut buffer, range.start)?;
                Ok(buffer.into())
            }
        }
    }

    /// The range in memory's terms, if it lies within the payload.
    fn within(&self, range: &Range<u64>) -> Option<Range<usize>> {
        let is_within = range.start <= range.end && range.end <= self.size;
        let (start, end) = (usize::try_from(range.start).ok()?, usize::try_from(range.end).ok()?);
        is_within.then_some(start..end)
    }
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
            let payload = Payload::open(&Real, &path, bytes.len() as u64, abilities, &Arc::default())
                .expect("a payload");
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
            let refused = Payload::open(&Real, &path, 8, abilities, &Arc::default());
            assert!(matches!(refused, Err(PayloadError::Size { expected: 8, found: 7 })));
        }
        let missing = Payload::open(&Real, &path.with_extension("gone"), 8, WAYS[0], &Arc::default());
        assert!(matches!(missing, Err(PayloadError::Missing)));
    }

    #[test]
    fn a_file_truncated_under_a_pull_is_an_error_and_no_crash() {
        let bytes = vec![7; 1 << 20];
        let (_folder, path) = payload(&bytes);
        for transfer in [Transfer::Mapped, Transfer::Copied] {
            std::fs::write(&path, &bytes).expect("a file");
            let payload = Payload::open(&Real, &path, 1 << 20, WAYS[0], &Arc::default()).expect("a payload");
            Real.open(&path).expect("the file").set_length(8_192).expect("cut");
            assert!(payload.read(0..4_096, transfer).is_ok());
            assert!(payload.read(4_096..1 << 20, transfer).is_err());
        }
    }

    #[test]
    fn an_unlinked_payload_stays_readable_for_who_has_it_open() {
        let (_folder, path) = payload(b"holdfast");
        let payload = Payload::open(&Real, &path, 8, WAYS[0], &Arc::default()).expect("a payload");
        Real.unlink(&path).expect("gone");
        assert_eq!(payload.read(0..8, Transfer::Copied).expect("bytes"), &b"holdfast"[..]);
    }
}
