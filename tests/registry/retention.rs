//! Retention: the tags that some rule keeps stay, and nothing else that a rule is about.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::listener::Listener;
use crate::support::{Holdfast, OCI_IMAGE, artifact, index};

const REPOSITORY: &str = "team/app";

/// A registry with rules, by which nothing goes on its own.
fn ruled(rules: &str) -> Holdfast {
    Holdfast::configured(&format!("retention: {{interval: 0s, rules: [{rules}]}}\n"))
}

/// Looks at all tags, and gives what was said.
#[track_caller]
fn retention(root: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    let output = command.arg("retention").arg("--root").arg(root).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_newest_stay_and_those_that_a_pattern_matches_and_the_others_go() {
    let registry = ruled("{where: 'team/**', tags: 'v*', last: 2, matching: v1-lts}");
    for (seed, tag) in ["v1-lts", "v2", "latest", "v3", "v4"].into_iter().enumerate() {
        registry.push_image(REPOSITORY, tag, seed as u64);
    }
    registry.push_image("other/app", "v2", 9);
    let said = retention(&registry.root(), &[]);
    assert!(said.contains("removed: team/app:v2 with its image: no rule keeps it"), "{said}");
    assert!(said.contains("removed: 1 of 4 tags in 1 repositories, and 1 images"), "{said}");
    assert_eq!(registry.tags(REPOSITORY), ["latest", "v1-lts", "v3", "v4"]);
    assert_eq!(registry.tags("other/app"), ["v2"]);
}

#[test]
fn a_dry_run_says_of_each_tag_why_and_changes_nothing() {
    let registry =
        ruled("{where: '**', last: 1, matching: keep-*, pushedwithin: 1h}, {where: gone, last: 1}");
    registry.push_image(REPOSITORY, "keep-1", 1);
    registry.push_image(REPOSITORY, "newest", 2);
    for (seed, tag) in ["old", "new"].into_iter().enumerate() {
        registry.push_image("gone", tag, seed as u64);
    }
    let said = retention(&registry.root(), &["--dry-run"]);
    for line in [
        "kept: team/app:keep-1: keep-* matches it",
        "kept: team/app:newest: it is among the newest 1",
        "kept: gone:old: it was pushed 0s ago, within 1h",
        "would be removed: 0 of 4 tags in 2 repositories",
    ] {
        assert!(said.contains(line), "{line:?} is missing in: {said}");
    }
    let said = retention(&registry.root(), &["--dry-run", "--repository", "gone", "--json"]);
    let lines: Vec<serde_json::Value> =
        said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["tag"], "new");
    assert_eq!(lines[0]["verdict"]["kept"]["last"], 1);
    assert_eq!(lines[2]["tags"], 2);
    assert_eq!(registry.tags("gone"), ["new", "old"]);
}

#[test]
fn what_was_pushed_or_pulled_a_short_time_ago_stays() {
    let mut registry = ruled("{where: '**', pushedwithin: 3s, pulledwithin: 1h}");
    let image = registry.push_image(REPOSITORY, "pulled", 1);
    registry.push_image(REPOSITORY, "idle", 2);
    registry.get(&format!("/v2/{REPOSITORY}/manifests/{}", image.digest)).expect(200);
    // Ages do not grow while nobody serves, and who has pulled what is put down when the server stops.
    registry.stop();
    std::thread::sleep(Duration::from_secs(4));
    registry.start_again();
    let said = retention(&registry.root(), &["--dry-run"]);
    assert!(said.contains("would be removed: 0 of 2 tags"), "{said}");
    std::thread::sleep(Duration::from_secs(5));
    let said = retention(&registry.root(), &[]);
    assert!(said.contains("removed: 1 of 2 tags"), "{said}");
    assert_eq!(registry.tags(REPOSITORY), ["pulled"]);
}

