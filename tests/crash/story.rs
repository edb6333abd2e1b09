//! What happens on one machine, told as it happens, so that a failure can be understood.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use holdfast::registry::{Collection, Error, Registry};
use holdfast::store::simulated::Simulated;
use holdfast::store::{Options, Store};
use tokio::runtime::Runtime;

use crate::execution::execute;
use crate::goods::GOODS;
use crate::inspection::{inspect, inspect_events, inspect_facts, settings, survey};
use crate::model::Model;
use crate::operation::Operation;
use crate::second_copy;

#[derive(Clone)]
pub(crate) struct Story {
    pub(crate) machine: Simulated,
    /// How the store is opened.
    pub(crate) options: Options,
    pub(crate) model: Model,
    /// Whether both copies of the metadata are compared before the store is opened.
    pub(crate) compares: bool,
    told: Vec<String>,
}

/// The runtime of one process. Made before the registry and dropped after it: its threads may still be at work when the
/// machine is gone.
pub(crate) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap()
}

impl Story {
    pub(crate) fn new(machine: Simulated) -> Self {
        Self { machine, options: options(), model: Model::default(), compares: false, told: Vec::new() }
    }

    /// The same up to here, on a machine of its own.
    pub(crate) fn fork(&self, seed: u64) -> Self {
        Self { machine: self.machine.copy(seed), ..self.clone() }
    }

    pub(crate) fn tell(&mut self, text: impl Into<String>) {
        self.told.push(text.into());
    }

    /// The story with its bad end.
    pub(crate) fn end_badly(mut self, wrong: String) -> String {
        self.told.push(wrong);
        self.told.join("\n  ")
    }

    /// Whether the disk has failed or stopped, so that errors say nothing.
    pub(crate) fn is_disturbed(&self) -> bool {
        self.machine.has_stopped() || self.machine.has_failed()
    }

    /// Opens the store and looks at everything in it. `None` if the disk has failed or stopped before that was done.
    pub(crate) fn open(&mut self, runtime: &Runtime) -> Result<Option<Arc<Registry>>, String> {
        if self.compares {
            second_copy::compare(self)?;
        }
        let _guard = runtime.enter();
        let store = match Store::open_on(self.machine.disk(), Path::new("/"), &self.options) {
            Ok(store) => store,
            Err(error) if self.is_disturbed() => {
                self.tell(format!("the store could not be opened: {error}"));
                return Ok(None);
            }
            Err(error) => return Err(format!("the store could not be opened: {error}")),
        };
        let surveyed = survey(&store);
        let registry = Registry::new(store, settings());
        let inspected = runtime.block_on(inspect(&registry, &mut self.model));
        if self.is_disturbed() {
            self.tell("the disk has failed by now");
            return Ok(None);
        }
        surveyed.and(inspected).and_then(|()| inspect_events(&registry))?;
        Ok(Some(registry))
    }

    /// Does some operations at once.
    pub(crate) async fn execute(
        &mut self,
        registry: &Arc<Registry>,
        operations: Vec<Operation>,
    ) -> Result<(), String> {
        let outcomes = join_all(operations.iter().map(|operation| execute(registry, operation))).await;
        let is_disturbed = self.is_disturbed();
        for (operation, outcome) in operations.into_iter().zip(outcomes) {
            self.tell(format!("{operation:?}: {:?} {:?}", outcome.reply, outcome.begun));
            self.model.sessions.extend(outcome.begun);
            operation.record(&mut self.model, &outcome.reply, is_disturbed)?;
        }
        if is_disturbed {
            self.ask_for_sessions(registry).await;
        }
        Ok(())
    }

    /// Collects without any grace. What a tag or an index needs stays; whatever else is gone then is gone for good.
    pub(crate) async fn collect(&mut self, registry: &Arc<Registry>) -> Result<(), String> {
        let wanted =
            Collection { grace: Duration::ZERO, delete_untagged: false, dry_run: false, is_at_ease: false };
        let collected = registry.collect(wanted, None).await;
        self.tell(format!("what nothing refers to is collected: {collected:?}"));
        self.model.make_unneeded_dispensable();
        let found = match collected {
            _ if self.is_disturbed() => return Ok(()),
            Err(error) => Err(format!("collecting failed: {error:?}")),
            Ok(_) => inspect_facts(registry, &mut self.model).await,
        };
        // The background's calls may have come to the stop meanwhile.
        if self.is_disturbed() { Ok(()) } else { found }
    }

    /// As a client does after an error: asks where its upload stands.
    async fn ask_for_sessions(&mut self, registry: &Registry) {
        for (id, session) in &mut self.model.sessions {
            match registry.upload_status(&GOODS.repositories[session.repository], *id).await {
                Ok(found) => session.sent = usize::try_from(found.offset).unwrap(),
                Err(Error::UploadUnknown { .. }) => session.may_have_ended = true,
                Err(_) => {}
            }
        }
    }

    /// Stops in good order, which promises every byte of every session.
    pub(crate) async fn park(&mut self, registry: &Arc<Registry>) {
        self.tell("the uploads are parked");
        registry.close().await;
        if !self.is_disturbed() {
            for session in self.model.sessions.values_mut() {
                session.promised = session.sent;
            }
        }
    }

    pub(crate) fn kill(&mut self) {
        self.tell("the process is killed");
        self.machine.kill();
    }

    pub(crate) fn cut(&mut self, seed: u64) {
        self.tell("the power is cut");
        self.machine.cut(seed);
    }
}

/// Everything small, so that a short life fills segments, settles payloads and makes checkpoints.
pub(crate) fn options() -> Options {
    Options {
        checkpoint_interval: Duration::from_millis(2),
        ballast: 8 << 10,
        log_payload: 5_000,
        log_segment: 16 << 10,
        archive_size: 1 << 10,
        log_size: 128 << 10,
        settle_interval: Duration::from_millis(1),
        lease: Duration::ZERO,
        ..Options::default()
    }
}
