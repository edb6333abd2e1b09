//! HTTP itself: connections that are kept, pipelined and closed, `Expect: 100-continue`, HTTP/1.0, odd but legal requests,
//! and refusals that arrive although the client still sends.

use std::time::Duration;

use crate::support::{Holdfast, Request, bytes_of, sha256};

const REPOSITORY: &str = "team/http";

#[test]
fn a_connection_serves_one_request_after_another() {
    let registry = Holdfast::start();
    let mut connection = registry.connect();
    let post = connection.send(&Request::post(format!("/v2/{REPOSITORY}/blobs/uploads/"))).expect(202);
    let digest = sha256("blob");
    connection.send(&Request::patch(post.location()).chunked(["bl", "ob"])).expect(202);
    connection.send(&Request::put(format!("{}?digest={digest}", post.location()))).expect(201);
    let path = format!("/v2/{REPOSITORY}/blobs/{digest}");
    connection.send(&Request::head(&path)).expect(200);
    connection.send(&Request::get("/v2/no/such/manifests/x")).expect(404);
    connection.send(&Request::get(&path).header("If-None-Match", format!("\"{digest}\""))).expect(304);
    connection.send(&Request::get(&path).header("Range", "bytes=1-2")).expect(206).expect_body("lo");
    connection.send(&Request::get(&path)).expect(200).expect_body("blob");
    connection.send(&Request::delete(&path)).expect(202);
    connection.expect_end();
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let registry = Holdfast::start();
    let requests: Vec<_> = (0..5u64)
        .map(|seed| {
            let digest = registry.push_blob(REPOSITORY, bytes_of(1_000, seed));
            Request::get(format!("/v2/{REPOSITORY}/blobs/{digest}"))
        })
        .collect();
    let mut connection = registry.connect();
    for request in &requests {
        connection.write_request(request);
    }
    for (seed, request) in (0..).zip(&requests) {
        connection.read_response(request).expect(200).expect_body(bytes_of(1_000, seed));
    }
    connection.expect_end();
}

#[test]
fn connection_close_is_honoured() {
    let registry = Holdfast::start();
    let mut connection = registry.connect();
    let response = connection.send(&Request::get("/v2/").header("Connection", "close")).expect(200);
    assert_eq!(response.header("Connection").to_ascii_lowercase(), "close");
    assert!(connection.read_to_end().is_empty());
}

#[test]
fn a_client_that_expects_100_continue_gets_it_before_its_body_is_due() {
    let registry = Holdfast::start();
    let upload = registry.start_upload(REPOSITORY);
    let request =
        Request::put(upload.closing(&sha256("body"))).header("Expect", "100-continue").announcing(4);
    let mut connection = registry.connect();
    connection.write_head(&request);
    assert_eq!(connection.read_interim(), 100);
    connection.write(b"body");
    connection.read_response(&request).expect(201);
}

#[test]
fn a_refusal_comes_instead_of_100_continue() {
    let registry = Holdfast::start();
    registry.push_blob(REPOSITORY, "x");
    let gone = format!("/v2/{REPOSITORY}/blobs/uploads/00000000-0000-4000-8000-000000000000");
    let upload = registry.start_upload(REPOSITORY);
    let refusals = [
        (Request::patch(&gone), 404),
        (Request::put(format!("{gone}?digest={}", sha256("x"))), 404),
        (Request::put(&upload.location), 400),
        (Request::patch(&upload.location).header("Content-Range", "5-9"), 416),
        (Request::put("/v2/UPPER/manifests/latest"), 400),
        (Request::post(format!("/v2/{REPOSITORY}/blobs/uploads/?digest=sha256:bad")), 400),
        (Request::put(format!("/v2/{REPOSITORY}/tags/list")), 405),
    ];
    for (request, status) in refusals {
        let request = request.header("Expect", "100-continue").announcing(5);
        let mut connection = registry.connect();
        connection.write_head(&request);
        let response = connection.read_response(&request).expect(status);
        assert!(response.interim.is_empty(), "the body was asked for and then refused: {response}");
    }
}

#[test]
fn an_announced_manifest_that_is_too_large_is_refused_before_it_is_sent() {
    let registry = Holdfast::start();
    let request = Request::put(format!("/v2/{REPOSITORY}/manifests/latest"))
        .header("Content-Type", "application/vnd.oci.image.manifest.v1+json")
        .header("Expect", "100-continue")
        .announcing(4 * 1024 * 1024 + 1);
    let mut connection = registry.connect();
    connection.write_head(&request);
    let response = connection.read_response(&request).expect(413);
    assert!(response.interim.is_empty(), "{response}");
}

#[test]
fn a_refusal_reaches_a_client_that_sends_its_body_all_the_same() {
    let registry = Holdfast::start();
    let gone = format!("/v2/{REPOSITORY}/blobs/uploads/00000000-0000-4000-8000-000000000000");
    let body = bytes_of(6 * 1024 * 1024, 1);
    let refusals = [
        (Request::patch(&gone).body(body.as_slice()), 404),
        (Request::patch(&gone).chunked(body.chunks(100_000)), 404),
        (Request::put("/v2/UPPER/manifests/x").body(body.as_slice()), 400),
        (Request::put(format!("/v2/{REPOSITORY}/tags/list")).body(body.as_slice()), 405),
        (Request::put(format!("/v2/{REPOSITORY}/manifests/large")).body(body.as_slice()), 413),
    ];
    for (request, status) in refusals {
        let mut connection = registry.connect();
        let was_taken = connection.write_request(&request);
        connection.read_response(&request).expect(status);
        assert!(was_taken, "a client that writes before it reads would see a broken pipe: {status}");
    }
}

