//! How much may be held, and whether anything may change at all.

use std::time::{Duration, Instant};

use crate::support::{Holdfast, OCI_IMAGE, Request, Response, bytes_of, sha256};

const MEGABYTE: usize = 1024 * 1024;

fn quotas(more: &str) -> String {
    format!("storage:\n  {more}\n")
}

/// Whether an answer is the one of a quota, with these words in it.
#[track_caller]
fn expect_denied(response: Response, words: &[&str]) {
    expect_words(&response.expect_error(403, "DENIED"), words);
}

#[track_caller]
fn expect_words(response: &Response, words: &[&str]) {
    let body = String::from_utf8_lossy(&response.body);
    for word in words {
        assert!(body.contains(word), "{word:?} is missing in: {body}");
    }
}

#[test]
fn a_repository_holds_no_more_than_its_quota_and_is_told_before_it_sends_it() {
    let registry = Holdfast::configured(&quotas(
        "quota: {repositories: [{where: 'team/**', size: 3MiB}, {where: team/small, size: 1MiB}]}",
    ));
    registry.push_blob("team/app", bytes_of(2 * MEGABYTE, 1));
    // A body that is announced is refused before it is sent.
    let announced =
        Request::patch(registry.start_upload("team/app").location).announcing(2 * MEGABYTE as u64);
    let mut connection = registry.connect();
    connection.write_head(&announced);
    let words = ["team/app holds 2097152 of the 3145728 bytes", "add 2097152"];
    expect_denied(connection.read_response(&announced), &words);
    let bytes = bytes_of(2 * MEGABYTE, 2);
    let refused = registry.start_upload("team/small").put(&sha256(&bytes), bytes);
    expect_denied(refused, &["team/small holds 0 of the 1048576 bytes"]);
    registry.push_blob("elsewhere", bytes_of(5 * MEGABYTE, 3));
}

#[test]
fn what_is_there_already_can_be_pushed_again_into_a_full_repository() {
    let registry = Holdfast::configured(&quotas("quota: {repositories: [{where: '**', size: 1MiB}]}"));
    let bytes = bytes_of(MEGABYTE, 1);
    let digest = registry.push_blob("team/app", &bytes);
    registry.post(&format!("/v2/other/blobs/uploads/?mount={digest}&from=team/app")).expect(201);
    let image = registry.push_image("third", "v1", 1);
    registry.put_manifest_bytes("third", "v1", OCI_IMAGE, image.bytes).expect(201);
    expect_denied(registry.post("/v2/team/app/blobs/uploads/"), &["team/app"]);
    // What others hold counts here as well.
    let more = registry.push_blob("fourth", bytes_of(MEGABYTE / 2, 2));
    let mount = format!("/v2/other/blobs/uploads/?mount={more}&from=fourth");
    expect_denied(registry.post(&mount), &["other holds 1048576"]);
}

#[test]
fn what_is_deleted_makes_room_in_a_quota() {
    let registry = Holdfast::configured(&quotas("quota: {repositories: [{where: '**', size: 1MiB}]}"));
    let digest = registry.push_blob("team/app", bytes_of(MEGABYTE, 1));
    registry.delete(&format!("/v2/team/app/blobs/{digest}")).expect(202);
    registry.push_blob("team/app", bytes_of(MEGABYTE, 2));
}

#[test]
fn tags_are_bounded_and_one_that_moves_is_no_new_one() {
    let registry = Holdfast::configured(&quotas("quota: {repositories: [{where: '**', tags: 2}]}"));
    let image = registry.push_image("team/app", "one", 1);
    let put = |tag: &str| registry.put_manifest_bytes("team/app", tag, OCI_IMAGE, image.bytes.as_slice());
    put("two").expect(201);
    expect_denied(put("three"), &["team/app holds 2 of the 2 tags", "add 1"]);
    put("two").expect(201);
    registry.delete("/v2/team/app/manifests/one").expect(202);
    put("three").expect(201);
}

