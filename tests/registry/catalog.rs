//! Listing repositories: `/v2/_catalog`.

use serde_json::json;

use crate::support::{Holdfast, Response};

#[track_caller]
fn expect_repositories(response: Response, names: &[&str]) -> Response {
    let response = response.expect(200).expect_header("Content-Type", "application/json");
    assert_eq!(response.json(), json!({"repositories": names}));
    response
}

fn with_repositories(names: &[&str]) -> Holdfast {
    let registry = Holdfast::start();
    for name in names {
        registry.push_image(name, "latest", 1);
    }
    registry
}

#[test]
fn the_catalog_of_an_empty_registry_is_an_empty_array() {
    expect_repositories(Holdfast::start().get("/v2/_catalog"), &[]).expect_no_header("Link");
}

#[test]
fn the_catalog_lists_the_repositories_that_have_a_manifest_in_order() {
    let registry = with_repositories(&["b", "a/b", "a", "a-b", "a/b/c", "a0"]);
    registry.push_blob("only/blobs", "x");
    registry.start_upload("only/a/session");
    expect_repositories(registry.get("/v2/_catalog"), &["a", "a-b", "a/b", "a/b/c", "a0", "b"])
        .expect_no_header("Link");
}

#[test]
fn a_repository_leaves_the_catalog_with_its_last_manifest_and_stays_while_it_has_blobs() {
    let registry = Holdfast::start();
    let image = registry.push_image("team/app", "latest", 1);
    registry.delete("/v2/team/app/manifests/latest").expect(202);
    expect_repositories(registry.get("/v2/_catalog"), &["team/app"]);
    registry.delete(&format!("/v2/team/app/manifests/{}", image.digest)).expect(202);
    expect_repositories(registry.get("/v2/_catalog"), &[]);
    registry.get("/v2/team/app/tags/list").expect(200);
    registry.head(&format!("/v2/team/app/blobs/{}", image.layer)).expect(200);
}

#[test]
fn n_and_last_page_through_the_catalog_and_the_link_leads_on() {
    let registry = with_repositories(&["a", "b/c", "d", "e"]);
    let first = expect_repositories(registry.get("/v2/_catalog?n=2"), &["a", "b/c"]);
    let second = expect_repositories(registry.get(&first.next_link()), &["d", "e"]);
    second.expect_no_header("Link");
    expect_repositories(registry.get("/v2/_catalog?last=b%2Fc"), &["d", "e"]);
    expect_repositories(registry.get("/v2/_catalog?last=c&n=1"), &["d"]);
    expect_repositories(registry.get("/v2/_catalog?last=e"), &[]);
    expect_repositories(registry.get("/v2/_catalog?n=0"), &[]).expect_no_header("Link");
}

#[test]
fn an_n_of_the_catalog_that_is_no_number_is_400() {
    let registry = Holdfast::start();
    for n in ["-1", "x", "1.5", "+1"] {
        registry.get(&format!("/v2/_catalog?n={n}")).expect(400);
    }
}

#[test]
fn the_largest_page_of_the_catalog_is_a_setting() {
    let registry = Holdfast::configured("catalog: {maxentries: 2}\n");
    for name in ["a", "b", "c"] {
        registry.push_image(name, "latest", 1);
    }
    let first = expect_repositories(registry.get("/v2/_catalog"), &["a", "b"]);
    expect_repositories(registry.get(&first.next_link()), &["c"]).expect_no_header("Link");
}

#[test]
fn head_of_the_catalog_has_its_length() {
    let registry = with_repositories(&["a"]);
    let length = registry.get("/v2/_catalog").expect(200).content_length();
    assert_eq!(registry.head("/v2/_catalog").expect(200).content_length(), length);
}
