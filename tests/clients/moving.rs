//! Moving in from distribution and out again: what clients have pushed to the one, the other serves.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::client::Client;
use crate::distribution::Distribution;
use crate::gzip;
use crate::layout::{Layout, config, layer};
use crate::support::{
    Builder, DOCKER_IMAGE, DOCKER_LIST, Holdfast, OCI_IMAGE, OCI_INDEX, Registry, Request, Response,
    artifact, descriptor, docker_image, docker_list, image, index, manifest_descriptor, sha256, to_bytes,
};

#[test]
fn what_was_pushed_to_distribution_is_served_after_imports_while_it_goes_on() {
    let Some(crane) = Client::find("crane") else { return };
    let Some(old) = Distribution::start("registry") else { return };
    let there = |name: &str| format!("{}/{name}", old.address);
    let index = Layout::of_index(crane.path("in"), "both", 2);
    crane.run(["push", index.folder(), &there("team/index:both")]);
    let append = |seed: u64, name: &str| {
        let tarball = crane.write("layer.tar", layer(300_000, seed));
        crane.run(["append", "--new_layer", &tarball, "--new_tag", &there(name)]);
    };
    append(1, "app:moves");
    append(2, "app:goes");
    append(3, "app:stays");
    old.import();

    append(4, "app:moves");
    append(5, "other:new");
    let goes = crane.run(["digest", &there("app:goes")]);
    crane.run(["delete", &there(&format!("app@{goes}"))]);
    old.import();

    let holdfast = Builder::default().start_in(old.folder());
    let here = |name: &str| format!("{}/{name}", holdfast.address);
    for name in ["team/index:both", "app:moves", "app:stays", "other:new"] {
        assert_eq!(crane.run(["digest", &here(name)]), crane.run(["digest", &there(name)]), "{name}");
        assert_eq!(crane.run(["manifest", &here(name)]), crane.run(["manifest", &there(name)]), "{name}");
        crane.run(["validate", "--remote", &here(name)]);
    }
    let mut tags: Vec<_> = crane.run(["ls", &here("app")]).lines().map(str::to_owned).collect();
    tags.sort();
    assert_eq!(tags, ["moves", "stays"]);
    crane.fail(["digest", &here(&format!("app@{goes}"))]);
}

