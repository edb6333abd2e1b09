//! A payload that is coming in: its file, and the hash of what the file holds.
//!
//! All calls block; they belong on a thread that may.

use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use minicbor::bytes::ByteVec;

use super::memory::Share;
use crate::oci::{Algorithm, Digest};
use crate::store::disk::{Disk, DiskFile, Rule, parent};
use crate::store::hasher::Hasher;
use crate::store::in_flight::Guard;
use crate::store::metadata::UploadRow;

/// How much is read at once when a file has to be hashed again, in bytes.
const REREAD: usize = 1 << 20;

/// Up to this many bytes a file is left to its sync: the disk takes them in a few milliseconds.
const WRITTEN_AT_ONCE: u64 = 8 << 20;

/// A payload on its way in.
#[derive(Debug)]
pub struct Incoming {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    /// For as long as nothing names the file, nobody is to take it for one that nothing will name.
    _flight: Guard,
    /// Holds the bytes while they are few, and there is no file.
    memory: Option<Share>,
    /// Created when memory does not do.
    file: Option<Arc<dyn DiskFile>>,
    /// How many bytes have come in. What the file holds beyond them counts for nothing.
    length: u64,
    hash: Hash,
    /// Up to where write-back has been started.
    written_back: u64,
    /// Whether the file's name would survive a power cut.
    is_name_durable: bool,
}

/// The hash of the bytes that have come in.
#[derive(Clone)]
enum Hash {
    Known(Box<Hasher>),
    /// Nobody has hashed them in this algorithm yet.
    Unknown(Algorithm),
}

impl Hash {
    fn known(hasher: Hasher) -> Self {
        Self::Known(Box::new(hasher))
    }

    fn algorithm(&self) -> Algorithm {
        match self {
            Self::Known(hasher) => hasher.algorithm(),
            Self::Unknown(algorithm) => *algorithm,
        }
    }
}

impl std::fmt::Debug for Hash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Known(hasher) => write!(f, "Known({})", hasher.algorithm()),
            Self::Unknown(algorithm) => write!(f, "Unknown({algorithm})"),
        }
    }
}

/// What a session can go back to: see [`Incoming::savepoint`].
#[derive(Debug, Clone)]
pub struct Savepoint {
    length: u64,
    hash: Hash,
}

impl Savepoint {
    /// How many bytes had come in.
    pub fn length(&self) -> u64 {
        self.length
    }

    pub fn algorithm(&self) -> Algorithm {
        self.hash.algorithm()
    }
}

/// A point that survives a restart: the bytes up to `offset` are durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    pub algorithm: Algorithm,
    pub offset: u64,
    pub hash_state: Option<ByteVec>,
}

impl Incoming {
    pub(in crate::store) fn new(
        disk: Arc<dyn Disk>,
        path: PathBuf,
        flight: Guard,
        algorithm: Algorithm,
        memory: Share,
    ) -> Self {
        let hash = Hash::known(Hasher::new(algorithm));
        let (memory, file, is_name_durable) = (Some(memory), None, false);
        Self { disk, path, _flight: flight, memory, file, length: 0, hash, written_back: 0, is_name_durable }
    }

    /// Goes on from a mark: cuts the file back to it. `None` if the file has less.
    pub(in crate::store) fn resume(
        disk: Arc<dyn Disk>,
        path: PathBuf,
        flight: Guard,
        row: &UploadRow,
    ) -> io::Result<Option<Self>> {
        let file = match disk.open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        if file.length()? < row.offset {
            return Ok(None);
        }
        file.set_length(row.offset)?;
        let state = row.hash_state.as_ref().and_then(|state| Hasher::from_state(row.algorithm, state));
        Ok(Some(Self {
            disk,
            path,
            _flight: flight,
            memory: None,
            file: Some(file),
            length: row.offset,
            hash: state.map_or(Hash::Unknown(row.algorithm), Hash::known),
            written_back: row.offset,
            is_name_durable: true,
        }))
    }

    /// How many bytes have come in.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Hashes in this algorithm from now on. Bytes that are there already are read again when they have to be.
    pub fn use_algorithm(&mut self, algorithm: Algorithm) {
        if self.hash.algorithm() != algorithm {
            self.hash = match self.length {
                0 => Hash::known(Hasher::new(algorithm)),
                _ => Hash::Unknown(algorithm),
            };
        }
    }

    /// Appends, and hashes what it has written. After an error nothing of it counts.
    pub fn append(&mut self, chunks: &[Bytes]) -> io::Result<()> {
        let length = chunks.iter().map(|chunk| chunk.len() as u64).sum::<u64>();
        if !self.append_in_memory(chunks, length) {
            let (slices, offset) =
                (chunks.iter().map(|chunk| IoSlice::new(chunk)).collect::<Vec<_>>(), self.length);
            self.file()?.write_vectored_at(&slices, offset)?;
        }
        if let Hash::Known(hasher) = &mut self.hash {
            chunks.iter().for_each(|chunk| hasher.update(chunk));
        }
        self.length += length;
        self.start_writeback()
    }

