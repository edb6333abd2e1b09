//! The check of all invariants between the metadata and the files, and the repair of what does not hold, while pushes and
//! pulls go on.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use crate::observe::metrics::{Work, metrics};
use crate::store::{Fault, Repair, Severity, SurveyError, SurveyNews, SurveyOptions, SurveyTally};

use super::scrub::Pace;
use super::{Error, Registry, blocking};

/// What is checked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Check {
    /// Whether every payload is read and compared with its digest, and the second copy of the metadata with the database.
    pub is_thorough: bool,
    /// Whether what can be repaired without loss is. Otherwise nothing is changed.
    pub is_repairing: bool,
    /// How many bytes of payloads are read in a second at the most; 0 is no bound.
    pub rate: u64,
}

/// What a check came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckReport {
    pub tally: SurveyTally,
    /// How many things a crash has left that harm nobody.
    pub leftovers: u64,
    /// How many payloads are lost until they are pushed again.
    pub damaged: u64,
    /// How many things do not hold that must.
    pub wrong: u64,
    /// How many of all these are no more.
    pub repaired: u64,
}

/// Why a check was not brought to its end.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    #[error(transparent)]
    Survey(#[from] SurveyError),
    #[error(transparent)]
    Registry(#[from] Error),
}

impl CheckReport {
    fn note(&mut self, fault: &Fault) {
        if let Repair::Done(how) = &fault.repair {
            tracing::warn!(what = fault.what, how, "a check has repaired something");
        }
        let count = match (&fault.repair, fault.severity) {
            (Repair::Done(_), _) => &mut self.repaired,
            (_, Severity::Leftover) => &mut self.leftovers,
            (_, Severity::Damaged) => &mut self.damaged,
            (_, Severity::Wrong) => &mut self.wrong,
        };
        *count += 1;
    }
}

impl Registry {
    /// Checks everything. It ends when nobody listens any more; whoever is slow to listen does not hear all of how far it is.
    pub async fn check(
        self: &Arc<Self>,
        wanted: Check,
        listener: mpsc::Sender<SurveyNews>,
    ) -> Result<CheckReport, CheckError> {
        let _going = metrics().work.begin(Work::Check);
        let Check { is_thorough, is_repairing, rate } = wanted;
        let mut report = CheckReport::default();
        // Whoever does not listen any more is noticed before long.
        let _ = listener.send(SurveyNews::Ahead(self.all_payloads().map_err(SurveyError::from)?)).await;
        for fault in self.check_uploads(is_repairing).await? {
            report.note(&fault);
            // Whoever does not listen any more is noticed before long.
            let _ = listener.send(SurveyNews::Found(fault)).await;
        }
        let registry = Arc::clone(self);
        let report = blocking(move || {
            let mut teller = Teller::new(listener, rate, report);
            let options = SurveyOptions { is_thorough };
            let tally = registry.store.look_over(options, is_repairing, &mut |news| teller.take(news))?;
            Ok::<_, SurveyError>(CheckReport { tally, ..teller.report })
        });
        let report = report.await?;
        let CheckReport { leftovers, damaged, wrong, repaired, .. } = report;
        tracing::info!(leftovers, damaged, wrong, repaired, "checked the metadata and the files");
        Ok(report)
    }
}

/// Counts what is found, hands it on, and keeps whoever reads to a rate.
struct Teller {
    listener: mpsc::Sender<SurveyNews>,
    report: CheckReport,
    pace: Pace,
    /// How many bytes had been read when it was last asked.
    read: u64,
    /// When it was last told how far it is.
    told: Instant,
}

impl Teller {
    fn new(listener: mpsc::Sender<SurveyNews>, rate: u64, report: CheckReport) -> Self {
        Self { listener, report, pace: Pace::new(rate), read: 0, told: Instant::now() }
    }

    /// Whether to go on. Blocks.
    fn take(&mut self, news: SurveyNews) -> bool {
        match news {
            SurveyNews::Ahead(_) => true,
            SurveyNews::Looked(tally) => {
                self.keep_pace(&tally);
                self.tell_progress(tally)
            }
            SurveyNews::Found(fault) => {
                self.report.note(&fault);
                self.listener.blocking_send(SurveyNews::Found(fault)).is_ok()
            }
        }
    }

    /// Waits until so much may have been read, or until nobody listens any more.
    fn keep_pace(&mut self, tally: &SurveyTally) {
        const LOOK: Duration = Duration::from_millis(100);
        let (bytes, now) = (tally.read_bytes - self.read, Instant::now());
        self.read = tally.read_bytes;
        let Some(wait) = (bytes > 0).then(|| self.pace.wait_for(bytes, now)).flatten() else { return };
        while now.elapsed() < wait && !self.listener.is_closed() {
            std::thread::sleep(LOOK.min(wait.saturating_sub(now.elapsed())));
        }
    }

    fn tell_progress(&mut self, tally: SurveyTally) -> bool {
        const PAUSE: Duration = Duration::from_millis(200);
        if self.told.elapsed() < PAUSE {
            return !self.listener.is_closed();
        }
        self.told = Instant::now();
        !matches!(self.listener.try_send(SurveyNews::Looked(tally)), Err(TrySendError::Closed(_)))
    }
}
