//! The metadata: what the registry holds, in redb.
//!
//! [`tables`] says what is kept under which key, [`rows`] what the values are, [`change`] how it may change, [`apply`]
//! changes it, [`reads`] answers questions, [`check`] proves that the tables agree with one another. redb's types stay
//! in this room.

mod apply;
mod backend;
mod change;
mod check;
mod encoding;
mod keys;
mod reads;
mod rows;
mod tables;

use std::io;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use redb::Durability;

pub use change::{Change, Need, NeedKind};
pub use check::Violation;
pub use reads::{ManifestBytes, Referrer};
use rows::Place;
pub use rows::{BlobRow, LinkRow, ManifestRow, ReferrerRow, TagRow, UploadRow};
pub use tables::{Read, Tables, Write};

use super::disk::{Disk, Rule};
use super::ids::PayloadId;
use backend::Backend;

/// What can go wrong with the database.
#[derive(Debug, thiserror::Error)]
pub enum MetadataError {
    #[error("metadata.redb could not be opened: {0}")]
    File(#[from] io::Error),
    #[error("metadata.redb could not be opened: {0}")]
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
    #[error("metadata.redb holds a row in table {table} that cannot be read: {reason}")]
    Row { table: &'static str, reason: String },
}

/// The tables as of the last committed group. Held for one look-up or one page of a listing, never across an await.
pub type Snapshot = Tables<Read>;

/// The open database.
pub(super) struct Metadata {
    database: redb::Database,
    durability: Durability,
    /// Opened once a commit and not once a read: what most requests cost is then one look-up.
    snapshot: RwLock<Arc<Snapshot>>,
}

impl Metadata {
    /// Opens the database, or creates it. `cache_size` bounds redb's cache of pages, in bytes.
    pub(super) fn open(disk: &dyn Disk, path: &Path, cache_size: u64) -> Result<Self, MetadataError> {
        let cache_size = usize::try_from(cache_size).unwrap_or(usize::MAX);
        let backend = Backend(disk.open_or_create(path)?);
        let database = redb::Database::builder().set_cache_size(cache_size).create_with_backend(backend)?;
        let durability = match disk.keeps(Rule::DurableCommit) {
            true => Durability::Immediate,
            false => Durability::None,
        };
        let transaction = begin(&database, durability)?;
        drop(Tables::<Write<'_>>::open_for_writing(&transaction)?);
        transaction.commit()?;
        let snapshot = RwLock::new(Arc::new(open_snapshot(&database)?));
        Ok(Self { database, durability, snapshot })
    }

    /// The tables as of the last commit.
    pub(super) fn read(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshot.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Runs `work` in a write transaction and commits it durably; nothing has happened if it fails before the commit.
    ///
    /// For the writer alone, and for a store that is not being served.
    pub(super) fn write<T>(
        &self,
        work: impl FnOnce(&mut Tables<Write<'_>>) -> Result<T, MetadataError>,
    ) -> Result<T, MetadataError> {
        let transaction = begin(&self.database, self.durability)?;
        let result = {
            let mut tables = Tables::<Write<'_>>::open_for_writing(&transaction)?;
            work(&mut tables)?
        };
        transaction.commit()?;
        let next = Arc::new(open_snapshot(&self.database)?);
        *self.snapshot.write().unwrap_or_else(PoisonError::into_inner) = next;
        Ok(result)
    }
}

/// A transaction whose commit survives a power cut, and after which the file opens fast whatever happened to it.
fn begin(database: &redb::Database, durability: Durability) -> Result<redb::WriteTransaction, MetadataError> {
    let mut transaction = database.begin_write()?;
    transaction.set_durability(durability)?;
    transaction.set_quick_repair(true);
    Ok(transaction)
}

fn open_snapshot(database: &redb::Database) -> Result<Snapshot, MetadataError> {
    use redb::ReadableDatabase;
    Tables::<Read>::open_for_reading(&database.begin_read()?)
}

impl BlobRow {
    /// The id in the name of the file that serves this payload.
    pub fn file(&self) -> PayloadId {
        match self.place {
            Place::File { id } => id,
        }
    }
}
