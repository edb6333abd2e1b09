//! Many stories, on all processors.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// Does the work for each item, and returns what went wrong: of those at least one that are under way when something
/// does.
pub(crate) fn first_failures<T: Send>(
    items: impl Iterator<Item = T> + Send,
    work: impl Fn(T) -> Result<(), String> + Sync,
) -> Vec<String> {
    let (items, failures) = (Mutex::new(items), Mutex::new(Vec::new()));
    let has_failed = AtomicBool::new(false);
    let next = || items.lock().unwrap().next().filter(|_| !has_failed.load(Ordering::Relaxed));
    let worker = || {
        while let Some(item) = next() {
            if let Err(failure) = work(item) {
                has_failed.store(true, Ordering::Relaxed);
                failures.lock().unwrap().push(failure);
            }
        }
    };
    let processors = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| (0..processors).for_each(|_| drop(scope.spawn(worker))));
    failures.into_inner().unwrap()
}