/// Imports all of a live registry.
#[track_caller]
fn import_from(old: &Distribution) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    command.args(["import", "--from", &format!("http://{}", old.address), "--root"]);
    let output = command.arg(old.folder().join("data")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn what_distribution_serves_comes_over_its_api_of_either_version() {
    let Some(crane) = Client::find("crane") else { return };
    for program in ["registry", "docker-registry"] {
        let Some(old) = Distribution::start(program) else { continue };
        let there = |name: &str| format!("{}/{name}", old.address);
        if program == "registry" {
            let index = Layout::of_index(crane.path("in"), "both", 2);
            crane.run(["push", index.folder(), &there("team/index:both")]);
        }
        let append = |seed: u64, name: &str| {
            let tarball = crane.write("layer.tar", layer(300_000, seed));
            crane.run(["append", "--new_layer", &tarball, "--new_tag", &there(name)]);
        };
        for (seed, tag) in [(1, "moves"), (2, "goes"), (3, "stays")] {
            append(seed, &format!("app:{tag}"));
        }
        // More repositories than a page of the catalog has.
        for number in 0..110 {
            crane.run(["copy", &there("app:moves"), &there(&format!("many/app{number}:v1"))]);
        }
        import_from(&old);
        append(4, "app:moves");
        let goes = crane.run(["digest", &there("app:goes")]);
        crane.run(["delete", &there(&format!("app@{goes}"))]);
        import_from(&old);

        let holdfast = Builder::default().start_in(old.folder());
        assert_eq!(holdfast.tags("app"), ["moves", "stays"]);
        let repositories = crane.run(["catalog", &old.address.to_string()]);
        assert_eq!(crane.run(["catalog", &holdfast.address.to_string()]), repositories);
        let names = ["team/index:both", "app:moves", "app:stays", "many/app109:v1"];
        for name in names.into_iter().filter(|name| repositories.contains(name.split(':').next().unwrap())) {
            let here = format!("{}/{name}", holdfast.address);
            assert_eq!(crane.run(["manifest", &here]), crane.run(["manifest", &there(name)]), "{name}");
            crane.run(["validate", "--remote", &here]);
        }
    }
}

#[test]
fn what_was_pushed_to_holdfast_distribution_serves_after_an_export() {
    let Some(crane) = Client::find("crane") else { return };
    let holdfast = Holdfast::start();
    let here = |name: &str| format!("{}/{name}", holdfast.address);
    let index = Layout::of_index(crane.path("in"), "both", 2);
    crane.run(["push", index.folder(), &here("team/index:both")]);
    for (seed, name) in [(1, "app:v1"), (2, "app:v2")] {
        let tarball = crane.write("layer.tar", layer(400_000, seed));
        crane.run(["append", "--new_layer", &tarball, "--new_tag", &here(name)]);
    }
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    command.arg("export").arg(folder.path().join("old")).arg("--root").arg(holdfast.root());
    let output = command.args(["--format", "distribution"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let Some(distribution) = Distribution::start_over("registry", folder) else { return };
    let there = |name: &str| format!("{}/{name}", distribution.address);
    for name in ["team/index:both", "app:v1", "app:v2"] {
        assert_eq!(crane.run(["manifest", &there(name)]), crane.run(["manifest", &here(name)]), "{name}");
        crane.run(["validate", "--remote", &there(name)]);
    }
    assert_eq!(crane.run(["ls", &there("app")]), "v1\nv2");
    assert_eq!(crane.run(["catalog", &distribution.address.to_string()]), "app\nteam/index");
    // It takes pushes as well, to what it has.
    let tarball = crane.write("layer.tar", layer(400_000, 3));
    crane.run(["append", "--base", &there("app:v2"), "--new_layer", &tarball, "--new_tag", &there("app:v3")]);
}

/// How many images there are, and repositories for them.
const IMAGES: u64 = 256;
const REPOSITORIES: u64 = 32;
/// The first part of the repositories' names.
const TEAMS: u64 = 4;

#[test]
fn what_skopeo_pushed_to_distribution_2_is_served_as_it_was_there_to_the_byte() {
    let Some(skopeo) = Client::find("skopeo") else { return };
    let Some(old) = Distribution::start("docker-registry") else { return };
    let there = old.registry();
    for team in 0..TEAMS {
        let numbers = || (0..IMAGES).filter(|number| number % TEAMS == team);
        sync(&skopeo, &old, team, numbers().map(|number| (number, Goods::numbered(number))));
        // Some tags are moved.
        sync(&skopeo, &old, team, numbers().take(5).map(|number| (number, Goods::numbered(IMAGES + number))));
    }
    let signed: Vec<_> = (20..40).map(|number| sign(&there, number)).collect();
    let gone: Vec<_> = (40..60).map(|number| delete(&skopeo, &old, number)).collect();

    old.import();
    let holdfast = Builder::default().start_in(old.folder());
    let catalog = there.get("/v2/_catalog?n=1000").expect(200).json();
    assert_eq!(holdfast.get("/v2/_catalog?n=1000").expect(200).json(), catalog);
    let repositories = catalog["repositories"].as_array().unwrap();
    assert_eq!(repositories.len() as u64, REPOSITORIES);
    let compared: usize = repositories
        .iter()
        .map(|name| Comparison { there: &there, here: &holdfast, name: name.as_str().unwrap() }.run())
        .sum();
    assert!(compared > 500, "{compared} manifests");
    for (name, digest) in gone {
        for registry in [&there, &holdfast] {
            registry.get(&format!("/v2/{name}/manifests/{digest}")).expect(404);
        }
    }
    for (name, subject, signature) in signed {
        let listed = holdfast.get(&format!("/v2/{name}/referrers/{subject}")).expect(200).json();
        assert_eq!(listed["manifests"][0]["digest"], signature.as_str(), "{listed}");
    }
}

/// The repository and the tag of an image.
fn place(number: u64) -> (String, String) {
    let (team, app, version) = (number % TEAMS, number % REPOSITORIES, number / REPOSITORIES);
    (format!("team-{team}/app-{app}"), format!("v{version}"))
}

/// An image, or several for several platforms.
struct Goods {
    blobs: Vec<Vec<u8>>,
    /// The last one is the whole.
    manifests: Vec<Value>,
}

impl Goods {
    /// One of all four kinds by turns; two neighbours of a kind have their contents in common.
    fn numbered(number: u64) -> Self {
        let mut goods = Self { blobs: Vec::new(), manifests: Vec::new() };
        let (kind, seed) = (number % 4, number / 8);
        let platforms = if kind % 2 == 0 { &["amd64"][..] } else { &["amd64", "arm64", "s390x"][..] };
        let children: Vec<_> = platforms.iter().map(|platform| goods.add(platform, kind < 2, seed)).collect();
        match kind {
            1 => goods.manifests.push(index(&children)),
            3 => goods.manifests.push(docker_list(&children)),
            _ => {}
        }
        goods
    }

    /// Adds an image and gives its descriptor.
    fn add(&mut self, architecture: &str, is_oci: bool, seed: u64) -> Value {
        let tar = layer(50_000, seed);
        let config = config(architecture, &tar);
        let layer = gzip::wrap(&tar);
        let manifest = match is_oci {
            true => image(
                &descriptor("application/vnd.oci.image.config.v1+json", &config),
                &[descriptor("application/vnd.oci.image.layer.v1.tar+gzip", &layer)],
            ),
            false => docker_image(
                &descriptor("application/vnd.docker.container.image.v1+json", &config),
                &[descriptor("application/vnd.docker.image.rootfs.diff.tar.gzip", &layer)],
            ),
        };
        let mut descriptor = manifest_descriptor(&manifest);
        descriptor["platform"] = json!({"architecture": architecture, "os": "linux"});
        self.blobs.extend([config, layer]);
        self.manifests.push(manifest);
        descriptor
    }

    /// Writes them as skopeo's `dir:` has them.
    fn write(&self, folder: &Path) {
        std::fs::create_dir_all(folder).unwrap();
        let hex = |bytes: &[u8]| sha256(bytes).replace("sha256:", "");
        for blob in &self.blobs {
            std::fs::write(folder.join(hex(blob)), blob).unwrap();
        }
        for manifest in &self.manifests {
            let bytes = to_bytes(manifest);
            std::fs::write(folder.join(format!("{}.manifest.json", hex(&bytes))), bytes).unwrap();
        }
        std::fs::write(folder.join("manifest.json"), to_bytes(self.manifests.last().unwrap())).unwrap();
        std::fs::write(folder.join("version"), "Directory Transport Version: 1.1\n").unwrap();
    }
}

/// Has skopeo push them all, to the repositories of their team.
fn sync(skopeo: &Client, old: &Distribution, team: u64, goods: impl Iterator<Item = (u64, Goods)>) {
    let folder = tempfile::tempdir_in(skopeo.folder()).unwrap();
    for (number, goods) in goods {
        let (repository, tag) = place(number);
        let (_team, name) = repository.split_once('/').unwrap();
        goods.write(&folder.path().join(format!("{name}:{tag}")));
    }
    let source = folder.path().to_str().unwrap();
    let there = format!("{}/team-{team}", old.address);
    let fixed = ["--insecure-policy", "sync", "--all", "--preserve-digests", "--dest-tls-verify=false"];
    skopeo.run(fixed.iter().chain(&["--src", "dir", "--dest", "docker", source, &there]));
}

/// Pushes what cosign and its kin do where there is no referrers API: an artifact about the image, and a tag named after the image
/// for the list of such. The repository, the image's digest and the artifact's.
fn sign(there: &Registry, number: u64) -> (String, String, String) {
    let (name, tag) = place(number);
    let subject = manifest(there, &name, &tag).expect(200);
    there.push_blob(&name, "{}");
    let mut signature = artifact("application/vnd.example.signature");
    let digest = subject.header("Docker-Content-Digest").to_owned();
    signature["subject"] =
        json!({"mediaType": subject.header("Content-Type"), "digest": digest, "size": subject.body.len()});
    let pushed = there.push_manifest(&name, &sha256(to_bytes(&signature)), &signature);
    there.push_manifest(&name, &digest.replace(':', "-"), &index(&[manifest_descriptor(&signature)]));
    (name, digest, pushed)
}

/// Has skopeo delete an image. Its repository and digest.
fn delete(skopeo: &Client, old: &Distribution, number: u64) -> (String, String) {
    let (name, tag) = place(number);
    let digest =
        manifest(&old.registry(), &name, &tag).expect(200).header("Docker-Content-Digest").to_owned();
    skopeo.run(["delete", "--tls-verify=false", &format!("docker://{}/{name}:{tag}", old.address)]);
    (name, digest)
}

/// Asks for a manifest of any kind.
fn manifest(registry: &Registry, name: &str, reference: &str) -> Response {
    let kinds = [OCI_IMAGE, OCI_INDEX, DOCKER_IMAGE, DOCKER_LIST].join(", ");
    registry.send(Request::get(format!("/v2/{name}/manifests/{reference}")).header("Accept", kinds))
}

/// One repository, as two registries serve it.
struct Comparison<'a> {
    there: &'a Registry,
    here: &'a Registry,
    name: &'a str,
}

impl Comparison<'_> {
    /// Compares its tags, and all that they lead to. How many manifests that were.
    fn run(&self) -> usize {
        let tags = |registry: &Registry| {
            let list = registry.get(&format!("/v2/{}/tags/list", self.name)).expect(200).json();
            let tags = list["tags"].as_array().unwrap().iter().map(|tag| tag.as_str().unwrap().to_owned());
            tags.collect::<BTreeSet<_>>()
        };
        let expected = tags(self.there);
        assert_eq!(tags(self.here), expected, "{}", self.name);
        expected.iter().map(|tag| self.compare(tag)).sum()
    }

    /// Compares a manifest, and what it leads to.
    fn compare(&self, reference: &str) -> usize {
        let expected = manifest(self.there, self.name, reference).expect(200);
        let served = manifest(self.here, self.name, reference).expect(200);
        expect_same(served, &expected);
        let whole = expected.json();
        let layers = whole["layers"].as_array().into_iter().flatten();
        for blob in layers.chain(whole.get("config")) {
            self.compare_blob(digest_of(blob));
        }
        let children = whole["manifests"].as_array().into_iter().flatten();
        1 + children.map(|child| self.compare(digest_of(child))).sum::<usize>()
    }

    fn compare_blob(&self, digest: &str) {
        let target = format!("/v2/{}/blobs/{digest}", self.name);
        expect_same(self.here.get(&target).expect(200), &self.there.get(&target).expect(200));
    }
}

/// An answer with the same headers and bytes.
#[track_caller]
fn expect_same(served: Response, expected: &Response) {
    for header in ["Content-Type", "Docker-Content-Digest", "Content-Length", "ETag"] {
        assert_eq!(served.header(header), expected.header(header), "{header} of {served}");
    }
    served.expect_body(&expected.body);
}

fn digest_of(descriptor: &Value) -> &str {
    descriptor["digest"].as_str().unwrap()
}