#[test]
fn an_image_stays_that_another_tag_or_an_index_needs() {
    let registry = ruled("{where: '**', matching: 'keep*'}");
    let shared = registry.push_image(REPOSITORY, "gone", 1);
    registry.put_manifest_bytes(REPOSITORY, "keep", OCI_IMAGE, shared.bytes.as_slice()).expect(201);
    let part = registry.push_image(REPOSITORY, "part", 2);
    let whole = index(&[part.descriptor()]);
    registry.push_manifest(REPOSITORY, "keep-index", &whole);
    let alone = registry.push_image(REPOSITORY, "alone", 3);
    registry.put_manifest_bytes(REPOSITORY, "alone-too", OCI_IMAGE, alone.bytes.as_slice()).expect(201);
    let said = retention(&registry.root(), &[]);
    assert!(said.contains("removed: 4 of 6 tags in 1 repositories, and 1 images"), "{said}");
    for digest in [&shared.digest, &part.digest] {
        registry.get(&format!("/v2/{REPOSITORY}/manifests/{digest}")).expect(200);
    }
    registry.get(&format!("/v2/{REPOSITORY}/manifests/{}", alone.digest)).expect(404);
}

#[test]
fn signatures_stay_with_their_image_and_go_when_it_has_gone() {
    let registry = ruled("{where: '**', matching: keep}");
    registry.push_blob(REPOSITORY, "{}");
    let tag = |digest: &str, suffix: &str| format!("{}{suffix}", digest.replace(':', "-"));
    let (kept, gone) =
        (registry.push_image(REPOSITORY, "keep", 1), registry.push_image(REPOSITORY, "gone", 2));
    for image in [&kept, &gone] {
        let mut signature = artifact("application/vnd.example.signature");
        signature["annotations"] = serde_json::json!({"of": image.digest});
        registry.push_manifest(REPOSITORY, &tag(&image.digest, ".sig"), &signature);
    }
    retention(&registry.root(), &[]);
    retention(&registry.root(), &[]);
    assert_eq!(registry.tags(REPOSITORY), ["keep", &tag(&kept.digest, ".sig")]);
}

#[test]
fn immutable_tags_stay_whatever_rules_say_and_events_tell_who_it_was() {
    let listener = Listener::start();
    let registry = Holdfast::configured(&format!(
        "retention: {{interval: 0s, rules: [{{where: '**', matching: none}}]}}\ntags: {{immutable: [{{where: '**', tags: 'v*'}}]}}\n\
         notifications: {{endpoints: [{{url: '{}'}}]}}\n",
        listener.url()
    ));
    registry.push_image(REPOSITORY, "v1", 1);
    registry.push_image(REPOSITORY, "latest", 2);
    let said = retention(&registry.root(), &["--dry-run"]);
    assert!(said.contains("kept: team/app:v1: tags.immutable has it"), "{said}");
    retention(&registry.root(), &[]);
    assert_eq!(registry.tags(REPOSITORY), ["v1"]);
    let events = listener.wait_for(8);
    let deleted: Vec<_> = events.iter().filter(|event| event["action"] == "delete").collect();
    assert_eq!((deleted.len(), &deleted[0]["target"]["tag"]), (2, &serde_json::json!("latest")));
    assert!(deleted.iter().all(|event| event["actor"]["name"] == "retention"));
}

#[test]
fn it_happens_by_itself_and_in_a_stopped_store_as_well() {
    let rules = "rules: [{where: '**', last: 1}]";
    let mut registry = Holdfast::configured(&format!("retention: {{interval: 1s, {rules}}}\n"));
    let manifest = |note: &str| {
        let mut manifest = index(&[]);
        manifest["annotations"] = serde_json::json!({"note": note});
        manifest
    };
    for tag in ["a", "b"] {
        registry.push_manifest(REPOSITORY, tag, &manifest(tag));
        std::thread::sleep(Duration::from_millis(20));
    }
    let began = Instant::now();
    while registry.tags(REPOSITORY) != ["b"] {
        assert!(began.elapsed() < Duration::from_secs(30), "{:?}", registry.tags(REPOSITORY));
        std::thread::sleep(Duration::from_millis(50));
    }
    registry.write_configuration(&format!("retention: {{interval: 0s, {rules}}}\n"));
    registry.stop();
    registry.start_again();
    registry.push_manifest(REPOSITORY, "c", &manifest("c"));
    registry.stop();
    let file = registry.root().parent().unwrap().join("holdfast.yml");
    let said = retention(&registry.root(), &["--config", file.to_str().unwrap()]);
    assert!(said.contains("removed: 1 of 2 tags"), "{said}");
    registry.start_again();
    assert_eq!(registry.tags(REPOSITORY), ["c"]);
}
