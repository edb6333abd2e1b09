//! Bringing images in: what lies in OCI image layouts, in archives of them, and in what `docker save` writes is served as it was.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::import_tree::{import, most_memory, report, said, write};
use crate::support::{
    Builder, Holdfast, Request, bytes_of, descriptor, image, index, manifest_descriptor, sha256, to_bytes,
};

const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const TAG: &str = "org.opencontainers.image.ref.name";
const NAME: &str = "io.containerd.image.name";
const DOCKER: &str = "application/vnd.docker.distribution.manifest.v2+json";

/// A place with a layout, and room beside it for an archive and a store.
struct Place {
    folder: TempDir,
    listed: Vec<Value>,
}

impl Place {
    fn new() -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap(), listed: Vec::new() };
        fs::create_dir_all(place.layout().join("blobs/sha256")).unwrap();
        place
    }

    fn layout(&self) -> PathBuf {
        self.folder.path().join("layout")
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn data(&self, digest: &str) -> PathBuf {
        self.layout().join("blobs").join(digest.replace(':', "/"))
    }

    fn put(&self, bytes: impl AsRef<[u8]>) -> String {
        let digest = sha256(&bytes);
        write(&self.data(&digest), bytes);
        digest
    }

    /// An image of one layer, that nothing lists.
    fn put_image(&self, seed: u64) -> Value {
        let (config, layer) = (format!("{{\"seed\":{seed}}}"), bytes_of(30_000, seed));
        let manifest = image(&descriptor(CONFIG, &config), &[descriptor(LAYER, &layer)]);
        self.put(config);
        self.put(layer);
        self.put(to_bytes(&manifest));
        manifest
    }

    /// Lists a manifest with these annotations.
    fn list(&mut self, manifest: &Value, annotations: &[(&str, &str)]) {
        let mut one = manifest_descriptor(manifest);
        for (key, value) in annotations {
            one["annotations"][*key] = json!(value);
        }
        self.listed.push(one);
        write(&self.layout().join("index.json"), to_bytes(&index(&self.listed)));
    }

    /// Writes the layout's files as one archive, in this order of their names.
    fn archive(&self, is_index_last: bool) -> Vec<u8> {
        let mut names = vec!["oci-layout".to_owned(), "index.json".to_owned()];
        write(&self.layout().join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#);
        let blobs = fs::read_dir(self.layout().join("blobs/sha256")).unwrap();
        names.extend(
            blobs.map(|blob| format!("blobs/sha256/{}", blob.unwrap().file_name().to_str().unwrap())),
        );
        if is_index_last {
            names.reverse();
        }
        let mut archive = tar::Builder::new(Vec::new());
        for name in names {
            archive.append_path_with_name(self.layout().join(&name), name).unwrap();
        }
        archive.into_inner().unwrap()
    }

    fn import(&self, source: &Path, options: &[&str]) -> Output {
        import(source, &self.root(), options)
    }

    /// The same where it ends with `code`, as JSON.
    #[track_caller]
    fn import_as_json(&self, source: &Path, options: &[&str], code: i32) -> Value {
        report(&self.import(source, &[options, &["--json"]].concat()), &self.root(), code)
    }

    fn serve(&self) -> Holdfast {
        Builder::default().start_in(self.folder.path())
    }
}

#[track_caller]
fn expect_image(registry: &Holdfast, name: &str, reference: &str, manifest: &Value) {
    let request = Request::get(format!("/v2/{name}/manifests/{reference}")).header("Accept", "*/*");
    assert_eq!(registry.send(request).expect(200).body, to_bytes(manifest));
    let layers = manifest["layers"].as_array().unwrap();
    for part in layers.iter().chain([&manifest["config"]]) {
        let digest = part["digest"].as_str().unwrap();
        let found = registry.get(&format!("/v2/{name}/blobs/{digest}")).expect(200);
        assert_eq!(sha256(&found.body), digest);
    }
}

#[test]
fn a_layout_goes_to_the_repository_that_is_named_and_again_takes_what_is_new() {
    let mut place = Place::new();
    let (first, second, lone) = (place.put_image(1), place.put_image(2), place.put_image(3));
    place.list(&first, &[(TAG, "v1")]);
    place.list(&second, &[(TAG, "registry.example.com/other/name:v2")]);
    place.list(&lone, &[]);
    let to = ["--repository", "team/app"];
    let report = place.import_as_json(&place.layout(), &to, 0);
    assert_eq!(report["tags"], json!({"new": 2, "present": 0}));
    assert_eq!((&report["manifests"]["new"], &report["unverified"]), (&json!(3), &json!(6)));

    let mut registry = place.serve();
    expect_image(&registry, "team/app", "v1", &first);
    expect_image(&registry, "team/app", "v2", &second);
    expect_image(&registry, "team/app", &sha256(to_bytes(&lone)), &lone);
    assert_eq!(registry.tags("team/app"), ["v1", "v2"]);
    registry.push_image("team/app", "here", 9);
    registry.stop();

    // As a push would: the tag moves, and nothing is deleted.
    let newer = place.put_image(4);
    place.listed.clear();
    place.list(&newer, &[(TAG, "v1")]);
    let report = place.import_as_json(&place.layout(), &to, 0);
    assert_eq!((&report["moved_tags"], &report["deleted_tags"]), (&json!(1), &json!(0)));
    registry.start_again();
    expect_image(&registry, "team/app", "v1", &newer);
    assert_eq!(registry.tags("team/app"), ["here", "v1", "v2"]);
}

#[test]
fn what_comes_out_of_a_layout_moves_no_immutable_tag() {
    let mut place = Place::new();
    let (first, second) = (place.put_image(1), place.put_image(2));
    place.list(&first, &[(TAG, "v1")]);
    let file = place.path("holdfast.yml");
    fs::write(&file, "tags: {immutable: [{where: ['**'], tags: ['v*']}]}\n").unwrap();
    let options = ["--repository", "app", "--config", file.to_str().unwrap()];
    assert_eq!(place.import_as_json(&place.layout(), &options, 0)["tags"]["new"], json!(1));
    place.listed.clear();
    place.list(&second, &[(TAG, "v1")]);
    assert_eq!(place.import_as_json(&place.layout(), &options, 0)["kept_tags"], json!(1));
    expect_image(&place.serve(), "app", "v1", &first);
}

#[test]
fn images_go_to_the_repositories_that_they_name() {
    let mut place = Place::new();
    let (first, second, lone) = (place.put_image(1), place.put_image(2), place.put_image(3));
    place.list(&first, &[(NAME, "docker.io/library/alpine:3"), (TAG, "3")]);
    place.list(&second, &[(TAG, "localhost:5000/team/app")]);
    place.list(&second, &[(TAG, "localhost:5000/Team/app:v1")]);
    let report = place.import_as_json(&place.layout(), &[], 2);
    assert_eq!(report["skipped_first"][0]["repository"], json!("Team/app"));
    let registry = place.serve();
    expect_image(&registry, "alpine", "3", &first);
    expect_image(&registry, "team/app", "latest", &second);

    let mut unnamed = Place::new();
    unnamed.put_image(3);
    unnamed.list(&lone, &[(TAG, "v1")]);
    let output = unnamed.import(&unnamed.layout(), &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("name one with --repository"), "{}", said(&output));
    let output = unnamed.import(&unnamed.layout(), &["--repository", "team/*"]);
    assert!(said(&output).contains("\"team/*\" is no name that images can go to"), "{}", said(&output));
}

#[test]
fn a_tag_that_stands_for_two_images_is_told() {
    let mut place = Place::new();
    let (first, second) = (place.put_image(1), place.put_image(2));
    place.list(&first, &[(TAG, "a/app:v1")]);
    place.list(&second, &[(TAG, "b/app:v1")]);
    let report = place.import_as_json(&place.layout(), &["--repository", "app"], 2);
    assert_eq!(report["skipped_first"][0]["tag"], json!("v1"));
    assert_eq!(place.import_as_json(&place.layout(), &[], 0)["tags"]["new"], json!(2));
}

#[test]
fn what_a_sparse_layout_lacks_is_left_out_and_what_it_lists_and_lacks_is_told() {
    let mut place = Place::new();
    let (there, elsewhere, lost) = (place.put_image(1), place.put_image(2), place.put_image(3));
    let mut both = index(&[manifest_descriptor(&there), manifest_descriptor(&elsewhere)]);
    both["annotations"] = json!({"a": "b"});
    place.put(to_bytes(&both));
    let nested = index(&[manifest_descriptor(&both)]);
    place.put(to_bytes(&nested));
    fs::remove_file(place.data(&sha256(to_bytes(&elsewhere)))).unwrap();
    fs::remove_file(place.data(&sha256(to_bytes(&lost)))).unwrap();
    place.list(&nested, &[(TAG, "both")]);
    place.list(&lost, &[(TAG, "lost")]);
    let report = place.import_as_json(&place.layout(), &["--repository", "app"], 2);
    assert_eq!((&report["sparse_indexes"], &report["skipped"]), (&json!(1), &json!(1)));
    let skipped = &report["skipped_first"][0];
    assert_eq!((&skipped["manifest"], &skipped["tags"]), (&json!(sha256(to_bytes(&lost))), &json!(["lost"])));

    let registry = place.serve();
    assert_eq!(registry.get("/v2/app/manifests/both").expect(200).body, to_bytes(&nested));
    expect_image(&registry, "app", &sha256(to_bytes(&there)), &there);
    registry.get(&format!("/v2/app/manifests/{}", sha256(to_bytes(&elsewhere)))).expect(404);
    assert_eq!(registry.tags("app"), ["both"]);
}

#[test]
fn an_index_of_layers_such_as_a_build_cache_has_them_as_blobs() {
    let mut place = Place::new();
    let layer = bytes_of(5_000, 1);
    place.put(&layer);
    let cache = index(&[descriptor(LAYER, &layer)]);
    place.put(to_bytes(&cache));
    place.list(&cache, &[(TAG, "cache")]);
    place.import_as_json(&place.layout(), &["--repository", "app"], 0);
    let registry = place.serve();
    assert_eq!(registry.get("/v2/app/manifests/cache").expect(200).body, to_bytes(&cache));
    assert_eq!(registry.get(&format!("/v2/app/blobs/{}", sha256(&layer))).expect(200).body, layer);
}

#[test]
fn payloads_of_a_layout_are_compared_before_or_later_and_those_of_an_archive_always() {
    let mut place = Place::new();
    let (image, sound) = (place.put_image(1), place.put_image(2));
    place.list(&image, &[(TAG, "v1")]);
    place.list(&sound, &[(TAG, "v2")]);
    let layer = image["layers"][0]["digest"].as_str().unwrap();
    write(&place.data(layer), bytes_of(30_000, 99));
    fs::write(place.path("a.tar"), place.archive(true)).unwrap();

    let to = ["--repository", "app"];
    for (source, options) in
        [(place.layout(), [&to[..], &["--verify"]].concat()), (place.path("a.tar"), to.to_vec())]
    {
        let report = place.import_as_json(&source, &options, 2);
        assert_eq!((&report["unverified"], &report["skipped"]), (&json!(0), &json!(1)));
        let reason = report["skipped_first"][0]["reason"].as_str().unwrap();
        assert!(reason.contains("its bytes are not those of its digest"), "{reason}");
        let registry = place.serve();
        expect_image(&registry, "app", "v2", &sound);
        registry.get("/v2/app/manifests/v1").expect(404);
        drop(registry);
        fs::remove_dir_all(place.root()).unwrap();
    }
    assert_eq!(place.import_as_json(&place.layout(), &to, 0)["unverified"], json!(4));
}

#[test]
fn an_archive_of_a_layout_is_read_in_any_order_compressed_and_through_a_pipe() {
    let mut place = Place::new();
    let image = place.put_image(1);
    let both = index(&[manifest_descriptor(&image)]);
    place.put(to_bytes(&both));
    place.put("of no use");
    place.list(&both, &[(TAG, "localhost/team/app:v1")]);
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(&place.archive(false)).unwrap();
    let kinds = [place.archive(true), place.archive(false), gzip.finish().unwrap()];
    for (number, bytes) in kinds.iter().enumerate() {
        let file = place.path("archive");
        fs::write(&file, bytes).unwrap();
        let source = if number == 0 { Path::new("-") } else { &file };
        let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
        command.arg("import").arg(source).args(["--json", "--root"]).arg(place.root());
        let output = command.stdin(File::open(&file).unwrap()).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(report["payloads"]["copy"]["payloads"], json!(2), "{report}");
        expect_only_what_is_named(&place.root(), 2);
        let mut registry = place.serve();
        assert_eq!(registry.get("/v2/team/app/manifests/v1").expect(200).body, to_bytes(&both));
        expect_image(&registry, "team/app", &sha256(to_bytes(&image)), &image);
        registry.stop();
        registry.check_payloads();
        drop(registry);
        assert_eq!(place.import_as_json(&file, &[], 0)["manifests"]["present"], json!(1));
        expect_only_what_is_named(&place.root(), 2);
        fs::remove_dir_all(place.root()).unwrap();
    }
}

/// Nothing that was taken in and turned out not to be needed is left.
#[track_caller]
fn expect_only_what_is_named(root: &Path, payloads: usize) {
    let mut files = 0;
    for algorithm in fs::read_dir(root.join("blobs")).unwrap() {
        for shard in fs::read_dir(algorithm.unwrap().path()).unwrap() {
            files += fs::read_dir(shard.unwrap().path()).unwrap().count();
        }
    }
    assert_eq!((files, fs::read_dir(root.join("uploads")).unwrap().count()), (payloads, 0));
}

#[test]
fn an_archive_that_breaks_off_or_is_none_changes_nothing_and_says_so() {
    let mut place = Place::new();
    let image = place.put_image(1);
    place.list(&image, &[(TAG, "app:v1")]);
    let whole = place.archive(false);
    let other = {
        let mut archive = tar::Builder::new(Vec::new());
        archive.append_path_with_name(place.layout().join("index.json"), "readme").unwrap();
        archive.into_inner().unwrap()
    };
    for (bytes, problem) in [
        (&whole[..whole.len() / 2], "breaks off"),
        (b"no tar at all", "no archive of images"),
        (&[0x28, 0xb5, 0x2f, 0xfd, 0][..], "zstd -dc"),
        (&other, "neither an index.json nor a manifest.json"),
    ] {
        let file = place.path("archive");
        fs::write(&file, bytes).unwrap();
        let output = place.import(&file, &[]);
        assert_eq!(output.status.code(), Some(1));
        assert!(said(&output).contains(problem), "{problem}: {}", said(&output));
        if place.root().exists() {
            expect_only_what_is_named(&place.root(), 0);
        }
    }
    fs::write(place.path("archive"), whole).unwrap();
    place.import_as_json(&place.path("archive"), &[], 0);
    expect_image(&place.serve(), "app", "v1", &image);
}

/// What `docker save` wrote before version 25: folders by ids of its own, layers as plain tars, the same one under a link.
fn docker_save(layers: &[Vec<u8>], config: &str, lacks_layer: bool) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut add = |name: &str, bytes: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, name, bytes).unwrap();
    };
    let mut names = Vec::new();
    for (number, layer) in layers.iter().enumerate() {
        add(&format!("id{number}/VERSION"), b"1.0");
        add(&format!("id{number}/json"), b"{}");
        if !(lacks_layer && number == 0) {
            add(&format!("id{number}/layer.tar"), layer);
        }
        names.push(format!("id{number}/layer.tar"));
    }
    let config_name = format!("{}.json", sha256(config).strip_prefix("sha256:").unwrap());
    add(&config_name, config.as_bytes());
    let manifest = json!([{
        "Config": config_name,
        "RepoTags": ["app:v1", "registry.example.com:5000/team/app:v2"],
        "Layers": [names[0], "again/layer.tar", names[1]],
    }]);
    add("manifest.json", &to_bytes(&manifest));
    add("repositories", b"{}");
    let mut link = tar::Header::new_gnu();
    link.set_entry_type(tar::EntryType::Symlink);
    link.set_size(0);
    archive.append_link(&mut link, "again/layer.tar", "../id0/layer.tar").unwrap();
    if lacks_layer {
        // Links that lead in a circle, and out of it.
        archive.append_link(&mut link, "id0/layer.tar", "../again/layer.tar").unwrap();
        archive.append_link(&mut link, "outside", "../../../etc/passwd").unwrap();
    }
    archive.into_inner().unwrap()
}

