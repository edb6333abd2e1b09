//! Files of payloads that are open: one that many pull is opened and mapped once.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::{Abilities, MappedFiles, Payload, PayloadError};
use crate::observe::metrics::{Hit, metrics};
use crate::oci::Digest;
use crate::store::disk::Disk;
use crate::store::ids::PayloadId;
use crate::store::layout::Layout;

/// The most bytes of files that are kept open. For what is mapped the system keeps tables, of a 512th of its size.
const BYTES: u64 = 16 << 30;

/// Opens payloads' files, and keeps a bounded number of them open for those who come next.
#[derive(Debug)]
pub(in crate::store) struct Payloads {
    disk: Arc<dyn Disk>,
    layout: Layout,
    abilities: Abilities,
    /// The most files that are kept open.
    limit: usize,
    mapped: Arc<MappedFiles>,
    kept: RwLock<Kept>,
}

/// The files that are kept open. Those that were asked for again since they were last looked at stay, when others have to
/// go.
#[derive(Debug, Default)]
struct Kept {
    entries: HashMap<PayloadId, Entry>,
    /// The same, in the order in which they are looked at.
    queue: VecDeque<PayloadId>,
    /// How large they are together.
    bytes: u64,
    /// How often files were forgotten.
    forgotten: u64,
}

#[derive(Debug)]
struct Entry {
    payload: Arc<Payload>,
    is_used: AtomicBool,
}

impl Payloads {
    pub(in crate::store) fn new(
        disk: Arc<dyn Disk>,
        layout: Layout,
        abilities: Abilities,
        limit: usize,
    ) -> Self {
        Self { disk, layout, abilities, limit, mapped: Arc::default(), kept: RwLock::default() }
    }

    /// The payload, if its file is open and still has its length. Never blocks on the disk.
    pub(in crate::store) fn get(&self, id: PayloadId) -> Option<Arc<Payload>> {
        let kept = self.look();
        let entry = kept.entries.get(&id).filter(|entry| entry.payload.has_its_length())?;
        entry.is_used.store(true, Ordering::Relaxed);
        metrics().payload_files.of(Hit::Hit).inc();
        Some(Arc::clone(&entry.payload))
    }

    /// Opens the file of a payload of this size, if it is not open yet.
    pub(in crate::store) fn open(
        &self,
        digest: &Digest,
        id: PayloadId,
        size: u64,
    ) -> Result<Arc<Payload>, PayloadError> {
        if let Some(payload) = self.get(id) {
            return Ok(payload);
        }
        metrics().payload_files.of(Hit::Miss).inc();
        let forgotten = self.look().forgotten;
        let path = self.layout.payload(digest, id);
        let payload = Arc::new(Payload::open(&*self.disk, &path, size, self.abilities, &self.mapped)?);
        let mut kept = self.lock();
        // One that was opened just before its file was unlinked must not come after the word to forget it.
        if kept.forgotten == forgotten && size <= BYTES {
            let left_out = kept.insert(id, Arc::clone(&payload), self.limit);
            drop(kept);
            // Unmapping may take a while, and need not be waited for.
            drop(left_out);
        }
        Ok(payload)
    }

    /// Lets go of files, so that their room on the disk is free once they are unlinked. Call it when they are: a file that is
    /// opened later is not there.
    pub(in crate::store) fn forget(&self, ids: impl IntoIterator<Item = PayloadId>) {
        let mut kept = self.lock();
        kept.forgotten += 1;
        let left_out: Vec<_> = ids.into_iter().filter_map(|id| kept.remove(id)).collect();
        let Kept { entries, queue, .. } = &mut *kept;
        queue.retain(|id| entries.contains_key(id));
        drop(kept);
        drop(left_out);
    }

    /// How many files are kept open, and how large they are together.
    pub(in crate::store) fn kept(&self) -> (usize, u64) {
        let kept = self.look();
        (kept.entries.len(), kept.bytes)
    }

    /// Which memory is whose file's.
    pub(in crate::store) fn mapped_files(&self) -> Arc<MappedFiles> {
        Arc::clone(&self.mapped)
    }

