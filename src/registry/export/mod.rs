//! Bringing out what the registry holds, in a shape that others read: nobody is locked in.
//!
//! It goes on repository by repository, while pushes, deletes and collection do: tags are read first, each as it points then, and
//! exported with what they lead to; then comes what no tag leads to. What is deleted meanwhile is left out with all that
//! leads to it, so that nothing is named that is not there. Run again, it brings out what has come since, and removes there what
//! has gone here.

mod distribution;
mod oci_layout;
mod report;
mod repository;
mod shape;

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

pub use report::{ExportNews, ExportReport, LeftOut};
pub use shape::ExportFormat;

use super::pages::repositories_behind;
use super::{Registry, blocking};
use crate::observe::metrics::{Work, metrics};
use crate::oci::{Glob, RepositoryName};
use crate::store::{BackupNews, MetadataError, Outlet, OutletError};
use shape::Shape;

/// What is to be exported, and how.
#[derive(Debug, Clone)]
pub struct ExportOptions {
    /// Where to; by its whole path.
    pub folder: PathBuf,
    pub format: ExportFormat,
    /// Those whose names match one of these; all of them if there are none.
    pub repositories: Vec<Glob>,
    /// Whether the files there may be the store's own, under second names.
    pub may_link: bool,
}

/// Why an export could not go on. Run again, it goes on where it was.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error(transparent)]
    Outlet(#[from] OutletError),
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    #[error("nobody waits for it any more")]
    GivenUp,
}

impl Registry {
    /// Exports to a folder, or brings an earlier export up to date. When this has answered, what is there is durable. It ends when
    /// nobody listens any more; whoever is slow to listen does not hear all of how far it is.
    pub async fn export(
        self: &Arc<Self>,
        options: ExportOptions,
        listener: mpsc::Sender<ExportNews>,
    ) -> Result<ExportReport, ExportError> {
        let _going = metrics().work.begin(Work::Export);
        let (registry, path) = (Arc::clone(self), options.folder.clone());
        if let Ok(ahead) = self.all_payloads()
            && options.repositories.is_empty()
        {
            // Whoever does not listen any more is noticed before long.
            let _ = listener.send(ExportNews::Ahead(ahead)).await;
        }
        let made = blocking(move || registry.export_to(&options, &listener)).await;
        match &made {
            Ok(ExportReport { repositories, manifests, tags, left_out, .. }) => {
                tracing::info!(folder = %path.display(), repositories, manifests, tags, left_out, "exported");
            }
            Err(error) => {
                tracing::warn!(folder = %path.display(), %error, "an export did not come to its end");
            }
        }
        made
    }

    fn export_to(
        &self,
        options: &ExportOptions,
        listener: &mpsc::Sender<ExportNews>,
    ) -> Result<ExportReport, ExportError> {
        let ExportOptions { folder, format, may_link, .. } = options;
        let mut tell = |news| match news {
            BackupNews::Carried(summary) => {
                !matches!(listener.try_send(ExportNews::Carried(summary)), Err(TrySendError::Closed(_)))
            }
            BackupNews::Ahead(_) | BackupNews::Lacking { .. } => true,
        };
        let outlet = Outlet::open(&self.store, folder, format.as_str(), *may_link, &mut tell)?;
        let report = ExportReport::default();
        let mut export = Export { registry: self, outlet, shape: format.shape(), options, report, listener };
        export.run()?;
        let Export { outlet, report, .. } = export;
        Ok(ExportReport { payloads: outlet.finish()?, ..report })
    }
}

/// An export under way.
struct Export<'a> {
    registry: &'a Registry,
    outlet: Outlet<'a>,
    shape: &'static dyn Shape,
    options: &'a ExportOptions,
    report: ExportReport,
    listener: &'a mpsc::Sender<ExportNews>,
}

impl Export<'_> {
    fn run(&mut self) -> Result<(), ExportError> {
        self.remove_gone()?;
        let mut last = String::new();
        loop {
            let names = repositories_behind(&self.registry.store.read(), &last)?;
            let Some(end) = names.last() else { return Ok(()) };
            last = end.to_string();
            for name in names {
                if self.is_wanted(&name) {
                    self.export_repository(&name)?;
                }
            }
        }
    }

    fn is_wanted(&self, name: &RepositoryName) -> bool {
        let patterns = &self.options.repositories;
        patterns.is_empty() || patterns.iter().any(|pattern| pattern.matches(name.as_str()))
    }

    /// Removes what an earlier export has of repositories that have gone.
    fn remove_gone(&mut self) -> Result<(), ExportError> {
        for name in self.shape.repositories(&self.outlet)? {
            if self.is_wanted(&name) && !self.registry.store.read().has_manifests(&name)? {
                self.shape.remove_repository(&mut self.outlet, &name)?;
                self.report.removed += 1;
            }
        }
        Ok(())
    }

    fn leave_out(&mut self, left_out: LeftOut) -> Result<(), ExportError> {
        self.report.left_out += 1;
        let told = self.listener.blocking_send(ExportNews::LeftOut(left_out));
        told.map_err(|_| ExportError::GivenUp)
    }
}
