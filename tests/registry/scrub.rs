//! Rot: what is damaged at rest is found, not served, and healed by whoever pushes it again.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::collection::payload_files;
use crate::support::{
    Holdfast, Image, Registry, Request, bytes_of, descriptor, image, index, manifest_descriptor, sha256,
    to_bytes,
};

/// Payloads move into files at once; nothing is scrubbed by itself.
pub(crate) const QUIET: &str = "storage: {log: {settleinterval: 10ms}, scrub: {enabled: false}}\n";
/// Small payloads stay in the log.
pub(crate) const IN_THE_LOG: &str = "storage: {log: {settleinterval: 1m}, scrub: {enabled: false}}\n";
const DAMAGED: &str = "the content of";

/// Scrubs, and gives what was said. Whether anything was damaged is to be said by the exit code as well.
#[track_caller]
fn scrub(root: &Path, is_sound: bool) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    let output = command.args(["scrub", "--rate", "0", "--root"]).arg(root).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let complained = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(i32::from(!is_sound)), "{said}{complained}");
    said
}

#[track_caller]
pub(crate) fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(20), "not in time: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The file of a payload, once it lies in one.
#[track_caller]
pub(crate) fn payload_file(root: &Path, digest: &str) -> PathBuf {
    let hex = digest.strip_prefix("sha256:").unwrap();
    let find = || {
        let folder = std::fs::read_dir(root.join("blobs/sha256").join(&hex[..2])).unwrap();
        let mut files = folder.map(|entry| entry.unwrap().path());
        files.find(|file| file.file_name().unwrap().to_string_lossy().starts_with(hex))
    };
    wait_until("the payload has a file", || find().is_some());
    find().unwrap()
}

pub(crate) fn open(path: &Path) -> File {
    OpenOptions::new().read(true).write(true).open(path).unwrap()
}

pub(crate) fn flip_byte(path: &Path, offset: u64) {
    let (file, mut byte) = (open(path), [0]);
    file.read_exact_at(&mut byte, offset).unwrap();
    file.write_all_at(&[!byte[0]], offset).unwrap();
}

/// Pushes an image with a layer of this content, and another that shares nothing with it.
pub(crate) fn push_images(registry: &Registry, layer: &[u8]) -> (Image, Image) {
    let config = r#"{"architecture":"amd64","os":"linux"}"#;
    registry.push_blob("team/app", config);
    registry.push_blob("team/app", layer);
    let manifest = image(
        &descriptor("application/vnd.oci.image.config.v1+json", config),
        &[descriptor("application/vnd.oci.image.layer.v1.tar+gzip", layer)],
    );
    let digest = registry.push_manifest("team/app", "v1", &manifest);
    registry.push_manifest("team/app", "latest", &manifest);
    let bytes = to_bytes(&manifest);
    let media_type = manifest["mediaType"].as_str().unwrap().to_owned();
    let pushed = Image { digest, bytes, media_type, config: sha256(config), layer: sha256(layer) };
    (pushed, registry.push_image("team/app", "other", 1))
}

pub(crate) fn path(digest: &str) -> String {
    format!("/v2/team/app/blobs/{digest}")
}

#[track_caller]
pub(crate) fn expect_damaged(registry: &Registry, digest: &str) {
    let body = registry.get(&path(digest)).expect(500).json();
    let message = body["errors"][0]["message"].as_str().unwrap();
    assert!(message.starts_with(DAMAGED) && message.contains("push it again"), "{message}");
    registry.get(&path(digest)).expect(500);
    registry.head(&path(digest)).expect(404);
}

#[track_caller]
pub(crate) fn expect_served(registry: &Registry, digest: &str, bytes: &[u8]) {
    registry.head(&path(digest)).expect(200);
    registry.get(&path(digest)).expect(200).expect_body(bytes);
}

