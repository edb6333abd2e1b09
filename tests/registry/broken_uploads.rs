//! Uploads that break off: what arrived in a PATCH or with a `Content-Range` is kept, a PUT without one is as if it had
//! never been sent, and whatever happened, the session says the truth and can be finished.

use std::time::{Duration, Instant};

use crate::support::{Connection, Holdfast, Request, Upload, bytes_of, sha256};

const REPOSITORY: &str = "team/broken";
const MEGABYTE: usize = 1024 * 1024;

/// Sends the head and the first bytes of a request, and leaves.
fn break_off(registry: &Holdfast, request: &Request, bytes: &[u8]) {
    let mut connection = registry.connect();
    connection.write_head(request);
    connection.write(bytes);
    drop(connection);
}

/// Waits until the session says that it holds `bytes`: the server learns of a broken connection a moment later.
#[track_caller]
fn wait_for_offset(upload: &Upload<'_>, bytes: usize) {
    let range = format!("0-{}", bytes.saturating_sub(1));
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let response = upload.status();
        if response.status == 204 && response.header("Range") == range {
            return;
        }
        assert!(Instant::now() < deadline, "expected the range {range} in answer to {response}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Sends what is missing and reads the blob back.
#[track_caller]
fn finish(registry: &Holdfast, upload: &mut Upload<'_>, bytes: &[u8], held: usize) {
    let digest = sha256(bytes);
    let range = format!("{held}-{}", bytes.len() - 1);
    upload
        .patch_range(&range, &bytes[held..])
        .expect(202)
        .expect_header("Range", &format!("0-{}", bytes.len() - 1));
    upload.put(&digest, "").expect(201);
    registry.get(&format!("/v2/{REPOSITORY}/blobs/{digest}")).expect(200).expect_body(bytes);
}

#[test]
fn a_patch_that_breaks_off_keeps_what_arrived() {
    let registry = Holdfast::start();
    for (seed, sent) in [(1, 1), (2, 1_000), (3, MEGABYTE + 17)] {
        let bytes = bytes_of(2 * MEGABYTE, seed);
        let mut upload = registry.start_upload(REPOSITORY);
        let request = Request::patch(&upload.location).announcing(bytes.len() as u64);
        break_off(&registry, &request, &bytes[..sent]);
        wait_for_offset(&upload, sent);
        if sent > 1 {
            finish(&registry, &mut upload, &bytes, sent);
        }
    }
}

#[test]
fn a_patch_with_a_range_that_breaks_off_keeps_what_arrived() {
    let registry = Holdfast::start();
    let bytes = bytes_of(MEGABYTE, 4);
    let mut upload = registry.start_upload(REPOSITORY);
    upload.patch(&bytes[..1_000]).expect(202);
    let request = Request::patch(&upload.location)
        .header("Content-Range", format!("1000-{}", bytes.len() - 1))
        .announcing(bytes.len() as u64 - 1_000);
    break_off(&registry, &request, &bytes[1_000..500_000]);
    wait_for_offset(&upload, 500_000);
    finish(&registry, &mut upload, &bytes, 500_000);
}

#[test]
fn a_streamed_patch_that_breaks_off_between_or_within_chunks_keeps_what_arrived() {
    let registry = Holdfast::start();
    let bytes = bytes_of(MEGABYTE, 5);
    for within in [false, true] {
        let mut upload = registry.start_upload(REPOSITORY);
        let mut connection = registry.connect();
        connection.write_head(&Request::patch(&upload.location).chunked([""]));
        connection.write(format!("{:x}\r\n", 300_000).as_bytes());
        connection.write(&bytes[..300_000]);
        connection.write(b"\r\n");
        let mut sent = 300_000;
        if within {
            connection.write(format!("{:x}\r\n", 300_000).as_bytes());
            connection.write(&bytes[300_000..400_000]);
            sent = 400_000;
        }
        drop(connection);
        wait_for_offset(&upload, sent);
        finish(&registry, &mut upload, &bytes, sent);
    }
}

#[test]
fn a_put_without_a_range_that_breaks_off_leaves_the_session_where_it_was() {
    let registry = Holdfast::start();
    for (seed, before) in [(6, 0), (7, 1_000), (8, 900_000)] {
        let bytes = bytes_of(3 * MEGABYTE, seed);
        let digest = sha256(&bytes);
        let mut upload = registry.start_upload(REPOSITORY);
        if before > 0 {
            upload.patch(&bytes[..before]).expect(202);
        }
        let rest = &bytes[before..];
        let request = Request::put(upload.closing(&digest)).announcing(rest.len() as u64);
        break_off(&registry, &request, &rest[..2 * MEGABYTE]);
        wait_for_offset(&upload, before);
        upload.put(&digest, rest).expect(201);
        registry.get(&format!("/v2/{REPOSITORY}/blobs/{digest}")).expect(200).expect_body(&bytes);
    }
}

#[test]
fn the_same_put_can_be_repeated_at_once_after_it_broke_off() {
    let registry = Holdfast::start();
    let bytes = bytes_of(2 * MEGABYTE, 9);
    let digest = sha256(&bytes);
    let mut upload = registry.start_upload(REPOSITORY);
    let request = Request::put(upload.closing(&digest)).announcing(bytes.len() as u64);
    break_off(&registry, &request, &bytes[..MEGABYTE]);
    upload.put(&digest, bytes.as_slice()).expect(201);
    registry.get(&format!("/v2/{REPOSITORY}/blobs/{digest}")).expect(200).expect_body(&bytes);
}

#[test]
fn a_put_with_a_range_that_breaks_off_keeps_what_arrived() {
    let registry = Holdfast::start();
    let bytes = bytes_of(2 * MEGABYTE, 10);
    let mut upload = registry.start_upload(REPOSITORY);
    let request = Request::put(upload.closing(&sha256(&bytes)))
        .header("Content-Range", format!("0-{}", bytes.len() - 1))
        .announcing(bytes.len() as u64);
    break_off(&registry, &request, &bytes[..MEGABYTE]);
    wait_for_offset(&upload, MEGABYTE);
    finish(&registry, &mut upload, &bytes, MEGABYTE);
}

#[test]
fn a_single_post_that_breaks_off_leaves_nothing_servable() {
    let registry = Holdfast::start();
    let bytes = bytes_of(MEGABYTE, 11);
    let digest = sha256(&bytes);
    let target = format!("/v2/{REPOSITORY}/blobs/uploads/?digest={digest}");
    break_off(&registry, &Request::post(&target).announcing(bytes.len() as u64), &bytes[..500_000]);
    registry.get(&format!("/v2/{REPOSITORY}/blobs/{digest}")).expect(404);
    registry.get(&format!("/v2/{REPOSITORY}/tags/list")).expect(404);
    registry.send(Request::post(&target).body(bytes.as_slice())).expect(201);
}

#[test]
fn a_body_shorter_than_its_length_leaves_a_resumable_session() {
    let registry = Holdfast::start();
    let bytes = bytes_of(MEGABYTE, 12);
    let mut upload = registry.start_upload(REPOSITORY);
    let request = Request::patch(&upload.location).announcing(bytes.len() as u64);
    let mut connection = registry.connect();
    connection.write_head(&request);
    connection.write(&bytes[..600_000]);
    connection.finish_writing();
    let answer = connection.read_to_end();
    assert!(!answer.starts_with(b"HTTP/1.1 2"), "a short body was taken for a whole one");
    wait_for_offset(&upload, 600_000);
    finish(&registry, &mut upload, &bytes, 600_000);
}

#[test]
fn malformed_chunk_framing_keeps_what_arrived_before_it() {
    let registry = Holdfast::start();
    let bytes = bytes_of(200_000, 13);
    let mut upload = registry.start_upload(REPOSITORY);
    let mut connection = registry.connect();
    connection.write_head(&Request::patch(&upload.location).chunked([""]));
    connection.write(format!("{:x}\r\n", 100_000).as_bytes());
    connection.write(&bytes[..100_000]);
    connection.write(b"\r\nno size\r\n");
    let answer = connection.read_to_end();
    assert!(!answer.starts_with(b"HTTP/1.1 2"), "a malformed body was taken for a whole one");
    wait_for_offset(&upload, 100_000);
    finish(&registry, &mut upload, &bytes, 100_000);
}

#[test]
fn an_upload_that_breaks_off_again_and_again_ends_with_the_right_bytes() {
    let registry = Holdfast::start();
    let bytes = bytes_of(2 * MEGABYTE, 14);
    let digest = sha256(&bytes);
    let mut upload = registry.start_upload(REPOSITORY);
    let mut held = 0;
    for step in [77_777, 1, 300_000, 65_536, 500_001] {
        let range = format!("{held}-{}", bytes.len() - 1);
        let request = Request::patch(&upload.location)
            .header("Content-Range", range)
            .announcing((bytes.len() - held) as u64);
        break_off(&registry, &request, &bytes[held..held + step]);
        held += step;
        wait_for_offset(&upload, held);
    }
    upload.put(&digest, &bytes[held..]).expect(201);
    registry.get(&format!("/v2/{REPOSITORY}/blobs/{digest}")).expect(200).expect_body(&bytes);
}

/// A connection with a PATCH under way that has sent `sent` and then stalls.
fn stalled_patch(registry: &Holdfast, upload: &Upload<'_>, sent: &[u8]) -> Connection {
    let mut connection = registry.connect();
    connection.write_head(&Request::patch(&upload.location).announcing(sent.len() as u64 + 1_000));
    connection.write(sent);
    connection
}

#[test]
fn a_session_that_is_cancelled_while_a_chunk_comes_in_is_gone() {
    let registry = Holdfast::configured("http: {idletimeout: 2s, waittimeout: 1s}\n");
    let upload = registry.start_upload(REPOSITORY);
    let connection = stalled_patch(&registry, &upload, &bytes_of(100_000, 15));
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let status = upload.cancel().status;
        assert!(matches!(status, 204 | 404 | 409 | 503), "cancelling a busy session was answered {status}");
        if status == 204 || status == 404 {
            break;
        }
        assert!(Instant::now() < deadline, "the session could never be cancelled");
        std::thread::sleep(Duration::from_millis(20));
    }
    drop(connection);
    upload.status().expect_error(404, "BLOB_UPLOAD_UNKNOWN");
}

#[test]
fn a_client_that_comes_back_on_a_new_connection_gets_an_answer_although_its_old_one_still_hangs() {
    let registry = Holdfast::configured("http: {idletimeout: 3s, waittimeout: 1s}\n");
    let bytes = bytes_of(101_000, 16);
    let digest = sha256(&bytes);
    let mut upload = registry.start_upload(REPOSITORY);
    let _hanging = stalled_patch(&registry, &upload, &bytes[..100_000]);
    std::thread::sleep(Duration::from_millis(200));
    let deadline = Instant::now() + Duration::from_secs(15);
    while Instant::now() < deadline {
        let status = upload.status();
        if status.status == 204 && status.header("Range") == "0-99999" {
            let answer = upload.patch_range("100000-100999", &bytes[100_000..]);
            if answer.status == 202 {
                upload.put(&digest, "").expect(201);
                registry.get(&format!("/v2/{REPOSITORY}/blobs/{digest}")).expect(200).expect_body(&bytes);
                return;
            }
            assert!(matches!(answer.status, 409 | 416 | 503), "{answer}");
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("the session could not be taken up again");
}
