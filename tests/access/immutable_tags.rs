//! Tags that do not move.

use super::house::House;
use crate::support::Holdfast;

const IMMUTABLE: &str = "tags: {immutable: [{where: team/**, tags: 'v*'}]}\n";

#[test]
fn an_immutable_tag_stays_where_it_is() {
    let holdfast = Holdfast::configured(IMMUTABLE);
    let first = holdfast.push_image("team/app", "v1", 1);
    let other = holdfast.push_image_blobs("team/app", 2);
    holdfast.put_manifest("team/app", "v1", &other).expect_error(403, "DENIED");
    let digest = holdfast.push_manifest("team/app", "latest", &other);
    holdfast.put_manifest("team/app", &format!("{digest}?tag=v1"), &other).expect_error(403, "DENIED");
    holdfast.delete("/v2/team/app/manifests/v1").expect_error(403, "DENIED");
    holdfast.delete(&format!("/v2/team/app/manifests/{}", first.digest)).expect_error(403, "DENIED");
    holdfast
        .get("/v2/team/app/manifests/v1")
        .expect(200)
        .expect_header("Docker-Content-Digest", &first.digest);
    // A push that is repeated, another tag, and another repository, are nobody's harm.
    holdfast.put_manifest_bytes("team/app", "v1", &first.media_type, first.bytes).expect(201);
    holdfast.put_manifest("team/app", "latest", &other).expect(201);
    holdfast.delete("/v2/team/app/manifests/latest").expect(202);
    holdfast.push_image("other/app", "v1", 3);
    holdfast.push_image("other/app", "v1", 4);
}

#[test]
fn signatures_come_and_go_though_everything_is_immutable() {
    let holdfast = Holdfast::configured("tags: {immutable: [{where: '**', tags: '*'}]}\n");
    let image = holdfast.push_image("app", "v1", 1);
    let signature = format!("{}.sig", image.digest.replace(':', "-"));
    holdfast.push_image("app", &signature, 2);
    holdfast.push_image("app", &signature, 3);
    holdfast.delete(&format!("/v2/app/manifests/{signature}")).expect(202);
    let other = holdfast.push_image_blobs("app", 4);
    holdfast.put_manifest("app", "v1", &other).expect_error(403, "DENIED");
}

#[test]
fn those_whom_a_policy_lets_overwrite_move_it() {
    let house = House::with(&format!(
        "{IMMUTABLE}auth:
  htpasswd: {{path: '{{users}}'}}
  policies:
    - {{who: authenticated, may: [pull, push, delete], where: '**'}}
    - {{who: user:alice, may: overwrite, where: '**'}}
"
    ));
    let (alice, bob) = (house.as_user("alice"), house.as_user("bob"));
    bob.push_image("team/app", "v1", 1);
    let other = bob.push_image_blobs("team/app", 2);
    bob.put_manifest("team/app", "v1", &other).expect_error(403, "DENIED");
    alice.put_manifest("team/app", "v1", &other).expect(201);
    bob.delete("/v2/team/app/manifests/v1").expect_error(403, "DENIED");
    alice.delete("/v2/team/app/manifests/v1").expect(202);
}

#[test]
fn of_two_who_set_an_immutable_tag_at_once_one_wins() {
    let holdfast = Holdfast::configured(IMMUTABLE);
    let images: Vec<_> = (0..8).map(|seed| holdfast.push_image_blobs("team/app", seed)).collect();
    let answers: Vec<u16> = std::thread::scope(|scope| {
        let pushes: Vec<_> = images
            .iter()
            .map(|image| scope.spawn(|| holdfast.put_manifest("team/app", "v1", image).status))
            .collect();
        pushes.into_iter().map(|push| push.join().unwrap()).collect()
    });
    assert_eq!(answers.iter().filter(|status| **status == 201).count(), 1, "{answers:?}");
    assert_eq!(answers.iter().filter(|status| **status == 403).count(), 7, "{answers:?}");
}
