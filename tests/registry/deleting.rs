//! Deleting: a tag alone, a manifest with its tags, a blob from a repository; and never what something still needs.

use serde_json::json;

use crate::support::{
    Holdfast, Response, descriptor, image, index, manifest_descriptor, sha256, sha512, to_bytes,
};

const REPOSITORY: &str = "team/deleting";

fn manifest(reference: &str) -> String {
    format!("/v2/{REPOSITORY}/manifests/{reference}")
}

fn blob(digest: &str) -> String {
    format!("/v2/{REPOSITORY}/blobs/{digest}")
}

/// 405 with an error that names who needs the thing.
#[track_caller]
fn expect_needed_by(response: Response, digests: &[&str]) -> Response {
    let response = response.expect_error(405, "UNSUPPORTED");
    for digest in digests {
        assert!(response.error_text().contains(digest), "{digest} is not named: {response}");
    }
    response
}

#[test]
fn deleting_a_tag_removes_the_tag_alone() {
    let registry = Holdfast::start();
    let image = registry.push_image(REPOSITORY, "a", 1);
    registry.put_manifest_bytes(REPOSITORY, "b", &image.media_type, image.bytes.as_slice()).expect(201);
    registry.delete(&manifest("a")).expect(202);
    registry.get(&manifest("a")).expect_error(404, "MANIFEST_UNKNOWN");
    registry.head(&manifest("a")).expect(404);
    registry.get(&manifest("b")).expect(200).expect_body(&image.bytes);
    registry.get(&manifest(&image.digest)).expect(200).expect_body(&image.bytes);
    assert_eq!(registry.tags(REPOSITORY), ["b"]);
}

#[test]
fn deleting_a_manifest_removes_every_tag_on_it() {
    let registry = Holdfast::start();
    let image = registry.push_image(REPOSITORY, "a", 1);
    let other = registry.push_image(REPOSITORY, "other", 2);
    registry.put_manifest_bytes(REPOSITORY, "b", &image.media_type, image.bytes.as_slice()).expect(201);
    registry.delete(&manifest(&image.digest)).expect(202);
    for reference in ["a", "b", image.digest.as_str()] {
        registry.get(&manifest(reference)).expect_error(404, "MANIFEST_UNKNOWN");
        registry.head(&manifest(reference)).expect(404);
    }
    assert_eq!(registry.tags(REPOSITORY), ["other"]);
    registry.get(&manifest("other")).expect(200).expect_body(&other.bytes);
}

#[test]
fn deleting_a_blob_removes_it_from_this_repository_alone() {
    let registry = Holdfast::start();
    let digest = registry.push_blob(REPOSITORY, "shared");
    registry.push_blob("team/other", "shared");
    registry.delete(&blob(&digest)).expect(202);
    registry.head(&blob(&digest)).expect(404);
    registry.get(&blob(&digest)).expect_error(404, "BLOB_UNKNOWN");
    registry.get(&format!("/v2/team/other/blobs/{digest}")).expect(200).expect_body("shared");
    assert_eq!(registry.push_blob(REPOSITORY, "shared"), digest);
    registry.get(&blob(&digest)).expect(200).expect_body("shared");
}

#[test]
fn deleting_what_does_not_exist_is_404() {
    let registry = Holdfast::start();
    registry.delete(&manifest("latest")).expect(404);
    registry.push_image(REPOSITORY, "latest", 1);
    registry.delete(&manifest("missing")).expect_error(404, "MANIFEST_UNKNOWN");
    registry.delete(&manifest(&sha256("x"))).expect_error(404, "MANIFEST_UNKNOWN");
    registry.delete(&manifest(&sha512("x"))).expect_error(404, "MANIFEST_UNKNOWN");
    registry.delete(&blob(&sha256("x"))).expect_error(404, "BLOB_UNKNOWN");
    registry.delete(&format!("/v2/no/such/repository/blobs/{}", sha256("x"))).expect(404);
}

#[test]
fn deleting_twice_is_202_and_then_404() {
    let registry = Holdfast::start();
    let image = registry.push_image(REPOSITORY, "latest", 1);
    let digest = registry.push_blob(REPOSITORY, "x");
    for target in [manifest("latest"), manifest(&image.digest), blob(&digest)] {
        registry.delete(&target).expect(202);
        registry.delete(&target).expect(404);
    }
}

#[test]
fn deleting_by_a_malformed_digest_is_400() {
    let registry = Holdfast::start();
    registry.push_image(REPOSITORY, "latest", 1);
    registry.delete(&blob("sha256:bad")).expect_error(400, "DIGEST_INVALID");
    registry.delete(&manifest("sha256:bad")).expect_error(400, "DIGEST_INVALID");
}

