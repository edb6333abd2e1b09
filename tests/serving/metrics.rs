//! What the debug listener tells of the registry, and what is written about that.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::client::{Client, Response};
use crate::process::{Process, serve, wait_until};
use crate::skip::skip;

const CONFIGURATION: &str = "http:\n  addr: 127.0.0.1:0\n  debug:\n    addr: 127.0.0.1:0\n";

/// The digest of `hello`.
const HELLO: &str = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

fn start(yaml: &str) -> (Process, SocketAddr) {
    let registry = serve().configured(yaml).start();
    let probes = registry.address_after("answering probes on http://");
    (registry, probes)
}

fn get(address: SocketAddr, path: &str) -> Response {
    Client::connect(address).ask(format!("GET {path} HTTP/1.1\r\nHost: r\r\n\r\n"))
}

fn metrics(probes: SocketAddr) -> String {
    let response = get(probes, "/metrics");
    assert_eq!(response.status(), 200);
    response.body
}

/// The value of one series.
fn value(metrics: &str, series: &str) -> Option<f64> {
    metrics.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
}

#[track_caller]
fn wait_for(probes: SocketAddr, series: &str, wanted: f64) {
    wait_until(
        || value(&metrics(probes), series) == Some(wanted),
        || format!("{series} {wanted} in\n{}", metrics(probes)),
    );
}

pub(crate) fn push_hello(address: SocketAddr) {
    let request = format!(
        "POST /v2/a/b/blobs/uploads/?digest={HELLO} HTTP/1.1\r\nHost: r\r\nContent-Length: 5\r\n\r\nhello"
    );
    assert_eq!(Client::connect(address).ask(request).status(), 201);
}

#[test]
fn requests_are_counted_by_the_name_of_their_route_and_what_they_move_in_bytes() {
    let (registry, probes) = start(CONFIGURATION);
    push_hello(registry.address());
    let blob = format!("/v2/a/b/blobs/{HELLO}");
    assert_eq!(get(registry.address(), &blob).body, "hello");
    assert_eq!(get(registry.address(), "/v2/a/b/tags/nowhere").status(), 404);
    wait_for(probes, "holdfast_http_requests_total{route=\"uploads\",method=\"POST\",code=\"201\"}", 1.0);
    wait_for(probes, "holdfast_http_requests_total{route=\"blob\",method=\"GET\",code=\"200\"}", 1.0);
    wait_for(probes, "holdfast_http_requests_total{route=\"none\",method=\"GET\",code=\"404\"}", 1.0);
    wait_for(probes, "holdfast_http_request_duration_seconds_count{route=\"blob\",method=\"GET\"}", 1.0);
    wait_for(probes, "holdfast_http_request_body_bytes_total", 5.0);
    wait_for(probes, "holdfast_http_requests_under_way", 0.0);
    wait_for(probes, "holdfast_http_connections_open", 0.0);
    wait_for(probes, "holdfast_http_connections_total", 3.0);
    let metrics = metrics(probes);
    assert!(value(&metrics, "holdfast_http_response_body_bytes_total").unwrap() > 5.0);
    let requests = metrics.lines().filter(|line| line.starts_with("holdfast_http"));
    assert!(!requests.collect::<String>().contains("a/b"), "a repository is no label of what is asked");
}

