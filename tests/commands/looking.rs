//! `holdfast repo`, `tag`, `manifest`, `blob` and `stats`: what they say, of a running server and of a stopped store.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::run::{Run, holdfast, run, run_at};
use crate::support::{
    Holdfast, Image, artifact, bytes_of, descriptor, image, index, manifest_descriptor, sha256, to_bytes,
};

/// What a command says of a running server, which is what it says of the store once that has stopped.
#[track_caller]
fn said(registry: &mut Holdfast, arguments: &[&str]) -> String {
    let running = run_at(&registry.root(), arguments).expect();
    registry.stop();
    let stopped = run_at(&registry.root(), arguments).expect();
    registry.start_again();
    assert_eq!(running, stopped, "a running server, and the stopped store");
    running
}

/// The lines of JSON that a command says.
#[track_caller]
fn lines(registry: &mut Holdfast, arguments: &[&str]) -> Vec<Value> {
    let said = said(registry, &[arguments, &["--json"]].concat());
    said.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The one JSON document that a command says.
#[track_caller]
fn document(registry: &mut Holdfast, arguments: &[&str]) -> Value {
    serde_json::from_str(&said(registry, &[arguments, &["--json"]].concat())).unwrap()
}

/// The words of each line.
fn words(said: &str) -> Vec<Vec<&str>> {
    said.lines().map(|line| line.split_whitespace().collect()).collect()
}

#[track_caller]
fn expect_complaint(run: &Run, complaint: &str) {
    assert!(run.complained.contains(complaint), "{run:?}");
    assert_eq!((run.code, run.said.as_str()), (Some(1), ""), "{run:?}");
}

#[test]
fn repositories_are_listed_in_order_and_by_pattern() {
    let mut registry = Holdfast::start();
    for name in ["team/web", "team/app", "other", "team/app/cache"] {
        registry.push_image(name, "v1", 1);
    }
    registry.push_blob("blobs/only", "x");
    assert_eq!(said(&mut registry, &["repo", "ls"]), "other\nteam/app\nteam/app/cache\nteam/web\n");
    assert_eq!(said(&mut registry, &["repo", "ls", "team/*"]), "team/app\nteam/web\n");
    assert_eq!(lines(&mut registry, &["repo", "ls", "o*"]), [json!({"repository": "other"})]);
    assert_eq!(said(&mut registry, &["repo", "ls", "nothing"]), "");
    assert!(run(&["repo", "ls", "a**"]).expect_failure(2).contains("** stands for whole components"));
}

#[test]
fn what_a_repository_takes_alone_is_told_from_what_it_shares() {
    let mut registry = Holdfast::start();
    let shared = registry.push_image("team/app", "v1", 1);
    registry.push_image("team/copy", "v1", 1);
    registry.push_image("team/app", "v2", 2);
    registry.push_manifest("team/app", "latest", &serde_json::from_slice(&shared.bytes).unwrap());
    let (config, layer) = (r#"{"architecture":"amd64","os":"linux","seed":1}"#.len(), 512);
    let usage = lines(&mut registry, &["repo", "du"]);
    let expected = json!({
        "repository": "team/app", "tags": 3, "manifests": 2, "manifestBytes": 2 * shared.bytes.len(),
        "blobs": 4, "ownBytes": config + layer, "sharedBytes": config + layer,
    });
    assert_eq!(usage[0], expected);
    assert_eq!((&usage[1]["ownBytes"], &usage[1]["repository"]), (&json!(0), &json!("team/copy")));
    assert_eq!(lines(&mut registry, &["repo", "du", "team/app"]), [expected]);
    let table = said(&mut registry, &["repo", "du"]);
    let size = format!("{}", config + layer);
    assert_eq!(
        words(&table),
        [
            vec!["OWN", "SHARED", "BLOBS", "MANIFESTS", "TAGS", "REPOSITORY"],
            vec![&size, "B", &size, "B", "4", "2", "3", "team/app"],
            vec!["0", "B", &size, "B", "2", "1", "1", "team/copy"],
        ]
    );
    expect_complaint(
        &run_at(&registry.root(), &["repo", "du", "gone"]),
        "the repository gone does not exist",
    );
}

#[test]
fn all_tags_are_listed_however_many_there_are() {
    let mut registry = Holdfast::start();
    let image = registry.push_image("app", "v0", 1);
    let names: Vec<String> = (1..600).map(|number| format!("v{number}")).collect();
    for names in names.chunks(10) {
        let tags: Vec<String> = names[1..].iter().map(|name| format!("tag={name}")).collect();
        let reference = format!("{}?{}", names[0], tags.join("&"));
        registry.put_manifest_bytes("app", &reference, &image.media_type, image.bytes.clone()).expect(201);
    }
    let listed = lines(&mut registry, &["tag", "ls", "app"]);
    let mut expected: Vec<String> = (0..600).map(|number| format!("v{number}")).collect();
    expected.sort();
    assert_eq!(listed.iter().map(|entry| entry["tag"].as_str().unwrap()).collect::<Vec<_>>(), expected);
    for entry in &listed {
        assert_eq!((&entry["digest"], &entry["size"]), (&json!(image.digest), &json!(image.bytes.len())));
        assert_eq!(entry["mediaType"], json!(image.media_type));
        assert!(entry["set"].as_str().unwrap().ends_with('Z'), "{entry}");
    }
    let table = said(&mut registry, &["tag", "ls", "app"]);
    assert_eq!(words(&table)[0], ["TAG", "SET", "(UTC)", "DIGEST"]);
    assert_eq!(words(&table).len(), 601);
    assert_eq!(words(&table)[600][3], image.digest);
    expect_complaint(&run_at(&registry.root(), &["tag", "ls", "gone"]), "the repository gone does not exist");
}

#[test]
fn whoever_reads_a_listing_no_further_is_told_nothing_more_and_of_no_error() {
    let registry = Holdfast::start();
    for number in 0..3_000 {
        let name = format!("a-rather-long-name-of-a-repository-that-fills-a-pipe-before-long/{number}");
        if number == 0 {
            registry.push_image_blobs(&name, 1);
        }
        let manifest = to_bytes(&json!({"schemaVersion": 2, "manifests": []}));
        let media_type = "application/vnd.oci.image.index.v1+json";
        registry.put_manifest_bytes(&name, "v1", media_type, manifest).expect(201);
    }
    let mut command = holdfast();
    command.args(["repo", "ls", "--root"]).arg(registry.root());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    assert!(first.ends_with("long/0\n"), "{first}");
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr), (Some(0), Vec::new()));
}

