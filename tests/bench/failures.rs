//! Registries that break their promises, and are found out.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use crate::command::{Outcome, bench, run};
use crate::liar;
use crate::support::Holdfast;

#[test]
fn a_registry_that_serves_other_bytes_is_found_out() {
    let holdfast = Holdfast::start();
    let address = liar::before(holdfast.address, liar::flip_a_bit);
    for work in ["pull", "mixed"] {
        let outcome = run(&["--work", work], address);
        assert_eq!(outcome.code, Some(1), "{outcome:?}");
        assert!(
            outcome.output.contains(" wrong bytes; the first: GET /v2/holdfast-bench/blobs/sha256:"),
            "{outcome:?}"
        );
    }
}

#[test]
fn of_the_bodies_that_are_not_compared_the_length_still_is() {
    let holdfast = Holdfast::start();
    let wrong_bytes = liar::before(holdfast.address, liar::flip_a_bit);
    let all_but_none = ["--work", "pull", "--verify-one-of", "1000000000"];
    let outcome = run(&all_but_none, wrong_bytes);
    assert!(outcome.output.contains(" 1 wrong bytes; the first: "), "{outcome:?}");
    let wrong_length = liar::before(holdfast.address, liar::announce_less);
    let outcome = run(&all_but_none, wrong_length);
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    assert!(outcome.output.contains(" wrong length; the first: GET /v2/"), "{outcome:?}");
}

#[test]
fn a_registry_that_has_lost_what_was_pushed_is_found_out() {
    let holdfast = Holdfast::start();
    let outcome = run(&["--work", "pull"], liar::before(holdfast.address, liar::deny));
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    assert!(outcome.output.contains(" status 404; the first: GET /v2/"), "{outcome:?}");
    assert!(outcome.output.contains(" was answered with status 404, not 200: "), "{outcome:?}");
}

#[test]
fn a_registry_that_goes_away_is_reported_and_not_waited_for() {
    let mut holdfast = Holdfast::start();
    let url = format!("http://{}", holdfast.address);
    let child = bench(&["--work", "push", "--duration", "3s", &url]).spawn().unwrap();
    std::thread::sleep(Duration::from_secs(1));
    holdfast.kill();
    let outcome = Outcome::of(&child.wait_with_output().unwrap());
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    assert!(outcome.output.contains(" connection: connection refused; the first: "), "{outcome:?}");
}

#[test]
fn a_registry_that_says_nothing_is_given_up_some_time_after_the_end() {
    let silent = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let began = Instant::now();
    let outcome = run(&["--work", "push"], silent.local_addr().unwrap());
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    assert!(outcome.output.contains(" 2 no answer; the first: "), "{outcome:?}");
}

#[test]
fn where_nobody_listens_there_is_a_message_and_no_table() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let outcome = run(&[], address);
    assert_eq!((outcome.code, outcome.output.as_str()), (Some(1), ""));
    let message =
        format!("holdfast: what the load needs cannot be pushed to {address}: the connection failed: ");
    assert!(outcome.errors.starts_with(&message), "{outcome:?}");
}
