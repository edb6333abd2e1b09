//! One segment: a file of the log.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::store::disk::{Disk, DiskFile, Rule};
use crate::store::spare::{Create, write_in_place};

use super::format::SegmentHeader;
use super::{Key, RunId};

/// An open segment whose header is durable.
#[derive(Debug, Clone)]
pub(super) struct Segment {
    pub(super) header: SegmentHeader,
    pub(super) file: Arc<dyn DiskFile>,
}

/// The path of a segment.
pub(in crate::store) fn path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:016x}"))
}

/// The path of a segment that is set aside. It holds nothing that anybody needs, and the next start removes it.
pub(in crate::store) fn retired_path(folder: &Path, number: u64) -> PathBuf {
    path(folder, number).with_extension("retired")
}

/// Reads a segment's number from its name.
pub(in crate::store) fn number(name: &str) -> Option<u64> {
    let number = u64::from_str_radix(name, 16).ok()?;
    (name == format!("{number:016x}")).then_some(number)
}

impl Segment {
    /// Makes a segment of an empty file, durably and under its name, before anything is written into it.
    pub(super) fn create(
        disk: &dyn Disk,
        folder: &Path,
        number: u64,
        run: RunId,
        create: Create<'_>,
    ) -> io::Result<Self> {
        let header = SegmentHeader { number, run, seed: Key::random() };
        let target = path(folder, number);
        let temporary = target.with_extension("new");
        // An attempt that failed half-way may have left either.
        disk.unlink(&target)?;
        disk.unlink(&temporary)?;
        let file = create(&temporary)?;
        write_in_place(&*file);
        file.write_at(&header.encode(), 0)?;
        file.sync()?;
        disk.rename(&temporary, &target)?;
        if disk.keeps(Rule::NameSegment) {
            disk.sync_folder(folder)?;
        }
        Ok(Self { header, file })
    }

    /// The same segment, to be written on.
    pub(super) fn reopen(&self, disk: &dyn Disk, folder: &Path) -> io::Result<Self> {
        let file = disk.open(&path(folder, self.header.number))?;
        Ok(Self { header: self.header, file })
    }

    /// Opens a segment. `None` if it has no valid header, which it had before it got its name.
    pub(super) fn open(disk: &dyn Disk, folder: &Path, number: u64) -> io::Result<Option<Self>> {
        let file = disk.open_for_reading(&path(folder, number))?;
        let mut bytes = [0; SegmentHeader::LENGTH];
        match file.read_exact_at(&mut bytes, 0) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            other => other?,
        }
        let header = SegmentHeader::decode(&bytes).filter(|header| header.number == number);
        Ok(header.map(|header| Self { header, file }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_is_named_by_its_number_in_one_way_only() {
        let name = path(Path::new("log"), 0x2a);
        assert_eq!(name, Path::new("log/000000000000002a"));
        assert_eq!(number("000000000000002a"), Some(0x2a));
        for other in ["2a", "000000000000002A", "000000000000002a.new", "+00000000000002a", "lost+found"] {
            assert_eq!(number(other), None, "{other}");
        }
    }
}
