//! `holdfast check`: what does not hold together is found, in a running registry and in a stopped store, and `--repair` puts
//! right what can be put right without a loss.

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::scrub::{IN_THE_LOG, QUIET, expect_damaged, expect_served, flip_byte, open, payload_file};
use crate::support::{Holdfast, Upload, bytes_of, sha256};

pub(crate) const REPOSITORY: &str = "team/app";
const MARKED: &str = "storage: {uploads: {markinterval: 1MiB}}\n";
/// Segments of the log are short, so that most are forgotten soon and the archive has them.
pub(crate) const SHORT: &str = "storage:
  log: {segmentsize: 64KiB, archivesize: 1KiB, settleinterval: 10ms}
  scrub: {rate: 0}
";

/// What a check has said, and whether it calls the store sound.
pub(crate) struct Said {
    text: String,
    pub(crate) is_sound: bool,
}

#[track_caller]
pub(crate) fn run(root: &Path, options: &[&str]) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    let output = command.args(["check", "--root"]).arg(root).args(options).output().unwrap();
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(output.status.code().is_some_and(|code| code < 2), "{text}");
    assert_eq!(output.status.success(), text.contains("the store holds together"), "{text}");
    Said { text, is_sound: output.status.success() }
}

#[track_caller]
pub(crate) fn expect_sound(root: &Path, options: &[&str]) -> String {
    let said = run(root, options);
    assert!(said.is_sound, "{}", said.text);
    said.text
}

#[track_caller]
pub(crate) fn expect_unsound(root: &Path, options: &[&str]) -> String {
    let said = run(root, options);
    assert!(!said.is_sound, "{}", said.text);
    said.text
}

#[track_caller]
pub(crate) fn expect_lines(said: &str, lines: &[&str]) {
    for line in lines {
        assert!(said.contains(line), "no {line:?} in:\n{said}");
    }
}

/// Files that nothing names, one for payloads and one for uploads, and one of somebody else.
fn leave_files(root: &Path) -> [PathBuf; 3] {
    let shard = root.join("blobs/sha256/5a");
    let payload = shard.join(format!("5a{}-01234567-89ab-4cde-8f01-23456789abcd", "0".repeat(62)));
    let files = [payload, root.join("uploads/11234567-89ab-4cde-8f01-23456789abcd"), shard.join("notes.txt")];
    for file in &files {
        fs::write(file, "left").unwrap();
    }
    files
}

#[track_caller]
fn expect_leftovers_found_and_removed(root: &Path) {
    let [payload, upload, notes] = leave_files(root);
    let said = expect_sound(root, &[]);
    for file in [&payload, &upload, &notes] {
        let line = format!("left over, and harmless: nothing names {}\n", file.display());
        assert!(said.contains(&line) && file.exists(), "{said}");
    }
    let said = expect_sound(root, &["--repair"]);
    for file in [&payload, &upload] {
        expect_lines(&said, &[&format!("nothing names {}\n  repaired: removed\n", file.display())]);
        assert!(!file.exists(), "{said}");
    }
    expect_lines(&said, &[&format!("nothing names {}\n  not repaired: ", notes.display()), "repaired: 2\n"]);
    assert!(notes.exists(), "{said}");
}

#[test]
fn all_rows_are_looked_at_however_many_there_are() {
    let mut registry = Holdfast::configured(IN_THE_LOG);
    let image = registry.push_image(REPOSITORY, "latest", 1);
    for number in 0..300 {
        registry
            .put_manifest_bytes(REPOSITORY, &format!("v{number}"), &image.media_type, image.bytes.clone())
            .expect(201);
    }
    let counted = "1 repositories, 1 manifests, 301 tags, 2 blobs of ";
    expect_lines(&expect_sound(&registry.root(), &[]), &[counted]);
    registry.stop();
    expect_lines(&expect_sound(&registry.root(), &[]), &[counted]);
}

#[test]
fn files_that_nothing_names_are_found_and_removed_in_a_running_registry() {
    let registry = Holdfast::configured(IN_THE_LOG);
    let bytes = bytes_of(400_000, 1);
    let digest = registry.push_blob(REPOSITORY, &bytes);
    let mut upload = registry.start_upload(REPOSITORY);
    upload.patch(bytes.as_slice()).expect(202);
    expect_leftovers_found_and_removed(&registry.root());
    // What is named, and what is on its way, stays.
    expect_served(&registry, &digest, &bytes);
    upload.put(&sha256(&bytes), "").expect(201);
}

#[test]
fn files_that_nothing_names_are_found_and_removed_in_a_stopped_store() {
    let mut registry = Holdfast::configured(IN_THE_LOG);
    let bytes = bytes_of(400_000, 2);
    let digest = registry.push_blob(REPOSITORY, &bytes);
    registry.stop();
    expect_leftovers_found_and_removed(&registry.root());
    registry.start_again();
    expect_served(&registry, &digest, &bytes);
}

/// Damages three payloads in three ways, each of which only some checks see.
struct Damaged {
    /// With their bytes.
    blobs: [(String, Vec<u8>); 3],
}

