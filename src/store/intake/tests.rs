//! Files that are taken in, on a disk whose power is cut at any call.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::oci::{Algorithm, RepositoryName};
use crate::store::disk::Disk;
use crate::store::disk::simulated::Simulated;
use crate::store::{
    Accepted, Change, Decision, Operation, Options, Slot, Store, SurveyOptions, Tables, Write,
};

const ROOT: &str = "/store";
const WAIT: Duration = Duration::from_secs(20);

/// Lets a repository hold what was taken in.
struct Name(Vec<(Digest, u64, PayloadId)>);

impl Operation for Name {
    type Outcome = ();
    type Refusal = ();

    fn decide(self, _tables: &Tables<Write<'_>>, slot: Slot) -> Decision<Self> {
        let changes = self.0.into_iter().flat_map(|(digest, size, file)| {
            let (repository, at) = (repository(), slot.now);
            [Change::BlobTaken { digest, size, file }, Change::BlobLinked { repository, digest, at }]
        });
        Ok(Accepted::new(changes.collect(), ()))
    }
}

fn repository() -> RepositoryName {
    "a".parse().expect("a name")
}

fn options() -> Options {
    Options { ballast: 0, ..Options::default() }
}

fn open(machine: &Simulated) -> Option<Store> {
    Store::open_on(machine.disk(), Path::new(ROOT), &options()).ok()
}

/// A machine with a store, and files beside it that nobody has synced.
fn machine(seed: u64) -> (Simulated, Vec<Offered>) {
    let machine = Simulated::new(seed);
    let disk = machine.disk();
    for folder in [ROOT, "/old"] {
        disk.create_folder(Path::new(folder)).expect("a folder");
    }
    disk.sync_folder(Path::new("/")).expect("synced");
    drop(open(&machine).expect("a store"));
    let offered = (0..6_u8).map(|number| {
        let bytes = vec![number; 2_000 + usize::from(number)];
        let path = Path::new("/old").join(number.to_string());
        disk.create(&path).and_then(|file| file.write_at(&bytes, 0)).expect("a file");
        let digest = Hasher::digest(Algorithm::Sha256, &bytes);
        Offered { digest, size: bytes.len() as u64, path, is_verified: number % 2 == 0 }
    });
    let offered = offered.collect();
    (machine, offered)
}

/// Whether it was acknowledged that they are there.
async fn take(store: &Store, offered: &[Offered], method: Method) -> bool {
    let Ok(intake) = Intake::new(store, &[method]) else { return false };
    let landed = match method {
        Method::Download => receive(store, &intake, offered),
        _ => intake.take(offered).ok().and_then(|landed| landed.into_iter().map(Result::ok).collect()),
    };
    let Some(landed) = landed else { return false };
    let named = landed.iter().zip(offered).map(|(one, offered)| (offered.digest, offered.size, one.file));
    store.submit(Name(named.collect()), WAIT).await.is_ok()
}