#[test]
fn a_deleted_manifest_can_be_pushed_again() {
    let registry = Holdfast::start();
    let image = registry.push_image(REPOSITORY, "latest", 1);
    registry.delete(&manifest(&image.digest)).expect(202);
    registry.put_manifest_bytes(REPOSITORY, "latest", &image.media_type, image.bytes.as_slice()).expect(201);
    registry.get(&manifest("latest")).expect(200).expect_body(&image.bytes);
}

#[test]
fn an_image_is_deleted_tag_then_manifest_then_blobs() {
    let registry = Holdfast::start();
    let image = registry.push_image(REPOSITORY, "latest", 1);
    for target in [manifest("latest"), manifest(&image.digest), blob(&image.layer), blob(&image.config)] {
        registry.delete(&target).expect(202);
        registry.head(&target).expect(404);
    }
}

#[test]
fn a_blob_that_a_manifest_needs_is_405_and_names_the_manifest() {
    let registry = Holdfast::start();
    let image = registry.push_image(REPOSITORY, "latest", 1);
    for digest in [&image.layer, &image.config] {
        expect_needed_by(registry.delete(&blob(digest)), &[&image.digest]);
        registry.head(&blob(digest)).expect(200);
    }
    registry.delete(&manifest("latest")).expect(202);
    expect_needed_by(registry.delete(&blob(&image.layer)), &[&image.digest]);
}

#[test]
fn a_blob_is_needed_until_the_last_manifest_that_names_it_goes() {
    let registry = Holdfast::start();
    registry.push_blob(REPOSITORY, "{}");
    let layer = registry.push_blob(REPOSITORY, "layer");
    let with_layer = |number: u32| {
        let mut manifest = image(
            &descriptor("application/vnd.oci.empty.v1+json", "{}"),
            &[descriptor("text/plain", "layer")],
        );
        manifest["annotations"] = json!({"number": number.to_string()});
        manifest
    };
    let first = registry.push_manifest(REPOSITORY, "first", &with_layer(1));
    let second = registry.push_manifest(REPOSITORY, "second", &with_layer(2));
    expect_needed_by(registry.delete(&blob(&layer)), &[&first, &second]);
    registry.delete(&manifest(&first)).expect(202);
    expect_needed_by(registry.delete(&blob(&layer)), &[&second]);
    registry.delete(&manifest(&second)).expect(202);
    registry.delete(&blob(&layer)).expect(202);
}

#[test]
fn a_blob_that_only_another_repository_needs_can_be_deleted() {
    let registry = Holdfast::start();
    let image = registry.push_image("team/other", "latest", 1);
    registry
        .post(&format!("/v2/{REPOSITORY}/blobs/uploads/?mount={}&from=team/other", image.layer))
        .expect(201);
    registry.delete(&blob(&image.layer)).expect(202);
    registry.get(&format!("/v2/team/other/blobs/{}", image.layer)).expect(200);
}

#[test]
fn a_child_that_an_index_needs_is_405_and_names_the_indexes_and_the_call_that_works() {
    let registry = Holdfast::start();
    let child = registry.push_image(REPOSITORY, "child", 1);
    let first = index(&[child.descriptor()]);
    let mut second = index(&[child.descriptor()]);
    second["annotations"] = json!({"number": "2"});
    let indexes = [
        registry.push_manifest(REPOSITORY, "first", &first),
        registry.push_manifest(REPOSITORY, "second", &second),
    ];
    let response = expect_needed_by(registry.delete(&manifest(&child.digest)), &[&indexes[0], &indexes[1]]);
    let text = response.error_text();
    assert!(
        text.contains("DELETE") && text.contains("/manifests/"),
        "the call that works is not named: {response}"
    );
    registry.head(&manifest("child")).expect(200);
    registry.delete(&manifest("child")).expect(202);
    registry.head(&manifest(&child.digest)).expect(200);
    for index in &indexes {
        registry.delete(&manifest(index)).expect(202);
    }
    registry.delete(&manifest(&child.digest)).expect(202);
}

#[test]
fn a_nested_index_is_needed_by_the_one_above() {
    let registry = Holdfast::start();
    let child = registry.push_image(REPOSITORY, "", 1);
    let inner = index(&[child.descriptor()]);
    let inner_digest = registry.push_manifest(REPOSITORY, "inner", &inner);
    let outer = registry.push_manifest(REPOSITORY, "outer", &index(&[manifest_descriptor(&inner)]));
    expect_needed_by(registry.delete(&manifest(&inner_digest)), &[&outer]);
    for digest in [&outer, &inner_digest, &child.digest] {
        registry.delete(&manifest(digest)).expect(202);
    }
}

