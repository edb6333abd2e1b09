//! Memory: it does not grow with the size of blobs, whichever way they go, and hardly with the number of clients.

#![cfg(target_os = "linux")]

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::support::{Holdfast, Request, bytes_of, sha256};

const REPOSITORY: &str = "team/memory";
const PIECE: usize = 1024 * 1024;
const PIECES: usize = 192;
/// What the process may have of its own, in bytes, while several blobs of [`PIECES`] megabytes go in or out at once.
const BOUND: u64 = 64 * 1024 * 1024;

/// Does the work while looking at the server's memory, which has to stay within [`BOUND`].
fn within_bound(registry: &Holdfast, work: impl FnOnce() + Send) {
    let done = AtomicBool::new(false);
    let peak = std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut peak = 0;
            while !done.load(Ordering::Relaxed) {
                peak = peak.max(registry.own_memory());
                std::thread::sleep(Duration::from_millis(5));
            }
            peak
        });
        work();
        done.store(true, Ordering::Relaxed);
        watcher.join().unwrap()
    });
    assert!(peak > 0 && peak < BOUND, "it had {} MiB of its own", peak / 1024 / 1024);
}

/// Streams a blob of [`PIECES`] equal megabytes into a session of its own.
fn stream_in(registry: &Holdfast, piece: &[u8]) {
    let mut upload = registry.start_upload(REPOSITORY);
    let request = Request::patch(&upload.location).announcing((PIECES * PIECE) as u64);
    let mut connection = registry.connect();
    connection.write_head(&request);
    for _ in 0..PIECES {
        connection.write(piece);
    }
    connection.read_response(&request).expect(202);
    upload.put(&sha256(piece.repeat(PIECES)), "").expect(201);
}

#[test]
fn memory_does_not_grow_with_the_blobs_that_are_pushed_and_pulled() {
    let registry = Holdfast::start();
    let piece = bytes_of(PIECE, 1);
    within_bound(&registry, || {
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| stream_in(&registry, &piece));
            }
        });
    });
    let path = format!("/v2/{REPOSITORY}/blobs/{}", sha256(piece.repeat(PIECES)));
    within_bound(&registry, || {
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let mut connection = registry.connect();
                    connection.write_request(&Request::get(&path).header("Connection", "close"));
                    assert!(connection.skip_to_end() > PIECES * PIECE);
                });
            }
        });
    });
}

#[test]
fn pullers_who_read_nothing_cost_little_memory_and_hold_nobody_up() {
    const PULLERS: u64 = 400;
    /// What each may cost, in bytes: no slice of what it pulls, and no buffer for one.
    const EACH: u64 = 64 << 10;
    let registry = Holdfast::start();
    let path = format!("/v2/team/app/blobs/{}", registry.push_blob("team/app", bytes_of(32 << 20, 1)));
    let before = registry.own_memory();
    let pull = |_| {
        let mut connection = registry.connect();
        connection.write_head(&Request::get(&path));
        connection
    };
    let pullers: Vec<_> = (0..PULLERS).map(pull).collect();
    for seed in 2..30 {
        let small = bytes_of(1_000, seed);
        let path = format!("/v2/team/app/blobs/{}", registry.push_blob("team/app", &small));
        registry.get(&path).expect(200).expect_body(&small);
    }
    let each = registry.own_memory().saturating_sub(before) / PULLERS;
    assert!(each < EACH, "each costs {each} bytes");
    drop(pullers);
}
