//! The lives of one store.

use std::path::Path;
use std::sync::Arc;

use futures_util::future::join_all;
use holdfast::registry::{Registry, Settings};
use holdfast::store::simulated::{Random, Simulated};
use holdfast::store::{Options, Rule, Store};

use crate::execution::execute;
use crate::goods::GOODS;
use crate::inspection::{inspect, survey};
use crate::model::Model;
use crate::operation::Operation;

/// What happens on one machine, and how it is told if it goes wrong.
struct Story {
    machine: Simulated,
    random: Random,
    model: Model,
    told: Vec<String>,
}

/// Lives the lives of a seed. An error tells the whole story. A rule may be left out.
pub(crate) fn live(seed: u64, rule: Option<Rule>) -> Result<(), String> {
    let machine = Simulated::new(seed);
    machine.leave_out(rule);
    let (random, model) = (Random::new(seed), Model::default());
    let mut story = Story { machine, random, model, told: Vec::new() };
    let lives = 4 + story.random.below(4);
    let lived = (0..lives).try_for_each(|life| story.live(life)).and_then(|()| story.come_back_for_good());
    lived.map_err(|wrong| {
        story.told.push(wrong);
        story.told.join("\n  ")
    })
}

impl Story {
    fn tell(&mut self, text: impl Into<String>) {
        self.told.push(text.into());
    }

    /// One life, from the opening of the store to its end by force.
    fn live(&mut self, life: usize) -> Result<(), String> {
        self.tell(format!("life {life}"));
        if self.random.chance(30) {
            // Creating the store takes many more calls than opening it.
            let calls = if life == 0 { 900 } else { 60 };
            let calls = self.random.below(calls) as u64;
            self.machine.stop_after(calls);
        }
        // Made first, because it goes last: its threads may still be at work when the machine is gone.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let registry = self.open(&runtime)?;
        if let Some(registry) = &registry {
            runtime.block_on(self.work(registry))?;
            if !self.machine.has_stopped() && self.random.chance(30) {
                runtime.block_on(self.park(registry));
            }
        }
        self.end();
        Ok(())
    }

    /// Opens the store and looks at everything in it. `None` if the machine has stopped before that was done.
    fn open(&mut self, runtime: &tokio::runtime::Runtime) -> Result<Option<Arc<Registry>>, String> {
        let store = match Store::open_on(self.machine.disk(), Path::new("/"), &Options::default()) {
            Ok(store) => store,
            Err(_) if self.machine.has_stopped() => return Ok(None),
            Err(error) => return Err(format!("the store could not be opened: {error}")),
        };
        let surveyed = survey(&store);
        let registry = Registry::new(store, Settings::default());
        let inspected = runtime.block_on(inspect(&registry, &mut self.model));
        if self.machine.has_stopped() {
            return Ok(None);
        }
        surveyed.and(inspected)?;
        Ok(Some(registry))
    }

    async fn work(&mut self, registry: &Arc<Registry>) -> Result<(), String> {
        if self.random.chance(80) {
            self.machine.stop_after(self.random.below(300) as u64);
        }
        for _ in 0..self.random.below(25) {
            if self.machine.has_stopped() {
                break;
            }
            let operations = self.choose();
            self.execute(registry, operations).await?;
        }
        Ok(())
    }

    /// One operation, or several at once: then in different repositories, but for two clients that do the same.
    fn choose(&mut self) -> Vec<Operation> {
        let mut repositories: Vec<_> = (0..GOODS.repositories.len()).collect();
        let wanted = if self.random.chance(30) { 2 + self.random.below(2) } else { 1 };
        while repositories.len() > wanted {
            repositories.remove(self.random.below(repositories.len()));
        }
        let choose = |repository| Operation::choose(&self.model, &mut self.random, repository);
        let mut operations: Vec<_> = repositories.into_iter().map(choose).collect();
        if operations.len() > 1 {
            // What is mounted might be deleted at the same time.
            operations.retain(|operation| !matches!(operation, Operation::Mount { .. }));
        }
        if let Some(Operation::Push { repository, blob }) = operations.first().cloned()
            && self.random.chance(25)
        {
            operations.push(Operation::Push { repository, blob });
        }
        operations
    }

    async fn execute(&mut self, registry: &Arc<Registry>, operations: Vec<Operation>) -> Result<(), String> {
        let outcomes = join_all(operations.iter().map(|operation| execute(registry, operation))).await;
        let is_disturbed = self.machine.has_stopped();
        for (operation, outcome) in operations.into_iter().zip(outcomes) {
            self.tell(format!("{operation:?}: {:?} {:?}", outcome.reply, outcome.begun));
            self.model.sessions.extend(outcome.begun);
            operation.record(&mut self.model, &outcome.reply, is_disturbed)?;
        }
        Ok(())
    }

    /// Stops in good order, which promises every byte of every session.
    async fn park(&mut self, registry: &Arc<Registry>) {
        self.tell("the uploads are parked");
        registry.close().await;
        if !self.machine.has_stopped() {
            for session in self.model.sessions.values_mut() {
                session.promised = session.sent;
            }
        }
    }

    fn end(&mut self) {
        if self.random.chance(50) {
            self.tell("the process is killed");
            self.machine.kill();
        } else {
            self.tell("the power is cut");
            self.machine.cut(self.random.number());
        }
    }

    /// The last life, which nothing disturbs.
    fn come_back_for_good(&mut self) -> Result<(), String> {
        self.tell("for good");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        self.open(&runtime).map(drop)
    }
}
