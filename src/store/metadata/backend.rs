//! redb's file as a file of the store's disk, so that what a disk loses or refuses reaches the database too.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use redb::StorageBackend;

use crate::store::ballast::Ballast;
use crate::store::disk::DiskFile;

/// The file that redb keeps its pages in. Takes no locks of its own: the folder's lock keeps other processes out.
#[derive(Debug)]
pub(super) struct Backend {
    pub(super) file: Arc<dyn DiskFile>,
    /// What a full disk gives back when the database has to grow; `None` for one that can do without.
    pub(super) ballast: Option<Arc<Ballast>>,
    pub(super) health: Arc<Health>,
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
    /// What the file keeps when redb makes it shorter, in bytes: what a few deletions write, on a disk that has become
    /// full meanwhile. redb finds it at the next start, and puts it to use.
    const KEPT: u64 = 4 << 20;

    /// Makes the file shorter or longer. Where there is plenty of room the file has it from then on, so that nothing that is
    /// written into it later meets a full disk.
    fn resize(&self, length: u64) -> io::Result<()> {
        let now = self.file.length()?;
        let kept = length.saturating_add(Self::KEPT);
        if length <= now {
            return if kept < now { self.file.set_length(kept) } else { Ok(()) };
        }
        self.take_room(now, length);
        self.relieve(|| self.file.set_length(length))
    }

    /// Takes room for the first `length` bytes, of which the file lacks those from `from` on, if there is plenty.
    pub(super) fn take_room(&self, from: u64, length: u64) {
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
        self.note(self.file.length())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.note(self.file.read_exact_at(out, offset))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.note(self.resize(len))
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