    /// `false`, and nothing counts, if memory does not hold so many bytes more.
    fn append_in_memory(&mut self, chunks: &[Bytes], length: u64) -> bool {
        let mut end = self.length;
        self.stays_in_memory(length)
            && self.memory.as_mut().is_some_and(|memory| {
                chunks.iter().all(|chunk| {
                    let is_appended = memory.append(end, chunk);
                    end += chunk.len() as u64;
                    is_appended
                })
            })
    }

    /// The file, into which what lies in memory is moved first.
    fn file(&mut self) -> io::Result<&dyn DiskFile> {
        let file = match self.file.take() {
            Some(file) => file,
            None => self.disk.create(&self.path)?,
        };
        let file = self.file.insert(file);
        if let Some(memory) = &mut self.memory {
            file.write_at(&memory.bytes(self.length), 0)?;
            self.memory = None;
        }
        Ok(&**file)
    }

    /// Takes room on the disk for so many more bytes.
    pub fn reserve(&mut self, more: u64) -> io::Result<()> {
        let length = self.length + more;
        self.file()?.allocate(length)
    }

    /// Whether so many more bytes would leave it in memory, so that nothing blocks.
    pub fn stays_in_memory(&self, more: u64) -> bool {
        self.memory.as_ref().is_some_and(|memory| memory.has_room(self.length + more))
    }

    /// The whole payload, if it lies in memory.
    pub fn small(&mut self) -> Option<Bytes> {
        let length = self.length;
        self.memory.as_mut().map(|memory| memory.bytes(length))
    }

    /// Has the disk begin with what has come in. A file that may soon be thrown away, since its payload is here already, is
    /// not written before it has some size.
    fn start_writeback(&mut self) -> io::Result<()> {
        if let Some(file) = &self.file
            && self.length > self.written_back.max(WRITTEN_AT_ONCE)
        {
            file.start_writeback(self.written_back, self.length - self.written_back)?;
            self.written_back = self.length;
        }
        Ok(())
    }

    /// Remembers this point, so that [`Incoming::roll_back`] can return to it.
    pub fn savepoint(&self) -> Savepoint {
        Savepoint { length: self.length, hash: self.hash.clone() }
    }

    /// Forgets what came in since `savepoint`.
    pub fn roll_back(&mut self, savepoint: Savepoint) {
        self.length = savepoint.length;
        self.written_back = self.written_back.min(savepoint.length);
        self.hash = savepoint.hash;
    }

    /// Makes what has come in durable, and says from where to go on after a restart.
    pub fn mark(&mut self) -> io::Result<Mark> {
        if self.disk.keeps(Rule::SyncMark) {
            self.file()?.sync()?;
        }
        if !self.is_name_durable && self.disk.keeps(Rule::NameUpload) {
            self.disk.sync_folder(parent(&self.path)?)?;
            self.is_name_durable = true;
        }
        let hash_state = match &self.hash {
            Hash::Known(hasher) => hasher.state(),
            Hash::Unknown(_) => None,
        };
        Ok(Mark { algorithm: self.hash.algorithm(), offset: self.length, hash_state })
    }

    /// The digest of what has come in. Reads it again if it was hashed in another algorithm, or not at all.
    pub fn digest(&mut self, algorithm: Algorithm) -> io::Result<Digest> {
        match &self.hash {
            Hash::Known(hasher) if hasher.algorithm() == algorithm => Ok(hasher.finish()),
            _ => self.rehash(algorithm),
        }
    }

    fn rehash(&mut self, algorithm: Algorithm) -> io::Result<Digest> {
        let mut hasher = Hasher::new(algorithm);
        if let Some(bytes) = self.small() {
            hasher.update(&bytes);
            let digest = hasher.finish();
            self.hash = Hash::known(hasher);
            return Ok(digest);
        }
        let mut buffer = vec![0; REREAD];
        let mut offset = 0;
        while offset < self.length {
            let wanted = usize::try_from(self.length - offset).map_or(REREAD, |left| left.min(REREAD));
            let (piece, _) = buffer.split_at_mut(wanted);
            self.file()?.read_exact_at(piece, offset)?;
            hasher.update(piece);
            offset += wanted as u64;
        }
        let digest = hasher.finish();
        self.hash = Hash::known(hasher);
        Ok(digest)
    }

    /// Makes the payload durable and gives it its final name, which must be new.
    pub(in crate::store) fn settle(&mut self, target: &Path) -> io::Result<()> {
        let length = self.length;
        self.file()?.set_length(length)?;
        if self.disk.keeps(Rule::SyncPayload) {
            self.file()?.sync()?;
        }
        self.disk.rename(&self.path, target)?;
        // From here on this is its name, durable or not: whoever throws it away must find it.
        self.path = target.to_owned();
        if self.disk.keeps(Rule::NamePayload) {
            self.disk.sync_folder(parent(target)?)?;
        }
        Ok(())
    }

