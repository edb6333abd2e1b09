//! The segments that there are, for whoever reads payloads from them.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::{Arc, PoisonError, RwLock};

use crate::store::disk::DiskFile;

/// Open segments by number. A reader that has taken one keeps it, whatever becomes of its name.
#[derive(Debug, Default)]
pub(in crate::store) struct Segments {
    state: RwLock<State>,
}

#[derive(Debug, Default)]
struct State {
    open: BTreeMap<u64, Entry>,
    /// Those that were set aside, in the order of their end.
    retired: VecDeque<(u64, Entry)>,
}

#[derive(Debug)]
struct Entry {
    file: Arc<dyn DiskFile>,
    /// Up to where it is written, in bytes.
    length: u64,
}

impl Segments {
    pub(super) fn add(&self, number: u64, file: Arc<dyn DiskFile>, length: u64) {
        self.write().open.insert(number, Entry { file, length });
    }

    pub(super) fn set_length(&self, number: u64, length: u64) {
        if let Some(entry) = self.write().open.get_mut(&number) {
            entry.length = length;
        }
    }

    /// Forgets a segment whose file is gone. Whoever has it keeps it.
    pub(in crate::store) fn remove(&self, number: u64) {
        self.write().open.remove(&number);
    }

    /// Forgets a segment that was [set aside](super::segment::retired_path): it may be written over once nobody has it.
    pub(in crate::store) fn retire(&self, number: u64) {
        let mut state = self.write();
        let entry = state.open.remove(&number);
        state.retired.extend(entry.map(|entry| (number, entry)));
    }

    /// Takes the oldest segment that was set aside; if it is to be written over, of those that nobody has. Nobody can come to
    /// have one of them any more.
    pub(in crate::store) fn take_retired(&self, is_to_be_unread: bool) -> Option<u64> {
        let retired = &mut self.write().retired;
        let is_unread = |entry: &Entry| Arc::strong_count(&entry.file) == 1;
        let oldest = retired.iter().position(|(_, entry)| !is_to_be_unread || is_unread(entry))?;
        retired.remove(oldest).map(|(number, _)| number)
    }

    /// Forgets all segments that were set aside.
    pub(super) fn forget_retired(&self) {
        self.write().retired.clear();
    }

    /// How large the segments are that were set aside, in bytes.
    pub(in crate::store) fn retired(&self) -> u64 {
        self.read().retired.iter().map(|(_, entry)| entry.length).sum()
    }

    /// The numbers of all segments, in order.
    pub(in crate::store) fn numbers(&self) -> Vec<u64> {
        self.read().open.keys().copied().collect()
    }

    /// How large the log is, in bytes.
    pub(in crate::store) fn total(&self) -> u64 {
        self.read().open.values().map(|entry| entry.length).sum()
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
        self.read().open.get(&segment).map(|entry| Arc::clone(&entry.file))
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}
