//! Referrers: what names a manifest as its `subject`, listed as an image index.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::{
    Holdfast, Image, OCI_IMAGE, OCI_INDEX, Response, artifact, descriptor, image, index, manifest_descriptor,
    sha256, sha512, to_bytes,
};

const REPOSITORY: &str = "team/referrers";

fn path(digest: &str) -> String {
    format!("/v2/{REPOSITORY}/referrers/{digest}")
}

/// A registry with one image to refer to, and the blob that artifacts need.
fn with_subject() -> (Holdfast, Image) {
    let registry = Holdfast::start();
    let subject = registry.push_image(REPOSITORY, "latest", 1);
    registry.push_blob(REPOSITORY, "{}");
    (registry, subject)
}

/// An artifact that refers to the subject; `number` tells it from others of its type.
fn referrer(subject: &Image, artifact_type: &str, number: u32) -> Value {
    let mut manifest = artifact(artifact_type);
    manifest["subject"] = subject.descriptor();
    manifest["annotations"] = json!({"org.example.number": number.to_string()});
    manifest
}

#[track_caller]
fn push(registry: &Holdfast, manifest: &Value) -> String {
    registry.push_manifest(REPOSITORY, &sha256(to_bytes(manifest)), manifest)
}

/// The entries of the list, in order of their digests.
#[track_caller]
fn entries(response: Response) -> Vec<Value> {
    let response = response.expect(200).expect_header("Content-Type", OCI_INDEX);
    let body = response.json();
    assert_eq!(body["schemaVersion"], json!(2), "{response}");
    assert_eq!(body["mediaType"], json!(OCI_INDEX), "{response}");
    let mut entries = body["manifests"].as_array().unwrap_or_else(|| panic!("{response}")).clone();
    entries.sort_by_key(|entry| entry["digest"].to_string());
    entries
}

/// All pages of the list, from the first one on.
fn pages(registry: &Holdfast, first: &str) -> Vec<Response> {
    let mut pages = vec![registry.get(first)];
    while let Some(page) = pages.last().filter(|page| page.find_header("Link").is_some()) {
        let next = registry.get(&page.next_link());
        pages.push(next);
    }
    pages
}

/// The digests that the pages list, each once.
#[track_caller]
fn digests(pages: Vec<Response>) -> BTreeSet<String> {
    pages.into_iter().flat_map(entries).map(|entry| entry["digest"].to_string()).collect()
}

fn sorted(mut entries: Vec<Value>) -> Vec<Value> {
    entries.sort_by_key(|entry| entry["digest"].to_string());
    entries
}

#[test]
fn what_nobody_refers_to_has_an_empty_index_even_in_a_repository_that_does_not_exist() {
    let (registry, subject) = with_subject();
    let zero = format!("sha256:{}", "0".repeat(64));
    for target in [
        path(&subject.digest),
        path(&zero),
        path(&sha512("x")),
        format!("/v2/no/such/repository/referrers/{zero}"),
    ] {
        assert!(entries(registry.get(&target)).is_empty());
        registry.head(&target).expect(200).expect_header("Content-Type", OCI_INDEX);
    }
    registry.get("/v2/no/such/repository/tags/list").expect(404);
}

#[test]
fn a_malformed_digest_is_400() {
    let (registry, _) = with_subject();
    for digest in ["sha256:bad", "latest", "sha256:", "md5:d41d8cd98f00b204e9800998ecf8427e"] {
        registry.get(&path(digest)).expect_error(400, "DIGEST_INVALID");
    }
}

#[test]
fn a_referrer_is_announced_by_oci_subject_and_listed_at_once() {
    let (registry, subject) = with_subject();
    let manifest = referrer(&subject, "application/vnd.example.signature", 1);
    let digest = sha256(to_bytes(&manifest));
    for reference in [digest.as_str(), "by-tag"] {
        let response = registry.put_manifest(REPOSITORY, reference, &manifest).expect(201);
        response.expect_header("OCI-Subject", &subject.digest);
    }
    let expected = json!({
        "mediaType": OCI_IMAGE, "digest": digest, "size": to_bytes(&manifest).len(),
        "artifactType": "application/vnd.example.signature", "annotations": {"org.example.number": "1"},
    });
    assert_eq!(entries(registry.get(&path(&subject.digest))), [expected]);
}

