//! Moving in: what distribution has left in its folder tree is served as it was, what is damaged there is told, and a second
//! import takes the difference.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::import_tree::{Tree, expect_sound, import, said, write};
use crate::support::{
    Builder, DOCKER_LIST, Holdfast, Image, OCI_INDEX, Registry, Request, artifact, bytes_of, descriptor,
    docker_list, empty_config, image, index, manifest_descriptor, sha256, sha512, to_bytes,
};

const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

fn serve(tree: &Tree) -> Holdfast {
    Builder::default().start_in(tree.folder())
}

#[track_caller]
fn expect_manifest(registry: &Registry, name: &str, reference: &str, bytes: &[u8], media_type: &str) {
    let request = Request::get(format!("/v2/{name}/manifests/{reference}")).header("Accept", "*/*");
    let found = registry.send(request).expect(200);
    assert_eq!(found.body, bytes);
    assert_eq!(found.header("Content-Type"), media_type);
    assert_eq!(found.header("Docker-Content-Digest"), sha256(bytes));
}

#[track_caller]
fn expect_image(registry: &Registry, name: &str, tag: &str, image: &Image) {
    expect_manifest(registry, name, tag, &image.bytes, &image.media_type);
    for blob in [&image.config, &image.layer] {
        let found = registry.get(&format!("/v2/{name}/blobs/{blob}")).expect(200);
        assert_eq!(&sha256(&found.body), blob);
    }
}

#[track_caller]
fn expect_none(registry: &Registry, name: &str, reference: &str) {
    registry.get(&format!("/v2/{name}/manifests/{reference}")).expect(404);
}

fn tags(registry: &Registry, name: &str) -> Value {
    registry.get(&format!("/v2/{name}/tags/list")).expect(200).json()["tags"].clone()
}

/// An OCI image of one layer, that does not say that it is one.
fn untyped(seed: u64) -> (Value, [Vec<u8>; 2]) {
    let blobs = [format!("{{\"of\":{seed}}}").into_bytes(), bytes_of(9_000, seed)];
    let mut manifest = image(&descriptor(CONFIG, &blobs[0]), &[descriptor(LAYER, &blobs[1])]);
    manifest.as_object_mut().unwrap().remove("mediaType");
    (manifest, blobs)
}

#[test]
fn every_kind_of_manifest_comes_and_is_served_byte_for_byte() {
    let tree = Tree::new();
    let docker = tree.put_image("app", "v1", 1);
    let same = tree.put_image("team/deep/app", "v1", 1);
    let (manifest, [config, layer]) = untyped(2);
    let oci = tree.put_parts("app", Some("untyped"), &manifest, &[&config, &layer]);
    let list = docker_list(&[docker.descriptor()]);
    tree.put_manifest("app", Some("list"), to_bytes(&list));
    let mut oci_index =
        index(&[json!({"mediaType": oci_type(), "digest": oci.digest, "size": oci.bytes.len()})]);
    oci_index.as_object_mut().unwrap().remove("mediaType");
    tree.put_manifest("app", Some("index"), to_bytes(&oci_index));
    let nested = index(&[manifest_descriptor(&json!({"mediaType": OCI_INDEX, "a": 1})), docker.descriptor()]);
    let untagged = tree.put_manifest("app", None, to_bytes(&nested));

    tree.import_all(&[]);
    let registry = serve(&tree);
    expect_image(&registry, "app", "v1", &docker);
    expect_image(&registry, "team/deep/app", "v1", &same);
    expect_manifest(&registry, "app", "untyped", &oci.bytes, oci_type());
    expect_manifest(&registry, "app", "list", &to_bytes(&list), DOCKER_LIST);
    expect_manifest(&registry, "app", "index", &to_bytes(&oci_index), OCI_INDEX);
    expect_manifest(&registry, "app", &untagged, &to_bytes(&nested), OCI_INDEX);
    assert_eq!(tags(&registry, "app"), json!(["index", "list", "untyped", "v1"]));
}

fn oci_type() -> &'static str {
    "application/vnd.oci.image.manifest.v1+json"
}

