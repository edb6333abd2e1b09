//! The metadata: what the registry holds, in redb.
//!
//! [`tables`] says what is kept under which key, [`rows`] what the values are, [`change`] how it may change, [`apply`]
//! changes it, [`reads`] answers questions, [`retell`] tells the tables as changes, [`walk`] goes through whole tables, [`check`] proves that they agree with one another,
//! [`mend`] tells anew what does not. redb's types stay in this room.

mod apply;
mod backend;
mod behind;
mod change;
mod check;
mod count;
#[cfg(any(test, feature = "simulation"))]
mod dump;
mod encoding;
mod events;
mod keys;
mod mend;
mod reads;
mod retell;
mod rows;
mod tables;
mod usage;
mod walk;

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use redb::Durability;

pub use change::{Change, Need, NeedKind};
pub(super) use check::{Cursor, Page, Violation};
pub use count::Counts;
#[cfg(any(test, feature = "simulation"))]
pub use dump::DumpedRow;
pub use events::{EventAction, EventRow, OutboxRow, RequestRow};
pub(super) use mend::Remedy;
pub(super) use reads::{DoomedFile, LogPayload};
pub use reads::{ManifestBytes, Referrer};
pub use rows::Place;
pub use rows::{BlobRow, LinkRow, ManifestRow, OwnerRow, ReferrerRow, Standing, TagRow, UploadRow};
pub use tables::{Access, Read, Tables, Write};
pub use usage::UsageRow;
pub use walk::Held;

use super::ballast::Ballast;
use super::disk::{Disk, DiskFile, Rule, is_full, parent};
use super::format::VERSION;
use super::ids::PayloadId;
use backend::Backend;
pub(super) use behind::Durable;
use behind::WriteBehind;

