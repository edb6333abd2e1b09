//! The writer over a whole store.

use std::path::Path;

use bytes::Bytes;
use minicbor::bytes::ByteVec;

use super::*;
use crate::oci::{Algorithm, Digest};
use crate::store::disk::simulated::{Call, Failure, Simulated};
use crate::store::metadata::{Change, Tables, UploadRow, Write};
use crate::store::{Hasher, PayloadId, ServedTime, Store};

const WAIT: Duration = Duration::from_secs(20);

/// Keeps the writer for as long as it takes.
struct Slow(Duration);

impl Operation for Slow {
    type Outcome = ();
    type Refusal = ();

    fn decide(self, _tables: &Tables<Write<'_>>, _slot: Slot) -> Decision<Self> {
        thread::sleep(self.0);
        Ok(Accepted::new(Vec::new(), ()))
    }
}

/// Brings a payload into the log.
struct Push(Bytes);

impl Operation for Push {
    type Outcome = Digest;
    type Refusal = ();

    fn decide(self, _tables: &Tables<Write<'_>>, slot: Slot) -> Decision<Self> {
        let digest = Hasher::digest(Algorithm::Sha256, &self.0);
        let (repository, at) = ("a".parse().expect("a name"), slot.now);
        let (size, offset) = (self.0.len() as u64, slot.offset);
        let changes =
            vec![Change::BlobLogged { digest, size, offset }, Change::BlobLinked { repository, digest, at }];
        Ok(Accepted { changes, payload: Some(self.0), outcome: digest })
    }

    fn payload_size(&self) -> u64 {
        self.0.len() as u64
    }
}

/// Leaves a row of some size.
struct Mark(PayloadId);

impl Operation for Mark {
    type Outcome = ();
    type Refusal = ();

    fn decide(self, _tables: &Tables<Write<'_>>, slot: Slot) -> Decision<Self> {
        let upload = UploadRow {
            repository: "a".parse().expect("a name"),
            algorithm: Algorithm::Sha256,
            offset: 0,
            hash_state: Some(ByteVec::from(vec![7; 8_000])),
            started: slot.now,
            touched: ServedTime(0),
            owner: None,
        };
        Ok(Accepted::new(vec![Change::UploadMarked { id: self.0, upload }], ()))
    }
}

#[tokio::test]
async fn an_operation_waits_no_longer_than_it_may_for_the_queue_and_the_answer_together() {
    let folder = tempfile::tempdir().expect("a folder");
    let options = crate::store::Options { group_size: 1, queue: 1, ..crate::store::Options::default() };
    let store = Store::open(folder.path(), &options).expect("a store");
    let (slow, wait) = (Duration::from_millis(800), Duration::from_millis(1_400));
    let began = Instant::now();
    let submit = || async {
        let result = store.submit(Slow(slow), wait).await;
        (result.is_ok(), began.elapsed())
    };
    let ends = tokio::join!(submit(), submit(), submit(), submit());
    assert!(ends.0.0, "the first is answered");
    for (_, elapsed) in [ends.1, ends.2, ends.3] {
        assert!(elapsed < Duration::from_millis(1_900), "waited {elapsed:?} of {wait:?}");
    }
}

#[tokio::test]
async fn a_database_that_meets_an_error_is_opened_anew_and_has_lost_nothing() {
    const MOST: usize = 3_000;
    let machine = Simulated::new(0);
    let options = crate::store::Options { ballast: 0, ..crate::store::Options::default() };
    let store = Store::open_on(machine.disk(), Path::new("/"), &options).expect("a store");
    // The database is the only file that grows by this.
    machine.fail(Call::SetLength, 0, Failure::Device);
    let (mut acknowledged, mut after) = (Vec::new(), 0);
    for _ in 0..MOST {
        let id = PayloadId::random();
        after += usize::from(machine.has_failed());
        match store.submit(Mark(id), WAIT).await {
            Ok(()) => acknowledged.push(id),
            Err(error) => assert!(machine.has_failed(), "nothing has gone wrong yet, but {error:?}"),
        }
        if after == 20 {
            break;
        }
    }
    assert_eq!(after, 20, "the database had to grow");
    let has_stopped = timeout_at(Instant::now(), store.failed()).await.is_ok();
    assert!(!has_stopped, "the store goes on");
    let is_there = |id: &PayloadId| store.read().upload(*id).expect("a row").is_some();
    assert!(acknowledged.iter().all(is_there));
}

/// A log that has room for little, over which payloads settle so often.
fn small_log(settle_interval: Duration) -> crate::store::Options {
    crate::store::Options {
        log_segment: 16 << 10,
        archive_size: 1 << 10,
        log_size: 100 << 10,
        ballast: 0,
        settle_interval,
        ..crate::store::Options::default()
    }
}

