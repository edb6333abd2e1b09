//! Golden stores: folders that earlier versions have left behind, read by this one.
//!
//! Each folder here is a store as `kill -9` left it: the database lies behind, and the log has records past the last
//! checkpoint, with every kind of change that there was. Beside it `expected.txt` has what was acknowledged. Every
//! later version has to come back to that, by replay and, where the layout has changed, by its upgrade.
//!
//! A layout that changes gets a folder of its own, written by the last commit of the old one and never again:
//!
//! ```sh
//! HOLDFAST_GOLDEN=tests/golden/layout-N cargo test --test golden a_store_of_this_layout
//! ```
//!
//! Read its `expected.txt`, and add it to [`STORES`].

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod folder;
mod machine;
mod state;
mod story;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use holdfast::store::simulated::Simulated;
use holdfast::store::{Options, Store, SurveyOptions};

/// The folders.
const STORES: [&str; 3] = ["layout-1", "layout-2", "layout-3"];

/// Where a golden store lies, or is to lie.
fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn options() -> Options {
    // What a store without an archive gets one by is waited for by those who look at everything.
    Options { ballast: 8 << 10, settle_interval: Duration::from_millis(2), ..Options::default() }
}

fn open(folder: &Path) -> Store {
    Store::open(folder, &options()).unwrap()
}

/// What the store holds, after it has proved that it is sound.
fn sound_state(store: &Store) -> String {
    let survey = store.survey(SurveyOptions { is_thorough: true }).unwrap();
    assert!(survey.violations.is_empty(), "{:?}", survey.violations);
    state::of(store)
}

#[test]
fn every_golden_store_comes_back_to_what_was_acknowledged() {
    for name in STORES {
        let (folder, expected) = folder::unpack(&golden(name));
        let store = open(folder.path());
        assert_eq!(sound_state(&store), expected, "{name}");
        drop(store);
        assert_eq!(sound_state(&open(folder.path())), expected, "{name}, started once more");
    }
}

/// Its last record may not have been synced; everything before it was.
#[test]
fn a_golden_store_without_the_whole_of_its_last_record_comes_back_to_the_one_before() {
    for name in STORES {
        let (folder, expected) = folder::unpack(&golden(name));
        let segments = fs::read_dir(folder.path().join("log")).unwrap().map(|entry| entry.unwrap().path());
        // One that was made ahead has a header and no record.
        let last = segments.filter(|path| path.metadata().unwrap().len() > 4096).max();
        let last = fs::OpenOptions::new().write(true).open(last.unwrap()).unwrap();
        last.set_len(last.metadata().unwrap().len() - 1).unwrap();
        let found = sound_state(&open(folder.path()));
        let lost: Vec<_> =
            expected.lines().filter(|line| !found.lines().any(|other| other == *line)).collect();
        assert!(matches!(lost[..], [line] if line.starts_with(story::LAST)), "{name}: {lost:?}");
    }
}

/// Replay, upgrade and what follows them are cut off at one call after the other.
#[test]
fn a_golden_store_whose_start_is_cut_off_anywhere_is_taken_up_again() {
    std::thread::scope(|scope| STORES.map(|name| scope.spawn(|| cut_off_anywhere(name))).map(drop));
}

fn cut_off_anywhere(name: &str) {
    let (machine, expected) = machine::with_store(&golden(name));
    for calls in 0.. {
        let machine = machine.copy(calls);
        machine.stop_after(usize::try_from(calls).unwrap());
        let opened = Store::open_on(machine.disk(), Path::new("/"), &options());
        let is_up = opened.is_ok() && !machine.has_stopped();
        drop(opened);
        match calls % 2 {
            0 => machine.kill(),
            _ => machine.cut(calls),
        }
        let store = Store::open_on(machine.disk(), Path::new("/"), &options()).unwrap();
        assert_eq!(sound_state(&store), expected, "{name}, cut off at call {calls}");
        if is_up {
            return;
        }
    }
}

/// What would be kept of a store of this layout comes back like those that were; where `HOLDFAST_GOLDEN` says so, it is.
#[tokio::test]
async fn a_store_of_this_layout_that_is_killed_and_kept_comes_back() {
    let (machine, folder, kept) =
        (Simulated::new(0), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let kept = std::env::var_os("HOLDFAST_GOLDEN").map_or(kept.path().to_owned(), PathBuf::from);
    let expected = story::live(&machine).await;
    machine::unload(&machine, folder.path());
    folder::pack(folder.path(), &expected, &kept);
    let (copy, expected) = folder::unpack(&kept);
    assert_eq!(sound_state(&open(copy.path())), expected);
}