    fn look(&self) -> RwLockReadGuard<'_, Kept> {
        self.kept.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> RwLockWriteGuard<'_, Kept> {
        self.kept.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    /// Adds one, and takes out those for which there is no room any more.
    fn insert(&mut self, id: PayloadId, payload: Arc<Payload>, limit: usize) -> Vec<Arc<Payload>> {
        let size = payload.size();
        let entry = Entry { payload, is_used: AtomicBool::new(false) };
        if let Some(twin) = self.entries.insert(id, entry) {
            return vec![twin.payload];
        }
        self.queue.push_back(id);
        self.bytes += size;
        let mut left_out = Vec::new();
        while self.entries.len() > limit || self.bytes > BYTES {
            left_out.extend(self.evict());
        }
        left_out
    }

    /// Looks at the next one: it goes if it was not asked for since the last time.
    fn evict(&mut self) -> Option<Arc<Payload>> {
        let id = self.queue.pop_front()?;
        match self.entries.get(&id) {
            Some(entry) if entry.is_used.swap(false, Ordering::Relaxed) => {
                self.queue.push_back(id);
                None
            }
            _ => self.remove(id),
        }
    }

    fn remove(&mut self, id: PayloadId) -> Option<Arc<Payload>> {
        let Entry { payload, .. } = self.entries.remove(&id)?;
        self.bytes -= payload.size();
        Some(payload)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::Algorithm;
    use crate::store::disk::Real;
    use crate::store::hasher::Hasher;

    struct Folder {
        folder: tempfile::TempDir,
        payloads: Payloads,
        digest: Digest,
    }

    impl Folder {
        fn new(limit: usize) -> Self {
            let folder = tempfile::tempdir().expect("a folder");
            let layout = Layout::new(folder.path());
            layout.create_folders(&Real).expect("folders");
            let payloads = Payloads::new(Arc::new(Real), layout, Abilities { can_map: true }, limit);
            Self { folder, payloads, digest: Hasher::digest(Algorithm::Sha256, b"holdfast") }
        }

        fn path(&self, id: PayloadId) -> std::path::PathBuf {
            Layout::new(self.folder.path()).payload(&self.digest, id)
        }

        fn write(&self) -> PayloadId {
            let id = PayloadId::random();
            std::fs::write(self.path(id), b"holdfast").expect("a file");
            id
        }

        fn open(&self, id: PayloadId) -> Result<Arc<Payload>, PayloadError> {
            self.payloads.open(&self.digest, id, 8)
        }
    }

    #[test]
    fn a_file_is_opened_once_for_all_who_pull_it() {
        let folder = Folder::new(2);
        let id = folder.write();
        assert!(folder.payloads.get(id).is_none());
        let first = folder.open(id).expect("a payload");
        let second = folder.payloads.get(id).expect("an open payload");
        assert!(Arc::ptr_eq(&first, &second));
    }

    #[test]
    fn of_more_files_than_there_is_room_for_those_stay_open_that_are_asked_for() {
        let folder = Folder::new(2);
        let popular = folder.write();
        folder.open(popular).expect("a payload");
        for _ in 0..10 {
            assert!(folder.payloads.get(popular).is_some());
            folder.open(folder.write()).expect("a payload");
            assert!(folder.payloads.lock().entries.len() <= 2);
        }
        let kept = folder.payloads.lock();
        assert_eq!((kept.bytes, kept.queue.len()), (16, 2));
    }

    #[test]
    fn a_file_that_is_unlinked_and_forgotten_is_gone_for_those_who_come_later() {
        let folder = Folder::new(2);
        let id = folder.write();
        let payload = folder.open(id).expect("a payload");
        std::fs::remove_file(folder.path(id)).expect("unlinked");
        folder.payloads.forget([id]);
        assert!(matches!(folder.open(id), Err(PayloadError::Missing)));
        assert_eq!(Arc::strong_count(&payload), 1);
        let kept = folder.payloads.lock();
        assert_eq!((kept.bytes, kept.queue.len(), kept.entries.len()), (0, 0, 0));
    }
}
