//! Memory for small payloads that are coming in, bounded over all of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{Bytes, BytesMut};

/// What all uploads together may hold in memory.
#[derive(Debug)]
pub(in crate::store) struct Memory {
    left: AtomicU64,
    size: u64,
}

impl Memory {
    /// With room for so many bytes.
    pub(in crate::store) fn new(size: u64) -> Self {
        Self { left: AtomicU64::new(size), size }
    }

    /// How many bytes are taken.
    pub(in crate::store) fn taken(&self) -> u64 {
        self.size.saturating_sub(self.left.load(Ordering::Relaxed))
    }

    /// The share of one upload, at most `limit` bytes. It takes nothing yet.
    pub(in crate::store) fn share(memory: &Arc<Self>, limit: u64) -> Share {
        Share { memory: Arc::clone(memory), limit, taken: 0, content: Content::Growing(BytesMut::new()) }
    }
}

/// The bytes of one upload that lie in memory. What was taken is given back when it is dropped.
#[derive(Debug)]
pub(in crate::store) struct Share {
    memory: Arc<Memory>,
    limit: u64,
    taken: u64,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Growing(BytesMut),
    /// Handed out, and not to be changed while somebody has it.
    Frozen(Bytes),
}

impl Share {
    /// Whether so many bytes may be held.
    pub(super) fn has_room(&self, length: u64) -> bool {
        length <= self.limit
    }

    /// Appends behind the first `length` bytes, forgetting what lies there. `false`, and nothing is done, if there is no room.
    pub(super) fn append(&mut self, length: u64, bytes: &[u8]) -> bool {
        let wanted = length + bytes.len() as u64;
        if !self.has_room(wanted) || !self.take(wanted) {
            return false;
        }
        let mut growing = match std::mem::replace(&mut self.content, Content::Frozen(Bytes::new())) {
            Content::Growing(growing) => growing,
            Content::Frozen(frozen) => {
                frozen.try_into_mut().unwrap_or_else(|shared| BytesMut::from(&*shared))
            }
        };
        growing.truncate(usize::try_from(length).unwrap_or(usize::MAX));
        growing.extend_from_slice(bytes);
        self.content = Content::Growing(growing);
        true
    }

    fn take(&mut self, wanted: u64) -> bool {
        let more = wanted.saturating_sub(self.taken);
        let update = |left: u64| left.checked_sub(more);
        let is_taken = self.memory.left.fetch_update(Ordering::AcqRel, Ordering::Acquire, update).is_ok();
        if is_taken {
            self.taken += more;
        }
        is_taken
    }

    /// The first `length` bytes.
    pub(super) fn bytes(&mut self, length: u64) -> Bytes {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if let Content::Growing(growing) = &mut self.content {
            self.content = Content::Frozen(std::mem::take(growing).freeze());
        }
        match &self.content {
            Content::Frozen(frozen) => frozen.slice(..length.min(frozen.len())),
            Content::Growing(_) => Bytes::new(),
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.memory.left.fetch_add(self.taken, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uploads_share_a_bounded_memory_and_give_it_back() {
        let memory = Arc::new(Memory::new(10));
        let mut first = Memory::share(&memory, 8);
        assert!(first.append(0, b"12345678"));
        assert!(!first.append(8, b"9"), "beyond the limit of one");
        let mut second = Memory::share(&memory, 8);
        assert!(!second.append(0, b"123"), "beyond what is left");
        assert!(second.append(0, b"12"));
        drop(first);
        assert!(second.append(2, b"345678"));
        assert_eq!(second.bytes(8), &b"12345678"[..]);
    }

    #[test]
    fn what_was_handed_out_stays_as_it_is() {
        let mut share = Memory::share(&Arc::new(Memory::new(100)), 100);
        assert!(share.append(0, b"hold"));
        let held = share.bytes(4);
        assert!(share.append(2, b"ney"));
        assert_eq!((held, share.bytes(5)), (Bytes::from_static(b"hold"), Bytes::from_static(b"honey")));
    }
}
