//! The archive: what has changed since the store began, outside the database.
//!
//! The database is one file, and what the log had is deleted once it is in there. So that the loss of that file is not
//! the loss of everything, the changes of a segment of the log, payloads left out, are kept here before it is deleted: in
//! a file of changes for each segment. When these have grown as large as the snapshot before them, both are merged into a
//! new one: the changes that make the tables, as they were then, out of empty ones. A snapshot, the files of changes
//! since and the log together are a second copy of the metadata, from which [`rebuild`] makes them.
//!
//! A store whose archive is missing, has a gap or is damaged gets a new snapshot of its tables, and nothing of its log
//! is deleted until that is there. So it is with a store that had none.

mod compare;
mod file;
mod folder;
mod keep;
#[cfg(any(test, feature = "simulation"))]
pub mod probe;
mod rebuild;
mod renewal;
mod task;
mod tell;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use super::background::Pieces;
use super::ballast::Ballast;
use super::disk::Disk;
use super::layout::Layout;
use super::metadata::MetadataError;
use super::spare::Spare;
pub(super) use compare::{compare, compare_once};
use folder::Folder;
pub(super) use folder::{forget, snapshot_path};
pub use rebuild::ArchiveRead;
pub(super) use rebuild::rebuild;
pub(super) use renewal::Renewal;
use renewal::Wish;
use task::Task;
pub(super) use tell::{Telling, tell};

/// What can go wrong with the archive.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It may have moved on meanwhile, or not have begun yet.
    #[error("the archive and the log lead to record {found}, and not to {wanted}")]
    Elsewhere { found: u64, wanted: u64 },
    #[error("record {missing} is missing: the next one is {found}")]
    Gap { missing: u64, found: u64 },
    #[error("record {sequence} cannot be read: {reason}")]
    Unreadable { sequence: u64, reason: String },
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    #[error("the store was closed")]
    Stopped,
}

impl ArchiveError {
    /// Whether it may be otherwise if it is tried again: the store goes on while its files are read.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            Self::Io(error) => error.kind() == io::ErrorKind::NotFound,
            other => matches!(other, Self::Elsewhere { .. }),
        }
    }

    /// Whether what lies there is not what was written.
    pub(super) fn is_damage(&self) -> bool {
        match self {
            Self::Io(error) => error.kind() == io::ErrorKind::InvalidData,
            Self::Gap { .. } | Self::Unreadable { .. } => true,
            Self::Elsewhere { .. } | Self::Metadata(_) | Self::Stopped => false,
        }
    }
}

/// How far something has the changes: up to a record, which is the last one of a segment or lies in the next.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Reach {
    pub(super) segment: u64,
    pub(super) sequence: u64,
}

/// The archive of an open store, in the hands of the background thread.
pub(super) struct Archive {
    disk: Arc<dyn Disk>,
    layout: Layout,
    ballast: Arc<Ballast>,
    spare: Arc<Spare>,
    /// How much has to have changed for a new snapshot, in bytes.
    least: u64,
    state: State,
    /// What is being done on a thread of its own.
    task: Option<Task>,
    /// Before that nothing is begun: a snapshot could not be made.
    rests_until: Option<Instant>,
    renewal: Arc<Renewal>,
    /// The wish for a new snapshot that was heard last.
    heard: Wish,
}

/// What is known of the archive's files.
enum State {
    /// Nobody has looked.
    Unknown,
    /// They lead to where the log begins.
    Whole(Folder),
    /// They do not.
    Broken,
}

impl Archive {
    pub(super) fn new(pieces: &Pieces) -> Self {
        Self {
            disk: Arc::clone(&pieces.disk),
            layout: pieces.layout.clone(),
            ballast: Arc::clone(&pieces.ballast),
            spare: Arc::clone(&pieces.spares.archive),
            least: pieces.archive_size,
            state: State::Unknown,
            task: None,
            rests_until: None,
            renewal: Arc::clone(&pieces.renewal),
            heard: Wish::default(),
        }
    }

    /// Whether the changes of a segment of the log are kept.
    pub(super) fn has(&self, segment: u64) -> bool {
        matches!(&self.state, State::Whole(folder) if segment <= folder.reach().segment)
    }

    fn path(&self) -> PathBuf {
        self.layout.archive()
    }
}

/// Says of an error whose it is.
fn at(path: &Path) -> impl Fn(io::Error) -> io::Error + '_ {
    |error| io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
