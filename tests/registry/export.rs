//! Moving out: what the registry holds lies in a folder that others read, and an import brings it back byte for byte.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::import_tree::{expect_sound, import, said};
use crate::support::{
    Builder, Holdfast, Image, OCI_INDEX, Registry, Request, artifact, blake3, bytes_of, descriptor,
    docker_list, empty_config, image, index, sha256, to_bytes,
};

const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const TAG: &str = "org.opencontainers.image.ref.name";
/// Payloads of both kinds stay where they are: in the log, and in files.
const IN_LOG: &str = "storage: {gc: {lease: 0s, grace: 0s}, log: {settleinterval: 1m}}\n";

/// A place for an export and for what is made of it, on the file system that stores lie on.
struct Place {
    folder: TempDir,
}

impl Place {
    fn beside(registry: &Holdfast) -> Self {
        Self { folder: tempfile::tempdir_in(registry.root().parent().unwrap().parent().unwrap()).unwrap() }
    }

    fn export(&self) -> PathBuf {
        self.folder.path().join("export")
    }

    /// Imports what was exported as distribution's tree, where all of it has to come, and serves it.
    #[track_caller]
    fn import_and_serve(&self) -> Holdfast {
        let root = self.folder.path().join("data");
        let output = import(&self.export(), &root, &["--verify"]);
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        expect_sound(&root);
        Builder::default().start_in(self.folder.path())
    }

    fn json(&self, path: &str) -> Value {
        serde_json::from_slice(&fs::read(self.export().join(path)).unwrap()).unwrap()
    }
}

fn export(registry: &Holdfast, folder: &Path, options: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    command.arg("export").arg(folder).arg("--root").arg(registry.root()).args(options).output().unwrap()
}

/// The same where everything has to be exported. What it says.
#[track_caller]
fn export_all(registry: &Holdfast, place: &Place, options: &[&str]) -> String {
    let output = export(registry, &place.export(), options);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    said(&output)
}

