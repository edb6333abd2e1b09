//! Copying payloads out of the log, durably.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;

use crate::store::background::Pieces;
use crate::store::disk::{Barrier, DiskFile, Rule};
use crate::store::hasher::Hasher;
use crate::store::ids::PayloadId;
use crate::store::in_flight::Guard;
use crate::store::metadata::LogPayload;

use super::Unreadable;

/// A payload in the log, and its copy in a file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Copied {
    pub(super) payload: LogPayload,
    pub(super) file: PayloadId,
}

/// How the files of a batch, and their names, are made durable.
#[derive(Clone, Copy)]
enum Syncing<'a> {
    OneByOne,
    AllAtOnce(&'a dyn Barrier),
}

/// Why a payload was not copied.
enum CopyError {
    /// The log does not have it any more.
    Unreadable(LogPayload, io::Error),
    NotWritten(io::Error),
}

impl From<io::Error> for CopyError {
    fn from(error: io::Error) -> Self {
        Self::NotWritten(error)
    }
}

impl Pieces {
    /// Copies payloads to files, and makes these and their names durable. What could be copied is; an error if no file could
    /// be written.
    pub(super) fn copy_durably(
        &self,
        payloads: &[LogPayload],
        threads: usize,
        unreadable: &mut Unreadable,
    ) -> io::Result<Vec<(Copied, Guard)>> {
        let syncing = self.syncing();
        let copies = self.copy_all(payloads, threads, syncing, unreadable)?;
        match syncing {
            Syncing::OneByOne => self.sync_folders(&copies)?,
            Syncing::AllAtOnce(barrier) => self.sync_all(barrier, &copies)?,
        }
        Ok(copies)
    }

    /// All at once takes half of the time of one by one, but waits for what anybody else has written.
    fn syncing(&self) -> Syncing<'_> {
        match self.barrier.as_deref().filter(|barrier| barrier.is_light()) {
            Some(barrier) => Syncing::AllAtOnce(barrier),
            None => Syncing::OneByOne,
        }
    }

    /// Writes a file for each payload, on so many threads.
    fn copy_all(
        &self,
        payloads: &[LogPayload],
        threads: usize,
        syncing: Syncing<'_>,
        unreadable: &mut Unreadable,
    ) -> io::Result<Vec<(Copied, Guard)>> {
        let share = payloads.len().div_ceil(threads).max(1);
        let copy_some =
            |some: &[LogPayload]| some.iter().map(|payload| self.copy(payload, syncing)).collect::<Vec<_>>();
        let results: Vec<Result<_, CopyError>> = thread::scope(|scope| {
            let threads: Vec<_> =
                payloads.chunks(share).map(|some| scope.spawn(move || copy_some(some))).collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap_or_default()).collect()
        });
        let (mut copies, mut failure) = (Vec::new(), None);
        for result in results {
            match result {
                Ok(copy) => copies.push(copy),
                Err(CopyError::Unreadable(payload, error)) => unreadable.note(&payload, &error),
                Err(CopyError::NotWritten(error)) => failure = Some(error),
            }
        }
        match failure {
            Some(error) if copies.is_empty() => return Err(error),
            Some(error) => {
                tracing::error!(%error, "some payloads could not be moved out of the log; this is tried again");
            }
            None => {}
        }
        Ok(copies)
    }

    fn copy(&self, payload: &LogPayload, syncing: Syncing<'_>) -> Result<(Copied, Guard), CopyError> {
        let bytes = self.read_logged(payload).map_err(|error| CopyError::Unreadable(*payload, error))?;
        let copy = Copied { payload: *payload, file: PayloadId::random() };
        let guard = self.in_flight.enter(copy.file);
        let path = self.path(&copy);
        let file = self.disk.create(&path)?;
        let written = file.write_at(&bytes, 0).and_then(|()| match syncing {
            Syncing::OneByOne => self.sync(&*file),
            // Not all in the end: whoever commits the file system's journal waits for what the files in it have yet to write, and
            // the log's next sync does.
            Syncing::AllAtOnce(_) => file.write_back(0, payload.size),
        });
        if let Err(error) = written {
            // Whatever the file has now is not to be trusted; it is written anew, as another.
            self.disk.unlink(&path)?;
            return Err(error.into());
        }
        Ok((copy, guard))
    }

    fn read_logged(&self, payload: &LogPayload) -> io::Result<Vec<u8>> {
        let length = usize::try_from(payload.size).map_err(io::Error::other)?;
        let bytes = self.segments.read_at(payload.segment, payload.offset, length)?;
        let found = Hasher::digest(payload.digest.algorithm(), &bytes);
        match found == payload.digest {
            true => Ok(bytes),
            false => Err(io::Error::other(format!("the log has {found} where {} should be", payload.digest))),
        }
    }

    fn sync(&self, file: &dyn DiskFile) -> io::Result<()> {
        match self.disk.keeps(Rule::SyncSettled) {
            true => file.sync(),
            false => Ok(()),
        }
    }

    fn sync_folders(&self, copies: &[(Copied, Guard)]) -> io::Result<()> {
        let folders: BTreeSet<PathBuf> =
            copies.iter().filter_map(|(copy, _)| self.path(copy).parent().map(Path::to_owned)).collect();
        let mut folders = folders.iter().filter(|_| self.disk.keeps(Rule::NameSettled));
        folders.try_for_each(|folder| self.disk.sync_folder(folder))
    }

    /// If it fails nobody knows which files are whole: all are written anew, as others.
    fn sync_all(&self, barrier: &dyn Barrier, copies: &[(Copied, Guard)]) -> io::Result<()> {
        let is_wanted = self.disk.keeps(Rule::SyncSettled) && self.disk.keeps(Rule::NameSettled);
        if copies.is_empty() || !is_wanted {
            return Ok(());
        }
        let synced = barrier.sync();
        if synced.is_err() {
            self.unlink_copies(copies.iter().map(|(copy, _)| copy))?;
        }
        synced
    }

    pub(super) fn unlink_copies<'a>(&self, copies: impl IntoIterator<Item = &'a Copied>) -> io::Result<()> {
        copies.into_iter().try_for_each(|copy| self.disk.unlink(&self.path(copy)))
    }

    fn path(&self, copy: &Copied) -> PathBuf {
        self.layout.payload(&copy.payload.digest, copy.file)
    }
}
