//! What a manifest refers to must be in its repository: blobs, child manifests; with the exceptions that the field needs.

use serde_json::json;

use super::manifest_validation::{LAYER, REPOSITORY, path, with_image_blobs};
use crate::support::{
    Holdfast, OCI_IMAGE, OCI_INDEX, artifact, descriptor, docker_image, image, index, manifest_descriptor,
    sha256, to_bytes,
};

#[test]
fn each_missing_blob_is_named_by_an_error_of_its_own() {
    let registry = Holdfast::start();
    let held = registry.push_blob(REPOSITORY, "held");
    let layer = |text: &str| descriptor(LAYER, text);
    let manifest = image(
        &descriptor("application/vnd.oci.image.config.v1+json", "no config"),
        &[layer("held"), layer("no layer 1"), layer("no layer 2"), layer("no layer 1")],
    );
    let response =
        registry.put_manifest(REPOSITORY, "latest", &manifest).expect_error(400, "MANIFEST_BLOB_UNKNOWN");
    assert_eq!(response.error_codes().len(), 3, "{response}");
    let text = response.error_text();
    for missing in ["no config", "no layer 1", "no layer 2"] {
        assert!(text.contains(&sha256(missing)), "{missing} is not named: {response}");
    }
    assert!(!text.contains(&held), "{response}");
    registry.get(&path("latest")).expect(404);
}

#[test]
fn a_blob_that_another_repository_holds_is_missing_in_this_one() {
    let registry = Holdfast::start();
    let manifest = registry.push_image_blobs("team/elsewhere", 1);
    registry.put_manifest(REPOSITORY, "latest", &manifest).expect_error(400, "MANIFEST_BLOB_UNKNOWN");
    registry.get(&format!("/v2/{REPOSITORY}/tags/list")).expect_error(404, "NAME_UNKNOWN");
}

#[test]
fn an_index_must_find_its_children_in_the_repository() {
    let registry = Holdfast::start();
    let here = registry.push_image(REPOSITORY, "", 1);
    let elsewhere = registry.push_image("team/elsewhere", "", 2);
    let manifest = index(&[here.descriptor(), elsewhere.descriptor()]);
    let response =
        registry.put_manifest(REPOSITORY, "latest", &manifest).expect_error(400, "MANIFEST_BLOB_UNKNOWN");
    assert_eq!(response.error_codes().len(), 1, "{response}");
    assert!(response.error_text().contains(&elsewhere.digest), "{response}");
    registry.push_manifest(REPOSITORY, "latest", &index(&[here.descriptor()]));
}

#[test]
fn a_child_manifest_must_be_a_manifest_and_not_a_blob() {
    let registry = Holdfast::start();
    let child = to_bytes(&registry.push_image_blobs(REPOSITORY, 1));
    registry.push_blob(REPOSITORY, &child);
    let manifest = index(&[descriptor(OCI_IMAGE, &child)]);
    registry.put_manifest(REPOSITORY, "latest", &manifest).expect_error(400, "MANIFEST_BLOB_UNKNOWN");
}

#[test]
fn buildkits_cache_index_has_blobs_for_children() {
    let registry = Holdfast::start();
    let config = "application/vnd.buildkit.cacheconfig.v0";
    let manifest = index(&[descriptor(LAYER, "cached layer"), descriptor(config, "cache config")]);
    registry.push_blob(REPOSITORY, "cached layer");
    let response =
        registry.put_manifest(REPOSITORY, "cache", &manifest).expect_error(400, "MANIFEST_BLOB_UNKNOWN");
    assert!(response.error_text().contains(&sha256("cache config")), "{response}");
    registry.push_blob(REPOSITORY, "cache config");
    registry.push_manifest(REPOSITORY, "cache", &manifest);
    registry.get(&path("cache")).expect(200).expect_body(to_bytes(&manifest));
}

#[test]
fn an_attestation_entry_with_an_unknown_platform_is_taken() {
    let registry = Holdfast::start();
    let platform = registry.push_image(REPOSITORY, "", 1);
    let attestation = registry.push_image(REPOSITORY, "", 2);
    let mut entry = attestation.descriptor();
    entry["platform"] = json!({"architecture": "unknown", "os": "unknown"});
    entry["annotations"] = json!({"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": platform.digest});
    registry.push_manifest(REPOSITORY, "latest", &index(&[platform.descriptor(), entry]));
}

