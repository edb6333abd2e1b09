//! Taking over what another registry holds, or what lies in layouts and archives: reading the source, deciding what of it comes, and
//! telling what did not.
//!
//! It goes on repository by repository, in bounded batches: payloads first, durably, then the blobs, the manifests, and at last the
//! tags that name them. Each of these is decided by the writer, and none comes before what it is made of, so that an import may be
//! cut off anywhere. Run again, it takes only what is not here yet. What it has brought out of another registry it marks as such, until
//! somebody else puts or sets it: that alone it moves and deletes later, as the source does. What comes out of a layout or an
//! archive is as if it had been pushed.

mod archive;
mod batch;
mod deletions;
mod docker_save;
mod layout;
mod listing;
mod origin;
mod remote;
mod report;
mod repository;
mod source;
mod steps;
mod tree;

use std::io;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::runtime::Handle;

pub use origin::SourceError;
pub use remote::{Login, RegistrySource};
pub use report::{ImportNews, ImportReport, Skipped, Thing};
pub use source::{ImportSource, Place};

use super::immutable::Guard;
use super::{Error, Registry};
use crate::oci::{Digest, Glob, RepositoryName};
use crate::store::{Intake, IntakeError, MetadataError, Method, Operation};
use origin::{Origin, Unusable};
use repository::Source;

/// How an import is done.
#[derive(Debug, Clone)]
pub struct ImportOptions {
    /// How payloads come in out of files: what is tried, in this order.
    pub methods: Vec<Method>,
    /// Whether the source's file of a payload is removed when the store has it.
    pub removes_source: bool,
    /// Whether payloads that lie in files are compared with their digests before they are served; others always are.
    pub verifies: bool,
    /// Whether what was deleted in a registry since the last import is deleted here.
    pub deletes: bool,
}

impl Default for ImportOptions {
    fn default() -> Self {
        Self { methods: Method::ALL.to_vec(), removes_source: false, verifies: false, deletes: true }
    }
}

/// Why an import could not go on. Run again, it goes on where it was.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Intake(#[from] IntakeError),
    #[error(transparent)]
    Registry(#[from] Error),
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    #[error("the store cannot be prepared: {0}")]
    Store(#[source] io::Error),
}

/// Whoever is told how an import goes on.
type Listener<'a> = &'a mut dyn FnMut(&ImportNews<'_>);

impl Registry {
    /// Refuses a source that there is nothing to import from, before anything is made of it.
    pub fn expect_source(source: &ImportSource) -> Result<(), ImportError> {
        Ok(source.expect()?)
    }

    /// Takes over what a source holds, as far as it is not here yet. What is damaged there is skipped, and told. Blocks, for as long as
    /// it takes; call it where that holds up nobody, on a thread that belongs to a runtime.
    pub fn import(
        &self,
        source: &ImportSource,
        options: ImportOptions,
        listener: &mut dyn FnMut(&ImportNews<'_>),
    ) -> Result<ImportReport, ImportError> {
        let intake = Intake::new(&self.store, &options.methods).map_err(ImportError::Store)?;
        let is_here = |digest: &Digest| self.store.read().is_sound(digest).unwrap_or(false);
        let origin = source.open(&intake, &is_here, listener)?;
        let followed = origin.followed();
        let deletes = options.deletes && self.may_have_been_deleted(followed.as_deref(), listener)?;
        let mut import = Import {
            registry: self,
            runtime: Handle::current(),
            origin: &*origin,
            intake: &intake,
            options,
            wanted: &source.repositories,
            is_followed: followed.is_some(),
            immutable: Guard::new(&self.settings.immutable_tags, false),
            deletes,
            report: ImportReport { objects: origin.count_objects()?, ..ImportReport::default() },
            listener,
            told: Instant::now(),
        };
        import.run()?;
        let report = import.report;
        self.store.end_import().map_err(ImportError::Store)?;
        Ok(report)
    }

    /// Whether something that an import has brought and a registry lacks was deleted there.
    fn may_have_been_deleted(
        &self,
        followed: Option<&str>,
        listener: Listener<'_>,
    ) -> Result<bool, ImportError> {
        let Some(followed) = followed else { return Ok(false) };
        let others = self.store.follow(followed).map_err(ImportError::Store)?;
        if others.is_empty() {
            // Nor can it be if nothing is here.
            return Ok(!self.store.read().manifests_after(None, 1)?.is_empty());
        }
        let others = others.join(", ");
        let text =
            format!("other imports have come from {others}: nothing is deleted here for {followed} lacks it");
        listener(&ImportNews::Note(text));
        Ok(false)
    }
}

/// An import under way.
struct Import<'a> {
    registry: &'a Registry,
    runtime: Handle,
    origin: &'a dyn Origin,
    intake: &'a Intake<'a>,
    options: ImportOptions,
    /// The repositories of a registry that are to come; all of them if there is none.
    wanted: &'a [Glob],
    /// Whether what comes follows the source from now on.
    is_followed: bool,
    /// Tags that are not to move.
    immutable: Guard,
    /// Whether what was deleted there is deleted here.
    deletes: bool,
    report: ImportReport,
    listener: Listener<'a>,
    /// When it was last told how far it is.
    told: Instant,
}

impl Import<'_> {
    fn run(&mut self) -> Result<(), ImportError> {
        for name in self.origin.repositories() {
            match name? {
                Ok(name) if !self.is_wanted(&name) => continue,
                Ok(name) => Source::take(self, &name)?,
                Err(Unusable { repository, reason }) => {
                    self.skip(Skipped { repository, thing: None, reason, tags: Vec::new() });
                }
            }
            self.report.repositories += 1;
            self.tell_progress();
        }
        match self.deletes {
            true => self.drop_repositories(),
            false => Ok(()),
        }
    }

    fn is_wanted(&self, name: &RepositoryName) -> bool {
        !self.is_followed
            || self.wanted.is_empty()
            || self.wanted.iter().any(|glob| glob.matches(name.as_str()))
    }

    /// Has the writer decide some steps that do not hang on each other.
    fn submit_all<O: Operation<Refusal = Error>>(
        &self,
        steps: Vec<O>,
    ) -> Result<Vec<O::Outcome>, ImportError> {
        /// Longer than the writer ever takes; nobody waits for this.
        const WAIT: Duration = Duration::from_secs(3_600);
        let store = &self.registry.store;
        let decided = join_all(steps.into_iter().map(|step| store.submit(step, WAIT)));
        let outcomes = self.runtime.block_on(decided).into_iter();
        Ok(outcomes.collect::<Result<_, _>>().map_err(Error::from)?)
    }

    fn skip(&mut self, skipped: Skipped) {
        let skipped = self.report.skip(skipped);
        (self.listener)(&ImportNews::Skipped(&skipped));
    }

    fn note(&mut self, text: String) {
        (self.listener)(&ImportNews::Note(text));
    }

    /// Tells which methods have turned out not to be possible.
    fn tell_setbacks(&mut self) {
        for (method, reason) in self.intake.setbacks() {
            let next = match method {
                Method::Reflink => "other methods are tried",
                Method::Link => "files are copied where they cannot be linked",
                Method::Copy | Method::Download => "nothing else is left",
            };
            self.note(format!("{method} is not possible here ({reason}): {next}"));
        }
    }

    fn tell_progress(&mut self) {
        const PAUSE: Duration = Duration::from_millis(200);
        if self.told.elapsed() >= PAUSE {
            self.told = Instant::now();
            (self.listener)(&ImportNews::Progress(&self.report));
        }
    }
}
