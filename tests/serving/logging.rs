//! What is written where.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::client::{Client, PING};
use crate::process::{Process, serve, wait_until};

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

const JSON: &str = "log:\n  accesslog:\n    formatter: json\nhttp:\n  addr: 127.0.0.1:0\n";

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

/// The access lines, once there are so many.
fn access_lines(registry: &Process, count: usize) -> Vec<Value> {
    wait_until(|| registry.output().lines().count() >= count, || registry.output());
    registry.output().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Makes a file of users with alice, whose password is hers.
pub(crate) fn users(folder: &Path) -> String {
    let file = folder.join("htpasswd");
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    command.args(["user", "add", "alice", "--password-stdin", "--file"]).arg(&file);
    let mut adding = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    adding.stdin.take().unwrap().write_all(b"hers\n").unwrap();
    assert!(adding.wait().unwrap().success());
    file.to_str().unwrap().to_owned()
}

#[test]
fn as_json_an_access_line_says_who_did_what_where_and_for_how_long() {
    let start = serve();
    let auth = format!("{JSON}auth:\n  htpasswd:\n    path: {}\n", users(start.folder()));
    let registry = start.configured(&auth).start();
    let request = format!(
        "POST /v2/team/app/blobs/uploads/ HTTP/1.1\r\nHost: r\r\nAuthorization: Basic YWxpY2U6aGVycw==\r\n\
         User-Agent: test/1\r\nContent-Length: 0\r\ntraceparent: 00-{TRACE}-b7ad6b7169203331-01\r\n\r\n"
    );
    let mut client = Client::connect(registry.address());
    let response = client.ask(request);
    assert_eq!(response.status(), 202);
    let location = response.header("location").unwrap();
    let patch = format!(
        "PATCH {location} HTTP/1.1\r\nHost: r\r\nAuthorization: Basic YWxpY2U6aGVycw==\r\nContent-Length: 5\r\n\r\nhello"
    );
    assert_eq!(client.ask(patch).status(), 202);
    assert_eq!(client.ask("GET /v2/ HTTP/1.1\r\nHost: r\r\n\r\n").status(), 401);

    let lines = access_lines(&registry, 3);
    let [begun, sent, asked] = lines.as_slice() else { panic!("{lines:?}") };
    let fields =
        ["client", "method", "target", "protocol", "route", "repository", "user", "user_agent", "trace_id"];
    let wanted = [
        "127.0.0.1",
        "POST",
        "/v2/team/app/blobs/uploads/",
        "HTTP/1.1",
        "uploads",
        "team/app",
        "user:alice",
        "test/1",
        TRACE,
    ];
    assert_eq!(fields.map(|field| begun[field].as_str().unwrap_or_default()), wanted);
    assert_eq!((&begun["status"], &begun["received"]), (&202.into(), &0.into()));
    assert!(begun["milliseconds"].as_f64().is_some_and(|milliseconds| milliseconds > 0.0));
    assert!(begun["time"].as_str().is_some_and(|time| time.ends_with('Z')));
    assert_eq!((&sent["route"], &sent["received"]), (&"upload".into(), &5.into()));
    assert_eq!(
        (&asked["status"], &asked["user"], &asked["trace_id"]),
        (&401.into(), &Value::Null, &Value::Null)
    );
    assert!(asked["sent"].as_u64().is_some_and(|sent| sent > 0));

    let id = begun["request"].as_str().unwrap();
    registry.wait_for_log(&format!("request={id} trace_id={TRACE}"));
}

#[test]
fn a_trusted_proxy_names_requests_and_nobody_else_does() {
    let named = "GET /v2/ HTTP/1.1\r\nHost: r\r\nX-Request-Id: from-the-proxy-7\r\n\r\n";
    let trusting = format!("{JSON}  trustedproxies: [127.0.0.1]\n");
    let registry = serve().configured(&trusting).start();
    assert_eq!(Client::connect(registry.address()).ask(named).status(), 200);
    assert_eq!(access_lines(&registry, 1)[0]["request"], "from-the-proxy-7");
    registry.wait_for_log("request=from-the-proxy-7");

    let registry = serve().configured(JSON).start();
    assert_eq!(Client::connect(registry.address()).ask(named).status(), 200);
    let own = access_lines(&registry, 1)[0]["request"].as_str().unwrap().to_owned();
    assert!(own.len() == 16 && own.bytes().all(|byte| byte.is_ascii_hexdigit()), "{own}");
}
