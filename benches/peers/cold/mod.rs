//! Whether those who pull what only the disk has stall others: small GETs, timed while large blobs are pulled beside them.
//!
//! A few visitors ask for a manifest by tag or for a small blob, and rest for a moment between two requests, so that they are
//! no load; what they ask for is in memory. They do so alone, while others pull large blobs that are in memory as well,
//! which tells what the pulls cost them in processor time, and while others pull blobs that were thrown out of the page cache,
//! each once. What the server has read from the disk meanwhile is told, as a proof.

mod large;
mod table;
mod visitors;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use holdfast::load::{Connection, Failure, Latencies};

use crate::arguments::Arguments;
use crate::contestant::Contestant;
use crate::page_cache::{PageCache, Preparation};
use crate::support::{Server, Way};

use large::{Large, Pulled};
use visitors::Visits;

/// What others do meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Beside {
    Nothing,
    HotPulls,
    ColdPulls,
}

impl Beside {
    const ALL: [Self; 3] = [Self::Nothing, Self::HotPulls, Self::ColdPulls];
}

/// What one turn has come to.
struct Turn {
    manifests: Latencies,
    blobs: Latencies,
    pulled: Pulled,
}

/// The turns of a registry for each of [`Beside::ALL`].
type Outcome = [Vec<Turn>; Beside::ALL.len()];

/// Measures and prints, if it is wanted. Whether all went well.
pub(crate) fn run(contestants: &[Contestant], arguments: &Arguments) -> bool {
    if !arguments.wants("small GETs beside cold pulls") {
        return true;
    }
    let registries: Vec<_> = contestants.iter().filter(|contestant| contestant.is_registry()).collect();
    let mut runners: Vec<_> = registries.iter().map(|registry| Runner::prepare(registry)).collect();
    for round in 0..arguments.rounds {
        for place in 0..runners.len() {
            let index = (place + round) % runners.len();
            if let Ok(runner) = &mut runners[index]
                && let Err(failure) = runner.take_turns(arguments.turn)
            {
                runners[index] = Err(failure);
            }
        }
    }
    table::print_head();
    for (registry, runner) in registries.iter().zip(&runners) {
        table::print_rows(&registry.name, runner.as_ref().map(|runner| &runner.turns));
    }
    runners.iter().all(Result::is_ok)
}

/// A registry that has everything that is asked for.
struct Runner {
    server: Server,
    visits: Visits,
    large: Large,
    turns: Outcome,
}

impl Runner {
    fn prepare(registry: &Contestant) -> Result<Self, Failure> {
        let server = registry.start(Way::Plain)?;
        let place = registry.place(&server);
        let (visits, large) = (Visits::prepare(&place)?, Large::prepare(&server, &place)?);
        Ok(Self { server, visits, large, turns: Outcome::default() })
    }

    fn take_turns(&mut self, time: Duration) -> Result<(), Failure> {
        for beside in Beside::ALL {
            // What it has mapped so far would stay in memory.
            self.server.restart()?;
            Preparation::of(PageCache::Empty)?.settle()?;
            self.visits.warm_up(&mut Connection::open(&self.server.target)?)?;
            match beside {
                Beside::Nothing => {}
                Beside::HotPulls => self.large.warm_up(&mut Connection::open(&self.server.target)?)?,
                Beside::ColdPulls => self.large.throw_out()?,
            }
            self.turns[beside as usize].push(self.take_turn(beside, time)?);
        }
        Ok(())
    }

    /// The visitors come for as long as others pull.
    fn take_turn(&self, beside: Beside, time: Duration) -> Result<Turn, Failure> {
        let are_over = AtomicBool::new(false);
        thread::scope(|scope| {
            let pulls = scope.spawn(|| {
                let pulled = match beside {
                    Beside::Nothing => {
                        thread::sleep(time);
                        Ok(Pulled::default())
                    }
                    Beside::HotPulls => self.large.pull_for(&self.server, time),
                    Beside::ColdPulls => self.large.pull_all(&self.server),
                };
                are_over.store(true, Ordering::Relaxed);
                pulled
            });
            let visits = self.visits.take(&self.server.target, &are_over);
            let (pulled, (manifests, blobs)) = (pulls.join().unwrap()?, visits?);
            Ok(Turn { manifests, blobs, pulled })
        })
    }
}
