//! What somebody tries who does not belong here.

use std::process::Command;
use std::time::{Duration, Instant};

use super::house::House;
use crate::support::Request;

#[test]
fn no_spelling_of_a_path_leads_around_the_door() {
    let house = House::with_policies("[{who: anonymous, may: pull, where: public/**}]");
    for target in [
        "/v2/secret/app/tags/list",
        "/v2//secret/app/tags/list",
        "/v2/public/../secret/app/tags/list",
        "/v2/public/%2e%2e/secret/app/tags/list",
        "/v2/public%2F..%2Fsecret/app/tags/list",
        "/v2/public/app/../../secret/app/tags/list",
        "/v2/./secret/app/tags/list",
        "/v2/secret%2Fapp/tags/list",
        "/v2/public/app/blobs/../../secret/app/manifests/latest",
        "/v2/public/app/blobs/uploads/../../../secret",
        "/V2/secret/app/tags/list",
        "/v2/SECRET/app/tags/list",
        "/v2/public\\..\\secret/app/tags/list",
        "/v2/public/app/manifests/..%2f..%2fsecret",
        "//v2/secret/app/tags/list",
    ] {
        let status = house.get(target).status;
        assert!([400, 401, 404].contains(&status), "{target}: {status}");
    }
}

#[test]
fn huge_and_odd_headers_are_refused_at_once() {
    let house = House::with_users();
    let right = house.as_user("alice").authorization.unwrap();
    for authorization in [
        "Basic ".to_owned() + &"A".repeat(20_000),
        "Bearer ".to_owned() + &"A".repeat(20_000),
        format!("{right},{right}"),
        format!("{right}\u{e9}"),
        "Basic YWxpY2U6ZWNpbGE\tx".to_owned(),
    ] {
        let began = Instant::now();
        house.by(&authorization).get("/v2/").expect_error(401, "UNAUTHORIZED");
        assert!(began.elapsed() < Duration::from_secs(2));
    }
}

#[test]
fn what_a_proxy_says_is_believed_of_proxies_alone() {
    let house = House::with("auth: {htpasswd: {path: '{users}'}, failedlogins: {limit: 2, window: 60s}}\n");
    for number in 0..6 {
        let request = Request::get("/v2/").header("X-Forwarded-For", format!("192.0.2.{number}"));
        house.by_password("alice", &format!("wrong{number}")).send(request).expect(401);
    }
    let answer = house.by_password("alice", "guess").get("/v2/").expect(401);
    assert!(answer.error_text().contains("too many failed logins"), "{answer}");
}

#[test]
fn nothing_secret_is_told() {
    let house = House::with_users();
    house.as_user("alice").push_image("app", "latest", 1);
    house.by_password("alice", "hunter2").get("/v2/").expect(401);
    house.by("Bearer hunter3").get("/v2/").expect(401);
    let log = house.wait_for_log(&["a token was refused"]);
    for secret in ["ecila", "hunter2", "hunter3", "$2b$", "YWxpY2U6"] {
        assert!(!log.contains(secret), "{secret} stands in the log");
    }
}

#[test]
fn a_request_hidden_in_another_is_not_answered() {
    let house = House::with_users();
    let alice = house.as_user("alice");
    alice.push_image("secret/app", "latest", 1);
    let login = alice.authorization.unwrap();
    let hidden = "GET /v2/secret/app/tags/list HTTP/1.1\r\nHost: x\r\n\r\n";
    for framing in [
        format!("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{hidden}"),
        format!("Content-Length: 0\r\nContent-Length: {}\r\n\r\n{hidden}", hidden.len()),
        format!("Transfer-Encoding: xchunked\r\n\r\n{hidden}"),
        format!("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n{hidden}"),
        format!("Content-Length : 0\r\n\r\n{hidden}"),
        format!("Content-Length: +0\r\n\r\n{hidden}"),
    ] {
        let head = format!(
            "PATCH /v2/app/blobs/uploads/00000000-0000-4000-8000-000000000000 HTTP/1.1\r\nHost: x\r\nAuthorization: {login}\r\n"
        );
        let answers = talk(&house, &(head + &framing));
        assert!(!answers.contains("\"tags\""), "{framing}: {answers}");
    }
}

/// All that comes back for these bytes.
fn talk(house: &House, bytes: &str) -> String {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(house.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(700))).unwrap();
    // The other side may have had enough already.
    let _ = stream.write_all(bytes.as_bytes());
    let mut answers = Vec::new();
    let _ = stream.read_to_end(&mut answers);
    String::from_utf8_lossy(&answers).into_owned()
}

#[test]
fn nothing_is_unpacked_that_somebody_packed() {
    let house = House::with_users();
    let alice = house.as_user("alice");
    let request = Request::put("/v2/app/manifests/latest")
        .header("Content-Type", "application/vnd.oci.image.manifest.v1+json")
        .header("Content-Encoding", "gzip")
        .body([0x1f, 0x8b, 8, 0, 0, 0, 0, 0]);
    alice.send(request).expect_error(400, "MANIFEST_INVALID");
}

#[test]
fn many_ranges_cost_no_more_than_the_whole() {
    let house = House::with_users();
    let alice = house.as_user("alice");
    let digest = alice.push_blob("app", vec![7; 100_000]);
    let ranges: Vec<String> = (0..5_000).map(|_| "0-99999".to_owned()).collect();
    let request = Request::get(format!("/v2/app/blobs/{digest}"))
        .header("Range", format!("bytes={}", ranges.join(",")));
    let answer = alice.send(request);
    assert!(answer.body.len() <= 100_000, "{} bytes for a blob of 100,000", answer.body.len());
}

/// containerd alone tries a wrong secret a dozen times for one push.
#[test]
fn a_robot_with_the_right_secret_gets_in_however_often_others_were_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let robots = folder.path().join("robots.json");
    let mut add = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    let added = add.args(["robot", "add", "ci"]).env("REGISTRY_AUTH_ROBOTS_PATH", &robots).output().unwrap();
    let secret = String::from_utf8(added.stdout).unwrap();
    let house = House::with(&format!(
        "auth: {{htpasswd: {{path: '{{users}}'}}, robots: {{path: {robots:?}}}, failedlogins: {{limit: 2, window: 60s}}}}\n"
    ));
    for _ in 0..4 {
        house.by_password("robot+ci", "hfr_stale").get("/v2/").expect(401);
    }
    house.by_password("robot+ci", secret.trim_end()).get("/v2/").expect(200);
}