/// Takes them in as streams.
fn receive(store: &Store, intake: &Intake<'_>, offered: &[Offered]) -> Option<Vec<Landed>> {
    let mut landed = Vec::new();
    for Offered { digest, path, .. } in offered {
        let bytes = store.disk.read_whole(path).ok()?;
        let mut landing = intake.receive(digest.algorithm()).ok()?;
        landing.write(b"not this").and_then(|()| landing.restart()).ok()?;
        bytes.chunks(700).try_for_each(|piece| landing.write(piece)).ok()?;
        assert_eq!((landing.digest(), landing.length()), (*digest, bytes.len() as u64));
        landed.push(landing.finish(Method::Download).ok()?);
    }
    intake.keep(landed.iter()).ok()?;
    Some(landed)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_breaks_off_leaves_nothing_behind() {
    let (machine, _) = machine(1);
    let store = open(&machine).expect("a store");
    let intake = Intake::new(&store, &Method::ALL).expect("an intake");
    let mut landing = intake.receive(Algorithm::Sha256).expect("begun");
    landing.write(b"half of it").expect("written");
    assert_eq!(store.disk.list(&store.layout.uploads()).expect("listed").len(), 1);
    drop(landing);
    assert_eq!(store.disk.list(&store.layout.uploads()).expect("listed").len(), 0);
}

fn expect_sound(store: &Store, offered: &[Offered], was_acknowledged: bool, story: &str) {
    let survey = store.survey(SurveyOptions { is_thorough: true }).expect("surveyed");
    assert!(survey.violations.is_empty(), "{story}: {:?}", survey.violations);
    for Offered { digest, .. } in offered.iter().filter(|_| was_acknowledged) {
        let row = store.read().blob_in(&repository(), digest).expect("read");
        assert!(row.is_some_and(|row| row.is_unverified && !row.is_damaged), "{story}: {digest}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_taken_in_and_acknowledged_survives_a_cut_at_any_call() {
    let mut acknowledged = 0;
    for (seed, method) in (0..120).zip([Method::Link, Method::Copy, Method::Download].into_iter().cycle()) {
        let (machine, offered) = machine(seed);
        let store = open(&machine).expect("a store");
        machine.stop_after(usize::try_from(seed / 2).expect("small"));
        let was_acknowledged = take(&store, &offered, method).await;
        acknowledged += usize::from(was_acknowledged);
        machine.cut(seed);
        drop(store);
        let story = format!("seed {seed}, {method}, acknowledged: {was_acknowledged}");
        expect_sound(&open(&machine).expect("a store"), &offered, was_acknowledged, &story);
    }
    assert!((10..110).contains(&acknowledged), "{acknowledged} of 120 were acknowledged");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_that_is_left_out_is_noticed() {
    for (rule, method) in [
        (Rule::SyncPayload, Method::Copy),
        (Rule::NamePayload, Method::Link),
        (Rule::SyncPayload, Method::Download),
        (Rule::NamePayload, Method::Download),
    ] {
        let mut losses = 0;
        for seed in 0..40 {
            let (machine, offered) = machine(seed);
            machine.set_barrier(false);
            let store = open(&machine).expect("a store");
            machine.leave_out(Some(rule));
            assert!(take(&store, &offered, method).await, "{rule:?}");
            machine.leave_out(None);
            machine.cut(seed);
            drop(store);
            let store = open(&machine).expect("a store");
            let survey = store.survey(SurveyOptions { is_thorough: true }).expect("surveyed");
            losses += usize::from(!survey.violations.is_empty());
        }
        assert!(losses > 0, "{rule:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_method_that_is_not_possible_is_told_once_and_the_next_one_is_tried() {
    let (machine, offered) = machine(1);
    let store = open(&machine).expect("a store");
    let intake = Intake::new(&store, &Method::ALL).expect("an intake");
    let landed = intake.take(&offered).expect("taken");
    assert!(landed.iter().all(|one| one.as_ref().is_ok_and(|one| one.method == Method::Link)));
    let setbacks: Vec<_> = intake.setbacks().into_iter().map(|(method, _)| method).collect();
    assert_eq!(setbacks, [Method::Reflink]);
    assert!(intake.setbacks().is_empty());
    let forced = Intake::new(&store, &[Method::Reflink]).expect("an intake");
    assert!(matches!(forced.take(&offered), Err(IntakeError::Impossible { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_not_what_it_should_be_holds_up_no_other() {
    let (machine, mut offered) = machine(1);
    let disk: Arc<dyn Disk> = machine.disk();
    let store = open(&machine).expect("a store");
    offered[0].size += 1;
    disk.unlink(&offered[1].path).expect("removed");
    machine.rot(&offered[2].path, 7).expect("rotten");
    let intake = Intake::new(&store, &[Method::Link, Method::Copy]).expect("an intake");
    let landed = intake.take(&offered).expect("taken");
    let problems: Vec<_> = landed.iter().map(|one| one.as_ref().err().map(String::as_str)).collect();
    let (size, content) = ("it has 2000 bytes; it should have 2001", "its bytes are not those of its digest");
    assert_eq!(problems, [Some(size), Some("it is missing"), Some(content), None, None, None]);
}
