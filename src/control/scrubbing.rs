//! A scrub as it is asked for, and as it is told.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::registry::{BrokenManifest, Damage, Registry, ScrubNews, ScrubReport};

/// What is wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scrub {
    /// How much is read at the most, in bytes a second; 0 is no bound. Left out it is as the registry's settings have it.
    pub rate: Option<u64>,
}

/// What happens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Event {
    /// So much has been read.
    Read {
        payloads: u64,
        bytes: u64,
    },
    Damaged(Damaged),
    /// A payload of which nothing could be found out.
    Unread {
        digest: String,
        problem: String,
    },
    /// The end.
    Done(Summary),
    /// The end, with what went wrong.
    Failed(String),
}

/// See [`Damage`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Damaged {
    pub digest: String,
    /// In bytes.
    pub size: u64,
    pub problem: String,
    pub repositories: Vec<String>,
    pub broken: Vec<Broken>,
    /// Whether these are all.
    pub whole: bool,
}

/// See [`BrokenManifest`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Broken {
    pub repository: String,
    pub manifest: String,
    pub tags: Vec<String>,
}

/// See [`ScrubReport`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    pub payloads: u64,
    pub bytes: u64,
    pub damaged: u64,
    pub restored: u64,
    pub unread: u64,
}

/// Begins a scrub, and tells what happens. It ends when nobody listens any more.
pub fn scrub(registry: &Arc<Registry>, wanted: Scrub) -> mpsc::Receiver<Event> {
    let (registry, rate) = (Arc::clone(registry), wanted.rate.unwrap_or(registry.scrub_settings().rate));
    super::telling::tell(move |listener| async move { registry.scrub(rate, Some(listener)).await })
}

impl From<ScrubNews> for Event {
    fn from(news: ScrubNews) -> Self {
        match news {
            ScrubNews::Read { payloads, bytes } => Self::Read { payloads, bytes },
            ScrubNews::Damaged(damage) => Self::Damaged(damage.into()),
            ScrubNews::Unread { digest, problem } => Self::Unread { digest: digest.to_string(), problem },
        }
    }
}

impl From<Result<ScrubReport, String>> for Event {
    fn from(end: Result<ScrubReport, String>) -> Self {
        match end {
            Ok(ScrubReport { payloads, bytes, damaged, restored, unread }) => {
                Self::Done(Summary { payloads, bytes, damaged, restored, unread })
            }
            Err(error) => Self::Failed(error),
        }
    }
}

impl From<Damage> for Damaged {
    fn from(Damage { digest, size, problem, repositories, broken, is_whole }: Damage) -> Self {
        Self {
            digest: digest.to_string(),
            size,
            problem,
            repositories: repositories.iter().map(ToString::to_string).collect(),
            broken: broken.into_iter().map(Broken::from).collect(),
            whole: is_whole,
        }
    }
}

impl From<BrokenManifest> for Broken {
    fn from(BrokenManifest { repository, manifest, tags }: BrokenManifest) -> Self {
        let tags = tags.iter().map(ToString::to_string).collect();
        Self { repository: repository.to_string(), manifest: manifest.to_string(), tags }
    }
}
