//! What a registry says of its logins when it starts.

use std::time::{Duration, Instant};

use super::house::House;
use crate::support::Holdfast;

#[test]
fn the_log_says_which_rule_is_in_force() {
    expect_in_log(
        &House::with_users().holdfast,
        "users of auth.htpasswd log in; whoever is let in may do everything",
    );
    expect_in_log(
        &House::with_policies("[{who: user:alice, may: pull, where: a}]").holdfast,
        "users of auth.htpasswd log in; the 1 entries of auth.policies say what they may do",
    );
    expect_in_log(&Holdfast::start(), "nobody has to log in, and everybody may do everything");
}

/// It says so after it has said where it listens, which is when a test goes on.
#[track_caller]
fn expect_in_log(holdfast: &Holdfast, said: &str) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !holdfast.log().contains(said) {
        assert!(Instant::now() < deadline, "{}", holdfast.log());
        std::thread::sleep(Duration::from_millis(10));
    }
}