#[test]
fn the_store_tells_how_it_stands() {
    let (registry, probes) = start(CONFIGURATION);
    wait_for(probes, "holdfast_store_blobs", 0.0);
    push_hello(registry.address());
    let request = "POST /v2/a/b/blobs/uploads/ HTTP/1.1\r\nHost: r\r\nContent-Length: 0\r\n\r\n";
    let response = Client::connect(registry.address()).ask(request);
    let location = response.header("location").unwrap();
    let patch = format!("PATCH {location} HTTP/1.1\r\nHost: r\r\nContent-Length: 3\r\n\r\nabc");
    assert_eq!(Client::connect(registry.address()).ask(patch).status(), 202);

    wait_for(probes, "holdfast_store_blobs", 1.0);
    wait_for(probes, "holdfast_uploads_open", 1.0);
    wait_for(probes, "holdfast_uploads_open_bytes", 3.0);
    wait_for(probes, "holdfast_uploads_memory_bytes", 3.0);
    wait_for(probes, "holdfast_store_settled_payloads_total", 1.0);
    wait_for(probes, "holdfast_store_settled_bytes_total", 5.0);
    let metrics = metrics(probes);
    let at_least = |series: &str, least: f64| {
        let value = value(&metrics, series);
        assert!(value.is_some_and(|value| value >= least), "{series} is {value:?} in\n{metrics}");
    };
    at_least("holdfast_store_log_sync_seconds_count", 1.0);
    at_least("holdfast_store_group_operations_count", 1.0);
    at_least("holdfast_store_queue_wait_seconds_count", 1.0);
    at_least("holdfast_store_checkpoint_seconds_count", 1.0);
    at_least("holdfast_store_log_appended_bytes_total", 5.0);
    at_least("holdfast_store_log_bytes", 1.0);
    at_least("holdfast_store_disk_free_bytes", 1.0);
    at_least("holdfast_store_metadata_bytes", 1.0);
    at_least("process_resident_memory_bytes", 1.0);
    at_least("process_open_fds", 3.0);
    at_least("process_start_time_seconds", 1.7e9);
}

#[test]
fn the_largest_repositories_say_how_much_they_hold_and_no_others() {
    let (registry, probes) =
        start(&CONFIGURATION.replace("debug:\n", "debug:\n    prometheus: {repositories: 2}\n"));
    let mut client = Client::connect(registry.address());
    for (name, contents) in
        [("small", vec!["1"]), ("larger", vec!["1", "22"]), ("largest", vec!["1", "22", "333"])]
    {
        for content in contents {
            let digest =
                holdfast::store::Hasher::digest(holdfast::oci::Algorithm::Sha256, content.as_bytes());
            let length = content.len();
            let head = format!(
                "POST /v2/{name}/blobs/uploads/?digest={digest} HTTP/1.1\r\nHost: r\r\nContent-Length: {length}"
            );
            assert_eq!(client.ask(format!("{head}\r\n\r\n{content}")).status(), 201);
        }
    }
    let text = metrics(probes);
    let series = |name: &str| value(&text, &format!("holdfast_repository_bytes{{repository=\"{name}\"}}"));
    assert_eq!([series("largest"), series("larger"), series("small")], [Some(6.0), Some(3.0), None]);
}

#[test]
fn pulls_say_whether_a_blobs_file_was_open_already() {
    let (registry, probes) = start(CONFIGURATION);
    push_hello(registry.address());
    wait_for(probes, "holdfast_store_settled_payloads_total", 1.0);
    for _ in 0..3 {
        assert_eq!(get(registry.address(), &format!("/v2/a/b/blobs/{HELLO}")).status(), 200);
    }
    wait_for(probes, "holdfast_store_payload_files_total{result=\"miss\"}", 1.0);
    wait_for(probes, "holdfast_store_payload_files_total{result=\"hit\"}", 2.0);
    wait_for(probes, "holdfast_store_payload_files_open", 1.0);
}

