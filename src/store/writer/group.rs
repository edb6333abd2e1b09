//! A group: operations that share a transaction, a record and a sync.

use bytes::Bytes;

use crate::observe::metrics::metrics;
use crate::store::clock::{ServedTime, Timestamp};
use crate::store::log::{AppendError, Log, PAYLOADS_BEGIN, RecordPlace};
use crate::store::metadata::{Change, Metadata, MetadataError, Tables, Write};

use super::operation::{Answer, Slot, Waiting, WriteError};

/// What a group comes to.
pub(super) struct Group {
    now: Timestamp,
    served: ServedTime,
    record: RecordPlace,
    changes: Vec<Change>,
    payloads: Vec<Bytes>,
    /// Of all payloads so far.
    payload_bytes: u64,
    answers: Vec<Box<dyn Answer>>,
    /// Whether the log has it, durably.
    is_logged: bool,
}

/// Why a group could not be written.
#[derive(Debug, thiserror::Error)]
pub(super) enum GroupError {
    #[error(transparent)]
    Append(#[from] AppendError),
    #[error(transparent)]
    Metadata(#[from] MetadataError),
}

impl Group {
    pub(super) fn new(served: ServedTime) -> Self {
        Self {
            now: Timestamp::now(),
            served,
            record: RecordPlace { segment: 0, offset: 0 },
            changes: Vec::new(),
            payloads: Vec::new(),
            payload_bytes: 0,
            answers: Vec::new(),
            is_logged: false,
        }
    }

    /// What the next operation is given.
    pub(super) fn slot(&self) -> Slot {
        Slot { now: self.now, served: self.served, offset: PAYLOADS_BEGIN + self.payload_bytes }
    }

    /// Applies what an operation has decided.
    pub(super) fn apply(
        &mut self,
        tables: &mut Tables<Write<'_>>,
        changes: Vec<Change>,
        payload: Option<Bytes>,
    ) -> Result<(), MetadataError> {
        for change in &changes {
            tables.apply(change, self.record)?;
        }
        self.changes.extend(changes);
        if let Some(payload) = payload {
            self.payload_bytes += payload.len() as u64;
            self.payloads.push(payload);
        }
        Ok(())
    }

    /// Keeps an answer back until the group is durable.
    pub(super) fn owe(&mut self, answer: Box<dyn Answer>) {
        self.answers.push(answer);
    }

    /// Decides everything that waits, and makes it so: in the log first, durably, then in the database.
    ///
    /// Returns whether anything has changed. What has decided nothing to change rests on groups before, all of them
    /// durable by now.
    pub(super) fn write(
        &mut self,
        waiting: &mut Vec<Box<dyn Waiting>>,
        metadata: &Metadata,
        log: &mut Log,
    ) -> Result<bool, GroupError> {
        self.record = log.place()?;
        metadata.write(|tables| {
            self.tell_time(tables)?;
            let (told, operations) = (self.changes.len(), waiting.len());
            for waiting in waiting.drain(..) {
                waiting.decide(tables, self)?;
            }
            let has_changed = self.changes.len() > told;
            if has_changed {
                let position = log.append(&self.changes, &self.payloads)?;
                self.is_logged = true;
                metrics().group_size.record(operations);
                tables.set_position(&position)?;
            }
            Ok(has_changed)
        })
    }

    /// Keeps the time, if it is long enough ago that it was kept.
    fn tell_time(&mut self, tables: &mut Tables<Write<'_>>) -> Result<(), MetadataError> {
        let kept = tables.served()?;
        match kept.is_none_or(|ServedTime(kept)| self.served.0 >= kept + ServedTime::GRAIN) {
            true => self.apply(tables, vec![Change::TimePassed { at: self.served }], None),
            false => Ok(()),
        }
    }

    pub(super) fn is_logged(&self) -> bool {
        self.is_logged
    }

    /// Gives all answers.
    pub(super) fn answer(self) {
        self.answers.into_iter().for_each(Answer::give);
    }

    /// Answers everybody that it has not happened.
    pub(super) fn fail(self, error: &WriteError) {
        self.answers.into_iter().for_each(|answer| answer.fail(error.clone()));
    }
}