#[test]
fn referrers_come_by_their_subject_and_by_the_tag_schema() {
    let tree = Tree::new();
    let image = tree.put_image("app", "v1", 1);
    let mut signature = artifact("application/x.signature");
    signature["subject"] = image.descriptor();
    let signature = tree.put_parts("app", None, &signature, &[b"{}"]);
    let fallback = index(&[signature.descriptor()]);
    let tag = image.digest.replace(':', "-");
    tree.put_manifest("app", Some(&tag), to_bytes(&fallback));

    tree.import_all(&[]);
    let registry = serve(&tree);
    let referrers = registry.get(&format!("/v2/app/referrers/{}", image.digest)).expect(200).json();
    assert_eq!(referrers["manifests"][0]["digest"], json!(signature.digest));
    assert_eq!(referrers["manifests"][0]["artifactType"], json!("application/x.signature"));
    expect_manifest(&registry, "app", &tag, &to_bytes(&fallback), OCI_INDEX);
}

#[test]
fn blobs_come_by_what_manifests_name_and_by_their_links() {
    let tree = Tree::new();
    let image = tree.put_image("app", "v1", 1);
    fs::remove_dir_all(tree.repository("app").join("_layers")).unwrap();
    let lone = tree.put_blob("other", "lone");
    let long = sha512(b"long");
    write(&tree.data(&long), "long");
    write(&tree.layer("other", &long), &long);
    let empty = tree.put_blob("other", "");

    tree.import_all(&[]);
    let registry = serve(&tree);
    expect_image(&registry, "app", "v1", &image);
    for (blob, bytes) in [(&lone, &b"lone"[..]), (&long, b"long"), (&empty, b"")] {
        assert_eq!(registry.get(&format!("/v2/other/blobs/{blob}")).expect(200).body, bytes);
    }
    registry.get(&format!("/v2/app/blobs/{lone}")).expect(404);
}

/// A tree in which everything is wrong that can be, and one image is right. What is to be told of each.
fn damaged_tree() -> (Tree, Image, Vec<String>) {
    let tree = Tree::new();
    let good = tree.put_image("app", "good", 1);
    let mut told = Vec::new();
    let mut damage = |tag: &str, seed: u64, reason: &str| {
        let image = tree.put_image("app", tag, seed);
        told.push(format!("manifest app@{}: {reason}; breaks app:{tag}", image.digest));
        image
    };
    let lost = damage("lost-layer", 10, &format!("its blob {}: it is missing", sha256(bytes_of(20_000, 10))));
    fs::remove_file(tree.data(&lost.layer)).unwrap();
    let empty =
        damage("empty-layer", 11, &format!("its blob {}: its data is empty", sha256(bytes_of(20_000, 11))));
    write(&tree.data(&empty.layer), "");
    let short = "its bytes are not those of its digest";
    let cut = damage("short-layer", 12, &format!("its blob {}: {short}", sha256(bytes_of(20_000, 12))));
    write(&tree.data(&cut.layer), &bytes_of(20_000, 12)[..5_000]);
    let emptied = damage("empty-data", 13, "its data is empty");
    write(&tree.data(&emptied.digest), "");
    let vanished = damage("no-data", 14, "its data is missing");
    fs::remove_file(tree.data(&vanished.digest)).unwrap();
    let other = damage("other-data", 15, &format!("its data has the digest {}", sha256("{}")));
    write(&tree.data(&other.digest), "{}");
    let unlinked = damage("empty-revision", 16, "its link is empty");
    write(&tree.revision("app", &unlinked.digest), "");
    let strayed = damage("other-revision", 17, &format!("its link names {}", good.digest));
    write(&tree.revision("app", &strayed.digest), &good.digest);

    let listed = tree.put_manifest(
        "app",
        Some("list"),
        to_bytes(&docker_list(&[good.descriptor(), lost.descriptor()])),
    );
    assert!(!listed.is_empty());
    told[0].push_str(", app:list");
    let schema_1 = json!({"schemaVersion": 1, "name": "app", "tag": "old", "fsLayers": [], "history": []});
    let schema_1 = tree.put_manifest("app", Some("schema-1"), to_bytes(&schema_1));
    told.push(format!("manifest app@{schema_1}: Docker image manifests of schema 1"));
    let unknown = json!({"schemaVersion": 2, "mediaType": "application/x.unknown"});
    let unknown = tree.put_manifest("app", Some("unknown"), to_bytes(&unknown));
    told.push(format!("manifest app@{unknown}: the media type"));
    let text = tree.put_manifest("app", Some("no-json"), "no JSON");
    told.push(format!("manifest app@{text}: the manifest is no valid JSON"));
    write(&tree.tag("app", "empty-tag"), "");
    told.push("tag app:empty-tag: its link is empty".to_owned());
    write(&tree.tag("app", "no-digest"), "latest");
    told.push("tag app:no-digest: its link has \"latest\"".to_owned());
    fs::create_dir_all(tree.repository("app").join("_manifests/tags/no-current/index")).unwrap();
    told.push("tag app:no-current: it points nowhere".to_owned());
    tree.set_tag("app", "dangling", &sha256("nowhere"));
    told.push(format!("tag app:dangling: it points at {}", sha256("nowhere")));
    write(&tree.tag("app", "-no-tag"), &good.digest);
    told.push("tag app:-no-tag: it is no name of a tag".to_owned());
    let blob = tree.put_blob("app", "blob without a link");
    write(&tree.layer("app", &blob), "");
    told.push(format!("blob app@{blob}: its link is empty"));
    let blob = tree.put_blob("app", "blob without bytes");
    write(&tree.data(&blob), "");
    told.push(format!("blob app@{blob}: its data is empty"));
    write(&tree.repository("app").join("_layers/sha256/short/link"), "sha256:short");
    told.push("\"sha256:short\" in app: it is no digest".to_owned());
    tree.put_image("No_Name", "v1", 30);
    told.push("repository \"No_Name\": a repository cannot have this name here".to_owned());
    (tree, good, told)
}

