//! A registry in memory for whoever needs one.

use std::cell::RefCell;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use bytes::Bytes;
use holdfast::api;
use holdfast::auth::Authority;
use holdfast::registry::{Registry, Settings};
use holdfast::store::{Options, Store};
use http_body_util::BodyExt;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// An answer, body and all.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    /// The header's value; empty where there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The answer, which has this status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        self
    }
}

/// A registry over a folder of its own. The fields are in the order in which they have to go.
pub struct World {
    /// `None` only while it is restarted.
    running: Option<Running>,
    runtime: Runtime,
    folder: TempDir,
    uses: u32,
}

struct Running {
    registry: Arc<Registry>,
    router: TowerToHyperService<Router>,
}

/// After so many uses it begins with an empty store.
const USES: u32 = 2_000;

impl World {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let memory = Path::new("/dev/shm");
        let parent = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        let folder = tempfile::Builder::new().prefix("holdfast-fuzz-").tempdir_in(parent).unwrap();
        Self { running: None, runtime, folder, uses: 0 }
    }

    /// Does something with this thread's registry, which holds whatever was left by the uses before.
    pub fn with<T>(work: impl FnOnce(&mut Self) -> T) -> T {
        thread_local! {
            static WORLD: RefCell<World> = RefCell::new(World::new());
        }
        WORLD.with_borrow_mut(|world| {
            world.uses += 1;
            if world.uses > USES {
                // Its folder goes when nothing uses it any more.
                world.stop();
                *world = Self::new();
            }
            if world.running.is_none() {
                world.start();
            }
            work(world)
        })
    }

    fn start(&mut self) {
        let _entered = self.runtime.enter();
        let store = Store::open(self.folder.path(), &Options::default()).unwrap();
        let registry = Registry::new(store, Settings::default());
        let router = TowerToHyperService::new(api::router(
            Arc::clone(&registry),
            Arc::new(Authority::open()),
            api::Settings::default(),
        ));
        self.running = Some(Running { registry, router });
    }

    fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            self.runtime.block_on(running.registry.close());
        }
    }

    /// Stops it as SIGTERM would, and starts it again.
    pub fn restart(&mut self) {
        self.stop();
        self.start();
    }

    /// What the API answers, which is never that it is at fault.
    pub fn ask(&self, request: Request<Body>) -> Answer {
        let router = &self.running.as_ref().unwrap().router;
        let answer = self.runtime.block_on(async {
            let response = router.call(request).await.unwrap();
            let (parts, body) = response.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            Answer { status: parts.status, headers: parts.headers, body }
        });
        assert!(!answer.status.is_server_error(), "{}", String::from_utf8_lossy(&answer.body));
        answer
    }

    /// As above, for a request with a short body, or none.
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let request = Request::builder().method(method).uri(path).header("content-length", body.len());
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        self.ask(request.body(Body::from(body.to_vec())).unwrap())
    }

    /// Begins an upload; gives its path.
    pub fn start_upload(&self, repository: &str) -> String {
        let path = format!("/v2/{repository}/blobs/uploads/");
        self.send("POST", &path, &[], b"").expect(202).header("location").to_owned()
    }
}
