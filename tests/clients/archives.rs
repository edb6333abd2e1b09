//! Archives of images as docker, podman and skopeo save them: holdfast takes them in, and whoever pulls an image gets the
//! configuration and the layers that were saved.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::client::Client;
use crate::docker;
use crate::layout::{self, Layout};
use crate::podman::{self, podman};
use crate::support::{Builder, DOCKER_IMAGE, Holdfast, OCI_IMAGE, OCI_INDEX, bytes_of, sha256};

/// Imports an archive, all of which has to come, and serves it.
#[track_caller]
fn import_and_serve(archive: &str, folder: &Path, options: &[&str]) -> Holdfast {
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    command.args(["import", archive, "--root"]).arg(folder.join("data")).args(options);
    let output = command.output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{stdout}{stderr}");
    Builder::default().start_in(folder)
}

/// The manifest of an image, and its configuration.
#[track_caller]
fn image(holdfast: &Holdfast, name: &str, tag: &str) -> (String, Value, Value) {
    let served = holdfast.get(&format!("/v2/{name}/manifests/{tag}")).expect(200);
    let (kind, manifest) = (served.header("Content-Type").to_owned(), served.json());
    if kind == OCI_INDEX {
        // Docker's image store in containerd saves the index with one platform.
        let is_there = |digest: &str| holdfast.get(&format!("/v2/{name}/manifests/{digest}")).status == 200;
        let children = manifest["manifests"].as_array().unwrap().iter();
        let is_image = |child: &&Value| child["platform"]["os"] != "unknown";
        let mut digests = children.filter(is_image).map(|child| child["digest"].as_str().unwrap());
        return image(holdfast, name, digests.find(|digest| is_there(digest)).unwrap());
    }
    let digest = manifest["config"]["digest"].as_str().unwrap();
    let config = holdfast.get(&format!("/v2/{name}/blobs/{digest}")).expect(200);
    assert_eq!(sha256(&config.body), digest);
    (kind, manifest, config.json())
}

/// The layers are those that the configuration names, uncompressed.
#[track_caller]
fn expect_plain_layers(manifest: &Value, config: &Value) {
    let layers = manifest["layers"].as_array().unwrap().iter().map(|layer| &layer["digest"]);
    let named = config["rootfs"]["diff_ids"].as_array().unwrap();
    assert_eq!(layers.collect::<Vec<_>>(), named.iter().collect::<Vec<_>>());
}

#[test]
fn what_skopeo_saves_comes_back_by_skopeo() {
    let Some(skopeo) = Client::find("skopeo") else { return };
    let skopeo = skopeo.always(["--insecure-policy"]);
    let layout = Layout::of_image(skopeo.path("in"), "v1", 1);
    let folder = tempfile::tempdir().unwrap();

    let saved = skopeo.path("docker.tar");
    skopeo.run(["copy", &layout.reference(), &format!("docker-archive:{saved}:localhost/team/app:v1")]);
    let holdfast = import_and_serve(&saved, &folder.path().join("docker"), &[]);
    let (kind, manifest, config) = image(&holdfast, "team/app", "v1");
    assert_eq!(kind, DOCKER_IMAGE);
    expect_plain_layers(&manifest, &config);
    let remote = format!("docker://{}/team/app:v1", holdfast.address);
    skopeo.run(["copy", "--src-tls-verify=false", &remote, &format!("dir:{}", skopeo.path("out"))]);
    let pulled: Value =
        serde_json::from_slice(&std::fs::read(skopeo.path("out/manifest.json")).unwrap()).unwrap();
    assert_eq!(pulled, manifest);

    let index = Layout::of_index(skopeo.path("both"), "both", 2);
    let saved = skopeo.path("oci.tar");
    skopeo.run(["copy", "--all", &index.reference(), &format!("oci-archive:{saved}:both")]);
    let to = ["--repository", "team/index"];
    let holdfast = import_and_serve(&saved, &folder.path().join("oci"), &to);
    let remote = format!("docker://{}/team/index:both", holdfast.address);
    let out = format!("oci:{}:both", skopeo.path("again"));
    skopeo.run(["copy", "--all", "--preserve-digests", "--src-tls-verify=false", &remote, &out]);
    assert_eq!(layout::digest_in(&skopeo.path("again")), index.digest);
}

#[test]
fn what_podman_saves_comes_back_by_podman() {
    let Some(podman) = podman() else { return };
    let images = ["localhost/team/one:v1", "localhost/team/two:v2"];
    for (seed, name) in (1..).zip(images) {
        podman::import(&podman, 200_000, seed, name);
    }
    let before = images.map(|name| podman::payload(&podman, name));
    let ids = images.map(|name| podman.run(["image", "inspect", "--format", "{{.Id}}", name]));
    let folder = tempfile::tempdir().unwrap();
    let (several, oci) = (podman.path("several.tar"), podman.path("oci.tar"));
    podman.run(["save", "--multi-image-archive", "-o", &several, images[0], images[1]]);
    podman.run(["save", "--format", "oci-archive", "-o", &oci, images[0]]);
    podman.run(["rmi", "--force", images[0], images[1]]);

    let holdfast = import_and_serve(&several, &folder.path().join("several"), &[]);
    for ((name, id), payload) in images.iter().zip(&ids).zip(&before) {
        let (path, tag) = name.strip_prefix("localhost/").unwrap().split_once(':').unwrap();
        let (kind, manifest, config) = image(&holdfast, path, tag);
        assert_eq!(
            (kind.as_str(), &manifest["config"]["digest"]),
            (DOCKER_IMAGE, &Value::from(format!("sha256:{id}")))
        );
        expect_plain_layers(&manifest, &config);
        let remote = format!("{}/{path}:{tag}", holdfast.address);
        podman.run(["pull", "--tls-verify=false", &remote]);
        assert!(podman::payload(&podman, &remote) == *payload, "the layer came back changed");
        podman.run(["rmi", "--force", &remote]);
    }

    let holdfast = import_and_serve(&oci, &folder.path().join("oci"), &[]);
    assert_eq!(image(&holdfast, "team/one", "v1").0, OCI_IMAGE);
    let remote = format!("{}/team/one:v1", holdfast.address);
    podman.run(["pull", "--tls-verify=false", &remote]);
    assert!(podman::payload(&podman, &remote) == before[0], "the layer came back changed");
}

#[test]
fn what_docker_saves_comes_back_by_docker() {
    docker::with_each(|docker| {
        let client = &docker.docker;
        docker.import(500_000, 7, "saved/app:v1");
        client.run(["tag", "saved/app:v1", "registry.example.com:5000/other:v2"]);
        let saved = client.path("saved.tar");
        client.run(["save", "-o", &saved, "saved/app:v1", "registry.example.com:5000/other:v2"]);
        let folder = tempfile::tempdir().unwrap();
        let holdfast = import_and_serve(&saved, folder.path(), &[]);
        for (name, tag) in [("saved/app", "v1"), ("other", "v2")] {
            let (_, manifest, config) = image(&holdfast, name, tag);
            assert_eq!(manifest["layers"].as_array().unwrap().len(), 1);
            assert_eq!(config["rootfs"]["diff_ids"].as_array().unwrap().len(), 1);
            let remote = format!("{}/{name}:{tag}", holdfast.address);
            client.run(["pull", &remote]);
            assert!(docker.holds(&remote, &bytes_of(500_000, 7)), "the layer came back changed");
        }
    });
}
