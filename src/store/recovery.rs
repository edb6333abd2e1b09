//! Coming back: the database, the log past its last checkpoint, and what an earlier run has left in `uploads/`.

use std::collections::HashSet;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::ballast::Ballast;
use super::blobs::Incoming;
use super::disk::Disk;
use super::in_flight::InFlight;
use super::layout::Layout;
use super::log::{self, Log, NO_RECORD, ReplayError, Segments};
use super::metadata::{Change, Metadata, MetadataError};
use super::spare::Spare;
use super::{OpenError, Resumed};

/// What it takes to open the database and to replay the log into it: at every start, and after an error of the database.
pub(super) struct Recovery {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) layout: Layout,
    /// Bound of redb's cache of pages, in bytes.
    pub(super) cache_size: u64,
    /// How large a segment of the log becomes, in bytes.
    pub(super) segment_size: u64,
    pub(super) ballast: Arc<Ballast>,
    /// A segment of the log that can be had on a full disk.
    pub(super) spare: Arc<Spare>,
}

impl Recovery {
    /// Opens the database, or creates it.
    pub(super) fn open_metadata(&self) -> Result<Metadata, MetadataError> {
        Metadata::open(&*self.disk, &self.layout.metadata(), self.cache_size, &self.ballast)
    }

    /// Replays the log, and begins a new run behind it.
    pub(super) fn replay(&self, metadata: &Metadata, segments: &Arc<Segments>) -> Result<Log, ReplayError> {
        log::replay(self, metadata, segments)
    }

    /// Opens the database anew after an error that it met, and brings it to where the log is.
    pub(super) fn reopen(&self, metadata: &Metadata, segments: &Arc<Segments>) -> Result<Log, ReplayError> {
        metadata.close();
        let fresh = self.open_metadata()?;
        let log = self.replay(&fresh, segments)?;
        metadata.replace(fresh);
        Ok(log)
    }
}

/// Finds the upload sessions that can be continued, ends those that lost bytes, and removes what belongs to none.
pub(super) fn resume_uploads(
    disk: &Arc<dyn Disk>,
    layout: &Layout,
    metadata: &Metadata,
    in_flight: &Arc<InFlight>,
) -> Result<Vec<Resumed>, OpenError> {
    let at = |path: &Path| {
        let path = path.to_owned();
        move |error| OpenError::Io { path, error }
    };
    let (mut resumed, mut lost) = (Vec::new(), Vec::new());
    for (id, row) in metadata.read().uploads()? {
        let path = layout.upload(id);
        let flight = in_flight.enter(id);
        match Incoming::resume(Arc::clone(disk), path.clone(), flight, &row).map_err(at(&path))? {
            Some(incoming) => resumed.push(Resumed { id, row, incoming }),
            None => lost.push(id),
        }
    }
    if !lost.is_empty() {
        tracing::warn!(count = lost.len(), "upload sessions whose files lost bytes were ended");
        metadata.write_durably(|tables| {
            lost.iter().try_for_each(|id| tables.apply(&Change::UploadEnded { id: *id }, NO_RECORD))
        })?;
    }
    let kept = resumed.iter().map(|upload| upload.id.to_string()).collect();
    sweep(&**disk, &layout.uploads(), &kept).map_err(at(&layout.uploads()))?;
    Ok(resumed)
}

/// Removes the files of sessions that never had a mark: nobody was promised anything.
fn sweep(disk: &dyn Disk, folder: &Path, kept: &HashSet<String>) -> io::Result<()> {
    for name in disk.list(folder)? {
        if !name.to_str().is_some_and(|name| kept.contains(name)) {
            disk.unlink(&folder.join(&name))?;
        }
    }
    Ok(())
}
