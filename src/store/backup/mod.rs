//! Backups: what a store holds, in a folder that a store can be made of again.
//!
//! A backup has the payloads' files and one snapshot of the metadata, and no database. It is made while pushes, deletes and
//! collection go on, and tells the store as it was at one moment: as long as payloads are brought over, no file of a
//! payload that goes is unlinked. The one before it stays valid until the new snapshot is durable.

mod carry;
mod folder;
mod listing;
mod make;
mod restore;

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::archive::ArchiveError;
use super::disk::is_full;
use super::lock::LockError;
use super::metadata::MetadataError;
use super::rebuild::RebuildError;
use crate::oci::Digest;
pub(super) use carry::{Carrier, CarryError, Way};
pub(super) use make::{Source, lock, make, real_path, refuse_inside};
#[cfg(any(test, feature = "simulation"))]
#[doc(hidden)]
pub use restore::restore_on;
pub use restore::{Restoring, restore};

/// Why there is no backup, or none could be restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error(
        "{} lies in the data folder {}, with which it would be lost; name a folder elsewhere",
        folder.display(), root.display()
    )]
    Inside { folder: PathBuf, root: PathBuf },
    #[error("{} holds other files ({}); name an empty folder, or a backup to be renewed", folder.display(), names.join(", "))]
    Foreign { folder: PathBuf, names: Vec<String> },
    #[error("{} is in use by {holder}: another backup is being made there", folder.display())]
    Busy { folder: PathBuf, holder: String },
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error("{} holds no backup", .0.display())]
    NoBackup(PathBuf),
    #[error("the first backup to {} was cut off, and nothing can be restored from it; run holdfast backup again", .0.display())]
    Unfinished(PathBuf),
    #[error(
        "{} was written by a newer holdfast (layout {found}; this one knows layout {known}): use that version",
        folder.display(), known = super::format::VERSION
    )]
    Newer { folder: PathBuf, found: u32 },
    #[error("{} says nothing that can be read, but {text:?}", path.display())]
    Unreadable { path: PathBuf, text: String },
    #[error(
        "{} holds files already ({}); name an empty folder with --root, nothing was changed here",
        root.display(), names.join(", ")
    )]
    Occupied { root: PathBuf, names: Vec<String> },
    #[error("the disk that {} lies on is full, but for what storage.floor keeps free; make room there, and run this again", .0.display())]
    Full(PathBuf),
    #[error("{}: {error}", path.display())]
    Io { path: PathBuf, error: io::Error },
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    #[error("{0}; the backup is damaged: use another one")]
    Snapshot(#[source] ArchiveError),
    #[error(transparent)]
    Rebuild(#[from] RebuildError),
    #[error("nobody waits for it any more")]
    GivenUp,
}

/// Says of an error which path it is about.
fn at(path: &Path) -> impl Fn(io::Error) -> BackupError + '_ {
    |error| match is_full(&error) {
        true => BackupError::Full(path.to_owned()),
        false => BackupError::Io { path: path.to_owned(), error },
    }
}

/// So many payloads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    pub payloads: u64,
    pub bytes: u64,
}

impl Tally {
    fn add(&mut self, bytes: u64) {
        self.payloads += 1;
        self.bytes += bytes;
    }
}

/// How payloads were brought over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// By a second name of the same file.
    pub linked: Tally,
    /// By a file that shares its blocks.
    pub cloned: Tally,
    pub copied: Tally,
    /// Those that were there already.
    pub present: Tally,
    /// Files of an earlier backup that are of no use any more.
    pub removed: u64,
    /// Payloads that could not be brought over, because where they come from they are missing or damaged.
    pub lacking: u64,
}

impl Summary {
    pub(in crate::store) fn note(&mut self, way: Way, bytes: u64) {
        match way {
            Way::Linked => &mut self.linked,
            Way::Cloned => &mut self.cloned,
            Way::Copied => &mut self.copied,
            Way::Present => &mut self.present,
        }
        .add(bytes);
    }

    /// All that were brought over or were there.
    pub fn total(&self) -> Tally {
        let all = [self.linked, self.cloned, self.copied, self.present];
        Tally {
            payloads: all.iter().map(|tally| tally.payloads).sum(),
            bytes: all.iter().map(|tally| tally.bytes).sum(),
        }
    }
}

/// What is told while it goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum BackupNews {
    /// So much there is to bring over, about.
    Ahead(Tally),
    /// So far. Now and then.
    Carried(Summary),
    /// A payload could not be brought over.
    Lacking { digest: Digest, reason: String },
}

/// Whoever wants to be told. `false` gives up what is under way.
pub type BackupListener<'a> = &'a mut dyn FnMut(BackupNews) -> bool;

/// Counts what is done, and tells of it.
pub(super) struct Watch<'a> {
    listener: BackupListener<'a>,
    pub(super) summary: Summary,
    told: Instant,
}

impl<'a> Watch<'a> {
    /// How often it is told how far it is.
    const PAUSE: Duration = Duration::from_millis(100);

    pub(super) fn new(listener: BackupListener<'a>) -> Self {
        Self { listener, summary: Summary::default(), told: Instant::now() }
    }

    /// Tells how far it is, if it is time, and whether to go on.
    pub(super) fn go_on(&mut self) -> Result<(), BackupError> {
        if self.told.elapsed() < Self::PAUSE {
            return Ok(());
        }
        self.told = Instant::now();
        self.tell(BackupNews::Carried(self.summary))
    }

    fn note_lacking(&mut self, digest: Digest, reason: String) -> Result<(), BackupError> {
        self.summary.lacking += 1;
        self.tell(BackupNews::Lacking { digest, reason })
    }

    fn tell(&mut self, news: BackupNews) -> Result<(), BackupError> {
        match (self.listener)(news) {
            true => Ok(()),
            false => Err(BackupError::GivenUp),
        }
    }
}
