//! Saying of a payload that it is damaged, or that it is not.

use std::time::Duration;

use crate::registry::{Error, Registry};
use crate::store::{Decline, Judgement};

impl Registry {
    /// Makes it so, if the payload still lies there. `false` if it does not: nothing was found out about it.
    pub(super) async fn judge(&self, judgement: Judgement) -> Result<bool, Error> {
        /// Longer than the writer ever takes; nobody waits for this.
        const WAIT: Duration = Duration::from_secs(3_600);
        self.store.submit(judgement, WAIT).await.map_err(|decline| match decline {
            Decline::Refused(error) => error.into(),
            Decline::Failed(error) => error.into(),
        })
    }
}
