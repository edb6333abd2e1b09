//! Clients that push, mount, pull and delete overlapping images while everything is collected all the time: nobody who was
//! told that something is there finds it gone, and in the end exactly what is referred to is left.
//!
//! `HOLDFAST_RACE_SECONDS=300` races for minutes.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::collection::payload_files;
use crate::support::{
    Connection, Holdfast, Request, Response, bytes_of, descriptor, image, sha256, to_bytes,
};

/// How long a client may rely on what it was told.
const LEASE: Duration = Duration::from_secs(2);
const CONFIGURATION: &str = "storage: {gc: {lease: 2s, grace: 0s}, log: {settleinterval: 10ms}}\n";
const CLIENTS: u64 = 4;
/// What all images are made of: so many that most of them are of no use at any moment.
const LAYERS: u64 = 400;
const TAGS: u64 = 6;

fn seconds() -> u64 {
    std::env::var("HOLDFAST_RACE_SECONDS").ok().map_or(20, |text| text.parse().unwrap())
}

/// Some lie in the log first, some in files at once.
fn layer(number: u64) -> Vec<u8> {
    bytes_of(if number.is_multiple_of(5) { 300_000 } else { 5_000 }, number)
}

/// A client with a repository of its own.
struct Client {
    connection: Connection,
    repository: String,
    /// Where its tags point: the layers of the image.
    tags: BTreeMap<String, [u64; 2]>,
    random: u64,
    /// How often it was told what to rely on, and found it gone when that was over.
    late: u64,
    pushes: u64,
}

impl Client {
    fn below(&mut self, bound: u64) -> u64 {
        self.random =
            self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) % bound
    }

    fn send(&mut self, request: &Request) -> Response {
        self.connection.send(request)
    }

    fn path(&self, rest: &str) -> String {
        format!("/v2/{}/{rest}", self.repository)
    }

    fn act(&mut self) {
        let tag = format!("t{}", self.below(TAGS));
        match self.below(10) {
            0..=4 => self.push(tag),
            5 | 6 => self.pull(&tag),
            7 => self.delete(&tag, false),
            _ => self.delete(&tag, true),
        }
    }

    fn push(&mut self, tag: String) {
        let layers = [self.below(LAYERS), self.below(LAYERS)];
        let began = Instant::now();
        for number in layers {
            self.bring(number);
        }
        let config = self.bring_config();
        let layer = |number| descriptor("application/vnd.oci.image.layer.v1.tar", layer(number));
        let manifest = image(&config, &layers.map(layer));
        let put = Request::put(self.path(&format!("manifests/{tag}")))
            .header("Content-Type", "application/vnd.oci.image.manifest.v1+json")
            .body(to_bytes(&manifest));
        let status = self.send(&put).status;
        self.pushes += 1;
        match status {
            201 => drop(self.tags.insert(tag, layers)),
            // It has taken its time, and nobody has promised that much.
            _ if began.elapsed() >= LEASE => self.late += 1,
            status => {
                panic!("{}: {tag} was refused with {status} after {:?}", self.repository, began.elapsed())
            }
        }
    }

    /// Asks for a layer, mounts it, or pushes it.
    fn bring(&mut self, number: u64) {
        let (bytes, digest) = (layer(number), sha256(layer(number)));
        if self.send(&Request::head(self.path(&format!("blobs/{digest}")))).status == 200 {
            return;
        }
        let from = format!("client-{}", self.below(CLIENTS));
        let mount = self.path(&format!("blobs/uploads/?mount={digest}&from={from}"));
        let begun = self.send(&Request::post(mount));
        match begun.status {
            201 => {}
            202 => {
                let location = begun.location();
                let separator = if location.contains('?') { '&' } else { '?' };
                let put = Request::put(format!("{location}{separator}digest={digest}")).body(bytes);
                assert_eq!(self.send(&put).status, 201);
            }
            status => panic!("{status}"),
        }
    }

    fn bring_config(&mut self) -> serde_json::Value {
        let config = r#"{"architecture":"amd64","os":"linux"}"#;
        let digest = sha256(config);
        let whole = Request::post(self.path(&format!("blobs/uploads/?digest={digest}"))).body(config);
        assert_eq!(self.send(&whole).status, 201);
        descriptor("application/vnd.oci.image.config.v1+json", config)
    }

    fn pull(&mut self, tag: &str) {
        let expected = self.tags.get(tag).copied();
        let found = self.send(&Request::get(self.path(&format!("manifests/{tag}"))));
        let Some(layers) = expected else {
            assert_eq!(found.status, 404, "{tag} has no image");
            return;
        };
        assert_eq!(found.status, 200, "{}: {tag} has an image", self.repository);
        for number in layers {
            let digest = sha256(layer(number));
            let pulled = self.send(&Request::get(self.path(&format!("blobs/{digest}"))));
            assert_eq!(pulled.status, 200, "{}: the layer {number} of {tag}", self.repository);
            assert!(pulled.body == layer(number), "{}: the layer {number} of {tag}", self.repository);
        }
    }

    /// Deletes a tag, or its manifest with all tags that it has.
    fn delete(&mut self, tag: &str, whole: bool) {
        let Some(layers) = self.tags.get(tag).copied() else { return };
        let mut reference = tag.to_owned();
        if whole {
            let head = self.send(&Request::head(self.path(&format!("manifests/{tag}"))));
            reference = head.header("Docker-Content-Digest").to_owned();
        }
        let deleted = self.send(&Request::delete(self.path(&format!("manifests/{reference}"))));
        assert_eq!(deleted.status, 202);
        match whole {
            true => self.tags.retain(|_, other| *other != layers),
            false => drop(self.tags.remove(tag)),
        }
    }
}