impl Damaged {
    fn push(registry: &Holdfast) -> Self {
        let blobs = [300_000, 270_000, 1_500_000].map(|length| bytes_of(length, length as u64));
        Self { blobs: blobs.map(|bytes| (registry.push_blob(REPOSITORY, &bytes), bytes)) }
    }

    /// Gives the three complaints.
    fn damage(&self, root: &Path) -> [String; 3] {
        let [(gone, _), (cut, _), (rotten, _)] = &self.blobs;
        let files = [gone, cut, rotten].map(|digest| payload_file(root, digest));
        fs::remove_file(&files[0]).unwrap();
        open(&files[1]).set_len(1_000).unwrap();
        flip_byte(&files[2], 1_234_567);
        [
            format!("{gone}: the payload's file is missing\n"),
            format!("{cut}: the payload's file has 1000 bytes; it should have 270000\n"),
            format!("{rotten}: its place holds the bytes of "),
        ]
    }

    /// What only reading tells is not told without it, nothing is changed unless that is asked for, and nothing twice.
    #[track_caller]
    fn expect_found_and_marked(root: &Path, complaints: &[String; 3]) {
        let [gone, cut, rotten] = complaints;
        for options in [&[][..], &["--payloads", "--rate", "0"]] {
            let said = expect_unsound(root, options);
            expect_lines(&said, &[&format!("wrong: {gone}"), &format!("wrong: {cut}"), "--repair repairs"]);
            assert_eq!(said.contains(rotten.as_str()), !options.is_empty(), "{said}");
        }
        let said = expect_unsound(root, &["--payloads", "--rate", "0", "--repair"]);
        let marked = "  not repaired: nothing here has its bytes: it is marked as damaged now";
        expect_lines(&said, &[&format!("damaged: {gone}{marked}"), &format!("damaged: {cut}{marked}")]);
        expect_lines(&said, &[&format!("damaged: {rotten}"), "holdfast: 3 things are wrong"]);
        let said = expect_unsound(root, &["--payloads"]);
        assert_eq!(said.matches("which is not served until it is pushed again").count(), 3, "{said}");
    }

    #[track_caller]
    fn expect_healed_by_pushes(&self, registry: &Holdfast) {
        for (digest, bytes) in &self.blobs {
            expect_damaged(registry, digest);
            registry.push_blob(REPOSITORY, bytes);
            expect_served(registry, digest, bytes);
        }
        expect_sound(&registry.root(), &["--payloads", "--rate", "0"]);
    }
}

#[test]
fn payloads_that_are_lost_in_a_running_registry_are_found_marked_and_heal_when_they_are_pushed_again() {
    let registry = Holdfast::configured(QUIET);
    let damaged = Damaged::push(&registry);
    Damaged::expect_found_and_marked(&registry.root(), &damaged.damage(&registry.root()));
    damaged.expect_healed_by_pushes(&registry);
}

#[test]
fn payloads_that_are_lost_in_a_stopped_store_are_found_marked_and_heal_when_they_are_pushed_again() {
    let mut registry = Holdfast::configured(QUIET);
    let damaged = Damaged::push(&registry);
    registry.stop();
    let complaints = damaged.damage(&registry.root());
    Damaged::expect_found_and_marked(&registry.root(), &complaints);
    registry.start_again();
    damaged.expect_healed_by_pushes(&registry);
}

#[test]
fn a_payload_whose_file_was_put_back_is_served_again() {
    let registry = Holdfast::configured(QUIET);
    let bytes = bytes_of(400_000, 3);
    let digest = registry.push_blob(REPOSITORY, &bytes);
    let file = payload_file(&registry.root(), &digest);
    flip_byte(&file, 7);
    expect_unsound(&registry.root(), &["--payloads", "--repair"]);
    expect_damaged(&registry, &digest);
    flip_byte(&file, 7);
    let said = expect_unsound(&registry.root(), &["--payloads"]);
    expect_lines(&said, &[&format!("damaged: {digest} is marked as damaged and not served, but is right")]);
    let said = expect_sound(&registry.root(), &["--payloads", "--repair"]);
    expect_lines(&said, &["  repaired: it is served again"]);
    expect_served(&registry, &digest, &bytes);
}

#[test]
fn an_upload_whose_file_is_lost_is_found_and_ended() {
    let registry = Holdfast::configured(MARKED);
    let mut uploads = [1, 2].map(|_| registry.start_upload(REPOSITORY));
    let bytes = bytes_of(5 << 20, 4);
    for upload in &mut uploads {
        upload.patch(&bytes[..4 << 20]).expect(202);
    }
    let [lost, mut kept] = uploads;
    let id = lost.location.split('/').next_back().unwrap().split('?').next().unwrap().to_owned();
    expect_sound(&registry.root(), &[]);
    fs::remove_file(registry.root().join("uploads").join(&id)).unwrap();
    let said = expect_unsound(&registry.root(), &[]);
    expect_lines(&said, &[&format!("wrong: the upload {id} is to go on from byte "), "its file is missing"]);
    lost.status().expect(204);
    let said = expect_sound(&registry.root(), &["--repair"]);
    expect_lines(&said, &["  repaired: the upload is ended"]);
    registry.get(&lost.location).expect(404);
    expect_sound(&registry.root(), &[]);
    kept.patch(&bytes[4 << 20..]).expect(202);
    kept.put(&sha256(&bytes), "").expect(201);
}

