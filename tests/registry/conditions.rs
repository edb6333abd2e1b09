//! Pushing a tag only if it is still what the client saw: `If-Match`, and `If-None-Match: *` for one that must not exist.

use serde_json::Value;

use crate::support::{Holdfast, Image, Request, Response, sha256, to_bytes};

const REPOSITORY: &str = "team/conditions";
const TAG: &str = "/v2/team/conditions/manifests/latest";

#[track_caller]
fn put(registry: &Holdfast, manifest: &Value, condition: &str, value: &str) -> Response {
    let kind = manifest["mediaType"].as_str().unwrap();
    let request =
        Request::put(TAG).header("Content-Type", kind).header(condition, value).body(to_bytes(manifest));
    registry.send(request)
}

#[track_caller]
fn expect_current(registry: &Holdfast, image: &Image) {
    registry.get(TAG).expect(200).expect_body(&image.bytes);
}

fn etag(image: &Image) -> String {
    format!("\"{}\"", image.digest)
}

#[test]
fn if_match_moves_a_tag_that_is_still_what_the_client_saw() {
    let registry = Holdfast::start();
    let old = registry.push_image(REPOSITORY, "latest", 1);
    let new = registry.push_image_blobs(REPOSITORY, 2);
    put(&registry, &new, "If-Match", &etag(&old)).expect(201);
    registry.get(TAG).expect(200).expect_body(to_bytes(&new));
}

#[test]
fn if_match_is_412_for_a_tag_that_moved_and_changes_nothing() {
    let registry = Holdfast::start();
    let seen = registry.push_image(REPOSITORY, "latest", 1);
    let current = registry.push_image(REPOSITORY, "latest", 2);
    let new = registry.push_image_blobs(REPOSITORY, 3);
    put(&registry, &new, "If-Match", &etag(&seen)).expect(412);
    expect_current(&registry, &current);
    registry.get(&format!("/v2/{REPOSITORY}/manifests/{}", sha256(to_bytes(&new)))).expect(404);
}

#[test]
fn if_match_is_412_for_a_tag_that_does_not_exist() {
    let registry = Holdfast::start();
    let manifest = registry.push_image_blobs(REPOSITORY, 1);
    for value in ["*", &format!("\"{}\"", sha256("x"))] {
        put(&registry, &manifest, "If-Match", value).expect(412);
    }
    registry.get(TAG).expect(404);
}

#[test]
fn if_match_takes_a_list_and_a_star() {
    let registry = Holdfast::start();
    let old = registry.push_image(REPOSITORY, "latest", 1);
    let new = registry.push_image_blobs(REPOSITORY, 2);
    put(&registry, &new, "If-Match", &format!("\"other\", {}", etag(&old))).expect(201);
    put(&registry, &new, "If-Match", "*").expect(201);
}

#[test]
fn if_none_match_star_makes_a_tag_that_does_not_exist() {
    let registry = Holdfast::start();
    let manifest = registry.push_image_blobs(REPOSITORY, 1);
    put(&registry, &manifest, "If-None-Match", "*").expect(201);
    registry.get(TAG).expect(200);
}

#[test]
fn if_none_match_star_is_412_for_a_tag_that_exists_and_changes_nothing() {
    let registry = Holdfast::start();
    let current = registry.push_image(REPOSITORY, "latest", 1);
    let manifest = registry.push_image_blobs(REPOSITORY, 2);
    put(&registry, &manifest, "If-None-Match", "*").expect(412);
    expect_current(&registry, &current);
}

#[test]
fn of_several_clients_that_make_a_tag_at_once_one_wins() {
    let registry = Holdfast::start();
    let manifests: Vec<_> = (0..6).map(|seed| registry.push_image_blobs(REPOSITORY, seed)).collect();
    let statuses = std::thread::scope(|scope| {
        let attempts: Vec<_> = manifests
            .iter()
            .map(|manifest| scope.spawn(|| put(&registry, manifest, "If-None-Match", "*").status))
            .collect();
        attempts.into_iter().map(|attempt| attempt.join().unwrap()).collect::<Vec<_>>()
    });
    let winners: Vec<_> = statuses.iter().zip(&manifests).filter(|(status, _)| **status == 201).collect();
    assert_eq!(winners.len(), 1, "{statuses:?}");
    assert!(statuses.iter().all(|status| matches!(status, 201 | 412)), "{statuses:?}");
    registry.get(TAG).expect(200).expect_body(to_bytes(winners[0].1));
}

#[test]
fn of_several_clients_that_move_a_tag_at_once_one_wins() {
    let registry = Holdfast::start();
    let seen = registry.push_image(REPOSITORY, "latest", 100);
    let manifests: Vec<_> = (0..6).map(|seed| registry.push_image_blobs(REPOSITORY, seed)).collect();
    let wins = std::thread::scope(|scope| {
        let attempts: Vec<_> = manifests
            .iter()
            .map(|manifest| scope.spawn(|| put(&registry, manifest, "If-Match", &etag(&seen)).status))
            .collect();
        attempts.into_iter().map(|attempt| attempt.join().unwrap()).filter(|status| *status == 201).count()
    });
    assert_eq!(wins, 1);
}

#[test]
fn if_match_deletes_a_tag_only_while_it_is_what_the_client_saw() {
    let registry = Holdfast::start();
    let seen = registry.push_image(REPOSITORY, "latest", 1);
    let current = registry.push_image(REPOSITORY, "latest", 2);
    registry.send(Request::delete(TAG).header("If-Match", etag(&seen))).expect(412);
    expect_current(&registry, &current);
    registry.send(Request::delete(TAG).header("If-Match", etag(&current))).expect(202);
    registry.get(TAG).expect(404);
}