/// Waits until each of these payloads has one file, and nothing else has any.
#[track_caller]
fn expect_one_file_each(root: &Path, digests: &[&str]) {
    let mut expected: Vec<_> = digests.iter().map(|digest| digest["sha256:".len()..].to_owned()).collect();
    expected.sort();
    wait_until("each payload has one file", || payload_files(root) == expected);
}

#[test]
fn an_undamaged_registry_is_said_to_be_so() {
    let registry = Holdfast::configured(QUIET);
    push_images(&registry, &bytes_of(700_000, 1));
    let said = scrub(&registry.root(), true);
    assert!(said.contains("read: 4 blobs, 0.6 MiB; 0 are damaged"), "{said}");
}

#[test]
fn a_flipped_byte_is_found_and_not_served_until_the_blob_is_pushed_again() {
    let registry = Holdfast::configured(QUIET);
    let bytes = bytes_of(3_000_000, 1);
    let (image, other) = push_images(&registry, &bytes);
    let file = payload_file(&registry.root(), &image.layer);
    expect_served(&registry, &image.layer, &bytes);
    flip_byte(&file, 2_345_678);
    let said = scrub(&registry.root(), false);
    assert!(
        said.contains(&format!("damaged: {}, 3000000: its place holds the bytes of", image.layer)),
        "{said}"
    );
    let broken = format!("breaks team/app@{} team/app:latest team/app:v1", image.digest);
    assert!(said.contains(&broken) && said.contains("1 are damaged"), "{said}");
    assert!(!said.contains(&other.digest), "{said}");
    wait_until("the log tells of it", || {
        let log = registry.log();
        log.lines()
            .any(|line| line.contains("a payload is damaged") && line.contains("repositories=team/app"))
    });
    expect_damaged(&registry, &image.layer);
    let ranged = Request::get(path(&image.layer)).header("Range", "bytes=0-9");
    registry.send(ranged).expect(500);
    // It is said again for as long as it is so, and everything else is served.
    assert!(scrub(&registry.root(), false).contains(&broken));
    registry.get(&path(&other.layer)).expect(200);
    registry.push_blob("team/app", &bytes);
    expect_served(&registry, &image.layer, &bytes);
    expect_one_file_each(&registry.root(), &[&image.config, &image.layer, &other.config, &other.layer]);
    assert!(!file.exists(), "the damaged file is still there");
    scrub(&registry.root(), true);
}

#[test]
fn a_damaged_blob_survives_restarts_as_such_and_heals_for_all_by_a_push_to_any_repository() {
    let mut registry = Holdfast::configured(QUIET);
    let bytes = bytes_of(400_000, 2);
    let (image, _) = push_images(&registry, &bytes);
    flip_byte(&payload_file(&registry.root(), &image.layer), 0);
    scrub(&registry.root(), false);
    registry.kill();
    registry.start_again();
    expect_damaged(&registry, &image.layer);
    registry.push_blob("elsewhere", &bytes);
    expect_served(&registry, &image.layer, &bytes);
    registry.kill();
    registry.start_again();
    expect_served(&registry, &image.layer, &bytes);
}

#[test]
fn a_damaged_blob_is_neither_mounted_nor_taken_for_part_of_a_new_manifest() {
    let registry = Holdfast::configured(QUIET);
    let bytes = bytes_of(400_000, 3);
    let (image, _) = push_images(&registry, &bytes);
    flip_byte(&payload_file(&registry.root(), &image.layer), 7);
    scrub(&registry.root(), false);
    for from in ["&from=team/app", ""] {
        registry.post(&format!("/v2/other/blobs/uploads/?mount={}{from}", image.layer)).expect(202);
    }
    let refused = registry.put_manifest_bytes("team/app", "v2", &image.media_type, image.bytes.clone());
    let body = refused.expect(400).json();
    assert_eq!(body["errors"][0]["code"], "MANIFEST_BLOB_UNKNOWN");
    assert_eq!(body["errors"][0]["detail"]["digest"], *image.layer);
    // What was accepted before stays as it is.
    registry.get("/v2/team/app/manifests/v1").expect(200);
    registry.push_blob("team/app", &bytes);
    registry.put_manifest_bytes("team/app", "v2", &image.media_type, image.bytes).expect(201);
    registry.post(&format!("/v2/other/blobs/uploads/?mount={}&from=team/app", image.layer)).expect(201);
}

