//! Making a snapshot, on a thread of its own.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::store::disk::Disk;
use crate::store::log::Position;
use crate::store::metadata::Snapshot;

use super::folder::{Entry, Folder, Kind};
use super::rebuild::{Rebuilt, scratch};
use super::tell::tell;
use super::{ArchiveError, Reach};

/// What a snapshot is made of.
pub(super) enum Source {
    /// The files of the archive, which are merged.
    Folder(Folder),
    /// The tables, which have everything up to a position.
    Tables(Arc<Snapshot>, Position),
}

/// A snapshot that is being made. Dropping it gives it up.
pub(super) struct Task {
    is_given_up: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<Result<Entry, ArchiveError>>>,
}

impl Task {
    pub(super) fn start(disk: &Arc<dyn Disk>, folder: PathBuf, source: Source) -> io::Result<Self> {
        let is_given_up = Arc::new(AtomicBool::new(false));
        let work = Work { disk: Arc::clone(disk), folder, is_given_up: Arc::clone(&is_given_up) };
        let thread = thread::Builder::new().name("archive".to_owned()).spawn(move || work.make(source))?;
        Ok(Self { is_given_up, thread: Some(thread) })
    }

    pub(super) fn is_finished(&self) -> bool {
        self.thread.as_ref().is_none_or(thread::JoinHandle::is_finished)
    }

    /// Waits for it.
    pub(super) fn finish(mut self) -> Result<Entry, ArchiveError> {
        let thread = self.thread.take().ok_or(ArchiveError::Stopped)?;
        thread
            .join()
            .unwrap_or_else(|_| Err(io::Error::other("the thread of the archive has panicked").into()))
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.is_given_up.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What the thread has.
struct Work {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    is_given_up: Arc<AtomicBool>,
}

impl Work {
    fn make(&self, source: Source) -> Result<Entry, ArchiveError> {
        match source {
            Source::Tables(tables, Position { segment, sequence, .. }) => {
                // The segment that is written goes on.
                self.write(&tables, Reach { segment: segment - 1, sequence })
            }
            Source::Folder(folder) => {
                let mut rebuilt = Rebuilt::new(scratch(&*self.disk, &self.folder)?);
                rebuilt.apply_folder(&*self.disk, &folder, |_| self.go_on())?;
                self.write(&rebuilt.metadata.read(), folder.reach())
            }
        }
    }

    fn go_on(&self) -> Result<(), ArchiveError> {
        match self.is_given_up.load(Ordering::Relaxed) {
            true => Err(ArchiveError::Stopped),
            false => Ok(()),
        }
    }

    /// Writes the tables, as changes, to a snapshot.
    fn write(&self, tables: &Snapshot, reach: Reach) -> Result<Entry, ArchiveError> {
        let Reach { segment, sequence } = reach;
        let path = Kind::Snapshot.path(&self.folder, segment);
        let told = tables.retell()?.map(|told| self.go_on().and_then(|()| Ok(told?)));
        let header = tell(&*self.disk, &path, told, segment, sequence)?;
        Ok(Entry::new(path, &header))
    }
}
