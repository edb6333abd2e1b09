//! Reading and pushing manifests by tag and by digest, byte for byte. What makes a manifest acceptable is in
//! `manifest_validation`.

use serde_json::json;

use crate::support::{
    DOCKER_IMAGE, DOCKER_LIST, Holdfast, OCI_IMAGE, OCI_INDEX, Request, artifact, descriptor, docker_image,
    docker_list, index, sha256, sha512, to_bytes,
};

pub(super) const REPOSITORY: &str = "team/manifests";

pub(super) fn path(reference: &str) -> String {
    format!("/v2/{REPOSITORY}/manifests/{reference}")
}

#[test]
fn a_manifest_is_answered_by_tag_and_by_digest_byte_for_byte_with_its_type() {
    let registry = Holdfast::start();
    let image = registry.push_image(REPOSITORY, "latest", 1);
    for reference in ["latest", image.digest.as_str()] {
        let get = registry.get(&path(reference)).expect(200).expect_body(&image.bytes);
        let head = registry.head(&path(reference)).expect(200);
        for response in [get, head] {
            response
                .expect_header("Content-Type", OCI_IMAGE)
                .expect_header("Content-Length", &image.bytes.len().to_string())
                .expect_header("Docker-Content-Digest", &image.digest)
                .expect_header("ETag", &format!("\"{}\"", image.digest));
        }
    }
}

#[test]
fn each_kind_of_manifest_can_be_pushed_and_comes_back_under_its_own_type() {
    let registry = Holdfast::start();
    let oci = registry.push_image(REPOSITORY, "oci", 1);
    let config = descriptor("application/vnd.docker.container.image.v1+json", "docker config");
    let layer = descriptor("application/vnd.docker.image.rootfs.diff.tar.gzip", "docker layer");
    registry.push_blob(REPOSITORY, "docker config");
    registry.push_blob(REPOSITORY, "docker layer");
    registry.push_blob(REPOSITORY, "{}");
    let docker = docker_image(&config, &[layer]);
    registry.push_manifest(REPOSITORY, "docker", &docker);
    let docker_child = descriptor(DOCKER_IMAGE, to_bytes(&docker));
    let kinds = [
        ("docker", docker, DOCKER_IMAGE),
        ("index", index(&[oci.descriptor(), docker_child.clone()]), OCI_INDEX),
        ("list", docker_list(&[docker_child]), DOCKER_LIST),
        ("artifact", artifact("application/vnd.example.thing"), OCI_IMAGE),
    ];
    for (tag, manifest, media_type) in kinds {
        let digest = registry.push_manifest(REPOSITORY, tag, &manifest);
        for reference in [tag, digest.as_str()] {
            let response = registry.get(&path(reference)).expect(200).expect_body(to_bytes(&manifest));
            response
                .expect_header("Content-Type", media_type)
                .expect_header("Docker-Content-Digest", &digest);
        }
    }
}

#[test]
fn a_percent_encoded_reference_is_the_same_reference() {
    let registry = Holdfast::start();
    let image = registry.push_image(REPOSITORY, "v1.0", 4);
    registry.get(&path(&image.digest.replace(':', "%3A"))).expect(200).expect_body(&image.bytes);
    registry.get(&path("v1%2E0")).expect(200).expect_body(&image.bytes);
}

#[test]
fn an_unknown_manifest_is_404_manifest_unknown() {
    let registry = Holdfast::start();
    registry.push_image(REPOSITORY, "latest", 5);
    let hex = sha256("x").replace(':', "-");
    for reference in ["missing".to_owned(), sha256("x"), sha512("x"), hex.clone(), format!("{hex}.sig")] {
        registry.get(&path(&reference)).expect_error(404, "MANIFEST_UNKNOWN");
        registry.head(&path(&reference)).expect(404);
    }
}

