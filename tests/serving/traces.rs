//! Traces: what is said of requests, and that nobody waits for it.

use std::path::Path;
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::trace::v1::Span;

use crate::client::{Client, PING};
use crate::collector::{Collector, attribute};
use crate::process::{Start, serve, wait_until};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

fn traced(endpoint: &str, more: &str) -> Start {
    serve().configured(&format!("http: {{addr: '127.0.0.1:0'}}\ntracing: {{endpoint: '{endpoint}'{more}}}\n"))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn said(span: &Span, name: &str) -> String {
    attribute(&span.attributes, name).unwrap_or_default()
}

/// Pushes a blob of five bytes to `team/app`, as a part of a trace.
fn push(client: &mut Client, flags: &str) {
    const HELLO: &str = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    let push = format!(
        "POST /v2/team/app/blobs/uploads/?digest={HELLO} HTTP/1.1\r\nHost: r\r\nContent-Length: 5\r\n\
         User-Agent: test/1\r\ntraceparent: 00-{TRACE}-{PARENT}-{flags}\r\n\r\nhello"
    );
    assert_eq!(client.ask(push).status(), 201);
}

#[test]
fn a_request_is_a_span_with_its_steps_in_the_trace_that_it_is_a_part_of() {
    let collector = Collector::start(Duration::ZERO);
    let more = ", headers: {X-Key: [k]}, servicename: hub, attributes: {site: one}";
    let mut registry = traced(&format!("http://{}/v1/traces", collector.address), more).start();
    let mut client = Client::connect(registry.address());
    push(&mut client, "01");
    assert_eq!(client.ask(PING).status(), 200);
    // What is left is sent at the end.
    registry.stop();

    let head = collector.heads().remove(0);
    assert!(head.starts_with("post /v1/traces http/1.1\r\n"), "{head}");
    assert!(
        head.contains("content-type: application/x-protobuf\r\n") && head.contains("x-key: k\r\n"),
        "{head}"
    );
    let resource = collector.resource();
    let names = ["service.name", "site", "service.version"].map(|name| attribute(&resource, name).unwrap());
    assert_eq!(names, ["hub", "one", env!("CARGO_PKG_VERSION")]);

    let [push] = &collector.named("POST /v2/{name}/blobs/uploads/")[..] else {
        panic!("{:?}", collector.spans())
    };
    assert_eq!((hex(&push.trace_id), hex(&push.parent_span_id)), (TRACE.to_owned(), PARENT.to_owned()));
    assert_eq!(push.kind, 2, "a server's");
    assert!(push.end_time_unix_nano > push.start_time_unix_nano);
    let names = [
        "http.request.method",
        "http.route",
        "url.path",
        "http.response.status_code",
        "http.request.body.size",
        "holdfast.repository",
        "user_agent.original",
        "client.address",
    ];
    let wanted = [
        "POST",
        "/v2/{name}/blobs/uploads/",
        "/v2/team/app/blobs/uploads/",
        "201",
        "5",
        "team/app",
        "test/1",
        "127.0.0.1",
    ];
    assert_eq!(names.map(|name| said(push, name)), wanted);
    assert!(registry.log().contains(&format!("request={} trace_id={TRACE}", said(push, "request"))));
    for step in ["receive the body", "wait for the log"] {
        let steps = collector.named(step);
        assert!(
            matches!(&steps[..], [step] if step.parent_span_id == push.span_id && step.trace_id == push.trace_id),
            "{step}: {:?}",
            collector.spans()
        );
    }
    let [base] = &collector.named("GET /v2/")[..] else { panic!("{:?}", collector.spans()) };
    assert!(base.parent_span_id.is_empty() && base.trace_id != push.trace_id);
    assert!(!registry.log().contains("otel."), "what is meant for traces is not logged");
}

#[test]
fn what_is_sampled_is_the_share_that_is_wanted_and_what_its_trace_has_of_it() {
    let collector = Collector::start(Duration::ZERO);
    let mut registry = traced(&format!("http://{}/", collector.address), ", samplingratio: 0").start();
    let mut client = Client::connect(registry.address());
    (0..20).for_each(|_| assert_eq!(client.ask(PING).status(), 200));
    push(&mut client, "00");
    assert_eq!(
        client
            .ask(PING.replace("\r\n\r\n", &format!("\r\ntraceparent: 00-{TRACE}-{PARENT}-01\r\n\r\n")))
            .status(),
        200
    );
    registry.stop();
    assert_eq!(collector.spans().len(), 1, "{:?}", collector.spans());
}

#[test]
fn the_variables_of_distribution_3_turn_it_on() {
    let collector = Collector::start(Duration::ZERO);
    let endpoint = format!("http://{}", collector.address);
    let start = serve().environment("OTEL_EXPORTER_OTLP_ENDPOINT", Path::new(&endpoint));
    let mut registry = start.environment("OTEL_SERVICE_NAME", Path::new("hub")).start();
    assert_eq!(Client::connect(registry.address()).ask(PING).status(), 200);
    registry.stop();
    assert!(collector.heads()[0].starts_with("post /v1/traces http/1.1\r\n"));
    assert_eq!(attribute(&collector.resource(), "service.name").as_deref(), Some("hub"));
}

/// Has a registry that cannot send its traces serve much, and stop. How long both took, and how many spans were given up.
fn serve_without_a_collector(endpoint: &str) -> (Duration, Duration, u64) {
    let configuration = format!(
        "http: {{addr: '127.0.0.1:0', debug: {{addr: '127.0.0.1:0'}}}}\n\
         tracing: {{endpoint: '{endpoint}', timeout: 30s}}\n"
    );
    let mut registry = serve().configured(&configuration).start();
    let mut client = Client::connect(registry.address());
    let began = Instant::now();
    for _ in 0..6_000 {
        assert_eq!(client.ask(PING).status(), 200);
    }
    let served = began.elapsed();
    let probes = registry.address_after("answering probes on http://");
    let lost = || -> u64 {
        let metrics = Client::connect(probes).ask("GET /metrics HTTP/1.1\r\nHost: r\r\n\r\n").body;
        let line = metrics.lines().find_map(|line| line.strip_prefix("holdfast_traces_spans_lost_total "));
        line.unwrap().parse().unwrap()
    };
    wait_until(|| lost() > 0, || "lost spans".to_owned());
    let (lost, began) = (lost(), Instant::now());
    drop(client);
    registry.stop();
    (served, began.elapsed(), lost)
}

#[test]
fn a_collector_that_stalls_holds_up_neither_requests_nor_the_end() {
    let collector = Collector::start(Duration::from_secs(60));
    let (served, stopped, lost) = serve_without_a_collector(&format!("http://{}/", collector.address));
    assert!(served < Duration::from_secs(20), "{served:?}");
    assert!(stopped < Duration::from_secs(6), "{stopped:?}");
    // All that was sent at once, and as much as waits, is not lost yet.
    assert!(lost <= 6_000 - 4_096, "{lost}");
}

#[test]
fn without_a_collector_requests_are_served_and_it_is_said_that_traces_are_lost() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (served, stopped, lost) = serve_without_a_collector(&format!("http://{nobody}/"));
    assert!(served < Duration::from_secs(20) && stopped < Duration::from_secs(6), "{served:?} {stopped:?}");
    assert!(lost > 0);
    let mut registry = traced(&format!("http://{nobody}/"), "").start();
    assert_eq!(Client::connect(registry.address()).ask(PING).status(), 200);
    registry.wait_for_log("traces cannot be sent, and are lost");
    registry.stop();
}