#[test]
fn what_docker_saved_before_there_were_manifests_in_it_gets_one() {
    let place = Place::new();
    let mut compressed = GzEncoder::new(Vec::new(), Compression::fast());
    compressed.write_all(&bytes_of(20_000, 2)).unwrap();
    let layers = [bytes_of(40_000, 1), compressed.finish().unwrap()];
    let config = r#"{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}"#;
    fs::write(place.path("saved.tar"), docker_save(&layers, config, false)).unwrap();
    let report = place.import_as_json(&place.path("saved.tar"), &[], 0);
    assert_eq!((&report["tags"]["new"], &report["repositories"]), (&json!(2), &json!(2)));
    expect_only_what_is_named(&place.root(), 3);

    let registry = place.serve();
    let served = registry.get("/v2/app/manifests/v1").expect(200).expect_header("Content-Type", DOCKER);
    let manifest = served.json();
    assert_eq!(manifest["config"]["digest"], json!(sha256(config)));
    let kinds: Vec<_> =
        manifest["layers"].as_array().unwrap().iter().map(|layer| &layer["mediaType"]).collect();
    let kind = "application/vnd.docker.image.rootfs.diff.tar";
    assert_eq!(kinds, [kind, kind, &format!("{kind}.gzip")]);
    expect_image(&registry, "app", "v1", &manifest);
    expect_image(&registry, "team/app", "v2", &manifest);
}

