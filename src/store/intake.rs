//! Taking in files that lie elsewhere on this machine, and what comes as a stream (`landing`).
//!
//! Files get names of the store's own, many at once: by sharing their blocks, under a second name, or copied. The files and their
//! names are durable before the writer hears of them; a file that it does not come to name is swept out after the next start.

mod landing;

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use serde::{Deserialize, Serialize};

pub use landing::Landing;

use crate::oci::Digest;

use super::Store;
use super::disk::{Barrier, DiskFile, Rule, is_full, parent};
use super::hasher::Hasher;
use super::ids::PayloadId;
use super::in_flight::Guard;

/// How many threads bring files.
const THREADS: usize = 4;
/// How much is copied, or hashed, at once, in bytes.
const PIECE: usize = 1 << 20;

/// How a file comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// A file of its own that shares the blocks of the other.
    Reflink,
    /// The same file, under a second name.
    Link,
    Copy,
    /// Over the network.
    Download,
}

impl Method {
    /// Those by which files come in, tried one after the other where nobody asks for one.
    pub const ALL: [Self; 3] = [Self::Reflink, Self::Link, Self::Copy];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reflink => "reflink",
            Self::Link => "link",
            Self::Copy => "copy",
            Self::Download => "download",
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Method {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|method| method.as_str() == text).ok_or(())
    }
}

/// A file that is to be taken in.
#[derive(Debug, Clone)]
pub struct Offered {
    pub digest: Digest,
    /// That it has to have, in bytes.
    pub size: u64,
    pub path: PathBuf,
    /// Whether its bytes are compared with its digest.
    pub is_verified: bool,
}

/// A file that has come in, durably. Nothing names it yet.
#[derive(Debug)]
pub struct Landed {
    pub file: PayloadId,
    pub method: Method,
    pub digest: Digest,
    /// It is not swept out meanwhile.
    _guard: Guard,
}

/// Why nothing more can be taken in.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    #[error("the disk is full, or almost: make room, then run this again, and it goes on")]
    Full,
    #[error("{} cannot be brought to the store ({reasons}); choose another --method", path.display())]
    Impossible { path: PathBuf, reasons: String },
    #[error("{}: {error}", path.display())]
    Io { path: PathBuf, error: io::Error },
}

/// Why one file could not be taken in.
enum Failure {
    /// It cannot be read, or is not what it should be; others may be.
    Source(String),
    Intake(IntakeError),
}

/// Why a method is not possible, at least for one file.
#[derive(Debug, Clone)]
struct Setback {
    method: Method,
    reason: String,
    is_told: bool,
}

/// Takes files in.
pub struct Intake<'a> {
    store: &'a Store,
    /// What is tried, in this order.
    methods: Vec<Method>,
    /// By its number, whether a method is known not to be possible here.
    is_impossible: [AtomicBool; Method::Download as usize + 1],
    /// What went wrong the first time that each of them was not possible.
    setbacks: Mutex<Vec<Setback>>,
    barrier: Option<Box<dyn Barrier>>,
}

impl<'a> Intake<'a> {
    /// Tries these methods, in this order.
    pub fn new(store: &'a Store, methods: &[Method]) -> io::Result<Self> {
        let barrier = store.disk.barrier(store.layout.root())?;
        let (methods, is_impossible, setbacks) = (methods.to_vec(), Default::default(), Mutex::default());
        Ok(Self { store, methods, is_impossible, setbacks, barrier })
    }

    /// What has turned out not to be possible since this was asked last, and why; each method once.
    pub fn setbacks(&self) -> Vec<(Method, String)> {
        let mut setbacks = self.setbacks.lock().unwrap_or_else(PoisonError::into_inner);
        let new = setbacks.iter_mut().filter(|setback| !setback.is_told);
        new.map(|setback| {
            setback.is_told = true;
            (setback.method, setback.reason.clone())
        })
        .collect()
    }

