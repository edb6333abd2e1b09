//! Ballast: room on the disk that is taken while there is plenty, and given back when something must not fail.
//!
//! Deletions, checkpoints and the log's next segment need a little room before they make any. On a disk that others have
//! filled to the last block they find it here.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use super::disk::{Disk, Space, is_full};
use super::room::SHARE;

/// The file that holds the room.
#[derive(Debug)]
pub(super) struct Ballast {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    /// In bytes; 0 for none.
    size: u64,
    is_there: Mutex<bool>,
}

impl Ballast {
    /// Takes the room, if there is as much and more. `size` in bytes, at most a twentieth of the disk.
    pub(super) fn take(disk: Arc<dyn Disk>, path: PathBuf, size: u64) -> Self {
        let space = path.parent().map(|root| disk.space(root));
        let size = space.and_then(Result::ok).map_or(size, |space| size.min(space.bytes_in_all / SHARE));
        let ballast = Self { disk, path, size, is_there: Mutex::new(false) };
        ballast.restore();
        ballast
    }

    /// Does `call`, a second time if the disk was full and the ballast could be dropped.
    pub(super) fn relieve<T>(&self, call: impl Fn() -> io::Result<T>) -> io::Result<T> {
        match call() {
            Err(error) if is_full(&error) && self.give_back() => call(),
            other => other,
        }
    }

    /// Whether the disk has twice as much room as this, in bytes.
    pub(super) fn is_plenty_for(&self, bytes: u64) -> bool {
        let space = self.path.parent().and_then(|root| self.disk.space(root).ok());
        space.is_some_and(|space| space.bytes >= bytes.saturating_mul(2))
    }

    /// Gives the room back to the disk. `false` if there is none to give.
    fn give_back(&self) -> bool {
        let mut is_there = self.is_there.lock().unwrap_or_else(PoisonError::into_inner);
        let was_there = std::mem::take(&mut *is_there);
        match self.disk.unlink(&self.path) {
            Ok(()) => was_there,
            Err(_) => false,
        }
    }

    /// Takes the room again, once the disk has twice as much.
    pub(super) fn restore(&self) {
        let mut is_there = self.is_there.lock().unwrap_or_else(PoisonError::into_inner);
        if *is_there || self.size == 0 {
            return;
        }
        match self.fill() {
            Ok(is_filled) => *is_there = is_filled,
            Err(error) => {
                tracing::debug!(%error, "no room could be set aside for deletions on a full disk");
                let _ = self.disk.unlink(&self.path);
            }
        }
    }

    fn fill(&self) -> io::Result<bool> {
        if self.disk.length(&self.path).is_ok_and(|length| length == self.size) {
            return Ok(true);
        }
        let root = self.path.parent().ok_or(io::ErrorKind::NotFound)?;
        let Space { bytes, .. } = self.disk.space(root)?;
        if bytes < self.size.saturating_mul(2) {
            return Ok(false);
        }
        self.disk.unlink(&self.path)?;
        let file = self.disk.create(&self.path)?;
        file.allocate(self.size)?;
        // Its length says that it is whole.
        file.set_length(self.size)?;
        file.sync()?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::path::Path;

    use super::*;
    use crate::store::disk::simulated::Simulated;

    fn full() -> io::Error {
        io::ErrorKind::StorageFull.into()
    }

    #[test]
    fn what_finds_the_disk_full_is_done_again_once_the_ballast_is_gone() {
        let disk = Simulated::new(0).disk();
        let ballast = Ballast::take(Arc::clone(&disk), "/ballast".into(), 4096);
        assert_eq!(disk.length(Path::new("/ballast")).expect("it is there"), 4096);
        let calls = Cell::new(0);
        let call = || {
            calls.set(calls.get() + 1);
            if disk.has(Path::new("/ballast"))? { Err(full()) } else { Ok(()) }
        };
        ballast.relieve(call).expect("there is room now");
        assert_eq!(calls.get(), 2);
        let error = ballast.relieve(|| Err::<(), _>(full())).expect_err("it helps once");
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        ballast.restore();
        assert!(disk.has(Path::new("/ballast")).expect("known"));
    }

    #[test]
    fn other_errors_do_not_cost_the_ballast() {
        let disk = Simulated::new(0).disk();
        let ballast = Ballast::take(Arc::clone(&disk), "/ballast".into(), 4096);
        ballast.relieve(|| Err::<(), _>(io::Error::other("the device failed"))).expect_err("it fails");
        assert!(disk.has(Path::new("/ballast")).expect("known"));
    }

    #[test]
    fn no_ballast_is_taken_where_there_is_little_room() {
        let machine = Simulated::new(0);
        machine.set_space(Space { bytes: 8_000, bytes_in_all: 1 << 20, files: 10, files_in_all: 10 });
        let disk = machine.disk();
        Ballast::take(Arc::clone(&disk), "/ballast".into(), 4096);
        assert!(!disk.has(Path::new("/ballast")).expect("known"));
    }
}
