//! Whether the registry is well: checks that run in the background, and what they have found (distribution's `health`).
//!
//! A check that has failed as often in a row as its threshold says makes the registry unwell, until it succeeds once.
//! Requests ask [`Health::is_well`], which is one look at a number.

mod probe;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::MissedTickBehavior;

pub use probe::Probe;
use probe::Prober;

/// Something that is looked at again and again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What it is called where it fails; no other check's.
    pub name: String,
    pub probe: Probe,
    /// From one look to the next.
    pub interval: Duration,
    /// How long a look may take.
    pub timeout: Duration,
    /// How often in a row it has to fail; at least once.
    pub threshold: usize,
}

impl Check {
    /// From one look to the next, if nobody says otherwise.
    pub const INTERVAL: Duration = Duration::from_secs(10);
    /// How long a look may take, if nobody says otherwise.
    pub const TIMEOUT: Duration = Duration::from_secs(5);
}

/// A check, and what it has found.
#[derive(Debug)]
struct Watched {
    check: Check,
    found: Mutex<Found>,
}

#[derive(Debug, Default)]
struct Found {
    /// How often in a row it has failed.
    failures: usize,
    /// Why, once it has failed often enough.
    reason: Option<String>,
}

/// What all checks have found.
#[derive(Debug, Default)]
pub struct Health {
    watched: Vec<Watched>,
    /// How many checks have failed often enough.
    failing: AtomicUsize,
}

impl Health {
    /// Well, until a check says otherwise.
    pub fn new(checks: Vec<Check>) -> Self {
        let watched = checks.into_iter().map(|check| Watched { check, found: Mutex::default() });
        Self { watched: watched.collect(), failing: AtomicUsize::new(0) }
    }

    /// Whether no check fails.
    pub fn is_well(&self) -> bool {
        self.failing() == 0
    }

    /// How many checks fail.
    pub fn failing(&self) -> usize {
        self.failing.load(Ordering::Acquire)
    }

    /// The checks that fail, by their names, and why.
    pub fn problems(&self) -> BTreeMap<&str, String> {
        let problem = |watched: &'_ Watched| watched.lock().reason.clone();
        self.watched
            .iter()
            .filter_map(|watched| Some((watched.check.name.as_str(), problem(watched)?)))
            .collect()
    }

    /// Looks, for as long as somebody waits for it.
    pub async fn watch(self: Arc<Self>) {
        join_all(self.watched.iter().map(|watched| self.watch_one(watched))).await;
    }

    async fn watch_one(&self, watched: &Watched) {
        let mut prober = Prober::new(&watched.check);
        let mut ticks = tokio::time::interval(watched.check.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.note(watched, prober.probe().await);
        }
    }

    fn note(&self, watched: &Watched, outcome: Result<(), String>) {
        let (check, mut found) = (&watched.check, watched.lock());
        let name = check.name.as_str();
        match outcome {
            Ok(()) => {
                found.failures = 0;
                if found.reason.take().is_some() {
                    self.failing.fetch_sub(1, Ordering::AcqRel);
                    tracing::info!(check = name, "a health check succeeds again");
                }
            }
            Err(reason) => {
                found.failures = found.failures.saturating_add(1);
                if found.failures < check.threshold {
                    tracing::warn!(check = name, reason, failures = found.failures, "a health check failed");
                    return;
                }
                if found.reason.is_none() {
                    self.failing.fetch_add(1, Ordering::AcqRel);
                    tracing::error!(check = name, reason, "a health check fails: requests are answered 503");
                }
                found.reason = Some(reason);
            }
        }
    }
}

impl Watched {
    fn lock(&self) -> std::sync::MutexGuard<'_, Found> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, threshold: usize) -> Check {
        let probe = Probe::File("/".into());
        Check { name: name.to_owned(), probe, interval: Check::INTERVAL, timeout: Check::TIMEOUT, threshold }
    }

    #[test]
    fn a_check_counts_once_it_has_failed_as_often_in_a_row_as_its_threshold_and_until_it_succeeds() {
        let health = Health::new(vec![check("a", 2), check("b", 1)]);
        let [a, b] = &health.watched[..] else { panic!("two checks") };
        health.note(a, Err("no".to_owned()));
        assert!(health.is_well());
        health.note(a, Ok(()));
        health.note(a, Err("no".to_owned()));
        assert!(health.is_well(), "the one before was another row");
        health.note(a, Err("still no".to_owned()));
        health.note(b, Err("neither".to_owned()));
        let problems: Vec<_> = health.problems().into_iter().collect();
        assert_eq!(problems, [("a", "still no".to_owned()), ("b", "neither".to_owned())]);
        assert_eq!(health.failing(), 2);
        health.note(a, Err("no".to_owned()));
        assert_eq!(health.failing(), 2);
        health.note(a, Ok(()));
        health.note(b, Ok(()));
        assert!(health.is_well() && health.problems().is_empty());
    }
}
