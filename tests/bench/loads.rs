//! Loads of a registry that is as it should be.

use std::time::{Duration, Instant};

use holdfast::load::{Connection, Reconnect, Request, Target, Trust};
use rustix::process::{Pid, Signal, kill_process};

use crate::command::{Outcome, bench, run};
use crate::support::{Authority, Holdfast, Pair, Terminal};

#[test]
fn every_kind_of_load_ends_with_a_table_and_nothing_wrong() {
    let holdfast = Holdfast::start();
    for (work, kinds) in [
        ("push", ["push"].as_slice()),
        ("pull", &["pull"]),
        ("mixed", &["push image", "pull image", "together"]),
    ] {
        let outcome = run(&["--work", work, "--size", "8KiB"], holdfast.address);
        assert_eq!((outcome.code, outcome.errors.as_str()), (Some(0), ""), "{outcome:?}");
        assert_eq!(outcome.line("  "), ["operations", "rate", "bytes", "p50", "p90", "p99", "max"]);
        for kind in kinds {
            let operations: u64 = outcome.line(kind)[0].replace(',', "").parse().unwrap();
            assert!(operations > 0, "{outcome:?}");
        }
        assert!(outcome.output.ends_with(" s, 0 failed\n"), "{outcome:?}");
    }
}

/// A registry that speaks TLS with this certificate.
pub(crate) fn encrypted(pair: &Pair) -> Holdfast {
    let (certificate, key) = (pair.certificate.display(), pair.key.display());
    Holdfast::configured(&format!("http: {{tls: {{certificate: {certificate}, key: {key}}}}}\n"))
}

#[test]
fn every_kind_of_load_goes_over_tls_too_whether_connections_are_kept_or_not() {
    let authority = Authority::new();
    let holdfast = encrypted(&authority.issue("registry"));
    let url = format!("https://{}", holdfast.address);
    let cacert = authority.file().to_str().unwrap().to_owned();
    for (work, handshakes) in [("push", "kept"), ("pull", "resumed"), ("mixed", "full")] {
        let trust = if work == "pull" { vec!["--insecure"] } else { vec!["--cacert", &cacert] };
        let mut command = bench(&["--work", work, "--handshakes", handshakes, "--duration", "1s"]);
        let outcome = Outcome::of(&command.args(trust).arg(&url).output().unwrap());
        assert_eq!((outcome.code, outcome.errors.as_str()), (Some(0), ""), "{outcome:?}");
        assert!(outcome.output.ends_with(" s, 0 failed\n"), "{outcome:?}");
    }
}

#[test]
fn a_certificate_that_nobody_has_signed_whom_one_trusts_ends_a_load_before_it_begins() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let holdfast = encrypted(&stranger.issue("registry"));
    let url = format!("https://{}", holdfast.address);
    let cacert = authority.file().to_str().unwrap().to_owned();
    let outcome = Outcome::of(&bench(&["--work", "pull", "--cacert", &cacert, &url]).output().unwrap());
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    assert!(outcome.errors.contains("UnknownIssuer"), "{outcome:?}");
}

#[test]
fn sessions_are_resumed_or_not_as_was_asked_for() {
    let authority = Authority::new();
    let holdfast = encrypted(&authority.issue("registry"));
    for (reconnect, is_resumed) in
        [(Reconnect::Never, false), (Reconnect::Resuming, true), (Reconnect::Anew, false)]
    {
        for target in [Target::from(holdfast.address), Target::from(holdfast.address).over_http2()] {
            let target = target.encrypted(Trust::Signers(&authority.file()), reconnect).unwrap();
            let mut connection = Connection::open(&target).unwrap();
            for _ in 0..3 {
                connection.ask(&Request::new("GET", "/v2/"), 200).unwrap();
            }
            assert_eq!(connection.was_resumed(), is_resumed, "{reconnect:?}, HTTP/2: {}", target.is_http2());
        }
    }
}

#[test]
fn what_is_pushed_lies_in_the_repository_that_was_named() {
    let holdfast = Holdfast::start();
    assert_eq!(run(&["--repository", "team/load"], holdfast.address).code, Some(0));
    let mut connection = Connection::open(&Target::from(holdfast.address)).unwrap();
    let tags = connection.ask(&Request::new("GET", "/v2/team/load/tags/list"), 200).unwrap();
    assert!(tags.length > 40, "{tags:?}");
}

#[test]
fn a_second_load_pushes_what_the_first_one_has_not() {
    let holdfast = Holdfast::start();
    for _ in 0..2 {
        // An image whose new layer is there already fails: HEAD has to find nothing.
        assert_eq!(run(&["--work", "mixed"], holdfast.address).code, Some(0));
    }
}

#[test]
fn an_interrupted_load_ends_at_once_with_its_table() {
    let holdfast = Holdfast::start();
    let url = format!("http://{}", holdfast.address);
    let child = bench(&["--duration", "1h", &url]).spawn().unwrap();
    let mut connection = Connection::open(&Target::from(holdfast.address)).unwrap();
    while connection.ask(&Request::new("GET", "/v2/holdfast-bench/tags/list"), 200).is_err() {
        std::thread::sleep(Duration::from_millis(20));
    }
    std::thread::sleep(Duration::from_millis(500));
    let interrupted = Instant::now();
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let outcome = Outcome::of(&child.wait_with_output().unwrap());
    assert!(interrupted.elapsed() < Duration::from_secs(10), "{:?}", interrupted.elapsed());
    assert_eq!((outcome.code, outcome.errors.as_str()), (Some(0), ""), "{outcome:?}");
    assert_ne!(outcome.line("together")[0], "0");
}

#[test]
fn a_person_at_a_terminal_sees_how_far_it_is() {
    let (holdfast, terminal) = (Holdfast::start(), Terminal::open());
    let url = format!("http://{}", holdfast.address);
    let output = {
        let mut command = bench(&["--duration", "2s", &url]);
        command.stderr(terminal.line.try_clone().unwrap());
        command.output().unwrap()
    };
    assert!(output.status.success());
    let shown = terminal.into_text();
    assert!(shown.contains("\r\u{1b}[K1 of 2 s: "), "{shown:?}");
    assert!(shown.ends_with("\r\u{1b}[K"), "the line is not cleared: {shown:?}");
}
