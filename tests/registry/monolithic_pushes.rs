//! Whole blobs in one request: POST then PUT, and the single POST.

use super::uploads::{REPOSITORY, UPLOADS, blob_path, expect_nothing_left};
use crate::support::{Holdfast, Request, Response, bytes_of, sha256};

/// The answer to a push that is complete: 201, the blob's URL and digest, and the blob readable at that URL at once.
#[track_caller]
fn expect_pushed(registry: &Holdfast, response: &Response, digest: &str, bytes: &[u8]) {
    let response = response
        .clone()
        .expect(201)
        .expect_header("Docker-Content-Digest", digest)
        .expect_header("Content-Length", "0");
    assert_eq!(response.location(), blob_path(digest));
    registry.get(&response.location()).expect(200).expect_body(bytes);
}

#[test]
fn put_closes_the_session_with_the_whole_blob() {
    let registry = Holdfast::start();
    let bytes = bytes_of(70_000, 1);
    let digest = sha256(&bytes);
    let response = registry.start_upload(REPOSITORY).put(&digest, bytes.as_slice());
    expect_pushed(&registry, &response, &digest, &bytes);
}

#[test]
fn put_takes_the_whole_blob_in_chunks_without_a_length() {
    let registry = Holdfast::start();
    let bytes = bytes_of(200_000, 2);
    let digest = sha256(&bytes);
    let mut upload = registry.start_upload(REPOSITORY);
    let request = Request::put(upload.closing(&digest)).chunked(bytes.chunks(7_001));
    let response = upload.send(request);
    expect_pushed(&registry, &response, &digest, &bytes);
}

#[test]
fn put_takes_an_empty_blob_with_a_length_without_one_and_in_no_chunks() {
    let registry = Holdfast::start();
    let digest = sha256("");
    let shapes: [fn(Request) -> Request; 3] =
        [|request| request, Request::without_body, |request| request.chunked(Vec::<Vec<u8>>::new())];
    for shape in shapes {
        let mut upload = registry.start_upload(REPOSITORY);
        let request = shape(Request::put(upload.closing(&digest)));
        let response = upload.send(request);
        expect_pushed(&registry, &response, &digest, b"");
    }
}

#[test]
fn put_takes_any_content_type_and_a_percent_encoded_digest() {
    let registry = Holdfast::start();
    let digest = sha256("x");
    let mut upload = registry.start_upload(REPOSITORY);
    let request = Request::put(upload.closing(&digest.replace(':', "%3A")))
        .header("Content-Type", "text/plain")
        .body("x");
    let response = upload.send(request);
    expect_pushed(&registry, &response, &digest, b"x");
}

#[test]
fn a_wrong_digest_is_400_digest_invalid_and_leaves_nothing_servable() {
    let registry = Holdfast::start();
    let claimed = sha256("something else");
    registry.start_upload(REPOSITORY).put(&claimed, "these bytes").expect_error(400, "DIGEST_INVALID");
    expect_nothing_left(&registry, &[&claimed, &sha256("these bytes")]);
}

#[test]
fn a_wrong_digest_does_not_touch_the_blob_that_has_it() {
    let registry = Holdfast::start();
    let digest = registry.push_blob(REPOSITORY, "the right bytes");
    registry.start_upload(REPOSITORY).put(&digest, "the wrong bytes").expect_error(400, "DIGEST_INVALID");
    registry.get(&blob_path(&digest)).expect(200).expect_body("the right bytes");
}

#[test]
fn a_blob_that_is_there_already_can_be_pushed_again() {
    let registry = Holdfast::start();
    for bytes in [b"small".to_vec(), bytes_of(2 * 1024 * 1024, 4)] {
        let digest = registry.push_blob(REPOSITORY, &bytes);
        let response = registry.start_upload(REPOSITORY).put(&digest, bytes.as_slice());
        expect_pushed(&registry, &response, &digest, &bytes);
        registry.push_blob("another/repository", &bytes);
        registry.get(&format!("/v2/another/repository/blobs/{digest}")).expect(200).expect_body(&bytes);
    }
}

#[test]
fn two_clients_that_push_the_same_blob_at_once_both_get_201() {
    let registry = Holdfast::start();
    for (round, size) in [(1, 1_000), (2, 1_000), (3, 3 * 1024 * 1024)] {
        let bytes = bytes_of(size, 100 + round);
        let digest = sha256(&bytes);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| registry.start_upload(REPOSITORY).put(&digest, bytes.as_slice()).expect(201));
            }
        });
        registry.get(&blob_path(&digest)).expect(200).expect_body(&bytes);
    }
}

#[test]
fn a_single_post_with_digest_and_body_pushes_the_blob() {
    let registry = Holdfast::start();
    for bytes in [Vec::new(), b"a few bytes".to_vec(), bytes_of(3 * 1024 * 1024, 5)] {
        let digest = sha256(&bytes);
        let target = format!("{UPLOADS}?digest={digest}");
        let response = registry.send(Request::post(&target).body(bytes.as_slice()));
        expect_pushed(&registry, &response, &digest, &bytes);
    }
}

#[test]
fn a_single_post_may_come_in_chunks_without_a_length() {
    let registry = Holdfast::start();
    let bytes = bytes_of(50_000, 6);
    let digest = sha256(&bytes);
    let response =
        registry.send(Request::post(format!("{UPLOADS}?digest={digest}")).chunked(bytes.chunks(999)));
    expect_pushed(&registry, &response, &digest, &bytes);
}

#[test]
fn a_single_post_with_a_wrong_or_malformed_digest_is_400_and_leaves_nothing() {
    let registry = Holdfast::start();
    let claimed = sha256("something else");
    for digest in [claimed.as_str(), "sha256:bad", "md5:d41d8cd98f00b204e9800998ecf8427e"] {
        let request = Request::post(format!("{UPLOADS}?digest={digest}")).body("these bytes");
        registry.send(request).expect_error(400, "DIGEST_INVALID");
    }
    expect_nothing_left(&registry, &[&claimed, &sha256("these bytes")]);
}

#[test]
fn a_client_that_reorders_and_encodes_the_query_is_understood() {
    let registry = Holdfast::start();
    let digest = sha256("x");
    let mut upload = registry.start_upload(REPOSITORY);
    let (path, query) = upload.location.split_once('?').unwrap_or((&upload.location, ""));
    let target = format!("{path}?ns=example.com&digest={}&{query}", digest.replace(':', "%3A"));
    upload.send(Request::put(target).body("x")).expect(201);
}
