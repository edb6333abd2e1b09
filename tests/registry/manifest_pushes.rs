//! Pushing manifests by tag and by digest: what is answered, what is stored, how large they may be. What makes one
//! acceptable is in `manifest_validation` and `manifest_references`.

use serde_json::json;

use super::manifests::{REPOSITORY, path};
use crate::support::{
    DOCKER_IMAGE, Holdfast, OCI_IMAGE, OCI_INDEX, Request, blake3, descriptor, docker_image, image, index,
    sha256, sha512, to_bytes,
};

#[test]
fn a_manifest_pushed_by_tag_is_answered_201_with_its_digest_and_a_url_that_can_be_pulled() {
    let registry = Holdfast::start();
    let manifest = registry.push_image_blobs(REPOSITORY, 1);
    let bytes = to_bytes(&manifest);
    let response = registry.put_manifest(REPOSITORY, "latest", &manifest).expect(201);
    let response =
        response.expect_header("Docker-Content-Digest", &sha256(&bytes)).expect_header("Content-Length", "0");
    registry.get(&response.location()).expect(200).expect_body(&bytes);
}

#[test]
fn white_space_key_order_and_unknown_fields_are_kept_as_pushed() {
    let registry = Holdfast::start();
    let config = descriptor("application/vnd.oci.image.config.v1+json", "{}");
    registry.push_blob(REPOSITORY, "{}");
    let text = format!(
        "{{\n\t\"zzz\": [1, 2.50, {{\"é\": null}}],\n  \"layers\": [ ],\r\n\"config\":{config}, \"schemaVersion\" : 2,\
         \"mediaType\":\"{OCI_IMAGE}\" , \"newField\": {{\"a\": 1e3}}}}\n\n"
    );
    registry.put_manifest_bytes(REPOSITORY, "odd", OCI_IMAGE, text.as_str()).expect(201);
    registry
        .get(&path("odd"))
        .expect(200)
        .expect_body(&text)
        .expect_header("Docker-Content-Digest", &sha256(&text));
}

#[test]
fn a_manifest_pushed_by_digest_must_have_it() {
    let registry = Holdfast::start();
    let manifest = registry.push_image_blobs(REPOSITORY, 2);
    let bytes = to_bytes(&manifest);
    for digest in [sha256(&bytes), sha512(&bytes), blake3(&bytes)] {
        let response = registry.put_manifest(REPOSITORY, &digest, &manifest).expect(201);
        response.clone().expect_header("Docker-Content-Digest", &digest);
        registry
            .get(&response.location())
            .expect(200)
            .expect_body(&bytes)
            .expect_header("Docker-Content-Digest", &digest);
        registry.head(&path(&digest)).expect(200).expect_header("Docker-Content-Digest", &digest);
    }
    for digest in [sha256("x"), sha512("x"), blake3("x")] {
        registry.put_manifest(REPOSITORY, &digest, &manifest).expect_error(400, "DIGEST_INVALID");
        registry.get(&path(&digest)).expect_error(404, "MANIFEST_UNKNOWN");
    }
    assert!(registry.tags(REPOSITORY).is_empty());
}

#[test]
fn a_malformed_digest_as_reference_is_400() {
    let registry = Holdfast::start();
    let manifest = registry.push_image_blobs(REPOSITORY, 3);
    let long = format!("{}0", sha256("x"));
    for digest in ["sha256:baddigeststring", "sha256:", "md5:d41d8cd98f00b204e9800998ecf8427e", long.as_str()]
    {
        registry.put_manifest(REPOSITORY, digest, &manifest).expect_error(400, "DIGEST_INVALID");
        let status = registry.get(&path(digest)).status;
        assert!(status == 400 || status == 404, "{digest}: {status}");
    }
}

#[test]
fn the_same_manifest_can_be_pushed_again() {
    let registry = Holdfast::start();
    let manifest = registry.push_image_blobs(REPOSITORY, 11);
    for reference in ["latest", "latest", "other", &sha256(to_bytes(&manifest))] {
        registry.put_manifest(REPOSITORY, reference, &manifest).expect(201);
    }
    assert_eq!(registry.tags(REPOSITORY), ["latest", "other"]);
}

#[test]
fn a_tag_that_moves_leaves_the_old_manifest_reachable_by_digest() {
    let registry = Holdfast::start();
    let old = registry.push_image(REPOSITORY, "latest", 12);
    let new = registry.push_image(REPOSITORY, "latest", 13);
    registry.get(&path("latest")).expect(200).expect_body(&new.bytes);
    registry.get(&path(&old.digest)).expect(200).expect_body(&old.bytes);
    assert_eq!(registry.tags(REPOSITORY), ["latest"]);
}

#[test]
fn parameters_of_the_content_type_are_dropped() {
    let registry = Holdfast::start();
    let manifest = registry.push_image_blobs(REPOSITORY, 14);
    let with_parameters = format!("{OCI_IMAGE}; charset=utf-8");
    registry.put_manifest_bytes(REPOSITORY, "latest", &with_parameters, to_bytes(&manifest)).expect(201);
    registry.get(&path("latest")).expect(200).expect_header("Content-Type", OCI_IMAGE);
}