/// What can go wrong with the database.
#[derive(Debug, thiserror::Error)]
pub enum MetadataError {
    #[error("metadata.redb could not be opened: {0}")]
    File(#[from] io::Error),
    #[error("metadata.redb could not be opened: {0}; if it is damaged, holdfast rebuild makes it anew")]
    Open(#[from] redb::DatabaseError),
    #[error("metadata.redb: {0}")]
    Transaction(#[from] redb::TransactionError),
    #[error("metadata.redb: {0}")]
    Table(#[from] redb::TableError),
    #[error("metadata.redb: {0}")]
    Storage(#[from] redb::StorageError),
    #[error("metadata.redb: {0}")]
    Commit(#[from] redb::CommitError),
    #[error("metadata.redb: {0}")]
    Durability(#[from] redb::SetDurabilityError),
    #[error("metadata.redb is closed")]
    Closed,
    #[error("metadata.redb holds a row in table {table} that cannot be read: {reason}")]
    Row { table: &'static str, reason: String },
}

impl MetadataError {
    /// Whether the disk had no room.
    pub(super) fn is_full(&self) -> bool {
        use redb::{CommitError, DatabaseError, StorageError, TableError, TransactionError};
        match self {
            Self::File(error)
            | Self::Open(DatabaseError::Storage(StorageError::Io(error)))
            | Self::Transaction(TransactionError::Storage(StorageError::Io(error)))
            | Self::Table(TableError::Storage(StorageError::Io(error)))
            | Self::Commit(CommitError::Storage(StorageError::Io(error)))
            | Self::Storage(StorageError::Io(error)) => is_full(error),
            _ => false,
        }
    }
}

/// The tables as of the last committed group. Held for one look-up or one page of a listing, never across an await.
pub type Snapshot = Tables<Read>;

/// The open database.
pub(super) struct Metadata {
    /// `None` while it is opened anew. Only the writer takes it, and those who open it.
    database: Mutex<Option<redb::Database>>,
    behind: RwLock<Arc<WriteBehind>>,
    /// Opened once a commit and not once a read: what most requests cost is then one look-up.
    snapshot: RwLock<Arc<Snapshot>>,
}

impl Metadata {
    /// Opens the database, or creates it. `cache_size` bounds redb's cache of pages, in bytes.
    ///
    /// A new one gets its name when it is whole: what a creation that was cut short has left opens for nobody.
    pub(super) fn open(
        disk: &dyn Disk,
        path: &Path,
        cache_size: u64,
        ballast: &Arc<Ballast>,
    ) -> Result<Self, MetadataError> {
        if disk.has(path)? {
            return Self::open_file(disk, disk.open(path)?, cache_size, Some(Arc::clone(ballast)));
        }
        let metadata = Self::create(disk, path, cache_size, ballast)?;
        Self::name(disk, path)?;
        Ok(metadata)
    }

    /// Creates a database that is to be [`name`](Self::name)d `path`.
    pub(super) fn create(
        disk: &dyn Disk,
        path: &Path,
        cache_size: u64,
        ballast: &Arc<Ballast>,
    ) -> Result<Self, MetadataError> {
        let temporary = path.with_extension("new");
        disk.unlink(&temporary)?;
        Self::open_file(disk, disk.create(&temporary)?, cache_size, Some(Arc::clone(ballast)))
    }

    /// Gives a database that was created its name.
    pub(super) fn name(disk: &dyn Disk, path: &Path) -> io::Result<()> {
        disk.rename(&path.with_extension("new"), path)?;
        match disk.keeps(Rule::NameMetadata) {
            true => disk.sync_folder(parent(path)?),
            false => Ok(()),
        }
    }

    /// Opens the database in a file, which may be empty.
    fn open_file(
        disk: &dyn Disk,
        file: Arc<dyn DiskFile>,
        cache_size: u64,
        ballast: Option<Arc<Ballast>>,
    ) -> Result<Self, MetadataError> {
        let cache_size = usize::try_from(cache_size).unwrap_or(usize::MAX);
        let length = file.length()?;
        let is_new = length == 0;
        let syncs = disk.keeps(Rule::SyncMetadata);
        let behind = Arc::new(WriteBehind::new(Arc::clone(&file), ballast.clone(), syncs));
        let backend = Backend::new(file, ballast, Arc::clone(&behind))?;
        backend.take_room(0, length);
        let database = redb::Database::builder().set_cache_size(cache_size).create_with_backend(backend)?;
        let snapshot = match open_snapshot(&database) {
            Err(MetadataError::Table(redb::TableError::TableDoesNotExist(_))) => {
                create_tables(&database, is_new)?;
                open_snapshot(&database)?
            }
            opened => opened?,
        };
        behind.so_far().wait()?;
        let snapshot = RwLock::new(Arc::new(snapshot));
        Ok(Self { database: Mutex::new(Some(database)), behind: RwLock::new(behind), snapshot })
    }

    /// A database of its own, in a file that lies in a folder, has no name and is gone with whoever has it. On a full disk it
    /// fails, and leaves the ballast to those who make room.
    pub(super) fn scratch(disk: &dyn Disk, folder: &Path, cache_size: u64) -> Result<Self, MetadataError> {
        // For a moment it has one, which nobody else may have at that moment.
        let path = folder.join(format!("scratch-{}", PayloadId::random()));
        let file = disk.create(&path)?;
        disk.unlink(&path)?;
        Self::open_file(disk, file, cache_size, None)
    }

    /// Whether the database has met an error of its file, after which it does nothing until it is opened anew.
    pub(super) fn has_failed(&self) -> bool {
        self.behind().has_failed().is_some()
    }

    /// Whether that was a sync, after which the file cannot be trusted before the next start.
    pub(super) fn has_failed_to_sync(&self) -> bool {
        self.behind().has_failed().is_some_and(|was_sync| was_sync)
    }

    fn behind(&self) -> Arc<WriteBehind> {
        Arc::clone(&self.behind.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Closes the database, so that it can be opened anew. Whoever reads goes on with what was read before, or meets the
    /// error that has made this necessary.
    pub(super) fn close(&self) {
        *self.database.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Goes on with another that was opened over the same file.
    pub(super) fn replace(&self, other: Self) {
        let database = other.database.into_inner().unwrap_or_else(PoisonError::into_inner);
        let snapshot = other.snapshot.into_inner().unwrap_or_else(PoisonError::into_inner);
        let behind = other.behind.into_inner().unwrap_or_else(PoisonError::into_inner);
        *self.database.lock().unwrap_or_else(PoisonError::into_inner) = database;
        *self.snapshot.write().unwrap_or_else(PoisonError::into_inner) = snapshot;
        *self.behind.write().unwrap_or_else(PoisonError::into_inner) = behind;
    }

    /// The tables as of the last commit.
    pub(super) fn read(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshot.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Runs `work` in a write transaction. If it returns true the transaction is committed, in memory only: whatever it
    /// changed must be in the log, durably, before `work` returns. Nothing has happened if it fails.
    pub(super) fn write<E: From<MetadataError>>(
        &self,
        work: impl FnOnce(&mut Tables<Write<'_>>) -> Result<bool, E>,
    ) -> Result<bool, E> {
        self.transact(Durability::None, work)
    }

    /// Runs `work` in a write transaction and commits it, and everything before it, durably. Nothing has happened if it
    /// fails.
    pub(super) fn write_durably<E: From<MetadataError>>(
        &self,
        work: impl FnOnce(&mut Tables<Write<'_>>) -> Result<(), E>,
    ) -> Result<(), E> {
        let durable = self.write_through(work)?;
        Ok(durable.wait().map_err(MetadataError::from)?)
    }

    /// Runs `work` in a write transaction and commits it, and everything before it, so that it becomes durable; nobody else
    /// waits for that. What fails before that has not happened.
    pub(super) fn write_through<E: From<MetadataError>>(
        &self,
        work: impl FnOnce(&mut Tables<Write<'_>>) -> Result<(), E>,
    ) -> Result<Durable, E> {
        self.transact(Durability::Immediate, |tables| work(tables).map(|()| true))?;
        Ok(self.so_far())
    }

    /// The last of the commits that become durable.
    pub(super) fn so_far(&self) -> Durable {
        self.behind().so_far()
    }

    fn transact<E: From<MetadataError>>(
        &self,
        durability: Durability,
        work: impl FnOnce(&mut Tables<Write<'_>>) -> Result<bool, E>,
    ) -> Result<bool, E> {
        let database = self.database.lock().unwrap_or_else(PoisonError::into_inner);
        let database = database.as_ref().ok_or(MetadataError::Closed)?;
        let transaction = begin(database, durability)?;
        let is_wanted = {
            let mut tables = Tables::<Write<'_>>::open_for_writing(&transaction)?;
            work(&mut tables)?
        };
        if is_wanted {
            transaction.commit().map_err(MetadataError::from)?;
            let next = Arc::new(open_snapshot(database)?);
            *self.snapshot.write().unwrap_or_else(PoisonError::into_inner) = next;
        }
        Ok(is_wanted)
    }
}

/// A transaction. After a durable commit the file opens fast, whatever happened to it.
fn begin(database: &redb::Database, durability: Durability) -> Result<redb::WriteTransaction, MetadataError> {
    let mut transaction = database.begin_write()?;
    transaction.set_durability(durability)?;
    transaction.set_quick_repair(matches!(durability, Durability::Immediate));
    Ok(transaction)
}

/// Creates the tables that are missing. A database that was new is in this version's layout from the beginning.
fn create_tables(database: &redb::Database, is_new: bool) -> Result<(), MetadataError> {
    let transaction = begin(database, Durability::Immediate)?;
    let mut tables = Tables::<Write<'_>>::open_for_writing(&transaction)?;
    if is_new {
        tables.set_layout(VERSION)?;
    }
    drop(tables);
    Ok(transaction.commit()?)
}

fn open_snapshot(database: &redb::Database) -> Result<Snapshot, MetadataError> {
    use redb::ReadableDatabase;
    Tables::<Read>::open_for_reading(&database.begin_read()?)
}