#[test]
fn a_manifest_of_an_unknown_repository_is_404() {
    let registry = Holdfast::start();
    let codes = registry.get("/v2/no/such/repository/manifests/latest").expect(404).error_codes();
    assert!(matches!(codes[0].as_str(), "MANIFEST_UNKNOWN" | "NAME_UNKNOWN"), "{codes:?}");
    registry.head("/v2/no/such/repository/manifests/latest").expect(404);
}

#[test]
fn the_stored_type_is_served_whatever_the_client_accepts() {
    let registry = Holdfast::start();
    let image = registry.push_image(REPOSITORY, "latest", 6);
    let of_index = Request::get(path("latest")).header("Accept", OCI_INDEX).header("Accept", DOCKER_LIST);
    let of_anything = Request::get(path("latest")).header("Accept", "*/*");
    let of_list = Request::get(path("latest")).header("Accept", format!("{DOCKER_IMAGE}, {OCI_INDEX};q=0.5"));
    let of_schema_1 =
        Request::get(path("latest")).header("Accept", "application/vnd.docker.distribution.manifest.v1+json");
    for request in [of_index, of_anything, of_list, of_schema_1] {
        registry.send(request).expect(200).expect_header("Content-Type", OCI_IMAGE).expect_body(&image.bytes);
    }
}

#[test]
fn a_list_is_never_turned_into_one_of_its_images() {
    let registry = Holdfast::start();
    registry.push_blob(REPOSITORY, "config");
    let child = docker_image(&descriptor("application/vnd.docker.container.image.v1+json", "config"), &[]);
    registry.push_manifest(REPOSITORY, "child", &child);
    let mut entry = descriptor(DOCKER_IMAGE, to_bytes(&child));
    entry["platform"] = json!({"os": "linux", "architecture": "amd64"});
    let list = docker_list(&[entry]);
    registry.push_manifest(REPOSITORY, "list", &list);
    let request = Request::get(path("list")).header("Accept", DOCKER_IMAGE);
    registry
        .send(request)
        .expect(200)
        .expect_header("Content-Type", DOCKER_LIST)
        .expect_body(to_bytes(&list));
}

#[test]
fn if_none_match_with_the_digest_is_304_quoted_or_bare() {
    let registry = Holdfast::start();
    let image = registry.push_image(REPOSITORY, "latest", 7);
    for value in [format!("\"{}\"", image.digest), image.digest.clone(), format!("W/\"{}\"", image.digest)] {
        for reference in ["latest", image.digest.as_str()] {
            registry.send(Request::get(path(reference)).header("If-None-Match", &value)).expect(304);
            registry.send(Request::head(path(reference)).header("If-None-Match", &value)).expect(304);
        }
    }
    let other = registry.push_image(REPOSITORY, "latest", 8);
    let request = Request::get(path("latest")).header("If-None-Match", format!("\"{}\"", image.digest));
    registry.send(request).expect(200).expect_body(&other.bytes);
}

#[test]
fn if_none_match_does_not_hide_that_a_manifest_is_missing() {
    let registry = Holdfast::start();
    let image = registry.push_image(REPOSITORY, "latest", 9);
    registry.delete(&path(&image.digest)).expect(202);
    let request = Request::get(path(&image.digest)).header("If-None-Match", format!("\"{}\"", image.digest));
    registry.send(request).expect(404);
}

#[test]
fn a_digest_may_be_cached_for_long_and_a_tag_may_not() {
    let registry = Holdfast::start();
    let image = registry.push_image(REPOSITORY, "latest", 10);
    let by_digest = registry.get(&path(&image.digest)).expect(200);
    assert!(by_digest.header("Cache-Control").contains("max-age=31536000"), "{by_digest}");
    let by_tag = registry.get(&path("latest")).expect(200);
    let caching = by_tag.find_header("Cache-Control").unwrap_or_default();
    assert!(!caching.contains("max-age=31536000") && !caching.contains("immutable"), "{by_tag}");
}
