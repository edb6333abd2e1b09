//! redb's file as a file of the store's disk, so that what a disk loses or refuses reaches the database too.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use redb::StorageBackend;

use crate::store::ballast::Ballast;
use crate::store::disk::DiskFile;

/// The file that redb keeps its pages in. Takes no locks of its own: the folder's lock keeps other processes out.
#[derive(Debug)]
pub(super) struct Backend {
    file: Arc<dyn DiskFile>,
    /// How long redb has made the file, in bytes. It must not see that the file keeps more: whatever is longer than what it wants to
    /// grow to it takes for something to be cut, in the middle of a transaction.
    length: AtomicU64,
    /// What a full disk gives back when the database has to grow; `None` for one that can do without.
    ballast: Option<Arc<Ballast>>,
    health: Arc<Health>,
}

/// What has gone wrong with the file so far. redb refuses everything after an error, until it is opened again.
#[derive(Debug, Default)]
pub(super) struct Health {
    has_failed: AtomicBool,
    has_failed_to_sync: AtomicBool,
}

impl Health {
    /// Whether any call has failed.
    pub(super) fn has_failed(&self) -> bool {
        self.has_failed.load(Ordering::SeqCst)
    }

    /// Whether a sync has failed, after which the file's pages in memory are no longer those on the disk.
    pub(super) fn has_failed_to_sync(&self) -> bool {
        self.has_failed_to_sync.load(Ordering::SeqCst)
    }
}

impl Backend {
    /// What the file has beyond what redb has asked for, in bytes: what a few deletions write, or a start that has changes to do
    /// again, on a disk that has become full meanwhile.
    const KEPT: u64 = 4 << 20;

    pub(super) fn new(
        file: Arc<dyn DiskFile>,
        ballast: Option<Arc<Ballast>>,
        health: Arc<Health>,
    ) -> io::Result<Self> {
        let length = AtomicU64::new(file.length()?);
        Ok(Self { file, length, ballast, health })
    }

    /// Makes the file shorter or longer. Where there is plenty of room the file has it from then on, so that nothing that is
    /// written into it later meets a full disk. One that becomes shorter stays longer than redb knows, which finds the rest at the
    /// next start and puts it to use.
    fn resize(&self, length: u64) -> io::Result<()> {
        let now = self.file.length()?;
        let kept = length.saturating_add(Self::KEPT);
        if length <= now {
            return if kept < now { self.file.set_length(kept) } else { Ok(()) };
        }
        self.take_room(now, length);
        self.relieve(|| self.file.set_length(length))
    }

    /// Takes room for the first `length` bytes and for those that are [kept](Self::KEPT), of which the file lacks those from `from`
    /// on, if there is plenty.
    pub(super) fn take_room(&self, from: u64, length: u64) {
        let length = length.saturating_add(Self::KEPT);
        if self.ballast.as_ref().is_some_and(|ballast| ballast.is_plenty_for(length - from)) {
            // What could not be taken has to be found when it is written.
            let _ = self.file.allocate(length);
        }
    }

    fn relieve(&self, call: impl Fn() -> io::Result<()>) -> io::Result<()> {
        match &self.ballast {
            Some(ballast) => ballast.relieve(call),
            None => call(),
        }
    }

    fn note<T>(&self, result: io::Result<T>) -> io::Result<T> {
        if result.is_err() {
            self.health.has_failed.store(true, Ordering::SeqCst);
        }
        result
    }
}

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        Ok(self.length.load(Ordering::SeqCst))
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.note(self.file.read_exact_at(out, offset))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.note(self.resize(len))?;
        self.length.store(len, Ordering::SeqCst);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let result = self.file.sync();
        if result.is_err() {
            self.health.has_failed_to_sync.store(true, Ordering::SeqCst);
        }
        self.note(result)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.note(self.relieve(|| self.file.write_at(data, offset)))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use redb::{Database, ReadableDatabase, TableDefinition};

    use super::*;
    use crate::store::disk::simulated::Simulated;

    const TABLE: TableDefinition<'static, u64, &[u8]> = TableDefinition::new("rows");

    /// Adds rows, removes those behind the first ones again, and commits: what these had is free at once.
    fn write(database: &Database, added: u64, left: u64) {
        let transaction = database.begin_write().expect("a transaction");
        let mut table = transaction.open_table(TABLE).expect("a table");
        for row in 0..added {
            drop(table.insert(row, &[7; 3_000][..]).expect("inserted"));
        }
        for row in left..added {
            drop(table.remove(row).expect("removed"));
        }
        drop(table);
        transaction.commit().expect("committed");
    }

    /// redb takes a file that is longer than it should be for one that is to become shorter, in the middle of a transaction.
    #[test]
    fn a_database_that_has_shrunk_grows_again() {
        let file = Simulated::new(0).disk().create(Path::new("/database")).expect("a file");
        let backend = Backend::new(file, None, Arc::default()).expect("a length");
        let database = Database::builder().set_cache_size(1 << 20).create_with_backend(backend);
        let database = database.expect("a database");
        write(&database, 1_000, 1);
        for _ in 0..10 {
            write(&database, 1, 1);
        }
        write(&database, 1_000, 1_000);
        let transaction = database.begin_read().expect("a transaction");
        let table = transaction.open_table(TABLE).expect("a table");
        assert_eq!(table.get(999).expect("read").expect("a row").value(), [7; 3_000]);
    }
}