#[test]
fn the_names_of_headers_are_read_in_any_case() {
    let registry = Holdfast::start();
    let digest = registry.push_blob(REPOSITORY, "0123456789");
    let path = format!("/v2/{REPOSITORY}/blobs/{digest}");
    registry.send(Request::get(&path).header("rAnGe", "bytes=0-1")).expect(206);
    registry.send(Request::get(&path).header("IF-NONE-MATCH", format!("\"{digest}\""))).expect(304);
    let mut upload = registry.start_upload(REPOSITORY);
    upload.send(Request::patch(&upload.location).header("content-RANGE", "5-9").body("01234")).expect(416);
}

#[test]
fn a_request_that_comes_byte_by_byte_is_served() {
    let registry = Holdfast::start();
    let mut connection = registry.connect();
    for byte in b"GET /v2/ HTTP/1.1\r\nHost: registry.example.com\r\n\r\n" {
        connection.write(&[*byte]);
        std::thread::sleep(Duration::from_millis(2));
    }
    connection.read_response(&Request::get("/v2/")).expect(200);
}

#[test]
fn a_target_in_absolute_form_is_served() {
    let registry = Holdfast::start();
    let target = format!("http://{}/v2/", registry.address);
    registry.send(Request::get(target)).expect(200);
}

#[test]
fn request_headers_of_60_kilobytes_are_read() {
    let registry = Holdfast::start();
    registry
        .send(Request::get("/v2/").header("Authorization", format!("Bearer {}", "t".repeat(60_000))))
        .expect(200);
    let many = (0..200)
        .fold(Request::get("/v2/"), |request, number| request.header(&format!("X-Header-{number}"), "value"));
    registry.send(many).expect(200);
}

#[test]
fn a_target_of_2_kilobytes_and_more_is_read() {
    let registry = Holdfast::start();
    let padding = "x".repeat(6_000);
    registry.get(&format!("/v2/?padding={padding}")).expect(200);
}

#[test]
fn what_is_no_http_is_answered_400() {
    let registry = Holdfast::start();
    for bytes in [
        b"nonsense\r\n\r\n".as_slice(),
        b"GET /v2/ HTTP/1.1\r\nbad header\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /v2/a b/tags/list HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v2/a\0b/tags/list HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v2/ HTTP/1.1\r\nHost: x\r\nX: a\0b\r\n\r\n",
        b"GET /v2/ HTTP/9.9\r\nHost: x\r\n\r\n",
    ] {
        let mut connection = registry.connect();
        connection.write(bytes);
        let answer = connection.read_to_end();
        assert!(answer.starts_with(b"HTTP/1.1 400"), "{:?}", String::from_utf8_lossy(&answer));
    }
    registry.get("/v2/").expect(200);
}

#[test]
fn requests_with_two_lengths_are_refused() {
    let registry = Holdfast::start();
    let upload = registry.start_upload(REPOSITORY);
    let both = format!(
        "PATCH {} HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 5\r\n\r\nabcde",
        upload.location
    );
    let mut connection = registry.connect();
    connection.write(both.as_bytes());
    assert!(connection.read_to_end().starts_with(b"HTTP/1.1 400"));
    upload.expect_offset(0);
}

#[test]
fn an_http_1_0_client_is_served_in_full_with_a_content_length() {
    let registry = Holdfast::start();
    let image = registry.push_image(REPOSITORY, "latest", 1);
    let blob = format!("/v2/{REPOSITORY}/blobs/{}", image.layer);
    let requests = [
        (Request::get("/"), 200),
        (Request::get("/v2/"), 200),
        (Request::get(&blob), 200),
        (Request::head(&blob), 200),
        (Request::get(&blob).header("Range", "bytes=0-9"), 206),
        (Request::get(&blob).header("Range", "bytes=0-9,20-29"), 206),
        (Request::get(&blob).header("Range", "bytes=9999-"), 416),
        (Request::get(format!("/v2/{REPOSITORY}/manifests/latest")), 200),
        (Request::get(format!("/v2/{REPOSITORY}/tags/list")), 200),
        (Request::get("/v2/_catalog"), 200),
        (Request::get(format!("/v2/{REPOSITORY}/referrers/{}", image.digest)), 200),
        (Request::get("/v2/no/such/route"), 404),
    ];
    for (request, status) in requests {
        let response = registry.send(request.http_1_0()).expect(status);
        assert!(response.headers("Transfer-Encoding").is_empty(), "{response}");
        let _stated = response.content_length();
    }
}

#[test]
fn an_http_1_0_client_can_push() {
    let registry = Holdfast::start();
    let mut upload = registry.start_upload(REPOSITORY);
    let request = Request::put(upload.closing(&sha256("old"))).body("old").http_1_0();
    upload.send(request).expect(201);
}

#[test]
fn an_http_1_0_client_gets_no_100() {
    let registry = Holdfast::start();
    let mut upload = registry.start_upload(REPOSITORY);
    let request =
        Request::put(upload.closing(&sha256("old"))).header("Expect", "100-continue").body("old").http_1_0();
    assert!(upload.send(request).expect(201).interim.is_empty());
}

#[test]
fn a_connection_serves_on_after_a_request_that_was_refused_before_its_body_came() {
    let registry = Holdfast::start();
    let target = "/v2/team/refused/blobs/uploads/00000000-0000-4000-8000-000000000000";
    let request = Request::patch(target).announcing(1 << 20);
    let mut connection = registry.connect();
    connection.write_head(&request);
    connection.read_response(&request).expect(404);
    connection.write(&vec![7; 1 << 20]);
    connection.send(&Request::get("/v2/")).expect(200);
}