/// An index of two images, with a tag, a referrer and annotations.
fn push_index(registry: &Holdfast) -> (Image, Value, Value) {
    let manifest = registry.push_image_blobs("app", 2);
    registry.push_manifest("app", &sha256(to_bytes(&manifest)), &manifest);
    let image = registry.push_image("app", "amd64", 1);
    let mut entries = [image.descriptor(), manifest_descriptor(&manifest)];
    entries[0]["platform"] = json!({"os": "linux", "architecture": "amd64"});
    entries[1]["platform"] = json!({"os": "linux", "architecture": "arm", "variant": "v7"});
    let mut list = index(&entries);
    list["annotations"] = json!({"org.example.key": "a value"});
    registry.push_manifest("app", "v1", &list);
    registry.push_manifest("app", "latest", &list);
    registry.push_blob("app", "{}");
    let mut signature = artifact("application/vnd.example.signature");
    signature["subject"] = manifest_descriptor(&list);
    registry.push_manifest("app", &sha256(to_bytes(&signature)), &signature);
    (image, list, signature)
}

#[test]
fn a_manifest_is_told_with_what_it_is_made_of_and_what_refers_to_it() {
    let mut registry = Holdfast::start();
    let (image, list, signature) = push_index(&registry);
    let (digest, length) = (sha256(to_bytes(&list)), to_bytes(&list).len());
    let report = document(&mut registry, &["manifest", "inspect", "app:v1"]);
    assert_eq!((&report["repository"], &report["digest"]), (&json!("app"), &json!(digest)));
    assert_eq!((&report["size"], &report["mediaType"]), (&json!(length), &list["mediaType"]));
    assert_eq!(report["contentSize"], json!(2 * (512 + 46)));
    assert_eq!(report["tags"], json!(["latest", "v1"]));
    assert_eq!(report["annotations"], list["annotations"]);
    assert_eq!(report["manifests"][0]["digest"], json!(image.digest));
    assert_eq!(report["manifests"][1]["platform"], list["manifests"][1]["platform"]);
    assert_eq!(report["manifests"][1]["present"], json!(true));
    let referrer = json!({
        "digest": sha256(to_bytes(&signature)), "size": to_bytes(&signature).len(),
        "artifactType": "application/vnd.example.signature",
    });
    assert_eq!((&report["referrers"], &report["complete"]), (&json!([referrer]), &json!(true)));

    let of_image = format!("app@{}", image.digest);
    let report = document(&mut registry, &["manifest", "inspect", &of_image]);
    assert_eq!((&report["partOf"], &report["tags"]), (&json!([digest]), &json!(["amd64"])));
    assert_eq!(report["config"]["digest"], json!(image.config));
    assert_eq!(report["layers"][0]["digest"], json!(image.layer));

    let text = said(&mut registry, &["manifest", "inspect", "app:latest"]);
    for line in [
        format!("manifest:    app@{digest}"),
        "annotation:  org.example.key=a value".to_owned(),
        "tag:         latest".to_owned(),
        "linux/arm/v7".to_owned(),
    ] {
        assert!(text.contains(&line), "{line}: {text}");
    }
    assert!(text.contains(", of content 1.0 KiB\n"), "{text}");
}

