//! A backup of everything, while pushes, deletes and collection go on.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use crate::observe::metrics::{Work, metrics};
use crate::store::{BackupError, BackupNews, Summary, Tally};

use super::{Registry, blocking};

impl Registry {
    /// Makes a backup in a folder, or renews the one that is there. It ends when nobody listens any more; whoever is slow to
    /// listen does not hear all of how far it is.
    pub async fn back_up(
        self: &Arc<Self>,
        folder: PathBuf,
        listener: mpsc::Sender<BackupNews>,
    ) -> Result<Summary, BackupError> {
        let _going = metrics().work.begin(Work::Backup);
        let (registry, path) = (Arc::clone(self), folder.clone());
        if let Ok(ahead) = self.all_payloads() {
            // Whoever does not listen any more is noticed before long.
            let _ = listener.send(BackupNews::Ahead(ahead)).await;
        }
        let mut tell = move |news| match news {
            BackupNews::Ahead(_) | BackupNews::Carried(_) => {
                !matches!(listener.try_send(news), Err(TrySendError::Closed(_)))
            }
            BackupNews::Lacking { .. } => listener.blocking_send(news).is_ok(),
        };
        let made = blocking(move || registry.store.back_up(&folder, &mut tell)).await;
        match &made {
            Ok(summary) => {
                let (Tally { payloads, bytes }, lacking) = (summary.total(), summary.lacking);
                tracing::info!(folder = %path.display(), payloads, bytes, lacking, "made a backup");
            }
            Err(error) => tracing::warn!(folder = %path.display(), %error, "a backup was not made"),
        }
        made
    }
}
