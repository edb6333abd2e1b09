//! Signals: stopping, reading the configuration again, and what supervisors and probes see of it.

use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::client::{Client, PING, open_upload, patch};
use crate::process::{Process, serve, wait_until};

/// A registry and a client that has sent half of a PATCH to it.
fn upload_under_way(registry: &Process) -> Client {
    let location = open_upload(registry.address());
    let mut client = Client::connect(registry.address());
    client.send(patch(&location, 10));
    client.send("01234");
    std::thread::sleep(Duration::from_millis(100));
    client
}

fn configuration(settings: &str) -> String {
    format!("http:\n  addr: 127.0.0.1:0\n{settings}")
}

#[test]
fn sigterm_lets_an_upload_under_way_finish() {
    finishes_an_upload_after(Signal::TERM);
}

#[test]
fn sigint_lets_an_upload_under_way_finish() {
    finishes_an_upload_after(Signal::INT);
}

fn finishes_an_upload_after(signal: Signal) {
    let mut registry = serve().start();
    let mut client = upload_under_way(&registry);
    registry.signal(signal);
    registry.wait_for_log("stopping");
    std::thread::sleep(Duration::from_millis(300));
    client.send("56789");
    let response = client.response();
    assert_eq!(response.status(), 202, "{}", response.head);
    assert_eq!(response.header("connection"), Some("close"));
    assert_eq!(registry.wait().code(), Some(0), "{}", registry.log());
}

#[test]
fn idle_connections_are_closed_at_once_when_the_registry_stops() {
    let mut registry = serve().start();
    let mut used = Client::connect(registry.address());
    assert_eq!(used.ask(PING).status(), 200);
    let unused = Client::connect(registry.address());
    std::thread::sleep(Duration::from_millis(100));
    let began = Instant::now();
    registry.stop();
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    assert_eq!(used.rest(), "");
    assert_eq!(unused.rest(), "");
}

#[test]
fn what_does_not_end_within_the_drain_timeout_is_cut_off_and_the_store_closed_well() {
    let mut registry = serve().configured(&configuration("  draintimeout: 1s\n")).start();
    let client = upload_under_way(&registry);
    let began = Instant::now();
    registry.signal(Signal::TERM);
    assert_eq!(registry.wait().code(), Some(0), "{}", registry.log());
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(700), "{took:?}");
    assert!(took < Duration::from_secs(4), "{took:?}");
    drop(client);
}

#[test]
fn a_second_signal_stops_at_once() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let mut registry = serve().start();
        let client = upload_under_way(&registry);
        registry.signal(Signal::TERM);
        registry.wait_for_log("stopping");
        let began = Instant::now();
        registry.signal(signal);
        assert_eq!(registry.wait().code(), Some(code));
        assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
        drop(client);
    }
}

#[test]
fn a_registry_that_still_waits_for_its_folder_stops_at_once() {
    let mut first = serve().start();
    let mut second = serve().over(&first.folder().join("data")).spawn();
    std::thread::sleep(Duration::from_millis(500));
    let began = Instant::now();
    second.signal(Signal::TERM);
    assert_eq!(second.wait().code(), Some(143), "{}", second.log());
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    first.stop();
}

#[test]
fn while_it_drains_readiness_is_503_life_is_200_and_nobody_new_is_served() {
    let registry = serve().configured(&configuration("  debug:\n    addr: 127.0.0.1:0\n"));
    let mut registry = registry.start();
    let debug = registry.address_after("answering probes on http://");
    let status = |path: &str| probe(debug, path);
    assert_eq!([status("/readyz"), status("/livez"), status("/debug/health")], [200, 200, 200]);

    let mut client = upload_under_way(&registry);
    registry.signal(Signal::TERM);
    registry.wait_for_log("stopping");
    wait_until(|| status("/readyz") == 503, || "readiness to end".to_owned());
    assert_eq!([status("/livez"), status("/debug/health")], [200, 503]);
    wait_until(|| TcpStream::connect(registry.address()).is_err(), || "the door to close".to_owned());

    client.send("56789");
    assert_eq!(client.response().status(), 202);
    assert_eq!(registry.wait().code(), Some(0));
}

fn probe(address: SocketAddr, path: &str) -> u16 {
    Client::connect(address).ask(format!("GET {path} HTTP/1.1\r\nHost: probe\r\n\r\n")).status()
}

#[test]
fn sighup_takes_a_new_log_level_and_names_what_needs_a_restart() {
    let mut registry = serve().configured(&configuration("")).start();
    let file = registry.folder().join("holdfast.yml");
    let changed = configuration("  draintimeout: 3s\n") + "log:\n  level: debug\n";
    std::fs::write(&file, changed).unwrap();
    registry.signal(Signal::HUP);
    registry.wait_for_log("need a restart keys=http.draintimeout");
    registry.wait_for_log("read again level=DEBUG");

    std::fs::write(&file, "http:\n  adr: :5000\n").unwrap();
    registry.signal(Signal::HUP);
    registry.wait_for_log("the configuration stays as it is");
    registry.wait_for_log("http.addr");
    assert_eq!(Client::connect(registry.address()).ask(PING).status(), 200);
    registry.stop();
}

#[test]
fn a_supervisor_is_told_when_the_registry_is_ready_and_when_it_stops() {
    let start = serve();
    let path = start.folder().join("notify");
    let supervisor = UnixDatagram::bind(&path).unwrap();
    supervisor.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut registry = start.environment("NOTIFY_SOCKET", &path).start();
    assert_eq!(told(&supervisor), "READY=1");
    registry.stop();
    assert_eq!(told(&supervisor), "STOPPING=1");
}

fn told(supervisor: &UnixDatagram) -> String {
    let mut message = [0; 128];
    let length = supervisor.recv(&mut message).unwrap();
    String::from_utf8(message[..length].to_vec()).unwrap().trim().to_owned()
}

#[test]
fn as_process_1_of_a_container_it_stops_on_sigterm_and_survives_sighup() {
    let inside = ["unshare", "--fork", "--pid", "--kill-child"];
    let possible = std::process::Command::new(inside[0]).args(&inside[1..]).arg("true").status();
    if !possible.is_ok_and(|status| status.success()) {
        return eprintln!("skipped: no process namespaces here");
    }
    let mut registry = serve().under(&inside).start();
    let first = first_child(registry.id());
    kill_process(first, Signal::HUP).unwrap();
    registry.wait_for_log("read again");
    kill_process(first, Signal::TERM).unwrap();
    assert_eq!(registry.wait().code(), Some(0), "{}", registry.log());
    registry.wait_for_log("stopped");
}

fn first_child(parent: i32) -> Pid {
    let children = std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap();
    let child = children.split_whitespace().next().unwrap().parse().unwrap();
    Pid::from_raw(child).unwrap()
}
