//! Taking over what another registry holds: reading its tree, deciding what of it comes, and telling what did not.
//!
//! It goes on repository by repository, in bounded batches: payloads first, durably, then the blobs, the manifests, and at last the
//! tags that name them. Each of these is decided by the writer, and none comes before what it is made of, so that an import may be
//! cut off anywhere. Run again, it takes only what is not here yet. What it has brought it marks as such, until somebody else
//! puts or sets it: that alone it moves and deletes later, as the source does.

mod batch;
mod deletions;
mod report;
mod repository;
mod steps;
mod tree;

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::runtime::Handle;

pub use report::{ImportNews, ImportReport, Skipped, Thing};
pub use tree::SourceError;

use super::{Error, Registry};
use crate::store::{Intake, IntakeError, MetadataError, Method, Operation};
use repository::Source;
use tree::Tree;

/// How an import is done.
#[derive(Debug, Clone)]
pub struct ImportOptions {
    /// How payloads come in: what is tried, in this order.
    pub methods: Vec<Method>,
    /// Whether the source's file of a payload is removed when the store has it.
    pub removes_source: bool,
    /// Whether payloads are compared with their digests before they are served.
    pub verifies: bool,
}

impl Default for ImportOptions {
    fn default() -> Self {
        Self { methods: Method::ALL.to_vec(), removes_source: false, verifies: false }
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
    /// Refuses a folder that there is nothing to import from, before anything is made of it.
    pub fn expect_source(source: &Path) -> Result<(), ImportError> {
        Ok(Tree::find(source).map(drop)?)
    }

    /// Takes over what distribution holds in a folder, as far as it is not here yet. What is damaged there is skipped, and told.
    /// Blocks, for as long as it takes; call it where that holds up nobody, on a thread that belongs to a runtime.
    pub fn import(
        &self,
        source: &Path,
        options: ImportOptions,
        listener: &mut dyn FnMut(&ImportNews<'_>),
    ) -> Result<ImportReport, ImportError> {
        let tree = Tree::find(source)?;
        let intake = Intake::new(&self.store, &options.methods).map_err(ImportError::Store)?;
        let had_content = !self.store.read().manifests_after(None, 1)?.is_empty();
        let report = ImportReport { objects: tree.count_objects()?, ..ImportReport::default() };
        let (runtime, told) = (Handle::current(), Instant::now());
        let mut import =
            Import { registry: self, runtime, tree, intake, options, had_content, report, listener, told };
        import.run()?;
        self.store.end_import().map_err(ImportError::Store)?;
        Ok(import.report)
    }
}

/// An import under way.
struct Import<'a> {
    registry: &'a Registry,
    runtime: Handle,
    tree: Tree,
    intake: Intake<'a>,
    options: ImportOptions,
    /// Whether anything was here before, some of which may have been deleted there.
    had_content: bool,
    report: ImportReport,
    listener: Listener<'a>,
    /// When it was last told how far it is.
    told: Instant,
}

impl Import<'_> {
    fn run(&mut self) -> Result<(), ImportError> {
        for name in self.tree.repositories() {
            match name? {
                Ok(name) => Source::take(self, &name)?,
                Err(repository) => {
                    let reason = "a repository cannot have this name here".to_owned();
                    self.skip(Skipped { repository, thing: Thing::Repository, reason, tags: Vec::new() });
                }
            }
            self.report.repositories += 1;
            self.tell_progress();
        }
        match self.had_content {
            true => self.drop_repositories(),
            false => Ok(()),
        }
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
                Method::Copy => "nothing else is left",
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
