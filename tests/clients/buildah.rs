//! buildah: builds images without a daemon.

use crate::client::Client;
use crate::layout::layer;
use crate::storage::with_own_storage;
use crate::support::{Holdfast, OCI_INDEX};

pub(crate) fn buildah() -> Option<Client> {
    with_own_storage(Client::find("buildah")?)
}

/// Builds an image from nothing but one file and gives it this name.
pub(crate) fn build(buildah: &Client, seed: u64, image: &str) {
    let container = buildah.run(["from", "scratch"]);
    let file = buildah.write("file", layer(50_000, seed));
    buildah.run(["copy", &container, &file, "/file"]);
    buildah.run(["commit", "--rm", &container, image]);
}

#[test]
fn buildah_gets_back_the_image_that_it_built() {
    let Some(buildah) = buildah() else { return };
    let holdfast = Holdfast::start();
    let remote = format!("{}/buildah/image:v1", holdfast.address);
    build(&buildah, 1, &remote);

    buildah.run(["push", "--tls-verify=false", "--digestfile", "digest", &remote]);
    let digest = std::fs::read_to_string(buildah.path("digest")).unwrap();
    let served = holdfast.get("/v2/buildah/image/manifests/v1").expect(200);
    served.expect_header("Docker-Content-Digest", &digest);

    buildah.run(["rmi", &remote]);
    buildah.run(["pull", "--tls-verify=false", &remote]);
    let container = buildah.run(["from", "--pull-never", &remote]);
    let folder = buildah.run(["mount", &container]);
    let pulled = std::fs::read(format!("{folder}/file")).unwrap();
    buildah.run(["umount", &container]);
    assert!(pulled == layer(50_000, 1), "the file came back changed");
}

#[test]
fn buildah_pushes_a_manifest_list_with_its_images() {
    let Some(buildah) = buildah() else { return };
    let holdfast = Holdfast::start();
    let remote = format!("{}/buildah/list:all", holdfast.address);
    buildah.run(["manifest", "create", "list"]);
    for (seed, architecture) in [(2, "amd64"), (3, "arm64")] {
        let image = format!("localhost/{architecture}:latest");
        build(&buildah, seed, &image);
        let stored = format!("containers-storage:{image}");
        buildah.run(["manifest", "add", "--arch", architecture, "list", &stored]);
    }

    buildah.run(["manifest", "push", "--all", "--tls-verify=false", "list", &format!("docker://{remote}")]);
    let index =
        holdfast.get("/v2/buildah/list/manifests/all").expect(200).expect_header("Content-Type", OCI_INDEX);
    for child in index.json()["manifests"].as_array().unwrap() {
        let digest = child["digest"].as_str().unwrap();
        holdfast.get(&format!("/v2/buildah/list/manifests/{digest}")).expect(200);
    }
    buildah.run(["pull", "--tls-verify=false", &remote]);
}
