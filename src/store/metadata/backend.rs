//! redb's file as a file of the store's disk, so that what a disk loses or refuses reaches the database too.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use redb::StorageBackend;

use crate::store::ballast::Ballast;
use crate::store::disk::DiskFile;

use super::behind::WriteBehind;

/// The file that redb keeps its pages in. Takes no locks of its own: the folder's lock keeps other processes out.
#[derive(Debug)]
pub(super) struct Backend {
    file: Arc<dyn DiskFile>,
    /// How long redb has made the file, in bytes. It must not see that the file keeps more: whatever is longer than what it wants to
    /// grow to it takes for something to be cut, in the middle of a transaction.
    length: AtomicU64,
    /// What a full disk gives back when the database has to grow; `None` for one that can do without.
    ballast: Option<Arc<Ballast>>,
    /// What was written and may not be in the file yet.
    behind: Arc<WriteBehind>,
    /// Brings it there.
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Backend {
    /// What the file has beyond what redb has asked for, in bytes: what a few deletions write, or a start that has changes to do
    /// again, on a disk that has become full meanwhile.
    const KEPT: u64 = 4 << 20;

    pub(super) fn new(
        file: Arc<dyn DiskFile>,
        ballast: Option<Arc<Ballast>>,
        behind: Arc<WriteBehind>,
    ) -> io::Result<Self> {
        let length = AtomicU64::new(file.length()?);
        let thread = Mutex::new(Some(behind.start()?));
        Ok(Self { file, length, ballast, behind, thread })
    }

    /// Makes the file shorter or longer. Where there is plenty of room the file has it from then on, so that nothing that is
    /// written into it later meets a full disk. One that becomes shorter stays longer than redb knows, which finds the rest at the
    /// next start and puts it to use.
    fn resize(&self, length: u64) -> io::Result<()> {
        if length < self.length.load(Ordering::SeqCst) {
            // Not before nothing on the disk has need of the rest any more.
            self.behind.drain()?;
        }
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

    /// Waits until the file has everything, and lets go of it.
    fn finish(&self) {
        self.behind.close();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        // A thread that has panicked has ended the process.
        let _ = thread.map(JoinHandle::join);
    }
}

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        Ok(self.length.load(Ordering::SeqCst))
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.behind.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.behind.note(self.resize(len))?;
        self.length.store(len, Ordering::SeqCst);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.behind.sync()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.behind.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.finish();
        Ok(())
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.finish();
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
        let behind = Arc::new(WriteBehind::new(Arc::clone(&file), None, true));
        let backend = Backend::new(file, None, behind).expect("a length");
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
