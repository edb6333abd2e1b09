//! The log past the last checkpoint: what becomes of it at a start, and what the disk may do to it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use holdfast::store::simulated::Simulated;
use holdfast::store::{Disk, OpenError, Options, ReplayError, Rule, Store};

use crate::operation::Operation;
use crate::story::{Story, options, runtime};

/// What is pushed, a record each.
const PUSHES: usize = 4;

/// Damages each record of a log in turn, all of which are past the last checkpoint. The last one may go quietly, for
/// nothing tells that it was ever synced; any other has the start refused, with nothing changed.
pub(crate) fn lose_each_record(rule: Option<Rule>) -> Result<(), String> {
    let (story, records) = pushed(rule);
    for (number, record) in records.iter().enumerate() {
        let machine = story.machine.copy(0);
        machine.rot(&record.segment, record.offset).map_err(|error| error.to_string())?;
        match Store::open_on(machine.disk(), Path::new("/"), &at_ease()) {
            Ok(_) if number + 1 == PUSHES => {}
            // Named is the segment that the records before it end in.
            Err(OpenError::Log(ReplayError::Lost { path, .. }))
                if path == records[number.saturating_sub(1)].segment => {}
            Ok(_) => return Err(format!("record {number} is lost, and nobody was told")),
            Err(error) => return Err(format!("record {number} is lost, and the error says: {error}")),
        }
    }
    Ok(())
}

struct Record {
    segment: PathBuf,
    /// Of its last byte.
    offset: u64,
}

/// A store that was killed after some pushes, none of which a checkpoint has, and where the log has them.
fn pushed(rule: Option<Rule>) -> (Story, Vec<Record>) {
    let mut story = Story::new(Simulated::new(0));
    story.options = at_ease();
    story.machine.leave_out(rule);
    let runtime = runtime();
    let registry = story.open(&runtime).unwrap().unwrap();
    let records = (1..=PUSHES).map(|blob| {
        let push = Operation::Push { repository: 0, blob };
        runtime.block_on(story.execute(&registry, vec![push])).unwrap();
        end_of_log(&story.machine.disk())
    });
    let records = records.collect();
    story.kill();
    (story, records)
}

/// What is replayed is copied into several segments. A cut right after that start loses none of it.
pub(crate) fn cut_after_replay(rule: Option<Rule>) -> Result<(), String> {
    let (story, _) = pushed(rule);
    for seed in 0..10 {
        let mut story = story.fork(seed);
        let came_back = (0..2).try_for_each(|_| {
            let registry = story.open(&runtime())?;
            story.cut(seed);
            drop(registry);
            Ok(())
        });
        came_back.map_err(|wrong| story.end_badly(wrong))?;
    }
    Ok(())
}

/// Nothing happens behind the test's back, and segments are small.
fn at_ease() -> Options {
    let never = Duration::from_secs(600);
    Options { checkpoint_interval: never, settle_interval: never, log_segment: 12 << 10, ..options() }
}

/// The last byte of the last segment that has a record.
fn end_of_log(disk: &Arc<dyn Disk>) -> Record {
    let folder = Path::new("/log");
    let names = disk.list(folder).unwrap();
    let segments = names.iter().map(|name| folder.join(name));
    let written = segments.filter(|path| disk.length(path).unwrap() > 4096);
    let segment = written.max().unwrap();
    Record { offset: disk.length(&segment).unwrap() - 1, segment }
}