#[test]
fn a_manifest_without_a_subject_is_not_answered_with_oci_subject() {
    let (registry, _) = with_subject();
    let manifest = registry.push_image_blobs(REPOSITORY, 2);
    registry.put_manifest(REPOSITORY, "plain", &manifest).expect(201).expect_no_header("OCI-Subject");
}

#[test]
fn the_artifact_type_is_the_manifests_own_or_its_configurations_or_left_out_for_an_index() {
    let (registry, subject) = with_subject();
    let own = referrer(&subject, "application/vnd.example.own", 1);
    registry.push_blob(REPOSITORY, "config");
    let mut by_config = image(&descriptor("application/vnd.example.config", "config"), &[]);
    by_config["subject"] = subject.descriptor();
    let mut empty = by_config.clone();
    empty["artifactType"] = json!("");
    let mut plain_index = index(&[]);
    plain_index["subject"] = subject.descriptor();
    let mut typed_index = plain_index.clone();
    typed_index["artifactType"] = json!("application/vnd.example.index");
    let mut expected = Vec::new();
    for (manifest, artifact_type) in [
        (&own, Some("application/vnd.example.own")),
        (&by_config, Some("application/vnd.example.config")),
        (&empty, Some("application/vnd.example.config")),
        (&plain_index, None),
        (&typed_index, Some("application/vnd.example.index")),
    ] {
        push(&registry, manifest);
        let mut entry = manifest_descriptor(manifest);
        if let Some(artifact_type) = artifact_type {
            entry["artifactType"] = json!(artifact_type);
        }
        if let Some(annotations) = manifest.get("annotations") {
            entry["annotations"] = annotations.clone();
        }
        expected.push(entry);
    }
    assert_eq!(entries(registry.get(&path(&subject.digest))), sorted(expected));
}

#[test]
fn annotations_are_listed_exactly_as_pushed() {
    let (registry, subject) = with_subject();
    let mut manifest = referrer(&subject, "application/vnd.example.sbom", 1);
    manifest["annotations"] =
        json!({"a": "", "é": "ü \" \\ \n", "org.opencontainers.image.created": "2026-01-01T00:00:00Z"});
    push(&registry, &manifest);
    let listed = entries(registry.get(&path(&subject.digest)));
    assert_eq!(listed[0]["annotations"], manifest["annotations"]);
}

#[test]
fn a_filter_by_artifact_type_is_applied_and_announced() {
    let (registry, subject) = with_subject();
    let signature = push(&registry, &referrer(&subject, "application/vnd.example.signature", 1));
    let sbom = push(&registry, &referrer(&subject, "application/vnd.example.sbom+json", 2));
    let filtered = |query: &str| {
        let response = registry.get(&format!("{}?{query}", path(&subject.digest)));
        let entries = entries(response.expect_header("OCI-Filters-Applied", "artifactType"));
        entries.iter().map(|entry| entry["digest"].as_str().unwrap()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(filtered("artifactType=application/vnd.example.signature"), signature);
    assert_eq!(filtered("artifactType=application%2Fvnd.example.signature"), signature);
    assert_eq!(filtered("artifactType=application%2Fvnd.example.sbom%2Bjson"), sbom);
    assert_eq!(filtered("artifactType=application/vnd.example.sbom+json"), sbom);
    assert_eq!(filtered("artifactType=application/vnd.example"), "");
    let mut both = [signature, sbom];
    both.sort();
    let query =
        "artifactType=application/vnd.example.signature&artifactType=application/vnd.example.sbom%2Bjson";
    assert_eq!(filtered(query), both.join(" "));
}

#[test]
fn an_unfiltered_list_announces_no_filter() {
    let (registry, subject) = with_subject();
    push(&registry, &referrer(&subject, "application/vnd.example.signature", 1));
    registry.get(&path(&subject.digest)).expect(200).expect_no_header("OCI-Filters-Applied");
}

#[test]
fn a_referrer_leaves_the_list_when_it_is_deleted() {
    let (registry, subject) = with_subject();
    let first = push(&registry, &referrer(&subject, "application/vnd.example.signature", 1));
    let second = push(&registry, &referrer(&subject, "application/vnd.example.signature", 2));
    registry.delete(&format!("/v2/{REPOSITORY}/manifests/{first}")).expect(202);
    let listed = entries(registry.get(&path(&subject.digest)));
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0]["digest"], json!(second));
}

