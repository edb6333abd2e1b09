//! What can be asked for: operations of the registry, and how they are begun.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::oci::{Glob, RepositoryName};
use crate::registry::{
    self, CheckReport, Collection, ExportFormat, ExportNews, ExportOptions, ExportReport, News, Registry,
    Report, Retention, RetentionNews, RetentionReport, ScrubNews, ScrubReport,
};
use crate::store::{BackupNews, Summary, SurveyNews};

use super::telling::{Events, tell};

/// A collection. What is left out is as the registry's settings have it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gc {
    pub grace: Option<Duration>,
    pub dry_run: bool,
    pub delete_untagged: Option<bool>,
}

/// A scrub.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scrub {
    /// How much is read at the most, in bytes a second; 0 is no bound. Left out it is as the registry's settings have it.
    pub rate: Option<u64>,
}

/// A look at which tags stay, by the rules of the registry's settings.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retain {
    pub dry_run: bool,
    /// In this repository alone.
    pub repository: Option<RepositoryName>,
}

/// A check.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// Whether every payload is read, and the second copy of the metadata compared.
    pub payloads: bool,
    /// Whether what can be repaired is.
    pub repair: bool,
    /// How much is read at the most, in bytes a second; 0 is no bound. Left out it is as the registry's settings have it.
    pub rate: Option<u64>,
}

/// A backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backup {
    /// The folder, by its whole path.
    pub folder: PathBuf,
}

/// An export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Export {
    /// The folder, by its whole path.
    pub folder: PathBuf,
    pub format: ExportFormat,
    /// Patterns of names; all repositories if there are none.
    pub repositories: Vec<Glob>,
    /// Whether every file there is to be one of its own.
    pub copy: bool,
}

/// Begins a collection.
pub fn collect(registry: Arc<Registry>, wanted: Gc) -> Events<News, Report> {
    let settings = registry.collection_settings();
    let wanted = Collection {
        grace: wanted.grace.unwrap_or(settings.grace),
        delete_untagged: wanted.delete_untagged.unwrap_or(settings.delete_untagged),
        dry_run: wanted.dry_run,
        is_at_ease: false,
    };
    tell(move |listener| async move { registry.collect(wanted, Some(listener)).await })
}

/// Begins a look at which tags stay. It ends when nobody listens any more.
pub fn retain(registry: Arc<Registry>, wanted: Retain) -> Events<RetentionNews, RetentionReport> {
    let Retain { dry_run, repository } = wanted;
    let wanted = Retention { dry_run, repository };
    tell(move |listener| async move { registry.retain(wanted, Some(listener)).await })
}

/// Begins a scrub. It ends when nobody listens any more.
pub fn scrub(registry: Arc<Registry>, wanted: Scrub) -> Events<ScrubNews, ScrubReport> {
    let rate = wanted.rate.unwrap_or(registry.scrub_settings().rate);
    tell(move |listener| async move { registry.scrub(rate, Some(listener)).await })
}

/// Begins a check. It ends when nobody listens any more.
pub fn check(registry: Arc<Registry>, wanted: Check) -> Events<SurveyNews, CheckReport> {
    let rate = wanted.rate.unwrap_or(registry.scrub_settings().rate);
    let wanted = registry::Check { is_thorough: wanted.payloads, is_repairing: wanted.repair, rate };
    tell(move |listener| async move { registry.check(wanted, listener).await })
}

/// Begins a backup.
pub fn back_up(registry: Arc<Registry>, wanted: Backup) -> Events<BackupNews, Summary> {
    tell(move |listener| async move { registry.back_up(wanted.folder, listener).await })
}

/// Begins an export. It ends when nobody listens any more.
pub fn export(registry: Arc<Registry>, wanted: Export) -> Events<ExportNews, ExportReport> {
    let Export { folder, format, repositories, copy } = wanted;
    let options = ExportOptions { folder, format, repositories, may_link: !copy };
    tell(move |listener| async move { registry.export(options, listener).await })
}
