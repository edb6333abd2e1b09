//! Digest algorithms: sha256, sha512 and blake3 through every way of pushing, announced with `digest-algorithm` or not.

use std::time::{Duration, Instant};

use crate::support::{ALGORITHMS, Algorithm, Holdfast, Request, Upload, bytes_of, sha256, sha512};

const REPOSITORY: &str = "team/digests";
const UPLOADS: &str = "/v2/team/digests/blobs/uploads/";
#[track_caller]
fn expect_readable(registry: &Holdfast, digest: &str, bytes: &[u8]) {
    let path = format!("/v2/{REPOSITORY}/blobs/{digest}");
    registry.get(&path).expect(200).expect_header("Docker-Content-Digest", digest).expect_body(bytes);
    registry.head(&path).expect(200).expect_header("Docker-Content-Digest", digest);
}

/// Sessions as a client may open them: without announcing the algorithm, with the right one, and with another one.
fn sessions<'a>(registry: &'a Holdfast, algorithm: &str) -> Vec<Upload<'a>> {
    let other = if algorithm == "sha256" { "sha512" } else { "sha256" };
    ["".to_owned(), format!("?digest-algorithm={algorithm}"), format!("?digest-algorithm={other}")]
        .iter()
        .map(|query| Upload::at(registry, registry.post(&format!("{UPLOADS}{query}")).expect(202).location()))
        .collect()
}

#[test]
fn post_then_put_works_in_each_algorithm_announced_or_not() {
    let registry = Holdfast::start();
    for (seed, Algorithm { name, digest: digest_of }) in (1..).zip(ALGORITHMS) {
        let bytes = bytes_of(200_000, seed);
        let digest = digest_of(&bytes);
        for mut upload in sessions(&registry, name) {
            upload.put(&digest, bytes.as_slice()).expect(201).expect_header("Docker-Content-Digest", &digest);
        }
        expect_readable(&registry, &digest, &bytes);
    }
}

#[test]
fn chunks_then_an_empty_put_work_in_each_algorithm_announced_or_not() {
    let registry = Holdfast::start();
    for (seed, Algorithm { name, digest: digest_of }) in (11..).zip(ALGORITHMS) {
        let bytes = bytes_of(2 * 1024 * 1024 + 5, seed);
        let digest = digest_of(&bytes);
        for mut upload in sessions(&registry, name) {
            for chunk in bytes.chunks(700_001) {
                upload.patch(chunk).expect(202);
            }
            upload.put(&digest, "").expect(201).expect_header("Docker-Content-Digest", &digest);
        }
        expect_readable(&registry, &digest, &bytes);
    }
}

#[test]
fn one_streamed_patch_works_in_each_algorithm_announced_or_not() {
    let registry = Holdfast::start();
    for (seed, Algorithm { name, digest: digest_of }) in (21..).zip(ALGORITHMS) {
        let bytes = bytes_of(300_000, seed);
        let digest = digest_of(&bytes);
        for mut upload in sessions(&registry, name) {
            let request = Request::patch(&upload.location).chunked(bytes.chunks(9_999));
            upload.send(request).expect(202);
            upload.put(&digest, "").expect(201);
        }
        expect_readable(&registry, &digest, &bytes);
    }
}

#[test]
fn the_last_chunk_in_the_put_works_in_each_algorithm_announced_or_not() {
    let registry = Holdfast::start();
    for (seed, Algorithm { name, digest: digest_of }) in (31..).zip(ALGORITHMS) {
        let bytes = bytes_of(150_000, seed);
        let digest = digest_of(&bytes);
        for mut upload in sessions(&registry, name) {
            upload.patch_range("0-99999", &bytes[..100_000]).expect(202);
            upload.put_range(&digest, "100000-149999", &bytes[100_000..]).expect(201);
        }
        expect_readable(&registry, &digest, &bytes);
    }
}

#[test]
fn a_single_post_works_in_each_algorithm() {
    let registry = Holdfast::start();
    for (seed, Algorithm { digest: digest_of, .. }) in (41..).zip(ALGORITHMS) {
        let bytes = bytes_of(150_000, seed);
        let digest = digest_of(&bytes);
        let request = Request::post(format!("{UPLOADS}?digest={digest}")).body(bytes.as_slice());
        registry.send(request).expect(201).expect_header("Docker-Content-Digest", &digest);
        expect_readable(&registry, &digest, &bytes);
    }
}

#[test]
fn the_empty_blob_works_in_each_algorithm() {
    let registry = Holdfast::start();
    for Algorithm { name, digest: digest_of } in ALGORITHMS {
        let digest = digest_of(b"");
        for mut upload in sessions(&registry, name) {
            upload.put(&digest, "").expect(201);
        }
        expect_readable(&registry, &digest, b"");
    }
}

#[test]
fn a_wrong_digest_is_refused_in_each_algorithm_and_leaves_nothing() {
    let registry = Holdfast::start();
    for Algorithm { name, digest: digest_of } in ALGORITHMS {
        let claimed = digest_of(b"other bytes");
        for mut upload in sessions(&registry, name) {
            upload.patch("these ").expect(202);
            upload.put(&claimed, "bytes").expect_error(400, "DIGEST_INVALID");
        }
        for digest in [claimed, digest_of(b"these bytes")] {
            registry.get(&format!("/v2/{REPOSITORY}/blobs/{digest}")).expect(404);
        }
    }
}

#[test]
fn an_algorithm_that_is_not_supported_is_400() {
    let registry = Holdfast::start();
    for algorithm in ["md5", "sha1", "SHA256", "sha384", "", "../x"] {
        registry.post(&format!("{UPLOADS}?digest-algorithm={algorithm}")).expect_error(400, "DIGEST_INVALID");
    }
}

#[test]
fn one_payload_under_several_digests_is_readable_under_each() {
    let registry = Holdfast::start();
    let bytes = bytes_of(100_000, 51);
    for Algorithm { digest: digest_of, .. } in ALGORITHMS {
        registry.start_upload(REPOSITORY).put(&digest_of(&bytes), bytes.as_slice()).expect(201);
    }
    for Algorithm { digest: digest_of, .. } in ALGORITHMS {
        expect_readable(&registry, &digest_of(&bytes), &bytes);
    }
    registry.delete(&format!("/v2/{REPOSITORY}/blobs/{}", sha512(&bytes))).expect(202);
    registry.get(&format!("/v2/{REPOSITORY}/blobs/{}", sha512(&bytes))).expect(404);
    expect_readable(&registry, &sha256(&bytes), &bytes);
}

#[test]
fn a_large_blob_in_an_algorithm_that_nobody_announced_is_answered_in_time() {
    let registry = Holdfast::start();
    let bytes = bytes_of(96 * 1024 * 1024, 52);
    let digest = sha512(&bytes);
    let mut upload = registry.start_upload(REPOSITORY);
    upload.patch(bytes.as_slice()).expect(202);
    let sent = Instant::now();
    upload.put(&digest, "").expect(201);
    assert!(sent.elapsed() < Duration::from_secs(20), "the answer took {:?}", sent.elapsed());
    registry.head(&format!("/v2/{REPOSITORY}/blobs/{digest}")).expect(200);
}
