//! Connections: who is served, for how long, how many, and what is said to those who are not.

use std::time::{Duration, Instant};

use crate::client::{Client, PING, open_upload, patch};
use crate::process::{Process, Start, serve, wait_until};

fn with_http(settings: &str) -> Start {
    serve().configured(&format!("http:\n  addr: 127.0.0.1:0\n{settings}"))
}

fn connect(registry: &Process) -> Client {
    Client::connect(registry.address())
}

#[test]
fn an_http_1_0_client_is_served_in_full_and_gets_neither_chunks_nor_100() {
    let mut registry = serve().start();
    let mut client = connect(&registry);
    let response = client.ask("GET /v2/ HTTP/1.0\r\n\r\n");
    assert_eq!(response.status(), 200);
    assert!(response.header("content-length").is_some(), "{}", response.head);
    assert!(response.header("transfer-encoding").is_none(), "{}", response.head);
    assert_eq!(client.rest(), "");

    let location = open_upload(registry.address());
    let upload = patch(&location, 5).replace("HTTP/1.1\r\n", "HTTP/1.0\r\nExpect: 100-continue\r\n");
    let response = connect(&registry).ask(upload + "01234");
    assert_eq!(response.status(), 202, "{}", response.head);
    registry.stop();
}

#[test]
fn an_http_1_0_proxy_that_asks_for_it_keeps_its_connection() {
    let mut registry = serve().start();
    let mut client = connect(&registry);
    for _ in 0..3 {
        let response = client.ask("GET /v2/ HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        assert_eq!(response.status(), 200);
        assert_eq!(response.header("connection"), Some("keep-alive"));
    }
    registry.stop();
}

#[test]
fn a_tls_hello_on_the_plain_port_is_answered_with_http_1_1_400_at_once_and_logged_once() {
    let mut registry = serve().start();
    let mut client = connect(&registry);
    let began = Instant::now();
    client.send([0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03]);
    let answer = client.response();
    assert!(began.elapsed() < Duration::from_secs(1));
    assert!(answer.head.starts_with("HTTP/1.1 400 "), "{}", answer.head);
    assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
    assert!(answer.body.contains("http://"), "{}", answer.body);
    drop(client);
    registry.stop();
    assert_eq!(registry.log().matches("TLS handshake").count(), 1, "{}", registry.log());
}

#[test]
fn headers_up_to_64_kib_and_hundreds_of_them_are_accepted() {
    let mut registry = serve().start();
    let mut client = connect(&registry);
    let big = "a".repeat(65_536 - "Authorization: \r\nHost: registry\r\n".len());
    let one = format!("GET /v2/ HTTP/1.1\r\nHost: registry\r\nAuthorization: {big}\r\n\r\n");
    assert_eq!(client.ask(one).status(), 200);
    let lines: String = (0..300).map(|number| format!("x-mesh-{number}: {}\r\n", "b".repeat(190))).collect();
    let many = format!("GET /v2/ HTTP/1.1\r\nHost: registry\r\n{lines}\r\n");
    assert_eq!(client.ask(many).status(), 200);
    registry.stop();
}

#[test]
fn headers_beyond_the_limit_are_answered_431() {
    let mut registry = with_http("  maxheaderbytes: 16KiB\n").start();
    let mut client = connect(&registry);
    let big = "a".repeat(40_000);
    let response = client.ask(format!("GET /v2/ HTTP/1.1\r\nHost: r\r\nAuthorization: {big}\r\n\r\n"));
    assert_eq!(response.status(), 431);
    registry.stop();
}

#[test]
fn a_slow_upload_that_keeps_sending_is_never_cut_off() {
    let mut registry = with_http("  idletimeout: 2s\n  headertimeout: 1s\n").start();
    let location = open_upload(registry.address());
    let mut client = connect(&registry);
    client.send(patch(&location, 10));
    for digit in "0123456789".chars() {
        std::thread::sleep(Duration::from_millis(300));
        client.send(digit.to_string());
    }
    assert_eq!(client.response().status(), 202);
    registry.stop();
}

#[test]
fn a_client_that_never_finishes_its_headers_is_cut_off() {
    let mut registry = with_http("  headertimeout: 1s\n").start();
    let mut client = connect(&registry);
    client.send("GET /v2/ HTTP/1.1\r\nHost:");
    let began = Instant::now();
    assert_eq!(client.rest(), "");
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    let silent = connect(&registry);
    assert_eq!(silent.rest(), "");
    registry.stop();
}

#[test]
fn between_two_requests_a_connection_is_kept_for_the_keep_alive_timeout() {
    let mut registry = with_http("  headertimeout: 1s\n  keepalivetimeout: 3s\n").start();
    let mut client = connect(&registry);
    assert_eq!(client.ask(PING).status(), 200);
    std::thread::sleep(Duration::from_millis(1_500));
    assert_eq!(client.ask(PING).status(), 200, "closed by the timeout for headers");
    let began = Instant::now();
    assert_eq!(client.rest(), "");
    let took = began.elapsed();
    assert!(took > Duration::from_secs(2) && took < Duration::from_secs(8), "{took:?}");
    registry.stop();
}

#[test]
fn a_connection_beyond_the_limit_waits_and_is_served_when_one_ends() {
    let mut registry = with_http("  maxconnections: 1\n").start();
    let mut first = connect(&registry);
    assert_eq!(first.ask(PING).status(), 200);
    let mut second = connect(&registry);
    second.send(PING);
    std::thread::sleep(Duration::from_millis(500));
    drop(first);
    assert_eq!(second.response().status(), 200);
    drop(second);
    registry.stop();
}

#[test]
fn a_connection_beyond_the_limit_is_refused_with_503_when_it_has_waited_long_enough() {
    let settings = "  maxconnections: 1\n  waittimeout: 1s\n  headers:\n    X-Site: [one]\n";
    let mut registry = with_http(settings).start();
    let mut first = connect(&registry);
    assert_eq!(first.ask(PING).status(), 200);
    let began = Instant::now();
    let refused = connect(&registry).ask(PING);
    assert!(began.elapsed() >= Duration::from_millis(900));
    assert_eq!(refused.status(), 503);
    assert_eq!(refused.header("retry-after"), Some("5"));
    assert_eq!(refused.header("docker-distribution-api-version"), Some("registry/2.0"));
    assert_eq!(refused.header("x-site"), Some("one"));
    let body: serde_json::Value = serde_json::from_str(&refused.body).unwrap();
    assert_eq!(body["errors"][0]["code"], "UNAVAILABLE");
    assert_eq!(first.ask(PING).status(), 200);
    registry.stop();
}

#[test]
fn running_out_of_file_descriptors_is_survived() {
    let limited = ["sh", "-c", "ulimit -n 48 && exec \"$@\"", "sh"];
    let mut registry = serve().under(&limited).start();
    let crowd: Vec<Client> = (0..80).map(|_| connect(&registry)).collect();
    registry.wait_for_log("connections cannot be accepted for now");
    drop(crowd);
    let served = || connect(&registry).ask(PING).status() == 200;
    wait_until(served, || "a connection after the crowd left".to_owned());
    registry.stop();
}

#[test]
fn the_limit_on_open_files_is_raised_as_far_as_the_system_allows() {
    let limited = ["sh", "-c", "ulimit -Sn 64 && exec \"$@\"", "sh"];
    let mut registry = serve().under(&limited).start();
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", registry.id())).unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let numbers: Vec<&str> = line.split_whitespace().skip(3).take(2).collect();
    assert_eq!(numbers[0], numbers[1], "{line}");
    assert_ne!(numbers[0], "64", "{line}");
    registry.stop();
}
