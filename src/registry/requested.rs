//! What requests ask for, done as the operator allows: not while the registry is read-only, within the quotas, and told to those
//! who want to know.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use crate::oci::RepositoryName;
use crate::store::Operation;

use super::events::Telling;
use super::quotas::Bounded;
use super::{Error, Occasion, Quotas, Registry};

/// What an operator can change while the registry runs.
#[derive(Debug, Default)]
pub(super) struct Rules {
    is_read_only: AtomicBool,
    quotas: RwLock<Quotas>,
}

impl Rules {
    pub(super) fn new(is_read_only: bool, quotas: Quotas) -> Self {
        Self { is_read_only: AtomicBool::new(is_read_only), quotas: RwLock::new(quotas) }
    }
}

impl Registry {
    /// Changes what an operator can change while the registry runs. What is under way ends by the rules that it began with.
    pub fn renew_rules(&self, is_read_only: bool, quotas: Quotas) {
        if self.rules.is_read_only.swap(is_read_only, Ordering::SeqCst) != is_read_only {
            match is_read_only {
                true => tracing::warn!("the registry is read-only from now on"),
                false => tracing::warn!("the registry can be written to again"),
            }
        }
        *self.rules.quotas.write().unwrap_or_else(PoisonError::into_inner) = quotas;
    }

    /// Refuses whoever wants to change something in a registry that is read-only.
    pub fn expect_writable(&self) -> Result<(), Error> {
        match self.rules.is_read_only.load(Ordering::Relaxed) {
            true => Err(Error::ReadOnly),
            false => Ok(()),
        }
    }

    pub(super) fn quotas(&self) -> Quotas {
        self.rules.quotas.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Does what a request asks for, within the quotas, and tells of it.
    pub(super) async fn submit_request<O: Operation<Refusal = Error>>(
        &self,
        operation: O,
        occasion: Option<Arc<Occasion>>,
        mounted_from: Option<RepositoryName>,
    ) -> Result<O::Outcome, Error> {
        let operation = Bounded { operation, quotas: self.quotas() };
        let Some(occasion) = occasion else {
            return self.submit(operation).await;
        };
        let events = &self.settings.events;
        let backlog = events.enabled.then_some(events.backlog);
        let (outcome, events) = self.submit(Telling { operation, occasion, mounted_from, backlog }).await?;
        self.recent.remember(events);
        self.recorded.notify_waiters();
        Ok(outcome)
    }
}
