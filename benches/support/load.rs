//! Many connections doing the same thing, and how long each time took.

use std::io;
use std::net::SocketAddr;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::Connection;

/// When a load ends: at the first of the two.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    pub operations: u64,
    pub time: Duration,
}

/// What a load has done.
#[derive(Debug, Default)]
pub struct Load {
    pub operations: u64,
    pub bytes: u64,
    pub elapsed: Duration,
    /// One for each operation, in ascending order.
    pub latencies: Vec<Duration>,
}

impl Load {
    /// The latency that this share of the operations did not exceed.
    pub fn percentile(&self, share: f64) -> Duration {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index of the list")]
        let index = (share * self.latencies.len() as f64) as usize;
        self.latencies.get(index.min(self.latencies.len().saturating_sub(1))).copied().unwrap_or_default()
    }
}

/// Does `work` on so many connections at once until the limit is reached. `work` is told the number of the operation and
/// says how many bytes of payload it has moved. The clock starts when all connections are open.
pub fn run<W>(address: SocketAddr, connections: usize, limit: Limit, work: &W) -> io::Result<Load>
where
    W: Fn(&mut Connection, u64) -> io::Result<u64> + Sync + ?Sized,
{
    let (next, barrier) = (AtomicU64::new(0), Barrier::new(connections));
    let one = || -> io::Result<(Load, Instant, Instant)> {
        let connection = Connection::open(address);
        barrier.wait();
        let began = Instant::now();
        let load = work_off(&mut connection?, limit, began, &next, work)?;
        Ok((load, began, Instant::now()))
    };
    let results: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..connections).map(|_| scope.spawn(one)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let results = results.into_iter().collect::<io::Result<Vec<_>>>()?;
    let began = results.iter().map(|(_, began, _)| *began).min().unwrap();
    let ended = results.iter().map(|(_, _, ended)| *ended).max().unwrap();
    let mut total = Load { elapsed: ended - began, ..Load::default() };
    for (load, _, _) in results {
        total.operations += load.operations;
        total.bytes += load.bytes;
        total.latencies.extend(load.latencies);
    }
    total.latencies.sort_unstable();
    Ok(total)
}

fn work_off<W>(
    connection: &mut Connection,
    limit: Limit,
    began: Instant,
    next: &AtomicU64,
    work: &W,
) -> io::Result<Load>
where
    W: Fn(&mut Connection, u64) -> io::Result<u64> + ?Sized,
{
    let mut load = Load::default();
    while began.elapsed() < limit.time {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= limit.operations {
            break;
        }
        let start = Instant::now();
        load.bytes += work(connection, number)?;
        load.latencies.push(start.elapsed());
        load.operations += 1;
    }
    Ok(load)
}

/// How long so many rounds take, in each of which every connection does `work` once: an iteration of a benchmark.
pub fn rounds<W>(address: SocketAddr, connections: usize, rounds: u64, work: &W) -> Duration
where
    W: Fn(&mut Connection, u64) -> io::Result<u64> + Sync + ?Sized,
{
    let limit = Limit { operations: rounds * connections as u64, time: Duration::MAX };
    run(address, connections, limit, work).unwrap().elapsed
}
