//! Limits under load: a client that stalls is answered 408, one too many waits and is then answered 503; neither loses
//! what a client would have to send again for nothing.

use std::time::{Duration, Instant};

use crate::support::{Connection, Holdfast, Request, Upload, bytes_of, sha256};

const REPOSITORY: &str = "team/limits";

/// Sends the head of a request and `sent` of its body, and then nothing.
fn stall(registry: &Holdfast, request: &Request, sent: &[u8]) -> Connection {
    let mut connection = registry.connect();
    connection.write_head(request);
    connection.write(sent);
    connection
}

#[test]
fn a_patch_that_stalls_is_answered_408_and_keeps_what_arrived() {
    let registry = Holdfast::configured("http: {idletimeout: 1s}\n");
    let bytes = bytes_of(200_000, 1);
    let mut upload = registry.start_upload(REPOSITORY);
    let request = Request::patch(&upload.location).announcing(200_000);
    let started = Instant::now();
    stall(&registry, &request, &bytes[..100_000]).read_response(&request).expect(408);
    assert!(started.elapsed() < Duration::from_secs(10), "the answer took {:?}", started.elapsed());
    upload.expect_offset(100_000);
    upload.patch_range("100000-199999", &bytes[100_000..]).expect(202);
    upload.put(&sha256(&bytes), "").expect(201);
}

#[test]
fn a_put_that_stalls_is_answered_408_and_leaves_the_session_where_it_was() {
    let registry = Holdfast::configured("http: {idletimeout: 1s}\n");
    let bytes = bytes_of(300_000, 2);
    let mut upload = registry.start_upload(REPOSITORY);
    upload.patch(&bytes[..1_000]).expect(202);
    let request = Request::put(upload.closing(&sha256(&bytes))).announcing(299_000);
    stall(&registry, &request, &bytes[1_000..200_000]).read_response(&request).expect(408);
    upload.expect_offset(1_000);
    upload.put(&sha256(&bytes), &bytes[1_000..]).expect(201);
}

#[test]
fn a_manifest_and_a_single_post_that_stall_are_answered_408() {
    let registry = Holdfast::configured("http: {idletimeout: 1s}\n");
    let manifest = Request::put(format!("/v2/{REPOSITORY}/manifests/latest"))
        .header("Content-Type", "application/vnd.oci.image.manifest.v1+json")
        .announcing(100);
    let post =
        Request::post(format!("/v2/{REPOSITORY}/blobs/uploads/?digest={}", sha256("x"))).announcing(100);
    for request in [manifest, post] {
        stall(&registry, &request, b"{").read_response(&request).expect(408);
    }
}

#[test]
fn a_slow_client_that_keeps_sending_is_not_cut_off() {
    let registry = Holdfast::configured("http: {idletimeout: 1s}\n");
    let mut upload = registry.start_upload(REPOSITORY);
    let request = Request::patch(&upload.location).announcing(10);
    let mut connection = stall(&registry, &request, b"");
    for byte in b"0123456789" {
        std::thread::sleep(Duration::from_millis(300));
        connection.write(&[*byte]);
    }
    connection.read_response(&request).expect(202).expect_header("Range", "0-9");
    upload.put(&sha256("0123456789"), "").expect(201);
}

/// A registry that receives one body at a time.
fn one_at_a_time() -> Holdfast {
    Holdfast::configured("storage: {uploads: {maxconcurrent: 1}}\nhttp: {waittimeout: 1s}\n")
}

/// A PATCH under way that holds the only place.
fn occupy(registry: &Holdfast, upload: &Upload<'_>) -> (Connection, Request) {
    let request = Request::patch(&upload.location).header("Expect", "100-continue").announcing(10);
    let mut connection = registry.connect();
    connection.write_head(&request);
    assert_eq!(connection.read_interim(), 100);
    connection.write(b"01234");
    (connection, request)
}

#[test]
fn one_upload_too_many_waits_and_is_then_answered_503_with_retry_after() {
    let registry = one_at_a_time();
    let mut first = registry.start_upload(REPOSITORY);
    let mut second = registry.start_upload(REPOSITORY);
    let (mut connection, request) = occupy(&registry, &first);
    let started = Instant::now();
    let response = second.patch("abc").expect_error(503, "UNAVAILABLE");
    assert!(response.header("Retry-After").parse::<u32>().is_ok(), "{response}");
    assert!(started.elapsed() >= Duration::from_millis(900), "it did not wait: {:?}", started.elapsed());
    connection.write(b"56789");
    connection.read_response(&request).expect(202);
    first.put(&sha256("0123456789"), "").expect(201);
    second.expect_offset(0);
    second.put(&sha256("abc"), "abc").expect(201);
}

#[test]
fn one_upload_too_many_is_served_when_a_place_is_free_in_time() {
    let registry = one_at_a_time();
    let first = registry.start_upload(REPOSITORY);
    let mut second = registry.start_upload(REPOSITORY);
    let (mut connection, request) = occupy(&registry, &first);
    std::thread::scope(|scope| {
        scope.spawn(|| second.patch("abc").expect(202));
        std::thread::sleep(Duration::from_millis(300));
        connection.write(b"56789");
        connection.read_response(&request).expect(202);
    });
}

#[test]
fn a_client_over_the_limit_is_not_asked_for_its_body() {
    let registry = one_at_a_time();
    let first = registry.start_upload(REPOSITORY);
    let second = registry.start_upload(REPOSITORY);
    let _occupied = occupy(&registry, &first);
    let request = Request::put(second.closing(&sha256("abc"))).header("Expect", "100-continue").announcing(3);
    let mut connection = registry.connect();
    connection.write_head(&request);
    let response = connection.read_response(&request).expect_error(503, "UNAVAILABLE");
    assert!(response.interim.is_empty(), "{response}");
}

#[test]
fn pulls_go_on_while_uploads_wait() {
    let registry = one_at_a_time();
    let digest = registry.push_blob(REPOSITORY, "readable");
    let upload = registry.start_upload(REPOSITORY);
    let _occupied = occupy(&registry, &upload);
    let started = Instant::now();
    registry.get(&format!("/v2/{REPOSITORY}/blobs/{digest}")).expect(200).expect_body("readable");
    assert!(started.elapsed() < Duration::from_millis(900), "the pull waited {:?}", started.elapsed());
}

#[test]
fn a_busy_registry_never_answers_429() {
    let registry = one_at_a_time();
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let pushes: Vec<_> = (0..8u64)
            .map(|seed| {
                let registry = &registry;
                scope.spawn(move || {
                    let bytes = bytes_of(100_000, seed);
                    registry.start_upload(REPOSITORY).put(&sha256(&bytes), bytes).status
                })
            })
            .collect();
        pushes.into_iter().map(|push| push.join().unwrap()).collect()
    });
    assert!(statuses.iter().all(|status| matches!(status, 201 | 503)), "{statuses:?}");
    assert!(statuses.contains(&201), "{statuses:?}");
}
