//! Payloads in the log that the device cannot read any more, over HTTP.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{Method, Request, StatusCode};
use holdfast::api;
use holdfast::auth::Authority;
use holdfast::oci::{Algorithm, Digest};
use holdfast::registry::{Registry, Settings};
use holdfast::store::simulated::Simulated;
use holdfast::store::{Disk, Hasher, Options, Store};
use http_body_util::BodyExt;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use tokio::runtime::Runtime;

use crate::story::{options, runtime};

const ROOT: &str = "/";
/// How long everything may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// What is pushed besides, several times as much as the log has room for.
const OTHERS: u32 = 1_000;

/// So many payloads cannot be read: their pulls fail, everything else is served and settles, and the log does not fill.
pub(crate) fn read_past(count: u32) -> Result<(), String> {
    let machine = Simulated::new(0);
    let process = Process::open(&machine, Duration::from_secs(3_600));
    let lost: Vec<_> = (0..count).map(payload).collect();
    let neighbours: Vec<_> = (count..count + 20).map(payload).collect();
    for bytes in lost.iter().chain(&neighbours) {
        process.push(bytes)?;
    }
    process.end();
    break_in_log(&machine, &lost);
    let process = Process::open(&machine, Duration::from_millis(1));
    for number in 0..OTHERS {
        process.push(&payload(1 << 20 | number))?;
    }
    process.wait_until_settled(&machine.disk(), &neighbours)?;
    lost.iter().try_for_each(|bytes| process.pull(bytes, StatusCode::INTERNAL_SERVER_ERROR))?;
    neighbours.iter().try_for_each(|bytes| process.pull(bytes, StatusCode::OK))?;
    // Without them the store is whole again.
    lost.iter().try_for_each(|bytes| process.delete(bytes))?;
    process.end();
    let store =
        Store::open_on(machine.disk(), Path::new(ROOT), &options()).map_err(|error| error.to_string())?;
    crate::inspection::survey(&store)
}

fn payload(number: u32) -> Bytes {
    Bytes::from(format!("payload {number} ").repeat(250))
}

fn digest(bytes: &[u8]) -> Digest {
    Hasher::digest(Algorithm::Sha256, bytes)
}

/// Has the device fail in the middle of these payloads.
fn break_in_log(machine: &Simulated, payloads: &[Bytes]) {
    let (disk, folder) = (machine.disk(), Path::new("/log"));
    let mut broken = 0;
    for name in disk.list(folder).unwrap() {
        let segment = folder.join(name);
        let file = disk.open_for_reading(&segment).unwrap();
        let mut bytes = vec![0; usize::try_from(file.length().unwrap()).unwrap()];
        file.read_exact_at(&mut bytes, 0).unwrap();
        for payload in payloads {
            let found = bytes.windows(payload.len()).step_by(16).position(|window| window == payload);
            if let Some(found) = found {
                machine.break_at(&segment, (16 * found + payload.len() / 2) as u64).unwrap();
                broken += 1;
            }
        }
    }
    assert_eq!(broken, payloads.len());
}

/// A registry behind its API.
struct Process {
    runtime: Runtime,
    router: Router,
}

impl Process {
    fn open(machine: &Simulated, settle_interval: Duration) -> Self {
        let options = Options { settle_interval, log_segment: 512 << 10, log_size: 4 << 20, ..options() };
        let runtime = runtime();
        let guard = runtime.enter();
        let store = Store::open_on(machine.disk(), Path::new(ROOT), &options).unwrap();
        let router = api::router(
            Registry::new(store, Settings::default()),
            Arc::new(Authority::open()),
            api::Settings::default(),
        );
        drop(guard);
        Self { runtime, router }
    }

    /// In good order: what is in the log is in the database as well.
    fn end(self) {
        drop(self.router);
    }

    fn ask(&self, method: Method, path: &str, body: Bytes) -> (StatusCode, Bytes) {
        let request = Request::builder().method(method).uri(path).body(Body::from(body)).unwrap();
        self.runtime.block_on(async {
            let service = TowerToHyperService::new(self.router.clone());
            let response = service.call(request).await.unwrap();
            let status = response.status();
            (status, response.into_body().collect().await.unwrap().to_bytes())
        })
    }

    fn push(&self, bytes: &Bytes) -> Result<(), String> {
        let path = format!("/v2/a/blobs/uploads/?digest={}", digest(bytes));
        match self.ask(Method::POST, &path, bytes.clone()) {
            (StatusCode::CREATED, _) => Ok(()),
            other => Err(format!("a push was answered {other:?}")),
        }
    }

    fn pull(&self, bytes: &Bytes, expected: StatusCode) -> Result<(), String> {
        match self.ask(Method::GET, &format!("/v2/a/blobs/{}", digest(bytes)), Bytes::new()) {
            (status, body) if status == expected && (status != StatusCode::OK || body == bytes) => Ok(()),
            other => Err(format!("instead of {expected} a pull got {other:?}")),
        }
    }

    fn delete(&self, bytes: &Bytes) -> Result<(), String> {
        match self.ask(Method::DELETE, &format!("/v2/a/blobs/{}", digest(bytes)), Bytes::new()) {
            (StatusCode::ACCEPTED, _) => Ok(()),
            other => Err(format!("a deletion was answered {other:?}")),
        }
    }

    /// Waits until these have files.
    fn wait_until_settled(&self, disk: &Arc<dyn Disk>, payloads: &[Bytes]) -> Result<(), String> {
        let has_file = |bytes: &Bytes| {
            let hex = digest(bytes).hex();
            let folder = Path::new("/blobs/sha256").join(&hex[..2]);
            disk.list(&folder).unwrap().iter().any(|name| name.to_string_lossy().starts_with(&hex))
        };
        let end = Instant::now() + PATIENCE;
        while !payloads.iter().all(has_file) {
            if Instant::now() > end {
                return Err("payloads do not settle behind those that cannot be read".to_owned());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}