#[test]
fn collections_and_scrubs_are_counted_when_they_are_over() {
    let yaml = format!("{CONFIGURATION}storage:\n  gc:\n    grace: 0s\n    lease: 0s\n");
    let (registry, probes) = start(&yaml);
    push_hello(registry.address());
    for command in ["scrub", "gc"] {
        let mut holdfast = std::process::Command::new(env!("CARGO_BIN_EXE_holdfast"));
        let root = registry.folder().join("data");
        let arguments: &[&str] = if command == "gc" { &["--grace", "0s"] } else { &[] };
        let output = holdfast.arg(command).arg("--root").arg(root).args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    wait_for(probes, "holdfast_scrub_runs_total", 1.0);
    wait_for(probes, "holdfast_scrub_payloads_total", 1.0);
    wait_for(probes, "holdfast_scrub_read_bytes_total", 5.0);
    wait_for(probes, "holdfast_scrub_damaged_total", 0.0);
    wait_for(probes, "holdfast_gc_runs_total", 1.0);
    wait_for(probes, "holdfast_gc_removed_total{kind=\"blob\"}", 1.0);
    wait_for(probes, "holdfast_gc_freed_bytes_total", 5.0);
}

#[test]
fn whoever_wants_openmetrics_gets_it() {
    let (_registry, probes) = start(CONFIGURATION);
    let request =
        "GET /metrics HTTP/1.1\r\nHost: r\r\nAccept: application/openmetrics-text; version=1.0.0\r\n\r\n";
    let response = Client::connect(probes).ask(request);
    assert!(response.header("content-type").unwrap().starts_with("application/openmetrics-text"));
    assert!(response.body.ends_with("# EOF\n"));
}

#[test]
fn metrics_have_a_path_of_ones_own_and_with_a_file_of_distributions_only_where_they_are_wanted() {
    let (_registry, probes) =
        start(&CONFIGURATION.replace("debug:\n", "debug:\n    prometheus: {path: \"/own/{x}\"}\n"));
    assert_eq!(get(probes, "/own/{x}").status(), 200);
    assert_eq!(get(probes, "/own/anything").status(), 404);
    assert_eq!(get(probes, "/metrics").status(), 404);
    let (_registry, probes) = start(&format!("version: 0.1\n{CONFIGURATION}"));
    assert_eq!(get(probes, "/metrics").status(), 404);
    assert_eq!(get(probes, "/livez").status(), 200);
}

/// A metric as the server describes it.
struct Family {
    kind: String,
    help: String,
    labels: BTreeSet<String>,
}

/// Every metric that the server exposes after a request, under its full name.
fn families() -> BTreeMap<String, Family> {
    let (registry, probes) = start(CONFIGURATION);
    push_hello(registry.address());
    assert_eq!(get(registry.address(), "/v2/").status(), 200);
    let counted = "holdfast_http_requests_total{route=\"base\",method=\"GET\",code=\"200\"}";
    wait_for(probes, counted, 1.0);
    let text = metrics(probes);
    let mut families = BTreeMap::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("# HELP ")) {
        let (name, help) = line.split_once(' ').unwrap();
        let family = Family { kind: String::new(), help: help.to_owned(), labels: BTreeSet::new() };
        families.insert(name.to_owned(), family);
    }
    for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let (name, kind) = line.split_once(' ').unwrap();
        families.get_mut(name).unwrap().kind = kind.to_owned();
    }
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let name = line.split(['{', ' ']).next().unwrap();
        let suffixes = ["_bucket", "_sum", "_count"];
        let whole = suffixes.iter().find_map(|suffix| name.strip_suffix(suffix));
        let name = if families.contains_key(name) { name } else { whole.unwrap() };
        let labels = line.split_once('{').map_or("", |(_, rest)| rest.split_once('}').unwrap().0);
        let labels = labels.split(',').filter_map(|label| Some(label.split_once('=')?.0.to_owned()));
        families.get_mut(name).unwrap().labels.extend(labels.filter(|label| label != "le"));
    }
    families
}

pub(crate) fn document(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name)
}

#[test]
fn the_documentation_has_every_metric_and_no_other() {
    const BEGIN: &str = "<!-- metrics: written by a test -->\n";
    const END: &str = "<!-- end of metrics -->\n";
    let mut table = String::from("\n| metric | kind | labels | meaning |\n| --- | --- | --- | --- |\n");
    for (name, Family { kind, help, labels }) in families() {
        let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
        table += &format!("| `{name}` | {kind} | {} | {help} |\n", labels.join(", "));
    }
    let path = document("METRICS.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (written, after) = rest.split_once(END).unwrap();
    let table = table + "\n";
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&path, format!("{before}{BEGIN}{table}{END}{after}")).unwrap();
    } else {
        assert_eq!(written, table, "UPDATE_EXPECT=1 cargo test --test serving documentation writes it anew");
    }
}

