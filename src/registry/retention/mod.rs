//! Retention: which tags stay, by the operator's rules. What no rule keeps goes, now and then or when somebody asks, and with its
//! last tag an image goes too; what it was made of is left to the collection.
//!
//! A pass looks at one repository after another, page by page, and decides by what was committed; the writer decides once more for
//! each tag that is to go, so that one that was set or pulled meanwhile stays. Ages count the time only in which the store was
//! served ([`ServedTime`]): no clock that is set makes anything old.

mod judgement;
mod pulls;
mod removal;
mod schedule;

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::observe::metrics::{Work, metrics};
use crate::oci::{Glob, RepositoryName, Tag};
use crate::store::TagRow;

use super::immutable::Guard;
use super::{Error, Occasion, Registry, blocking};
use judgement::Judge;
pub(super) use pulls::Uses;
use removal::Removal;

/// How tags are kept, and when it is looked whether any should go.
#[derive(Debug, Clone)]
pub struct RetentionSettings {
    pub rules: Arc<[RetentionRule]>,
    /// From the end of one pass to the beginning of the next; none goes by itself without.
    pub interval: Option<Duration>,
}

impl Default for RetentionSettings {
    /// All tags stay.
    fn default() -> Self {
        Self { rules: Arc::default(), interval: None }
    }
}

impl RetentionSettings {
    /// Whether it matters when something was pulled last.
    pub(super) fn counts_pulls(&self) -> bool {
        self.rules.iter().any(|rule| rule.pulled_within.is_some())
    }
}

/// Which of some tags stay. Each way to stay is enough.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RetentionRule {
    /// It is about repositories that one of these matches.
    pub at: Vec<Glob>,
    /// And about tags there that one of these matches.
    pub tags: Vec<Glob>,
    /// The newest so many of them stay.
    pub last: Option<usize>,
    /// Those stay that one of these matches.
    pub matching: Vec<Glob>,
    /// Those stay that were set so short ago.
    pub pushed_within: Option<Duration>,
    /// Those stay whose image was pulled so short ago.
    pub pulled_within: Option<Duration>,
}

/// What is asked for.
#[derive(Debug, Clone, Default)]
pub struct Retention {
    /// Nothing goes; what would is told.
    pub dry_run: bool,
    /// In this repository alone.
    pub repository: Option<RepositoryName>,
}

/// What has become of a tag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetentionNews {
    pub repository: RepositoryName,
    pub tag: Tag,
    pub verdict: RetentionVerdict,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RetentionVerdict {
    Kept(Keeping),
    Removed {
        /// Whether its image went with it, for it had no other tag and nothing needs it.
        with_image: bool,
    },
}

/// Why a tag stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Keeping {
    /// It is among the newest so many.
    Last(usize),
    /// This pattern matches it.
    Matching(String),
    Pushed {
        ago: Duration,
        within: Duration,
    },
    Pulled {
        ago: Duration,
        within: Duration,
    },
    /// It is the signature or the like of an image that is there.
    Attached,
    /// `tags.immutable` has it.
    Immutable,
    /// It was set or pulled while this was going on.
    Changed,
}

/// What a pass came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RetentionReport {
    pub repositories: u64,
    /// Tags that a rule is about.
    pub tags: u64,
    pub removed: u64,
    /// Images that went with their last tag.
    pub images: u64,
}

/// How many tags are looked at, and go, at once.
const PAGE: usize = 256;
/// How many repositories are listed at once.
const REPOSITORIES: usize = 256;

