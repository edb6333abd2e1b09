//! Collection: what nothing refers to goes, and nothing else.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::{Holdfast, Registry, artifact, index, manifest_descriptor, sha256, to_bytes};

/// A collection finds everything as soon as nothing refers to it.
const AT_ONCE: &str = "storage: {gc: {lease: 0s, grace: 0s, interval: 1h}, log: {settleinterval: 10ms}}\n";

/// Collects, and gives what was said.
#[track_caller]
fn gc(root: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    let output = command.arg("gc").arg("--root").arg(root).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[track_caller]
fn blob_status(registry: &Registry, repository: &str, digest: &str) -> u16 {
    registry.get(&format!("/v2/{repository}/blobs/{digest}")).status
}

#[track_caller]
fn manifest_status(registry: &Registry, repository: &str, reference: &str) -> u16 {
    registry.get(&format!("/v2/{repository}/manifests/{reference}")).status
}

/// The digests of the payloads that lie in files, and how many files there are.
pub(crate) fn payload_files(root: &Path) -> Vec<String> {
    let mut files = Vec::new();
    for shard in std::fs::read_dir(root.join("blobs/sha256")).unwrap() {
        for file in std::fs::read_dir(shard.unwrap().path()).unwrap() {
            let name = file.unwrap().file_name().into_string().unwrap();
            files.push(name.split('-').next().unwrap().to_owned());
        }
    }
    files.sort();
    files
}

/// Waits until every payload of these lies in a file, and none else does.
#[track_caller]
fn expect_payload_files(root: &Path, digests: &[&str]) {
    let mut expected: Vec<_> = digests.iter().map(|digest| digest["sha256:".len()..].to_owned()).collect();
    expected.sort();
    let began = Instant::now();
    while payload_files(root) != expected {
        assert!(began.elapsed() < Duration::from_secs(10), "{:?} and not {expected:?}", payload_files(root));
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn what_no_manifest_is_made_of_goes_and_its_room_with_it() {
    let registry = Holdfast::configured(AT_ONCE);
    let image = registry.push_image("team/app", "v1", 1);
    let unused = registry.push_blob("team/app", vec![7; 600_000]);
    let said = gc(&registry.root(), &["--dry-run"]);
    assert!(said.contains(&format!("would be removed: blob team/app {unused}, 600000")), "{said}");
    assert_eq!(blob_status(&registry, "team/app", &unused), 200);
    let said = gc(&registry.root(), &[]);
    assert!(said.contains(&format!("removed: blob team/app {unused}")), "{said}");
    assert!(said.contains("removed: 0 manifests, 1 blobs, 0 uploads"), "{said}");
    assert_eq!(blob_status(&registry, "team/app", &unused), 404);
    for digest in [&image.config, &image.layer] {
        assert_eq!(blob_status(&registry, "team/app", digest), 200);
    }
    expect_payload_files(&registry.root(), &[&image.config, &image.layer]);
    // It can be pushed again.
    assert_eq!(registry.push_blob("team/app", vec![7; 600_000]), unused);
    assert_eq!(blob_status(&registry, "team/app", &unused), 200);
}

#[test]
fn a_payload_goes_with_the_last_repository_that_needs_it() {
    let registry = Holdfast::configured(AT_ONCE);
    let image = registry.push_image("one", "v1", 1);
    registry.push_image("two", "v1", 1);
    registry.delete(&format!("/v2/one/manifests/{}", image.digest)).expect(202);
    let said = gc(&registry.root(), &[]);
    assert!(said.contains(&format!("removed: blob one {}\n", image.layer)), "no room is made by it: {said}");
    assert_eq!(blob_status(&registry, "one", &image.layer), 404);
    assert_eq!(blob_status(&registry, "two", &image.layer), 200);
    registry.delete(&format!("/v2/two/manifests/{}", image.digest)).expect(202);
    gc(&registry.root(), &[]);
    expect_payload_files(&registry.root(), &[]);
    // Nothing is left of either.
    registry.get("/v2/one/tags/list").expect(404);
}

#[test]
fn a_manifest_that_several_tags_share_stays_until_the_last_of_them_is_gone() {
    let registry = Holdfast::configured(AT_ONCE);
    let image = registry.push_image("app", "v1", 1);
    registry.push_image("app", "latest", 1);
    registry.delete("/v2/app/manifests/v1").expect(202);
    gc(&registry.root(), &["--delete-untagged"]);
    assert_eq!(manifest_status(&registry, "app", "latest"), 200);
    assert_eq!(blob_status(&registry, "app", &image.layer), 200);
    registry.delete("/v2/app/manifests/latest").expect(202);
    gc(&registry.root(), &[]);
    assert_eq!(manifest_status(&registry, "app", &image.digest), 200, "untagged manifests stay");
    let said = gc(&registry.root(), &["--delete-untagged"]);
    assert!(said.contains("removed: 1 manifests, 2 blobs"), "{said}");
    assert_eq!(manifest_status(&registry, "app", &image.digest), 404);
}

/// An index of two images that have no tag of their own, and those.
fn push_index(registry: &Registry, tag: &str, seeds: [u64; 2]) -> (String, [String; 2]) {
    let manifests = seeds.map(|seed| registry.push_image_blobs("app", seed));
    let images = manifests.each_ref().map(|manifest| {
        let digest = sha256(to_bytes(manifest));
        registry.push_manifest("app", &digest, manifest)
    });
    let index = index(&manifests.each_ref().map(manifest_descriptor));
    (registry.push_manifest("app", tag, &index), images)
}

#[test]
fn the_images_of_an_index_stay_for_as_long_as_one_has_them_and_go_when_none_has() {
    let registry = Holdfast::configured(AT_ONCE);
    let (first, [shared, own]) = push_index(&registry, "first", [1, 2]);
    let (_, [_, other]) = push_index(&registry, "second", [1, 3]);
    let said = gc(&registry.root(), &["--delete-untagged"]);
    assert!(said.contains("removed: 0 manifests, 0 blobs"), "{said}");
    registry.delete(&format!("/v2/app/manifests/{first}")).expect(202);
    let said = gc(&registry.root(), &[]);
    assert!(said.contains(&format!("removed: manifest app {own}")), "{said}");
    assert!(said.contains("removed: 1 manifests, 2 blobs"), "{said}");
    for digest in [&shared, &other] {
        assert_eq!(manifest_status(&registry, "app", digest), 200);
    }
}

#[test]
fn an_image_that_was_pushed_by_its_digest_alone_stays() {
    let registry = Holdfast::configured(AT_ONCE);
    let image = registry.push_image("app", "", 1);
    gc(&registry.root(), &[]);
    assert_eq!(manifest_status(&registry, "app", &image.digest), 200);
}

/// An artifact about an image, without a tag or with one.
fn push_referrer(
    registry: &Registry,
    subject: &serde_json::Value,
    reference: Option<&str>,
    kind: &str,
) -> String {
    let mut referrer = artifact(kind);
    registry.push_blob("app", "{}");
    referrer["subject"] = subject.clone();
    let digest = sha256(to_bytes(&referrer));
    registry.push_manifest("app", reference.unwrap_or(&digest), &referrer)
}

#[test]
fn a_referrer_without_a_tag_lives_as_long_as_its_subject() {
    let registry = Holdfast::configured(AT_ONCE);
    let image = registry.push_image("app", "v1", 1);
    let signature = push_referrer(&registry, &image.descriptor(), None, "application/x.signature");
    gc(&registry.root(), &["--delete-untagged"]);
    assert_eq!(manifest_status(&registry, "app", &signature), 200);
    registry.delete(&format!("/v2/app/manifests/{}", image.digest)).expect(202);
    let said = gc(&registry.root(), &[]);
    assert!(said.contains(&format!("removed: manifest app {signature}")), "{said}");
    expect_payload_files(&registry.root(), &[]);
}

#[test]
fn a_referrer_whose_subject_was_never_there_stays() {
    let registry = Holdfast::configured(AT_ONCE);
    let absent = manifest_descriptor(&registry.push_image_blobs("app", 1));
    let signature = push_referrer(&registry, &absent, None, "application/x.signature");
    gc(&registry.root(), &[]);
    assert_eq!(manifest_status(&registry, "app", &signature), 200);
}

#[test]
fn what_a_referrer_with_a_tag_is_about_stays() {
    let registry = Holdfast::configured(AT_ONCE);
    let image = registry.push_image("app", "v1", 1);
    push_referrer(&registry, &image.descriptor(), Some("bill-of-materials"), "application/x.bill");
    registry.delete("/v2/app/manifests/v1").expect(202);
    gc(&registry.root(), &["--delete-untagged"]);
    assert_eq!(manifest_status(&registry, "app", &image.digest), 200);
    assert_eq!(blob_status(&registry, "app", &image.layer), 200);
}

#[test]
fn what_was_just_pushed_is_kept_for_its_grace_and_the_report_says_for_how_long() {
    let registry = Holdfast::configured("storage: {gc: {lease: 0s}}\n");
    let blob = registry.push_blob("app", "just pushed");
    let said = gc(&registry.root(), &[]);
    assert!(said.contains(&format!("kept: blob app {blob}: its grace ends in 24h")), "{said}");
    assert!(said.contains("--grace overrides it"), "{said}");
    let said = gc(&registry.root(), &["--grace", "0s"]);
    assert!(said.contains(&format!("removed: blob app {blob}")), "{said}");
}

#[test]
fn a_client_that_was_told_that_a_blob_is_there_relies_on_it() {
    let registry = Holdfast::configured("storage: {gc: {lease: 3s, grace: 0s}}\n");
    let (asked, forgotten) = (registry.push_blob("app", "asked for"), registry.push_blob("app", "forgotten"));
    let said = gc(&registry.root(), &[]);
    assert!(said.contains("removed: 0 manifests, 0 blobs"), "the grace is no shorter than a lease: {said}");
    std::thread::sleep(Duration::from_millis(4_500));
    registry.head(&format!("/v2/app/blobs/{asked}")).expect(200);
    let said = gc(&registry.root(), &[]);
    assert!(said.contains(&format!("kept: blob app {asked}: a client may have been told")), "{said}");
    assert!(said.contains(&format!("removed: blob app {forgotten}")), "{said}");
    assert_eq!(blob_status(&registry, "app", &asked), 200);
}

#[test]
fn an_open_upload_holds_what_its_repository_has() {
    let registry = Holdfast::configured(AT_ONCE);
    let blobs = ["app", "other"].map(|repository| registry.push_blob(repository, format!("of {repository}")));
    let mut upload = registry.start_upload("app");
    upload.patch("more").expect(202);
    let said = gc(&registry.root(), &[]);
    assert!(said.contains(&format!("kept: blob app {}: an upload is open", blobs[0])), "{said}");
    assert!(said.contains(&format!("removed: blob other {}", blobs[1])), "{said}");
    upload.cancel().expect(204);
    assert!(gc(&registry.root(), &[]).contains(&format!("removed: blob app {}", blobs[0])));
}

#[test]
fn uploads_that_nobody_goes_on_with_are_purged_and_others_are_not() {
    let registry =
        Holdfast::configured("storage: {maintenance: {uploadpurging: {age: 3s}}, gc: {lease: 0s}}\n");
    let (mut idle, mut busy) = (registry.start_upload("app"), registry.start_upload("app"));
    idle.patch("some bytes").expect(202);
    std::thread::sleep(Duration::from_millis(3_500));
    busy.patch("other bytes").expect(202);
    let said = gc(&registry.root(), &["--dry-run"]);
    assert!(said.contains("would be removed: 0 manifests, 0 blobs, 1 uploads"), "{said}");
    idle.expect_offset(10);
    let said = gc(&registry.root(), &["--grace", "1h"]);
    assert!(said.contains("removed: 0 manifests, 0 blobs, 1 uploads"), "{said}");
    idle.status().expect(404);
    busy.expect_offset(11);
}

#[test]
fn a_stopped_store_is_collected_as_well() {
    let mut registry = Holdfast::configured("storage: {gc: {grace: 0s}}\n");
    let image = registry.push_image("app", "v1", 1);
    let unused = registry.push_blob("app", vec![3; 400_000]);
    registry.stop();
    let said = gc(&registry.root(), &["--grace", "0s"]);
    assert!(said.contains(&format!("removed: blob app {unused}")), "{said}");
    registry.check_payloads();
    registry.start_again();
    assert_eq!(blob_status(&registry, "app", &unused), 404);
    assert_eq!(blob_status(&registry, "app", &image.layer), 200);
}

#[test]
fn it_collects_by_itself() {
    let registry = Holdfast::configured("storage: {gc: {lease: 0s, grace: 0s, interval: 1s}}\n");
    let image = registry.push_image("app", "v1", 1);
    let unused = registry.push_blob("app", "unused");
    let began = Instant::now();
    while blob_status(&registry, "app", &unused) != 404 {
        assert!(began.elapsed() < Duration::from_secs(20), "it is still there");
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(blob_status(&registry, "app", &image.layer), 200);
}

#[test]
fn ages_count_only_while_the_registry_runs() {
    let mut registry = Holdfast::configured("storage: {gc: {lease: 0s, grace: 8s}}\n");
    let blob = registry.push_blob("app", "idle");
    registry.stop();
    std::thread::sleep(Duration::from_secs(8));
    registry.start_again();
    let said = gc(&registry.root(), &[]);
    assert!(said.contains(&format!("kept: blob app {blob}")), "{said}");
}
