//! crane: copies and takes apart images, without a daemon.

use crate::client::Client;
use crate::layout::{self, Layout, layer};
use crate::support::{Holdfast, OCI_IMAGE, OCI_INDEX};
use crate::tap::Tap;

#[test]
fn crane_makes_an_image_and_pulls_what_it_made() {
    let Some(crane) = Client::find("crane") else {
        return;
    };
    let holdfast = Holdfast::start();
    let remote = format!("{}/crane/image:v1", holdfast.address);
    let tarball = crane.write("layer.tar", layer(300_000, 1));

    crane.run(["append", "--oci-empty-base", "--new_layer", &tarball, "--new_tag", &remote]);
    let served =
        holdfast.get("/v2/crane/image/manifests/v1").expect(200).expect_header("Content-Type", OCI_IMAGE);
    assert_eq!(crane.run(["manifest", &remote]).as_bytes(), served.body);
    assert_eq!(crane.run(["digest", &remote]), served.header("Docker-Content-Digest"));
    crane.run(["validate", "--remote", &remote]);

    crane.run(["pull", "--format", "oci", &remote, &crane.path("out")]);
    assert_eq!(layout::digest_in(&crane.path("out")), served.header("Docker-Content-Digest"));
}

#[test]
fn crane_pushes_and_pulls_an_index_with_all_its_platforms() {
    let Some(crane) = Client::find("crane") else {
        return;
    };
    let holdfast = Holdfast::start();
    let layout = Layout::of_index(crane.path("in"), "both", 2);
    let remote = format!("{}/crane/index:both", holdfast.address);

    crane.run(["push", layout.folder(), &remote]);
    let served = holdfast.get("/v2/crane/index/manifests/both").expect(200);
    served.expect_header("Content-Type", OCI_INDEX).expect_body(&layout.manifest);

    crane.run(["pull", "--format", "oci", &remote, &crane.path("out")]);
    assert_eq!(layout::digest_in(&crane.path("out")), layout.digest);
    crane.run(["validate", "--remote", &remote]);
}

#[test]
fn crane_adds_an_image_to_an_index() {
    let Some(crane) = Client::find("crane") else {
        return;
    };
    let holdfast = Holdfast::start();
    let repository = format!("{}/crane/append", holdfast.address);
    let images = [3, 4].map(|seed| {
        let layout = Layout::of_image(crane.path(&format!("in{seed}")), "v1", seed);
        let remote = format!("{repository}:{seed}");
        crane.run(["push", layout.folder(), &remote]);
        remote
    });

    crane.run(["index", "append", "-m", &images[0], "-m", &images[1], "-t", &format!("{repository}:all")]);
    let index = holdfast.get("/v2/crane/append/manifests/all").expect(200).json();
    assert_eq!(index["manifests"].as_array().unwrap().len(), 2, "{index}");
}

#[test]
fn crane_mounts_what_another_repository_holds() {
    let Some(crane) = Client::find("crane") else {
        return;
    };
    let holdfast = Holdfast::start();
    let tap = Tap::before(holdfast.address);
    let layout = Layout::of_image(crane.path("in"), "v1", 5);
    let [first, second] = ["first", "second"].map(|name| format!("{}/crane/{name}:v1", tap.address));

    crane.run(["push", layout.folder(), &first]);
    crane.run(["copy", &first, &second]);
    let mounts = tap.requests("POST /v2/crane/second/blobs/uploads/?from=crane%2Ffirst&mount=");
    assert_eq!(mounts.len(), 2, "configuration and layer");
    assert_eq!(tap.requests("PATCH /v2/crane/second/"), Vec::<String>::new());
    holdfast.get("/v2/crane/second/manifests/v1").expect(200).expect_body(&layout.manifest);
}

#[test]
fn crane_lists_tags_and_repositories_and_deletes() {
    let Some(crane) = Client::find("crane") else {
        return;
    };
    let holdfast = Holdfast::start();
    let layout = Layout::of_image(crane.path("in"), "v1", 6);
    let host = holdfast.address.to_string();
    for place in ["one:b", "one:a", "two:c"] {
        crane.run(["push", layout.folder(), &format!("{host}/crane/{place}")]);
    }
    assert_eq!(crane.run(["ls", &format!("{host}/crane/one")]), "a\nb");
    assert_eq!(crane.run(["catalog", &host]), "crane/one\ncrane/two");

    crane.run(["delete", &format!("{host}/crane/one:a")]);
    assert_eq!(crane.run(["ls", &format!("{host}/crane/one")]), "b");
    crane.run(["delete", &format!("{host}/crane/one@{}", layout.digest)]);
    crane.fail(["manifest", &format!("{host}/crane/one:b")]);
    assert_eq!(crane.run(["digest", &format!("{host}/crane/two:c")]), layout.digest);
}
