//! Backups: what was acknowledged before one began, and not deleted since, comes back from it byte for byte.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::support::{Builder, Holdfast, Image, Registry, Request, bytes_of};

/// Payloads lie in the log and in files, and what is deleted goes at once.
const BUSY: &str = "storage: {gc: {lease: 0s, grace: 0s}, log: {segmentsize: 256KiB, archivesize: 1KiB, settleinterval: 10ms}}\n";
/// What is small stays in the log.
const IN_LOG: &str = "storage: {gc: {lease: 0s, grace: 0s}, log: {settleinterval: 1m}}\n";

fn holdfast(arguments: &[&str], paths: &[&Path]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    let mut paths = paths.iter();
    for argument in arguments {
        match *argument {
            "PATH" => command.arg(paths.next().unwrap()),
            other => command.arg(other),
        };
    }
    command.output().unwrap()
}

#[track_caller]
fn expect_success(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[track_caller]
fn expect_refusal(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[track_caller]
fn back_up(root: &Path, folder: &Path) -> String {
    expect_success(&holdfast(&["backup", "PATH", "--root", "PATH"], &[folder, root]))
}

/// A place for a backup and for what is restored from it, on the file system that stores lie on.
struct Place {
    folder: TempDir,
}

impl Place {
    fn beside(registry: &Holdfast) -> Self {
        Self { folder: tempfile::tempdir_in(registry.root().parent().unwrap().parent().unwrap()).unwrap() }
    }

    fn backup(&self) -> PathBuf {
        self.folder.path().join("backup")
    }

    fn new_root(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    #[track_caller]
    fn restore(&self, options: &[&str]) -> String {
        let mut arguments = vec!["restore", "PATH", "--root", "PATH"];
        arguments.extend(options);
        let said = expect_success(&holdfast(&arguments, &[&self.backup(), &self.new_root()]));
        assert!(said.contains("start it with: holdfast serve --root"), "{said}");
        expect_success(&holdfast(&["check", "--payloads", "--root", "PATH"], &[&self.new_root()]));
        said
    }

    /// Serves what was restored.
    fn serve(&self) -> Holdfast {
        Builder::default().configuration(BUSY).start_in(self.folder.path())
    }
}

/// The line that begins so.
#[track_caller]
fn count(said: &str, way: &str) -> u64 {
    let line = said.lines().find_map(|line| line.strip_prefix(&format!("{way}: ")));
    line.unwrap_or_else(|| panic!("{said}")).split(' ').next().unwrap().parse().unwrap()
}

fn payload_files(folder: &Path) -> BTreeMap<String, std::fs::Metadata> {
    let mut files = BTreeMap::new();
    for shard in std::fs::read_dir(folder.join("blobs/sha256")).unwrap() {
        for file in std::fs::read_dir(shard.unwrap().path()).unwrap() {
            let file = file.unwrap();
            files.insert(file.file_name().into_string().unwrap(), file.metadata().unwrap());
        }
    }
    files
}

/// Images and large blobs.
#[track_caller]
fn fill(registry: &Registry, repository: &str, seeds: std::ops::Range<u64>) -> Vec<Image> {
    seeds
        .map(|seed| {
            registry.push_blob(repository, large(seed));
            registry.push_image(repository, &format!("v{seed}"), seed)
        })
        .collect()
}

fn large(seed: u64) -> Vec<u8> {
    bytes_of(300_000, 1_000_000 + seed)
}

#[track_caller]
fn expect_all(registry: &Registry, repository: &str, seeds: std::ops::Range<u64>, images: &[Image]) {
    for (seed, image) in seeds.zip(images) {
        let pulled = Request::get(format!("/v2/{repository}/manifests/v{seed}")).header("Accept", "*/*");
        let pulled = registry.send(pulled).expect(200);
        assert_eq!(pulled.body, image.bytes);
        assert_eq!(pulled.header("Content-Type"), image.media_type);
        assert_eq!(pulled.header("Docker-Content-Digest"), image.digest);
        let layer = registry.get(&format!("/v2/{repository}/blobs/{}", image.layer)).expect(200);
        assert!(layer.body == bytes_of(512, seed));
        registry.get(&format!("/v2/{repository}/blobs/{}", image.config)).expect(200);
        let blob = registry.get(&format!("/v2/{repository}/blobs/{}", sha256(seed))).expect(200);
        assert!(blob.body == large(seed), "the large blob {seed}");
    }
}

fn sha256(seed: u64) -> String {
    crate::support::sha256(large(seed))
}

#[test]
fn what_was_acknowledged_before_a_backup_comes_back_while_pushes_and_deletes_go_on() {
    let mut registry = Holdfast::configured(BUSY);
    let place = Place::beside(&registry);
    let images = fill(&registry, "team/app", 0..30);
    let victims: Vec<_> = (100..160).map(|seed| registry.push_blob("victims", large(seed))).collect();
    let is_over = AtomicBool::new(false);
    let backups = thread::scope(|scope| {
        for client in 0..2 {
            let (registry, is_over) = (&registry, &is_over);
            scope.spawn(move || {
                for seed in (1_000 * (client + 1)..).take_while(|_| !is_over.load(Ordering::Relaxed)) {
                    let repository = format!("busy-{client}");
                    let image = registry.push_image(&repository, &format!("v{seed}"), seed);
                    let blob = registry.push_blob(&repository, large(seed));
                    registry.delete(&format!("/v2/{repository}/blobs/{blob}")).expect(202);
                    if seed % 2 == 0 {
                        registry.delete(&format!("/v2/{repository}/manifests/{}", image.digest)).expect(202);
                        registry.delete(&format!("/v2/{repository}/blobs/{}", image.layer)).expect(202);
                    }
                }
            });
        }
        let (registry, is_over) = (&registry, &is_over);
        let deleter = scope.spawn(move || {
            for victim in victims {
                registry.delete(&format!("/v2/victims/blobs/{victim}")).expect(202);
                thread::sleep(Duration::from_millis(10));
            }
        });
        let mut backups = 0;
        while backups < 2 || !deleter.is_finished() {
            back_up(&registry.root(), &place.backup());
            backups += 1;
        }
        is_over.store(true, Ordering::Relaxed);
        backups
    });
    assert!(backups >= 2);
    registry.stop();
    place.restore(&["--verify"]);
    let restored = place.serve();
    expect_all(&restored, "team/app", 0..30, &images);
    assert_eq!(restored.tags("team/app").len(), 30);
    for repository in ["busy-0", "busy-1"] {
        let tags = restored.tags(repository);
        assert!(!tags.is_empty(), "nothing was pushed before the last backup");
        for tag in tags {
            let path = format!("/v2/{repository}/manifests/{tag}");
            let manifest = restored.send(Request::get(&path).header("Accept", "*/*")).expect(200).json();
            for part in [&manifest["config"], &manifest["layers"][0]] {
                let digest = part["digest"].as_str().unwrap();
                // A client of its own accord had deleted the layers of some.
                let pulled = restored.get(&format!("/v2/{repository}/blobs/{digest}")).expect(200);
                assert_eq!(crate::support::sha256(&pulled.body), digest);
            }
        }
    }
    restored.push_image("team/app", "later", 5_000);
}

#[test]
fn a_second_backup_brings_what_is_new_and_removes_what_went() {
    let registry = Holdfast::configured(BUSY);
    let place = Place::beside(&registry);
    fill(&registry, "app", 0..4);
    wait_until_settled(&registry, 12);
    let said = back_up(&registry.root(), &place.backup());
    assert_eq!((count(&said, "linked"), count(&said, "there already")), (12, 0), "{said}");
    let first = payload_files(&place.backup());
    let store = payload_files(&registry.root());
    for (name, found) in &first {
        assert_eq!((found.ino(), found.dev()), (store[name].ino(), store[name].dev()), "{name} is a link");
    }
    let more = fill(&registry, "app", 4..6);
    registry.delete(&format!("/v2/app/blobs/{}", sha256(0))).expect(202);
    wait_until_settled(&registry, 17);
    let said = back_up(&registry.root(), &place.backup());
    assert_eq!((count(&said, "linked"), count(&said, "there already")), (6, 11), "{said}");
    assert_eq!(count(&said, "removed"), 1, "{said}");
    let names = |folder: &Path| payload_files(folder).into_keys().collect::<Vec<_>>();
    assert_eq!(names(&place.backup()), names(&registry.root()));
    place.restore(&[]);
    let restored = place.serve();
    expect_all(&restored, "app", 4..6, &more);
    restored.get(&format!("/v2/app/blobs/{}", sha256(0))).expect(404);
}

#[track_caller]
fn wait_until_settled(registry: &Holdfast, files: usize) {
    let began = Instant::now();
    while payload_files(&registry.root()).len() != files {
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", payload_files(&registry.root()).len());
        thread::sleep(Duration::from_millis(10));
    }
    // That they serve is noted a moment after they are there.
    thread::sleep(Duration::from_secs(1));
}

#[test]
fn what_lies_in_the_log_is_copied_into_files_of_the_backup() {
    let registry = Holdfast::configured(IN_LOG);
    let place = Place::beside(&registry);
    let images = fill(&registry, "app", 0..3);
    registry.push_blob("app", "");
    let said = back_up(&registry.root(), &place.backup());
    // One whose bytes came slowly may have a file of its own.
    assert!(count(&said, "linked") >= 3 && count(&said, "copied") > 3, "{said}");
    assert_eq!(count(&said, "linked") + count(&said, "copied"), 10, "{said}");
    place.restore(&["--verify"]);
    let restored = place.serve();
    expect_all(&restored, "app", 0..3, &images);
    assert_eq!(restored.get(&format!("/v2/app/blobs/{}", crate::support::sha256(""))).expect(200).body, b"");
}

#[test]
fn a_stopped_store_is_backed_up_as_well_and_ends_no_upload() {
    let mut registry = Holdfast::configured(BUSY);
    let place = Place::beside(&registry);
    let images = fill(&registry, "app", 0..3);
    let mut upload = registry.start_upload("app");
    upload.patch("begun").expect(202);
    let upload = upload.location;
    registry.stop();
    let said = back_up(&registry.root(), &place.backup());
    assert_eq!(count(&said, "linked") + count(&said, "copied"), 9, "{said}");
    let said = place.restore(&["--link"]);
    assert_eq!(count(&said, "linked"), 9, "{said}");
    expect_all(&place.serve(), "app", 0..3, &images);
    registry.start_again();
    registry.get(&upload).expect(204);
}

#[test]
fn a_backup_on_another_file_system_is_a_copy() {
    let registry = Holdfast::configured(BUSY);
    let images = fill(&registry, "app", 0..3);
    let place = Place { folder: tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap() };
    let device = |path: &Path| std::fs::metadata(path).unwrap().dev();
    if device(place.folder.path()) == device(&registry.root()) {
        println!("skipped: there is one file system alone");
        return;
    }
    let said = back_up(&registry.root(), &place.backup());
    assert_eq!((count(&said, "linked"), count(&said, "cloned"), count(&said, "copied")), (0, 0, 9), "{said}");
    place.restore(&[]);
    expect_all(&place.serve(), "app", 0..3, &images);
}

#[test]
fn a_backup_that_was_killed_is_made_again_and_the_one_before_it_stays_good() {
    let mut registry = Holdfast::configured(IN_LOG);
    let place = Place::beside(&registry);
    let images = fill(&registry, "app", 0..5);
    registry.stop();
    back_up(&registry.root(), &place.backup());
    registry.start_again();
    let more = fill(&registry, "app", 5..60);
    for delay in [0, 3, 10, 30, 60] {
        let mut client = Command::new(env!("CARGO_BIN_EXE_holdfast"))
            .arg("backup")
            .arg(place.backup())
            .arg("--root")
            .arg(registry.root())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        thread::sleep(Duration::from_millis(delay));
        registry.kill();
        client.kill().unwrap();
        client.wait().unwrap();
        place.restore(&["--verify"]);
        let restored = place.serve();
        expect_all(&restored, "app", 0..5, &images);
        drop(restored);
        std::fs::remove_dir_all(place.new_root()).unwrap();
        registry.start_again();
    }
    back_up(&registry.root(), &place.backup());
    assert!(payload_files(&place.backup()).keys().all(|name| !name.contains('.')), "something is left over");
    place.restore(&[]);
    expect_all(&place.serve(), "app", 5..60, &more);
}

#[test]
fn a_folder_that_is_no_place_for_a_backup_is_refused() {
    let registry = Holdfast::configured(BUSY);
    let place = Place::beside(&registry);
    let root = registry.root();
    let refused =
        |folder: &Path| expect_refusal(&holdfast(&["backup", "PATH", "--root", "PATH"], &[folder, &root]));
    for inside in [root.clone(), root.join("backup"), root.join("blobs/../backup/of/it")] {
        let refusal = refused(&inside);
        assert!(refusal.contains("lies in the data folder"), "{refusal}");
    }
    let link = place.folder.path().join("link");
    std::os::unix::fs::symlink(&root, &link).unwrap();
    assert!(refused(&link.join("backup")).contains("lies in the data folder"));
    let other = place.folder.path().join("other");
    std::fs::create_dir(&other).unwrap();
    std::fs::write(other.join("holiday.jpg"), "").unwrap();
    let refusal = refused(&other);
    assert!(refusal.contains("holiday.jpg") && refusal.contains("name an empty folder"), "{refusal}");
    assert!(!other.join("LOCK").exists(), "nothing is created there");
    std::fs::create_dir(place.backup()).unwrap();
    std::fs::write(place.backup().join("BACKUP"), "holdfast 99\n").unwrap();
    let refusal = refused(&place.backup());
    assert!(refusal.contains("newer holdfast (layout 99"), "{refusal}");
}

#[test]
fn a_backup_is_no_store_and_a_store_no_backup() {
    let mut registry = Holdfast::configured(BUSY);
    let place = Place::beside(&registry);
    fill(&registry, "app", 0..2);
    back_up(&registry.root(), &place.backup());
    registry.stop();
    let backup = place.backup();
    std::fs::remove_file(backup.join("LOCK")).unwrap();
    let refusal =
        expect_refusal(&holdfast(&["serve", "--addr", "127.0.0.1:0", "--root", "PATH"], &[&backup]));
    let advice = format!("holdfast restore {} --root NEW", backup.display());
    assert!(refusal.contains(&advice), "{refusal}");
    assert!(!backup.join("LOCK").exists(), "nothing is created there");
    expect_refusal(&holdfast(&["rebuild", "--root", "PATH"], &[&backup]));
    let restore = |folder: &Path, root: &Path| {
        expect_refusal(&holdfast(&["restore", "PATH", "--root", "PATH"], &[folder, root]))
    };
    let refusal = restore(&registry.root(), &place.new_root());
    assert!(refusal.contains("holds no backup"), "{refusal}");
    assert!(!place.new_root().exists());
    let refusal = restore(&backup, &registry.root());
    assert!(refusal.contains("holds files already"), "{refusal}");
    std::fs::remove_file(backup.join("metadata.snapshot")).unwrap();
    let refusal = restore(&backup, &place.new_root());
    assert!(refusal.contains("run holdfast backup again"), "{refusal}");
}

#[test]
fn a_restoring_that_was_cut_off_is_no_store_until_it_is_run_again() {
    let registry = Holdfast::configured(BUSY);
    let place = Place::beside(&registry);
    let images = fill(&registry, "app", 0..40);
    back_up(&registry.root(), &place.backup());
    let mut cut_off = 0;
    for delay in [5, 15, 25, 40, 60, 90] {
        let mut restore = Command::new(env!("CARGO_BIN_EXE_holdfast"))
            .arg("restore")
            .arg(place.backup())
            .arg("--root")
            .arg(place.new_root())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        thread::sleep(Duration::from_millis(delay));
        restore.kill().unwrap();
        restore.wait().unwrap();
        if place.new_root().join("RESTORE").exists() {
            cut_off += 1;
            let serve = holdfast(&["serve", "--addr", "127.0.0.1:0", "--root", "PATH"], &[&place.new_root()]);
            assert!(expect_refusal(&serve).contains("run holdfast restore again"));
            expect_refusal(&holdfast(&["rebuild", "--root", "PATH"], &[&place.new_root()]));
        }
        if !place.new_root().join("FORMAT").exists() || place.new_root().join("RESTORE").exists() {
            place.restore(&[]);
        }
        let restored = place.serve();
        expect_all(&restored, "app", 0..40, &images);
        drop(restored);
        std::fs::remove_dir_all(place.new_root()).unwrap();
    }
    assert!(cut_off > 0, "no kill ever came in the middle");
}

#[test]
fn payloads_that_are_damaged_are_named_and_the_others_come_back() {
    let mut registry = Holdfast::configured(BUSY);
    let place = Place::beside(&registry);
    let images = fill(&registry, "app", 0..3);
    let (lost, rotten) = (registry.push_blob("app", large(10)), registry.push_blob("app", large(11)));
    registry.stop();
    let file = |folder: &Path, digest: &str| {
        let files = payload_files(folder).into_keys();
        let name = files.into_iter().find(|name| name.starts_with(&digest["sha256:".len()..])).unwrap();
        folder.join("blobs/sha256").join(&name[..2]).join(name)
    };
    std::fs::remove_file(file(&registry.root(), &lost)).unwrap();
    let made = holdfast(&["backup", "PATH", "--root", "PATH"], &[&place.backup(), &registry.root()]);
    assert!(expect_refusal(&made).contains("1 payloads are missing or damaged"));
    let said = String::from_utf8(made.stdout).unwrap();
    assert!(said.contains(&format!("missing: {lost}: its file is missing")), "{said}");
    let damaged = file(&place.backup(), &rotten);
    std::fs::remove_file(&damaged).unwrap();
    std::fs::write(&damaged, vec![0; 300_000]).unwrap();
    let restored =
        holdfast(&["restore", "PATH", "--verify", "--root", "PATH"], &[&place.backup(), &place.new_root()]);
    assert!(expect_refusal(&restored).contains("2 payloads are missing or damaged"));
    let said = String::from_utf8(restored.stdout).unwrap();
    assert!(said.contains(&format!("missing: {rotten}: its file holds the bytes of")), "{said}");
    let serving = place.serve();
    expect_all(&serving, "app", 0..3, &images);
    for digest in [&lost, &rotten] {
        assert_eq!(serving.get(&format!("/v2/app/blobs/{digest}")).status, 500);
        serving.delete(&format!("/v2/app/blobs/{digest}")).expect(202);
    }
    registry.start_again();
    registry.delete(&format!("/v2/app/blobs/{lost}")).expect(202);
}