/// The same as JSON, where it ends with `code`.
#[track_caller]
fn export_as_json(registry: &Holdfast, place: &Place, options: &[&str], code: i32) -> Value {
    let output = export(registry, &place.export(), &[options, &["--json"]].concat());
    assert_eq!(output.status.code(), Some(code), "{}", said(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn manifest(registry: &Registry, name: &str, reference: &str) -> (Vec<u8>, String) {
    let request = Request::get(format!("/v2/{name}/manifests/{reference}")).header("Accept", "*/*");
    let found = registry.send(request).expect(200);
    let media_type = found.header("Content-Type").to_owned();
    (found.body, media_type)
}

/// What a registry was filled with: repositories, and references of theirs.
struct Goods {
    references: Vec<(&'static str, String)>,
    blobs: Vec<(&'static str, String)>,
    small: String,
    large: Image,
    signature: String,
    lone: String,
}

/// Images with small and large layers, indexes of both kinds, a signature, and an image without a tag.
fn fill(registry: &Registry) -> Goods {
    let small = registry.push_image("team/app", "v1", 1);
    let layer = bytes_of(700_000, 2);
    let config = registry.push_blob("app", "{}");
    let layer_digest = registry.push_blob("app", &layer);
    let large = image(&empty_config(), &[descriptor(LAYER, &layer)]);
    let large_digest = registry.push_manifest("app", "large", &large);
    let large = Image {
        digest: large_digest,
        bytes: to_bytes(&large),
        media_type: large["mediaType"].as_str().unwrap().to_owned(),
        config,
        layer: layer_digest,
    };
    let child = registry.push_image("app", "", 3);
    let list = registry.push_manifest("app", "list", &docker_list(&[child.descriptor()]));
    let both = index(&[child.descriptor(), large.descriptor()]);
    let both = registry.push_manifest("app", "both", &both);
    let mut signature = artifact("application/x.signature");
    signature["subject"] = large.descriptor();
    let digest = sha256(to_bytes(&signature));
    let signature = registry.push_manifest("app", &digest, &signature);
    let lone = registry.push_image("app", "", 4);
    let references = ["large", "list", "both", &child.digest, &list, &both, &signature, &lone.digest];
    let mut references: Vec<_> = references.map(|reference| ("app", reference.to_owned())).into();
    references.push(("team/app", "v1".to_owned()));
    let of_app = [&large, &child, &lone].map(|image| image.layer.clone());
    let mut blobs: Vec<_> = of_app.map(|blob| ("app", blob)).into();
    blobs.extend([small.layer, small.config].map(|blob| ("team/app", blob)));
    Goods { references, blobs, small: small.digest, large, signature, lone: lone.digest }
}

#[track_caller]
fn expect_same(goods: &Goods, old: &BTreeMap<String, (Vec<u8>, String)>, new: &Registry) {
    for (name, reference) in &goods.references {
        assert_eq!(manifest(new, name, reference), old[&format!("{name} {reference}")], "{name} {reference}");
    }
    for (name, blob) in &goods.blobs {
        assert_eq!(&sha256(new.get(&format!("/v2/{name}/blobs/{blob}")).expect(200).body), blob);
    }
    let referrers = new.get(&format!("/v2/app/referrers/{}", goods.large.digest)).expect(200).json();
    assert_eq!(referrers["manifests"][0]["digest"], json!(goods.signature));
    assert_eq!(new.tags("app"), ["both", "large", "list"]);
    assert_eq!(new.get("/v2/_catalog").expect(200).json()["repositories"], json!(["app", "team/app"]));
}

fn all(goods: &Goods, registry: &Registry) -> BTreeMap<String, (Vec<u8>, String)> {
    let named = goods.references.iter();
    named
        .map(|(name, reference)| (format!("{name} {reference}"), manifest(registry, name, reference)))
        .collect()
}

#[test]
fn what_a_running_registry_exports_as_distribution_comes_back_by_an_import() {
    let registry = Holdfast::configured(IN_LOG);
    let goods = fill(&registry);
    let place = Place::beside(&registry);
    let text = export_all(&registry, &place, &["--format", "distribution"]);
    assert!(text.contains("1 manifests refer to another one") && text.contains("durable"), "{text}");
    expect_same(&goods, &all(&goods, &registry), &place.import_and_serve());
}

#[test]
fn what_a_stopped_store_exports_as_distribution_comes_back_by_an_import() {
    let mut registry = Holdfast::configured(IN_LOG);
    let goods = fill(&registry);
    let old = all(&goods, &registry);
    registry.stop();
    let place = Place::beside(&registry);
    export_all(&registry, &place, &["--format", "distribution", "--copy"]);
    expect_same(&goods, &old, &place.import_and_serve());
}

#[test]
fn what_was_exported_as_layouts_comes_back_by_an_import() {
    let registry = Holdfast::configured(IN_LOG);
    let goods = fill(&registry);
    let place = Place::beside(&registry);
    export_all(&registry, &place, &[]);
    expect_same(&goods, &all(&goods, &registry), &place.import_and_serve());

    // Or one of them alone, under any name.
    let root = place.folder.path().join("other/data");
    let output = import(&place.export().join("team/app"), &root, &["--repository", "other"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let other = Builder::default().start_in(&place.folder.path().join("other"));
    assert_eq!(manifest(&other, "other", "v1"), manifest(&registry, "team/app", "v1"));
}

#[test]
fn large_payloads_are_linked_unless_copies_are_asked_for() {
    let registry = Holdfast::configured(IN_LOG);
    let goods = fill(&registry);
    let hex = goods.large.layer.strip_prefix("sha256:").unwrap().to_owned();
    for (options, links) in [(&[][..], 2), (&["--copy"][..], 1)] {
        let place = Place::beside(&registry);
        export_all(&registry, &place, options);
        let file = fs::metadata(place.export().join("app/blobs/sha256").join(&hex)).unwrap();
        assert_eq!(file.nlink(), links);
    }
}

/// The digests of a layout's files, each of which has to have the bytes of its own.
#[track_caller]
fn layout_blobs(layout: &Path) -> BTreeSet<String> {
    let files = fs::read_dir(layout.join("blobs/sha256")).unwrap().map(|file| file.unwrap());
    files
        .map(|file| {
            let digest = format!("sha256:{}", file.file_name().into_string().unwrap());
            assert_eq!(sha256(fs::read(file.path()).unwrap()), digest);
            digest
        })
        .collect()
}

#[test]
fn an_oci_layout_has_the_tags_what_they_lead_to_and_what_no_tag_leads_to() {
    let registry = Holdfast::configured(IN_LOG);
    let goods = fill(&registry);
    let place = Place::beside(&registry);
    export_all(&registry, &place, &[]);
    assert_eq!(place.json("app/oci-layout"), json!({"imageLayoutVersion": "1.0.0"}));
    let listed = place.json("app/index.json");
    assert_eq!((&listed["schemaVersion"], &listed["mediaType"]), (&json!(2), &json!(OCI_INDEX)));
    let listed = listed["manifests"].as_array().unwrap();
    let tags: Vec<_> = listed.iter().filter_map(|one| one["annotations"][TAG].as_str()).collect();
    assert_eq!(tags, ["both", "large", "list"]);
    for one in listed.iter().take(3) {
        let (bytes, media_type) = manifest(&registry, "app", one["annotations"][TAG].as_str().unwrap());
        assert_eq!(one["digest"], json!(sha256(&bytes)));
        assert_eq!((&one["size"], &one["mediaType"]), (&json!(bytes.len()), &json!(media_type)));
    }
    let others: BTreeSet<_> = listed[3..].iter().map(|one| one["digest"].as_str().unwrap()).collect();
    assert_eq!(others, BTreeSet::from([goods.signature.as_str(), &goods.lone]));
    let signature = listed.iter().find(|one| one["digest"] == json!(goods.signature)).unwrap();
    assert_eq!(signature["artifactType"], json!("application/x.signature"));

    let blobs = layout_blobs(&place.export().join("app"));
    let wanted =
        goods.references.iter().filter(|(name, reference)| *name == "app" && reference.contains(':'));
    let wanted = wanted.chain(goods.blobs.iter().filter(|(name, _)| *name == "app"));
    for (_, digest) in wanted {
        assert!(blobs.contains(digest), "{digest}");
    }
    assert_eq!(layout_blobs(&place.export().join("team/app")).len(), 3);
}

#[test]
fn a_second_export_takes_the_difference_and_lets_go_of_what_was_deleted() {
    for format in ["distribution", "oci"] {
        let registry = Holdfast::configured(IN_LOG);
        let goods = fill(&registry);
        let place = Place::beside(&registry);
        let options = ["--format", format];
        let first = export_as_json(&registry, &place, &options, 0);
        let again = export_as_json(&registry, &place, &options, 0);
        let copied = |report: &Value| report["payloads"]["copied"]["payloads"].as_u64().unwrap();
        assert!(copied(&first) > 0);
        assert_eq!((copied(&again), &again["removed"]), (0, &json!(0)));
        assert_eq!(again["tags"], json!(4));

        let moved = registry.push_image("app", "large", 9);
        registry.delete(&format!("/v2/app/manifests/{}", goods.lone)).expect(202);
        registry.delete("/v2/app/manifests/list").expect(202);
        registry.delete(&format!("/v2/team/app/manifests/{}", goods.small)).expect(202);
        export_all(&registry, &place, &options);
        if format == "distribution" {
            let new = place.import_and_serve();
            assert_eq!(new.tags("app"), ["both", "large"]);
            assert_eq!(new.get("/v2/_catalog").expect(200).json()["repositories"], json!(["app"]));
            assert_eq!(manifest(&new, "app", "large").0, moved.bytes);
            new.get(&format!("/v2/app/manifests/{}", goods.lone)).expect(404);
        } else {
            let listed = place.json("app/index.json").to_string();
            assert!(listed.contains(&moved.digest) && !listed.contains(&goods.lone), "{listed}");
            assert!(!listed.contains("\"list\""), "{listed}");
            assert!(!place.export().join("team/app/index.json").exists());
        }
    }
}

#[test]
fn what_is_damaged_is_left_out_and_told_with_the_tags_that_it_breaks() {
    let mut registry = Holdfast::configured(IN_LOG);
    let goods = fill(&registry);
    let old = all(&goods, &registry);
    registry.stop();
    let layer = &goods.large.layer;
    let hex = layer.strip_prefix("sha256:").unwrap();
    let mut files = fs::read_dir(registry.root().join("blobs/sha256").join(&hex[..2])).unwrap();
    let file = files.next().unwrap().unwrap().path();
    let place = Place::beside(&registry);
    let aside = place.folder.path().join("aside");
    fs::rename(&file, &aside).unwrap();
    let report = export_as_json(&registry, &place, &["--format", "distribution"], 2);
    assert_eq!((&report["left_out"], &report["sparse_indexes"]), (&json!(1), &json!(1)));
    let told = &report["left_out_first"][0];
    assert_eq!((&told["repository"], &told["manifest"]), (&json!("app"), &json!(goods.large.digest)));
    assert_eq!(told["tags"], json!(["large", "both"]));
    assert_eq!(told["reason"], json!(format!("its blob {layer}: its file is missing")));
    let output = export(&registry, &place.export(), &["--format", "distribution"]);
    let line = format!("left out: manifest app@{}: ", goods.large.digest);
    assert!(said(&output).contains(&line) && said(&output).contains("breaks app:large, app:both"));
    let tags = place.export().join("docker/registry/v2/repositories/app/_manifests/tags");
    assert!(!tags.join("large").exists() && tags.join("list/current/link").exists());

    fs::rename(&aside, &file).unwrap();
    export_all(&registry, &place, &["--format", "distribution"]);
    expect_same(&goods, &old, &place.import_and_serve());
}

#[test]
fn what_has_a_blake3_digest_is_told_for_distribution_and_exported_as_a_layout() {
    let registry = Holdfast::start();
    let layer = bytes_of(100, 1);
    let digest = blake3(&layer);
    registry.start_upload("app").put(&digest, layer.clone()).expect(201);
    registry.push_blob("app", "{}");
    let manifest =
        image(&empty_config(), &[json!({"mediaType": LAYER, "digest": digest, "size": layer.len()})]);
    registry.push_manifest("app", "v1", &manifest);
    let place = Place::beside(&registry);
    let report = export_as_json(&registry, &place, &["--format", "distribution"], 2);
    let reason = format!("its blob {digest}: distribution cannot serve blake3 digests");
    assert_eq!(report["left_out_first"][0]["reason"], json!(reason));
    assert_eq!(report["left_out_first"][0]["tags"], json!(["v1"]));
    let place = Place::beside(&registry);
    export_all(&registry, &place, &[]);
    let file = place.export().join("app/blobs").join(digest.replace(':', "/"));
    assert_eq!(fs::read(file).unwrap(), layer);
}

#[test]
fn patterns_say_which_repositories_are_exported() {
    let registry = Holdfast::start();
    for name in ["app", "team/app", "team/deep/app", "other"] {
        registry.push_image(name, "v1", 1);
    }
    let place = Place::beside(&registry);
    let options = ["--repository", "team/**", "--repository", "other"];
    let report = export_as_json(&registry, &place, &options, 0);
    assert_eq!((&report["repositories"], &report["tags"]), (&json!(3), &json!(3)));
    assert!(place.export().join("team/deep/app/index.json").exists());
    assert!(!place.export().join("app").exists());
    let output = export(&registry, &place.export(), &["--repository", "te**"]);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
}

#[test]
fn a_repository_whose_name_leads_into_the_layout_of_another_is_left_out() {
    let registry = Holdfast::start();
    for name in ["team", "team/blobs", "blobs/app"] {
        registry.push_image(name, "v1", 1);
    }
    let place = Place::beside(&registry);
    let report = export_as_json(&registry, &place, &[], 2);
    assert_eq!((&report["repositories"], &report["left_out"]), (&json!(2), &json!(1)));
    assert_eq!(report["left_out_first"][0]["repository"], json!("team/blobs"));
    let other = Place::beside(&registry);
    export_all(&registry, &other, &["--repository", "team/blobs"]);
    assert_eq!(layout_blobs(&other.export().join("team/blobs")).len(), 3);
}

#[test]
fn a_folder_that_is_not_for_this_export_is_refused() {
    let registry = Holdfast::start();
    registry.push_image("app", "v1", 1);
    let place = Place::beside(&registry);
    let refuse = |folder: &Path, options: &[&str], reason: &str| {
        let output = export(&registry, folder, options);
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        assert!(said(&output).contains(reason), "{}", said(&output));
    };
    refuse(&registry.root().join("export"), &[], "lies in the data folder");
    assert!(!registry.root().join("export").exists());
    refuse(registry.root().parent().unwrap(), &[], "holds other files");
    export_all(&registry, &place, &[]);
    refuse(&place.export(), &["--format", "distribution"], "was exported to as \"oci\"");
}

#[test]
fn an_export_names_only_what_is_there_while_images_come_move_and_go() {
    let registry =
        Holdfast::configured("storage: {gc: {lease: 0s, grace: 0s}, log: {settleinterval: 10ms}}\n");
    for seed in 0..20 {
        registry.push_image("app", &format!("v{seed}"), seed);
    }
    let is_over = AtomicBool::new(false);
    let place = Place::beside(&registry);
    thread::scope(|scope| {
        let (registry, is_over) = (&registry, &is_over);
        scope.spawn(move || {
            for seed in (100..10_000).take_while(|_| !is_over.load(Ordering::Relaxed)) {
                let image = registry.push_image("app", &format!("v{}", seed % 20), seed);
                let both = index(&[image.descriptor()]);
                let both = registry.push_manifest("app", "index", &both);
                registry.delete(&format!("/v2/app/manifests/{both}")).expect(202);
                registry.delete(&format!("/v2/app/manifests/{}", image.digest)).expect(202);
            }
        });
        for _ in 0..8 {
            export_all(registry, &place, &["--format", "distribution"]);
        }
        is_over.store(true, Ordering::Relaxed);
    });
    place.import_and_serve();
}
