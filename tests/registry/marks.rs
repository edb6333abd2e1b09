//! The marks from which an upload goes on after a crash: they never vouch for bytes that were taken back, and they follow
//! what has come in however it was cut into requests.

use std::time::{Duration, Instant};

use crate::support::{Holdfast, Registry, Request, Upload, bytes_of, sha256};

const REPOSITORY: &str = "team/marks";
const MEGABYTE: usize = 1024 * 1024;

fn start() -> Holdfast {
    Holdfast::configured("storage: {uploads: {markinterval: 1MiB}}\n")
}

/// Sends the beginning of a request's body, and leaves once the server has made some of it durable.
fn break_off(registry: &Holdfast, request: &Request, bytes: &[u8]) {
    let mut connection = registry.connect();
    connection.write_head(request);
    connection.write(bytes);
    std::thread::sleep(Duration::from_millis(500));
}

#[track_caller]
fn wait_for_range(upload: &Upload<'_>, range: &str) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while upload.status().expect(204).header("Range") != range {
        assert!(Instant::now() < deadline, "expected the range {range} in answer to {}", upload.status());
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// What the session says that it holds; `None` if it is gone.
fn offset(registry: &Registry, location: &str) -> Option<usize> {
    let response = registry.get(location);
    (response.status == 204).then(|| match response.header("Range").split_once('-') {
        Some(("0", "0")) => 0,
        range => range.and_then(|(_, last)| last.parse::<usize>().ok()).unwrap() + 1,
    })
}

#[test]
fn a_crash_does_not_bring_back_bytes_that_a_broken_put_has_taken_back() {
    for before in [0, 300_000] {
        let mut registry = start();
        let first = bytes_of(6 * MEGABYTE, 1);
        let other = bytes_of(500_000, 2);
        let mut upload = registry.start_upload(REPOSITORY);
        if before > 0 {
            upload.patch(&first[..before]).expect(202);
        }
        let location = upload.location.clone();
        let rest = &first[before..];
        let request = Request::put(upload.closing(&sha256(&first))).announcing(rest.len() as u64);
        break_off(&registry, &request, &rest[..5 * MEGABYTE]);
        wait_for_range(&upload, &format!("0-{}", before.saturating_sub(1)));
        upload.patch(other.as_slice()).expect(202);
        registry.kill();
        registry.start_again();
        // Whoever goes on from where the session says it stands gets what was pushed, or an error.
        let Some(held) = offset(&registry, &location) else { continue };
        assert!(held <= before, "{held} bytes are held of a PUT that was taken back to {before}");
        let digest = sha256(&first);
        Upload::at(&registry, location).put_range(
            &digest,
            &format!("{held}-{}", first.len() - 1),
            &first[held..],
        );
        let pulled = registry.get(&format!("/v2/{REPOSITORY}/blobs/{digest}"));
        assert!(pulled.status == 404 || pulled.body == first, "the blob is not what its digest says");
    }
}

#[test]
fn what_came_in_many_small_chunks_outlives_a_crash_but_for_the_last_of_it() {
    let mut registry = start();
    let bytes = bytes_of(6 * MEGABYTE, 3);
    let mut upload = registry.start_upload(REPOSITORY);
    for chunk in bytes.chunks(300_000) {
        upload.patch(chunk).expect(202);
    }
    let location = upload.location.clone();
    registry.kill();
    registry.start_again();
    let held = offset(&registry, &location).expect("the session goes on");
    assert!(held >= 4 * MEGABYTE, "{held} bytes are left");
    let digest = sha256(&bytes);
    let range = format!("{held}-{}", bytes.len() - 1);
    Upload::at(&registry, location).put_range(&digest, &range, &bytes[held..]).expect(201);
    registry.get(&format!("/v2/{REPOSITORY}/blobs/{digest}")).expect(200).expect_body(&bytes);
}

#[test]
fn a_push_in_one_request_that_breaks_off_leaves_nothing() {
    let registry = start();
    let bytes = bytes_of(4 * MEGABYTE, 4);
    let target = format!("/v2/{REPOSITORY}/blobs/uploads/?digest={}", sha256(&bytes));
    let request = Request::post(target).announcing(bytes.len() as u64);
    break_off(&registry, &request, &bytes[..3 * MEGABYTE]);
    let deadline = Instant::now() + Duration::from_secs(10);
    let left = || std::fs::read_dir(registry.root().join("uploads")).unwrap().count();
    while left() > 0 {
        assert!(Instant::now() < deadline, "the upload's file is still there");
        std::thread::sleep(Duration::from_millis(10));
    }
}
