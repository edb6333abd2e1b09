//! Rolling restarts under load: what was acknowledged is there, and clients that try again see nothing but closed connections.

#![cfg(target_os = "linux")]

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::support::{
    Builder, Connection, OCI_IMAGE, Registry, Request, Response, bytes_of, descriptor, image, sha256,
    to_bytes,
};

const REPOSITORY: &str = "team/rolling";
const ROUNDS: usize = 5;
const PUSHERS: u64 = 3;
const PULLERS: usize = 2;

/// An image whose push was acknowledged.
struct Pushed {
    tag: String,
    manifest: Vec<u8>,
    layer: Vec<u8>,
}

/// What all clients have in common.
#[derive(Default)]
struct Load {
    stop: AtomicBool,
    pushed: Mutex<Vec<Arc<Pushed>>>,
    pulled: AtomicUsize,
    /// How often a connection was closed before its answer had come.
    closed: AtomicUsize,
}

/// A client that keeps its connection, and tries again on a new one when it was closed.
struct Client<'a> {
    registry: &'a Registry,
    connection: Option<Connection>,
    load: &'a Load,
}

impl Client<'_> {
    /// Sends the request once; `None` if the connection was closed before all of the answer had come.
    fn try_once(&mut self, request: &Request) -> Option<Response> {
        let mut connection =
            self.connection.take().or_else(|| Connection::try_open(self.registry.address))?;
        let response = connection.try_send(request)?;
        if response.find_header("Connection") != Some("close") {
            self.connection = Some(connection);
        }
        Some(response)
    }

    /// Does something that takes several requests, again and again until no connection is closed meanwhile.
    fn insist<T>(&mut self, mut work: impl FnMut(&mut Self) -> Option<T>) -> T {
        const PATIENCE: Duration = Duration::from_secs(30);
        let began = Instant::now();
        loop {
            if let Some(done) = work(self) {
                return done;
            }
            self.load.closed.fetch_add(1, Ordering::Relaxed);
            assert!(began.elapsed() < PATIENCE, "nothing but closed connections");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn push_blob(&mut self, bytes: &[u8]) -> String {
        let digest = sha256(bytes);
        self.insist(|client| {
            let uploads = format!("/v2/{REPOSITORY}/blobs/uploads/");
            let mut session = client.try_once(&Request::post(uploads))?.expect(202);
            let (half, rest) = bytes.split_at(bytes.len() / 2);
            session = client.try_once(&Request::patch(session.location()).body(half))?.expect(202);
            let closing = format!("{}?digest={digest}", session.location());
            Some(client.try_once(&Request::put(closing).body(rest))?.expect(201))
        });
        digest
    }

    /// Pushes an image that nobody else has.
    fn push_image(&mut self, seed: u64) {
        let config = format!(r#"{{"architecture":"amd64","os":"linux","seed":{seed}}}"#);
        let length = if seed.is_multiple_of(4) { 900_000 } else { 30_000 };
        let (layer, tag) = (bytes_of(length, seed), format!("tag-{seed}"));
        self.push_blob(config.as_bytes());
        self.push_blob(&layer);
        let manifest = to_bytes(&image(
            &descriptor("application/vnd.oci.image.config.v1+json", &config),
            &[descriptor("application/vnd.oci.image.layer.v1.tar+gzip", &layer)],
        ));
        let target = format!("/v2/{REPOSITORY}/manifests/{tag}");
        let put = Request::put(target).header("Content-Type", OCI_IMAGE).body(manifest.clone());
        self.insist(|client| client.try_once(&put)).expect(201);
        self.load.pushed.lock().unwrap().push(Arc::new(Pushed { tag, manifest, layer }));
    }

    /// Pulls the image, which must be what was pushed.
    fn pull_image(&mut self, Pushed { tag, manifest, layer }: &Pushed) {
        let path = |kind: &str, reference: &str| format!("/v2/{REPOSITORY}/{kind}/{reference}");
        for (path, bytes) in [(path("manifests", tag), manifest), (path("blobs", &sha256(layer)), layer)] {
            let get = Request::get(path);
            self.insist(|client| client.try_once(&get)).expect(200).expect_body(bytes);
        }
    }
}

impl Load {
    fn client<'a>(&'a self, registry: &'a Registry) -> Client<'a> {
        Client { registry, connection: None, load: self }
    }

    /// Ends it when it is dropped, so that a failure ends it as well.
    fn until_dropped(&self) -> impl Drop {
        struct End<'a>(&'a AtomicBool);
        impl Drop for End<'_> {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        End(&self.stop)
    }

    fn goes_on(&self) -> bool {
        !self.stop.load(Ordering::Relaxed)
    }

    fn push(&self, registry: &Registry, number: u64) {
        let mut client = self.client(registry);
        (number << 32..).take_while(|_| self.goes_on()).for_each(|seed| client.push_image(seed));
    }

    /// Pulls the images that were pushed, one after the other and then again.
    fn pull(&self, registry: &Registry) {
        let mut client = self.client(registry);
        for number in (0..).take_while(|_| self.goes_on()) {
            let image = {
                let pushed = self.pushed.lock().unwrap();
                pushed.get(number % pushed.len().max(1)).cloned()
            };
            match image {
                Some(image) => client.pull_image(&image),
                None => std::thread::sleep(Duration::from_millis(1)),
            }
            self.pulled.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[test]
fn a_rolling_restart_under_load_loses_nothing_and_shows_clients_nothing_but_closed_connections() {
    // An address of its own, so that nobody takes the port in between.
    let mut registry = Builder::default().at(([127, 0, 82, 1], 0).into()).start();
    let (load, clients) = (Load::default(), (*registry).clone());
    std::thread::scope(|scope| {
        let (load, clients) = (&load, &clients);
        let mut threads: Vec<_> =
            (0..PUSHERS).map(|number| scope.spawn(move || load.push(clients, number))).collect();
        threads.extend((0..PULLERS).map(|_| scope.spawn(|| load.pull(clients))));
        let _end = load.until_dropped();
        for _ in 0..ROUNDS {
            std::thread::sleep(Duration::from_millis(400));
            registry.roll();
            assert!(threads.iter().all(|thread| !thread.is_finished()), "a client has given up");
        }
        std::thread::sleep(Duration::from_millis(200));
    });
    let pushed = load.pushed.lock().unwrap();
    let (pulled, closed) = (load.pulled.load(Ordering::Relaxed), load.closed.load(Ordering::Relaxed));
    eprintln!("{} images pushed, {pulled} pulled, {closed} connections closed", pushed.len());
    assert!(pushed.len() > 2 * ROUNDS && pulled > 2 * ROUNDS && closed >= ROUNDS, "there was no load");
    let mut client = load.client(&registry);
    pushed.iter().for_each(|image| client.pull_image(image));
    registry.stop();
    registry.check_payloads();
}
