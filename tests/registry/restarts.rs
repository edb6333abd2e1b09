//! Stopping, crashing and coming back: what was acknowledged is there, what was half sent goes on from the stated offset
//! or is gone, and nothing is ever wrong.

use std::time::{Duration, Instant};

use crate::support::{
    ALGORITHMS, Algorithm, Holdfast, Image, OCI_IMAGE, Registry, Request, Upload, bytes_of, sha256, to_bytes,
};

const REPOSITORY: &str = "team/restarts";
const MEGABYTE: usize = 1024 * 1024;

#[track_caller]
fn expect_image(registry: &Holdfast, tag: &str, image: &Image) {
    for reference in [tag, image.digest.as_str()] {
        registry
            .get(&format!("/v2/{REPOSITORY}/manifests/{reference}"))
            .expect(200)
            .expect_body(&image.bytes);
    }
    registry.head(&format!("/v2/{REPOSITORY}/blobs/{}", image.layer)).expect(200);
}

fn restart_cleanly(registry: &mut Holdfast) {
    registry.stop();
    registry.start_again();
}

fn restart_after_a_crash(registry: &mut Holdfast) {
    registry.kill();
    registry.start_again();
}

#[test]
fn everything_acknowledged_is_there_after_a_stop_and_after_a_crash() {
    let restarts: [fn(&mut Holdfast); 2] = [restart_cleanly, restart_after_a_crash];
    for restart in restarts {
        let mut registry = Holdfast::start();
        let bytes = bytes_of(3 * MEGABYTE, 1);
        let large = registry.push_blob(REPOSITORY, &bytes);
        let image = registry.push_image(REPOSITORY, "latest", 1);
        let gone = registry.push_image(REPOSITORY, "gone", 2);
        registry.delete(&format!("/v2/{REPOSITORY}/manifests/{}", gone.digest)).expect(202);
        registry.post(&format!("/v2/team/other/blobs/uploads/?mount={large}&from={REPOSITORY}")).expect(201);
        restart(&mut registry);
        expect_image(&registry, "latest", &image);
        assert_eq!(registry.tags(REPOSITORY), ["latest"]);
        registry.get(&format!("/v2/{REPOSITORY}/manifests/{}", gone.digest)).expect(404);
        for repository in [REPOSITORY, "team/other"] {
            registry.get(&format!("/v2/{repository}/blobs/{large}")).expect(200).expect_body(&bytes);
        }
    }
}

#[test]
fn many_restarts_in_a_row_lose_nothing() {
    let mut registry = Holdfast::start();
    let mut images = Vec::new();
    for round in 0..5 {
        images.push(registry.push_image(REPOSITORY, &format!("round-{round}"), round));
        if round % 2 == 0 {
            restart_after_a_crash(&mut registry);
        } else {
            restart_cleanly(&mut registry);
        }
        for (number, image) in images.iter().enumerate() {
            expect_image(&registry, &format!("round-{number}"), image);
        }
    }
}

#[test]
fn a_session_resumes_at_its_offset_after_a_stop() {
    let mut registry = Holdfast::start();
    for (seed, held) in [(3, 10), (4, 70_000), (5, 2 * MEGABYTE)] {
        let bytes = bytes_of(held + 100_000, seed);
        let mut upload = registry.start_upload(REPOSITORY);
        upload.patch(&bytes[..held]).expect(202);
        let location = upload.location.clone();
        restart_cleanly(&mut registry);
        let mut upload = Upload::at(&registry, location);
        upload.expect_offset(held as u64);
        upload.patch_range(&format!("{held}-{}", bytes.len() - 1), &bytes[held..]).expect(202);
        upload.put(&sha256(&bytes), "").expect(201);
        registry.get(&format!("/v2/{REPOSITORY}/blobs/{}", sha256(&bytes))).expect(200).expect_body(&bytes);
    }
}

