//! The pieces that a running registry is made of, built from the configuration.

use std::io;
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderName, HeaderValue};

use crate::api;
use crate::auth::policy::Policies;
use crate::auth::token::IdentityIssuer;
use crate::auth::{self, Authority};
use crate::config::{self, Config, Platforms};
use crate::health::{Check, Health, Probe};
use crate::oci::Platform;
use crate::registry::{
    CollectionSettings, EventSettings, PurgingSettings, Quotas, Referenced, Registry, RequiredChildren,
    RetentionSettings, ScrubSettings, Settings, UrlPolicy,
};
use crate::server::FileSender;
use crate::store::{self, EventAction, MappedFiles, OpenError, Store};

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
    pub(super) authority: Arc<Authority>,
    pub(super) router: Router,
    pub(super) health: Arc<Health>,
    /// Who sends payloads from their files, if that is wanted.
    pub(super) files: Option<Arc<dyn FileSender>>,
}

impl Pieces {
    /// Opens the store, which may take as long as another process holds it, and builds the rest.
    pub(super) async fn build(config: &Config) -> Result<Self, ServeError> {
        let mut api = api_settings(config)?;
        let (root, options) = (config.storage.root.clone(), store_options(&config.storage));
        let store = tokio::task::spawn_blocking(move || open(&root, &options)).await;
        let store = store.map_err(io::Error::other).map_err(ServeError::Threads)??;
        let files = config.storage.pulls.sendfile.then(|| store.mapped_files() as Arc<dyn FileSender>);
        let registry = Registry::new(store, registry_settings(config));
        let health = Arc::new(Health::new(health_checks(&config.health, &registry)));
        api.health = Arc::clone(&health);
        let authority = Arc::new(Authority::new(&auth_settings(config))?);
        let router = api::router(Arc::clone(&registry), Arc::clone(&authority), api);
        Ok(Self { registry, authority, router, health, files })
    }
}

/// What `health` says, and whether the registry's own folder answers, under the name that distribution gives that.
fn health_checks(settings: &config::Health, registry: &Arc<Registry>) -> Vec<Check> {
    let registry = Arc::downgrade(registry);
    let look = move || registry.upgrade().map_or(Ok(()), |registry| registry.look_at_the_store());
    let own = settings.storagedriver.map(|storage| Check {
        name: "storagedriver_filesystem".to_owned(),
        probe: Probe::Own(Arc::new(look)),
        interval: storage.interval,
        timeout: Check::TIMEOUT,
        threshold: storage.threshold,
    });
    own.into_iter().chain(settings.checks.iter().cloned()).collect()
}

impl FileSender for MappedFiles {
    fn has(&self, bytes: &[u8]) -> bool {
        self.has(bytes)
    }

    fn send(&self, bytes: &[u8], socket: BorrowedFd<'_>) -> io::Result<usize> {
        self.send(bytes, socket)
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
        settle_interval: storage.log.settleinterval,
        archive_size: storage.log.archivesize,
        log_size: storage.log.size,
        floor: store::Floor { bytes: storage.floor.space, files: storage.floor.files as u64 },
        ballast: storage.floor.ballast,
        lease: storage.gc.lease,
        upload_memory: storage.uploads.memory,
        open_payloads: storage.pulls.openfiles,
    }
}

pub(super) fn registry_settings(config: &Config) -> Settings {
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
        immutable_tags: config.tags.immutable.clone().into(),
        collection: CollectionSettings {
            enabled: storage.gc.enabled,
            interval: storage.gc.interval,
            grace: storage.gc.grace,
            delete_untagged: storage.gc.deleteuntagged,
        },
        scrub: ScrubSettings {
            enabled: storage.scrub.enabled,
            interval: storage.scrub.interval,
            rate: storage.scrub.rate,
        },
        events: EventSettings {
            enabled: !config.notifications.endpoints.is_empty(),
            pulls: config.notifications.endpoints.iter().any(|endpoint| !ignores_pulls(endpoint)),
            backlog: config.notifications.backlog as u64,
        },
        retention: RetentionSettings {
            rules: config.retention.rules.clone().into(),
            interval: Some(config.retention.interval).filter(|interval| !interval.is_zero()),
        },
        quotas: quotas(&storage.quota),
        read_only: storage.readonly,
        max_blob: bound(storage.uploads.maxsize).unwrap_or(u64::MAX),
        watched_repositories: http.debug.repositories,
        purging: PurgingSettings {
            enabled: storage.uploadpurging.enabled,
            age: storage.uploadpurging.age,
            interval: storage.uploadpurging.interval,
            dry_run: storage.uploadpurging.dryrun,
        },
    }
}

pub(super) fn quotas(quota: &config::Quota) -> Quotas {
    Quotas { size: bound(quota.size), repositories: quota.repositories.clone().into() }
}

/// A bound; 0 stands for none.
fn bound(size: u64) -> Option<u64> {
    (size > 0).then_some(size)
}

fn ignores_pulls(endpoint: &config::NotifiedEndpoint) -> bool {
    endpoint.ignoredactions.iter().any(|action| action == EventAction::Pull.as_str())
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
        verify_pulls: config.storage.pulls.verify,
        trusted_proxies: http.trustedproxies.clone(),
        idle: http.idletimeout,
        wait: http.waittimeout,
        health: Arc::default(),
    })
}

/// How people log in.
fn auth_settings(config: &Config) -> auth::Settings {
    let (auth, root) = (config.auth.clone(), &config.storage.root);
    let policies =
        (!auth.policies.is_empty()).then_some(Policies { list: auth.policies, groups: auth.groups });
    auth::Settings {
        htpasswd: auth.htpasswd.path,
        realm: auth.htpasswd.realm,
        token: auth.token.map(token_settings),
        issuers: auth.issuers.into_iter().map(issuer).collect(),
        policies,
        robots: auth.robots.unwrap_or_else(|| root.join(ROBOTS)),
        keys: root.join(KEYS),
        lifetime: auth.tokenserver.lifetime,
        rotation: auth.tokenserver.rotation,
        failures: auth::FailureLimit {
            most: u32::try_from(auth.failedlogins.limit).unwrap_or(u32::MAX),
            window: auth.failedlogins.window,
        },
        wait: config.http.waittimeout,
    }
}

/// The file of robot accounts, below the root.
pub(super) const ROBOTS: &str = "robots.json";

/// The folder of the keys that sign tokens, below the root.
const KEYS: &str = "keys";

fn token_settings(token: config::Token) -> auth::TokenSettings {
    auth::TokenSettings {
        realm: match token.realm {
            config::Realm::Url(url) => auth::Realm::Url(url),
            config::Realm::Path(path) => auth::Realm::Path(path),
        },
        service: token.service,
        issuer: token.issuer,
        rootcertbundle: token.rootcertbundle,
        jwks: token.jwks,
        algorithms: token.signingalgorithms,
    }
}

fn issuer(issuer: config::TrustedIssuer) -> IdentityIssuer {
    IdentityIssuer { name: issuer.name, url: issuer.url, audience: issuer.audience }
}

fn header((name, value): &(String, String)) -> Result<(HeaderName, HeaderValue), HeaderError> {
    let parsed = HeaderName::try_from(name.as_str()).ok().zip(HeaderValue::try_from(value.as_str()).ok());
    parsed.ok_or_else(|| HeaderError { name: name.clone(), value: value.clone() })
}
