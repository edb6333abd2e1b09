//! Repository names: what is one, what is none, and names that look like parts of the API.

use crate::support::{Holdfast, Request, bytes_of, sha256};

/// Pushes, lists, reads and deletes an image through every endpoint of the repository.
#[track_caller]
fn live_a_life(registry: &Holdfast, name: &str, tag: &str, seed: u64) {
    let image = registry.push_image(name, tag, seed);
    for reference in [tag, image.digest.as_str()] {
        registry.get(&format!("/v2/{name}/manifests/{reference}")).expect(200).expect_body(&image.bytes);
    }
    registry.get(&format!("/v2/{name}/blobs/{}", image.layer)).expect(200).expect_body(bytes_of(512, seed));
    let list = registry.get(&format!("/v2/{name}/tags/list")).expect(200).json();
    assert_eq!(list, serde_json::json!({"name": name, "tags": [tag]}));
    registry.get(&format!("/v2/{name}/referrers/{}", image.digest)).expect(200);
    let mut upload = registry.start_upload(name);
    assert!(upload.location.starts_with(&format!("/v2/{name}/blobs/uploads/")), "{}", upload.location);
    upload.patch("by chunk").expect(202);
    upload.expect_offset(8);
    let response = upload.put(&sha256("by chunk"), "").expect(201);
    assert_eq!(response.location(), format!("/v2/{name}/blobs/{}", sha256("by chunk")));
    let catalog = registry.get("/v2/_catalog").expect(200).json();
    assert!(catalog["repositories"].as_array().unwrap().contains(&serde_json::json!(name)), "{catalog}");
    registry.delete(&format!("/v2/{name}/manifests/{tag}")).expect(202);
    registry.delete(&format!("/v2/{name}/manifests/{}", image.digest)).expect(202);
    registry.delete(&format!("/v2/{name}/blobs/{}", image.layer)).expect(202);
}

#[test]
fn words_of_the_api_are_legal_names() {
    let registry = Holdfast::start();
    let names = [
        "blobs",
        "uploads",
        "manifests",
        "tags",
        "list",
        "referrers",
        "v2",
        "catalog",
        "blobs/uploads",
        "tags/list",
        "manifests/latest",
        "a/blobs/uploads",
        "a/tags/list",
        "a/manifests/b",
        "a/referrers/b",
        "blobs/uploads/blobs/uploads",
        "v2/a/manifests",
        "uploads/blobs",
    ];
    for (seed, name) in (0..).zip(names) {
        live_a_life(&registry, name, "latest", seed);
    }
}

#[test]
fn words_of_the_api_are_legal_tags() {
    let registry = Holdfast::start();
    let tags = ["list", "manifests", "blobs", "uploads", "tags", "referrers", "v2", "_catalog"];
    for (seed, tag) in (0..).zip(tags) {
        live_a_life(&registry, &format!("repository-{seed}"), tag, seed);
        live_a_life(&registry, &format!("tags/{seed}/manifests"), tag, seed);
    }
}

#[test]
fn a_path_that_could_be_read_in_two_ways_is_read_from_the_right() {
    let registry = Holdfast::start();
    let image = registry.push_image("blobs/uploads", "latest", 1);
    registry.get("/v2/blobs/uploads/manifests/latest").expect(200).expect_body(&image.bytes);
    registry.get(&format!("/v2/blobs/uploads/blobs/{}", image.layer)).expect(200);
    let image = registry.push_image("a/manifests", "tags", 2);
    registry.get("/v2/a/manifests/manifests/tags").expect(200).expect_body(&image.bytes);
    registry.get("/v2/a/manifests/tags/list").expect(200);
}

#[test]
fn every_separator_that_the_grammar_allows_is_legal() {
    let registry = Holdfast::start();
    for (seed, name) in
        (0..).zip(["a.b", "a_b", "a__b", "a-b", "a---b", "0", "0.1/2_3/4__5/6--7", "a/b/c/d/e/f/g/h/i/j"])
    {
        live_a_life(&registry, name, "latest", seed);
    }
}

#[test]
fn a_name_of_255_bytes_is_legal_and_one_of_256_is_not() {
    let registry = Holdfast::start();
    let long = "n".repeat(255);
    live_a_life(&registry, &long, "latest", 1);
    let components = format!("{}/{}", "a".repeat(127), "b".repeat(127));
    live_a_life(&registry, &components, "latest", 2);
    for name in [format!("{long}n"), format!("{components}b"), "n".repeat(10_000)] {
        expect_invalid(&registry, &name);
    }
}