#[test]
fn whoever_was_told_that_something_is_there_finds_it_however_much_is_collected() {
    let mut registry = Holdfast::configured(CONFIGURATION);
    let (is_over, collections, root) = (AtomicBool::new(false), AtomicU64::new(0), registry.root());
    let collect = |arguments: &[&str]| {
        let gc = Command::new(env!("CARGO_BIN_EXE_holdfast"))
            .arg("gc")
            .arg("--root")
            .arg(&root)
            .args(arguments)
            .output();
        let gc = gc.unwrap();
        assert!(gc.status.success(), "{}", String::from_utf8_lossy(&gc.stderr));
        String::from_utf8(gc.stdout).unwrap()
    };
    let clients: Vec<Client> = thread::scope(|scope| {
        let collector = scope.spawn(|| {
            let mut removed = 0;
            while !is_over.load(Ordering::Relaxed) {
                removed += collect(&["--delete-untagged"])
                    .lines()
                    .filter(|line| line.starts_with("removed: blob"))
                    .count();
                collections.fetch_add(1, Ordering::Relaxed);
            }
            removed
        });
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let registry = &registry;
                scope.spawn(move || {
                    let mut client = Client {
                        connection: registry.connect(),
                        repository: format!("client-{number}"),
                        tags: BTreeMap::new(),
                        random: number,
                        late: 0,
                        pushes: 0,
                    };
                    let end = Instant::now() + Duration::from_secs(seconds());
                    while Instant::now() < end {
                        client.act();
                        // So that there is time for something to become old.
                        thread::sleep(Duration::from_millis(client.below(60)));
                    }
                    client
                })
            })
            .collect();
        let clients = clients.into_iter().map(|client| client.join());
        let clients: Result<Vec<_>, _> = clients.collect();
        is_over.store(true, Ordering::Relaxed);
        let removed = collector.join().unwrap();
        assert!(removed > 0, "nothing was ever collected");
        clients.unwrap()
    });
    let pushes: u64 = clients.iter().map(|client| client.pushes).sum();
    let late: u64 = clients.iter().map(|client| client.late).sum();
    println!("{pushes} pushes ({late} too late), {} collections", collections.load(Ordering::Relaxed));
    assert!(late * 2 < pushes, "the machine is too slow for this: {late} of {pushes} came too late");
    let mut referred: BTreeSet<String> = BTreeSet::new();
    for mut client in clients {
        let tags: Vec<_> = client.tags.keys().cloned().collect();
        tags.iter().for_each(|tag| client.pull(tag));
        referred.extend(client.tags.values().flatten().map(|number| sha256(layer(*number))));
        if !tags.is_empty() {
            referred.insert(sha256(r#"{"architecture":"amd64","os":"linux"}"#));
        }
    }
    registry.stop();
    collect(&["--grace", "0s", "--delete-untagged"]);
    registry.start_again();
    let expected: Vec<_> = referred.iter().map(|digest| digest["sha256:".len()..].to_owned()).collect();
    let began = Instant::now();
    while payload_files(&root) != expected {
        assert!(began.elapsed() < Duration::from_secs(10), "{:?} and not {expected:?}", payload_files(&root));
        thread::sleep(Duration::from_millis(20));
    }
}