    /// Gives a settled payload back its session's name: nothing has come to refer to it.
    pub(in crate::store) fn unsettle(&mut self, path: PathBuf) -> io::Result<()> {
        self.disk.rename_durably(&self.path, &path)?;
        self.path = path;
        Ok(())
    }

    /// Throws away what has come in.
    pub fn discard(self) -> io::Result<()> {
        match self.file {
            Some(_) => self.disk.unlink(&self.path),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::memory::Memory;
    use super::*;
    use crate::oci::RepositoryName;
    use crate::store::clock::{ServedTime, Timestamp};
    use crate::store::disk::Real;
    use crate::store::ids::PayloadId;
    use crate::store::in_flight::InFlight;

    fn incoming(path: PathBuf, algorithm: Algorithm) -> Incoming {
        // Some tests stay in memory, some move to the file on the way.
        let memory = Memory::share(&Arc::new(Memory::new(100)), 6);
        Incoming::new(Arc::new(Real), path, flight(), algorithm, memory)
    }

    fn flight() -> Guard {
        Arc::new(InFlight::default()).enter(PayloadId::random())
    }

    fn resume(path: PathBuf, row: &UploadRow) -> Option<Incoming> {
        Incoming::resume(Arc::new(Real), path, flight(), row).expect("no error")
    }

    fn chunks(texts: &[&'static str]) -> Vec<Bytes> {
        texts.iter().map(|text| Bytes::from_static(text.as_bytes())).collect()
    }

    fn row(mark: Mark) -> UploadRow {
        let repository: RepositoryName = "a".parse().expect("a name");
        let (started, touched) = (Timestamp(0), ServedTime(0));
        let Mark { algorithm, offset, hash_state } = mark;
        UploadRow { repository, algorithm, offset, hash_state, started, touched, owner: None }
    }

    #[test]
    fn what_is_rolled_back_was_never_there() {
        let folder = tempfile::tempdir().expect("a folder");
        for algorithm in Algorithm::ALL {
            let mut incoming = incoming(folder.path().join(algorithm.as_str()), algorithm);
            incoming.append(&chunks(&["hold", "fast"])).expect("written");
            let savepoint = incoming.savepoint();
            incoming.append(&chunks(&["er and faster"])).expect("written");
            incoming.roll_back(savepoint);
            incoming.append(&chunks(&["!"])).expect("written");
            let digest = incoming.digest(algorithm).expect("a digest");
            assert_eq!(digest, Hasher::digest(algorithm, b"holdfast!"));
            let target = folder.path().join(digest.hex());
            incoming.settle(&target).expect("settled");
            assert_eq!(std::fs::read(target).expect("the payload"), b"holdfast!");
        }
    }

    #[test]
    fn an_upload_goes_on_from_its_mark_whatever_the_file_has_beyond_it() {
        let folder = tempfile::tempdir().expect("a folder");
        for algorithm in Algorithm::ALL {
            let path = folder.path().join(algorithm.as_str());
            let mut incoming = incoming(path.clone(), algorithm);
            incoming.append(&chunks(&["hold"])).expect("written");
            let row = row(incoming.mark().expect("a mark"));
            incoming.append(&chunks(&["never synced"])).expect("written");
            drop(incoming);
            let mut incoming = resume(path, &row).expect("long enough");
            assert_eq!(incoming.length(), 4);
            incoming.append(&chunks(&["fast"])).expect("written");
            for asked in Algorithm::ALL {
                assert_eq!(incoming.digest(asked).expect("a digest"), Hasher::digest(asked, b"holdfast"));
            }
        }
    }

    #[test]
    fn a_file_shorter_than_its_mark_ends_the_session() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("upload");
        let mut incoming = incoming(path.clone(), Algorithm::Sha256);
        incoming.append(&chunks(&["holdfast"])).expect("written");
        let row = row(incoming.mark().expect("a mark"));
        Real.open(&path).expect("the file").set_length(3).expect("cut");
        assert!(resume(path.clone(), &row).is_none());
        Real.unlink(&path).expect("gone");
        assert!(resume(path, &row).is_none());
    }

    #[test]
    fn an_empty_payload_settles_as_an_empty_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut incoming = incoming(folder.path().join("upload"), Algorithm::Sha256);
        let digest = incoming.digest(Algorithm::Sha256).expect("a digest");
        assert_eq!(digest, Hasher::digest(Algorithm::Sha256, b""));
        incoming.settle(&folder.path().join("payload")).expect("settled");
        assert_eq!(std::fs::read(folder.path().join("payload")).expect("the payload"), b"");
    }
}