    /// Takes files in, and makes them and their names durable: each of them, or why not. After an error none is. Blocks.
    pub fn take(&self, offered: &[Offered]) -> Result<Vec<Result<Landed, String>>, IntakeError> {
        let share = offered.len().div_ceil(THREADS).max(1);
        let take_some = |some: &[Offered]| some.iter().map(|one| self.take_one(one)).collect::<Vec<_>>();
        let taken: Vec<_> = thread::scope(|scope| {
            let threads: Vec<_> =
                offered.chunks(share).map(|some| scope.spawn(move || take_some(some))).collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap_or_default()).collect()
        });
        let (mut landed, mut failure) = (Vec::new(), None);
        for one in taken {
            match one {
                Ok(one) => landed.push(Ok(one)),
                Err(Failure::Source(problem)) => landed.push(Err(problem)),
                Err(Failure::Intake(error)) => failure = Some(error),
            }
        }
        if landed.len() < offered.len() {
            let lost = || IntakeError::Io {
                path: self.store.layout.blobs(),
                error: io::Error::other("a thread that brings files has ended"),
            };
            failure.get_or_insert_with(lost);
        }
        let synced = match failure {
            Some(error) => Err(error),
            None => self.make_durable(landed.iter().flatten()),
        };
        if synced.is_err() {
            landed.iter().flatten().for_each(|one| self.discard(one));
            return synced.map(|()| Vec::new());
        }
        Ok(landed)
    }

    /// The file of a payload that has come in, to be read.
    pub fn open(&self, landed: &Landed) -> io::Result<Arc<dyn DiskFile>> {
        self.store.disk.open_for_reading(&self.store.layout.payload(&landed.digest, landed.file))
    }

    /// Removes a file that nobody came to need. If that fails it is swept out later.
    pub fn discard(&self, landed: &Landed) {
        let _ = self.store.disk.unlink(&self.store.layout.payload(&landed.digest, landed.file));
    }

    fn take_one(&self, offered: &Offered) -> Result<Landed, Failure> {
        let Offered { digest, size, ref path, is_verified } = *offered;
        let source = self.store.disk.open_for_reading(path).map_err(|error| unread(&error))?;
        match source.length().map_err(|error| unread(&error))? {
            length if length == size => {}
            length => return Err(Failure::Source(format!("it has {length} bytes; it should have {size}"))),
        }
        let file = PayloadId::random();
        let guard = self.store.in_flight.enter(file);
        let to = self.store.layout.payload(&digest, file);
        let method = self.bring(&*source, path, &to, size)?;
        let landed = Landed { file, method, digest, _guard: guard };
        if is_verified {
            let found = self.hash(&digest, &to);
            if found.as_ref().ok() != Some(&digest) {
                self.discard(&landed);
                return Err(found
                    .err()
                    .unwrap_or_else(|| Failure::Source("its bytes are not those of its digest".to_owned())));
            }
        }
        Ok(landed)
    }

    /// Brings a file by the first method that is possible.
    fn bring(&self, source: &dyn DiskFile, from: &Path, to: &Path, size: u64) -> Result<Method, Failure> {
        for &method in &self.methods {
            let is_impossible = &self.is_impossible[method as usize];
            if is_impossible.load(Ordering::Relaxed) {
                continue;
            }
            let room = if method == Method::Copy { size } else { 0 };
            if !self.store.has_room(room) {
                return Err(Failure::Intake(IntakeError::Full));
            }
            let error = match self.try_method(method, source, from, to, size) {
                Ok(()) => return Ok(method),
                Err(Attempt::Failed(failure)) => return Err(failure),
                Err(Attempt::Impossible(error)) => error,
            };
            self.note_setback(method, &error);
            if is_for_good(&error) {
                is_impossible.store(true, Ordering::Relaxed);
            }
        }
        let setbacks = self.setbacks.lock().unwrap_or_else(PoisonError::into_inner);
        let reasons: Vec<_> =
            setbacks.iter().map(|Setback { method, reason, .. }| format!("{method}: {reason}")).collect();
        Err(Failure::Intake(IntakeError::Impossible { path: from.to_owned(), reasons: reasons.join("; ") }))
    }

    fn note_setback(&self, method: Method, error: &io::Error) {
        let mut setbacks = self.setbacks.lock().unwrap_or_else(PoisonError::into_inner);
        if setbacks.iter().all(|known| known.method != method) {
            setbacks.push(Setback { method, reason: error.to_string(), is_told: false });
        }
    }

    fn try_method(
        &self,
        method: Method,
        source: &dyn DiskFile,
        from: &Path,
        to: &Path,
        size: u64,
    ) -> Result<(), Attempt> {
        let disk = &*self.store.disk;
        if method == Method::Link {
            disk.link(from, to).map_err(|error| impossible(error, to))?;
            let file = disk.open_for_reading(to).map_err(at(to))?;
            return Ok(self.sync(&*file).map_err(at(to))?);
        }
        let file = disk.create(to).map_err(at(to))?;
        let filled = match method {
            Method::Reflink => clone(&*file, source).map_err(|error| impossible(error, to)),
            _ => copy(source, &*file, to, size).map_err(Attempt::Failed),
        };
        let synced = filled.and_then(|()| Ok(self.sync(&*file).map_err(at(to))?));
        if synced.is_err() {
            // Whatever the file has now is not to be trusted.
            let _ = disk.unlink(to);
        }
        synced
    }

    /// Where there is a barrier it syncs all at once.
    fn sync(&self, file: &dyn DiskFile) -> io::Result<()> {
        match self.barrier.is_none() && self.store.disk.keeps(Rule::SyncPayload) {
            true => file.sync(),
            false => Ok(()),
        }
    }

    fn make_durable<'l>(&self, landed: impl Iterator<Item = &'l Landed> + Clone) -> Result<(), IntakeError> {
        let disk = &*self.store.disk;
        if let Some(barrier) = self.barrier.as_ref().filter(|_| landed.clone().next().is_some()) {
            let root = self.store.layout.root();
            return barrier.sync().map_err(|error| IntakeError::Io { path: root.to_owned(), error });
        }
        let folders: BTreeSet<PathBuf> = landed
            .filter_map(|one| {
                Some(parent(&self.store.layout.payload(&one.digest, one.file)).ok()?.to_owned())
            })
            .collect();
        for folder in folders.into_iter().filter(|_| disk.keeps(Rule::NamePayload)) {
            disk.sync_folder(&folder).map_err(|error| IntakeError::Io { path: folder, error })?;
        }
        Ok(())
    }

    fn hash(&self, digest: &Digest, path: &Path) -> Result<Digest, Failure> {
        let file = self.store.disk.open_for_reading(path).map_err(|error| unread(&error))?;
        let size = file.length().map_err(|error| unread(&error))?;
        let mut hasher = Hasher::new(digest.algorithm());
        in_pieces(&*file, size, |piece, _| {
            hasher.update(piece);
            Ok(())
        })?;
        Ok(hasher.finish())
    }
}

