//! A backup as it is asked for, and as it is told.

use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::registry::Registry;
use crate::store::{BackupNews, Summary};

use super::telling::tell;

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
    tell(move |listener| async move { registry.back_up(wanted.folder, listener).await })
}

impl From<Result<Summary, String>> for BackupEvent {
    fn from(end: Result<Summary, String>) -> Self {
        end.map_or_else(Self::Failed, Self::Done)
    }
}

impl From<BackupNews> for BackupEvent {
    fn from(news: BackupNews) -> Self {
        match news {
            BackupNews::Carried(summary) => Self::Carried(summary),
            BackupNews::Lacking { digest, reason } => Self::Lacking { digest: digest.to_string(), reason },
        }
    }
}
