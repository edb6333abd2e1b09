//! Those who pull large blobs, from memory or from the disk.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use holdfast::load::{Connection, Failure, Limit, Stem, pull};
use rustix::fs::{Advice, fadvise};

use crate::place::Place;
use crate::support::{Server, read_from_disks, run};

/// How many pull at once.
pub(super) const PULLERS: usize = 4;

/// As many as are pulled from the disk in a turn, each once.
const BLOBS: u64 = 8;

const SIZE: usize = 256 << 20;

/// Blobs, and the files that a registry has of them.
pub(super) struct Large(Vec<(String, PathBuf)>);

/// What has been pulled.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Pulled {
    pub(super) bytes: u64,
    /// How many of them the server had read from the disk.
    pub(super) from_disk: u64,
    pub(super) elapsed: Duration,
}

impl Large {
    pub(super) fn prepare(server: &Server, place: &Place<'_>) -> Result<Self, Failure> {
        let stem = Stem::new(SIZE);
        let put = |_| {
            let (path, blob) = place.put_blob(&stem)?;
            Ok((path, file_of(&server.root(), &blob.digest.hex())?))
        };
        (0..BLOBS).map(put).collect::<Result<_, Failure>>().map(Self)
    }

    /// Has all of them brought into memory.
    pub(super) fn warm_up(&self, connection: &mut Connection) -> Result<(), Failure> {
        self.0.iter().try_for_each(|(path, _)| pull(connection, path, SIZE as u64).map(drop))
    }

    /// Has the page cache forget all of them. Pages that somebody has mapped would stay, so that this is for a server that has
    /// just been started.
    pub(super) fn throw_out(&self) -> io::Result<()> {
        self.0.iter().try_for_each(|(_, file)| Ok(fadvise(File::open(file)?, 0, None, Advice::DontNeed)?))
    }

    /// Pulls each of them once.
    pub(super) fn pull_all(&self, server: &Server) -> Result<Pulled, Failure> {
        self.pull(server, Limit { operations: BLOBS, time: Duration::MAX })
    }

    /// Pulls one after the other for so long.
    pub(super) fn pull_for(&self, server: &Server, time: Duration) -> Result<Pulled, Failure> {
        self.pull(server, Limit { operations: u64::MAX, time })
    }

    fn pull(&self, server: &Server, limit: Limit) -> Result<Pulled, Failure> {
        let work = |connection: &mut Connection, number: u64| {
            let (path, _) = &self.0[usize::try_from(number % BLOBS).unwrap()];
            pull(connection, path, SIZE as u64)
        };
        let before = read_from_disks(server.pid())?;
        let load = run(&server.target, PULLERS, limit, &work)?;
        let from_disk = read_from_disks(server.pid())? - before;
        Ok(Pulled { bytes: load.total().bytes, from_disk, elapsed: load.elapsed })
    }
}

/// The file of this digest, wherever a registry puts it.
fn file_of(folder: &Path, hex: &str) -> io::Result<PathBuf> {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let (path, metadata) = {
                let entry = entry?;
                (entry.path(), entry.metadata()?)
            };
            if metadata.is_dir() {
                folders.push(path);
            } else if metadata.len() == SIZE as u64 && path.to_string_lossy().contains(hex) {
                return Ok(path);
            }
        }
    }
    Err(io::Error::new(
        io::ErrorKind::NotFound,
        "no file of the registry's has the blob's digest in its path",
    ))
}
