//! The pieces that a running registry is made of, built from the configuration.

use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderName, HeaderValue};

use crate::api;
use crate::config::{self, Config, Platforms};
use crate::oci::Platform;
use crate::registry::{Referenced, Registry, RequiredChildren, Settings, UrlPolicy};
use crate::store::{self, OpenError, Store};

use super::serve::ServeError;

/// A header in `http.headers` that HTTP has no room for.
#[derive(Debug, thiserror::Error)]
#[error("http.headers: {name:?} with the value {value:?} is no header")]
pub(super) struct HeaderError {
    name: String,
    value: String,
}

/// The registry, and the router in front of it.
pub(super) struct Pieces {
    pub(super) registry: Arc<Registry>,
    pub(super) router: Router,
}

impl Pieces {
    /// Opens the store, which may take as long as another process holds it, and builds the rest.
    pub(super) async fn build(config: &Config) -> Result<Self, ServeError> {
        let api = api_settings(config)?;
        let (root, options) = (config.storage.root.clone(), store_options(&config.storage));
        let store = tokio::task::spawn_blocking(move || open(&root, &options)).await;
        let store = store.map_err(std::io::Error::other).map_err(ServeError::Threads)??;
        let registry = Registry::new(store, registry_settings(config));
        let router = api::router(Arc::clone(&registry), api);
        Ok(Self { registry, router })
    }
}

fn open(root: &Path, options: &store::Options) -> Result<Store, OpenError> {
    Store::open(root, options)
}

/// How the store is opened.
pub(super) fn store_options(storage: &config::Storage) -> store::Options {
    store::Options {
        lock_wait: storage.lockwait,
        cache_size: storage.metadata.cachesize,
        group_size: storage.writer.groupsize,
        queue: storage.writer.queue,
        checkpoint_interval: storage.log.checkpointinterval,
        log_payload: storage.log.maxpayload,
        log_segment: storage.log.segmentsize,
        log_size: storage.log.size,
        floor: store::Floor { bytes: storage.floor.space, files: storage.floor.files as u64 },
        ballast: storage.floor.ballast,
        upload_memory: storage.uploads.memory,
        ..store::Options::default()
    }
}

fn registry_settings(config: &Config) -> Settings {
    let (storage, http, manifests) = (&config.storage, &config.http, &config.validation.manifests);
    let urls = manifests.urls.clone();
    Settings {
        delete_enabled: storage.delete.enabled,
        referenced: match storage.delete.referenced {
            config::Referenced::Refuse => Referenced::Refuse,
            config::Referenced::Allow => Referenced::Allow,
        },
        mark_interval: storage.uploads.markinterval,
        max_uploads: storage.uploads.maxconcurrent,
        wait: http.waittimeout,
        idle: http.idletimeout,
        required_children: required_children(manifests),
        urls: UrlPolicy::new(move |url| urls.permits(url)),
    }
}

fn required_children(manifests: &config::Manifests) -> RequiredChildren {
    match &manifests.indexes.platforms {
        _ if manifests.sparse => RequiredChildren::None,
        Platforms::All => RequiredChildren::All,
        Platforms::None => RequiredChildren::Platforms(Vec::new()),
        Platforms::List(platforms) => RequiredChildren::Platforms(platforms.iter().map(platform).collect()),
    }
}

fn platform(platform: &config::Platform) -> Platform {
    Platform { architecture: platform.architecture.clone(), os: platform.os.clone() }
}

fn api_settings(config: &Config) -> Result<api::Settings, HeaderError> {
    let (http, manifests) = (&config.http, &config.validation.manifests);
    Ok(api::Settings {
        host: http.host.clone(),
        relative_urls: http.relativeurls,
        prefix: http.prefix.clone(),
        headers: http.headers.iter().map(header).collect::<Result<_, _>>()?,
        catalog_max_entries: config.catalog.maxentries,
        tags_max_entries: config.tags.maxentries,
        manifest_max_size: usize::try_from(manifests.maxsize).unwrap_or(usize::MAX),
        manifest_max_tags: manifests.maxtags,
        idle: http.idletimeout,
        wait: http.waittimeout,
    })
}

fn header((name, value): &(String, String)) -> Result<(HeaderName, HeaderValue), HeaderError> {
    let parsed = HeaderName::try_from(name.as_str()).ok().zip(HeaderValue::try_from(value.as_str()).ok());
    parsed.ok_or_else(|| HeaderError { name: name.clone(), value: value.clone() })
}
