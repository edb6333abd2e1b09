//! Certificates are renewed while the server runs: the files are looked at every few seconds, and whatever they have become
//! holds from the next connection on. Files that do not go together change nothing. Those of ACME are ordered.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::files::Stamps;
use super::terms::Terms;
use super::{Source, Tls};

/// How often it is looked whether the files have changed.
const INTERVAL: Duration = Duration::from_secs(2);

impl Tls {
    /// Has the files read again soon, whether they have changed or not, and orders of certificates that have failed tried again.
    pub fn reload(&self) {
        self.wanted.notify_one();
        if let Source::Acme(acme) = &self.settings.source {
            acme.try_again();
        }
    }

    /// Reads the files again whenever they have changed, or [`Tls::reload`] was called, and orders certificates where that is due.
    /// Never returns.
    pub async fn keep_current(self: Arc<Self>) {
        let reading = Arc::clone(&self).read_when_changed();
        match &self.settings.source {
            Source::Files(_) => reading.await,
            Source::Acme(acme) => {
                tokio::join!(reading, Arc::clone(acme).keep_current());
            }
        }
    }

    async fn read_when_changed(self: Arc<Self>) {
        let mut seen = self.stamps.clone();
        loop {
            let is_wanted = tokio::select! {
                () = self.wanted.notified() => true,
                () = tokio::time::sleep(INTERVAL) => false,
            };
            let tls = Arc::clone(&self);
            let before = seen.clone();
            let looking = tokio::task::spawn_blocking(move || tls.look(before, is_wanted));
            // It is cut off only by the end of the process.
            seen = looking.await.unwrap_or(seen);
        }
    }

    /// Returns the files as they were found.
    fn look(&self, seen: Stamps, is_wanted: bool) -> Stamps {
        let found = Stamps::of(&self.settings);
        if found == seen && !is_wanted {
            return seen;
        }
        match Terms::read(&self.settings) {
            Ok(terms) => {
                terms.log();
                *self.in_force.write().unwrap_or_else(PoisonError::into_inner) = terms.config;
            }
            Err(error) => tracing::error!("what TLS is spoken with stays as it is: {error}"),
        }
        found
    }
}
