//! The database is not the only copy of the metadata: whenever a store is opened, its archive and its log must tell the
//! same without it.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use holdfast::store::archive_probe::{Retold, lose_and_rebuild, retell};
use holdfast::store::simulated::Simulated;
use holdfast::store::{Disk, Options, Store};

use crate::goods::GOODS;
use crate::inspection::survey;
use crate::operation::Operation;
use crate::story::{Story, runtime};

const ROOT: &str = "/";

/// Compares what the store comes back to with what it comes back to without its database, on machines of their own where
/// nothing fails and nothing happens meanwhile.
pub(crate) fn compare(story: &Story) -> Result<(), String> {
    let machine = story.machine.copy(0);
    machine.kill();
    if machine.disk().length(&Path::new(ROOT).join("FORMAT")).is_err() {
        // No store yet.
        return Ok(());
    }
    let without = machine.copy(0);
    let first = come_back(story, &machine)?;
    // What was never acknowledged may be in the one and not in the other.
    rebuild(story, &without, first.sequence)?;
    let second = come_back(story, &without).map_err(|wrong| format!("without the database: {wrong}"))?;
    match first == second {
        true => Ok(()),
        false => Err(differ(&first, &second)),
    }
}

fn rebuild(story: &Story, machine: &Simulated, last: u64) -> Result<(), String> {
    let rebuilt = lose_and_rebuild(&machine.disk(), Path::new(ROOT), &story.options, last);
    rebuilt.map_err(|error| format!("without the database: {error}"))
}

fn come_back(story: &Story, machine: &Simulated) -> Result<Retold, String> {
    let options = Options { settle_interval: Duration::from_secs(3_600), ..story.options.clone() };
    let store = Store::open_on(machine.disk(), Path::new(ROOT), &options);
    let store = store.map_err(|error| format!("the store could not be opened on a copy: {error}"))?;
    survey(&store)?;
    retell(&store.read()).map_err(|error| format!("the database: {error}"))
}

fn differ(first: &Retold, second: &Retold) -> String {
    let lacks = |all: &Retold, some: &Retold| {
        let lacking = all.lines.iter().filter(|line| !some.lines.contains(line)).cloned();
        lacking.collect::<Vec<_>>().join("\n    ")
    };
    format!(
        "the database goes to record {}, its second copy to {}; the second lacks\n    {}\nand has besides\n    {}",
        first.sequence,
        second.sequence,
        lacks(first, second),
        lacks(second, first)
    )
}

/// Something that is done to a file of the archive.
type Harm = fn(&dyn Disk, &Path);

/// What an archive comes to that somebody has harmed: it is made anew.
pub(crate) fn harm_the_archive() -> Result<(), String> {
    let unlink: Harm = |disk, path| disk.unlink(path).unwrap();
    let spoil_header: Harm = |disk, path| disk.open(path).unwrap().write_at(b"?", 50).unwrap();
    for harm in [unlink, spoil_header] {
        let mut story = prepared()?;
        let files = files(&story);
        if files.is_empty() {
            return Err("nothing was kept in the archive".to_owned());
        }
        files.iter().for_each(|path| harm(&*story.machine.disk(), path));
        if rebuild(&story, &story.machine.copy(0), u64::MAX).is_ok() {
            return Err("the harm was not noticed".to_owned());
        }
        // The store holds together only once the archive does.
        drop(story.open(&runtime())?);
        story.kill();
        compare(&story)?;
    }
    Ok(())
}

/// A byte in the middle of the archive that has changed: a thorough check says so.
pub(crate) fn rot_the_archive() -> Result<(), String> {
    let mut story = prepared()?;
    for path in files(&story) {
        story.machine.disk().open(&path).unwrap().write_at(&[0xff; 16], 120).unwrap();
    }
    match story.open(&runtime()) {
        Err(wrong) if wrong.contains("the file is damaged") => Ok(()),
        other => Err(format!("the store opens as if nothing were wrong: {:?}", other.map(|_| ()))),
    }
}

/// A store that nobody has open, whose archive has what its log has forgotten.
fn prepared() -> Result<Story, String> {
    let mut story = Story::new(Simulated::new(0));
    let runtime = runtime();
    let registry = story.open(&runtime)?.ok_or("nothing fails")?;
    for blob in 0..GOODS.blobs.len() {
        runtime.block_on(story.execute(&registry, vec![Operation::Push { repository: 0, blob }]))?;
    }
    let began = Instant::now();
    let first_segment = Path::new(ROOT).join("log/0000000000000001");
    while story.machine.disk().length(&first_segment).is_ok() && began.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(5));
    }
    drop(registry);
    story.kill();
    Ok(story)
}

fn files(story: &Story) -> Vec<PathBuf> {
    let folder = Path::new(ROOT).join("archive");
    let names = story.machine.disk().list(&folder).unwrap();
    names
        .into_iter()
        .map(|name| folder.join(name))
        .filter(|path| path.extension().is_some_and(|e| e != "new"))
        .collect()
}
