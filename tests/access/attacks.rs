//! What somebody tries who does not belong here.

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
        house.by_password("alice", "wrong").send(request).expect(401);
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
    std::thread::sleep(Duration::from_millis(300));
    let log = house.holdfast.log();
    for secret in ["ecila", "hunter2", "hunter3", "$2b$", "YWxpY2U6"] {
        assert!(!log.contains(secret), "{secret} stands in the log");
    }
}