#[test]
fn a_manifest_is_printed_as_it_was_pushed_however_large() {
    let mut registry = Holdfast::start();
    let manifest = registry.push_image_blobs("app", 1);
    // Letters of several bytes, so that no piece ends where it would be easy.
    let text = format!("{{\"padding\": \"{}\", {}", "aé€😀".repeat(200_000), &manifest.to_string()[1..]);
    let media_type = manifest["mediaType"].as_str().unwrap();
    registry.put_manifest_bytes("app", "v1", media_type, text.clone()).expect(201);
    assert_eq!(said(&mut registry, &["manifest", "inspect", "--raw", "app:v1"]), text);
}

#[test]
fn what_names_no_manifest_is_refused() {
    let registry = Holdfast::start();
    registry.push_image("app", "v1", 1);
    let complaint = run(&["manifest", "inspect", "app"]).expect_failure(2);
    assert!(complaint.contains("Write app:TAG or app@DIGEST"), "{complaint}");
    let complaint = run(&["manifest", "inspect", "localhost:5000/app:v1"]).expect_failure(2);
    assert!(complaint.contains("without a host"), "{complaint}");
    let gone = run_at(&registry.root(), &["manifest", "inspect", "app:v2"]);
    expect_complaint(&gone, "the repository app has no manifest v2");
}

pub(crate) fn flip_first_byte(file: &Path) {
    let (file, mut byte) = (OpenOptions::new().read(true).write(true).open(file).unwrap(), [0]);
    file.read_exact_at(&mut byte, 0).unwrap();
    file.write_all_at(&[!byte[0]], 0).unwrap();
}

#[test]
fn a_blob_is_told_with_its_place_its_state_and_who_needs_it() {
    let mut registry = Holdfast::start();
    let bytes = bytes_of(700_000, 1);
    let config = r#"{"architecture":"amd64","os":"linux"}"#;
    for repository in ["team/app", "team/copy"] {
        registry.push_blob(repository, config);
        registry.push_blob(repository, &bytes);
    }
    let manifest = image(
        &descriptor("application/vnd.oci.image.config.v1+json", config),
        &[descriptor("application/vnd.oci.image.layer.v1.tar+gzip", &bytes)],
    );
    let manifest = registry.push_manifest("team/app", "v1", &manifest);
    let digest = sha256(&bytes);
    let report = document(&mut registry, &["blob", "inspect", &digest]);
    assert_eq!((&report["digest"], &report["size"]), (&json!(digest), &json!(bytes.len())));
    assert_eq!((&report["damaged"], &report["complete"]), (&json!(false), &json!(true)));
    assert_eq!(report["unverified"], json!(false));
    assert_eq!(report["repositories"], json!(["team/app", "team/copy"]));
    let needed_by = json!([{"repository": "team/app", "manifest": manifest, "tags": ["v1"]}]);
    assert_eq!(report["manifests"], needed_by);
    let file = registry.root().join(report["place"].as_str().unwrap());
    assert_eq!(std::fs::read(&file).unwrap(), bytes);

    flip_first_byte(&file);
    run_at(&registry.root(), &["scrub", "--rate", "0"]).expect_failure(1);
    let text = run_at(&registry.root(), &["blob", "inspect", &digest]).expect();
    assert!(text.contains("state:      damaged, and not served until anybody pushes it again"), "{text}");
    assert!(text.contains("size:       683.5 KiB (700000 bytes)"), "{text}");
    assert!(text.contains(&format!("needed by:  team/app@{manifest} team/app:v1")), "{text}");
    registry.push_blob("team/app", &bytes);
}

