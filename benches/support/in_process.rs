//! A registry within the benchmark's own process, for what lies beneath HTTP.

#![allow(dead_code, reason = "each benchmark uses its own part of this")]
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on panics")]
#![allow(unreachable_pub, reason = "a module shared by several crates has no public door of its own")]

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use bytes::Bytes;
use holdfast::api;
use holdfast::auth::Authority;
use holdfast::oci::{Digest, RepositoryName};
use holdfast::registry::{Append, Extent, Registry, Settings};
use holdfast::store::{Options, Store};
use http_body_util::BodyExt;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// A registry over a folder that goes away with it, and the threads that it runs on.
pub struct InProcess {
    pub registry: Arc<Registry>,
    router: TowerToHyperService<Router>,
    pub runtime: Runtime,
    _folder: TempDir,
}

impl InProcess {
    pub fn new() -> Self {
        let runtime = Runtime::new().unwrap();
        let folder = tempfile::Builder::new().prefix("holdfast-bench-").tempdir().unwrap();
        let registry = {
            let _entered = runtime.enter();
            Registry::new(Store::open(folder.path(), &Options::default()).unwrap(), Settings::default())
        };
        let router = TowerToHyperService::new(api::router(
            Arc::clone(&registry),
            Arc::new(Authority::open()),
            api::Settings::default(),
        ));
        Self { registry, router, runtime, _folder: folder }
    }

    /// What the API answers, body and all, with no socket between.
    pub fn ask(&self, request: Request<Body>) -> (StatusCode, Bytes) {
        self.runtime.block_on(async {
            let response = self.router.call(request).await.unwrap();
            let status = response.status();
            (status, response.into_body().collect().await.unwrap().to_bytes())
        })
    }

    /// Uploads a blob in pieces of `piece` bytes.
    pub fn upload(&self, repository: &RepositoryName, bytes: &Bytes, piece: usize, digest: Digest) {
        let pieces: Vec<_> = (0..bytes.len())
            .step_by(piece)
            .map(|start| bytes.slice(start..bytes.len().min(start + piece)))
            .collect();
        let append = Append {
            body: Box::pin(futures_util::stream::iter(pieces.into_iter().map(Ok))),
            extent: Extent { range: None, length: Some(bytes.len() as u64) },
        };
        self.runtime.block_on(self.registry.upload_whole(repository, append, digest.into())).unwrap();
    }
}
