//! Several tags set by one push: `PUT /v2/<name>/manifests/<digest>?tag=a&tag=b`. All of them or none, and no reader ever
//! sees some.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::support::{Holdfast, Response, blake3, sha256, sha512, to_bytes};

const REPOSITORY: &str = "team/tag-parameters";

fn query_of(tags: &[String]) -> String {
    tags.iter().map(|tag| format!("tag={tag}")).collect::<Vec<_>>().join("&")
}

/// The tags that `OCI-Tag` names, on one line or several, sorted.
fn accepted(response: &Response) -> Vec<String> {
    let lines = response.headers("OCI-Tag");
    let mut tags: Vec<String> =
        lines.iter().flat_map(|line| line.split(',')).map(|tag| tag.trim().to_owned()).collect();
    tags.sort();
    tags
}

#[test]
fn a_push_by_digest_sets_all_the_tags_it_names_and_echoes_them() {
    let registry = Holdfast::start();
    let manifest = registry.push_image_blobs(REPOSITORY, 1);
    let digest = sha256(to_bytes(&manifest));
    let tags = ["1", "1.2", "1.2.3", "latest"].map(str::to_owned);
    let response =
        registry.put_manifest(REPOSITORY, &format!("{digest}?{}", query_of(&tags)), &manifest).expect(201);
    assert_eq!(accepted(&response), tags);
    assert_eq!(response.header("Docker-Content-Digest"), digest);
    assert_eq!(registry.tags(REPOSITORY), tags);
    for tag in tags {
        let got = registry.get(&format!("/v2/{REPOSITORY}/manifests/{tag}")).expect(200);
        got.expect_header("Docker-Content-Digest", &digest).expect_body(to_bytes(&manifest));
    }
}

#[test]
fn a_tag_set_on_a_sha512_or_blake3_manifest_resolves_to_that_digest() {
    let registry = Holdfast::start();
    let manifest = registry.push_image_blobs(REPOSITORY, 2);
    let bytes = to_bytes(&manifest);
    for (tag, digest) in
        [("five-twelve", sha512(&bytes)), ("three", blake3(&bytes)), ("two-five-six", sha256(&bytes))]
    {
        registry.put_manifest(REPOSITORY, &format!("{digest}?tag={tag}"), &manifest).expect(201);
        for response in [
            registry.get(&format!("/v2/{REPOSITORY}/manifests/{tag}")),
            registry.head(&format!("/v2/{REPOSITORY}/manifests/{tag}")),
        ] {
            response
                .expect(200)
                .expect_header("Docker-Content-Digest", &digest)
                .expect_header("ETag", &format!("\"{digest}\""));
        }
    }
}

#[test]
fn at_least_ten_tags_are_taken_at_once() {
    let registry = Holdfast::start();
    let manifest = registry.push_image_blobs(REPOSITORY, 3);
    let digest = sha256(to_bytes(&manifest));
    let tags: Vec<_> = (10..74).map(|number| format!("tag-{number}")).collect();
    let response =
        registry.put_manifest(REPOSITORY, &format!("{digest}?{}", query_of(&tags)), &manifest).expect(201);
    assert_eq!(accepted(&response), tags);
    assert_eq!(registry.tags(REPOSITORY), tags);
}

#[test]
fn too_many_tags_are_414_and_none_is_set() {
    let registry = Holdfast::start();
    let manifest = registry.push_image_blobs(REPOSITORY, 4);
    let digest = sha256(to_bytes(&manifest));
    let tags: Vec<_> = (0..65).map(|number| format!("tag-{number}")).collect();
    registry.put_manifest(REPOSITORY, &format!("{digest}?{}", query_of(&tags)), &manifest).expect(414);
    assert!(registry.tags(REPOSITORY).is_empty());
    registry.get(&format!("/v2/{REPOSITORY}/manifests/{digest}")).expect(404);
}

#[test]
fn one_malformed_tag_among_several_is_400_and_none_is_set() {
    let registry = Holdfast::start();
    let manifest = registry.push_image_blobs(REPOSITORY, 5);
    let digest = sha256(to_bytes(&manifest));
    for bad in ["-bad", "", "a%20b", "sha256%3Aabc", &"t".repeat(129)] {
        registry.put_manifest(REPOSITORY, &format!("{digest}?tag=good&tag={bad}"), &manifest).expect(400);
        assert!(registry.tags(REPOSITORY).is_empty(), "{bad}");
        registry.get(&format!("/v2/{REPOSITORY}/manifests/{digest}")).expect(404);
    }
}

#[test]
fn a_manifest_that_is_refused_sets_no_tag() {
    let registry = Holdfast::start();
    let mut manifest = registry.push_image_blobs(REPOSITORY, 6);
    manifest["config"]["digest"] = serde_json::json!(sha256("not there"));
    let digest = sha256(to_bytes(&manifest));
    let response = registry.put_manifest(REPOSITORY, &format!("{digest}?tag=a&tag=b"), &manifest);
    response.expect_error(400, "MANIFEST_BLOB_UNKNOWN").expect_no_header("OCI-Tag");
    assert!(registry.tags(REPOSITORY).is_empty());
}

#[test]
fn a_tag_named_twice_is_set_once() {
    let registry = Holdfast::start();
    let manifest = registry.push_image_blobs(REPOSITORY, 7);
    let digest = sha256(to_bytes(&manifest));
    registry.put_manifest(REPOSITORY, &format!("{digest}?tag=a&tag=a"), &manifest).expect(201);
    assert_eq!(registry.tags(REPOSITORY), ["a"]);
}

#[test]
fn a_push_without_tag_parameters_echoes_none() {
    let registry = Holdfast::start();
    let manifest = registry.push_image_blobs(REPOSITORY, 8);
    let digest = sha256(to_bytes(&manifest));
    registry.put_manifest(REPOSITORY, &digest, &manifest).expect(201).expect_no_header("OCI-Tag");
}

#[test]
fn no_reader_ever_sees_some_of_the_tags() {
    let registry = Holdfast::start();
    let manifest = registry.push_image_blobs(REPOSITORY, 9);
    let digest = sha256(to_bytes(&manifest));
    let (done, lists) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let tags = registry.tags(REPOSITORY);
                assert!(tags.len().is_multiple_of(10), "a reader saw {} tags", tags.len());
                lists.fetch_add(1, Ordering::Relaxed);
            }
        });
        for round in 0..20 {
            let before = lists.load(Ordering::Relaxed);
            let tags: Vec<_> = (0..10).map(|number| format!("r{round}-{number}")).collect();
            registry
                .put_manifest(REPOSITORY, &format!("{digest}?{}", query_of(&tags)), &manifest)
                .expect(201);
            // On a busy machine all pushes are over before the reader has had a turn.
            while lists.load(Ordering::Relaxed) == before && !reader.is_finished() {
                std::thread::yield_now();
            }
        }
        done.store(true, Ordering::Relaxed);
    });
}