/// The name is refused as `NAME_INVALID` at every endpoint, and the refusal leaves no trace.
#[track_caller]
fn expect_invalid(registry: &Holdfast, name: &str) {
    let digest = sha256("x");
    let requests = [
        Request::get(format!("/v2/{name}/tags/list")),
        Request::get(format!("/v2/{name}/manifests/latest")),
        Request::put(format!("/v2/{name}/manifests/latest")).body("{}"),
        Request::delete(format!("/v2/{name}/manifests/latest")),
        Request::get(format!("/v2/{name}/blobs/{digest}")),
        Request::delete(format!("/v2/{name}/blobs/{digest}")),
        Request::post(format!("/v2/{name}/blobs/uploads/")),
        Request::post(format!("/v2/{name}/blobs/uploads/?digest={digest}")).body("x"),
        Request::get(format!("/v2/{name}/blobs/uploads/00000000-0000-4000-8000-000000000000")),
        Request::get(format!("/v2/{name}/referrers/{digest}")),
    ];
    for request in requests {
        registry.send(request).expect_error(400, "NAME_INVALID");
    }
    registry.head(&format!("/v2/{name}/manifests/latest")).expect(400);
}

#[test]
fn what_the_grammar_does_not_allow_is_name_invalid_and_touches_nothing() {
    let registry = Holdfast::start();
    let names = [
        "A",
        "team/App",
        "a.",
        ".a",
        "a..b",
        "-a",
        "a-",
        "_a",
        "a_",
        "a___b",
        "a._b",
        "a-.b",
        "a//b",
        "/a",
        "a/",
        "a%20b",
        "a:b",
        "a@b",
        "a+b",
        "a~b",
        "_catalog/x",
        "_oci",
        "a/_oci",
        "a,b",
        "a=b",
    ];
    for name in names {
        expect_invalid(&registry, name);
    }
    let catalog = registry.get("/v2/_catalog").expect(200);
    assert_eq!(catalog.json()["repositories"], serde_json::json!([]));
}

#[test]
fn names_that_would_lead_out_of_a_folder_are_name_invalid() {
    let registry = Holdfast::start();
    for name in
        ["..", "a/..", "../a", "a/../b", "a/./b", ".", "%2e%2e", "a%2f..%2fb", "a%2F%2Fb", "..%5Cb", "a%5Cb"]
    {
        expect_invalid(&registry, name);
    }
}

#[test]
fn nul_control_and_other_characters_beyond_ascii_are_name_invalid() {
    let registry = Holdfast::start();
    for name in ["a%00b", "%00", "a%0Ab", "a%0D%0Ab", "a%7F", "%C3%A9", "%E2%98%83", "a%C2%ADb", "%EF%BC%A1"]
    {
        expect_invalid(&registry, name);
    }
}

#[test]
fn a_broken_escape_is_400() {
    let registry = Holdfast::start();
    for name in ["a%ff", "a%zz", "a%", "a%2", "%c3", "a%252Fb"] {
        expect_invalid(&registry, name);
    }
}

#[test]
fn an_escaped_name_is_the_same_name() {
    let registry = Holdfast::start();
    let image = registry.push_image("team/app", "latest", 1);
    for path in [
        "/v2/team%2Fapp/manifests/latest",
        "/v2/t%65am/app/manifests/latest",
        "/v2/team/app/manifests/%6Catest",
    ] {
        registry.get(path).expect(200).expect_body(&image.bytes);
    }
}

#[test]
fn names_that_begin_alike_are_kept_apart() {
    let registry = Holdfast::start();
    let names = ["a", "a/b", "a/b/c", "ab", "a-b", "a.b", "a0"];
    let images: Vec<_> =
        (0..).zip(names).map(|(seed, name)| registry.push_image(name, "latest", seed)).collect();
    for (name, image) in names.iter().zip(&images) {
        registry.get(&format!("/v2/{name}/manifests/latest")).expect(200).expect_body(&image.bytes);
        assert_eq!(registry.tags(name), ["latest"]);
        for other in images.iter().filter(|other| other.digest != image.digest) {
            registry.get(&format!("/v2/{name}/manifests/{}", other.digest)).expect(404);
        }
    }
}