#[test]
fn what_is_damaged_is_skipped_and_told_with_its_tags_and_the_rest_comes() {
    let (tree, good, told) = damaged_tree();
    let output = tree.import(&[]);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(2), "{text}");
    for line in &told {
        assert!(text.contains(&format!("skipped: {line}")), "{line}\n{text}");
    }
    let skipped = text.lines().filter(|line| line.starts_with("skipped: ")).count();
    assert_eq!(skipped, told.len(), "{text}");
    expect_sound(&tree.root());

    let json = String::from_utf8(tree.import(&["--json"]).stdout).unwrap();
    let nameless = json.split_once("\"No_Name\"").unwrap().1.split_once('}').unwrap().0;
    assert!(!nameless.contains("repository") && !nameless.contains("null"), "one key, once: {json}");

    let again = tree.import_as_json(2);
    assert_eq!(again["skipped"], json!(told.len()));
    assert_eq!(again["skipped_first"].as_array().unwrap().len(), told.len());
    assert_eq!(again["manifests"], json!({"new": 0, "present": 2}), "the good one, and the list");

    let registry = serve(&tree);
    expect_image(&registry, "app", "good", &good);
    assert_eq!(tags(&registry, "app"), json!(["good", "list"]));
    expect_none(&registry, "app", "lost-layer");
}

#[test]
fn an_image_that_is_repaired_there_comes_with_the_next_import() {
    let tree = Tree::new();
    let image = tree.put_image("app", "v1", 1);
    let list = tree.put_manifest("app", Some("list"), to_bytes(&docker_list(&[image.descriptor()])));
    let layer = fs::read(tree.data(&image.layer)).unwrap();
    fs::remove_file(tree.data(&image.layer)).unwrap();
    assert_eq!(tree.import_as_json(2)["tags"]["new"], json!(1));
    write(&tree.data(&image.layer), layer);
    assert_eq!(tree.import_as_json(0)["tags"]["new"], json!(1));
    let registry = serve(&tree);
    expect_image(&registry, "app", "v1", &image);
    // From now on the list needs it.
    registry.send(Request::delete(format!("/v2/app/manifests/{}", image.digest))).expect(405);
    registry.send(Request::delete(format!("/v2/app/manifests/{list}"))).expect(202);
}