/// Why a method did not bring a file.
enum Attempt {
    /// Another one may.
    Impossible(io::Error),
    Failed(Failure),
}

impl From<Failure> for Attempt {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

fn unread(error: &io::Error) -> Failure {
    Failure::Source(match error.kind() {
        io::ErrorKind::NotFound => "it is missing".to_owned(),
        _ => format!("it cannot be read: {error}"),
    })
}

fn at(path: &Path) -> impl Fn(io::Error) -> Failure {
    move |error| {
        Failure::Intake(match is_full(&error) {
            true => IntakeError::Full,
            false => IntakeError::Io { path: path.to_owned(), error },
        })
    }
}

/// What a link or a clone has failed with: a full disk is nothing that another method helps against.
fn impossible(error: io::Error, to: &Path) -> Attempt {
    match error.kind() {
        io::ErrorKind::NotFound => Attempt::Failed(unread(&error)),
        _ if is_full(&error) => Attempt::Failed(at(to)(error)),
        _ => Attempt::Impossible(error),
    }
}

/// Whether no other file will do better. A link to one may be refused for whose file it is.
fn is_for_good(error: &io::Error) -> bool {
    !matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::TooManyLinks)
}

/// Lets an empty file share the blocks of another.
fn clone(file: &dyn DiskFile, source: &dyn DiskFile) -> io::Result<()> {
    match (file.file(), source.file()) {
        (Some(file), Some(source)) => Ok(rustix::fs::ioctl_ficlone(file, source)?),
        _ => Err(io::ErrorKind::Unsupported.into()),
    }
}

fn copy(source: &dyn DiskFile, file: &dyn DiskFile, to: &Path, size: u64) -> Result<(), Failure> {
    file.allocate(size).map_err(at(to))?;
    in_pieces(source, size, |piece, offset| {
        file.write_at(piece, offset).map_err(at(to))?;
        // Otherwise a large file would wait to be written in one go.
        file.start_writeback(offset, piece.len() as u64).map_err(at(to))
    })
}

fn in_pieces(
    file: &dyn DiskFile,
    size: u64,
    mut visit: impl FnMut(&[u8], u64) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut buffer = vec![0; PIECE.min(usize::try_from(size).unwrap_or(PIECE))];
    let mut offset = 0;
    while offset < size {
        let length = buffer.len().min(usize::try_from(size - offset).unwrap_or(PIECE));
        let (piece, _) = buffer.split_at_mut(length);
        file.read_exact_at(piece, offset).map_err(|error| unread(&error))?;
        visit(piece, offset)?;
        offset += length as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