#[test]
fn a_blob_that_nobody_has_is_said_to_be_none() {
    let registry = Holdfast::start();
    let image = registry.push_image("app", "v1", 1);
    let gone = run_at(&registry.root(), &["blob", "inspect", &image.digest]);
    expect_complaint(&gone, "no repository has a blob");
    assert!(run(&["blob", "inspect", "sha256:1"]).expect_failure(2).contains("64 lowercase hexadecimal"));
}

#[test]
fn everything_is_counted() {
    let mut registry = Holdfast::start();
    registry.push_image("team/app", "v1", 1);
    registry.push_image("team/copy", "v1", 1);
    registry.push_image("team/app", "v2", 2);
    registry.start_upload("team/app").patch(bytes_of(1_000, 3)).expect(202);
    let statistics = |registry: &Holdfast| -> Value {
        serde_json::from_str(&run_at(&registry.root(), &["stats", "--json"]).expect()).unwrap()
    };
    let counted = statistics(&registry);
    for (name, expected) in [
        ("repositories", 2),
        ("tags", 3),
        ("manifests", 2),
        ("blobs", 4),
        ("blobBytes", 2 * (512 + 46)),
        ("damagedBlobs", 0),
        ("uploads", 1),
    ] {
        assert_eq!(counted[name], json!(expected), "{name}");
    }
    for name in ["database", "log", "archive", "free", "disk"] {
        assert!(counted["disk"][name].is_u64(), "{counted}");
    }
    assert!(counted["disk"]["database"].as_u64().unwrap() > 0);
    registry.stop();
    let stopped = statistics(&registry);
    assert_eq!((&stopped["tags"], &stopped["blobBytes"]), (&counted["tags"], &counted["blobBytes"]));
    let text = run_at(&registry.root(), &["stats"]).expect();
    assert!(text.contains("blobs:          4, 1.0 KiB\n"), "{text}");
}

#[test]
fn a_folder_without_a_store_is_said_to_be_none() {
    let folder = tempfile::tempdir().unwrap();
    let complaint = "holds no store; name its folder with --root";
    for arguments in [&["repo", "ls"][..], &["repo", "du"], &["tag", "ls", "app"], &["stats"]] {
        expect_complaint(&run_at(folder.path(), arguments), complaint);
    }
}

#[test]
fn work_is_done_although_nobody_reads_what_it_says() {
    let registry = Holdfast::configured(
        "storage: {gc: {lease: 0s}}\nretention: {interval: 0s, rules: [{where: '**', last: 1}]}\n",
    );
    registry.push_image("team/app", "v1", 1);
    let dangling = registry.push_blob("team/app", "nobody needs this");
    let root = registry.root();
    let (backup, export) = (root.with_file_name("backup"), root.with_file_name("export"));
    let commands: [&[&str]; 6] = [
        &["gc", "--grace", "0s"],
        &["scrub"],
        &["check"],
        &["retention", "--dry-run", "--json"],
        &["backup", backup.to_str().unwrap()],
        &["export", export.to_str().unwrap()],
    ];
    for arguments in commands {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = holdfast();
        let output = command.args(arguments).arg("--root").arg(&root).stdout(writer).output().unwrap();
        let complained = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), complained.as_str()), (Some(0), ""), "{arguments:?}");
    }
    registry.get(&format!("/v2/team/app/blobs/{dangling}")).expect(404);
    assert!(backup.join("metadata.snapshot").exists() && export.join("team/app/index.json").exists());
}
