//! `holdfast tag copy`, `mv` and `rm`, `holdfast repo rm`: what they change, in a running server and in a stopped store.

use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::looking::flip_first_byte;
use crate::run::{holdfast, run, run_at};
use crate::support::{
    Holdfast, Image, Terminal, artifact, bytes_of, descriptor, index, manifest_descriptor, sha256, to_bytes,
};

const IMMUTABLE: &str = "tags: {immutable: [{where: ['**'], tags: ['v*']}]}\n";

/// Runs a command over a running server, or with `is_stopped` over its store while it is stopped.
#[track_caller]
fn change(registry: &mut Holdfast, is_stopped: bool, arguments: &[&str]) -> String {
    if !is_stopped {
        return run_at(&registry.root(), arguments).expect();
    }
    registry.stop();
    let said = run_at(&registry.root(), arguments).expect();
    registry.start_again();
    said
}

/// The image can be pulled whole.
#[track_caller]
fn expect_image(registry: &Holdfast, repository: &str, reference: &str, image: &Image) {
    let manifest = format!("/v2/{repository}/manifests/{reference}");
    registry.get(&manifest).expect(200).expect_body(&image.bytes);
    for blob in [&image.config, &image.layer] {
        registry.get(&format!("/v2/{repository}/blobs/{blob}")).expect(200);
    }
}

#[track_caller]
fn expect_no_tag(registry: &Holdfast, repository: &str, tag: &str) {
    registry.get(&format!("/v2/{repository}/manifests/{tag}")).expect(404);
}

#[test]
fn an_image_is_copied_to_another_repository_with_its_blobs() {
    let mut registry = Holdfast::start();
    let image = registry.push_image("team/app", "v1", 1);
    for is_stopped in [false, true] {
        let to = format!("stage-{is_stopped}/app");
        let said = change(&mut registry, is_stopped, &["tag", "copy", "team/app:v1", &to]);
        let counts = "1 manifests and 2 blobs are new there";
        assert_eq!(said, format!("copied: team/app:v1 to {to}:v1, {}; {counts}\n", image.digest));
        expect_image(&registry, &to, "v1", &image);
        let again = change(&mut registry, is_stopped, &["tag", "copy", "team/app:v1", &to]);
        assert!(again.contains("0 manifests and 0 blobs are new there"), "{again}");
    }
    expect_image(&registry, "team/app", "v1", &image);
}

#[test]
fn a_copy_takes_another_tag_in_the_same_repository_and_moves_one_that_is_there() {
    let mut registry = Holdfast::start();
    let first = registry.push_image("app", "v1", 1);
    let second = registry.push_image("app", "v2", 2);
    change(&mut registry, false, &["tag", "copy", "app:v1", "app:latest"]);
    expect_image(&registry, "app", "latest", &first);
    change(&mut registry, true, &["tag", "copy", &format!("app@{}", second.digest), "app:latest"]);
    expect_image(&registry, "app", "latest", &second);
    assert_eq!(registry.tags("app"), ["latest", "v1", "v2"]);
}

/// An index of two images that have no tag.
fn push_index(registry: &Holdfast, repository: &str, tag: &str) -> (String, [Value; 2]) {
    let manifests = [1, 2].map(|seed| {
        let manifest = registry.push_image_blobs(repository, seed);
        registry.push_manifest(repository, &sha256(to_bytes(&manifest)), &manifest);
        manifest
    });
    let entries = manifests.each_ref().map(manifest_descriptor);
    (registry.push_manifest(repository, tag, &index(&entries)), manifests)
}

#[test]
fn an_index_is_copied_with_all_its_images() {
    let mut registry = Holdfast::start();
    let (digest, manifests) = push_index(&registry, "app", "v1");
    let nested = index(&[json!({
        "mediaType": "application/vnd.oci.image.index.v1+json", "digest": digest,
        "size": registry.get("/v2/app/manifests/v1").expect(200).body.len(),
    })]);
    registry.push_manifest("app", "nested", &nested);
    let said = change(&mut registry, false, &["tag", "copy", "app:nested", "copy"]);
    assert!(said.contains("4 manifests and 4 blobs are new there"), "{said}");
    for manifest in &manifests {
        let digest = sha256(to_bytes(manifest));
        registry.get(&format!("/v2/copy/manifests/{digest}")).expect(200);
        for part in [&manifest["config"], &manifest["layers"][0]] {
            registry.get(&format!("/v2/copy/blobs/{}", part["digest"].as_str().unwrap())).expect(200);
        }
    }
    // It stands on its own.
    run_at(&registry.root(), &["repo", "rm", "--yes", "app"]).expect();
    registry.get(&format!("/v2/copy/manifests/{digest}")).expect(200);
}