#[test]
fn links_that_distributions_collection_leaves_behind_are_no_damage() {
    let tree = Tree::new();
    tree.put_image("app", "v1", 1);
    let stale = tree.put_blob("app", "gone");
    fs::remove_dir_all(tree.data(&stale).parent().unwrap()).unwrap();
    assert_eq!(tree.import_as_json(0)["stale_links"], json!(1));
}

#[test]
fn a_blob_that_rotted_there_is_found_by_the_scrub_or_before_it_is_served() {
    let tree = Tree::new();
    let image = tree.put_image("app", "v1", 1);
    let sound = tree.put_image("app", "v2", 2);
    write(&tree.data(&image.layer), bytes_of(20_000, 99));

    let output = tree.import(&["--verify"]);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(2), "{text}");
    let blob = &image.layer;
    assert!(
        text.contains(&format!("its blob {blob}: its bytes are not those of its digest; breaks app:v1")),
        "{text}"
    );
    assert!(!text.contains("taken by their size"), "{text}");

    assert!(tree.import_all(&[]).contains("1 payloads were taken by their size"));
    let mut registry = serve(&tree);
    assert_eq!(registry.get(&format!("/v2/app/blobs/{blob}")).expect(200).body, bytes_of(20_000, 99));
    registry.stop();
    let output = Command::new(env!("CARGO_BIN_EXE_holdfast"))
        .args(["scrub", "--root"])
        .arg(tree.root())
        .output()
        .unwrap();
    let text = said(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains(&format!("damaged: {blob}")) && text.contains("app:v1"), "{text}");
    registry.start_again();
    registry.get(&format!("/v2/app/blobs/{blob}")).expect(500);
    expect_image(&registry, "app", "v2", &sound);
    // Its check would find the damage.
    registry.kill();

    // The source's are no better, and do not heal it.
    assert_eq!(tree.import(&[]).status.code(), Some(2));
    registry.start_again();
    registry.get(&format!("/v2/app/blobs/{blob}")).expect(500);
    registry.push_blob("app", bytes_of(20_000, 1));
    expect_image(&registry, "app", "v1", &image);
}

#[test]
fn whoever_pushes_what_was_taken_unseen_gets_back_what_they_pushed() {
    for size in [9_000, 600_000] {
        let tree = Tree::new();
        let layer = bytes_of(size, 5);
        let manifest = image(&descriptor(CONFIG, "{}"), &[descriptor(LAYER, &layer)]);
        let mut rotten = layer.clone();
        rotten[7] ^= 1;
        tree.put_parts("app", Some("v1"), &manifest, &[b"{}", layer.as_slice()]);
        write(&tree.data(&sha256(&layer)), rotten);
        tree.import_all(&[]);
        let registry = serve(&tree);
        let digest = registry.push_blob("pushed", &layer);
        for name in ["pushed", "app"] {
            registry.get(&format!("/v2/{name}/blobs/{digest}")).expect(200).expect_body(&layer);
        }
    }
}

#[test]
fn what_was_taken_by_its_size_is_verified_once_and_stays_so() {
    let tree = Tree::new();
    tree.put_image("app", "v1", 1);
    tree.import_all(&[]);
    let scrub = || {
        let output = Command::new(env!("CARGO_BIN_EXE_holdfast"))
            .args(["scrub", "--root"])
            .arg(tree.root())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", said(&output));
        said(&output)
    };
    assert!(scrub().contains("2 that an import had taken by their size are verified now"));
    assert!(!scrub().contains("taken by their size"));
}

