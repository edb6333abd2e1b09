//! The end of uploads that nobody goes on with.

use std::sync::Arc;
use std::time::Duration;

use crate::observe::metrics::metrics;
use crate::registry::collection::{Finding, Thing, Verdict};
use crate::registry::{Error, Registry, joined};

use super::session::Session;

impl Registry {
    /// Ends the uploads with which nothing was done for longer than `age`; in a dry run, says only which.
    pub(in crate::registry) async fn purge_uploads(
        self: &Arc<Self>,
        age: Duration,
        dry_run: bool,
    ) -> Result<Vec<Finding>, Error> {
        let mut purged = Vec::new();
        for session in self.uploads.sessions.all() {
            let Some(bytes) = self.purge_upload(&session, age, dry_run).await? else { continue };
            let thing = Thing::Upload { repository: session.repository.clone(), id: session.id };
            purged.push(Finding { thing, verdict: Verdict::Removed { bytes } });
        }
        Ok(purged)
    }

    /// Ends an upload, unless somebody goes on with it. Returns how many bytes it had.
    async fn purge_upload(
        self: &Arc<Self>,
        session: &Arc<Session>,
        age: Duration,
        dry_run: bool,
    ) -> Result<Option<u64>, Error> {
        let Some(mut held) = session.try_hold(&self.uploads.sessions) else { return Ok(None) };
        let bytes = held.offset();
        if session.idle() <= age {
            return Ok(None);
        }
        if !dry_run && let Some(incoming) = held.take() {
            let registry = Arc::clone(self);
            joined(tokio::spawn(async move { registry.end_upload(held, incoming).await })).await?;
            metrics().purged_uploads.inc();
        }
        Ok(Some(bytes))
    }
}