#[test]
fn a_session_resumes_in_each_algorithm_after_a_stop() {
    let mut registry = Holdfast::start();
    for Algorithm { name, digest: digest_of } in ALGORITHMS {
        let bytes = bytes_of(MEGABYTE + 77, 6);
        let target = format!("/v2/{REPOSITORY}/blobs/uploads/?digest-algorithm={name}");
        let location = registry.post(&target).expect(202).location();
        Upload::at(&registry, location.clone()).patch(&bytes[..500_001]).expect(202);
        restart_cleanly(&mut registry);
        let digest = digest_of(&bytes);
        Upload::at(&registry, location).put(&digest, &bytes[500_001..]).expect(201);
        registry.get(&format!("/v2/{REPOSITORY}/blobs/{digest}")).expect(200).expect_body(&bytes);
    }
}

#[test]
fn a_chunk_under_way_when_the_server_stops_keeps_what_arrived() {
    let mut registry = Holdfast::configured("http: {draintimeout: 1s}\n");
    let bytes = bytes_of(2 * MEGABYTE, 7);
    let location = registry.start_upload(REPOSITORY).location;
    let request = Request::patch(&location).announcing(bytes.len() as u64);
    let mut connection = registry.connect();
    connection.write_head(&request);
    connection.write(&bytes[..MEGABYTE]);
    wait_until_held(&registry, &location, MEGABYTE);
    restart_cleanly(&mut registry);
    drop(connection);
    let mut upload = Upload::at(&registry, location);
    upload.expect_offset(MEGABYTE as u64);
    upload
        .put_range(&sha256(&bytes), &format!("{MEGABYTE}-{}", bytes.len() - 1), &bytes[MEGABYTE..])
        .expect(201);
    registry.get(&format!("/v2/{REPOSITORY}/blobs/{}", sha256(&bytes))).expect(200).expect_body(&bytes);
}

