//! Settling: small payloads move from the log into files of their own, behind everybody's back.
//!
//! Many at once share their syncs. Only when a file and its name are durable does the writer hear of it, and it accepts
//! only if the payload's place is still exactly the one that was copied; otherwise that file is one too many. A payload
//! that dies while it lies in the log never costs a file, and one that cannot be read there holds up no other.

mod copies;
mod unreadable;

use std::io;
use std::time::{Duration, Instant};

use super::background::Pieces;
use super::disk::Rule;
use super::metadata::{Change, LogPayload, Place, Tables, Write};
use super::writer::{Accepted, Decision, Decline, Operation, Slot};
use crate::observe::metrics::metrics;
use copies::Copied;
pub(super) use unreadable::Unreadable;

/// How many payloads are moved at once.
const BATCH: usize = 256;

/// What a batch came to.
pub(super) struct Batch {
    pub(super) moved: usize,
    pub(super) took: Duration,
}

impl Pieces {
    /// Moves the oldest payloads of the log, on so many threads.
    pub(super) fn settle_batch(
        &self,
        threads: usize,
        unreadable: &mut Unreadable,
    ) -> Result<Batch, Decline<io::Error>> {
        let began = Instant::now();
        let payloads = self.metadata.read().log_payloads(BATCH, |place| unreadable.is_to_be_tried(place))?;
        let copies = self.copy_durably(&payloads, threads, unreadable).map_err(Decline::Refused)?;
        let moved = copies.len();
        if moved > 0 {
            // In flight until it is decided whether they are named.
            let (copies, _guards): (Vec<_>, Vec<_>) = copies.into_iter().unzip();
            let bytes = |copies: &[Copied]| copies.iter().map(|copy| copy.payload.size).sum::<u64>();
            let copied = bytes(&copies);
            let is_exact = self.disk.keeps(Rule::ExactPlace);
            let unwanted = self.writer.submit(Settle { copies, is_exact })?;
            metrics().settled.inc_by((moved - unwanted.len()) as u64);
            metrics().settled_bytes.inc_by(copied - bytes(&unwanted));
            self.unlink_copies(&unwanted).map_err(Decline::Refused)?;
        }
        Ok(Batch { moved, took: began.elapsed() })
    }
}

/// Says that files serve payloads that the log has served. Its outcome is the copies that nobody wants.
struct Settle {
    copies: Vec<Copied>,
    /// Whether a payload that lies elsewhere by now stays there: see [`Rule::ExactPlace`].
    is_exact: bool,
}

impl Operation for Settle {
    type Outcome = Vec<Copied>;
    type Refusal = io::Error;

    fn decide(self, tables: &Tables<Write<'_>>, _slot: Slot) -> Decision<Self> {
        let (mut changes, mut unwanted) = (Vec::new(), Vec::new());
        for copy in self.copies {
            let LogPayload { digest, segment, offset, .. } = copy.payload;
            match tables.blob(&digest)? {
                Some(row)
                    if !row.is_damaged
                        && (row.place == (Place::Log { segment, offset }) || !self.is_exact) =>
                {
                    changes.push(Change::PayloadSettled { digest, file: copy.file });
                }
                _ => unwanted.push(copy),
            }
        }
        Ok(Accepted::new(changes, unwanted))
    }
}
