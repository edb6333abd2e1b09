//! Many connections doing the same thing, and how long each time took.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::gate::Gate;
use super::{Connection, Failure, Failures, Latencies, Stop, Target};

/// How long a connection rests after a failure: a server that is gone or refuses everything is not hammered.
const REST: Duration = Duration::from_millis(100);

/// What is done again and again.
pub trait Work: Sync {
    /// What the operation of this number is; those of one kind are measured together.
    fn kind(&self, number: u64) -> &'static str;

    /// Does the operation of this number, and says how many bytes of payload it has moved.
    fn perform(&self, connection: &mut Connection, number: u64) -> Result<u64, Failure>;
}

impl<W: Fn(&mut Connection, u64) -> Result<u64, Failure> + Sync + ?Sized> Work for W {
    fn kind(&self, _number: u64) -> &'static str {
        "operation"
    }

    fn perform(&self, connection: &mut Connection, number: u64) -> Result<u64, Failure> {
        self(connection, number)
    }
}

/// When a load ends: at the first of the two. What is under way then is finished.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    pub operations: u64,
    pub time: Duration,
}

/// Whom a load is for, and how much of it there is.
#[derive(Debug, Clone)]
pub struct Plan<'a> {
    pub target: &'a Target,
    pub connections: usize,
    pub limit: Limit,
}

/// For those who look on while a load runs, and may stop it.
#[derive(Debug, Default)]
pub struct Watch {
    /// Those that went well.
    pub operations: AtomicU64,
    pub bytes: AtomicU64,
    pub failures: AtomicU64,
    /// Set, it ends the load at once; what is under way then counts for nothing.
    pub stop: Stop,
}

/// Operations of one kind that went well.
#[derive(Debug, Default)]
pub struct Tally {
    pub operations: u64,
    pub bytes: u64,
    pub latencies: Latencies,
}

impl Tally {
    fn merge(&mut self, other: &Self) {
        self.operations += other.operations;
        self.bytes += other.bytes;
        self.latencies.merge(&other.latencies);
    }
}

/// What a load has done.
#[derive(Debug, Default)]
pub struct Load {
    /// From the first operation's begin to the last one's end.
    pub elapsed: Duration,
    /// By the kind of operation.
    pub tallies: BTreeMap<&'static str, Tally>,
    pub failures: Failures,
}

impl Load {
    /// All kinds together.
    pub fn total(&self) -> Tally {
        let mut total = Tally::default();
        self.tallies.values().for_each(|tally| total.merge(tally));
        total
    }

    fn merge(&mut self, other: Self) {
        self.elapsed = self.elapsed.max(other.elapsed);
        for (kind, tally) in other.tallies {
            self.tallies.entry(kind).or_default().merge(&tally);
        }
        self.failures.merge(other.failures);
    }
}

/// Does `work` on all connections at once until the limit is reached. The clock starts when all connections are open.
/// What fails is counted, and the connection goes on with the next.
pub fn run<W: Work + ?Sized>(plan: &Plan<'_>, watch: &Watch, work: &W) -> Load {
    let (next, gate) = (AtomicU64::new(0), Gate::new(plan.connections));
    let worker = Worker { plan, watch, work, next: &next };
    let mut load = Load::default();
    thread::scope(|scope| {
        let start = |_| thread::Builder::new().spawn_scoped(scope, || worker.run(&gate));
        let started: Vec<_> = (0..plan.connections).map(start).collect();
        started.iter().filter(|thread| thread.is_err()).for_each(|_| gate.arrive());
        for thread in started {
            match thread {
                Ok(thread) => {
                    let ended = thread.join();
                    load.merge(ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
                }
                Err(error) => load.failures.add(no_thread(&error)),
            }
        }
    });
    load
}

fn no_thread(error: &io::Error) -> Failure {
    io::Error::new(error.kind(), format!("no thread for so many connections: {error}")).into()
}

/// What all threads have in common.
struct Worker<'a, W: ?Sized> {
    plan: &'a Plan<'a>,
    watch: &'a Watch,
    work: &'a W,
    /// The number of the next operation, whoever does it.
    next: &'a AtomicU64,
}

