//! Whether the registry is well, and what follows when it is not.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::client::{Client, PING, Response};
use crate::process::{Process, serve, wait_until};

fn get(address: SocketAddr, path: &str) -> Response {
    Client::connect(address).ask(format!("GET {path} HTTP/1.1\r\nHost: r\r\n\r\n"))
}

fn start(health: &str) -> (Process, SocketAddr) {
    let yaml = format!("http:\n  addr: 127.0.0.1:0\n  debug:\n    addr: 127.0.0.1:0\nhealth: {health}\n");
    let registry = serve().configured(&yaml).start();
    let probes = registry.address_after("answering probes on http://");
    (registry, probes)
}

fn problems(probes: SocketAddr) -> (u16, Value) {
    let response = get(probes, "/debug/health");
    assert_eq!(response.header("content-type"), Some("application/json"));
    (response.status(), serde_json::from_str(&response.body).unwrap())
}

#[track_caller]
fn wait_for(probes: SocketAddr, status: u16) {
    wait_until(|| problems(probes).0 == status, || format!("{status}, not {:?}", problems(probes)));
}

fn healthcheck(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    command.arg("healthcheck").args(arguments).output().unwrap()
}

#[track_caller]
fn is_well(arguments: &[&str]) {
    let output = healthcheck(arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[track_caller]
fn is_unwell(arguments: &[&str], why: &str) {
    let output = healthcheck(arguments);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(why), "{said}");
}

#[test]
fn a_file_takes_the_registry_out_of_service_for_as_long_as_it_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("down");
    let name = file.to_str().unwrap();
    let (registry, probes) = start(&format!("{{file: [{{file: {name}, interval: 20ms}}]}}"));
    assert_eq!(problems(probes), (200, json!({})));
    assert_eq!(Client::connect(registry.address()).ask(PING).status(), 200);
    let url = format!("http://{}/", registry.address());
    is_well(&[&url]);

    std::fs::write(&file, "").unwrap();
    wait_for(probes, 503);
    assert_eq!(problems(probes).1, json!({ name: "the file is there" }));
    assert_eq!(get(probes, "/readyz").status(), 503);
    assert_eq!(get(probes, "/livez").status(), 200);
    for path in ["/", "/v2/", "/v2/a/tags/list"] {
        let response = get(registry.address(), path);
        assert_eq!((response.status(), response.header("retry-after")), (503, Some("1")));
        let body: Value = serde_json::from_str(&response.body).unwrap();
        assert_eq!(body["errors"][0]["code"], "UNAVAILABLE");
        assert_eq!(body["errors"][0]["detail"], "health check failed: please see /debug/health");
    }
    assert!(get(probes, "/metrics").body.contains("holdfast_health_failing_checks 1\n"));
    is_unwell(&[&url], "answers 503");
    is_unwell(&[&format!("http://{probes}/debug/health")], "answers 503");

    std::fs::remove_file(&file).unwrap();
    wait_for(probes, 200);
    assert_eq!(Client::connect(registry.address()).ask(PING).status(), 200);
    assert_eq!(get(probes, "/readyz").status(), 200);
}

#[test]
fn an_address_that_refuses_connections_fails_once_it_has_done_so_often_enough() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let health = format!("{{tcp: [{{addr: '{address}', interval: 50ms, threshold: 3}}]}}");
    let (registry, probes) = start(&health);
    assert_eq!(problems(probes).0, 200);
    drop(listener);
    wait_for(probes, 503);
    let before = registry.log().matches("a health check failed").count();
    assert_eq!(before, 2, "{}", registry.log());
    assert!(problems(probes).1[address.to_string()].as_str().unwrap().contains("cannot be reached"));
    let _listener = TcpListener::bind(address).unwrap();
    wait_for(probes, 200);
    registry.wait_for_log("a health check succeeds again");
}

#[test]
fn a_url_is_asked_with_its_headers_and_has_to_answer_what_is_expected() {
    let (other, _) = start("{}");
    let url = format!("http://{}/v2/", other.address());
    let (_well, probes) =
        start(&format!("{{http: [{{uri: '{url}', interval: 20ms, headers: {{X-A: [b]}}}}]}}"));
    wait_until(|| other.output().contains("\"HEAD /v2/ HTTP/1.1\" 200"), || other.output());
    assert_eq!(problems(probes), (200, json!({})));
    let (_unwell, probes) = start(&format!("{{http: [{{uri: '{url}', statuscode: 204, interval: 20ms}}]}}"));
    wait_for(probes, 503);
    assert_eq!(problems(probes).1[&url], format!("{url} answers 200, not 204"));
}

#[test]
fn a_folder_that_has_gone_is_noticed() {
    let (registry, probes) = start("{storagedriver: {interval: 20ms, threshold: 2}}");
    assert_eq!(problems(probes), (200, json!({})));
    let root = registry.folder().join("data");
    let elsewhere = registry.folder().join("elsewhere");
    std::fs::rename(&root, &elsewhere).unwrap();
    wait_for(probes, 503);
    let why = problems(probes).1["storagedriver_filesystem"].as_str().unwrap().to_owned();
    assert!(why.contains("does not answer"), "{why}");
    std::fs::rename(&elsewhere, &root).unwrap();
    wait_for(probes, 200);
}

fn configured(registry: &Process, yaml: &str) -> String {
    let file = registry.folder().join("asked.yml");
    std::fs::write(&file, yaml).unwrap();
    file.to_str().unwrap().to_owned()
}

#[test]
fn a_registry_is_found_by_its_configuration() {
    let (registry, probes) = start("{}");
    let main = configured(&registry, &format!("http: {{addr: '{}'}}\n", registry.address()));
    is_well(&["--config", &main]);
    let debug = configured(&registry, &format!("http: {{debug: {{addr: '{probes}'}}}}\n"));
    is_well(&["--config", &debug]);
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    is_unwell(&[&format!("http://{nobody}/")], "cannot be reached");
}

#[test]
fn a_unix_socket_and_a_certificate_that_nobody_has_signed_will_do_on_this_machine() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("h.sock");
    let yaml = format!("http: {{addr: '{}', net: unix}}\n", socket.display());
    let registry = serve().configured(&yaml).start();
    is_well(&["--config", registry.folder().join("holdfast.yml").to_str().unwrap()]);

    let yaml = format!("http: {{addr: '127.0.0.1:0', tls: {}}}\n", certificate(folder.path()));
    let registry = serve().configured(&yaml).start();
    let address = registry.address_after("listening on https://");
    is_well(&[&format!("https://{address}/")]);
    is_unwell(&[&format!("http://{address}/")], "answers 400");
}

/// Makes a certificate, and says in YAML where it is.
fn certificate(folder: &Path) -> String {
    let made = rcgen::generate_simple_self_signed(["registry.example.com".to_owned()]).unwrap();
    let (certificate, key) = (folder.join("tls.crt"), folder.join("tls.key"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    format!("{{certificate: '{}', key: '{}'}}", certificate.display(), key.display())
}
