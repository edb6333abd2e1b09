//! Rot: what lies at rest is read once more, now and then, and compared with its digest.
//!
//! A pass walks through all payloads in the order of their keys, a page of the last commit at a time, reads each piece by
//! piece at a bounded rate, and holds up nobody. What is damaged is marked by the writer, if the payload still lies in the place
//! that was read: from then on it is not served, counts as missing for those who ask whether to push it, and is replaced by whoever
//! pushes it again. What was marked, and is found to be right after all, because somebody has put its file back, is served again.

mod damage;
mod judgement;
mod pace;
mod report;
mod schedule;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use crate::observe::metrics::{Work, metrics};
use crate::oci::Digest;
use crate::store::{BlobRow, Judgement, PayloadError, Verification};

use super::{Error, Registry, blocking};
pub(super) use pace::Pace;
pub use report::{Damage, ScrubNews, ScrubReport};
pub use schedule::ScrubSettings;

/// Whoever wants to be told. A pass waits for who is slow, and ends when nobody listens any more.
pub type ScrubListener = mpsc::Sender<ScrubNews>;

/// How many payloads are looked up in one go.
const PAGE: usize = 256;

impl Registry {
    /// Verifies all payloads, and marks those that are damaged. `rate` is how many bytes are read in a second at the most;
    /// 0 is no bound.
    pub async fn scrub(
        self: &Arc<Self>,
        rate: u64,
        listener: Option<ScrubListener>,
    ) -> Result<ScrubReport, Error> {
        let _going = metrics().work.begin(Work::Scrub);
        let mut pass = Pass::new(self, rate, listener);
        pass.send(ScrubNews::Ahead(self.all_payloads()?)).await;
        pass.run().await?;
        Ok(pass.report)
    }

    /// A pull could not be begun because of this: the payload is looked at behind its back, and marked if it is damaged.
    pub(super) fn suspect(self: &Arc<Self>, digest: Digest, error: &PayloadError) {
        if matches!(error, PayloadError::Damaged) {
            return;
        }
        let registry = Arc::clone(self);
        tokio::spawn(async move {
            let examined = Pass::new(&registry, registry.settings.scrub.rate, None).examine(digest).await;
            if let Err(error) = examined {
                tracing::warn!(%digest, %error, "a payload that may be damaged could not be looked at");
            }
        });
    }

    /// A pull has found this where the payload lay: it is marked if it is damaged, unless it has moved or was replaced meanwhile.
    /// What a device could not give is looked at once more.
    pub(super) fn convict(self: &Arc<Self>, digest: Digest, row: BlobRow, error: &PayloadError) {
        if !error.is_damage() {
            return;
        }
        if matches!(error, PayloadError::Io(_)) {
            return self.suspect(digest, error);
        }
        let (registry, problem) = (Arc::clone(self), error.to_string());
        tokio::spawn(async move {
            if let Err(error) = registry.mark_damaged(digest, row, problem).await {
                tracing::warn!(%digest, %error, "a payload that is damaged could not be marked");
            }
        });
    }

    async fn mark_damaged(
        self: &Arc<Self>,
        digest: Digest,
        row: BlobRow,
        problem: String,
    ) -> Result<(), Error> {
        if self.judge(Judgement { digest, place: row.place, is_damaged: true }).await? {
            metrics().damaged.inc();
            self.assess(digest, row.size, problem).await?.log();
        }
        Ok(())
    }
}

struct Pass<'a> {
    registry: &'a Arc<Registry>,
    pace: Pace,
    /// The payload that was looked at last. Whoever goes on with a pass after an error goes on behind it.
    last: Option<Digest>,
    report: ScrubReport,
    listener: Option<ScrubListener>,
    /// When it was last told how far it is.
    told: Instant,
}

/// What a payload turned out to be.
enum Seen {
    Sound,
    Damaged(PayloadError),
    /// Nothing is known of it.
    Unread(PayloadError),
    /// Nobody wants to know any more.
    BrokenOff,
}

impl From<PayloadError> for Seen {
    fn from(error: PayloadError) -> Self {
        if error.is_damage() { Self::Damaged(error) } else { Self::Unread(error) }
    }
}

impl<'a> Pass<'a> {
    fn new(registry: &'a Arc<Registry>, rate: u64, listener: Option<ScrubListener>) -> Self {
        let (pace, told) = (Pace::new(rate), Instant::now());
        Self { registry, pace, last: None, report: ScrubReport::default(), listener, told }
    }

