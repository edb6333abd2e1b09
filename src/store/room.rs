//! Room on the disk: how much is left, and what may still come in.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::disk::{Disk, Space};

/// What is to stay free, so that deletions, settling and checkpoints go on when pushes cannot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Floor {
    /// Bytes, at most a twentieth of the disk.
    pub bytes: u64,
    /// Files that could still be created, at most a twentieth of those that the disk can have.
    pub files: u64,
}

/// The part of a disk that settings which speak of absolute sizes may take at most.
pub(super) const SHARE: u64 = 20;

/// Compares what is free with the floor.
#[derive(Debug)]
pub(super) struct Room {
    disk: Arc<dyn Disk>,
    root: PathBuf,
    floor: Floor,
    seen: Mutex<Option<Seen>>,
}

#[derive(Debug, Clone, Copy)]
struct Seen {
    space: Space,
    at: Instant,
}

impl Room {
    /// How long an answer of the system is good for.
    const FRESH: Duration = Duration::from_millis(20);

    pub(super) fn new(disk: Arc<dyn Disk>, root: PathBuf, floor: Floor) -> Self {
        Self { disk, root, floor, seen: Mutex::new(None) }
    }

    /// The same bounds for the disk that another folder lies on.
    pub(super) fn elsewhere(&self, folder: &Path) -> Self {
        Self::new(Arc::clone(&self.disk), folder.to_owned(), self.floor)
    }

    /// Whether so many more bytes, and a file for them, leave the floor untouched. Where the system does not say, the disk
    /// itself will.
    pub(super) fn admits(&self, bytes: u64) -> bool {
        let Ok(space) = self.space() else { return true };
        let wanted = self.floor_bytes(&space).saturating_add(bytes);
        space.bytes >= wanted && space.files >= self.floor.files.min(space.files_in_all / SHARE)
    }

    /// How many bytes pushes leave free of a disk like this.
    pub(super) fn floor_bytes(&self, space: &Space) -> u64 {
        self.floor.bytes.min(space.bytes_in_all / SHARE)
    }

    pub(super) fn space(&self) -> io::Result<Space> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match *seen {
            Some(Seen { space, at }) if at.elapsed() < Self::FRESH => Ok(space),
            _ => {
                let space = self.disk.space(&self.root)?;
                *seen = Some(Seen { space, at: Instant::now() });
                Ok(space)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::disk::simulated::Simulated;

    const MIB: u64 = 1 << 20;

    fn room(space: Space) -> Room {
        let machine = Simulated::new(0);
        machine.set_space(space);
        Room::new(machine.disk(), "/".into(), Floor { bytes: 256 * MIB, files: 1_000 })
    }

    #[test]
    fn what_would_leave_less_than_the_floor_is_not_admitted() {
        let large = Space { bytes: 300 * MIB, bytes_in_all: 1 << 40, files: 5_000, files_in_all: 1 << 20 };
        assert!(room(large).admits(44 * MIB));
        assert!(!room(large).admits(44 * MIB + 1));
        assert!(!room(Space { files: 999, ..large }).admits(0));
    }

    #[test]
    fn a_small_disk_keeps_a_twentieth() {
        let small = Space { bytes: 5 * MIB, bytes_in_all: 64 * MIB, files: 900, files_in_all: 16_000 };
        assert!(room(small).admits(MIB));
        assert!(!room(small).admits(2 * MIB));
        assert!(!room(Space { files: 799, ..small }).admits(0));
    }
}
