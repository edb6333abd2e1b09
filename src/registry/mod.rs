//! What a registry does, with no HTTP in it: push, mount, tag, list, delete, collect, scrub, check, back up, import, export.
//!
//! Each operation that changes something is a value whose decision runs inside the writer's transaction
//! ([`Operation`](crate::store::Operation)); each question reads the last committed state.

mod backup;
mod blobs;
mod check;
mod collection;
mod copying;
mod dependents;
mod error;
mod events;
mod export;
mod immutable;
mod import;
mod inspection;
mod largest;
mod listings;
mod manifests;
mod pages;
mod quotas;
mod readings;
mod removing;
mod requested;
mod retention;
mod scrub;
mod settings;
mod uploads;
mod verified_pull;

use std::sync::Arc;

use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tracing::Instrument;

pub use blobs::MountSource;
pub use check::{Check, CheckError, CheckReport};
pub use collection::{
    Collection, CollectionSettings, Finding, Listener, News, PurgingSettings, Report, Thing, Verdict, Why,
};
pub use copying::{Copied, ImageCopy};
pub use dependents::Dependent;
pub use error::Error;
pub use events::{Endpoints, EventSettings, Lag, Occasion, Onlooker};
pub use export::{ExportError, ExportFormat, ExportNews, ExportOptions, ExportReport, LeftOut};
pub use immutable::ImmutableTags;
pub use import::{
    ImportError, ImportNews, ImportOptions, ImportReport, ImportSource, Login, Place, RegistrySource,
    Skipped, SourceError, Thing as ImportedThing,
};
pub use inspection::{
    BlobReport, ManifestReport, Part, PartPlatform, ReferrerEntry, Statistics, TagEntry, Usage,
};
pub use listings::{Page, Referrers};
pub use manifests::{FoundManifest, Precondition, PushedManifest, PutManifest};
pub use quotas::{Excess, Measure, Quotas, RepositoryQuota};
pub use removing::{RemovalTerms, Removed, RemovedTag};
pub use retention::{
    Keeping, Retention, RetentionNews, RetentionReport, RetentionRule, RetentionSettings, RetentionVerdict,
};
pub use scrub::{Damage, ScrubListener, ScrubNews, ScrubReport, ScrubSettings};
pub use settings::{Referenced, RequiredChildren, Settings, UrlPolicy};
pub use uploads::{Append, BodyStream, BrokenBody, Ending, Extent, Owner, Started};
pub use verified_pull::VerifiedPull;

use crate::observe::step;
use crate::oci::RepositoryName;
use crate::store::{Operation, Store};
use events::{Pulls, Recent};
use largest::Largest;
use requested::Rules;
use retention::Uses;
use uploads::Uploads;

/// A registry over an open store.
pub struct Registry {
    store: Store,
    settings: Settings,
    uploads: Uploads,
    pulls: Pulls,
    uses: Uses,
    rules: Rules,
    /// Woken when events are recorded.
    recorded: Notify,
    recent: Recent,
    largest: Largest,
}

impl Registry {
    /// A registry that goes on with the upload sessions that the store's last run has left.
    pub fn new(mut store: Store, settings: Settings) -> Arc<Self> {
        let uploads = Uploads::new(store.take_resumed(), store.clock(), &settings);
        let rules = Rules::new(settings.read_only, settings.quotas.clone());
        let (pulls, uses) = (Pulls::default(), Uses::default());
        let (recorded, recent, largest) = (Notify::new(), Recent::default(), Largest::default());
        Arc::new(Self { store, settings, uploads, pulls, uses, rules, recorded, recent, largest })
    }

    /// When it collects by itself, and what.
    pub fn collection_settings(&self) -> CollectionSettings {
        self.settings.collection
    }

    /// When it verifies what lies at rest by itself, and how fast.
    pub fn scrub_settings(&self) -> ScrubSettings {
        self.settings.scrub
    }

    /// Tells the uploads that are being received to stop: what has arrived is kept as it would be for a broken connection.
    pub fn interrupt_uploads(&self) {
        self.uploads.interrupt();
    }

    /// Parks all upload sessions, so that they can be continued after a restart. Call it when no request is left.
    pub async fn close(&self) {
        self.interrupt_uploads();
        self.park_uploads().await;
        if let Err(error) = self.record_uses().await {
            tracing::warn!(%error, "it was not put down which images were pulled");
        }
    }

    /// Resolves when the store has failed and nothing can be acknowledged any more.
    pub async fn failed(&self) {
        self.store.failed().await;
    }

    async fn submit<O: Operation<Refusal = Error>>(&self, operation: O) -> Result<O::Outcome, Error> {
        let submitted = self.store.submit(operation, self.settings.wait);
        Ok(submitted.instrument(step!("wait for the log")).await?)
    }

    fn expect_repository(&self, repository: &RepositoryName) -> Result<(), Error> {
        match self.store.read().is_repository(repository)? {
            true => Ok(()),
            false => Err(Error::RepositoryUnknown(repository.clone())),
        }
    }
}

/// Runs what may block on the disk where that holds up nobody else.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    joined(tokio::task::spawn_blocking(work)).await
}

/// Waits for a task that must not be torn when whoever waits for it goes away.
async fn joined<T>(task: JoinHandle<T>) -> T {
    match task.await {
        Ok(result) => result,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is going down and nobody waits any more.
            Err(_) => std::future::pending().await,
        },
    }
}