#[test]
fn a_second_import_takes_the_difference() {
    let tree = Tree::new();
    let (stays, moves) = (tree.put_image("app", "stays", 1), tree.put_image("app", "moves", 2));
    let goes = tree.put_image("app", "goes", 3);
    let part = tree.put_image("app", "part", 4);
    let list = tree.put_manifest("app", Some("list"), to_bytes(&docker_list(&[part.descriptor()])));
    tree.put_image("gone", "v1", 5);
    let claimed = tree.put_image("app", "claimed", 6);
    let retagged = tree.put_image("app", "retagged", 7);
    let first = tree.import_as_json(0);
    assert_eq!((&first["tags"]["new"], &first["deleted_tags"]), (&json!(8), &json!(0)));

    let mut registry = serve(&tree);
    let ours = registry.push_image("app", "claimed", 100);
    let pushed = registry.push_image("app", "pushed", 101);
    let request = Request::put("/v2/app/manifests/mine").header("Content-Type", &retagged.media_type);
    registry.send(request.body(retagged.bytes.clone())).expect(201);
    registry.stop();

    let moved = tree.put_image("app", "moves", 20);
    let new = tree.put_image("new/one", "v1", 21);
    tree.delete_manifest("app", &goes.digest, &["goes"]);
    tree.delete_manifest("app", &list, &["list"]);
    tree.delete_manifest("app", &part.digest, &["part"]);
    tree.delete_manifest("app", &retagged.digest, &["retagged"]);
    fs::remove_dir_all(tree.repository("gone")).unwrap();
    let second = tree.import_as_json(0);
    assert_eq!(second["moved_tags"], json!(1));
    assert_eq!(second["deleted_tags"], json!(5));
    assert_eq!(second["deleted_manifests"], json!(4));
    assert_eq!(second["kept_tags"], json!(1));
    assert_eq!(second["tags"]["new"], json!(1));

    registry.start_again();
    assert_eq!(tags(&registry, "app"), json!(["claimed", "mine", "moves", "pushed", "stays"]));
    expect_image(&registry, "app", "stays", &stays);
    expect_image(&registry, "app", "moves", &moved);
    expect_image(&registry, "app", &moves.digest, &moves);
    expect_image(&registry, "app", "claimed", &ours);
    expect_image(&registry, "app", &claimed.digest, &claimed);
    expect_image(&registry, "app", "pushed", &pushed);
    expect_image(&registry, "app", "mine", &retagged);
    expect_image(&registry, "new/one", "v1", &new);
    for digest in [&goes.digest, &list, &part.digest] {
        expect_none(&registry, "app", digest);
    }
    registry.get("/v2/gone/tags/list").expect(200);
    assert_eq!(registry.get("/v2/_catalog").expect(200).json()["repositories"], json!(["app", "new/one"]));
    registry.stop();

    let third = tree.import_as_json(0);
    assert_eq!(
        (&third["deleted_tags"], &third["moved_tags"], &third["manifests"]["new"]),
        (&json!(0), &json!(0), &json!(0))
    );
}