#[test]
fn an_image_that_docker_saved_without_a_layer_is_told() {
    let place = Place::new();
    let layers = [bytes_of(40_000, 1), bytes_of(40_000, 2)];
    fs::write(place.path("saved.tar"), docker_save(&layers, "{}", true)).unwrap();
    let report = place.import_as_json(&place.path("saved.tar"), &["--repository", "other"], 2);
    let reason = report["skipped_first"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("lacks id0/layer.tar"), "{reason}");
    expect_only_what_is_named(&place.root(), 0);
}

#[test]
fn an_archive_larger_than_memory_may_be_is_taken_in_pieces() {
    const LARGE: usize = 64 << 20;
    let mut place = Place::new();
    let layer = bytes_of(LARGE, 1);
    let manifest = image(&descriptor(CONFIG, "{}"), &[descriptor(LAYER, &layer)]);
    for bytes in [b"{}".to_vec(), layer, to_bytes(&manifest)] {
        place.put(bytes);
    }
    place.list(&manifest, &[(TAG, "app:v1")]);
    fs::write(place.path("a.tar"), place.archive(false)).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    command.arg("import").arg(place.path("a.tar")).arg("--root").arg(place.root());
    let most = most_memory(&mut command);
    assert!(most > 0 && most < LARGE / 2, "{most} bytes");
    // What is here already is not written again.
    assert_eq!(place.import_as_json(&place.path("a.tar"), &[], 0)["blobs"], json!(0));
    expect_image(&place.serve(), "app", "v1", &manifest);
}
