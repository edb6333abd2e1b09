//! Collection: what nothing refers to goes, while pushes and pulls go on.
//!
//! A pass walks through all manifests and then all blobs of all repositories, a page at a time, and judges by the last
//! commit which of them are dead. Those are judged again by the writer, in the transaction that removes them: whether
//! something is referred to is decided at a moment at which nothing else happens, and whoever pushes a manifest comes
//! before it or after it. What somebody was just told to be there is kept by its lease: see [`Leases`](crate::store::Leases).
//! Nothing else waits for a pass.
//!
//! What is dead: see [`judgement`].

mod judgement;
mod removal;
mod report;
mod schedule;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::observe::metrics::{Collected, Work, metrics};
use crate::oci::RepositoryName;
use crate::store::{Held, NeedKind};

use super::{Error, Registry, blocking, joined};
use judgement::{Judgement, Rules};
use removal::{Removal, Removed};
pub use report::{Finding, Report, Thing, Verdict, Why};
pub use schedule::{CollectionSettings, PurgingSettings};

/// What is to be collected, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Collection {
    /// How long something is kept that nothing refers to. No shorter than a lease, whatever this says.
    pub grace: Duration,
    /// Whether manifests go that no tag points at.
    pub delete_untagged: bool,
    /// Nothing is removed; the report says what would be.
    pub dry_run: bool,
    /// Whether it takes no more than a part of a processor's time.
    pub is_at_ease: bool,
}

/// What is told of a pass while it goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum News {
    /// So many things have been looked at so far.
    Looked(u64),
    Found(Finding),
}

/// Whoever wants to be told. A pass waits for who is slow, and ends when nobody listens any more.
pub type Listener = mpsc::Sender<News>;

/// How many rows are read in one go.
const PAGE: usize = 256;
/// How many things are removed by one operation at the most, so that no push waits for long.
const AT_ONCE: usize = 64;
/// How often it is looked for manifests that went with others, where nothing has to wait for a grace.
const MOST_ROUNDS: usize = 16;

impl Registry {
    /// Removes what nothing refers to, and says what was found.
    pub async fn collect(
        self: &Arc<Self>,
        wanted: Collection,
        listener: Option<Listener>,
    ) -> Result<Report, Error> {
        let _going = metrics().work.begin(Work::Collection);
        let began = Instant::now();
        let collected = self.pass(wanted, listener).await;
        if !wanted.dry_run {
            count(collected.as_ref().ok(), began.elapsed());
        }
        collected
    }

    async fn pass(self: &Arc<Self>, wanted: Collection, listener: Option<Listener>) -> Result<Report, Error> {
        let grace = wanted.grace.max(self.store.leases().duration());
        let rules = Rules { grace, delete_untagged: wanted.delete_untagged };
        let mut pass = Pass { registry: self, wanted, rules, report: Report::default(), looked: 0, listener };
        let purging = self.settings.purging;
        if purging.enabled {
            for finding in self.purge_uploads(purging.age, wanted.dry_run || purging.dry_run).await? {
                pass.tell(finding).await;
            }
        }
        for _ in 0..MOST_ROUNDS {
            let removed = pass.walk(NeedKind::Manifest).await?;
            // What was part of one that has gone has its own grace, if there is any.
            if removed == 0 || wanted.dry_run || !grace.is_zero() {
                break;
            }
        }
        pass.walk(NeedKind::Blob).await?;
        Ok(pass.report)
    }
}

/// Counts a pass that has come to this; nothing, if an error has ended it.
fn count(report: Option<&Report>, took: Duration) {
    let metrics = metrics();
    metrics.collection_time.inc_by(took.as_secs_f64());
    let Some(report) = report else {
        metrics.collection_failures.inc();
        return;
    };
    metrics.collections.inc();
    metrics.collected.of(Collected::Manifest).inc_by(report.manifests);
    metrics.collected.of(Collected::Blob).inc_by(report.blobs);
    metrics.collected.of(Collected::Upload).inc_by(report.uploads);
    metrics.collected_bytes.inc_by(report.bytes);
}

struct Pass<'a> {
    registry: &'a Arc<Registry>,
    wanted: Collection,
    rules: Rules,
    report: Report,
    /// How many things were looked at.
    looked: u64,
    listener: Option<Listener>,
}

/// What a page has that nothing refers to.
struct Page {
    /// Where the next one begins; `None` behind the last.
    last: Option<Held>,
    /// How many things it has in all.
    length: usize,
    unused: Vec<(Held, Judgement)>,
}