impl Registry {
    /// Looks at all tags that a rule is about, and removes those that none keeps. Every one of them is told to `listener`; without
    /// anybody who listens any more it ends early.
    pub async fn retain(
        self: &Arc<Self>,
        wanted: Retention,
        listener: Option<mpsc::Sender<RetentionNews>>,
    ) -> Result<RetentionReport, Error> {
        if !wanted.dry_run {
            self.expect_writable()?;
        }
        let _going = metrics().work.begin(Work::Retention);
        let mut pass = Pass { registry: self, wanted, listener, report: RetentionReport::default() };
        match pass.wanted.repository.clone() {
            Some(repository) => pass.look_at(&repository).await?,
            None => pass.look_at_all().await?,
        }
        if !pass.wanted.dry_run {
            metrics().retention_runs.inc();
            metrics().retention_tags.inc_by(pass.report.removed);
        }
        Ok(pass.report)
    }
}

struct Pass<'a> {
    registry: &'a Arc<Registry>,
    wanted: Retention,
    listener: Option<mpsc::Sender<RetentionNews>>,
    report: RetentionReport,
}

impl Pass<'_> {
    async fn look_at_all(&mut self) -> Result<(), Error> {
        let mut last = String::new();
        loop {
            let page = self.registry.list_repositories(&last, REPOSITORIES, |_| true)?;
            for name in &page.names {
                if let Ok(repository) = name.parse() {
                    self.look_at(&repository).await?;
                }
            }
            match page.names.into_iter().last().filter(|_| page.has_more && !self.is_alone()) {
                Some(name) => last = name,
                None => return Ok(()),
            }
        }
    }

    async fn look_at(&mut self, repository: &RepositoryName) -> Result<(), Error> {
        let settings = &self.registry.settings.retention;
        let Some(mut judge) = Judge::about(repository, &settings.rules, self.registry.store.clock().now())
        else {
            return Ok(());
        };
        self.report.repositories += 1;
        if judge.ranks() {
            let mut last = String::new();
            while let Some(page) = self.page(repository, &mut last).await? {
                page.iter().for_each(|(tag, row)| judge.rank(tag, row));
            }
        }
        let judge = Arc::new(judge);
        let mut last = String::new();
        while let Some(page) = self.page(repository, &mut last).await? {
            self.decide(repository, &judge, page).await?;
            if self.is_alone() {
                break;
            }
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    /// The next tags, and how far they go; `None` behind the last.
    async fn page(
        &self,
        repository: &RepositoryName,
        last: &mut String,
    ) -> Result<Option<Vec<(Tag, TagRow)>>, Error> {
        let (registry, name, from) = (Arc::clone(self.registry), repository.clone(), last.clone());
        let page = blocking(move || registry.store.read().tag_rows_after(&name, &from, PAGE)).await?;
        if let Some((tag, _)) = page.last() {
            tag.as_str().clone_into(last);
        }
        Ok((!page.is_empty()).then_some(page))
    }

    async fn decide(
        &mut self,
        repository: &RepositoryName,
        judge: &Arc<Judge>,
        page: Vec<(Tag, TagRow)>,
    ) -> Result<(), Error> {
        let tags = page.into_iter().filter(|(tag, _)| judge.is_about(tag)).collect();
        let removal = Removal {
            repository: repository.clone(),
            judge: Arc::clone(judge),
            tags,
            guard: Guard::new(&self.registry.settings.immutable_tags, false),
            dry_run: self.wanted.dry_run,
        };
        let occasion = self.registry.tells_events().then(|| Arc::new(Occasion::of_ourselves("retention")));
        for (tag, verdict) in self.registry.submit_request(removal, occasion, None).await? {
            self.tell(RetentionNews { repository: repository.clone(), tag, verdict }).await;
        }
        Ok(())
    }

    async fn tell(&mut self, news: RetentionNews) {
        self.report.tags += 1;
        if let RetentionVerdict::Removed { with_image } = news.verdict {
            self.report.removed += 1;
            self.report.images += u64::from(with_image);
        }
        if let Some(listener) = &self.listener {
            // Whoever does not listen any more is noticed at the end of the page.
            let _ = listener.send(news).await;
        }
    }

    /// Whether somebody listened, and has gone.
    fn is_alone(&self) -> bool {
        self.listener.as_ref().is_some_and(mpsc::Sender::is_closed)
    }
}
