//! What is written where.

use serde_json::Value;

use crate::client::{Client, PING};
use crate::process::serve;

#[test]
fn events_go_to_standard_error_and_access_lines_to_standard_output_without_colour() {
    let mut registry = serve().start();
    let request = "GET /v2/?a=b HTTP/1.1\r\nHost: r\r\nUser-Agent: test/1 \"x\"\r\nReferer: there\r\n\r\n";
    let response = Client::connect(registry.address()).ask(request);
    assert_eq!(response.status(), 200);
    registry.stop();
    registry.wait_for_log("stopped");
    registry.wait_for_output("\n");

    let lines = registry.output();
    let (client, rest) = lines.split_once(" - - [").unwrap();
    let (_, said) = rest.split_once("] ").unwrap();
    assert_eq!(client, "127.0.0.1");
    let length = response.body.len();
    assert_eq!(said, format!("\"GET /v2/?a=b HTTP/1.1\" 200 {length} \"there\" \"test/1 \\\"x\\\"\"\n"));
    assert!(registry.log().contains("request served method=GET path=/v2/ status=200"));
    assert!(!registry.log().contains('\u{1b}'));
}

#[test]
fn with_the_json_formatter_every_event_is_an_object_with_the_configured_fields() {
    let configuration = "log:\n  formatter: json\n  fields:\n    service: registry\n    site: one\nhttp:\n  addr: 127.0.0.1:0\n";
    let mut registry = serve().configured(configuration).start();
    registry.stop();
    registry.wait_for_log("stopped");
    let log = registry.log();
    for line in log.lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        assert_eq!((&event["service"], &event["site"]), (&"registry".into(), &"one".into()));
        assert!(event["level"].is_string() && event["msg"].is_string() && event["time"].is_string());
    }
    assert!(log.lines().count() >= 3, "{log}");
}

#[test]
fn access_lines_can_be_turned_off() {
    let configuration = "log:\n  accesslog:\n    disabled: true\nhttp:\n  addr: 127.0.0.1:0\n";
    let mut registry = serve().configured(configuration).start();
    assert_eq!(Client::connect(registry.address()).ask(PING).status(), 200);
    registry.stop();
    assert_eq!(registry.output(), "");
}

#[test]
fn nobody_reading_the_logs_keeps_no_request_waiting() {
    let mut registry = serve().unread().start();
    let mut client = Client::connect(registry.address());
    for _ in 0..5_000 {
        assert_eq!(client.ask(PING).status(), 200);
    }
    registry.stop();
}
