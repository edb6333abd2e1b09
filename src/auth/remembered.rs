//! What was verified a moment ago, so that it is not verified again for each request.
//!
//! Credentials are kept under a keyed hash alone (BLAKE3 with a key of this process), so that memory holds none of them.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// So much is remembered at the most.
const MOST: usize = 10_000;

/// Values that were verified, each under the credentials that it was found for.
pub(super) struct Remembered<T> {
    key: [u8; blake3::KEY_LEN],
    entries: Mutex<HashMap<Name, Entry<T>>>,
}

/// The keyed hash of credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Name([u8; blake3::OUT_LEN]);

struct Entry<T> {
    value: T,
    until: Instant,
    version: u64,
}

impl Name {
    /// A number that follows from it.
    pub(super) fn number(self) -> usize {
        let Self([a, b, c, d, ..]) = self;
        usize::try_from(u32::from_le_bytes([a, b, c, d])).unwrap_or_default()
    }
}

impl<T: Clone> Remembered<T> {
    pub(super) fn new() -> Self {
        // Two random identifiers: 244 bits that nobody knows.
        let halves = [uuid::Uuid::new_v4(), uuid::Uuid::new_v4()];
        let key = blake3::hash(&halves.map(uuid::Uuid::into_bytes).concat());
        Self { key: *key.as_bytes(), entries: Mutex::default() }
    }

    /// Under which name something is remembered.
    pub(super) fn name(&self, credentials: &str) -> Name {
        Name(*blake3::keyed_hash(&self.key, credentials.as_bytes()).as_bytes())
    }

    /// What was found, unless that is too long ago, or was found in another version of what it was verified against.
    pub(super) fn find(&self, name: Name, version: u64) -> Option<T> {
        let entries = self.lock();
        let entry = entries.get(&name)?;
        (entry.version == version && Instant::now() < entry.until).then(|| entry.value.clone())
    }

    /// Remembers for so long what was found in this version.
    pub(super) fn insert(&self, name: Name, version: u64, value: T, lifetime: Duration) {
        let now = Instant::now();
        let Some(until) = now.checked_add(lifetime) else {
            return;
        };
        let mut entries = self.lock();
        if entries.len() >= MOST {
            entries.retain(|_, entry| now < entry.until);
        }
        if entries.len() >= MOST {
            entries.clear();
        }
        entries.insert(name, Entry { value, until, version });
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Name, Entry<T>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn something_is_remembered_for_a_while_and_for_one_version() {
        let remembered = Remembered::new();
        let name = remembered.name("Basic x");
        assert_eq!(remembered.find(name, 0), None);
        remembered.insert(name, 0, "alice", Duration::from_millis(200));
        assert_eq!(remembered.find(name, 0), Some("alice"));
        assert_eq!(remembered.find(name, 1), None);
        assert_eq!(remembered.find(remembered.name("Basic y"), 0), None);
        std::thread::sleep(Duration::from_millis(220));
        assert_eq!(remembered.find(name, 0), None);
    }

    #[test]
    fn every_process_has_names_of_its_own() {
        let (one, other) = (Remembered::<()>::new(), Remembered::<()>::new());
        assert_ne!(one.name("Basic x"), other.name("Basic x"));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let remembered = Remembered::new();
        for number in 0..MOST + 10 {
            remembered.insert(remembered.name(&number.to_string()), 0, (), Duration::from_secs(60));
        }
        assert!(remembered.lock().len() <= MOST);
    }
}
