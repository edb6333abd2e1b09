//! Backups on a disk that stops: what comes back is what was there at one backup, whole, or nothing.

use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use holdfast::registry::Registry;
use holdfast::store::simulated::{Call, Simulated};
use holdfast::store::{BackupNews, Options, Restoring, Store, Summary, restore_on};
use tokio::runtime::Runtime;

use crate::goods::GOODS;
use crate::inspection::{inspect, settings, survey};
use crate::model::Model;
use crate::operation::Operation;
use crate::races::{PATIENCE, come_to_rest, wait_until};
use crate::story::{Story, options, runtime};

const BACKUP: &str = "/backup";
const RESTORED: &str = "/restored";
/// A blob that has a file of its own at once.
const LARGE: usize = 7;

/// A store that was never backed up.
static NEW: LazyLock<Story> = LazyLock::new(|| lived(&Story::new(Simulated::new(0)), &first_life(), false));

/// The same, backed up.
static BACKED_UP: LazyLock<Story> = LazyLock::new(|| lived(&NEW, &[], true));

/// The same, after more has happened.
static GONE_ON: LazyLock<Story> = LazyLock::new(|| lived(&BACKED_UP, &second_life(), false));

fn first_life() -> [Operation; 5] {
    let repository = 0;
    [
        Operation::Push { repository, blob: 0 },
        Operation::Push { repository, blob: 3 },
        Operation::Push { repository, blob: LARGE },
        Operation::PutManifest { repository, manifest: 0, tags: vec![0, 1] },
        Operation::Push { repository: 1, blob: 4 },
    ]
}

fn second_life() -> [Operation; 6] {
    let repository = 0;
    [
        Operation::Push { repository, blob: 1 },
        Operation::Push { repository, blob: 5 },
        Operation::PutManifest { repository, manifest: 1, tags: vec![1, 2] },
        Operation::DeleteTag { repository, tag: 0 },
        Operation::DeleteBlob { repository, blob: LARGE },
        Operation::Push { repository: 2, blob: 6 },
    ]
}

/// A life in which nothing goes wrong. What is small stays in the log.
fn lived(story: &Story, operations: &[Operation], ends_with_backup: bool) -> Story {
    let mut story = story.fork(0);
    story.options = at_ease();
    let runtime = runtime();
    let registry = story.open(&runtime).expect("a sound store").expect("nothing fails");
    for operation in operations {
        runtime.block_on(story.execute(&registry, vec![operation.clone()])).expect("nothing fails");
    }
    if ends_with_backup {
        back_up(&runtime, &story, &registry).expect("nothing fails");
    }
    drop(registry);
    story.kill();
    story
}

fn at_ease() -> Options {
    Options { settle_interval: Duration::from_secs(3_600), ..options() }
}

fn back_up(runtime: &Runtime, story: &Story, registry: &Arc<Registry>) -> Result<Summary, String> {
    story.machine.disk().create_folder(Path::new(BACKUP)).map_err(|error| error.to_string())?;
    let (listener, mut news) = tokio::sync::mpsc::channel(64);
    let made = runtime.block_on(registry.back_up(BACKUP.into(), listener));
    while let Ok(news) = news.try_recv() {
        if let BackupNews::Lacking { digest, reason } = news {
            return Err(format!("{digest} is missing: {reason}"));
        }
    }
    made.map_err(|error| error.to_string())
}

fn restore(story: &Story) -> Result<Summary, String> {
    let disk = story.machine.disk();
    disk.create_folder(Path::new(RESTORED)).map_err(|error| error.to_string())?;
    let how = Restoring { links: false, verifies: true };
    let mut lacking = None;
    let mut listener = |news| {
        if let BackupNews::Lacking { digest, reason } = news {
            lacking = Some(format!("{digest} is missing: {reason}"));
        }
        true
    };
    let restored =
        restore_on(&disk, Path::new(BACKUP), Path::new(RESTORED), &story.options, how, &mut listener);
    match lacking {
        Some(lacking) => Err(lacking),
        None => restored.map_err(|error| error.to_string()),
    }
}

