//! Why a store could not be opened.

use std::io;
use std::path::{Path, PathBuf};

use super::disk::{Disk, is_full};
use super::format::FormatError;
use super::lock::LockError;
use super::log::{AppendError, ReplayError};
use super::metadata::MetadataError;

/// Why a store could not be opened. Nothing was changed in the folder.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error(transparent)]
    Format(#[from] FormatError),
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    #[error("{}: {error}", path.display())]
    Io { path: PathBuf, error: io::Error },
    #[error(transparent)]
    Log(#[from] ReplayError),
    #[error("a thread could not be started: {0}")]
    Thread(io::Error),
    /// What a start needs is set aside while there is room; it was used up, and others have taken what there was.
    #[error(
        "the disk that {} lies on is full, {left}, and the start needs room ({error}); nothing is lost: delete other \
         files there or enlarge the disk, then start again",
        root.display()
    )]
    Full { root: PathBuf, left: String, error: Box<Self> },
}

impl OpenError {
    /// Says what an operator can do, if it is the disk that is full.
    pub(super) fn or_full(self, disk: &dyn Disk, root: &Path) -> Self {
        if !self.is_full() {
            return self;
        }
        let left = match disk.space(root) {
            Ok(space) => format!("with {} bytes and {} files left", space.bytes, space.files),
            Err(error) => format!("and does not say how much is left ({error})"),
        };
        Self::Full { root: root.to_owned(), left, error: Box::new(self) }
    }

    fn is_full(&self) -> bool {
        match self {
            Self::Lock(LockError::Io { error, .. })
            | Self::Format(FormatError::Io { error, .. })
            | Self::Io { error, .. }
            | Self::Log(
                ReplayError::Io { error, .. }
                | ReplayError::Append(AppendError::NotWritten(error) | AppendError::NotSynced(error)),
            ) => is_full(error),
            Self::Metadata(error) | Self::Log(ReplayError::Metadata(error)) => error.is_full(),
            _ => false,
        }
    }
}
