//! What makes a manifest acceptable: its JSON, its type, and that the repository holds what it needs.

use serde_json::{Value, json};

use crate::support::{
    DOCKER_IMAGE, DOCKER_LIST, Holdfast, OCI_IMAGE, OCI_INDEX, descriptor, image, index, to_bytes,
};

pub(super) const REPOSITORY: &str = "team/validation";
pub(super) const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

pub(super) fn path(reference: &str) -> String {
    format!("/v2/{REPOSITORY}/manifests/{reference}")
}

/// The bytes are refused as `MANIFEST_INVALID` under this type, and nothing is there afterwards.
#[track_caller]
fn expect_invalid(registry: &Holdfast, media_type: &str, bytes: impl Into<Vec<u8>>) -> String {
    let response = registry.put_manifest_bytes(REPOSITORY, "refused", media_type, bytes);
    let response = response.expect_error(400, "MANIFEST_INVALID");
    registry.get(&path("refused")).expect(404);
    response.error_text()
}

/// A registry whose repository holds the blobs of one image, and that image's manifest, not pushed.
pub(super) fn with_image_blobs() -> (Holdfast, Value) {
    let registry = Holdfast::start();
    let manifest = registry.push_image_blobs(REPOSITORY, 1);
    (registry, manifest)
}

#[test]
fn what_is_no_json_object_is_manifest_invalid() {
    let (registry, manifest) = with_image_blobs();
    let whole = to_bytes(&manifest);
    let truncated = &whole[..whole.len() - 1];
    let trailing = [whole.as_slice(), b"x"].concat();
    for bytes in [
        b"".as_slice(),
        b"{",
        b"null",
        b"[]",
        b"\"text\"",
        b"12",
        b"\xff\xfe",
        b"not json",
        truncated,
        &trailing,
    ] {
        expect_invalid(&registry, OCI_IMAGE, bytes);
    }
}

#[test]
fn json_nested_without_end_is_refused_or_kept_and_never_a_crash() {
    let (registry, manifest) = with_image_blobs();
    let text = String::from_utf8(to_bytes(&manifest)).unwrap();
    let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
    let nested = text.replacen('{', &format!("{{\"deep\":{deep},"), 1);
    let status = registry.put_manifest_bytes(REPOSITORY, "deep", OCI_IMAGE, nested).status;
    assert!(matches!(status, 201 | 400), "{status}");
    registry.get("/v2/").expect(200);
}

#[test]
fn a_schema_version_other_than_2_is_manifest_invalid() {
    let (registry, manifest) = with_image_blobs();
    for version in [json!(1), json!(3), json!("2"), json!(null), json!(2.5)] {
        let mut manifest = manifest.clone();
        manifest["schemaVersion"] = version;
        expect_invalid(&registry, OCI_IMAGE, to_bytes(&manifest));
    }
    let mut without = manifest;
    without.as_object_mut().unwrap().remove("schemaVersion");
    expect_invalid(&registry, OCI_IMAGE, to_bytes(&without));
}

#[test]
fn a_document_that_is_both_an_image_and_an_index_is_manifest_invalid() {
    let (registry, manifest) = with_image_blobs();
    for media_type in [OCI_IMAGE, OCI_INDEX] {
        let mut both = manifest.clone();
        both["mediaType"] = json!(media_type);
        both["manifests"] = json!([]);
        expect_invalid(&registry, media_type, to_bytes(&both));
    }
    let mut with_layers = index(&[]);
    with_layers["layers"] = json!([]);
    expect_invalid(&registry, OCI_INDEX, to_bytes(&with_layers));
}

#[test]
fn an_image_without_a_configuration_is_manifest_invalid() {
    let (registry, mut manifest) = with_image_blobs();
    manifest.as_object_mut().unwrap().remove("config");
    expect_invalid(&registry, OCI_IMAGE, to_bytes(&manifest));
}

#[test]
fn a_field_of_the_wrong_shape_is_manifest_invalid() {
    let (registry, manifest) = with_image_blobs();
    let changes: [(&str, Value); 8] = [
        ("/config", json!("text")),
        ("/layers", json!({})),
        ("/config/size", json!("12")),
        ("/config/size", json!(-1)),
        ("/config/size", json!(1.5)),
        ("/config/mediaType", json!(7)),
        ("/layers/0", json!(null)),
        ("/mediaType", json!(["x"])),
    ];
    for (pointer, value) in changes {
        let mut manifest = manifest.clone();
        *manifest.pointer_mut(pointer).unwrap() = value;
        expect_invalid(&registry, OCI_IMAGE, to_bytes(&manifest));
    }
    for (field, value) in
        [("annotations", json!({"a": 1})), ("subject", json!("text")), ("artifactType", json!(1))]
    {
        let mut manifest = manifest.clone();
        manifest[field] = value;
        expect_invalid(&registry, OCI_IMAGE, to_bytes(&manifest));
    }
}