/// Opens what was restored: it must be what one of these knows.
fn expect_one_of(story: &Story, models: &[&Model]) -> Result<(), String> {
    let runtime = runtime();
    let _guard = runtime.enter();
    let store = Store::open_on(story.machine.disk(), Path::new(RESTORED), &story.options);
    let store = store.map_err(|error| format!("what was restored cannot be opened: {error}"))?;
    survey(&store)?;
    let registry = Registry::new(store, settings());
    let mut wrongs = Vec::new();
    for model in models {
        match runtime.block_on(inspect(&registry, &mut (*model).clone())) {
            Ok(()) => return Ok(()),
            Err(wrong) => wrongs.push(wrong),
        }
    }
    Err(wrongs.join("; and "))
}

fn has(story: &Story, path: &str) -> bool {
    story.machine.disk().length(Path::new(path)).is_ok()
}

/// How many changing calls there are while something is done that nothing disturbs.
fn changes(story: &Story, work: impl FnOnce(&Story)) -> usize {
    let before = story.machine.changes().len();
    work(story);
    story.machine.changes().len() - before
}

fn end(story: &mut Story, seed: u64) {
    match seed % 3 {
        0 => story.kill(),
        _ => story.cut(seed),
    }
}

/// Where something stops, and what chance has in store.
pub(crate) type Stop = (usize, u64);

/// Of hundreds of calls that create and sync folders some will do; the last ones are all of interest.
fn stops(calls: usize) -> impl Iterator<Item = Stop> + Send {
    const LAST: usize = 80;
    const STRIDE: usize = 41;
    let first = calls.saturating_sub(LAST);
    // None at all, and an end by force right after it.
    let end = std::iter::repeat_n(calls + 1, 8);
    let stops = (0..20.min(first)).chain((20..first).step_by(STRIDE)).chain(first..=calls).chain(end);
    stops.zip(0..)
}

/// Every call while a backup is renewed.
pub(crate) fn stops_of_renewing() -> impl Iterator<Item = Stop> + Send {
    stops(calls_of_backing_up(&GONE_ON))
}

/// Calls while a first backup is made.
pub(crate) fn stops_of_making() -> impl Iterator<Item = Stop> + Send {
    stops(calls_of_backing_up(&NEW))
}

fn calls_of_backing_up(story: &Story) -> usize {
    let (mut story, runtime) = (story.fork(0), runtime());
    let registry = story.open(&runtime).expect("a sound store").expect("nothing fails");
    changes(&story, |story| {
        back_up(&runtime, story, &registry).expect("nothing fails");
    })
}

/// Calls while a store is restored.
pub(crate) fn stops_of_restoring() -> impl Iterator<Item = Stop> + Send {
    stops(changes(&BACKED_UP.fork(0), |story| {
        restore(story).expect("nothing fails");
    }))
}

/// Backs up until everything stops, and ends by force. Whether it came to its end.
fn back_up_until(story: &mut Story, (calls, seed): Stop) -> Result<bool, String> {
    let runtime = runtime();
    let registry = story.open(&runtime)?.ok_or("nothing fails")?;
    story.machine.stop_after(calls);
    let made = back_up(&runtime, story, &registry);
    let is_disturbed = story.is_disturbed();
    drop(registry);
    end(story, seed);
    match made {
        Err(wrong) if !is_disturbed => Err(wrong),
        made => Ok(made.is_ok()),
    }
}

pub(crate) fn stop_renewing(stop: Stop) -> Result<(), String> {
    let mut story = GONE_ON.fork(stop.1);
    let work = |story: &mut Story| {
        let is_made = back_up_until(story, stop)?;
        restore(story)?;
        let models = [&GONE_ON.model, &BACKED_UP.model];
        expect_one_of(story, &models[..if is_made { 1 } else { 2 }])
    };
    work(&mut story).map_err(|wrong| format!("stopped at {stop:?}: {}", story.end_badly(wrong)))
}

