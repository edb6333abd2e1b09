//! The segments that there are, for whoever reads payloads from them.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, PoisonError, RwLock};

use crate::store::disk::DiskFile;

/// Open segments by number. A reader that has taken one keeps it, whatever becomes of its name.
#[derive(Debug, Default)]
pub(in crate::store) struct Segments {
    open: RwLock<BTreeMap<u64, Entry>>,
}

#[derive(Debug)]
struct Entry {
    file: Arc<dyn DiskFile>,
    /// Up to where it is written, in bytes.
    length: u64,
}

impl Segments {
    pub(super) fn add(&self, number: u64, file: Arc<dyn DiskFile>, length: u64) {
        self.write().insert(number, Entry { file, length });
    }

    pub(super) fn set_length(&self, number: u64, length: u64) {
        if let Some(entry) = self.write().get_mut(&number) {
            entry.length = length;
        }
    }

    /// Forgets a segment whose file is gone. Whoever has it keeps it.
    pub(in crate::store) fn remove(&self, number: u64) {
        self.write().remove(&number);
    }

    /// The numbers of all segments, in order.
    pub(in crate::store) fn numbers(&self) -> Vec<u64> {
        self.read().keys().copied().collect()
    }

    /// How large the log is, in bytes.
    pub(in crate::store) fn total(&self) -> u64 {
        self.read().values().map(|entry| entry.length).sum()
    }

    /// Reads bytes of a segment; an error of kind `NotFound` if there is no such segment any more.
    pub(in crate::store) fn read_at(&self, segment: u64, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let file = self.file(segment).ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        let mut bytes = vec![0; length];
        file.read_exact_at(&mut bytes, offset)?;
        Ok(bytes)
    }

    /// An open segment, which stays readable for as long as it is held.
    pub(in crate::store) fn file(&self, segment: u64) -> Option<Arc<dyn DiskFile>> {
        self.read().get(&segment).map(|entry| Arc::clone(&entry.file))
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, BTreeMap<u64, Entry>> {
        self.open.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, BTreeMap<u64, Entry>> {
        self.open.write().unwrap_or_else(PoisonError::into_inner)
    }
}
