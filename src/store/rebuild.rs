//! The database made anew, out of the archive and the log, when its file is lost or damaged.
//!
//! Nothing that was acknowledged is missing in it; something that was not, because a crash came before, may be there. The
//! old file, if there is one, is set aside and not touched. A rebuilding that is cut off leaves the store as it was, or
//! without a database: it is begun again.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Options;
use super::archive::{self, ArchiveError, ArchiveRead};
use super::ballast::Ballast;
use super::disk::{Disk, Real};
use super::format::{self, FormatError};
use super::ids::PayloadId;
use super::layout::Layout;
use super::lock::{Lock, LockError};
use super::log::begin_run;
use super::metadata::{Metadata, MetadataError};
use super::recovery::Recovery;
use super::spare::Spares;

/// Why the database could not be made anew.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error(transparent)]
    Format(#[from] FormatError),
    #[error("{} is in the layout of an older version, which kept no archive; restore a backup", .0.display())]
    Older(PathBuf),
    #[error("{0}; restore a backup of the whole folder")]
    Archive(#[from] ArchiveError),
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    #[error("{}: {error}", root.display())]
    Io { root: PathBuf, error: io::Error },
}

/// What came of it.
#[derive(Debug)]
pub struct Rebuilt {
    /// The number of the last change that was found.
    pub last_record: u64,
    /// Where the old database is now.
    pub set_aside: Option<PathBuf>,
}

/// Makes the database of the store in `root` anew. Nobody may have it open; it is waited for as long as `options` say.
/// `listener` is told how much of the archive was read.
pub fn rebuild(
    root: &Path,
    options: &Options,
    listener: &mut dyn FnMut(ArchiveRead),
) -> Result<Rebuilt, RebuildError> {
    let root =
        std::path::absolute(root).map_err(|error| RebuildError::Io { root: root.to_owned(), error })?;
    let layout = Layout::new(&root);
    format::refuse_backups(&Real, &layout)?;
    let _lock = Lock::take(&layout, options.lock_wait)?;
    let disk: Arc<dyn Disk> = Arc::new(Real);
    rebuild_on(&disk, &root, options, u64::MAX, listener)
}

/// The same on a disk that nobody else uses, up to change `last`.
pub(super) fn rebuild_on(
    disk: &Arc<dyn Disk>,
    root: &Path,
    options: &Options,
    last: u64,
    listener: &mut dyn FnMut(ArchiveRead),
) -> Result<Rebuilt, RebuildError> {
    let layout = Layout::new(root);
    let at_root = |error| RebuildError::Io { root: root.to_owned(), error };
    if !format::is_current(&**disk, &layout)? {
        return Err(RebuildError::Older(root.to_owned()));
    }
    layout.create_folders(&**disk).map_err(at_root)?;
    let ballast = Arc::new(Ballast::take(Arc::clone(disk), layout.ballast(), options.ballast));
    let path = layout.metadata();
    let empty = Metadata::create(&**disk, &path, options.cache_size, &ballast)?;
    let (metadata, reach) = archive::rebuild(&**disk, &layout, empty, last, listener)?;
    let recovery = Recovery {
        disk: Arc::clone(disk),
        layout: layout.clone(),
        cache_size: options.cache_size,
        segment_size: options.log_segment,
        ballast,
        spare: Spares::find(disk, &layout, options).map_err(at_root)?.log,
    };
    let position = begin_run(&recovery, reach.segment, reach.sequence).map_err(at_root)?;
    metadata.write_durably(|tables| tables.set_position(&position))?;
    drop(metadata);
    let set_aside = set_aside(&**disk, &layout).map_err(at_root)?;
    Metadata::name(&**disk, &path).map_err(at_root)?;
    Ok(Rebuilt { last_record: reach.sequence, set_aside })
}

fn set_aside(disk: &dyn Disk, layout: &Layout) -> io::Result<Option<PathBuf>> {
    let path = layout.metadata();
    if !disk.has(&path)? {
        return Ok(None);
    }
    let aside = layout.metadata_set_aside(PayloadId::random());
    disk.rename(&path, &aside)?;
    Ok(Some(aside))
}