#[test]
fn referrers_stay_listed_when_their_subject_goes() {
    let (registry, subject) = with_subject();
    push(&registry, &referrer(&subject, "application/vnd.example.signature", 1));
    registry.delete(&format!("/v2/{REPOSITORY}/manifests/{}", subject.digest)).expect(202);
    assert_eq!(entries(registry.get(&path(&subject.digest))).len(), 1);
}

#[test]
fn a_referrer_may_come_before_its_subject() {
    let registry = Holdfast::start();
    registry.push_blob(REPOSITORY, "{}");
    let manifest = registry.push_image_blobs(REPOSITORY, 1);
    let mut early = artifact("application/vnd.example.signature");
    early["subject"] = manifest_descriptor(&manifest);
    push(&registry, &early);
    let subject = registry.push_manifest(REPOSITORY, "latest", &manifest);
    assert_eq!(entries(registry.get(&path(&subject))).len(), 1);
}

#[test]
fn referrers_are_those_of_one_repository() {
    let (registry, subject) = with_subject();
    push(&registry, &referrer(&subject, "application/vnd.example.signature", 1));
    assert!(entries(registry.get(&format!("/v2/team/other/referrers/{}", subject.digest))).is_empty());
}

#[test]
fn a_subject_by_sha512_has_its_own_referrers() {
    let (registry, _) = with_subject();
    let mut manifest = artifact("application/vnd.example.signature");
    let subject = sha512("a subject");
    manifest["subject"] = json!({"mediaType": OCI_IMAGE, "digest": subject, "size": 9});
    let response = registry.put_manifest(REPOSITORY, &sha512(to_bytes(&manifest)), &manifest).expect(201);
    response.expect_header("OCI-Subject", &subject);
    let listed = entries(registry.get(&path(&subject)));
    assert_eq!(listed[0]["digest"], json!(sha512(to_bytes(&manifest))));
}

#[test]
fn pushing_a_referrer_again_lists_it_once() {
    let (registry, subject) = with_subject();
    let manifest = referrer(&subject, "application/vnd.example.signature", 1);
    push(&registry, &manifest);
    push(&registry, &manifest);
    assert_eq!(entries(registry.get(&path(&subject.digest))).len(), 1);
}

#[test]
fn a_list_that_fits_no_single_response_is_paged_by_links_that_keep_the_filter() {
    let (registry, subject) = with_subject();
    let padding = "x".repeat(900_000);
    for number in 0..6 {
        let mut manifest = referrer(&subject, "application/vnd.example.large", number);
        manifest["annotations"] = json!({"padding": padding, "number": number.to_string()});
        push(&registry, &manifest);
    }
    push(&registry, &referrer(&subject, "application/vnd.example.small", 1));
    for (query, count) in [("", 7), ("?artifactType=application%2Fvnd.example.large", 6)] {
        let pages = pages(&registry, &format!("{}{query}", path(&subject.digest)));
        for page in &pages {
            assert!(page.body.len() <= 4 * 1024 * 1024, "a page of {} bytes", page.body.len());
        }
        assert_eq!(digests(pages).len(), count, "{query}");
    }
}

#[test]
fn a_hundred_referrers_come_in_one_response() {
    let (registry, subject) = with_subject();
    for number in 0..100 {
        push(&registry, &referrer(&subject, "application/vnd.example.signature", number));
    }
    let response = registry.get(&path(&subject.digest)).expect_no_header("Link");
    assert_eq!(entries(response).len(), 100);
}

#[test]
fn a_client_that_asks_for_pages_of_referrers_finds_them_all() {
    let (registry, subject) = with_subject();
    for number in 0..5 {
        push(&registry, &referrer(&subject, "application/vnd.example.signature", number));
    }
    let pages = pages(&registry, &format!("{}?n=2", path(&subject.digest)));
    assert_eq!(digests(pages).len(), 5);
}
