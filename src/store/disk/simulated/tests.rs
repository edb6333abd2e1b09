//! The disk of tests, tested: it loses what may be lost and nothing else.

use std::collections::BTreeSet;
use std::path::Path;

use super::*;

const SEEDS: std::ops::Range<u64> = 0..200;

fn machine() -> (Simulated, Arc<dyn Disk>) {
    let machine = Simulated::new(0);
    let disk = machine.disk();
    disk.create_folder(Path::new("/folder")).expect("a folder");
    disk.sync_folder(Path::new("/")).expect("synced");
    (machine, disk)
}

fn path(name: &str) -> std::path::PathBuf {
    Path::new("/folder").join(name)
}

/// What each seed's cut leaves of a file.
fn outcomes(prepare: impl Fn(&dyn Disk)) -> BTreeSet<Option<Vec<u8>>> {
    let outcome = |seed| {
        let (machine, disk) = machine();
        prepare(&*disk);
        machine.cut(seed);
        machine.disk().read_whole(&path("file")).ok()
    };
    SEEDS.map(outcome).collect()
}

fn write(disk: &dyn Disk, name: &str, bytes: &[u8]) -> Arc<dyn DiskFile> {
    let file = disk.create(&path(name)).expect("created");
    file.write_at(bytes, 0).expect("written");
    file
}

#[test]
fn bytes_and_name_that_were_synced_survive_every_cut() {
    let left = outcomes(|disk| {
        write(disk, "file", b"holdfast").sync().expect("synced");
        disk.sync_folder(&path("")).expect("synced");
    });
    assert_eq!(left, BTreeSet::from([Some(b"holdfast".to_vec())]));
}

#[test]
fn without_the_sync_of_its_folder_a_file_is_there_whole_or_not_at_all() {
    let left = outcomes(|disk| write(disk, "file", b"holdfast").sync().expect("synced"));
    assert_eq!(left, BTreeSet::from([None, Some(b"holdfast".to_vec())]));
}

#[test]
fn without_its_own_sync_a_named_file_is_short_or_has_zeros() {
    let left = outcomes(|disk| {
        write(disk, "file", b"holdfast");
        disk.sync_folder(&path("")).expect("synced");
    });
    let expected = [b"".to_vec(), vec![0; 8], b"holdfast".to_vec()];
    assert_eq!(left, expected.map(Some).into());
}

#[test]
fn a_block_is_old_or_new_each_by_itself() {
    let left = outcomes(|disk| {
        let file = write(disk, "file", &[b'-'; 1024]);
        file.sync().expect("synced");
        disk.sync_folder(&path("")).expect("synced");
        file.write_at(&[b'+'; 600], 200).expect("written");
    });
    let block =
        |kept: &[u8], count: usize, rest: &[u8]| [kept.repeat(count), rest.repeat(512 - count)].concat();
    let first = [block(b"-", 512, b""), block(b"-", 200, b"+")];
    let second = [block(b"-", 512, b""), block(b"+", 288, b"-")];
    let pairs = first.iter().flat_map(|first| second.iter().map(|second| [&first[..], second].concat()));
    assert_eq!(left, pairs.map(Some).collect());
}

#[test]
fn an_unsynced_rename_leaves_either_name_both_or_none() {
    let mut left = BTreeSet::new();
    for seed in SEEDS {
        let (machine, disk) = machine();
        write(&*disk, "old", b"holdfast").sync().expect("synced");
        disk.sync_folder(&path("")).expect("synced");
        disk.rename(&path("old"), &path("new")).expect("renamed");
        machine.cut(seed);
        let has = |name| machine.disk().has(&path(name)).expect("looked up");
        left.insert((has("old"), has("new")));
    }
    let all = [(false, false), (false, true), (true, false), (true, true)];
    assert_eq!(left, all.into());
}

#[test]
fn a_kill_keeps_the_cache_and_makes_nothing_durable() {
    let left = outcomes(|disk| drop(write(disk, "file", b"holdfast")));
    assert!(left.len() > 1, "{left:?}");
    let mut after_both = BTreeSet::new();
    for seed in SEEDS {
        let (machine, disk) = machine();
        let file = write(&*disk, "file", b"holdfast");
        machine.kill();
        assert!(file.length().is_err() && disk.has(&path("file")).is_err(), "that process is gone");
        assert_eq!(machine.disk().read_whole(&path("file")).expect("read"), b"holdfast");
        machine.cut(seed);
        after_both.insert(machine.disk().read_whole(&path("file")).ok());
    }
    assert_eq!(after_both, left);
}

#[test]
fn after_a_failed_sync_the_cache_is_better_than_the_disk_for_good() {
    let mut left = BTreeSet::new();
    for seed in SEEDS {
        let machine = Simulated::new(seed);
        let disk = machine.disk();
        disk.create_folder(&path("")).expect("a folder");
        let file = write(&*disk, "file", &[b'-'; 1024]);
        machine.fail(Call::Sync, 0, Failure::Device);
        file.sync().expect_err("it fails");
        file.write_at(b"kept", 512).expect("written");
        file.sync().expect("it says that all is well");
        disk.sync_folder(&path("")).and_then(|()| disk.sync_folder(Path::new("/"))).expect("synced");
        assert_eq!(disk.read_whole(&path("file")).expect("read")[..4], *b"----");
        machine.cut(seed);
        let bytes = machine.disk().read_whole(&path("file")).expect("read");
        assert_eq!((bytes.len(), &bytes[512..516]), (1024, &b"kept"[..]));
        left.insert(bytes[..4].to_vec());
    }
    assert_eq!(left, [b"----".to_vec(), vec![0; 4]].into());
}

#[test]
fn a_failing_write_leaves_a_part_and_the_machine_stops_where_it_was_told_to() {
    let (machine, disk) = machine();
    machine.fail(Call::Write, 1, Failure::FullForGood);
    let file = write(&*disk, "file", b"hold");
    let error = file.write_at(b"fast", 4).expect_err("it fails");
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    assert!(machine.has_failed() && file.length().expect("a length") <= 8);
    file.write_at(b"fast", 4).expect_err("it goes on failing");
    file.sync().expect("other calls do not");
    machine.stop_after(1);
    file.sync().expect("not yet");
    file.sync().expect_err("now");
    assert!(machine.has_stopped() && file.length().is_err());
    machine.kill();
    assert!(machine.disk().read_whole(&path("file")).expect("read").starts_with(b"hold"));
}
