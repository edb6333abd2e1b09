//! One row: every contestant is prepared, then they take turns.

use std::fs;
use std::thread;
use std::time::Duration;

use holdfast::load::{Connection, Failure, Limit, Tally};

use crate::arguments::Arguments;
use crate::contestant::Contestant;
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
        let server = contestant.start()?;
        let memory = Memory::watch(server.pid());
        let work = (row.prepare)(&contestant.place(&server))?;
        Ok(Self { server, memory, work, turns: Vec::new() })
    }

    fn take_turn(&mut self, row: &Row, time: Duration) -> Result<(), Failure> {
        settle();
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
    for round in 0..arguments.rounds {
        for place in 0..runners.len() {
            let index = (place + round) % runners.len();
            let turn = match &mut runners[index] {
                Ok(runner) => runner.take_turn(row, arguments.turn),
                Err(_) => continue,
            };
            if let Err(error) = turn {
                runners[index] = Err(error);
            }
        }
    }
    let outcomes = runners.into_iter().map(|runner| runner.map(Runner::finish));
    contestants.iter().map(|contestant| contestant.name.clone()).zip(outcomes).collect()
}

/// Has the disk done with what was written before, and everybody begin with an empty page cache.
fn settle() {
    rustix::fs::sync();
    // Only root may; without it everybody begins with what happens to be there.
    let _not_allowed = fs::write("/proc/sys/vm/drop_caches", "1");
    thread::sleep(Duration::from_millis(200));
}