/// What of a text looks like the name of a metric, without the suffixes of a histogram's series.
fn named(text: &str) -> BTreeSet<String> {
    let words = text.split(|character: char| !character.is_ascii_alphanumeric() && character != '_');
    let names = words.filter(|word| word.starts_with("holdfast_") || word.starts_with("process_"));
    let whole = |name: &str| {
        let suffixes = ["_bucket", "_sum", "_count"];
        suffixes.iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name).to_owned()
    };
    names.map(whole).collect()
}

#[test]
fn the_dashboard_and_the_alerts_name_only_metrics_that_there_are() {
    let families = families();
    for (name, least) in [("grafana-dashboard.json", 20), ("alerts.yml", 8)] {
        let named = named(&std::fs::read_to_string(document(name)).unwrap());
        assert!(named.len() >= least, "{name} names only {named:?}");
        for metric in named {
            assert!(families.contains_key(&metric), "{name} names {metric}, which there is not");
        }
    }
    let dashboard = std::fs::read_to_string(document("grafana-dashboard.json")).unwrap();
    assert!(serde_json::from_str::<serde_json::Value>(&dashboard).is_ok());
}

#[test]
fn the_alerts_go_off_when_something_is_wrong_and_stay_silent_when_nothing_is() {
    let promtool = |arguments: &[&str]| {
        let output =
            std::process::Command::new("promtool").args(arguments).arg(document("alerts_test.yml")).output();
        output
            .ok()
            .map(|output| (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned()))
    };
    match promtool(&["test", "rules"]) {
        Some((is_well, said)) => assert!(is_well, "{said}"),
        None => skip("prometheus", "its promtool is not installed"),
    }
}

#[test]
fn logins_and_handshakes_are_counted_by_what_came_of_them() {
    let start = serve();
    let made = rcgen::generate_simple_self_signed(["registry.example.com".to_owned()]).unwrap();
    let (certificate, key) = (start.folder().join("tls.crt"), start.folder().join("tls.key"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let yaml = format!(
        "{CONFIGURATION}  tls: {{certificate: '{}', key: '{}'}}\n",
        certificate.display(),
        key.display()
    );
    let registry = start.configured(&yaml).start();
    let probes = registry.address_after("answering probes on http://");
    let address = registry.address_after("listening on https://");
    let mut holdfast = std::process::Command::new(env!("CARGO_BIN_EXE_holdfast"));
    let asked = holdfast.args(["healthcheck", &format!("https://{address}/")]).output().unwrap();
    assert!(asked.status.success(), "{}", String::from_utf8_lossy(&asked.stderr));
    wait_for(probes, "holdfast_tls_handshakes_total{outcome=\"done\"}", 1.0);
    // A handshake record that is none.
    Client::connect(address).send([22, 3, 1, 0, 2, 9, 9]);
    wait_for(probes, "holdfast_tls_handshakes_total{outcome=\"failed\"}", 1.0);

    let start = serve();
    let users = crate::logging::users(start.folder());
    let registry =
        start.configured(&format!("{CONFIGURATION}auth: {{htpasswd: {{path: '{users}'}}}}\n")).start();
    let probes = registry.address_after("answering probes on http://");
    let mut client = Client::connect(registry.address());
    // alice:hers, twice, and alice:his.
    for (credentials, status) in [("YWxpY2U6aGVycw==", 200), ("YWxpY2U6aGVycw==", 200), ("YWxpY2U6aGlz", 401)]
    {
        let request = format!("GET /v2/ HTTP/1.1\r\nHost: r\r\nAuthorization: Basic {credentials}\r\n\r\n");
        assert_eq!(client.ask(request).status(), status);
    }
    for outcome in ["verified", "remembered", "refused"] {
        wait_for(probes, &format!("holdfast_auth_logins_total{{outcome=\"{outcome}\"}}"), 1.0);
    }
}
