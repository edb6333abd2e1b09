//! Loads that end at the first thing that goes wrong.

use std::time::Duration;

use holdfast::load::{
    self, Connection, EMPTY_INDEX, Failure, Limit, Load, Plan, Target, Watch, put_manifest,
};
use holdfast::oci::ManifestType;

/// Does `work` on so many connections at once until the limit is reached. `work` is told the number of the operation and
/// says how many bytes of payload it has moved. The clock starts when all connections are open.
pub fn run<W>(target: &Target, connections: usize, limit: Limit, work: &W) -> Result<Load, Failure>
where
    W: Fn(&mut Connection, u64) -> Result<u64, Failure> + Sync + ?Sized,
{
    let watch = Watch::default();
    let careful =
        |connection: &mut Connection, number| work(connection, number).inspect_err(|_| watch.stop.set());
    let load = load::run(&Plan { target, connections, limit }, &watch, &careful);
    match load.failures.total() {
        0 => Ok(load),
        _ => Err(load.failures.into_any().unwrap()),
    }
}

/// How long so many rounds take, in each of which every connection does `work` once: an iteration of a benchmark.
pub fn rounds<W>(target: &Target, connections: usize, rounds: u64, work: &W) -> Duration
where
    W: Fn(&mut Connection, u64) -> Result<u64, Failure> + Sync + ?Sized,
{
    let limit = Limit { operations: rounds * connections as u64, time: Duration::MAX };
    run(target, connections, limit, work).unwrap().elapsed
}

/// Gives one manifest the tags `t0000000` to `count` - 1.
pub fn fill_with_tags(target: &Target, repository: &str, count: u64) -> Result<(), Failure> {
    let limit = Limit { operations: count, time: Duration::MAX };
    let work = |connection: &mut Connection, number: u64| {
        let tag = format!("t{number:07}");
        put_manifest(connection, repository, &tag, ManifestType::OciIndex, EMPTY_INDEX.as_bytes())?;
        Ok(0)
    };
    run(target, 64, limit, &work).map(drop)
}