/// A crash may have left it so, hence it is no violation; but nothing is changed unasked.
#[test]
fn an_upload_that_was_cut_in_a_stopped_store_is_ended_by_a_repair_alone() {
    let mut registry = Holdfast::configured(MARKED);
    let mut upload = registry.start_upload(REPOSITORY);
    upload.patch(bytes_of(4 << 20, 5)).expect(202);
    let location = upload.location.clone();
    registry.kill();
    let file = fs::read_dir(registry.root().join("uploads")).unwrap().next().unwrap().unwrap().path();
    let whole = fs::read(&file).unwrap();
    open(&file).set_len(5_000).unwrap();
    for _ in 0..2 {
        let said = expect_sound(&registry.root(), &[]);
        expect_lines(&said, &["left over, and harmless: the upload ", "but its file has 5000", "1 uploads"]);
    }
    fs::write(&file, whole).unwrap();
    registry.start_again();
    Upload::at(&registry, location.clone()).status().expect(204);
    registry.kill();
    open(&file).set_len(5_000).unwrap();
    expect_lines(&expect_sound(&registry.root(), &["--repair"]), &["  repaired: the upload is ended"]);
    assert!(!file.exists());
    assert!(!expect_sound(&registry.root(), &[]).contains("left over"));
    registry.start_again();
    registry.get(&location).expect(404);
}

#[test]
fn nothing_that_moves_while_it_is_looked_at_is_called_wrong() {
    let registry = Holdfast::configured(&format!("{SHORT}  uploads: {{markinterval: 64KiB}}\n"));
    let (root, began) = (registry.root(), Instant::now());
    let (pushes, rounds) = std::thread::scope(|scope| {
        let pushing: Vec<_> = (0..2)
            .map(|pusher| {
                scope.spawn({
                    let registry = &registry;
                    move || keep_busy(registry, pusher, began)
                })
            })
            .collect();
        let mut rounds = 0;
        while !pushing.iter().all(|pushing| pushing.is_finished()) {
            let options =
                [&[][..], &["--payloads", "--rate", "50MiB"], &["--repair"], &["--payloads", "--repair"]]
                    [rounds % 4];
            let said = expect_sound(&root, options);
            assert!(!said.contains("left over") && !said.contains("repaired"), "{said}");
            rounds += 1;
        }
        (pushing.into_iter().map(|pushing| pushing.join().unwrap()).sum::<u64>(), rounds)
    });
    assert!(pushes > 50 && rounds > 8, "{pushes} pushes, {rounds} checks");
    assert!(!registry.log().contains("a check has repaired"), "{}", registry.log());
}

#[test]
fn a_check_that_waits_for_its_pace_does_not_hold_up_the_end_of_the_server_nor_anybody_else() {
    let mut registry = Holdfast::configured(QUIET);
    let bytes = bytes_of(4 << 20, 7);
    let digest = registry.push_blob(REPOSITORY, &bytes);
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    command.args(["check", "--payloads", "--rate", "1KiB", "--root"]).arg(registry.root());
    let mut check = command.stderr(Stdio::piped()).spawn().unwrap();
    for _ in 0..20 {
        expect_served(&registry, &digest, &bytes);
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(check.try_wait().unwrap().is_none(), "a check of 4 MiB at 1 KiB a second has ended");
    let began = Instant::now();
    registry.stop();
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    let end = check.wait_with_output().unwrap();
    let complaint = String::from_utf8(end.stderr).unwrap();
    assert!(end.status.code() == Some(1) && complaint.starts_with("holdfast: "), "{complaint}");
}

/// Pushes, tags, deletes and breaks off, so that payloads settle and go, segments are deleted and uploads end.
fn keep_busy(registry: &Holdfast, pusher: u64, began: Instant) -> u64 {
    let (mut seed, mut young) = (pusher * 1_000_000, VecDeque::new());
    while began.elapsed() < Duration::from_secs(10) {
        seed += 1;
        let repository = format!("busy/{}", seed % 3);
        let length = if seed.is_multiple_of(4) { 20_000 } else { 300_000 };
        let (bytes, mut upload) = (bytes_of(length, seed), registry.start_upload(&repository));
        let digest = sha256(&bytes);
        upload.patch(bytes).expect(202);
        upload.put(&digest, "").expect(201);
        young.push_back(format!("/v2/{repository}/blobs/{digest}"));
        let pushed = registry.push_image(&repository, &format!("v{}", seed % 5), seed);
        // What goes has lain there for long enough to be seen.
        if young.len() > 20
            && let Some(old) = young.pop_front()
        {
            registry.delete(&old).expect(202);
            registry.delete(&format!("/v2/{repository}/manifests/{}", pushed.digest)).expect(202);
        }
        let mut upload = registry.start_upload(&repository);
        upload.patch(bytes_of(300_000, seed)).expect(202);
        registry.delete(&upload.location).expect(204);
    }
    seed - pusher * 1_000_000
}