#[test]
fn an_image_with_a_damaged_blob_is_not_copied() {
    let registry = Holdfast::configured("storage: {scrub: {enabled: false}}\n");
    let layer = bytes_of(700_000, 1);
    let mut manifest = registry.push_image_blobs("app", 1);
    registry.push_blob("app", &layer);
    let media_type = "application/vnd.oci.image.layer.v1.tar+gzip";
    manifest["layers"] = json!([descriptor(media_type, &layer)]);
    registry.push_manifest("app", "v1", &manifest);
    let digest = sha256(&layer);
    let report = run_at(&registry.root(), &["blob", "inspect", "--json", &digest]).expect();
    let report: Value = serde_json::from_str(&report).unwrap();
    flip_first_byte(&registry.root().join(report["place"].as_str().unwrap()));
    run_at(&registry.root(), &["scrub", "--rate", "0"]).expect_failure(1);
    let complaint = run_at(&registry.root(), &["tag", "copy", "app:v1", "copy"]).expect_failure(1);
    assert!(complaint.contains(&format!("the content of {digest} is damaged; push it again")), "{complaint}");
    registry.get("/v2/copy/tags/list").expect(404);
    registry.push_blob("app", &layer);
    run_at(&registry.root(), &["tag", "copy", "app:v1", "copy"]).expect();
}

#[test]
fn a_copy_keeps_its_place_among_the_referrers_of_its_subject() {
    let mut registry = Holdfast::start();
    let image = registry.push_image("app", "v1", 1);
    registry.push_blob("app", "{}");
    let mut signature = artifact("application/vnd.example.signature");
    signature["subject"] = image.descriptor();
    let digest = registry.push_manifest("app", "signature", &signature);
    change(&mut registry, false, &["tag", "copy", "app:v1", "copy"]);
    change(&mut registry, false, &["tag", "copy", &format!("app@{digest}"), "copy"]);
    let listed = registry.get(&format!("/v2/copy/referrers/{}", image.digest)).expect(200).json();
    assert_eq!(listed["manifests"][0]["digest"], json!(digest));
    assert_eq!(listed["manifests"][0]["artifactType"], json!("application/vnd.example.signature"));
}

#[test]
fn a_tag_is_moved_within_its_repository_and_to_another() {
    let mut registry = Holdfast::start();
    let image = registry.push_image("app", "v1", 1);
    for is_stopped in [false, true] {
        let said = change(&mut registry, is_stopped, &["tag", "mv", "app:v1", "app:v2"]);
        assert!(said.starts_with("moved: app:v1 to app:v2, sha256:"), "{said}");
        assert_eq!(registry.tags("app"), ["v2"]);
        expect_image(&registry, "app", "v2", &image);
        change(&mut registry, is_stopped, &["tag", "mv", "app:v2", "other:v1"]);
        assert_eq!(registry.tags("app"), Vec::<String>::new());
        expect_image(&registry, "other", "v1", &image);
        change(&mut registry, is_stopped, &["tag", "mv", "other:v1", "app"]);
    }
    change(&mut registry, false, &["tag", "mv", "app:v1", "app:v1"]);
    expect_image(&registry, "app", "v1", &image);
}

#[test]
fn immutable_tags_neither_move_nor_go_unless_that_is_asked_for() {
    let registry = Holdfast::configured(IMMUTABLE);
    let file = registry.root().parent().unwrap().join("holdfast.yml");
    let with_file = |arguments: &[&str]| {
        run_at(&registry.root(), &[arguments, &["--config", file.to_str().unwrap()]].concat())
    };
    let first = registry.push_image("app", "v1", 1);
    let second = registry.push_image("app", "latest", 2);
    registry.push_image("app", "v2", 2);
    for arguments in [
        &["tag", "copy", "app:latest", "app:v1"][..],
        &["tag", "mv", "app:latest", "app:v1"],
        &["tag", "mv", "app:v1", "app:old"],
        &["tag", "rm", "app:v1"],
        &["tag", "rm", "--dry-run", "app:v1"],
        &["repo", "rm", "--yes", "app"],
    ] {
        let complaint = with_file(arguments).expect_failure(1);
        assert!(complaint.contains("immutable and stays at"), "{arguments:?}: {complaint}");
        assert_eq!(registry.tags("app"), ["latest", "v1", "v2"]);
    }
    // Nothing was brought for a copy that could not be.
    let elsewhere = registry.push_image("elsewhere", "x", 3);
    with_file(&["tag", "copy", "elsewhere:x", "app:v1"]).expect_failure(1);
    registry.get(&format!("/v2/app/manifests/{}", elsewhere.digest)).expect(404);
    expect_image(&registry, "app", "v1", &first);
    with_file(&["tag", "copy", "app:latest", "app:v1", "--overwrite-immutable"]).expect();
    expect_image(&registry, "app", "v1", &second);
    with_file(&["tag", "rm", "app:v1", "--overwrite-immutable"]).expect();
    with_file(&["repo", "rm", "--yes", "app", "--overwrite-immutable"]).expect();
    registry.get("/v2/app/tags/list").expect(404);
}

