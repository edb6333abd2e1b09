//! What can be asked for, and what cannot.

use crate::command::{Outcome, bench};

#[test]
fn a_wrong_command_line_is_refused_with_what_is_wrong() {
    let url = "http://127.0.0.1:9";
    for (arguments, message) in [
        (
            ["https://127.0.0.1:5000"].as_slice(),
            "name the file of the signers with --cacert, or use --insecure",
        ),
        (&["--insecure", url], "are for https"),
        (&["--handshakes", "full", url], "are for https"),
        (
            &["--cacert", "/nowhere", "https://127.0.0.1:9"],
            "/nowhere: no signers of certificates can be read",
        ),
        (&["--cacert", "/nowhere", "--insecure", "https://127.0.0.1:9"], "cannot be used with"),
        (&["127.0.0.1:5000"], "write it as http://HOST:PORT"),
        (&["http://127.0.0.1:5000/v2/"], "without a path"),
        (&["--size", "31", url], "a size is 32 bytes to 16GiB"),
        (&["--size", "17GiB", url], "a size is 32 bytes to 16GiB"),
        (&["--size", "1MB", url], "is not a size"),
        (&["--connections", "0", url], "there are 1 to 1024 connections"),
        (&["--connections", "1025", url], "there are 1 to 1024 connections"),
        (&["--duration", "500ms", url], "a load lasts 1s to 24h"),
        (&["--duration", "25h", url], "a load lasts 1s to 24h"),
        (&["--duration", "10", url], "10 has no unit"),
        (&["--repository", "Upper", url], "Upper"),
        (&["--verify-one-of", "0", url], "0 is not in 1.."),
        (&["--work", "rest", url], "[possible values: push, pull, mixed]"),
        (&[], "<URL>"),
    ] {
        let outcome = Outcome::of(&bench(arguments).output().unwrap());
        assert_eq!((outcome.code, outcome.output.as_str()), (Some(2), ""), "{arguments:?}: {outcome:?}");
        assert!(outcome.errors.contains(message), "{arguments:?}: {outcome:?}");
    }
}
