//! regctl: copies images with all that belongs to them, pushes in chunks, edits repositories.

use crate::client::Client;
use crate::layout::{self, Layout};
use crate::support::{Holdfast, OCI_INDEX, sha256};
use crate::tap::Tap;

/// regctl, told that the registry at `address` speaks plain HTTP and gets blobs above 50,000 bytes in chunks of 40,000.
fn regctl(address: std::net::SocketAddr) -> Option<Client> {
    let regctl = Client::find("regctl")?;
    let chunks = ["--blob-max", "50000", "--blob-chunk", "40000"];
    let host = address.to_string();
    regctl.run(["registry", "set", &host, "--tls", "disabled", "--skip-check"].into_iter().chain(chunks));
    Some(regctl)
}

#[test]
fn regctl_copies_an_index_in_by_chunks_and_out() {
    let holdfast = Holdfast::start();
    let tap = Tap::before(holdfast.address);
    let Some(regctl) = regctl(tap.address) else {
        return;
    };
    let layout = Layout::of_index(regctl.path("in"), "both", 1);
    let remote = format!("{}/regctl/index:both", tap.address);

    regctl.run(["image", "copy", &format!("ocidir://{}", layout.folder_and_tag()), &remote]);
    let served = holdfast.get("/v2/regctl/index/manifests/both").expect(200);
    served.expect_header("Content-Type", OCI_INDEX).expect_body(&layout.manifest);
    assert!(tap.requests("PATCH /v2/regctl/index/").len() >= 6, "two layers of three chunks each");

    let out = regctl.path("out");
    regctl.run(["image", "copy", &remote, &format!("ocidir://{out}:both")]);
    assert_eq!(layout::digest_in(&out), layout.digest);
}

#[test]
fn regctl_copies_referrers_and_digest_tags_along() {
    let holdfast = Holdfast::start();
    let Some(regctl) = regctl(holdfast.address) else {
        return;
    };
    let [source, target] = ["source", "target"].map(|name| format!("{}/regctl/{name}", holdfast.address));
    let [image, signature] =
        [("image", 2), ("signature", 3)].map(|(name, seed)| Layout::of_image(regctl.path(name), "v1", seed));
    let digest_tag = format!("{}.sig", image.digest.replace(':', "-"));
    for (layout, tag) in [(&image, "v1"), (&signature, digest_tag.as_str())] {
        regctl.run([
            "image",
            "copy",
            &format!("ocidir://{}", layout.folder_and_tag()),
            &format!("{source}:{tag}"),
        ]);
    }
    let file = regctl.write("sbom", "{}");
    let kind = "application/vnd.example.sbom";
    regctl.run([
        "artifact",
        "put",
        "--artifact-type",
        kind,
        "--subject",
        &format!("{source}:v1"),
        "--file",
        &file,
    ]);
    assert!(regctl.run(["artifact", "list", &format!("{source}:v1")]).contains(kind));

    regctl.run([
        "image",
        "copy",
        "--digest-tags",
        "--referrers",
        &format!("{source}:v1"),
        &format!("{target}:v1"),
    ]);
    let list = holdfast.get(&format!("/v2/regctl/target/referrers/{}", image.digest)).expect(200).json();
    assert_eq!(list["manifests"][0]["artifactType"], kind);
    assert_eq!(holdfast.tags("regctl/target"), [digest_tag.as_str(), "v1"]);
}

#[test]
fn regctl_makes_an_index_of_images_and_mounts_their_blobs() {
    let holdfast = Holdfast::start();
    let tap = Tap::before(holdfast.address);
    let Some(regctl) = regctl(tap.address) else {
        return;
    };
    let layout = Layout::of_image(regctl.path("in"), "v1", 4);
    let [parts, whole] = ["parts", "whole"].map(|name| format!("{}/regctl/{name}:v1", tap.address));

    regctl.run(["image", "copy", &format!("ocidir://{}", layout.folder_and_tag()), &parts]);
    regctl.run(["index", "create", &whole, "--ref", &parts, "--annotation", "made=by a test"]);
    let index = holdfast.get("/v2/regctl/whole/manifests/v1").expect(200).json();
    assert_eq!(index["manifests"][0]["digest"], layout.digest.as_str());
    assert_eq!(tap.requests("POST /v2/regctl/whole/blobs/uploads/?from=regctl%2Fparts&mount=").len(), 2);
    assert_eq!(tap.requests("PATCH /v2/regctl/whole/"), Vec::<String>::new());
}

#[test]
fn regctl_lists_tags_and_repositories_and_deletes() {
    let holdfast = Holdfast::start();
    let Some(regctl) = regctl(holdfast.address) else {
        return;
    };
    let host = holdfast.address.to_string();
    let repository = format!("{host}/regctl/lists");
    let layout = Layout::of_image(regctl.path("in"), "v1", 5);
    for tag in ["b", "a"] {
        regctl.run([
            "image",
            "copy",
            &format!("ocidir://{}", layout.folder_and_tag()),
            &format!("{repository}:{tag}"),
        ]);
    }
    assert_eq!(regctl.run(["tag", "ls", &repository]), "a\nb");
    assert_eq!(regctl.run(["repo", "ls", &host]), "regctl/lists");

    regctl.run(["tag", "delete", &format!("{repository}:a")]);
    assert_eq!(regctl.run(["tag", "ls", &repository]), "b");
    regctl.run(["manifest", "delete", &format!("{repository}@{}", layout.digest)]);
    assert_eq!(regctl.run(["tag", "ls", &repository]), "");
}

#[test]
fn regctl_pushes_a_blob_by_chunks_and_gets_it_back() {
    let holdfast = Holdfast::start();
    let tap = Tap::before(holdfast.address);
    let Some(regctl) = regctl(tap.address) else {
        return;
    };
    let repository = format!("{}/regctl/blob", tap.address);
    let bytes = vec![b'x'; 200_001];
    let digest = sha256(&bytes);

    assert_eq!(regctl.feed(&bytes, ["blob", "put", &repository]), digest);
    assert_eq!(tap.requests("PATCH /v2/regctl/blob/").len(), 6, "five whole chunks and a byte");
    assert_eq!(regctl.run(["blob", "get", &repository, &digest]).as_bytes(), bytes);
    regctl.run(["blob", "delete", &repository, &digest]);
    regctl.fail(["blob", "head", &repository, &digest]);
}