#[test]
fn what_an_import_has_brought_is_still_known_after_a_rebuilding() {
    let tree = Tree::new();
    let image = tree.put_image("app", "v1", 1);
    tree.put_image("app", "v2", 2);
    tree.import_all(&[]);
    let output = Command::new(env!("CARGO_BIN_EXE_holdfast"))
        .args(["rebuild", "--root"])
        .arg(tree.root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", said(&output));
    tree.delete_manifest("app", &image.digest, &["v1"]);
    let second = tree.import_as_json(0);
    assert_eq!((&second["deleted_tags"], &second["deleted_manifests"]), (&json!(1), &json!(1)));
}

#[test]
fn payloads_come_by_the_method_that_is_asked_for() {
    let tree = Tree::new();
    let image = tree.put_image("app", "v1", 1);
    let links = || fs::metadata(tree.data(&image.layer)).unwrap().nlink();
    assert!(tree.import_all(&["--method", "copy"]).contains("by copy: 2 payloads"));
    assert_eq!(links(), 1);
    fs::remove_dir_all(tree.root()).unwrap();
    assert!(tree.import_all(&["--method", "link"]).contains("by link: 2 payloads"));
    assert_eq!(links(), 2);
    fs::remove_dir_all(tree.root()).unwrap();
    tree.import_all(&["--method", "move"]);
    assert!(!tree.data(&image.layer).exists());
    assert!(tree.data(&image.digest).exists());
    // What has moved is not missed.
    tree.import_all(&[]);
    expect_image(&serve(&tree), "app", "v1", &image);
}

#[test]
fn an_image_of_shared_layers_takes_them_once() {
    let tree = Tree::new();
    for name in ["a", "b", "c"] {
        tree.put_image(name, "v1", 1);
    }
    let report = tree.import_as_json(0);
    let payloads: u64 = report["payloads"]
        .as_object()
        .unwrap()
        .values()
        .map(|tally| tally["payloads"].as_u64().unwrap())
        .sum();
    assert_eq!((payloads, &report["blobs"]), (2, &json!(6)));
}

#[test]
fn a_folder_of_another_registry_is_refused_with_the_command_that_takes_it_over() {
    let tree = Tree::new();
    let image = tree.put_image("app", "v1", 1);
    fs::rename(tree.source(), tree.root()).unwrap();
    let root = tree.root();
    let refuse = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
        let output = command.args(arguments).arg("--root").arg(&root).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        said(&output)
    };
    let text = refuse(&["serve", "--addr", "127.0.0.1:0"]);
    let command = format!("holdfast import {root} --root {root}", root = root.display());
    assert!(text.contains(&command) && text.contains("serve --import"), "{text}");
    assert_eq!(fs::read_dir(&root).unwrap().count(), 2, "the lock and the tree");

    let mut registry = Builder::default().environment("HOLDFAST_IMPORT", "true").start_in(tree.folder());
    expect_image(&registry, "app", "v1", &image);
    assert!(root.join("docker/registry/v2").is_dir());
    // It is taken over once: what is deleted here does not come back.
    registry.send(Request::delete("/v2/app/manifests/v1")).expect(202);
    registry.stop();
    registry.start_again();
    expect_none(&registry, "app", "v1");
}

#[test]
fn a_folder_that_holds_no_registry_is_refused_and_nothing_is_made() {
    let tree = Tree::new();
    let nothing = tree.folder().join("nothing");
    fs::create_dir(&nothing).unwrap();
    let output = import(&nothing, &tree.root(), &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("holds no registry of distribution"), "{}", said(&output));
    assert!(!tree.root().exists());
}

#[test]
fn an_import_that_was_killed_leaves_a_sound_store_that_is_not_served_and_goes_on() {
    let tree = Tree::new();
    let images: Vec<_> = (0..40)
        .map(|seed| tree.put_image(&format!("team/app{}", seed % 7), &format!("v{seed}"), seed))
        .collect();
    let mut was_cut_off = false;
    for wait in (1..60).map(|step| Duration::from_millis(step * 4)) {
        let mut child = Command::new(env!("CARGO_BIN_EXE_holdfast"))
            .args(["import", "--method", "copy"])
            .arg(tree.source())
            .arg("--root")
            .arg(tree.root())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(wait);
        child.kill().unwrap();
        let is_done = child.wait().unwrap().success();
        if tree.root().join("FORMAT").exists() {
            expect_sound(&tree.root());
            if tree.root().join("IMPORT").exists() {
                was_cut_off = true;
                expect_not_served(&tree.root());
            }
        }
        if is_done {
            break;
        }
    }
    assert!(was_cut_off, "it was never killed in the middle");
    tree.import_all(&[]);
    let mut registry = serve(&tree);
    for (seed, image) in images.iter().enumerate() {
        expect_image(&registry, &format!("team/app{}", seed % 7), &format!("v{seed}"), image);
    }
    registry.stop();
    registry.check_payloads();
}

#[track_caller]
fn expect_not_served(root: &Path) {
    let output = Command::new(env!("CARGO_BIN_EXE_holdfast"))
        .args(["serve", "--addr", "127.0.0.1:0", "--root"])
        .arg(root)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("go on with: holdfast import"), "{}", said(&output));
}

#[test]
fn a_layer_that_may_be_elsewhere_is_not_missed() {
    let tree = Tree::new();
    let foreign = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
    let manifest = image(&empty_config(), &[descriptor(foreign, "elsewhere")]);
    let image = tree.put_parts("app", Some("v1"), &manifest, &[b"{}"]);
    tree.import_all(&[]);
    expect_manifest(&serve(&tree), "app", "v1", &image.bytes, oci_type());
}
