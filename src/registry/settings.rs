//! What an operator can set about a registry's behaviour.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::oci::{Child, ChildKind, Platform};

use super::collection::{CollectionSettings, PurgingSettings};
use super::events::EventSettings;
use super::immutable::ImmutableTags;
use super::quotas::Quotas;
use super::retention::RetentionSettings;
use super::scrub::ScrubSettings;

/// How a registry behaves.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Whether anything may be deleted.
    pub delete_enabled: bool,
    pub referenced: Referenced,
    /// How many bytes of an upload may be lost to a restart.
    pub mark_interval: u64,
    /// How many request bodies are received at once.
    pub max_uploads: usize,
    /// How long a request waits where something is short, before it is told to come again.
    pub wait: Duration,
    /// How long a body may stay without a byte.
    pub idle: Duration,
    pub required_children: RequiredChildren,
    pub urls: UrlPolicy,
    /// Tags that do not move once they are set.
    pub immutable_tags: Arc<[ImmutableTags]>,
    pub collection: CollectionSettings,
    pub purging: PurgingSettings,
    pub scrub: ScrubSettings,
    pub events: EventSettings,
    pub retention: RetentionSettings,
    pub quotas: Quotas,
    /// Whether whoever wants to change something is refused.
    pub read_only: bool,
    /// The largest blob that is taken in, in bytes.
    pub max_blob: u64,
    /// How many repositories are told of by name to those who watch.
    pub watched_repositories: usize,
}

impl Settings {
    /// How deletions are done, or `None` if they are not.
    pub(super) fn deletion(&self) -> Option<Referenced> {
        self.delete_enabled.then_some(self.referenced)
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            delete_enabled: true,
            referenced: Referenced::Refuse,
            mark_interval: 64 << 20,
            max_uploads: 256,
            wait: Duration::from_secs(10),
            idle: Duration::from_secs(15 * 60),
            required_children: RequiredChildren::All,
            urls: UrlPolicy::default(),
            immutable_tags: Arc::default(),
            collection: CollectionSettings::default(),
            purging: PurgingSettings::default(),
            scrub: ScrubSettings::default(),
            events: EventSettings::default(),
            retention: RetentionSettings::default(),
            quotas: Quotas::default(),
            read_only: false,
            max_blob: u64::MAX,
            watched_repositories: 0,
        }
    }
}

/// What happens to the deletion of content that a manifest of the same repository is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Referenced {
    /// It is refused.
    Refuse,
    /// It is deleted all the same, as distribution does.
    Allow,
}

/// Which of the content that a manifest is made of must be in the repository when it is pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequiredChildren {
    /// Everything, but for layers that may be kept elsewhere.
    All,
    /// Configurations and layers, and the images of an index that are for one of these platforms.
    Platforms(Vec<Platform>),
    /// Nothing: manifests may be sparse.
    None,
}

impl RequiredChildren {
    /// Whether this child must be there.
    pub(super) fn requires(&self, child: &Child) -> bool {
        match (self, child.kind) {
            (Self::None, _) | (_, ChildKind::NonDistributable) => false,
            (Self::All, _) | (Self::Platforms(_), ChildKind::Blob) => true,
            (Self::Platforms(platforms), ChildKind::Manifest | ChildKind::BlobOrManifest) => {
                child.platform.as_ref().is_some_and(|platform| platforms.contains(platform))
            }
        }
    }
}

/// Which URLs a layer may name as places outside the registry. None is ever fetched.
#[derive(Clone)]
pub struct UrlPolicy(Arc<dyn Fn(&str) -> bool + Send + Sync>);

impl UrlPolicy {
    /// Those that `admits` is true of.
    pub fn new(admits: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(admits))
    }

    pub(super) fn admits(&self, url: &str) -> bool {
        (self.0)(url)
    }
}

impl Default for UrlPolicy {
    /// All of them.
    fn default() -> Self {
        Self::new(|_| true)
    }
}

impl fmt::Debug for UrlPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UrlPolicy")
    }
}
