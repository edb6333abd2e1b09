//! A collection as it is asked for, and as it is told.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::registry::{Collection, Finding, News, Registry, Report, Thing, Verdict, Why};

/// What is wanted. What is left out is as the registry's settings have it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gc {
    /// In milliseconds.
    pub grace: Option<u64>,
    pub dry_run: bool,
    pub delete_untagged: Option<bool>,
}

/// What happens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Event {
    /// So many things have been looked at.
    Looked(u64),
    Found(Found),
    /// The end.
    Done(Summary),
    /// The end, with what went wrong.
    Failed(String),
}

/// Something that nothing refers to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    pub kind: Kind,
    pub repository: String,
    /// A digest, or the identifier of an upload.
    pub name: String,
    pub outcome: Outcome,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Manifest,
    Blob,
    Upload,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It is gone, which makes so many bytes of room.
    Removed(u64),
    Kept(Kept),
}

/// Why it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kept {
    /// Its grace lasts for so many milliseconds more.
    Young(u64),
    Vouched,
    Uploading,
}

/// See [`Report`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    pub manifests: u64,
    pub blobs: u64,
    pub uploads: u64,
    /// How much room was made.
    pub bytes: u64,
    pub young: u64,
    /// In milliseconds.
    pub next: Option<u64>,
    pub vouched: u64,
    pub uploading: u64,
}

/// Begins a collection, and tells what happens.
pub fn collect(registry: Arc<Registry>, wanted: Gc) -> mpsc::Receiver<Event> {
    let wanted = wanted.with(&registry);
    super::telling::tell(move |listener| async move { registry.collect(wanted, Some(listener)).await })
}

impl Gc {
    fn with(self, registry: &Registry) -> Collection {
        let settings = registry.collection_settings();
        Collection {
            grace: self.grace.map_or(settings.grace, Duration::from_millis),
            delete_untagged: self.delete_untagged.unwrap_or(settings.delete_untagged),
            dry_run: self.dry_run,
            is_at_ease: false,
        }
    }
}

impl From<News> for Event {
    fn from(news: News) -> Self {
        match news {
            News::Looked(count) => Self::Looked(count),
            News::Found(finding) => Self::Found(finding.into()),
        }
    }
}

impl From<Result<Report, String>> for Event {
    fn from(end: Result<Report, String>) -> Self {
        end.map_or_else(Self::Failed, |report| Self::Done(report.into()))
    }
}

impl From<Finding> for Found {
    fn from(Finding { thing, verdict }: Finding) -> Self {
        let (kind, repository, name) = match thing {
            Thing::Manifest { repository, digest } => (Kind::Manifest, repository, digest.to_string()),
            Thing::Blob { repository, digest } => (Kind::Blob, repository, digest.to_string()),
            Thing::Upload { repository, id } => (Kind::Upload, repository, id.to_string()),
        };
        let outcome = match verdict {
            Verdict::Removed { bytes } => Outcome::Removed(bytes),
            Verdict::Kept(Why::Young { left }) => Outcome::Kept(Kept::Young(milliseconds(left))),
            Verdict::Kept(Why::Vouched) => Outcome::Kept(Kept::Vouched),
            Verdict::Kept(Why::Uploading) => Outcome::Kept(Kept::Uploading),
        };
        Self { kind, repository: repository.to_string(), name, outcome }
    }
}

impl From<Report> for Summary {
    fn from(report: Report) -> Self {
        let Report { manifests, blobs, uploads, bytes, young, next, vouched, uploading } = report;
        Self { manifests, blobs, uploads, bytes, young, next: next.map(milliseconds), vouched, uploading }
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