#[test]
fn the_registry_as_a_whole_is_bounded_by_what_lies_on_the_disk() {
    let registry = Holdfast::configured(&quotas("quota: {size: 3MiB}"));
    let digest = registry.push_blob("one", bytes_of(2 * MEGABYTE, 1));
    registry.post(&format!("/v2/two/blobs/uploads/?mount={digest}&from=one")).expect(201);
    registry.push_blob("three", bytes_of(2 * MEGABYTE, 1));
    let bytes = bytes_of(2 * MEGABYTE, 2);
    let refused = registry.start_upload("four").put(&sha256(&bytes), bytes);
    expect_denied(refused, &["the registry holds 2097152 of the 3145728 bytes"]);
    registry.push_blob("five", bytes_of(MEGABYTE / 2, 3));
}

#[test]
fn pushes_at_once_do_not_come_past_a_quota_together() {
    let registry = Holdfast::configured(&quotas("quota: {repositories: [{where: '**', size: 1MiB}]}"));
    let pushed: usize = std::thread::scope(|scope| {
        let push = |seed| {
            let registry = (*registry).clone();
            move || {
                let bytes = bytes_of(MEGABYTE / 4, seed);
                let target = format!("/v2/team/app/blobs/uploads/?digest={}", sha256(&bytes));
                registry.send(Request::post(target).body(bytes)).status == 201
            }
        };
        let pushes: Vec<_> = (0..16).map(|seed| scope.spawn(push(seed))).collect();
        pushes.into_iter().map(|push| usize::from(push.join().unwrap())).sum()
    });
    assert_eq!(pushed, 4);
}

#[test]
fn a_quota_is_raised_without_a_restart() {
    let registry = Holdfast::configured(&quotas("quota: {repositories: [{where: '**', tags: 1}]}"));
    let image = registry.push_image("team/app", "one", 1);
    let put = |tag: &str| registry.put_manifest_bytes("team/app", tag, OCI_IMAGE, image.bytes.as_slice());
    expect_denied(put("two"), &["of the 1 tags"]);
    registry.reconfigure(&quotas("quota: {repositories: [{where: '**', tags: 2}]}"));
    wait_until(|| put("two").status == 201);
}

#[test]
fn a_blob_that_is_too_large_is_refused_however_it_comes() {
    let registry = Holdfast::configured(&quotas("uploads: {maxsize: 1MiB}"));
    registry.push_blob("team/app", bytes_of(MEGABYTE, 1));
    let (bytes, mut upload) = (bytes_of(MEGABYTE + 1, 2), registry.start_upload("team/app"));
    let refused = upload.put(&sha256(&bytes), bytes.as_slice()).expect_error(413, "SIZE_INVALID");
    expect_words(&refused, &["1048576 bytes at the most"]);
    upload = registry.start_upload("team/app");
    upload.patch(&bytes[..MEGABYTE]).expect(202);
    upload.patch(&bytes[MEGABYTE..]).expect(413);
}

#[test]
fn a_registry_that_is_read_only_lets_everybody_pull_and_nobody_change_anything() {
    let mut registry = Holdfast::start();
    let image = registry.push_image("team/app", "latest", 1);
    let upload = registry.start_upload("team/app").location;
    registry.stop();
    registry.write_configuration(&quotas("maintenance: {readonly: {enabled: true}}"));
    registry.start_again();
    let manifest = format!("/v2/team/app/manifests/{}", image.digest);
    registry.get("/v2/team/app/manifests/latest").expect(200);
    registry.get(&format!("/v2/team/app/blobs/{}", image.layer)).expect(200);
    registry.get("/v2/_catalog").expect(200);
    for request in [
        Request::post("/v2/team/app/blobs/uploads/"),
        Request::patch(&upload).body(bytes_of(10, 1)),
        Request::put(format!("{upload}?digest={}", image.layer)),
        Request::put(&manifest).header("Content-Type", OCI_IMAGE).body(image.bytes.clone()),
        Request::delete(&manifest),
        Request::delete(format!("/v2/team/app/blobs/{}", image.layer)),
    ] {
        expect_words(&registry.send(request).expect_error(405, "UNSUPPORTED"), &["read-only"]);
    }
    registry.reconfigure(&quotas("maintenance: {readonly: {enabled: false}}"));
    wait_until(|| registry.post("/v2/team/app/blobs/uploads/").status == 202);
}

#[track_caller]
fn wait_until(is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(30), "it never was");
        std::thread::sleep(Duration::from_millis(20));
    }
}
