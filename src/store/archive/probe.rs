//! A way to the second copy of the metadata for tests.

use std::path::Path;
use std::sync::Arc;

use crate::store::disk::Disk;
use crate::store::metadata::{Change, MetadataError};
use crate::store::{Options, RebuildError, Snapshot, rebuild};

/// Metadata, told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retold {
    /// The number of the last record that is in them.
    pub sequence: u64,
    /// What they are made of, but for uploads, and for where in the log something lies: a start moves it.
    pub lines: Vec<String>,
}

/// Loses the database of a store that nobody has open, and makes it anew up to record `last`.
pub fn lose_and_rebuild(
    disk: &Arc<dyn Disk>,
    root: &Path,
    options: &Options,
    last: u64,
) -> Result<(), RebuildError> {
    let at_root = |error| RebuildError::Io { root: root.to_owned(), error };
    disk.unlink(&root.join("metadata.redb")).map_err(at_root)?;
    rebuild::rebuild_on(disk, root, options, last, &mut |_| ()).map(drop)
}

/// What the tables of a store tell.
pub fn retell(tables: &Snapshot) -> Result<Retold, MetadataError> {
    let mut lines = Vec::new();
    for told in tables.retell()? {
        match told?.1 {
            Change::UploadMarked { .. } => {}
            Change::BlobLogged { digest, size, .. } => lines.push(format!("{digest} in the log: {size}")),
            change => lines.push(format!("{change:?}")),
        }
    }
    Ok(Retold { sequence: tables.position()?.map_or(0, |position| position.sequence), lines })
}
