//! One row: every contestant is prepared, then they take turns.

use std::time::Duration;

use holdfast::load::{Connection, Failure, Limit, Tally};

use crate::arguments::Arguments;
use crate::contestant::Contestant;
use crate::page_cache::Preparation;
use crate::rows::{Row, Work};
use crate::support::{Memory, Server, cpu_time, run};

/// One turn.
pub(crate) struct Turn {
    pub(crate) done: Tally,
    pub(crate) elapsed: Duration,
    /// The server's processor time.
    pub(crate) cpu: Duration,
}

impl Turn {
    /// Does `work` on so many connections, until the limit.
    pub(crate) fn take<W>(
        server: &Server,
        connections: usize,
        limit: Limit,
        work: &W,
    ) -> Result<Self, Failure>
    where
        W: Fn(&mut Connection, u64) -> Result<u64, Failure> + Sync + ?Sized,
    {
        let before = cpu_time(server.pid())?;
        let load = run(&server.target, connections, limit, work)?;
        let cpu = cpu_time(server.pid())?.saturating_sub(before);
        Ok(Self { done: load.total(), elapsed: load.elapsed, cpu })
    }

    /// Operations in a second.
    pub(crate) fn rate(&self) -> f64 {
        self.done.operations as f64 / self.elapsed.as_secs_f64()
    }

    /// In seconds.
    pub(crate) fn cpu_an_operation(&self) -> f64 {
        self.cpu.as_secs_f64() / self.done.operations as f64
    }
}

/// What a contestant has come to in a row.
pub(crate) struct Outcome {
    pub(crate) turns: Vec<Turn>,
    /// In bytes, over the preparation and all turns.
    pub(crate) peak_anonymous: u64,
    pub(crate) peak_resident: u64,
}

/// By name; an error says what a registry answered that it should not have.
pub(crate) type Results = Vec<(String, Result<Outcome, Failure>)>;

struct Runner {
    server: Server,
    memory: Memory,
    work: Work,
    turns: Vec<Turn>,
}

impl Runner {
    fn prepare(row: &Row, contestant: &Contestant) -> Result<Self, Failure> {
        let server = contestant.start(row.way)?;
        let memory = Memory::watch(server.pid());
        let work = (row.prepare)(&contestant.place(&server))?;
        Ok(Self { server, memory, work, turns: Vec::new() })
    }

    fn take_turn(&mut self, row: &Row, time: Duration) -> Result<(), Failure> {
        let warm_up = Limit { operations: row.connections.min(8) as u64, time };
        if row.operations == u64::MAX {
            Turn::take(&self.server, row.connections, warm_up, &*self.work)?;
        }
        let limit = Limit { operations: row.operations, time };
        self.turns.push(Turn::take(&self.server, row.connections, limit, &*self.work)?);
        Ok(())
    }

    fn finish(self) -> Outcome {
        let (peak_anonymous, peak_resident) = (self.memory.peak_anonymous(), self.memory.peak_resident());
        Outcome { turns: self.turns, peak_anonymous, peak_resident }
    }
}

/// Measures a row.
pub(crate) fn measure(row: &Row, contestants: &[Contestant], arguments: &Arguments) -> Results {
    let contestants: Vec<_> = contestants.iter().filter(|contestant| contestant.can_do(row)).collect();
    let mut runners: Vec<_> = contestants.iter().map(|contestant| Runner::prepare(row, contestant)).collect();
    let mut page_cache = Preparation::of(row.page_cache).unwrap();
    for round in 0..arguments.rounds {
        for place in 0..runners.len() {
            let index = (place + round) % runners.len();
            let Ok(runner) = &mut runners[index] else {
                continue;
            };
            let settled = page_cache.settle().map_err(Failure::from);
            if let Err(error) = settled.and_then(|()| runner.take_turn(row, arguments.turn)) {
                runners[index] = Err(error);
            }
        }
    }
    let outcomes = runners.into_iter().map(|runner| runner.map(Runner::finish));
    contestants.iter().map(|contestant| contestant.name.clone()).zip(outcomes).collect()
}