impl Pass<'_> {
    /// Walks through everything of a kind. Returns how much was removed.
    async fn walk(&mut self, kind: NeedKind) -> Result<usize, Error> {
        let (mut removed, mut last) = (0, None);
        loop {
            let began = Instant::now();
            let page = self.examine(kind, last).await?;
            let mut dead = Vec::new();
            for (held, judgement) in page.unused {
                match judgement {
                    Judgement::InUse => {}
                    Judgement::Young(left) => self.keep(kind, held, Why::Young { left }).await,
                    Judgement::Dead => dead.push(held),
                }
            }
            for some in dead.chunks(AT_ONCE) {
                removed += self.remove(kind, some.to_vec()).await?;
            }
            self.looked += page.length as u64;
            self.send(News::Looked(self.looked)).await;
            if page.last.is_none() || self.is_alone() {
                return Ok(removed);
            }
            last = page.last;
            self.rest(began.elapsed()).await;
        }
    }

    /// Looks at a page as of the last commit.
    async fn examine(&self, kind: NeedKind, after: Option<Held>) -> Result<Page, Error> {
        let (registry, rules) = (Arc::clone(self.registry), self.rules);
        let examined = blocking(move || {
            let (tables, now) = (registry.store.read(), registry.store.clock().now());
            let page: Vec<Held> = match kind {
                NeedKind::Blob => held(tables.links_after(after.as_ref(), PAGE)?),
                NeedKind::Manifest => held(tables.manifests_after(after.as_ref(), PAGE)?),
            };
            let (length, mut unused) = (page.len(), Vec::new());
            let last = page.last().filter(|_| length == PAGE).cloned();
            for held in page {
                match rules.judge(&tables, kind, &held, now)? {
                    Judgement::InUse => {}
                    judgement => unused.push((held, judgement)),
                }
            }
            Ok(Page { last, length, unused })
        });
        examined.await
    }

    /// Removes what is still dead when it comes to it, and is not relied on. Returns how much that was.
    async fn remove(&mut self, kind: NeedKind, dead: Vec<Held>) -> Result<usize, Error> {
        let busy = match kind {
            NeedKind::Blob => self.registry.repositories_with_uploads(),
            NeedKind::Manifest => HashSet::new(),
        };
        let leases = Arc::clone(self.registry.store.leases());
        let (mut departures, mut leaving) = (HashMap::new(), Vec::new());
        for held in dead {
            // Several repositories may let go of the same at once.
            let departure = departures.entry(held.digest);
            if busy.contains(&held.repository) {
                self.keep(kind, held, Why::Uploading).await;
            } else if departure.or_insert_with_key(|digest| leases.leave(digest)).is_some() {
                leaving.push(held);
            } else {
                self.keep(kind, held, Why::Vouched).await;
            }
        }
        let removal = Removal { kind, rules: self.rules, held: leaving, dry_run: self.wanted.dry_run };
        let registry = Arc::clone(self.registry);
        // A task of its own: whoever asks for what is leaving waits until it is known what has become of it.
        let removed = joined(tokio::spawn(async move {
            let removed = registry.remove(removal).await;
            drop(departures);
            removed
        }));
        let removed = removed.await?;
        let count = removed.len();
        for Removed { held, bytes } in removed {
            self.tell(Finding { thing: Thing::held(kind, held), verdict: Verdict::Removed { bytes } }).await;
        }
        Ok(count)
    }

    async fn keep(&mut self, kind: NeedKind, held: Held, why: Why) {
        self.tell(Finding { thing: Thing::held(kind, held), verdict: Verdict::Kept(why) }).await;
    }

    async fn tell(&mut self, finding: Finding) {
        self.report.note(&finding);
        self.send(News::Found(finding)).await;
    }

    async fn send(&self, news: News) {
        if let Some(listener) = &self.listener {
            // Whoever does not listen any more is noticed at the end of the page.
            let _ = listener.send(news).await;
        }
    }

    /// Whether somebody listened, and has gone.
    fn is_alone(&self) -> bool {
        self.listener.as_ref().is_some_and(mpsc::Sender::is_closed)
    }

    /// At ease a pass takes a fifth of a processor's time; otherwise it lets others go first.
    async fn rest(&self, worked: Duration) {
        match self.wanted.is_at_ease {
            true => tokio::time::sleep(4 * worked).await,
            false => tokio::task::yield_now().await,
        }
    }
}

impl Registry {
    /// Resolves when the files of all that has gone are gone as well.
    pub async fn unlinked(&self) -> Result<(), Error> {
        Ok(self.store.unlinked().await?)
    }

    /// Those in which an upload is open: it may take hours until the manifest comes that needs what is there already.
    fn repositories_with_uploads(&self) -> HashSet<RepositoryName> {
        self.uploads.repositories()
    }

    async fn remove(&self, removal: Removal) -> Result<Vec<Removed>, Error> {
        /// Longer than the writer ever takes: what has been handed to it may happen until it has answered.
        const WAIT: Duration = Duration::from_secs(3_600);
        match removal.held.is_empty() {
            true => Ok(Vec::new()),
            false => Ok(self.store.submit(removal, WAIT).await?),
        }
    }
}

fn held<R>(rows: Vec<(Held, R)>) -> Vec<Held> {
    rows.into_iter().map(|(held, _)| held).collect()
}
