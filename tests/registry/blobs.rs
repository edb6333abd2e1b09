//! Reading blobs: GET and HEAD of `/v2/<name>/blobs/<digest>`, conditions included. Ranges have a module of their own.

use crate::support::{Holdfast, Request, blake3, bytes_of, sha256, sha512};

const REPOSITORY: &str = "library/blobs";

fn blob_path(digest: &str) -> String {
    format!("/v2/{REPOSITORY}/blobs/{digest}")
}

#[test]
fn a_blob_is_answered_byte_for_byte_with_its_length_digest_and_caching_headers() {
    let registry = Holdfast::start();
    let bytes = bytes_of(100_000, 1);
    let digest = registry.push_blob(REPOSITORY, &bytes);
    let response = registry.get(&blob_path(&digest)).expect(200).expect_body(&bytes);
    let response = response
        .expect_header("Content-Length", "100000")
        .expect_header("Docker-Content-Digest", &digest)
        .expect_header("Content-Type", "application/octet-stream")
        .expect_header("Accept-Ranges", "bytes")
        .expect_header("ETag", &format!("\"{digest}\""));
    assert!(response.header("Cache-Control").contains("max-age=31536000"), "{response}");
}

#[test]
fn head_of_a_blob_has_the_headers_of_its_get() {
    let registry = Holdfast::start();
    let digest = registry.push_blob(REPOSITORY, bytes_of(5_000, 2));
    let got = registry.get(&blob_path(&digest)).expect(200);
    let head = registry.head(&blob_path(&digest)).expect(200);
    let of = |response: &crate::support::Response| {
        let mut headers: Vec<_> =
            response.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone())).collect();
        headers.retain(|(name, _)| name != "date");
        headers.sort();
        headers
    };
    assert_eq!(of(&got), of(&head));
    assert_eq!(head.content_length(), 5_000);
}

#[test]
fn the_empty_blob_can_be_pushed_and_read() {
    let registry = Holdfast::start();
    let digest = registry.push_blob(REPOSITORY, "");
    registry.get(&blob_path(&digest)).expect(200).expect_header("Content-Length", "0").expect_body("");
    registry.head(&blob_path(&digest)).expect(200).expect_header("Content-Length", "0");
}

#[test]
fn a_blob_of_many_megabytes_comes_back_whole() {
    let registry = Holdfast::start();
    let bytes = bytes_of(24 * 1024 * 1024 + 7, 3);
    let digest = registry.push_blob(REPOSITORY, &bytes);
    registry.get(&blob_path(&digest)).expect(200).expect_body(&bytes);
}

#[test]
fn a_blob_is_the_same_whether_its_file_is_sent_or_copied_kept_open_or_opened_anew() {
    for setting in ["sendfile: true", "sendfile: false", "openfiles: 0", "openfiles: 1"] {
        let registry = Holdfast::configured(&format!("storage: {{ pulls: {{ {setting} }} }}"));
        for size in [5_000, 300_000, (3 << 20) + 7] {
            let bytes = bytes_of(size, size as u64);
            let path = blob_path(&registry.push_blob(REPOSITORY, &bytes));
            let first = size / 3;
            for _ in 0..2 {
                registry.get(&path).expect(200).expect_body(&bytes);
                let rest = Request::get(&path).header("Range", format!("bytes={first}-"));
                registry.send(rest).expect(206).expect_body(&bytes[first..]);
            }
        }
    }
}

#[test]
fn an_unknown_blob_is_404_blob_unknown() {
    let registry = Holdfast::start();
    registry.push_blob(REPOSITORY, "something else");
    let path = blob_path(&sha256("never pushed"));
    registry.get(&path).expect_error(404, "BLOB_UNKNOWN");
    registry.head(&path).expect(404);
}

#[test]
fn a_blob_of_an_unknown_repository_is_404() {
    let registry = Holdfast::start();
    let path = format!("/v2/no/such/repository/blobs/{}", sha256("x"));
    let codes = registry.get(&path).expect(404).error_codes();
    assert!(matches!(codes[0].as_str(), "BLOB_UNKNOWN" | "NAME_UNKNOWN"), "{codes:?}");
    registry.head(&path).expect(404);
}

#[test]
fn a_blob_is_visible_only_in_the_repositories_that_hold_it() {
    let registry = Holdfast::start();
    let digest = registry.push_blob("one/holder", "shared bytes");
    registry.push_blob("another/repository", "other bytes");
    registry.get(&format!("/v2/another/repository/blobs/{digest}")).expect_error(404, "BLOB_UNKNOWN");
    registry.head(&format!("/v2/another/repository/blobs/{digest}")).expect(404);
}

#[test]
fn manifests_are_no_blobs_and_blobs_are_no_manifests() {
    let registry = Holdfast::start();
    let image = registry.push_image(REPOSITORY, "latest", 1);
    registry.get(&blob_path(&image.digest)).expect_error(404, "BLOB_UNKNOWN");
    registry
        .get(&format!("/v2/{REPOSITORY}/manifests/{}", image.layer))
        .expect_error(404, "MANIFEST_UNKNOWN");
}

