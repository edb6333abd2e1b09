//! Saying of a payload that it is damaged, or that it is not.

use std::time::Duration;

use crate::oci::Digest;
use crate::registry::{Error, Registry};
use crate::store::{Accepted, Change, Decision, Operation, Place, Slot, Tables, Write};

/// What was found in a place in which a payload lay.
pub(super) struct Judgement {
    pub(super) digest: Digest,
    pub(super) place: Place,
    pub(super) is_damaged: bool,
}

impl Registry {
    /// Makes it so, if the payload still lies there. `false` if it does not: nothing was found out about it.
    pub(super) async fn judge(&self, judgement: Judgement) -> Result<bool, Error> {
        /// Longer than the writer ever takes; nobody waits for this.
        const WAIT: Duration = Duration::from_secs(3_600);
        Ok(self.store.submit(judgement, WAIT).await?)
    }
}

impl Operation for Judgement {
    type Outcome = bool;
    type Refusal = Error;

    fn decide(self, tables: &Tables<Write<'_>>, _slot: Slot) -> Decision<Self> {
        let Self { digest, place, is_damaged } = self;
        let Some(row) = tables.blob(&digest)?.filter(|row| row.place == place) else {
            return Ok(Accepted::new(Vec::new(), false));
        };
        let change = match is_damaged {
            true => Change::PayloadDamaged { digest },
            false => Change::PayloadSound { digest },
        };
        let is_new = row.is_damaged != is_damaged;
        Ok(Accepted::new(is_new.then_some(change).into_iter().collect(), true))
    }

    fn needs_room(&self) -> bool {
        false
    }
}
