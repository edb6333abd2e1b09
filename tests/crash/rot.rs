//! A record that the disk had promised to keep and has lost: the store does not go on as if it had never been.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use holdfast::registry::{Registry, Settings};
use holdfast::store::simulated::Simulated;
use holdfast::store::{Disk, OpenError, Options, ReplayError, Rule, Store};

use crate::execution::execute;
use crate::operation::Operation;
use crate::story::{options, runtime};

/// What is pushed, a record each.
const PUSHES: usize = 4;

/// Damages each record of a log in turn, all of which are past the last checkpoint. The last one may go quietly, for
/// nothing tells that it was ever synced; any other has the start refused, with nothing changed.
pub(crate) fn lose_each_record(rule: Option<Rule>) -> Result<(), String> {
    let (machine, records) = pushed();
    machine.leave_out(rule);
    for (number, record) in records.iter().enumerate() {
        let machine = machine.copy(0);
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

/// A machine whose process was killed after some pushes, and where the log has them.
fn pushed() -> (Simulated, Vec<Record>) {
    let machine = Simulated::new(0);
    let runtime = runtime();
    let _guard = runtime.enter();
    let store = Store::open_on(machine.disk(), Path::new("/"), &at_ease()).unwrap();
    let registry = Registry::new(store, Settings::default());
    let records = (1..=PUSHES).map(|blob| {
        runtime.block_on(execute(&registry, &Operation::Push { repository: 0, blob }));
        end_of_log(&machine.disk())
    });
    let records = records.collect();
    machine.kill();
    (machine, records)
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