    /// Walks to the end.
    async fn run(&mut self) -> Result<(), Error> {
        loop {
            let page = self.next_page().await?;
            if page.is_empty() {
                metrics().scrubs.inc();
                return Ok(());
            }
            if self.is_alone() {
                return Ok(());
            }
            for digest in page {
                self.examine(digest).await?;
                self.last = Some(digest);
            }
        }
    }

    async fn next_page(&self) -> Result<Vec<Digest>, Error> {
        let (registry, last) = (Arc::clone(self.registry), self.last);
        Ok(blocking(move || registry.store.read().payloads_after(last.as_ref(), PAGE)).await?)
    }

    /// Verifies a payload where it lies, and says so if that changes what is known of it.
    async fn examine(&mut self, digest: Digest) -> Result<(), Error> {
        // One that has gone meanwhile is none, one that has moved is looked at where it is now.
        while !self.is_alone() {
            let Some(row) = self.registry.store.read().blob(&digest)? else { return Ok(()) };
            let mut seen = self.verify(digest, row).await;
            if matches!(seen, Seen::Damaged(PayloadError::Io(_))) {
                // What a device cannot give once it may give when it is asked again.
                seen = self.verify(digest, row).await;
            }
            let verdict = match &seen {
                Seen::Sound if row.is_damaged || row.is_unverified => Some(false),
                Seen::Damaged(_) => Some(true),
                Seen::Sound | Seen::Unread(_) | Seen::BrokenOff => None,
            };
            let is_there = match verdict {
                Some(is_damaged) => {
                    self.registry.judge(Judgement { digest, place: row.place, is_damaged }).await?
                }
                None => true,
            };
            if is_there {
                return self.note(digest, row, seen).await;
            }
        }
        Ok(())
    }

    async fn verify(&mut self, digest: Digest, row: BlobRow) -> Seen {
        let registry = Arc::clone(self.registry);
        let mut verification = match blocking(move || registry.store.verify(&digest, row)).await {
            Ok(verification) => verification,
            Err(error) => return error.into(),
        };
        loop {
            let before = verification.offset();
            let (back, read) = blocking(move || read_on(verification)).await;
            verification = back;
            let bytes = verification.offset() - before;
            self.report.bytes += bytes;
            metrics().scrubbed_bytes.inc_by(bytes);
            self.pace.keep(bytes).await;
            self.tell_progress().await;
            match read {
                Ok(true) => return Seen::Sound,
                Ok(false) if self.is_alone() => return Seen::BrokenOff,
                Ok(false) => {}
                Err(error) => return error.into(),
            }
        }
    }

    /// Keeps account of a payload, and tells what is to be told of it.
    async fn note(&mut self, digest: Digest, row: BlobRow, seen: Seen) -> Result<(), Error> {
        match seen {
            Seen::BrokenOff => return Ok(()),
            Seen::Sound if row.is_damaged => {
                self.report.restored += 1;
                metrics().restored.inc();
                tracing::info!(%digest, "a payload that was damaged is right again, and served");
            }
            Seen::Sound => self.report.verified += u64::from(row.is_unverified),
            Seen::Damaged(error) => {
                self.report.damaged += 1;
                metrics().damaged.inc();
                let damage = self.registry.assess(digest, row.size, error.to_string()).await?;
                damage.log();
                self.send(ScrubNews::Damaged(damage)).await;
            }
            Seen::Unread(error) => {
                self.report.unread += 1;
                metrics().unread.inc();
                tracing::warn!(%digest, %error, "a payload could not be verified");
                self.send(ScrubNews::Unread { digest, problem: error.to_string() }).await;
            }
        }
        self.report.payloads += 1;
        metrics().scrubbed_payloads.inc();
        Ok(())
    }

    async fn tell_progress(&mut self) {
        const PAUSE: Duration = Duration::from_millis(200);
        if self.told.elapsed() >= PAUSE {
            self.told = Instant::now();
            self.send(ScrubNews::Read { payloads: self.report.payloads, bytes: self.report.bytes }).await;
        }
    }

    async fn send(&self, news: ScrubNews) {
        if let Some(listener) = &self.listener {
            // Whoever does not listen any more is noticed before long.
            let _ = listener.send(news).await;
        }
    }

    /// Whether somebody listened, and has gone.
    fn is_alone(&self) -> bool {
        self.listener.as_ref().is_some_and(mpsc::Sender::is_closed)
    }
}

fn read_on(mut verification: Verification) -> (Verification, Result<bool, PayloadError>) {
    let read = verification.read_on();
    (verification, read)
}
