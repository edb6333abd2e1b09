//! Listing tags: `/v2/<name>/tags/list`, order, pages and links.

use serde_json::json;

use crate::support::{Holdfast, Response};

const REPOSITORY: &str = "team/tags";
const LIST: &str = "/v2/team/tags/tags/list";

/// A registry whose repository has these tags, pushed in this order, all on one image.
fn with_tags(tags: &[&str]) -> Holdfast {
    let registry = Holdfast::start();
    push_tags(&registry, tags);
    registry
}

fn push_tags(registry: &Holdfast, tags: &[&str]) {
    let manifest = registry.push_image_blobs(REPOSITORY, 1);
    for tag in tags {
        registry.push_manifest(REPOSITORY, tag, &manifest);
    }
}

#[track_caller]
fn expect_tags(response: Response, tags: &[&str]) -> Response {
    let response = response.expect(200).expect_header("Content-Type", "application/json");
    assert_eq!(response.json(), json!({"name": REPOSITORY, "tags": tags}));
    response
}

#[test]
fn tags_are_listed_in_ascii_order() {
    let registry = with_tags(&["b", "a10", "a2", "A", "_x", "Z", "a-1", "a.1", "0", "a"]);
    expect_tags(registry.get(LIST), &["0", "A", "Z", "_x", "a", "a-1", "a.1", "a10", "a2", "b"])
        .expect_no_header("Link");
}

#[test]
fn the_tags_of_a_repository_without_tags_are_an_empty_array() {
    let registry = Holdfast::start();
    registry.push_blob(REPOSITORY, "a blob makes a repository");
    expect_tags(registry.get(LIST), &[]);
    registry.push_image(REPOSITORY, "", 1);
    expect_tags(registry.get(LIST), &[]);
}

#[test]
fn the_tags_of_an_unknown_repository_are_404_name_unknown() {
    let registry = Holdfast::start();
    registry.get(LIST).expect_error(404, "NAME_UNKNOWN");
    registry.get(&format!("{LIST}?n=0")).expect_error(404, "NAME_UNKNOWN");
    registry.head(LIST).expect(404);
}

#[test]
fn head_of_a_tag_list_has_its_length() {
    let registry = with_tags(&["a", "b"]);
    let length = registry.get(LIST).expect(200).content_length();
    assert_eq!(registry.head(LIST).expect(200).content_length(), length);
}

#[test]
fn n_limits_the_page_and_the_link_leads_through_all_of_them() {
    let tags = ["a", "b", "c", "d", "e"];
    let registry = with_tags(&tags);
    let first = expect_tags(registry.get(&format!("{LIST}?n=2")), &["a", "b"]);
    let second = expect_tags(registry.get(&first.next_link()), &["c", "d"]);
    let third = expect_tags(registry.get(&second.next_link()), &["e"]);
    third.expect_no_header("Link");
}

#[test]
fn a_page_that_ends_with_the_last_tag_has_no_link() {
    let registry = with_tags(&["a", "b", "c", "d"]);
    expect_tags(registry.get(&format!("{LIST}?n=4")), &["a", "b", "c", "d"]).expect_no_header("Link");
    expect_tags(registry.get(&format!("{LIST}?n=5")), &["a", "b", "c", "d"]).expect_no_header("Link");
    expect_tags(registry.get(&format!("{LIST}?n=2&last=b")), &["c", "d"]).expect_no_header("Link");
}

#[test]
fn last_is_exclusive_and_need_not_exist() {
    let registry = with_tags(&["a", "c", "e"]);
    expect_tags(registry.get(&format!("{LIST}?last=a")), &["c", "e"]);
    expect_tags(registry.get(&format!("{LIST}?last=b")), &["c", "e"]);
    expect_tags(registry.get(&format!("{LIST}?last=e")), &[]);
    expect_tags(registry.get(&format!("{LIST}?last=zzz&n=10")), &[]);
    expect_tags(registry.get(&format!("{LIST}?last=")), &["a", "c", "e"]);
    let page = expect_tags(registry.get(&format!("{LIST}?last=b&n=1")), &["c"]);
    assert!(page.next_link().contains("last=c"), "{page}");
}

#[test]
fn n_of_0_is_an_empty_page_without_a_link() {
    let registry = with_tags(&["a", "b"]);
    expect_tags(registry.get(&format!("{LIST}?n=0")), &[]).expect_no_header("Link");
}

#[test]
fn an_n_that_is_no_number_is_400() {
    let registry = with_tags(&["a"]);
    for n in ["-1", "x", "1.5", "+1", "%201", "0x10", "1e3"] {
        registry.get(&format!("{LIST}?n={n}")).expect(400);
    }
}