#[test]
fn the_tags_of_an_index_are_named_when_a_layer_of_one_of_its_images_is_damaged() {
    let registry = Holdfast::configured(QUIET);
    let manifest = registry.push_image_blobs("app", 1);
    let digest = sha256(to_bytes(&manifest));
    registry.push_manifest("app", &digest, &manifest);
    let list = registry.push_manifest("app", "multi", &index(&[manifest_descriptor(&manifest)]));
    let layer = manifest["layers"][0]["digest"].as_str().unwrap();
    flip_byte(&payload_file(&registry.root(), layer), 100);
    let said = scrub(&registry.root(), false);
    assert!(said.contains(&format!("breaks app@{digest}\n")), "{said}");
    assert!(said.contains(&format!("breaks app@{list} app:multi\n")), "{said}");
    registry.push_blob("app", bytes_of(512, 1));
}

#[test]
fn a_truncated_and_a_missing_file_are_found_by_a_scrub() {
    let registry = Holdfast::configured(QUIET);
    let blobs = [bytes_of(500_000, 4), bytes_of(500_000, 5)];
    let [cut, gone] = blobs.each_ref().map(|bytes| registry.push_blob("team/app", bytes));
    open(&payload_file(&registry.root(), &cut)).set_len(1_000).unwrap();
    std::fs::remove_file(payload_file(&registry.root(), &gone)).unwrap();
    let said = scrub(&registry.root(), false);
    assert!(said.contains(&format!("damaged: {cut}, 500000: the payload's file has 1000 bytes")), "{said}");
    assert!(said.contains(&format!("damaged: {gone}, 500000: the payload's file is missing")), "{said}");
    assert!(said.contains("held by team/app") && said.contains("2 are damaged"), "{said}");
    for (digest, bytes) in [(&cut, &blobs[0]), (&gone, &blobs[1])] {
        expect_damaged(&registry, digest);
        registry.push_blob("team/app", bytes);
        expect_served(&registry, digest, bytes);
    }
    expect_one_file_each(&registry.root(), &[&cut, &gone]);
}

#[test]
fn a_pull_that_meets_a_truncated_file_has_it_marked_so_that_it_can_be_pushed_again() {
    let registry = Holdfast::configured(QUIET);
    let bytes = bytes_of(500_000, 6);
    let digest = registry.push_blob("team/app", &bytes);
    open(&payload_file(&registry.root(), &digest)).set_len(1_000).unwrap();
    registry.get(&path(&digest)).expect(500);
    wait_until("it is marked", || registry.head(&path(&digest)).status == 404);
    registry.push_blob("team/app", &bytes);
    expect_served(&registry, &digest, &bytes);
}

#[test]
fn a_small_payload_in_the_log_is_verified_and_heals_as_well() {
    let mut registry = Holdfast::configured(IN_THE_LOG);
    let bytes = bytes_of(5_000, 7);
    let digest = registry.push_blob("team/app", &bytes);
    let other = registry.push_blob("team/app", "other");
    assert_eq!(payload_files(&registry.root()), Vec::<String>::new());
    let (segment, offset) = find_in_log(&registry.root(), &bytes);
    flip_byte(&segment, offset + 4_321);
    let said = scrub(&registry.root(), false);
    assert!(said.contains(&format!("damaged: {digest}, 5000: its place holds the bytes of")), "{said}");
    expect_damaged(&registry, &digest);
    expect_served(&registry, &other, b"other");
    registry.push_blob("team/app", &bytes);
    expect_served(&registry, &digest, &bytes);
    scrub(&registry.root(), true);
    registry.stop();
    registry.start_again();
    expect_served(&registry, &digest, &bytes);
}

