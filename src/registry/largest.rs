//! The repositories that hold the most, for those who watch.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::Registry;
use crate::observe::metrics::Holding;
use crate::store::{MetadataError, UsageRow};

/// How old they may be: all repositories are looked at, which takes a moment where there are a million.
const AGE: Duration = Duration::from_secs(60);

/// Those that were found last, and when.
#[derive(Default)]
pub(super) struct Largest(Mutex<Option<(Instant, Arc<[Holding]>)>>);

impl Registry {
    /// The largest repositories, as they were within the last minute; none where that cannot be read.
    pub(super) fn largest(&self) -> Arc<[Holding]> {
        if self.settings.watched_repositories == 0 {
            return Arc::default();
        }
        let mut last = self.largest.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*last {
            Some((found, holdings)) if found.elapsed() < AGE => Arc::clone(holdings),
            _ => {
                let holdings: Arc<[Holding]> = self.find_largest().unwrap_or_default().into();
                *last = Some((Instant::now(), Arc::clone(&holdings)));
                holdings
            }
        }
    }

    fn find_largest(&self) -> Result<Vec<Holding>, MetadataError> {
        let found = self.store.read().largest_repositories(self.settings.watched_repositories)?;
        let holding = |(repository, usage): (String, UsageRow)| Holding {
            repository,
            bytes: usage.bytes(),
            manifests: usage.manifests,
            tags: usage.tags,
        };
        Ok(found.into_iter().map(holding).collect())
    }
}