#[test]
fn tags_are_removed_and_their_images_stay() {
    let mut registry = Holdfast::start();
    let image = registry.push_image("app", "v1", 1);
    for is_stopped in [false, true] {
        registry.push_image("app", "v2", 1);
        registry.push_image("other", "v3", 1);
        let arguments = ["tag", "rm", "app:v2", "other:v3"];
        let line = |verb: &str, tag: &str| format!("{verb}: {tag}, which pointed at {}\n", image.digest);
        let dry = change(&mut registry, is_stopped, &[&arguments[..], &["--dry-run"]].concat());
        let would = "would be removed";
        assert_eq!(dry, line(would, "app:v2") + &line(would, "other:v3"));
        expect_image(&registry, "app", "v2", &image);
        let said = change(&mut registry, is_stopped, &arguments);
        assert_eq!(said, line("removed", "app:v2") + &line("removed", "other:v3"));
        expect_no_tag(&registry, "app", "v2");
        expect_no_tag(&registry, "other", "v3");
        expect_image(&registry, "app", &image.digest, &image);
        assert_eq!(registry.tags("app"), ["v1"]);
    }
}

#[test]
fn what_cannot_be_copied_or_removed_is_named() {
    let registry = Holdfast::start();
    registry.push_image("app", "v1", 1);
    let digest = format!("app@sha256:{}", "0".repeat(64));
    for (arguments, complaint) in [
        (&["tag", "rm", "app:v2"][..], "the repository app has no manifest v2"),
        (&["tag", "copy", "app:v2", "app:v3"], "the repository app has no manifest v2"),
        (&["tag", "copy", &digest, "app:v3"], "the repository app has no manifest sha256:0"),
        (&["repo", "rm", "--yes", "gone"], "the repository gone does not exist"),
        (&["repo", "rm", "app"], "this would remove app for good: --yes does it"),
    ] {
        let said = run_at(&registry.root(), arguments).expect_failure(1);
        assert!(said.contains(complaint), "{arguments:?}: {said}");
    }
    for (arguments, complaint) in [
        (&["tag", "rm", "app"][..], "which tag? Write app:TAG"),
        (&["tag", "rm", &digest], "which tag? Write app:TAG"),
        (&["tag", "mv", &digest, "app:v2"], "which tag? Write app:TAG"),
        (&["tag", "copy", "app:v1", &digest], "write app:TAG"),
        (&["tag", "copy", "app", "app:v2"], "which manifest? Write app:TAG or app@DIGEST"),
    ] {
        let said = run(arguments).expect_failure(2);
        assert!(said.contains(complaint), "{arguments:?}: {said}");
    }
    registry.get("/v2/app/manifests/v1").expect(200);
}

#[test]
fn a_repository_is_removed_with_all_that_is_its_own() {
    for is_stopped in [false, true] {
        let mut registry = Holdfast::start();
        let (list, manifests) = push_index(&registry, "team/app", "v1");
        let untagged = registry.push_image("team/app", "", 3);
        for number in 0..300 {
            let media_type = &untagged.media_type;
            let tag = format!("t{number}");
            registry.put_manifest_bytes("team/app", &tag, media_type, untagged.bytes.clone()).expect(201);
        }
        let large = registry.push_blob("team/app", bytes_of(700_000, 4));
        let shared = registry.push_image("team/other", "v1", 1);
        let counts = "301 tags, 4 manifests, 7 blobs";
        let dry = change(&mut registry, is_stopped, &["repo", "rm", "--dry-run", "team/app"]);
        let bytes = "684.6 KiB of payloads that nobody else holds";
        assert_eq!(dry, format!("would be removed: {counts}; {bytes}\n"));
        registry.get(&format!("/v2/team/app/manifests/{list}")).expect(200);
        let said = change(&mut registry, is_stopped, &["repo", "rm", "-y", "team/app"]);
        assert_eq!(said, format!("removed: {counts}; {bytes}\n"));
        registry.get("/v2/team/app/tags/list").expect(404);
        for digest in [&list, &sha256(to_bytes(&manifests[1])), &untagged.digest] {
            registry.get(&format!("/v2/team/app/manifests/{digest}")).expect(404);
        }
        registry.head(&format!("/v2/team/app/blobs/{large}")).expect(404);
        expect_image(&registry, "team/other", "v1", &shared);
        assert_eq!(run_at(&registry.root(), &["repo", "ls"]).expect(), "team/other\n");
        run_at(&registry.root(), &["blob", "inspect", &large]).expect_failure(1);
        // Its name is free again.
        registry.push_image("team/app", "v1", 5);
        assert_eq!(registry.tags("team/app"), ["v1"]);
    }
}

