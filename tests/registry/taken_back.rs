//! Bytes that a session took in and gave up again: they must not come back after a restart, neither as an offset that
//! nobody sent, nor, under the digest of what was sent first, in place of what was sent later.

use std::time::{Duration, Instant};

use crate::support::{Holdfast, Request, Upload, bytes_of, sha256};

const REPOSITORY: &str = "team/taken-back";
const MEGABYTE: usize = 1024 * 1024;

/// A registry that makes sessions durable often, so that short uploads reach many marks.
fn marking_often() -> Holdfast {
    Holdfast::configured("storage: {uploads: {markinterval: 1MiB}}\nhttp: {draintimeout: 2s}\n")
}

/// A PUT without a range that breaks off after five megabytes: the session is as it was before.
fn break_off_a_put(registry: &Holdfast, upload: &Upload<'_>, bytes: &[u8], before: usize) {
    let request = Request::put(upload.closing(&sha256(bytes))).announcing((bytes.len() - before) as u64);
    let mut connection = registry.connect();
    connection.write_head(&request);
    connection.write(&bytes[before..before + 5 * MEGABYTE]);
    drop(connection);
    wait_for_offset(upload, before);
}

/// A chunk that is longer than its range says: refused, and the session is as it was before.
fn send_too_long_a_chunk(upload: &mut Upload<'_>, bytes: &[u8]) {
    let request = Request::patch(&upload.location).header("Content-Range", "0-99");
    upload.send(request.chunked(bytes[..5 * MEGABYTE].chunks(100_000))).expect_error(400, "SIZE_INVALID");
    wait_for_offset(upload, 0);
}

#[track_caller]
fn wait_for_offset(upload: &Upload<'_>, bytes: usize) {
    let range = format!("0-{}", bytes.saturating_sub(1));
    let deadline = Instant::now() + Duration::from_secs(10);
    while upload.status().expect(204).header("Range") != range {
        assert!(Instant::now() < deadline, "the session never went back to {bytes} bytes");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// After a restart, a client that believes the session's word sends the rest of `bytes`; whatever comes of it, their digest
/// never stands for other bytes.
#[track_caller]
fn expect_no_wrong_bytes(registry: &Holdfast, location: String, bytes: &[u8]) {
    let digest = sha256(bytes);
    let mut upload = Upload::at(registry, location);
    let status = upload.status();
    if status.status == 204 {
        let held = status.held_bytes();
        let _answer = upload.put_range(&digest, &format!("{held}-{}", bytes.len() - 1), &bytes[held..]);
    }
    let read = registry.get(&format!("/v2/{REPOSITORY}/blobs/{digest}"));
    assert!(read.status == 404 || read.body == bytes, "{digest} stands for other bytes");
}

/// Bytes are sent and taken back, others are sent in their place, and the server crashes.
#[track_caller]
fn crash_over_other_bytes(send_and_take_back: impl Fn(&Holdfast, &mut Upload<'_>, &[u8])) {
    let mut registry = marking_often();
    let (first, second) = (bytes_of(6 * MEGABYTE, 1), bytes_of(100_000, 2));
    let mut upload = registry.start_upload(REPOSITORY);
    send_and_take_back(&registry, &mut upload, &first);
    upload.patch(second).expect(202).expect_header("Range", "0-99999");
    let location = upload.location;
    registry.kill();
    registry.start_again();
    expect_no_wrong_bytes(&registry, location, &first);
}

#[test]
fn a_put_that_broke_off_does_not_come_back_under_other_bytes_after_a_crash() {
    crash_over_other_bytes(|registry, upload, first| break_off_a_put(registry, upload, first, 0));
}

#[test]
fn a_chunk_that_was_refused_does_not_come_back_under_other_bytes_after_a_crash() {
    crash_over_other_bytes(|_, upload, first| send_too_long_a_chunk(upload, first));
}

#[test]
fn a_put_that_broke_off_can_be_repeated_whole_after_a_restart() {
    for (seed, before, clean) in [(5, 0, true), (6, 0, false), (7, 70_000, true), (8, 70_000, false)] {
        let mut registry = marking_often();
        let bytes = bytes_of(6 * MEGABYTE, seed);
        let digest = sha256(&bytes);
        let mut upload = registry.start_upload(REPOSITORY);
        if before > 0 {
            upload.patch(&bytes[..before]).expect(202);
        }
        break_off_a_put(&registry, &upload, &bytes, before);
        let location = upload.location;
        if clean {
            registry.stop();
        } else {
            registry.kill();
        }
        registry.start_again();
        let mut upload = Upload::at(&registry, location);
        match upload.put(&digest, &bytes[before..]).status {
            201 => drop(
                registry.get(&format!("/v2/{REPOSITORY}/blobs/{digest}")).expect(200).expect_body(&bytes),
            ),
            status => assert_eq!(status, 404, "neither taken up nor gone"),
        }
    }
}

#[test]
fn a_put_that_a_crash_broke_off_can_be_repeated_whole() {
    let mut registry = marking_often();
    let bytes = bytes_of(6 * MEGABYTE, 9);
    let digest = sha256(&bytes);
    let location = registry.start_upload(REPOSITORY).location;
    let target = Upload::at(&registry, location.clone()).closing(&digest);
    let mut connection = registry.connect();
    connection.write_head(&Request::put(target).announcing(bytes.len() as u64));
    connection.write(&bytes[..5 * MEGABYTE]);
    std::thread::sleep(Duration::from_millis(500));
    registry.kill();
    registry.start_again();
    let mut upload = Upload::at(&registry, location);
    let status = upload.put(&digest, bytes.as_slice()).status;
    assert!(matches!(status, 201 | 404), "neither taken up nor gone: {status}");
}

#[test]
fn a_single_post_that_breaks_off_leaves_no_session_behind() {
    let registry = Holdfast::start();
    let bytes = bytes_of(3 * MEGABYTE, 10);
    let target = format!("/v2/{REPOSITORY}/blobs/uploads/?digest={}", sha256(&bytes));
    let mut connection = registry.connect();
    connection.write_head(&Request::post(target).announcing(bytes.len() as u64));
    connection.write(&bytes[..2 * MEGABYTE]);
    std::thread::sleep(Duration::from_millis(200));
    drop(connection);
    let files = || std::fs::read_dir(registry.root().join("uploads")).unwrap().count();
    let deadline = Instant::now() + Duration::from_secs(5);
    while files() > 0 {
        assert!(Instant::now() < deadline, "what it sent still takes up room");
        std::thread::sleep(Duration::from_millis(20));
    }
}
