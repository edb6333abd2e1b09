//! Payloads in the log that could not be read.

use std::collections::BTreeMap;
use std::io;
use std::time::{Duration, Instant};

use crate::store::metadata::LogPayload;

/// Those that could not be read, by segment and offset, and when they were tried last.
#[derive(Default)]
pub(in crate::store) struct Unreadable(BTreeMap<(u64, u64), Instant>);

impl Unreadable {
    /// How long one is left alone.
    const PAUSE: Duration = Duration::from_secs(60);

    pub(super) fn is_to_be_tried(&self, place: &(u64, u64)) -> bool {
        self.0.get(place).is_none_or(|tried| tried.elapsed() >= Self::PAUSE)
    }

    /// Says so once.
    pub(super) fn note(&mut self, payload: &LogPayload, error: &io::Error) {
        let LogPayload { digest, segment, offset, .. } = payload;
        if self.0.insert((*segment, *offset), Instant::now()).is_none() {
            tracing::error!(
                %digest, segment, offset, %error,
                "a payload in the log cannot be read, and stays there; holdfast scrub marks it, and pushing it again heals it"
            );
        }
    }
}
