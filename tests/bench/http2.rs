//! Loads over HTTP/2, of registries that are as they should be and of ones that are not.

use std::net::SocketAddr;
use std::time::Duration;

use holdfast::load::{Connection, Stem, Target, push_blob};

use crate::command::{Outcome, bench, run};
use crate::loads::encrypted;
use crate::support::{Authority, Holdfast};
use crate::translator;

/// A registry that speaks HTTP/2 without TLS.
fn plain() -> Holdfast {
    Holdfast::configured("http: {h2c: {enabled: true}}\n")
}

/// Runs it for a second over HTTP/2, without TLS.
fn run_plain(arguments: &[&str], address: SocketAddr) -> Outcome {
    run(&[&["--http2"], arguments].concat(), address)
}

#[test]
fn every_kind_of_load_goes_over_http_2_with_prior_knowledge() {
    let holdfast = plain();
    for arguments in [
        ["--work", "push"].as_slice(),
        &["--work", "pull"],
        &["--work", "mixed"],
        &["--work", "pull", "--size", "16MiB"],
    ] {
        let outcome = run_plain(arguments, holdfast.address);
        assert_eq!((outcome.code, outcome.errors.as_str()), (Some(0), ""), "{outcome:?}");
        assert!(outcome.output.ends_with(" s, 0 failed\n"), "{outcome:?}");
    }
}

#[test]
fn every_kind_of_load_goes_over_http_2_and_tls_whether_connections_are_kept_or_not() {
    let authority = Authority::new();
    let holdfast = encrypted(&authority.issue("registry"));
    let (url, cacert) = (format!("https://{}", holdfast.address), authority.file());
    for (work, handshakes, size) in [
        ("push", "kept", "16MiB"),
        ("pull", "kept", "16MiB"),
        ("pull", "resumed", "64KiB"),
        ("mixed", "full", "64KiB"),
    ] {
        let mut command = bench(&["--http2", "--work", work, "--handshakes", handshakes, "--size", size]);
        command.args(["--duration", "1s", "--connections", "2", "--cacert"]).arg(&cacert).arg(&url);
        let outcome = Outcome::of(&command.output().unwrap());
        assert_eq!((outcome.code, outcome.errors.as_str()), (Some(0), ""), "{outcome:?}");
        assert!(outcome.output.ends_with(" s, 0 failed\n"), "{outcome:?}");
    }
}

#[test]
fn a_connection_over_http_2_is_good_for_many_pushes() {
    let holdfast = plain();
    let mut connection = Connection::open(&Target::from(holdfast.address).over_http2()).unwrap();
    let stem = Stem::new(64 << 10);
    for _ in 0..150 {
        push_blob(&mut connection, "team/load", &stem.payload()).unwrap();
    }
}

#[test]
fn a_registry_that_does_not_speak_http_2_is_not_loaded_over_http_1_1_instead() {
    let outcome = run_plain(&["--work", "pull"], Holdfast::start().address);
    assert_eq!((outcome.code, outcome.output.as_str()), (Some(1), ""), "{outcome:?}");
    assert!(outcome.errors.starts_with("holdfast: what the load needs cannot be pushed to "), "{outcome:?}");

    let authority = Authority::new();
    let pair = authority.issue("registry");
    let (certificate, key) = (pair.certificate.display(), pair.key.display());
    let holdfast = Holdfast::configured(&format!(
        "http: {{tls: {{certificate: {certificate}, key: {key}}}, http2: {{disabled: true}}}}\n"
    ));
    let url = format!("https://{}", holdfast.address);
    let outcome = Outcome::of(&bench(&["--http2", "--insecure", "--work", "pull", &url]).output().unwrap());
    assert_eq!((outcome.code, outcome.output.as_str()), (Some(1), ""), "{outcome:?}");
    assert!(outcome.errors.contains("NoApplicationProtocol"), "{outcome:?}");
}

#[test]
fn answers_that_are_wrong_are_found_out_over_http_2_too() {
    let holdfast = Holdfast::start();
    let unverified = ["--work", "pull", "--verify-one-of", "1000000000"];
    for (arguments, lie, found) in [
        (
            ["--work", "pull"].as_slice(),
            translator::flip_a_bit as fn(&mut _),
            " wrong bytes; the first: GET /v2/",
        ),
        (&["--work", "mixed"], translator::flip_a_bit, " wrong bytes; the first: GET /v2/"),
        (&["--work", "pull"], translator::deny, " was answered with status 404, not 200: "),
        (&unverified, translator::shorten, " wrong length; the first: GET /v2/"),
        (&unverified, translator::cut_off, " HTTP/2; the first: HTTP/2 was broken off: "),
    ] {
        let outcome = run_plain(arguments, translator::before(holdfast.address, lie));
        assert_eq!(outcome.code, Some(1), "{outcome:?}");
        assert!(outcome.output.contains(found), "{outcome:?}");
    }
}

#[test]
fn what_is_translated_without_a_lie_is_as_it_should_be() {
    let holdfast = Holdfast::start();
    let outcome = run_plain(&["--work", "mixed"], translator::before(holdfast.address, |_| ()));
    assert_eq!((outcome.code, outcome.errors.as_str()), (Some(0), ""), "{outcome:?}");
}

#[test]
fn a_registry_that_goes_away_under_a_load_over_http_2_is_reported_and_not_waited_for() {
    let mut holdfast = plain();
    let url = format!("http://{}", holdfast.address);
    let child = bench(&["--http2", "--work", "push", "--duration", "3s", &url]).spawn().unwrap();
    std::thread::sleep(Duration::from_secs(1));
    holdfast.kill();
    let outcome = Outcome::of(&child.wait_with_output().unwrap());
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    assert!(outcome.output.contains(" connection: connection refused; the first: "), "{outcome:?}");
}