#[test]
fn blobs_that_a_cache_index_lists_are_needed() {
    let registry = Holdfast::start();
    let layer = registry.push_blob(REPOSITORY, "cached");
    let cache = registry.push_manifest(REPOSITORY, "cache", &index(&[descriptor("text/plain", "cached")]));
    expect_needed_by(registry.delete(&blob(&layer)), &[&cache]);
    registry.delete(&manifest(&cache)).expect(202);
    registry.delete(&blob(&layer)).expect(202);
}

#[test]
fn a_subject_is_not_needed_by_its_referrers() {
    let registry = Holdfast::start();
    let subject = registry.push_image(REPOSITORY, "latest", 1);
    let mut referrer = registry.push_image_blobs(REPOSITORY, 2);
    referrer["subject"] = subject.descriptor();
    registry.push_manifest(REPOSITORY, "referrer", &referrer);
    registry.delete(&manifest(&subject.digest)).expect(202);
    registry.get(&manifest("referrer")).expect(200).expect_body(to_bytes(&referrer));
}

#[test]
fn what_is_needed_can_be_deleted_where_the_setting_allows_it() {
    let registry = Holdfast::configured("storage: {delete: {referenced: allow}}\n");
    let child = registry.push_image(REPOSITORY, "child", 1);
    let parent = registry.push_manifest(REPOSITORY, "parent", &index(&[child.descriptor()]));
    registry.delete(&blob(&child.layer)).expect(202);
    registry.head(&blob(&child.layer)).expect(404);
    registry.delete(&manifest(&child.digest)).expect(202);
    registry.head(&manifest("child")).expect(404);
    registry.head(&manifest(&parent)).expect(200);
}

#[test]
fn deletion_that_is_disabled_is_405_unsupported_and_deletes_nothing() {
    let registry = Holdfast::configured("storage: {delete: {enabled: false}}\n");
    let image = registry.push_image(REPOSITORY, "latest", 1);
    let free = registry.push_blob(REPOSITORY, "free");
    for target in [manifest("latest"), manifest(&image.digest), blob(&image.layer), blob(&free)] {
        registry.delete(&target).expect_error(405, "UNSUPPORTED");
        registry.head(&target).expect(200);
    }
}

#[test]
fn deletion_is_off_with_a_distribution_file_that_does_not_turn_it_on() {
    let registry = Holdfast::configured("version: 0.1\n");
    let digest = registry.push_blob(REPOSITORY, "x");
    registry.delete(&blob(&digest)).expect_error(405, "UNSUPPORTED");
    let registry = Holdfast::configured("version: 0.1\nstorage:\n  delete:\n    enabled: true\n");
    let digest = registry.push_blob(REPOSITORY, "x");
    registry.delete(&blob(&digest)).expect(202);
}

#[test]
fn pushes_and_deletes_of_one_blob_at_once_leave_it_whole_or_gone() {
    let registry = Holdfast::start();
    let digest = sha256("contended");
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| (0..20).for_each(|_| drop(registry.push_blob(REPOSITORY, "contended"))));
            scope.spawn(|| {
                for _ in 0..20 {
                    let status = registry.delete(&blob(&digest)).status;
                    assert!(matches!(status, 202 | 404), "{status}");
                }
            });
        }
    });
    let response = registry.get(&blob(&digest));
    match response.status {
        200 => drop(response.expect_body("contended")),
        _ => drop(response.expect_error(404, "BLOB_UNKNOWN")),
    }
}

#[test]
fn a_manifest_pushed_while_its_blob_is_deleted_is_whole_or_refused() {
    let registry = Holdfast::start();
    registry.push_blob(REPOSITORY, "{}");
    for round in 0..20 {
        let layer = format!("layer {round}");
        let digest = registry.push_blob(REPOSITORY, &layer);
        let manifest = image(
            &descriptor("application/vnd.oci.empty.v1+json", "{}"),
            &[descriptor("text/plain", &layer)],
        );
        let (pushed, deleted) = std::thread::scope(|scope| {
            let push = scope
                .spawn(|| registry.put_manifest(REPOSITORY, &format!("round-{round}"), &manifest).status);
            let delete = scope.spawn(|| registry.delete(&blob(&digest)).status);
            (push.join().unwrap(), delete.join().unwrap())
        });
        assert!(matches!((pushed, deleted), (201, 405) | (400, 202)), "{pushed} and {deleted}");
    }
}