#[test]
fn a_malformed_or_unsupported_digest_is_400_digest_invalid() {
    let registry = Holdfast::start();
    registry.push_blob(REPOSITORY, "x");
    let upper = sha256("x").to_uppercase().replace("SHA256", "sha256");
    let malformed = [
        "sha256:short".to_owned(),
        upper,
        format!("{}0", sha256("x")),
        format!("sha512:{}", "a".repeat(64)),
        format!("blake3:{}", "a".repeat(128)),
        format!("md5:{}", "a".repeat(32)),
        format!("SHA256:{}", "a".repeat(64)),
        "nocolon".to_owned(),
        "sha256:".to_owned(),
        format!("sha256:{}", "g".repeat(64)),
    ];
    for digest in malformed {
        registry.get(&blob_path(&digest)).expect_error(400, "DIGEST_INVALID");
        registry.head(&blob_path(&digest)).expect(400);
    }
}

#[test]
fn a_percent_encoded_digest_names_the_same_blob() {
    let registry = Holdfast::start();
    let digest = registry.push_blob(REPOSITORY, "encoded");
    let encoded = digest.replace(':', "%3A");
    registry
        .get(&blob_path(&encoded))
        .expect(200)
        .expect_body("encoded")
        .expect_header("Docker-Content-Digest", &digest);
    registry.head(&blob_path(&encoded.replace("%3A", "%3a"))).expect(200);
}

#[test]
fn a_mirror_parameter_and_unknown_parameters_are_ignored() {
    let registry = Holdfast::start();
    let digest = registry.push_blob(REPOSITORY, "mirrored");
    registry.get(&format!("{}?ns=docker.io&x=%20&y", blob_path(&digest))).expect(200).expect_body("mirrored");
}

#[test]
fn a_blob_by_sha512_or_blake3_is_answered_with_that_digest() {
    let registry = Holdfast::start();
    for digest in [sha512("bytes"), blake3("bytes")] {
        registry.start_upload(REPOSITORY).put(&digest, "bytes").expect(201);
        registry
            .get(&blob_path(&digest))
            .expect(200)
            .expect_body("bytes")
            .expect_header("Docker-Content-Digest", &digest)
            .expect_header("ETag", &format!("\"{digest}\""));
    }
}

#[test]
fn if_none_match_with_the_blobs_etag_is_304() {
    let registry = Holdfast::start();
    let digest = registry.push_blob(REPOSITORY, "cached");
    let matching = [
        format!("\"{digest}\""),
        digest.clone(),
        format!("W/\"{digest}\""),
        format!("\"other\", \"{digest}\""),
        "*".to_owned(),
    ];
    for value in matching {
        for request in [Request::get(blob_path(&digest)), Request::head(blob_path(&digest))] {
            let response = registry.send(request.header("If-None-Match", &value)).expect(304);
            assert_eq!(response.header("ETag"), format!("\"{digest}\""));
        }
    }
}

#[test]
fn if_none_match_with_another_etag_is_answered_in_full() {
    let registry = Holdfast::start();
    let digest = registry.push_blob(REPOSITORY, "cached");
    let other = format!("\"{}\"", sha256("other"));
    registry
        .send(Request::get(blob_path(&digest)).header("If-None-Match", other))
        .expect(200)
        .expect_body("cached");
}

#[test]
fn if_none_match_does_not_hide_that_a_blob_is_missing() {
    let registry = Holdfast::start();
    let digest = sha256("missing");
    let request = Request::get(blob_path(&digest)).header("If-None-Match", format!("\"{digest}\""));
    registry.send(request).expect(404);
}

#[test]
fn a_client_that_accepts_compression_gets_the_bytes_as_they_are() {
    let registry = Holdfast::start();
    let bytes = vec![b'a'; 100_000];
    let digest = registry.push_blob(REPOSITORY, &bytes);
    let request = Request::get(blob_path(&digest)).header("Accept-Encoding", "zstd, gzip, deflate, br");
    registry.send(request).expect(200).expect_header("Content-Length", "100000").expect_body(&bytes);
}

#[test]
fn many_clients_read_one_blob_at_once() {
    let registry = Holdfast::start();
    let bytes = bytes_of(2 * 1024 * 1024, 9);
    let digest = registry.push_blob(REPOSITORY, &bytes);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| registry.get(&blob_path(&digest)).expect(200).expect_body(&bytes));
        }
    });
}

#[test]
fn a_reader_that_leaves_in_mid_body_harms_nobody() {
    let registry = Holdfast::start();
    let bytes = bytes_of(8 * 1024 * 1024, 10);
    let digest = registry.push_blob(REPOSITORY, &bytes);
    for _ in 0..4 {
        let mut connection = registry.connect();
        connection.write_request(&Request::get(blob_path(&digest)));
        drop(connection);
    }
    registry.get(&blob_path(&digest)).expect(200).expect_body(&bytes);
}
