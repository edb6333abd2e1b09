//! A backup as it is asked for, and as it is told.

use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::registry::Registry;
use crate::store::{BackupNews, Summary};

/// What is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backup {
    /// The folder, by its whole path.
    pub folder: PathBuf,
}

/// What happens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BackupEvent {
    /// So far.
    Carried(Summary),
    /// A payload that could not be brought over.
    Lacking { digest: String, reason: String },
    /// The end.
    Done(Summary),
    /// The end, with what went wrong.
    Failed(String),
}

/// Begins a backup, and tells what happens.
pub fn back_up(registry: Arc<Registry>, wanted: Backup) -> mpsc::Receiver<BackupEvent> {
    /// How many events may wait for whoever reads them.
    const WAITING: usize = 64;
    let (teller, told) = mpsc::channel(WAITING);
    let (listener, mut news) = mpsc::channel(WAITING);
    let made = tokio::spawn(async move { registry.back_up(wanted.folder, listener).await });
    tokio::spawn(async move {
        loop {
            let news = tokio::select! {
                // Nobody reads any more: it ends when it is next told.
                () = teller.closed() => return,
                news = news.recv() => news,
            };
            let Some(news) = news else { break };
            if teller.send(news.into()).await.is_err() {
                return;
            }
        }
        let end = match made.await {
            Ok(Ok(summary)) => BackupEvent::Done(summary),
            Ok(Err(error)) => BackupEvent::Failed(error.to_string()),
            Err(_) => BackupEvent::Failed(
                "the server was stopped, or met an error of its own: see its log".to_owned(),
            ),
        };
        // Whoever asked may have gone.
        let _ = teller.send(end).await;
    });
    told
}

impl From<BackupNews> for BackupEvent {
    fn from(news: BackupNews) -> Self {
        match news {
            BackupNews::Carried(summary) => Self::Carried(summary),
            BackupNews::Lacking { digest, reason } => Self::Lacking { digest: digest.to_string(), reason },
        }
    }
}
