//! Errors: JSON in the specification's shape, always, on every path; unknown routes and methods; OPTIONS.

use crate::support::{Holdfast, Request, Response, sha256};

/// One path of each route, and the methods that it takes.
fn routes() -> Vec<(String, Vec<&'static str>)> {
    let digest = sha256("x");
    vec![
        ("/v2/".to_owned(), vec!["GET", "HEAD"]),
        ("/v2/_catalog".to_owned(), vec!["GET", "HEAD"]),
        ("/v2/a/b/tags/list".to_owned(), vec!["GET", "HEAD"]),
        (format!("/v2/a/b/referrers/{digest}"), vec!["GET", "HEAD"]),
        ("/v2/a/b/manifests/latest".to_owned(), vec!["GET", "HEAD", "PUT", "DELETE"]),
        (format!("/v2/a/b/manifests/{digest}"), vec!["GET", "HEAD", "PUT", "DELETE"]),
        (format!("/v2/a/b/blobs/{digest}"), vec!["GET", "HEAD", "DELETE"]),
        ("/v2/a/b/blobs/uploads/".to_owned(), vec!["POST"]),
        (
            "/v2/a/b/blobs/uploads/00000000-0000-4000-8000-000000000000".to_owned(),
            vec!["GET", "PATCH", "PUT", "DELETE"],
        ),
    ]
}

/// The methods that `Allow` names.
#[track_caller]
fn allowed(response: &Response) -> Vec<String> {
    response.header("Allow").split(',').map(|method| method.trim().to_owned()).collect()
}

#[test]
fn a_method_that_a_route_does_not_take_is_405_with_allow() {
    let registry = Holdfast::start();
    for (path, methods) in routes() {
        for method in ["GET", "PUT", "POST", "PATCH", "DELETE", "TRACE", "BREW", "get"] {
            if methods.contains(&method) {
                continue;
            }
            let response = registry.send(Request::new(method, &path)).expect_error(405, "UNSUPPORTED");
            let allowed = allowed(&response);
            for method in &methods {
                assert!(allowed.iter().any(|found| found == method), "{method} is missing: {response}");
            }
            assert!(!allowed.iter().any(|found| found == method), "{response}");
        }
    }
}

#[test]
fn options_is_204_with_allow_on_every_route() {
    let registry = Holdfast::start();
    for (path, methods) in routes() {
        let response = registry.send(Request::new("OPTIONS", &path)).expect(204);
        let allowed = allowed(&response);
        for method in methods {
            assert!(allowed.iter().any(|found| found == method), "{method} is missing: {response}");
        }
    }
    registry.send(Request::new("OPTIONS", "/")).expect(204);
}

#[test]
fn an_unknown_route_is_404_in_json() {
    let registry = Holdfast::start();
    for path in [
        "/v1/",
        "/v2/x",
        "/v2/a/b",
        "/v2/a/tags",
        "/v2/a/tags/list/more",
        "/v2/a/manifests",
        "/v2/a/blobs/",
        "/v2/_catalog/more",
        "/v2/a/_oci/ext/discover",
        "/v2/_oci/ext/discover",
        "/v3/",
        "/favicon.ico",
        "/v2x/",
    ] {
        registry.get(path).expect(404);
        registry.head(path).expect(404);
        registry.send(Request::put(path).body("x")).expect(404);
    }
}

#[test]
fn refusals_of_every_kind_say_so_in_the_shape_and_with_a_code_of_the_specification() {
    let registry = Holdfast::start();
    let image = registry.push_image("a/b", "latest", 1);
    let upload = registry.start_upload("a/b");
    let requests = [
        Request::get("/v2/a/b/tags/list?n=x"),
        Request::get("/v2/_catalog?n=-1"),
        Request::get("/v2/A/tags/list"),
        Request::get("/v2/a/b/manifests/.bad"),
        Request::put("/v2/a/b/manifests/.bad").body("{}"),
        Request::get("/v2/a/b/manifests/missing"),
        Request::get(format!("/v2/a/b/blobs/{}", image.layer)).header("Range", "bytes=9999999-"),
        Request::patch(&upload.location).header("Content-Range", "5-9").body("abcde"),
        Request::patch(&upload.location).header("Content-Range", "nonsense").body("abcde"),
        Request::put("/v2/a/b/manifests/latest")
            .header("If-None-Match", "*")
            .header("Content-Type", &image.media_type)
            .body(image.bytes.as_slice()),
        Request::put(format!("/v2/a/b/manifests/{}?{}", image.digest, "tag=t&".repeat(100)))
            .header("Content-Type", &image.media_type)
            .body(image.bytes.as_slice()),
        Request::post("/v2/a/b/blobs/uploads/?digest-algorithm=md5"),
        Request::delete(format!("/v2/a/b/blobs/{}", image.layer)),
        Request::put("/v2/a/b/manifests/large")
            .header("Content-Type", &image.media_type)
            .announcing(5_000_000),
    ];
    for request in requests {
        let response = registry.send(request);
        assert!((400..500).contains(&response.status), "{response}");
    }
}

#[test]
fn errors_name_what_they_are_about() {
    let registry = Holdfast::start();
    registry.push_image("a/b", "latest", 1);
    let digest = sha256("missing");
    let about = [
        (format!("/v2/a/b/blobs/{digest}"), digest.as_str()),
        ("/v2/a/b/manifests/missing-tag".to_owned(), "missing-tag"),
        ("/v2/no/such/tags/list".to_owned(), "no/such"),
    ];
    for (path, thing) in about {
        let response = registry.get(&path).expect(404);
        assert!(response.error_text().contains(thing), "{thing} is not named: {response}");
    }
}

#[test]
fn head_of_an_error_has_the_headers_of_its_get_and_no_body() {
    let registry = Holdfast::start();
    for path in ["/v2/a/b/manifests/latest", "/v2/no/such/route", "/v2/A/manifests/latest"] {
        let got = registry.get(path);
        let head = registry.head(path).expect(got.status);
        assert_eq!(head.header("Content-Type"), got.header("Content-Type"));
        assert!(head.body.is_empty());
    }
}

#[test]
fn configured_headers_are_on_every_response_errors_included() {
    let yaml = "http:\n  headers:\n    X-Content-Type-Options: [nosniff]\n    Access-Control-Allow-Origin: ['https://ui.example.com']\n    X-Twice: [one, two]\n";
    let registry = crate::support::Builder::default()
        .configuration(yaml)
        .expecting_header("X-Content-Type-Options", "nosniff")
        .expecting_header("Access-Control-Allow-Origin", "https://ui.example.com")
        .expecting_header("X-Twice", "one")
        .expecting_header("X-Twice", "two")
        .start();
    let image = registry.push_image("a/b", "latest", 1);
    registry.get("/").expect(200);
    registry.get("/v2/").expect(200);
    registry.head("/v2/a/b/manifests/latest").expect(200);
    registry.get(&format!("/v2/a/b/blobs/{}", image.layer)).expect(200);
    registry.get("/v2/no/such/route").expect(404);
    registry.get("/v2/A/tags/list").expect(400);
    registry.post("/v2/a/b/tags/list").expect(405);
    registry.send(Request::new("OPTIONS", "/v2/a/b/tags/list")).expect(204);
    registry
        .send(
            Request::get("/v2/a/b/manifests/latest").header("If-None-Match", format!("\"{}\"", image.digest)),
        )
        .expect(304);
}
