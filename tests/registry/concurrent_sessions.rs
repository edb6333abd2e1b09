//! Two requests on one session at once, and two sessions for one blob: nothing mixes, nobody loses what was acknowledged.

use crate::support::{Holdfast, Request, bytes_of, sha256};

const REPOSITORY: &str = "team/concurrent";

#[test]
fn two_chunks_for_the_same_place_at_once_are_taken_once() {
    let registry = Holdfast::start();
    let upload = registry.start_upload(REPOSITORY);
    let chunks = [bytes_of(1_000_000, 3), bytes_of(1_000_000, 4)];
    let send = |chunk: &[u8]| {
        let request = Request::patch(&upload.location).header("Content-Range", "0-999999").body(chunk);
        registry.send(request).status
    };
    let statuses = std::thread::scope(|scope| {
        let second = scope.spawn(|| send(&chunks[1]));
        [send(&chunks[0]), second.join().unwrap()]
    });
    let taken: Vec<_> = (0..2).filter(|number| statuses[*number] == 202).collect();
    assert_eq!(taken.len(), 1, "{statuses:?}");
    assert!(statuses.iter().all(|status| matches!(status, 202 | 409 | 416 | 503)), "{statuses:?}");
    let digest = sha256(&chunks[taken[0]]);
    registry.send(Request::put(upload.closing(&digest))).expect(201);
    registry.get(&format!("/v2/{REPOSITORY}/blobs/{digest}")).expect(200).expect_body(&chunks[taken[0]]);
}

#[test]
fn two_streams_into_one_session_at_once_do_not_mix() {
    let registry = Holdfast::start();
    let upload = registry.start_upload(REPOSITORY);
    let chunks = [bytes_of(1_000_000, 5), bytes_of(700_000, 6)];
    let send = |chunk: &[u8]| registry.send(Request::patch(&upload.location).chunked(chunk.chunks(10_000)));
    let answers = std::thread::scope(|scope| {
        let second = scope.spawn(|| send(&chunks[1]));
        [send(&chunks[0]), second.join().unwrap()]
    });
    let mut taken: Vec<(usize, &[u8])> = answers
        .iter()
        .zip(&chunks)
        .filter(|(answer, _)| answer.status == 202)
        .map(|(answer, chunk)| (answer.held_bytes(), chunk.as_slice()))
        .collect();
    taken.sort_by_key(|(end, _)| *end);
    assert!(!taken.is_empty(), "neither was taken: {} {}", answers[0], answers[1]);
    let bytes = taken.iter().map(|(_, chunk)| *chunk).collect::<Vec<_>>().concat();
    let digest = sha256(&bytes);
    registry.send(Request::put(upload.closing(&digest))).expect(201);
    registry.get(&format!("/v2/{REPOSITORY}/blobs/{digest}")).expect(200).expect_body(&bytes);
}

#[test]
fn a_session_that_is_closed_twice_at_once_is_closed_once() {
    let registry = Holdfast::start();
    let mut upload = registry.start_upload(REPOSITORY);
    let bytes = bytes_of(500_000, 7);
    let digest = sha256(&bytes);
    upload.patch(bytes.as_slice()).expect(202);
    let close = || registry.send(Request::put(upload.closing(&digest))).status;
    let statuses = std::thread::scope(|scope| {
        let second = scope.spawn(close);
        [close(), second.join().unwrap()]
    });
    assert!(statuses.contains(&201), "{statuses:?}");
    assert!(statuses.iter().all(|status| matches!(status, 201 | 404 | 409 | 503)), "{statuses:?}");
    registry.get(&format!("/v2/{REPOSITORY}/blobs/{digest}")).expect(200).expect_body(&bytes);
}
