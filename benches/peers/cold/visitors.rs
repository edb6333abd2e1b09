//! Those who ask for little and notice when it takes long.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use holdfast::load::{
    Connection, Failure, Latencies, Stem, Target, image_manifest, pull, pull_manifest, put_manifest,
};
use holdfast::oci::ManifestType;

use crate::place::{Place, REPOSITORY};

/// How many ask for the same kind of thing, each on a connection of its own.
pub(super) const VISITORS: usize = 2;

/// How long one of them rests between an answer and the next request.
const REST: Duration = Duration::from_millis(2);

/// What they ask for.
pub(super) struct Visits {
    manifest: String,
    manifest_size: u64,
    blob: String,
    blob_size: u64,
}

impl Visits {
    pub(super) fn prepare(place: &Place<'_>) -> Result<Self, Failure> {
        let (blob, found) = place.put_blob(&Stem::new(64 << 10))?;
        let manifest = image_manifest(found, &[found; 6]);
        put_manifest(&mut place.connect()?, REPOSITORY, "latest", ManifestType::OciImage, &manifest)?;
        Ok(Self {
            manifest: format!("/v2/{REPOSITORY}/manifests/latest"),
            manifest_size: manifest.len() as u64,
            blob,
            blob_size: found.size,
        })
    }

    /// Has everything brought into memory.
    pub(super) fn warm_up(&self, connection: &mut Connection) -> Result<(), Failure> {
        self.get_manifest(connection)?;
        self.get_blob(connection).map(drop)
    }

    /// How long the answers take until the visits are over: manifests, blobs.
    pub(super) fn take(
        &self,
        target: &Target,
        are_over: &AtomicBool,
    ) -> Result<(Latencies, Latencies), Failure> {
        let (get_manifest, get_blob) = (|c: &mut _| self.get_manifest(c), |c: &mut _| self.get_blob(c));
        thread::scope(|scope| {
            let manifests = scope.spawn(|| visit_together(target, are_over, &get_manifest));
            let blobs = visit_together(target, are_over, &get_blob)?;
            Ok((manifests.join().unwrap()?, blobs))
        })
    }

    fn get_manifest(&self, connection: &mut Connection) -> Result<u64, Failure> {
        pull_manifest(connection, &self.manifest, ManifestType::OciImage, self.manifest_size)
    }

    fn get_blob(&self, connection: &mut Connection) -> Result<u64, Failure> {
        pull(connection, &self.blob, self.blob_size)
    }
}

type Ask<'a> = &'a (dyn Fn(&mut Connection) -> Result<u64, Failure> + Sync);

fn visit_together(target: &Target, are_over: &AtomicBool, ask: Ask<'_>) -> Result<Latencies, Failure> {
    thread::scope(|scope| {
        let visitors: Vec<_> = (0..VISITORS).map(|_| scope.spawn(|| visit(target, are_over, ask))).collect();
        let mut all = Latencies::default();
        for visitor in visitors {
            all.merge(&visitor.join().unwrap()?);
        }
        Ok(all)
    })
}

fn visit(target: &Target, are_over: &AtomicBool, ask: Ask<'_>) -> Result<Latencies, Failure> {
    let (mut connection, mut latencies) = (Connection::open(target)?, Latencies::default());
    while !are_over.load(Ordering::Relaxed) {
        thread::sleep(REST);
        let asked = Instant::now();
        ask(&mut connection)?;
        latencies.record(asked.elapsed());
    }
    Ok(latencies)
}
