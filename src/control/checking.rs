//! A check as it is asked for, and as it is told.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::registry::{self, CheckReport, Registry};
use crate::store::{Fault, SurveyNews, SurveyTally};

use super::telling::tell;

/// What is wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// Whether every payload is read, and the second copy of the metadata compared.
    pub payloads: bool,
    /// Whether what can be repaired is.
    pub repair: bool,
    /// How much is read at the most, in bytes a second; 0 is no bound. Left out it is as the registry's settings have it.
    pub rate: Option<u64>,
}

/// What happens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Event {
    /// So far.
    Looked(SurveyTally),
    Found(Fault),
    /// The end.
    Done(CheckReport),
    /// The end, with what went wrong.
    Failed(String),
}

/// Begins a check, and tells what happens. It ends when nobody listens any more.
pub fn check(registry: &Arc<Registry>, wanted: Check) -> mpsc::Receiver<Event> {
    let Check { payloads, repair, rate } = wanted;
    let rate = rate.unwrap_or(registry.scrub_settings().rate);
    let wanted = registry::Check { is_thorough: payloads, is_repairing: repair, rate };
    let registry = Arc::clone(registry);
    tell(move |listener| async move { registry.check(wanted, listener).await })
}

impl From<SurveyNews> for Event {
    fn from(news: SurveyNews) -> Self {
        match news {
            SurveyNews::Looked(tally) => Self::Looked(tally),
            SurveyNews::Found(fault) => Self::Found(fault),
        }
    }
}

impl From<Result<CheckReport, String>> for Event {
    fn from(end: Result<CheckReport, String>) -> Self {
        end.map_or_else(Self::Failed, Self::Done)
    }
}