#[test]
fn a_very_large_n_is_cut_to_what_a_page_may_hold() {
    let registry = with_tags(&["a", "b"]);
    for n in ["100001", "18446744073709551616", "99999999999999999999999999"] {
        expect_tags(registry.get(&format!("{LIST}?n={n}")), &["a", "b"]).expect_no_header("Link");
    }
    let registry = Holdfast::configured("tags: {maxtags: 2}\n");
    push_tags(&registry, &["a", "b", "c"]);
    let first = expect_tags(registry.get(&format!("{LIST}?n=100")), &["a", "b"]);
    expect_tags(registry.get(&first.next_link()), &["c"]).expect_no_header("Link");
    let first = expect_tags(registry.get(LIST), &["a", "b"]);
    expect_tags(registry.get(&first.next_link()), &["c"]).expect_no_header("Link");
}

#[test]
fn tags_of_a_repository_do_not_run_over_into_its_neighbour() {
    let registry = with_tags(&["a", "b"]);
    let manifest = registry.push_image_blobs("team/tags2", 1);
    registry.push_manifest("team/tags2", "other", &manifest);
    let manifest = registry.push_image_blobs("team/tag", 1);
    registry.push_manifest("team/tag", "other", &manifest);
    expect_tags(registry.get(LIST), &["a", "b"]);
    expect_tags(registry.get(&format!("{LIST}?last=b")), &[]);
}

#[test]
fn a_link_survives_tags_with_every_legal_character() {
    let registry = with_tags(&["A_b.c-1", "A_b.c-2", "_x"]);
    let first = expect_tags(registry.get(&format!("{LIST}?n=1")), &["A_b.c-1"]);
    let second = expect_tags(registry.get(&first.next_link()), &["A_b.c-2"]);
    expect_tags(registry.get(&second.next_link()), &["_x"]);
}

#[test]
fn tags_of_legal_length_and_characters_are_taken_and_others_refused() {
    let registry = Holdfast::start();
    let manifest = registry.push_image_blobs(REPOSITORY, 1);
    let longest = "t".repeat(128);
    let legal = [longest.as_str(), "_", "0", "A.B-C_d", "a..b", "a--b"];
    for tag in legal {
        registry.put_manifest(REPOSITORY, tag, &manifest).expect(201);
        registry.head(&format!("/v2/{REPOSITORY}/manifests/{tag}")).expect(200);
    }
    let too_long = "t".repeat(129);
    for tag in [too_long.as_str(), ".a", "-a", "a%20b", "a%2Bb", "%C3%A9", "a%00", "a@b", "a~b"] {
        registry.put_manifest(REPOSITORY, tag, &manifest).expect(400);
        let status = registry.get(&format!("/v2/{REPOSITORY}/manifests/{tag}")).status;
        assert!(status == 400 || status == 404, "{tag}: {status}");
    }
    assert_eq!(registry.tags(REPOSITORY).len(), legal.len());
}

#[test]
fn tags_differ_by_case() {
    let registry = Holdfast::start();
    let lower = registry.push_image(REPOSITORY, "tag", 1);
    let upper = registry.push_image(REPOSITORY, "TAG", 2);
    registry.get("/v2/team/tags/manifests/tag").expect(200).expect_body(&lower.bytes);
    registry.get("/v2/team/tags/manifests/TAG").expect(200).expect_body(&upper.bytes);
}

#[test]
fn a_deleted_tag_leaves_the_list() {
    let registry = with_tags(&["a", "b", "c"]);
    registry.delete("/v2/team/tags/manifests/b").expect(202);
    expect_tags(registry.get(LIST), &["a", "c"]);
}

#[test]
fn a_thousand_tags_come_in_one_list_when_no_page_is_asked_for() {
    let registry = Holdfast::start();
    let manifest = registry.push_image_blobs(REPOSITORY, 1);
    let digest = registry.push_manifest(REPOSITORY, "t0000", &manifest);
    let names: Vec<_> = (0..1_000).map(|number| format!("t{number:04}")).collect();
    for group in names.chunks(50) {
        let query = group.iter().map(|tag| format!("tag={tag}")).collect::<Vec<_>>().join("&");
        registry.put_manifest(REPOSITORY, &format!("{digest}?{query}"), &manifest).expect(201);
    }
    assert_eq!(registry.tags(REPOSITORY), names);
    let page = registry.get(&format!("{LIST}?n=10&last=t0499")).expect(200);
    assert_eq!(page.json()["tags"][0], json!("t0500"));
}
