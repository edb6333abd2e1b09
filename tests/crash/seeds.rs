//! Many seeds, on all processors.

use std::env;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use holdfast::store::Rule;

use crate::life;

/// The seeds that the environment asks for, or else the first `few`.
pub(crate) fn asked(few: u64) -> Range<u64> {
    let number = |name| env::var(name).ok().map(|text: String| text.parse().expect("a number"));
    match number("HOLDFAST_CRASH_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("HOLDFAST_CRASH_SEEDS").unwrap_or(few),
    }
}

/// Lives these seeds until one fails, and tells what happened in it. A rule may be left out.
pub(crate) fn live(seeds: Range<u64>, rule: Option<Rule>) -> Vec<String> {
    let next = AtomicU64::new(seeds.start);
    let (has_failed, failures) = (AtomicBool::new(false), Mutex::new(Vec::new()));
    let work = || {
        while !has_failed.load(Ordering::Relaxed) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return;
            }
            if let Err(story) = life::live(seed, rule) {
                has_failed.store(true, Ordering::Relaxed);
                failures.lock().unwrap().push(format!("seed {seed}: {story}"));
            }
        }
    };
    let processors = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| (0..processors).for_each(|_| drop(scope.spawn(work))));
    failures.into_inner().unwrap()
}
