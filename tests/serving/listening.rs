//! Where the registry listens, and what it says when it cannot.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;

use crate::client::{Client, PING};
use crate::process::{Process, serve};

fn answers(address: impl Into<SocketAddr>) -> bool {
    Client::connect(address.into()).ask(PING).status() == 200
}

fn machine_has_ipv6() -> bool {
    TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok()
}

#[test]
fn a_port_alone_listens_on_ipv6_and_ipv4_at_once() {
    let mut registry = serve().at(":0").start();
    let port = registry.address().port();
    assert!(answers((Ipv4Addr::LOCALHOST, port)));
    match machine_has_ipv6() {
        true => assert!(answers((Ipv6Addr::LOCALHOST, port))),
        false => assert!(registry.address().is_ipv4()),
    }
    registry.stop();
}

#[test]
fn a_host_name_can_be_listened_on() {
    let mut registry = serve().at("localhost:0").start();
    assert!(registry.address().ip().is_loopback());
    assert!(answers(registry.address()));
    registry.stop();
}

#[test]
fn an_ipv6_address_in_brackets_can_be_listened_on() {
    if !machine_has_ipv6() {
        return eprintln!("skipped: this machine has no IPv6");
    }
    let mut registry = serve().at("[::1]:0").start();
    assert!(answers((Ipv6Addr::LOCALHOST, registry.address().port())));
    registry.stop();
}

#[test]
fn port_0_picks_a_free_port_and_the_first_line_says_which_and_how_to_push() {
    let mut registry = serve().at("127.0.0.1:0").start();
    let port = registry.address().port();
    assert_ne!(port, 0);
    assert!(answers((Ipv4Addr::LOCALHOST, port)));
    let log = registry.log();
    let line = log.lines().find(|line| line.contains("listening on")).unwrap();
    assert!(line.contains(registry.folder().join("data").to_str().unwrap()), "{line}");
    assert!(line.contains(&format!("docker push localhost:{port}/")), "{line}");
    registry.stop();
}

#[test]
fn an_address_that_others_can_reach_is_warned_about_and_loopback_is_not() {
    let open = serve().at("0.0.0.0:0").start();
    open.wait_for_log("To mend it");
    for words in [
        "may pull, push and delete every image",
        "Nothing is encrypted",
        "http.tls.certificate",
        "auth.htpasswd",
    ] {
        open.wait_for_log(words);
    }
    let closed = serve().at("127.0.0.1:0").start();
    assert!(answers(closed.address()));
    assert!(!closed.log().contains("push and delete"), "{}", closed.log());
}

#[test]
fn a_failed_bind_names_the_address_and_what_to_do() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = taken.local_addr().unwrap().to_string();
    assert_fails(serve().at(&address).spawn(), &[&address, "in use", "--addr"]);
    assert_fails(serve().at("host.invalid:5000").spawn(), &["host.invalid:5000", "cannot be resolved"]);
}

fn assert_fails(mut process: Process, words: &[&str]) {
    assert_eq!(process.wait().code(), Some(1));
    for word in words {
        process.wait_for_log(word);
    }
}

fn unix_configuration(path: &Path) -> String {
    format!("http:\n  net: unix\n  addr: {}\n  socketmode: \"0600\"\n", path.display())
}

#[test]
fn a_unix_socket_is_served_with_its_mode_and_removed_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("holdfast.sock");
    let mut registry = serve().configured(&unix_configuration(&path)).start();
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(Client::connect_unix(&path).ask(PING).status(), 200);
    registry.stop();
    assert!(!path.exists());
}

#[test]
fn a_stale_unix_socket_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("holdfast.sock");
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let mut registry = serve().configured(&unix_configuration(&path)).start();
    assert_eq!(Client::connect_unix(&path).ask(PING).status(), 200);
    registry.stop();
}

#[test]
fn a_live_unix_socket_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("holdfast.sock");
    let mut first = serve().configured(&unix_configuration(&path)).start();
    let second = serve().configured(&unix_configuration(&path)).spawn();
    assert_fails(second, &[path.to_str().unwrap(), "another process listens on it"]);
    assert_eq!(Client::connect_unix(&path).ask(PING).status(), 200);
    first.stop();
}

#[test]
fn a_file_in_the_place_of_a_unix_socket_is_never_removed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("precious");
    std::fs::write(&path, "data").unwrap();
    assert_fails(serve().configured(&unix_configuration(&path)).spawn(), &["no socket"]);
    assert_eq!(std::fs::read(&path).unwrap(), b"data");
}

#[test]
fn a_unix_socket_may_have_a_path_longer_than_107_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let deep = folder.path().join("d".repeat(120));
    std::fs::create_dir(&deep).unwrap();
    let path = deep.join("holdfast.sock");
    let mut registry = serve().configured(&unix_configuration(&path)).start();
    let short = folder.path().join("short");
    symlink(&deep, &short).unwrap();
    assert_eq!(Client::connect_unix(&short.join("holdfast.sock")).ask(PING).status(), 200);
    registry.stop();
    assert!(!path.exists());
}

#[test]
fn a_supervisor_may_hand_over_the_socket_and_keeps_it_when_the_registry_stops() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    for _ in 0..2 {
        let socket = listener.try_clone().unwrap().into();
        let mut registry = serve().at("127.0.0.1:1").activated(socket, 1).start();
        assert_eq!(registry.address(), address);
        assert!(registry.log().contains("handed over"), "{}", registry.log());
        assert!(answers(address));
        registry.stop();
    }
    // Whoever comes while nobody serves waits for the next one.
    let mut client = Client::connect(address);
    let mut registry = serve().activated(listener.into(), 1).start();
    assert_eq!(client.ask(PING).status(), 200);
    registry.stop();
}

#[test]
fn a_unix_socket_that_was_handed_over_stays_where_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let mut registry = serve().activated(listener.into(), 1).start();
    assert_eq!(Client::connect_unix(&path).ask(PING).status(), 200);
    registry.stop();
    assert!(path.exists());
}

#[test]
fn of_several_sockets_nobody_can_say_which_is_meant() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let registry = serve().activated(listener.into(), 2).spawn();
    registry.wait_for_log("2 sockets: name one in its unit");
}
