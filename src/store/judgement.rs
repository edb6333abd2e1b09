//! Saying of a payload that it is damaged, or that it is not.

use std::io;

use crate::oci::Digest;

use super::metadata::{Change, Place, Tables, Write};
use super::writer::{Accepted, Decision, Operation, Slot};

/// What was found in a place in which a payload lay. It is made so if the payload still lies there: that is its outcome.
/// `false` says that nothing was found out about it.
#[derive(Debug, Clone, Copy)]
pub struct Judgement {
    pub digest: Digest,
    pub place: Place,
    pub is_damaged: bool,
}

impl Operation for Judgement {
    type Outcome = bool;
    type Refusal = io::Error;

    fn decide(self, tables: &Tables<Write<'_>>, _slot: Slot) -> Decision<Self> {
        let Self { digest, place, is_damaged } = self;
        let Some(row) = tables.blob(&digest)?.filter(|row| row.place == place) else {
            return Ok(Accepted::new(Vec::new(), false));
        };
        let change = match is_damaged {
            true => Change::PayloadDamaged { digest },
            false => Change::PayloadSound { digest },
        };
        let is_new = row.is_damaged != is_damaged || (row.is_unverified && !is_damaged);
        Ok(Accepted::new(is_new.then_some(change).into_iter().collect(), true))
    }

    fn needs_room(&self) -> bool {
        false
    }
}
