//! Memory: it does not grow with the size of blobs, whichever way they go, and hardly with the number of clients.

#![cfg(target_os = "linux")]

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::process::{Resource, Rlimit};

use crate::support::{Connection, Holdfast, Request, bytes_of, sha256};

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

/// How many connections there can be at once, of so many: each takes a descriptor here, and one there.
fn connections_of(wanted: usize) -> usize {
    /// For everything else that either process has open.
    const OTHERS: u64 = 2_000;
    let limit = rustix::process::getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, ..limit };
    rustix::process::setrlimit(Resource::Nofile, raised).unwrap();
    let room = limit.maximum.map_or(usize::MAX, |most| usize::try_from(most.saturating_sub(OTHERS)).unwrap());
    if room < wanted {
        eprintln!("{room} connections instead of {wanted}: the limit on open files allows no more");
    }
    wanted.min(room)
}

/// Others are served as if there were nobody else.
fn expect_service(registry: &Holdfast) {
    for seed in 100..130 {
        let small = bytes_of(1_000, seed);
        let path = format!("/v2/team/app/blobs/{}", registry.push_blob("team/app", &small));
        registry.get(&path).expect(200).expect_body(&small);
    }
}

/// Opens so many connections, and gives what each costs the server, in bytes of its own memory.
fn cost_of_each(
    registry: &Holdfast,
    count: usize,
    open: impl Fn() -> Connection,
    settle: impl Fn(&mut Connection),
) -> (u64, Vec<Connection>) {
    let before = registry.own_memory();
    let mut connections: Vec<_> = (0..count).map(|_| open()).collect();
    connections.iter_mut().for_each(settle);
    // Whoever was sent something may be given more to send.
    std::thread::sleep(Duration::from_millis(500));
    (registry.own_memory().saturating_sub(before) / count as u64, connections)
}

#[test]
fn ten_thousand_idle_connections_cost_little_memory_and_hold_nobody_up() {
    /// What each may cost, in bytes.
    const EACH: u64 = 48 << 10;
    let registry = Holdfast::start();
    let ask = |connection: &mut Connection| drop(connection.send(&Request::get("/v2/")).expect(200));
    let (each, idle) = cost_of_each(&registry, connections_of(10_000), || registry.connect(), ask);
    eprintln!("{} idle connections cost {each} bytes each", idle.len());
    expect_service(&registry);
    assert!(each > 0 && each < EACH, "each costs {each} bytes");
}

#[test]
fn two_thousand_slow_pullers_cost_little_memory_and_hold_nobody_up() {
    /// What each may cost, in bytes: no slice of what it pulls, and no buffer for one.
    const SENT_AS_FILES: u64 = 64 << 10;
    /// Two pieces of 128 KiB, which had to be looked at.
    const VERIFIED: u64 = 384 << 10;
    let verifying = "storage: {pulls: {verify: true}}\n";
    for (registry, bound) in [(Holdfast::start(), SENT_AS_FILES), (Holdfast::configured(verifying), VERIFIED)]
    {
        let path = format!("/v2/team/app/blobs/{}", registry.push_blob("team/app", bytes_of(32 << 20, 1)));
        let pull = || {
            let mut connection = registry.connect();
            connection.write_head(&Request::get(&path));
            connection
        };
        let (each, pullers) = cost_of_each(&registry, connections_of(2_000), pull, Connection::skip_some);
        eprintln!("{} slow pullers cost {each} bytes each", pullers.len());
        expect_service(&registry);
        assert!(each > 0 && each < bound, "each costs {each} bytes");
    }
}