#[test]
fn a_malformed_digest_in_a_descriptor_is_400() {
    let (registry, manifest) = with_image_blobs();
    for pointer in ["/config/digest", "/layers/0/digest"] {
        for digest in [
            "",
            "nonsense",
            "sha256:bad",
            "md5:d41d8cd98f00b204e9800998ecf8427e",
            "sha256:../../../../etc/passwd",
        ] {
            let mut manifest = manifest.clone();
            *manifest.pointer_mut(pointer).unwrap() = json!(digest);
            let response = registry.put_manifest(REPOSITORY, "refused", &manifest).expect(400);
            let codes = response.error_codes();
            assert!(
                codes.iter().all(|code| code == "MANIFEST_INVALID" || code == "DIGEST_INVALID"),
                "{response}"
            );
        }
    }
    let mut with_subject = manifest;
    with_subject["subject"] = json!({"mediaType": OCI_IMAGE, "digest": "sha256:bad", "size": 2});
    registry.put_manifest(REPOSITORY, "refused", &with_subject).expect(400);
    assert!(registry.tags(REPOSITORY).is_empty());
}

#[test]
fn a_content_type_that_contradicts_the_body_is_manifest_invalid() {
    let (registry, manifest) = with_image_blobs();
    for media_type in [OCI_INDEX, DOCKER_IMAGE, DOCKER_LIST] {
        expect_invalid(&registry, media_type, to_bytes(&manifest));
    }
    expect_invalid(&registry, OCI_IMAGE, to_bytes(&index(&[])));
}

#[test]
fn a_body_of_another_shape_than_its_type_is_manifest_invalid() {
    let (registry, manifest) = with_image_blobs();
    let mut index_shaped = index(&[]);
    index_shaped["mediaType"] = json!(OCI_IMAGE);
    expect_invalid(&registry, OCI_IMAGE, to_bytes(&index_shaped));
    let mut image_shaped = manifest;
    image_shaped["mediaType"] = json!(OCI_INDEX);
    expect_invalid(&registry, OCI_INDEX, to_bytes(&image_shaped));
}

#[test]
fn a_docker_manifest_must_say_its_media_type() {
    let (registry, mut manifest) = with_image_blobs();
    manifest.as_object_mut().unwrap().remove("mediaType");
    expect_invalid(&registry, DOCKER_IMAGE, to_bytes(&manifest));
    let mut list = index(&[]);
    list.as_object_mut().unwrap().remove("mediaType");
    expect_invalid(&registry, DOCKER_LIST, to_bytes(&list));
}

#[test]
fn schema_1_is_refused_with_a_message_that_says_what_to_do() {
    let registry = Holdfast::start();
    let body = json!({"schemaVersion": 1, "name": REPOSITORY, "tag": "latest", "architecture": "amd64", "fsLayers": [], "history": []});
    for media_type in [
        "application/vnd.docker.distribution.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v1+prettyjws",
    ] {
        let text = expect_invalid(&registry, media_type, to_bytes(&body)).to_lowercase();
        assert!(
            text.contains("schema 1") || text.contains("schema1") || text.contains("schema version 1"),
            "{text}"
        );
        assert!(text.contains("push"), "it does not say what to do: {text}");
    }
}

#[test]
fn an_unknown_manifest_type_is_manifest_invalid() {
    let (registry, manifest) = with_image_blobs();
    for media_type in
        ["application/json", "text/plain", "application/vnd.example.manifest.v1+json", "nonsense"]
    {
        let mut manifest = manifest.clone();
        manifest.as_object_mut().unwrap().remove("mediaType");
        expect_invalid(&registry, media_type, to_bytes(&manifest));
    }
}

#[test]
fn urls_that_the_configuration_denies_are_manifest_invalid() {
    let registry =
        Holdfast::configured("validation: {manifests: {urls: {deny: ['^https://evil\\.example\\.com/']}}}\n");
    let config = descriptor("application/vnd.oci.image.config.v1+json", "{}");
    registry.push_blob(REPOSITORY, "{}");
    let with_url = |url: &str| {
        let mut layer = descriptor("application/vnd.oci.image.layer.nondistributable.v1.tar", "base");
        layer["urls"] = json!([url]);
        image(&config, &[layer])
    };
    expect_invalid(&registry, OCI_IMAGE, to_bytes(&with_url("https://evil.example.com/base.tar")));
    registry.push_manifest(REPOSITORY, "latest", &with_url("https://good.example.com/base.tar"));
}

#[test]
fn types_that_nobody_knows_are_no_error() {
    let registry = Holdfast::start();
    registry.push_blob(REPOSITORY, "a config");
    registry.push_blob(REPOSITORY, "a layer");
    let mut manifest = image(
        &descriptor("application/vnd.unheard.of+x", "a config"),
        &[descriptor("text/plain", "a layer")],
    );
    manifest["artifactType"] = json!("application/vnd.never.seen.v9");
    registry.push_manifest(REPOSITORY, "strange", &manifest);
}