impl<W: Work + ?Sized> Worker<'_, W> {
    fn run(&self, gate: &Gate) -> Load {
        let mut load = Load::default();
        let mut connection = Connection::closed(self.plan.target, &self.watch.stop);
        let opened = connection.reopen();
        gate.pass();
        let began = Instant::now();
        if let Err(failure) = opened {
            self.fail(&mut load, failure);
        }
        while let Some(number) = self.next(began) {
            self.perform(&mut connection, number, &mut load);
        }
        load.elapsed = began.elapsed();
        load
    }

    /// The number of the operation that is to be done next, if there is to be one.
    fn next(&self, began: Instant) -> Option<u64> {
        if self.watch.stop.check().is_err() || began.elapsed() >= self.plan.limit.time {
            return None;
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        (number < self.plan.limit.operations).then_some(number)
    }

    fn perform(&self, connection: &mut Connection, number: u64, load: &mut Load) {
        let start = Instant::now();
        match self.work.perform(connection, number) {
            Ok(bytes) => {
                let tally = load.tallies.entry(self.work.kind(number)).or_default();
                tally.latencies.record(start.elapsed());
                tally.operations += 1;
                tally.bytes += bytes;
                self.watch.operations.fetch_add(1, Ordering::Relaxed);
                self.watch.bytes.fetch_add(bytes, Ordering::Relaxed);
            }
            Err(failure) => self.fail(load, failure),
        }
    }

    fn fail(&self, load: &mut Load, failure: Failure) {
        if matches!(failure, Failure::Stopped) {
            return;
        }
        load.failures.add(failure);
        self.watch.failures.fetch_add(1, Ordering::Relaxed);
        thread::sleep(REST);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};

    use super::*;

    fn load(operations: u64, watch: &Watch, work: &dyn Work) -> Load {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let target = Target::from(listener.local_addr().unwrap());
        let limit = Limit { operations, time: Duration::from_secs(60) };
        run(&Plan { target: &target, connections: 3, limit }, watch, work)
    }

    #[test]
    fn what_went_well_and_what_failed_is_counted_apart() {
        let watch = Watch::default();
        let work = |_: &mut Connection, number: u64| match number % 10 {
            0 => Err(Failure::Malformed("every tenth")),
            _ => Ok(7),
        };
        let load = load(100, &watch, &work);
        assert_eq!((load.total().operations, load.total().bytes), (90, 90 * 7));
        let failures: Vec<_> = load.failures.iter().map(|(class, count, _)| (class, count)).collect();
        assert_eq!(failures, [("not HTTP", 10)]);
        let live =
            [&watch.operations, &watch.bytes, &watch.failures].map(|count| count.load(Ordering::Relaxed));
        assert_eq!(live, [90, 90 * 7, 10]);
    }

    #[test]
    fn kinds_are_measured_apart() {
        struct Two;
        impl Work for Two {
            fn kind(&self, number: u64) -> &'static str {
                if number < 2 { "first" } else { "rest" }
            }
            fn perform(&self, _: &mut Connection, _: u64) -> Result<u64, Failure> {
                Ok(1)
            }
        }
        let load = load(10, &Watch::default(), &Two);
        let counts: Vec<_> = load.tallies.iter().map(|(kind, tally)| (*kind, tally.operations)).collect();
        assert_eq!(counts, [("first", 2), ("rest", 8)]);
    }

    #[test]
    fn what_is_given_up_counts_for_nothing_when_somebody_stops_it_and_has_failed_when_it_is_overdue() {
        for (stop, failed) in [(Stop::set as fn(&Stop), 0), (Stop::set_overdue, 3)] {
            let watch = Watch::default();
            let gate = Gate::new(3);
            let work = |_: &mut Connection, _: u64| {
                gate.pass();
                stop(&watch.stop);
                watch.stop.check().map(|()| 0)
            };
            let load = load(u64::MAX, &watch, &work);
            assert_eq!((load.total().operations, load.failures.total()), (0, failed));
        }
    }
}
