//! URLs that the registry states: paths by default, so that any proxy may stand before it; `http.host` and `http.prefix`
//! where they are set.

use crate::support::{Holdfast, OCI_INDEX, Request, index, sha256, to_bytes};

/// The `Location` of each kind of answer that has one, for a registry whose API begins at `base`.
fn stated_locations(registry: &Holdfast, base: &str) -> Vec<String> {
    let post = registry.post(&format!("{base}/v2/a/b/blobs/uploads/")).expect(202);
    let session = path_of(post.header("Location"));
    let patch = registry.send(Request::patch(&session).body("some ")).expect(202);
    let status = registry.get(&session).expect(204);
    let refused =
        registry.send(Request::patch(&session).header("Content-Range", "1-1").body("x")).expect(416);
    let digest = sha256("some bytes");
    let put = registry.send(Request::put(format!("{session}?digest={digest}")).body("bytes")).expect(201);
    let mount = registry.post(&format!("{base}/v2/c/blobs/uploads/?mount={digest}&from=a/b")).expect(201);
    let pushed = registry.send(push_of_an_empty_index(&format!("{base}/v2/a/b/manifests/latest")));
    let responses = [post, patch, status, refused, put, mount, pushed.expect(201)];
    responses.iter().map(|response| response.header("Location").to_owned()).collect()
}

fn push_of_an_empty_index(target: &str) -> Request {
    Request::put(target).header("Content-Type", OCI_INDEX).body(to_bytes(&index(&[])))
}

/// The path of a `Location` that may be absolute: what a client behind the proxy would ask this server for.
fn path_of(location: &str) -> String {
    match location.split_once("://") {
        Some((_scheme, rest)) => rest[rest.find('/').unwrap()..].to_owned(),
        None => location.to_owned(),
    }
}

#[track_caller]
fn expect_all_begin_with(locations: &[String], beginning: &str) {
    for location in locations {
        assert!(location.starts_with(beginning), "{location} does not begin with {beginning}");
    }
}

#[test]
fn locations_are_paths_by_default_whatever_host_was_asked() {
    let registry = Holdfast::start();
    expect_all_begin_with(&stated_locations(&registry, ""), "/v2/");
    let request = Request::post("/v2/a/b/blobs/uploads/")
        .header("Host", "registry.example.com")
        .header("X-Forwarded-Proto", "https")
        .header("X-Forwarded-Host", "proxy.example.com");
    assert!(registry.send(request).expect(202).location().starts_with("/v2/a/b/blobs/uploads/"));
}

#[test]
fn locations_are_absolute_with_a_configured_host() {
    let registry = Holdfast::configured("http: {host: 'https://registry.example.com'}\n");
    expect_all_begin_with(&stated_locations(&registry, ""), "https://registry.example.com/v2/");
}

#[test]
fn a_configured_host_may_have_a_port_and_a_slash_at_its_end() {
    let registry = Holdfast::configured("http: {host: 'http://registry.example.com:5000/'}\n");
    expect_all_begin_with(&stated_locations(&registry, ""), "http://registry.example.com:5000/v2/");
}

#[test]
fn locations_are_absolute_and_made_from_the_request_where_the_setting_says_so() {
    let registry = Holdfast::configured("http: {relativeurls: false}\n");
    let own = format!("http://{}/v2/", registry.address);
    expect_all_begin_with(&stated_locations(&registry, ""), &own);
    let request = Request::post("/v2/a/b/blobs/uploads/")
        .header("X-Forwarded-Proto", "https")
        .header("X-Forwarded-Host", "proxy.example.com");
    let response = registry.send(request).expect(202);
    assert!(response.header("Location").starts_with("https://proxy.example.com/v2/a/b/"), "{response}");
}

#[test]
fn a_prefix_stands_before_every_route_and_in_every_location_and_link() {
    for prefix in ["/mirror/oci/", "mirror/oci"] {
        let registry = Holdfast::configured(&format!("http: {{prefix: '{prefix}'}}\n"));
        registry.get("/mirror/oci/v2/").expect(200);
        registry.get("/mirror/oci/v2").expect(200);
        expect_all_begin_with(&stated_locations(&registry, "/mirror/oci"), "/mirror/oci/v2/");
        registry.send(push_of_an_empty_index("/mirror/oci/v2/a/b/manifests/other")).expect(201);
        let page = registry.get("/mirror/oci/v2/a/b/tags/list?n=1").expect(200);
        assert!(page.header("Link").starts_with("</mirror/oci/v2/a/b/tags/list?"), "{page}");
    }
}

#[test]
fn a_host_and_a_prefix_go_together() {
    let registry = Holdfast::configured("http: {host: 'https://registry.example.com', prefix: /oci/}\n");
    expect_all_begin_with(&stated_locations(&registry, "/oci"), "https://registry.example.com/oci/v2/");
}