/// Waits until a session under way has taken in this much, as far as its status tells; else gives it a second.
fn wait_until_held(registry: &Holdfast, location: &str, bytes: usize) {
    let deadline = Instant::now() + Duration::from_secs(1);
    while Instant::now() < deadline {
        let status = registry.get(location);
        if status.status == 204 && status.header("Range") == format!("0-{}", bytes - 1) {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The offset that the session states after a crash, or `None` when it is gone. The server says `0-0` for none (and for
/// one byte, which no test here sends).
#[track_caller]
fn offset_after_crash(upload: &Upload<'_>, sent: usize) -> Option<usize> {
    let response = upload.status();
    if response.status == 404 {
        return None;
    }
    let response = response.expect(204);
    let held = response.held_bytes();
    assert!(held <= sent, "the session states more than was sent: {response}");
    Some(held)
}

#[test]
fn after_a_crash_a_session_states_what_it_holds_or_is_gone_and_is_never_wrong() {
    for (seed, sent) in [(10, 50_000), (11, 5 * MEGABYTE)] {
        let mut registry = Holdfast::configured("storage: {uploads: {markinterval: 1MiB}}\n");
        let bytes = bytes_of(6 * MEGABYTE, seed);
        let digest = sha256(&bytes);
        let mut upload = registry.start_upload(REPOSITORY);
        upload.patch(&bytes[..sent]).expect(202);
        let location = upload.location.clone();
        restart_after_a_crash(&mut registry);
        let mut upload = Upload::at(&registry, location);
        match offset_after_crash(&upload, sent) {
            Some(held) => {
                let range = format!("{held}-{}", bytes.len() - 1);
                upload.put_range(&digest, &range, &bytes[held..]).expect(201);
            }
            None => {
                registry.push_blob(REPOSITORY, &bytes);
            }
        }
        registry.get(&format!("/v2/{REPOSITORY}/blobs/{digest}")).expect(200).expect_body(&bytes);
    }
}

#[test]
fn a_crash_in_mid_chunk_leaves_a_session_that_is_right_or_gone() {
    let mut registry = Holdfast::configured("storage: {uploads: {markinterval: 1MiB}}\n");
    let bytes = bytes_of(8 * MEGABYTE, 12);
    let digest = sha256(&bytes);
    let location = registry.start_upload(REPOSITORY).location;
    let mut connection = registry.connect();
    connection.write_head(&Request::patch(&location).announcing(bytes.len() as u64));
    connection.write(&bytes[..5 * MEGABYTE]);
    restart_after_a_crash(&mut registry);
    drop(connection);
    registry.get(&format!("/v2/{REPOSITORY}/blobs/{digest}")).expect(404);
    let mut upload = Upload::at(&registry, location);
    if let Some(held) = offset_after_crash(&upload, 5 * MEGABYTE) {
        upload.put_range(&digest, &format!("{held}-{}", bytes.len() - 1), &bytes[held..]).expect(201);
        registry.get(&format!("/v2/{REPOSITORY}/blobs/{digest}")).expect(200).expect_body(&bytes);
    }
}

#[test]
fn a_crash_while_many_push_loses_nothing_that_was_acknowledged() {
    let mut registry = Holdfast::start();
    for round in 0..3 {
        let acknowledged = push_until_killed(&mut registry, round);
        registry.start_again();
        for (digest, seed) in &acknowledged {
            let response = registry.get(&format!("/v2/{REPOSITORY}/blobs/{digest}")).expect(200);
            response.expect_body(bytes_of(20_000, *seed));
        }
    }
}

/// Four clients push blobs of their own until the server is killed; gives what was answered 201, with the seeds.
fn push_until_killed(registry: &mut Holdfast, round: u64) -> Vec<(String, u64)> {
    let clients: Vec<_> = (0..4)
        .map(|client| {
            let shared = (**registry).clone();
            std::thread::spawn(move || push_while_it_lasts(&shared, round * 1_000_000 + client * 10_000))
        })
        .collect();
    std::thread::sleep(Duration::from_millis(300));
    registry.kill();
    clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
}

/// Single POSTs over connections of their own, until one is not answered.
fn push_while_it_lasts(registry: &Registry, first_seed: u64) -> Vec<(String, u64)> {
    let mut acknowledged = Vec::new();
    for seed in first_seed..first_seed + 10_000 {
        let bytes = bytes_of(20_000, seed);
        let digest = sha256(&bytes);
        let target = format!("/v2/{REPOSITORY}/blobs/uploads/?digest={digest}");
        match registry.try_send(&Request::post(target).body(bytes)) {
            Some(201) => acknowledged.push((digest, seed)),
            Some(status) => panic!("a push was answered {status}"),
            None => break,
        }
    }
    acknowledged
}

#[test]
fn a_cancelled_session_and_a_deleted_blob_stay_gone() {
    let mut registry = Holdfast::start();
    let digest = registry.push_blob(REPOSITORY, "deleted");
    registry.push_blob(REPOSITORY, "kept");
    registry.delete(&format!("/v2/{REPOSITORY}/blobs/{digest}")).expect(202);
    let mut upload = registry.start_upload(REPOSITORY);
    upload.patch("cancelled").expect(202);
    upload.cancel().expect(204);
    let location = upload.location.clone();
    restart_after_a_crash(&mut registry);
    registry.get(&format!("/v2/{REPOSITORY}/blobs/{digest}")).expect(404);
    registry.get(&format!("/v2/{REPOSITORY}/blobs/{}", sha256("kept"))).expect(200);
    Upload::at(&registry, location).status().expect_error(404, "BLOB_UPLOAD_UNKNOWN");
}

#[test]
fn a_crash_leaves_all_the_tags_of_a_push_or_none() {
    let mut registry = Holdfast::start();
    let manifest = registry.push_image_blobs(REPOSITORY, 1);
    let shared = (*registry).clone();
    let client = std::thread::spawn(move || tag_while_it_lasts(&shared, &to_bytes(&manifest)));
    std::thread::sleep(Duration::from_millis(200));
    registry.kill();
    let acknowledged = client.join().unwrap();
    registry.start_again();
    let tags = if acknowledged == 0 { Vec::new() } else { registry.tags(REPOSITORY) };
    assert!(
        tags.len() == acknowledged * 3 || tags.len() == (acknowledged + 1) * 3,
        "{acknowledged}: {tags:?}"
    );
}

/// Pushes of one manifest under three tags each, until one is not answered; how many were.
fn tag_while_it_lasts(registry: &Registry, manifest: &[u8]) -> usize {
    let pushed = |round: &usize| {
        let tags = format!("tag=a-{round}&tag=b-{round}&tag=c-{round}");
        let target = format!("/v2/{REPOSITORY}/manifests/{}?{tags}", sha256(manifest));
        let request = Request::put(target).header("Content-Type", OCI_IMAGE).body(manifest);
        registry.try_send(&request) == Some(201)
    };
    (0..100_000).take_while(pushed).count()
}
