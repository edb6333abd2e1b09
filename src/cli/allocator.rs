//! Which allocator there is, and how it deals with the buffers that requests are received into.

/// Has the allocator keep buffers that were given back, and hand them out again. As it comes it returns them to the system,
/// which then has to clear a page for every 4 KiB that are received: a tenth of what a large push costs.
#[cfg(target_env = "gnu")]
pub(super) fn keep_buffers() {
    /// Larger ones still come from the system and go back to it, in bytes.
    const LARGEST: libc::c_int = 4 << 20;
    /// What stays unused at the end of a heap, of which there is at most one for a thread, in bytes.
    const KEPT: libc::c_int = 16 << 20;
    // SAFETY: the call takes numbers, and changes nothing but the allocator's own settings, under its own lock.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGEST);
        libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT);
    }
}

/// Other C libraries have no such setting, and are not asked: the static binary has an allocator of its own.
#[cfg(not(target_env = "gnu"))]
pub(super) fn keep_buffers() {}

/// What the static binary allocates with. musl's own allocator takes one lock for all threads.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
