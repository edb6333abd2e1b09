//! podman: pushes and pulls as docker does, without a daemon, and fetches parts of layers.

use crate::client::Client;
use crate::layout::{Layout, layer};
use crate::storage::{with_own_storage, with_storage};
use crate::support::{Holdfast, bytes_of};
use crate::tap::Tap;
use crate::tar;

const NAMES: [&str; 9] = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];
const OPTIONS: [&str; 2] = ["--cgroup-manager=cgroupfs", "--events-backend=file"];

pub(crate) fn podman() -> Option<Client> {
    with_own_storage(Client::find("podman")?.always(OPTIONS))
}

/// One that fetches the parts of a layer which no image has yet. That takes a storage driver that mounts.
fn podman_that_pulls_parts() -> Option<Client> {
    const PARTS: &str =
        r#"pull_options = {enable_partial_images = "true", use_hard_links = "false", ostree_repos = ""}"#;
    with_storage(Client::find("podman")?.always(OPTIONS), "overlay", PARTS)
}

/// Makes an image of one layer with this name.
pub(crate) fn import(podman: &Client, length: usize, seed: u64, image: &str) {
    let tarball = podman.write("layer.tar", layer(length, seed));
    podman.run(["import", &tarball, image]);
}

/// The file of an image made by [`import`].
#[track_caller]
pub(crate) fn payload(podman: &Client, image: &str) -> Vec<u8> {
    file(podman, image, "payload")
}

/// A file in the image.
#[track_caller]
fn file(podman: &Client, image: &str, name: &str) -> Vec<u8> {
    let container = podman.run(["create", "--network=none", image, "nothing"]);
    let copy = podman.path("copy");
    podman.run(["cp", &format!("{container}:/{name}"), &copy]);
    std::fs::read(copy).unwrap()
}

#[test]
fn podman_gets_back_the_image_that_it_pushed() {
    let Some(podman) = podman() else { return };
    let holdfast = Holdfast::start();
    let remote = format!("{}/podman/image:v1", holdfast.address);
    import(&podman, 200_000, 1, &remote);
    let before = payload(&podman, &remote);

    podman.run(["push", "--tls-verify=false", "--digestfile", "digest", &remote]);
    let digest = std::fs::read_to_string(podman.path("digest")).unwrap();
    holdfast
        .head("/v2/podman/image/manifests/v1")
        .expect(200)
        .expect_header("Docker-Content-Digest", &digest);

    podman.run(["rmi", "--force", &remote]);
    podman.run(["pull", "--tls-verify=false", &format!("{}/podman/image@{digest}", holdfast.address)]);
    podman.run(["pull", "--tls-verify=false", &remote]);
    assert!(payload(&podman, &remote) == before, "the layer came back changed");
}

#[test]
fn podman_pushes_a_manifest_list_with_its_images() {
    let Some(podman) = podman() else { return };
    let holdfast = Holdfast::start();
    let remote = format!("{}/podman/list:all", holdfast.address);
    podman.run(["manifest", "create", "list"]);
    for (seed, architecture) in [(2, "amd64"), (3, "arm64")] {
        let image = format!("localhost/{architecture}:latest");
        import(&podman, 10_000, seed, &image);
        let stored = format!("containers-storage:{image}");
        podman.run(["manifest", "add", "--arch", architecture, "list", &stored]);
    }

    podman.run(["manifest", "push", "--all", "--tls-verify=false", "list", &format!("docker://{remote}")]);
    let index = holdfast.get("/v2/podman/list/manifests/all").expect(200).json();
    assert_eq!(index["manifests"].as_array().unwrap().len(), 2, "{index}");
    podman.run(["pull", "--tls-verify=false", "--arch", "arm64", &remote]);
}

#[test]
fn podman_pushes_and_pulls_zstd_layers() {
    let Some(podman) = podman() else { return };
    let holdfast = Holdfast::start();
    let remote = format!("{}/podman/zstd:v1", holdfast.address);
    import(&podman, 100_000, 4, &remote);
    let before = payload(&podman, &remote);

    podman.run(["push", "--tls-verify=false", "--format=oci", "--compression-format=zstd", &remote]);
    let manifest = holdfast.get("/v2/podman/zstd/manifests/v1").expect(200).json();
    assert_eq!(manifest["layers"][0]["mediaType"], "application/vnd.oci.image.layer.v1.tar+zstd");
    podman.run(["rmi", "--force", &remote]);
    podman.run(["pull", "--tls-verify=false", &remote]);
    assert!(payload(&podman, &remote) == before, "the layer came back changed");
}

#[test]
fn podman_pulls_only_the_parts_of_a_layer_that_it_lacks() {
    let Some(podman) = podman_that_pulls_parts() else {
        return;
    };
    let holdfast = Holdfast::start();
    let tap = Tap::before(holdfast.address);
    let [old, new] = ["old", "new"].map(|tag| format!("{}/podman/parts:{tag}", tap.address));
    // Nine files, every other one of which is new in the second image: what lacks is not in one piece.
    for (image, change) in [(&old, 0), (&new, 100)] {
        let contents: Vec<Vec<u8>> =
            (0..9).map(|number| bytes_of(50_000, number + number % 2 * change)).collect();
        let files: Vec<(&str, &[u8])> = NAMES.into_iter().zip(contents.iter().map(Vec::as_slice)).collect();
        let tarball = podman.write("layer.tar", tar::archive(&files));
        podman.run(["import", &tarball, image]);
        podman.run([
            "push",
            "--tls-verify=false",
            "--format=oci",
            "--compression-format=zstd:chunked",
            image,
        ]);
        podman.run(["rmi", "--force", image]);
    }

    podman.run(["pull", "--tls-verify=false", &old]);
    podman.run(["pull", "--tls-verify=false", &new]);
    assert!(file(&podman, &new, "b") == bytes_of(50_000, 101), "a new file came changed");
    assert!(file(&podman, &new, "c") == bytes_of(50_000, 2), "an old file came changed");
    let ranges = tap.header_values("Range");
    assert!(ranges.iter().any(|range| range.matches(',').count() == 3), "four parts in {ranges:?}");
}

#[test]
fn podman_searches_the_catalog_and_the_tags() {
    let Some(podman) = podman() else { return };
    let holdfast = Holdfast::start();
    for (repository, tag) in [("podman/one", "a"), ("podman/one", "b"), ("podman/two", "c")] {
        Layout::of_image(podman.path(tag), "v1", 6).push(&holdfast, repository, tag);
    }
    let host = holdfast.address;

    let found = podman.run(["search", "--tls-verify=false", "--format={{.Name}}", &format!("{host}/")]);
    assert_eq!(found, format!("{host}/podman/one\n{host}/podman/two"));
    let one = format!("{host}/podman/one");
    let table = podman.run(["search", "--tls-verify=false", "--list-tags", &one]);
    let tags: Vec<&str> = table.lines().skip(1).filter_map(|line| line.split_whitespace().last()).collect();
    assert_eq!(tags, ["a", "b"], "{table}");
}
