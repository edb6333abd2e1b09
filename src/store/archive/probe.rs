//! A way to the second copy of the metadata for tests: what a store would be if its database were gone.

use std::path::Path;
use std::sync::Arc;

use crate::store::Snapshot;
use crate::store::ballast::Ballast;
use crate::store::disk::Disk;
use crate::store::layout::Layout;
use crate::store::metadata::{Change, MetadataError};

use super::ArchiveError;
use super::rebuild::rebuild;

/// Metadata, told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retold {
    /// The number of the last record that is in them.
    pub sequence: u64,
    /// What they are made of, but for uploads, and for where in the log something lies: a start moves it.
    pub lines: Vec<String>,
}

/// What the archive and the log of a store tell that nobody has open.
pub fn second_copy(disk: &Arc<dyn Disk>, root: &Path) -> Result<Retold, ArchiveError> {
    let layout = Layout::new(root);
    let ballast = Arc::new(Ballast::take(Arc::clone(disk), layout.ballast(), 0));
    let (metadata, sequence) = rebuild(&**disk, &layout, &ballast, u64::MAX)?;
    Ok(Retold { sequence, lines: lines(&metadata.read())? })
}

/// What the database tells.
pub fn first_copy(tables: &Snapshot) -> Result<Retold, MetadataError> {
    let sequence = tables.position()?.map_or(0, |position| position.sequence);
    Ok(Retold { sequence, lines: lines(tables)? })
}

fn lines(tables: &Snapshot) -> Result<Vec<String>, MetadataError> {
    let mut lines = Vec::new();
    for told in tables.retell()? {
        match told?.1 {
            Change::UploadMarked { .. } => {}
            Change::BlobLogged { digest, size, .. } => lines.push(format!("{digest} in the log: {size}")),
            change => lines.push(format!("{change:?}")),
        }
    }
    Ok(lines)
}
