//! skopeo: copies images between registries and folders.

use serde_json::Value;

use crate::client::Client;
use crate::layout::{self, Layout};
use crate::support::{DOCKER_IMAGE, Holdfast, OCI_INDEX};
use crate::tap::Tap;

fn skopeo() -> Option<Client> {
    Some(Client::find("skopeo")?.always(["--insecure-policy"]))
}

/// Copies everything that `source` names, of every platform, bit by bit.
#[track_caller]
fn copy(skopeo: &Client, source: &str, destination: &str) {
    convert(skopeo, &["--preserve-digests"], source, destination);
}

/// Copies everything that `source` names, changed as the options say.
#[track_caller]
fn convert(skopeo: &Client, options: &[&str], source: &str, destination: &str) {
    let fixed = ["copy", "--all", "--src-tls-verify=false", "--dest-tls-verify=false"];
    skopeo.run(fixed.iter().chain(options).copied().chain([source, destination]));
}

#[test]
fn skopeo_gets_back_the_image_that_it_copied_in() {
    let Some(skopeo) = skopeo() else { return };
    let holdfast = Holdfast::start();
    let layout = Layout::of_image(skopeo.path("in"), "v1", 1);
    let remote = format!("docker://{}/skopeo/image:v1", holdfast.address);

    copy(&skopeo, &layout.reference(), &remote);
    holdfast.get("/v2/skopeo/image/manifests/v1").expect(200).expect_body(&layout.manifest);

    copy(&skopeo, &remote, &format!("oci:{}:v1", skopeo.path("out")));
    assert_eq!(layout::digest_in(&skopeo.path("out")), layout.digest);

    let inspected: Value =
        serde_json::from_str(&skopeo.run(["inspect", "--tls-verify=false", &remote])).unwrap();
    assert_eq!(inspected["Digest"], layout.digest.as_str());
}

#[test]
fn skopeo_gets_back_an_index_with_all_its_platforms() {
    let Some(skopeo) = skopeo() else { return };
    let holdfast = Holdfast::start();
    let layout = Layout::of_index(skopeo.path("in"), "both", 2);
    let remote = format!("docker://{}/skopeo/index:both", holdfast.address);

    copy(&skopeo, &layout.reference(), &remote);
    let served = holdfast.get("/v2/skopeo/index/manifests/both").expect(200);
    served.expect_header("Content-Type", OCI_INDEX).expect_body(&layout.manifest);

    copy(&skopeo, &remote, &format!("oci:{}:both", skopeo.path("out")));
    assert_eq!(layout::digest_in(&skopeo.path("out")), layout.digest);
}

#[test]
fn skopeo_pushes_and_pulls_zstd_layers() {
    let Some(skopeo) = skopeo() else { return };
    let holdfast = Holdfast::start();
    let layout = Layout::of_image(skopeo.path("in"), "zstd", 3);
    let remote = format!("docker://{}/skopeo/zstd:latest", holdfast.address);

    let compress = ["--dest-compress", "--dest-compress-format", "zstd"];
    convert(&skopeo, &compress, &layout.reference(), &remote);
    let manifest = holdfast.get("/v2/skopeo/zstd/manifests/latest").expect(200).json();
    assert_eq!(manifest["layers"][0]["mediaType"], "application/vnd.oci.image.layer.v1.tar+zstd");

    copy(&skopeo, &remote, &format!("oci:{}:zstd", skopeo.path("out")));
    let pulled = layout::digest_in(&skopeo.path("out"));
    holdfast
        .head("/v2/skopeo/zstd/manifests/latest")
        .expect(200)
        .expect_header("Docker-Content-Digest", &pulled);
}

#[test]
fn skopeo_pushes_docker_schema_2() {
    let Some(skopeo) = skopeo() else { return };
    let holdfast = Holdfast::start();
    let layout = Layout::of_image(skopeo.path("in"), "v1", 4);
    let remote = format!("docker://{}/skopeo/docker:v1", holdfast.address);

    convert(&skopeo, &["--format", "v2s2"], &layout.reference(), &remote);
    let served = holdfast
        .get("/v2/skopeo/docker/manifests/v1")
        .expect(200)
        .expect_header("Content-Type", DOCKER_IMAGE);
    copy(&skopeo, &remote, &format!("dir:{}", skopeo.path("out")));
    served.expect_body(std::fs::read(skopeo.path("out/manifest.json")).unwrap());
}

#[test]
fn skopeo_mounts_what_another_repository_holds() {
    let Some(skopeo) = skopeo() else { return };
    let holdfast = Holdfast::start();
    let tap = Tap::before(holdfast.address);
    let layout = Layout::of_image(skopeo.path("in"), "v1", 5);
    let [first, second] =
        ["first", "second"].map(|name| format!("docker://{}/skopeo/{name}:v1", tap.address));

    copy(&skopeo, &layout.reference(), &first);
    copy(&skopeo, &first, &second);
    let mounts = tap.requests("POST /v2/skopeo/second/blobs/uploads/?from=skopeo%2Ffirst&mount=");
    assert_eq!(mounts.len(), 1, "the layer");
    assert_eq!(tap.requests("PATCH /v2/skopeo/second/").len(), 1, "the configuration alone");
    holdfast.get("/v2/skopeo/second/manifests/v1").expect(200).expect_body(&layout.manifest);
}

#[test]
fn skopeo_lists_tags_and_deletes() {
    let Some(skopeo) = skopeo() else { return };
    let holdfast = Holdfast::start();
    let repository = format!("docker://{}/skopeo/tags", holdfast.address);
    for (seed, tag) in ["b", "a"].into_iter().enumerate() {
        let layout = Layout::of_image(skopeo.path(tag), tag, seed as u64);
        copy(&skopeo, &layout.reference(), &format!("{repository}:{tag}"));
    }
    let list = |skopeo: &Client| -> Value {
        let text = skopeo.run(["list-tags", "--tls-verify=false", &repository]);
        serde_json::from_str::<Value>(&text).unwrap()["Tags"].clone()
    };
    assert_eq!(list(&skopeo), serde_json::json!(["a", "b"]));

    skopeo.run(["delete", "--tls-verify=false", &format!("{repository}:a")]);
    assert_eq!(list(&skopeo), serde_json::json!(["b"]));
    skopeo.fail(["inspect", "--tls-verify=false", &format!("{repository}:a")]);
}

#[test]
fn skopeo_reads_what_holdfast_exports_as_layouts() {
    let Some(skopeo) = skopeo() else { return };
    let holdfast = Holdfast::start();
    let layout = Layout::of_index(skopeo.path("in"), "both", 2);
    copy(&skopeo, &layout.reference(), &format!("docker://{}/team/index:both", holdfast.address));
    holdfast.push_image("team/index", "other", 1);

    let folder = skopeo.path("export");
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_holdfast"));
    let output = command.args(["export", &folder, "--root"]).arg(holdfast.root()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let exported = format!("oci:{folder}/team/index:both");
    let raw = skopeo.run(["inspect", "--raw", &exported]);
    assert_eq!(raw.trim_end().as_bytes(), layout.manifest);
    copy(&skopeo, &exported, &format!("oci:{}:both", skopeo.path("out")));
    assert_eq!(layout::digest_in(&skopeo.path("out")), layout.digest);
}