#[tokio::test]
async fn a_full_log_lets_pushes_wait_boundedly_and_everything_else_go_on() {
    let machine = Simulated::new(0);
    let never = small_log(Duration::from_secs(3_600));
    let store = Store::open_on(machine.disk(), Path::new("/"), &never).expect("a store");
    let repository = "a".parse().expect("a name");
    let payload = |number: u32| Bytes::from(number.to_le_bytes().repeat(2_000));
    let mut pushed = Vec::new();
    let wait = Duration::from_millis(300);
    let refused = loop {
        let began = Instant::now();
        match store.submit(Push(payload(u32::try_from(pushed.len()).expect("few"))), wait).await {
            Ok(digest) => pushed.push(digest),
            Err(error) => break (error, began.elapsed()),
        }
        assert!(pushed.len() < 100, "the log never fills");
    };
    assert!(matches!(refused.0, Decline::Failed(WriteError::Busy)), "{:?}", refused.0);
    assert!(refused.1 >= wait && refused.1 < 3 * wait, "waited {:?}", refused.1);
    // What brings no payload is written, and what is there is read.
    store.submit(Mark(PayloadId::random()), WAIT).await.expect("written");
    for digest in &pushed {
        store.open_blob(&repository, digest).expect("read").expect("there");
    }
    drop(store);
    machine.kill();
    let often = small_log(Duration::from_millis(1));
    let store = Store::open_on(machine.disk(), Path::new("/"), &often).expect("a store");
    for number in 100..140 {
        pushed.push(store.submit(Push(payload(number)), WAIT).await.expect("there is room again"));
    }
    for digest in &pushed {
        store.open_blob(&repository, digest).expect("read").expect("there");
    }
}

/// A reader meets the error, and nobody writes: what has to be read from the disk can be read again all the same.
#[tokio::test]
async fn a_database_that_meets_an_error_under_a_reader_is_opened_anew_without_a_write() {
    let machine = Simulated::new(0);
    let options = crate::store::Options { ballast: 0, cache_size: 0, ..crate::store::Options::default() };
    let store = Store::open_on(machine.disk(), Path::new("/"), &options).expect("a store");
    let ids: Vec<_> = (0..100).map(|_| PayloadId::random()).collect();
    for id in &ids {
        store.submit(Mark(*id), WAIT).await.expect("written");
    }
    // Until nothing waits for a checkpoint any more, which would meet the error as well.
    tokio::time::sleep(Duration::from_secs(1)).await;
    machine.fail(Call::Read, 0, Failure::Device);
    let end = Instant::now() + WAIT;
    let mut has_met_it = false;
    loop {
        let found: Result<Vec<_>, _> = ids.iter().map(|id| store.read().upload(*id)).collect();
        match found {
            Ok(rows) if has_met_it => break assert!(rows.iter().all(Option::is_some), "acknowledged"),
            Ok(_) => {}
            Err(_) => has_met_it = true,
        }
        assert!(Instant::now() < end, "met: {has_met_it}; it cannot be read any more, or was never read");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Whichever read fails while payloads settle, once: they do in the end, but for one that could itself not be read, which
/// is left alone for a while.
#[tokio::test]
async fn the_background_work_goes_on_after_an_error_of_the_database() {
    for calls in 0..12 {
        let machine = Simulated::new(0);
        let options = crate::store::Options {
            ballast: 0,
            cache_size: 0,
            settle_interval: Duration::from_millis(5),
            ..crate::store::Options::default()
        };
        let store = Store::open_on(machine.disk(), Path::new("/"), &options).expect("a store");
        for number in 0..100_u32 {
            store.submit(Mark(PayloadId::random()), WAIT).await.expect("written");
            store.submit(Push(Bytes::from(number.to_le_bytes().to_vec())), WAIT).await.expect("pushed");
        }
        machine.fail(Call::Read, calls, Failure::Device);
        let end = Instant::now() + WAIT;
        let is_settled = || store.read().log_payloads(2, |_| true).is_ok_and(|left| left.len() < 2);
        while !is_settled() {
            assert!(Instant::now() < end, "nothing settles any more after read {calls} has failed");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// Whoever was told that nothing has happened finds that nothing has, though all of the record had reached the disk.
#[tokio::test]
async fn what_could_not_be_written_has_not_happened_after_a_crash_either() {
    for seed in 0..20 {
        let machine = Simulated::new(seed);
        let never = Duration::from_secs(3_600);
        let never =
            crate::store::Options { checkpoint_interval: never, log_segment: 1 << 20, ..small_log(never) };
        let store = Store::open_on(machine.disk(), Path::new("/"), &never).expect("a store");
        let there = store.submit(Push(Bytes::from_static(b"there")), WAIT).await.expect("pushed");
        // The next write is the record's.
        machine.fail(Call::Write, 0, Failure::Device);
        let payload = Bytes::from(vec![7; 3_000]);
        let missing = Hasher::digest(Algorithm::Sha256, &payload);
        let error = store.submit(Push(payload), WAIT).await.expect_err("it fails");
        assert!(matches!(error, Decline::Failed(WriteError::NotWritten(_))), "seed {seed}: {error:?}");
        machine.kill();
        drop(store);
        let store = Store::open_on(machine.disk(), Path::new("/"), &never).expect("a store");
        assert!(store.read().blob(&there).expect("read").is_some(), "seed {seed}");
        assert_eq!(store.read().blob(&missing).expect("read"), None, "seed {seed}");
    }
}