#[test]
fn a_person_at_a_terminal_is_asked_before_a_repository_goes() {
    let registry = Holdfast::start();
    registry.push_image("app", "v1", 1);
    let answered = |line: &str| {
        let terminal = Terminal::open();
        let mut command = holdfast();
        command.args(["repo", "rm", "app", "--root"]).arg(registry.root()).stdout(Stdio::piped());
        command.stdin(terminal.line.try_clone().unwrap()).stderr(terminal.line.try_clone().unwrap());
        let child = command.spawn().unwrap();
        drop(command);
        terminal.type_line(line);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0));
        (String::from_utf8(output.stdout).unwrap(), terminal.into_text())
    };
    for line in ["", "y", "app/other"] {
        let (said, asked) = answered(line);
        assert_eq!(said, "nothing was removed\n");
        assert!(asked.contains("app has 1 tags, 1 manifests, 2 blobs; 558 B of payloads"), "{asked}");
        assert!(asked.contains("Remove it for good? Type its name: "), "{asked}");
    }
    assert_eq!(registry.tags("app"), ["v1"]);
    assert!(answered("app").0.starts_with("removed: 1 tags, 1 manifests, 2 blobs"));
    registry.get("/v2/app/tags/list").expect(404);
}

#[test]
fn those_who_look_after_a_registry_remove_where_clients_may_not() {
    let registry = Holdfast::configured("storage: {delete: {enabled: false}}\n");
    registry.push_image("app", "v1", 1);
    registry.delete("/v2/app/manifests/v1").expect(405);
    run_at(&registry.root(), &["tag", "rm", "app:v1"]).expect();
    run_at(&registry.root(), &["repo", "rm", "--yes", "app"]).expect();
    registry.get("/v2/app/tags/list").expect(404);
}

#[test]
fn a_read_only_registry_and_quotas_hold_for_commands_as_well() {
    let quotas = "storage: {quota: {repositories: [{where: [small], size: 600, tags: 1}]}}\n";
    let mut registry = Holdfast::configured(quotas);
    registry.push_image("app", "v1", 1);
    let complaint = run_at(&registry.root(), &["tag", "copy", "app:v1", "small"]).expect_failure(1);
    assert!(complaint.contains("of the 600 bytes that its quota allows"), "{complaint}");
    registry.get("/v2/small/tags/list").expect(404);
    registry.stop();
    let file = registry.root().parent().unwrap().join("read-only.yml");
    std::fs::write(&file, "storage: {maintenance: {readonly: {enabled: true}}}\n").unwrap();
    for arguments in [
        &["tag", "copy", "app:v1", "other"][..],
        &["tag", "mv", "app:v1", "other"],
        &["tag", "rm", "app:v1"],
        &["repo", "rm", "--yes", "app"],
    ] {
        let arguments = [arguments, &["--config", file.to_str().unwrap()]].concat();
        let complaint = run_at(&registry.root(), &arguments).expect_failure(1);
        assert!(complaint.contains("this registry is read-only for now"), "{arguments:?}: {complaint}");
    }
    registry.start_again();
    assert_eq!(registry.tags("app"), ["v1"]);
}

#[test]
fn what_is_pushed_while_its_repository_is_removed_is_refused_or_stays_whole() {
    let registry = Holdfast::start();
    let began = Instant::now();
    let kept = std::thread::scope(|scope| {
        let pushing = scope.spawn(|| {
            let (mut seed, mut pushed) = (0, Vec::new());
            while began.elapsed() < Duration::from_secs(3) {
                seed += 1;
                let manifest = registry.push_image_blobs("app", seed);
                let tag = format!("v{seed}");
                // Its blobs may have gone meanwhile.
                match registry.put_manifest("app", &tag, &manifest).status {
                    201 => pushed.push((tag, manifest)),
                    status => assert_eq!(status, 400),
                }
            }
            pushed
        });
        while !pushing.is_finished() {
            let run = run_at(&registry.root(), &["repo", "rm", "--yes", "app"]);
            assert!(run.code == Some(0) || run.complained.contains("does not exist"), "{run:?}");
        }
        pushing.join().unwrap()
    });
    assert!(kept.len() > 10, "only {} pushes went through", kept.len());
    // Those that are there are there whole.
    for (tag, manifest) in kept {
        if registry.get(&format!("/v2/app/manifests/{tag}")).status == 200 {
            let layer = manifest["layers"][0]["digest"].as_str().unwrap();
            registry.get(&format!("/v2/app/blobs/{layer}")).expect(200);
        }
    }
}