/// Where in which segment of the log these bytes lie.
fn find_in_log(root: &Path, bytes: &[u8]) -> (PathBuf, u64) {
    let segments = std::fs::read_dir(root.join("log")).unwrap().map(|entry| entry.unwrap().path());
    let found = segments.filter_map(|segment| {
        let content = std::fs::read(&segment).unwrap();
        let offset = content.windows(bytes.len()).position(|window| window == bytes)?;
        Some((segment, offset as u64))
    });
    found.last().unwrap()
}

#[test]
fn a_stopped_store_is_scrubbed_as_well_and_one_whose_file_was_put_back_is_served_again() {
    let mut registry = Holdfast::configured(QUIET);
    let bytes = bytes_of(600_000, 8);
    let (image, _) = push_images(&registry, &bytes);
    let file = payload_file(&registry.root(), &image.layer);
    registry.stop();
    scrub(&registry.root(), true);
    flip_byte(&file, 599_999);
    let said = scrub(&registry.root(), false);
    assert!(
        said.contains(&format!("breaks team/app@{} team/app:latest team/app:v1", image.digest)),
        "{said}"
    );
    registry.start_again();
    expect_damaged(&registry, &image.layer);
    flip_byte(&file, 599_999);
    expect_damaged(&registry, &image.layer);
    let said = scrub(&registry.root(), true);
    assert!(said.contains("1 that were damaged are right again"), "{said}");
    expect_served(&registry, &image.layer, &bytes);
}

#[test]
fn it_scrubs_by_itself() {
    let registry =
        Holdfast::configured("storage: {log: {settleinterval: 10ms}, scrub: {interval: 1s, rate: 0}}\n");
    let bytes = bytes_of(600_000, 9);
    let digest = registry.push_blob("team/app", &bytes);
    flip_byte(&payload_file(&registry.root(), &digest), 300_000);
    wait_until("it is found", || registry.head(&path(&digest)).status == 404);
    registry.push_blob("team/app", &bytes);
    expect_served(&registry, &digest, &bytes);
}

#[test]
fn nothing_that_moves_or_goes_while_it_is_looked_for_is_taken_for_damage() {
    let registry = Holdfast::configured(QUIET);
    let (root, began) = (registry.root(), Instant::now());
    let busy = std::thread::scope(|scope| {
        let pushing = scope.spawn(|| {
            let mut seed = 0;
            while began.elapsed() < Duration::from_secs(4) {
                seed += 1;
                let length = if seed % 4 == 0 { 300_000 } else { 20_000 };
                let digest = registry.push_blob("team/app", bytes_of(length, seed));
                if seed % 2 == 0 {
                    registry.delete(&path(&digest)).expect(202);
                }
            }
            seed
        });
        while !pushing.is_finished() {
            let said = scrub(&root, true);
            assert!(said.contains("; 0 are damaged"), "{said}");
        }
        pushing.join().unwrap()
    });
    assert!(busy > 20, "{busy} pushes");
    assert!(!registry.log().contains("a payload is damaged"));
}

#[test]
fn everything_else_is_served_while_a_scrub_goes_on_at_its_rate() {
    let registry = Holdfast::configured(QUIET);
    let bytes = bytes_of(4 << 20, 10);
    let digest = registry.push_blob("team/app", &bytes);
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    let began = Instant::now();
    let mut scrub = command.args(["scrub", "--rate", "2MiB", "--root"]).arg(registry.root()).spawn().unwrap();
    let mut pulls = 0;
    while scrub.try_wait().unwrap().is_none() {
        registry.get(&path(&digest)).expect(200).expect_body(&bytes);
        pulls += 1;
    }
    assert!(scrub.wait().unwrap().success());
    assert!(began.elapsed() > Duration::from_millis(1_900), "{:?}", began.elapsed());
    assert!(pulls > 3, "{pulls}");
}