#[test]
fn a_manifest_without_content_type_gets_the_one_that_its_body_tells() {
    let registry = Holdfast::start();
    let oci = registry.push_image(REPOSITORY, "oci", 15);
    let mut bare_image = registry.push_image_blobs(REPOSITORY, 16);
    bare_image.as_object_mut().unwrap().remove("mediaType");
    let mut bare_index = index(&[oci.descriptor()]);
    bare_index.as_object_mut().unwrap().remove("mediaType");
    registry.push_blob(REPOSITORY, "docker config");
    let docker =
        docker_image(&descriptor("application/vnd.docker.container.image.v1+json", "docker config"), &[]);
    for (tag, body, media_type) in
        [("image", bare_image, OCI_IMAGE), ("index", bare_index, OCI_INDEX), ("docker", docker, DOCKER_IMAGE)]
    {
        registry.send(Request::put(path(tag)).body(to_bytes(&body))).expect(201);
        registry
            .get(&path(tag))
            .expect(200)
            .expect_header("Content-Type", media_type)
            .expect_body(to_bytes(&body));
    }
}

#[test]
fn an_oci_manifest_may_leave_its_media_type_out() {
    let registry = Holdfast::start();
    let mut manifest = registry.push_image_blobs(REPOSITORY, 17);
    manifest.as_object_mut().unwrap().remove("mediaType");
    registry.put_manifest_bytes(REPOSITORY, "latest", OCI_IMAGE, to_bytes(&manifest)).expect(201);
    registry.get(&path("latest")).expect(200).expect_header("Content-Type", OCI_IMAGE);
}

/// An image manifest padded by an annotation to exactly `size` bytes.
fn manifest_of_size(registry: &Holdfast, size: usize) -> Vec<u8> {
    registry.push_blob(REPOSITORY, "{}");
    let mut manifest = image(&descriptor("application/vnd.oci.empty.v1+json", "{}"), &[]);
    manifest["annotations"] = json!({"padding": ""});
    let padding = size - to_bytes(&manifest).len();
    manifest["annotations"] = json!({"padding": "x".repeat(padding)});
    to_bytes(&manifest)
}

#[test]
fn a_manifest_of_4_mebibytes_is_taken_with_a_length_or_without() {
    let registry = Holdfast::start();
    let bytes = manifest_of_size(&registry, 4 * 1024 * 1024);
    registry.put_manifest_bytes(REPOSITORY, "sized", OCI_IMAGE, bytes.as_slice()).expect(201);
    let streamed =
        Request::put(path("streamed")).header("Content-Type", OCI_IMAGE).chunked(bytes.chunks(100_000));
    registry.send(streamed).expect(201);
    for tag in ["sized", "streamed"] {
        registry.get(&path(tag)).expect(200).expect_body(&bytes);
    }
}

#[test]
fn a_larger_manifest_is_413_with_a_length_or_without() {
    let registry = Holdfast::start();
    let bytes = manifest_of_size(&registry, 4 * 1024 * 1024 + 1);
    registry.put_manifest_bytes(REPOSITORY, "sized", OCI_IMAGE, bytes.as_slice()).expect(413);
    let streamed =
        Request::put(path("streamed")).header("Content-Type", OCI_IMAGE).chunked(bytes.chunks(100_000));
    registry.send(streamed).expect(413);
    assert!(registry.tags(REPOSITORY).is_empty());
}

#[test]
fn the_largest_manifest_is_a_setting() {
    let registry = Holdfast::configured("validation: {manifests: {maxsize: 4KiB}}\n");
    let fits = manifest_of_size(&registry, 4_096);
    registry.put_manifest_bytes(REPOSITORY, "fits", OCI_IMAGE, fits).expect(201);
    let exceeds = manifest_of_size(&registry, 4_097);
    let response = registry.put_manifest_bytes(REPOSITORY, "exceeds", OCI_IMAGE, exceeds).expect(413);
    assert!(response.error_text().contains("4096") || response.error_text().contains("4 KiB"), "{response}");
}

#[test]
fn a_push_by_tag_may_say_its_digest_and_the_tag_then_resolves_to_it() {
    let registry = Holdfast::start();
    let manifest = registry.push_image_blobs(REPOSITORY, 18);
    let bytes = to_bytes(&manifest);
    for (tag, digest) in [("sha256", sha256(&bytes)), ("sha512", sha512(&bytes)), ("blake3", blake3(&bytes))]
    {
        let response =
            registry.put_manifest(REPOSITORY, &format!("{tag}?digest={digest}"), &manifest).expect(201);
        response.expect_header("Docker-Content-Digest", &digest);
        registry
            .get(&path(tag))
            .expect(200)
            .expect_header("Docker-Content-Digest", &digest)
            .expect_body(&bytes);
    }
    let wrong = registry.put_manifest(REPOSITORY, &format!("wrong?digest={}", sha256("x")), &manifest);
    wrong.expect_error(400, "DIGEST_INVALID");
    registry.get(&path("wrong")).expect(404);
}