#[test]
fn a_subject_need_not_exist() {
    let (registry, mut manifest) = with_image_blobs();
    manifest["subject"] = json!({"mediaType": OCI_IMAGE, "digest": sha256("nobody"), "size": 6});
    let response = registry.put_manifest(REPOSITORY, "latest", &manifest).expect(201);
    response.expect_header("OCI-Subject", &sha256("nobody"));
}

#[test]
fn layers_that_may_not_be_distributed_need_not_be_there() {
    let registry = Holdfast::start();
    let config = descriptor("application/vnd.oci.image.config.v1+json", "{}");
    registry.push_blob(REPOSITORY, "{}");
    let kinds = [
        "application/vnd.oci.image.layer.nondistributable.v1.tar",
        "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
        "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
    ];
    let layers = kinds.map(|kind| {
        let mut layer = descriptor(kind, kind);
        layer["urls"] = json!(["https://layers.example.com/base.tar"]);
        layer
    });
    registry.push_manifest(REPOSITORY, "oci", &image(&config, &layers));
    registry.push_manifest(REPOSITORY, "docker", &docker_image(&config, &layers[3..]));
}

#[test]
fn an_ordinary_layer_with_urls_must_be_there() {
    let (registry, mut manifest) = with_image_blobs();
    let mut layer = descriptor(LAYER, "somewhere else");
    layer["urls"] = json!(["https://layers.example.com/layer.tar"]);
    manifest["layers"] = json!([layer]);
    registry.put_manifest(REPOSITORY, "latest", &manifest).expect_error(400, "MANIFEST_BLOB_UNKNOWN");
}

#[test]
fn empty_lists_of_layers_and_manifests_are_taken() {
    let registry = Holdfast::start();
    registry.push_blob(REPOSITORY, "{}");
    registry.push_manifest(REPOSITORY, "no-layers", &artifact("application/vnd.example.empty"));
    let digest = registry.push_manifest(REPOSITORY, "no-manifests", &index(&[]));
    let nested = index(&[descriptor(OCI_INDEX, to_bytes(&index(&[])))]);
    assert_eq!(nested["manifests"][0]["digest"], json!(digest));
    registry.push_manifest(REPOSITORY, "nested", &nested);
}

#[test]
fn indexes_may_be_nested_deeply() {
    let registry = Holdfast::start();
    let image = registry.push_image(REPOSITORY, "", 1);
    let mut child = image.descriptor();
    for depth in 0..10 {
        let manifest = index(&[child]);
        registry.push_manifest(REPOSITORY, &format!("depth-{depth}"), &manifest);
        child = manifest_descriptor(&manifest);
    }
}

#[test]
fn data_in_a_descriptor_is_kept_and_does_not_replace_the_blob() {
    let registry = Holdfast::start();
    let mut config = descriptor("application/vnd.oci.empty.v1+json", "{}");
    config["data"] = json!("e30=");
    let mut layer = descriptor("application/vnd.example.empty", "");
    layer["data"] = json!("");
    let manifest = image(&config, &[layer]);
    registry.put_manifest(REPOSITORY, "latest", &manifest).expect_error(400, "MANIFEST_BLOB_UNKNOWN");
    registry.push_blob(REPOSITORY, "{}");
    registry.push_blob(REPOSITORY, "");
    registry.push_manifest(REPOSITORY, "latest", &manifest);
    registry.get(&path("latest")).expect(200).expect_body(to_bytes(&manifest));
}

#[test]
fn indexes_may_be_sparse_by_setting() {
    let registry = Holdfast::configured("validation: {manifests: {indexes: {platforms: none}}}\n");
    let manifest = index(&[descriptor(OCI_IMAGE, "a manifest that is not here")]);
    registry.push_manifest(REPOSITORY, "sparse", &manifest);
    registry.get(&path("sparse")).expect(200).expect_body(to_bytes(&manifest));
}

#[test]
fn indexes_may_be_sparse_but_for_listed_platforms() {
    let registry = Holdfast::configured(
        "validation: {manifests: {indexes: {platforms: list, platformlist: [{architecture: amd64, os: linux}]}}}\n",
    );
    let entry = |architecture: &str| {
        let mut entry = descriptor(OCI_IMAGE, architecture);
        entry["platform"] = json!({"architecture": architecture, "os": "linux"});
        entry
    };
    registry.push_manifest(REPOSITORY, "arm", &index(&[entry("arm64")]));
    let both = index(&[entry("arm64"), entry("amd64")]);
    let response =
        registry.put_manifest(REPOSITORY, "both", &both).expect_error(400, "MANIFEST_BLOB_UNKNOWN");
    assert_eq!(response.error_codes().len(), 1, "{response}");
}