pub(crate) fn stop_making(stop: Stop) -> Result<(), String> {
    let mut story = NEW.fork(stop.1);
    let work = |story: &mut Story| {
        let is_made = back_up_until(story, stop)?;
        let is_whole = has(story, "/backup/metadata.snapshot");
        match restore(story) {
            Ok(_) => expect_one_of(story, &[&NEW.model])?,
            Err(wrong) if is_made || is_whole => return Err(wrong),
            Err(_) => {}
        }
        // It is made again.
        let runtime = runtime();
        let registry = story.open(&runtime)?.ok_or("nothing fails")?;
        back_up(&runtime, story, &registry).map(drop)
    };
    work(&mut story).map_err(|wrong| format!("stopped at {stop:?}: {}", story.end_badly(wrong)))
}

pub(crate) fn stop_restoring(stop: Stop) -> Result<(), String> {
    let mut story = BACKED_UP.fork(stop.1);
    let work = |story: &mut Story| {
        story.machine.stop_after(stop.0);
        let restored = restore(story);
        end(story, stop.1);
        expect_no_half_store(story, restored.is_ok())?;
        if !has(story, "/restored/FORMAT") || has(story, "/restored/RESTORE") {
            restore(story)?;
        }
        expect_one_of(story, &[&BACKED_UP.model])
    };
    work(&mut story).map_err(|wrong| format!("stopped at {stop:?}: {}", story.end_badly(wrong)))
}

/// What a restoring has left is refused, or whole, or nothing at all.
fn expect_no_half_store(story: &Story, is_restored: bool) -> Result<(), String> {
    let disk = story.machine.disk();
    if has(story, "/restored/RESTORE") {
        return match Store::open_on(disk, Path::new(RESTORED), &story.options) {
            _ if is_restored => Err("it is said to be restored".to_owned()),
            Ok(_) => Err("what is half there opens".to_owned()),
            Err(error) if error.to_string().contains("run holdfast restore again") => Ok(()),
            Err(error) => Err(error.to_string()),
        };
    }
    if has(story, "/restored/FORMAT") {
        return Ok(());
    }
    let names = disk.list(Path::new(RESTORED)).unwrap_or_default();
    match names.iter().all(|name| name == "RESTORE.new") && !is_restored {
        true => Ok(()),
        false => Err(format!("nothing says that these are no store: {names:?}")),
    }
}

/// A payload is deleted just before its file gets its second name.
pub(crate) fn delete_meanwhile() -> Result<(), String> {
    let mut story = NEW.fork(0);
    story.options = options();
    let runtime = runtime();
    let registry = story.open(&runtime)?.ok_or("nothing fails")?;
    let hex = GOODS.blobs[LARGE].digest.hex();
    let held = {
        let hex = hex.clone();
        story.machine.hold(move |call, path, _| call == Call::Link && path.to_string_lossy().contains(&hex))
    };
    let files = {
        let machine = story.machine.clone();
        let folder = Path::new("/blobs").join(GOODS.blobs[LARGE].digest.algorithm().as_str()).join(&hex[..2]);
        move || machine.disk().list(&folder).unwrap_or_default().len()
    };
    let before = story.model.clone();
    story.machine.disk().create_folder(Path::new(BACKUP)).map_err(|error| error.to_string())?;
    let delete = Operation::DeleteBlob { repository: 0, blob: LARGE };
    let (listener, _news) = tokio::sync::mpsc::channel(64);
    let made = runtime.block_on(async {
        let making = tokio::spawn({
            let registry = Arc::clone(&registry);
            async move { registry.back_up(BACKUP.into(), listener).await }
        });
        let reached = tokio::task::spawn_blocking(move || (held.is_reached_within(PATIENCE), held)).await;
        let (is_reached, held) = reached.map_err(|error| error.to_string())?;
        if !is_reached {
            return Err("it was never linked".to_owned());
        }
        story.execute(&registry, vec![delete]).await?;
        come_to_rest();
        if files() != 1 {
            return Err("the file went while a backup was made".to_owned());
        }
        held.let_go();
        making.await.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
    })?;
    if made.lacking > 0 {
        return Err(format!("something is missing: {made:?}"));
    }
    wait_until(|| files() == 0).map_err(|_| "the file never went".to_owned())?;
    drop(registry);
    story.kill();
    restore(&story)?;
    expect_one_of(&story, &[&before])
}
