//! The log past the last checkpoint: what becomes of it at a start, and what the disk may do to it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use holdfast::registry::Registry;
use holdfast::store::simulated::{Call, Failure, Simulated};
use holdfast::store::{Disk, OpenError, Options, ReplayError, Rule, Store};

use crate::execution::execute;
use crate::goods::GOODS;
use crate::inspection::{settings, survey};
use crate::operation::{Operation, Reply};
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

/// The database as of its last checkpoint is a sound store by itself: what a blob's deletion unlinks after it is still
/// there, should the log past it be lost.
pub(crate) fn go_back_to_the_checkpoint(rule: Option<Rule>) -> Result<(), String> {
    let interval = Duration::from_millis(200);
    let mut story = Story::new(Simulated::new(0));
    story.options = Options { settle_interval: interval, ..at_ease() };
    story.machine.leave_out(rule);
    let runtime = runtime();
    let registry = story.open(&runtime)?.ok_or("nothing fails")?;
    let execute = |story: &mut Story, operation| runtime.block_on(story.execute(&registry, vec![operation]));
    let blob = GOODS.blobs.len() - 1;
    execute(&mut story, Operation::Push { repository: 0, blob })?;
    // A checkpoint is made when nothing has come for a while.
    std::thread::sleep(4 * interval);
    let kept = end_of_log(&story.machine.disk());
    let unlinked = story.machine.hold(|call, path, _| call == Call::Unlink && path.starts_with("/blobs"));
    execute(&mut story, Operation::DeleteBlob { repository: 0, blob })?;
    if !unlinked.is_reached_within(Duration::from_secs(20)) {
        return Err("the file was never unlinked".to_owned());
    }
    let noted = story.machine.hold(|call, path, _| call == Call::Write && path.starts_with("/log"));
    unlinked.let_go();
    let is_noted = noted.is_reached_within(Duration::from_secs(20));
    story.kill();
    drop((noted, registry));
    lose_after(&story.machine, &kept)?;
    let store = Store::open_on(story.machine.disk(), Path::new("/"), &story.options);
    match store.map_err(|error| error.to_string()) {
        Ok(store) if is_noted => survey(&store),
        Ok(_) => Err("that it was unlinked was never noted".to_owned()),
        Err(error) => Err(error),
    }
}

/// Damages every record of the log behind one.
fn lose_after(machine: &Simulated, kept: &Record) -> Result<(), String> {
    let disk = machine.disk();
    for name in disk.list(Path::new("/log")).map_err(|error| error.to_string())? {
        let segment = Path::new("/log").join(name);
        let length = disk.length(&segment).map_err(|error| error.to_string())?;
        let first = if segment == kept.segment { kept.offset } else { 0 };
        for offset in (first / 4096 + 1..length.div_ceil(4096)).filter(|_| segment >= kept.segment) {
            machine.rot(&segment, 4096 * offset).map_err(|error| error.to_string())?;
        }
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
    // One that is deleted just now is not the last.
    let written = disk.list(folder).unwrap().into_iter().filter_map(|name| {
        let segment = folder.join(name);
        let length = disk.length(&segment).ok().filter(|length| *length > 4096)?;
        Some((segment, length))
    });
    let (segment, length) = written.max().unwrap();
    Record { segment, offset: length - 1 }
}

/// A segment that could not be named durably is made anew: the push that needed it fails, and no other.
pub(crate) fn fail_to_name_a_segment() -> Result<(), String> {
    let machine = Simulated::new(0);
    let runtime = runtime();
    let _guard = runtime.enter();
    let store = Store::open_on(machine.disk(), Path::new("/"), &at_ease()).unwrap();
    let registry = Registry::new(store, settings());
    machine.fail(Call::SyncFolder, 0, Failure::Device);
    let pushes = (0..GOODS.repositories.len())
        .flat_map(|repository| (1..=PUSHES).map(move |blob| Operation::Push { repository, blob }));
    let replies = pushes.map(|push| runtime.block_on(execute(&registry, &push)).reply);
    let failed: Vec<_> = replies.filter(|reply| !matches!(reply, Reply::Done)).collect();
    let has_failed = machine.has_failed();
    machine.kill();
    match &failed[..] {
        [Reply::Error(_)] if has_failed => Ok(()),
        others => Err(format!("failed: {has_failed}, and so did {others:?}")),
    }
}
