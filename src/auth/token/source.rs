//! Where trusted keys come from, and how they stay fresh.
//!
//! A source that cannot be read keeps the keys that it had. One at a time asks for new ones; whoever comes meanwhile waits for
//! that, and whoever comes a moment later gets what it brought, so that tokens with made-up key ids cause no more questions
//! than the clock does.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use reqwest::Url;
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::error::KeyError;
use super::keys::KeySet;
use super::signing_keys;
use crate::files::Stamp;
use crate::outgoing::{self, Outgoing, OutgoingError};

/// How often it is looked whether a file has changed.
const LOOK: Duration = Duration::from_secs(10);
/// How often keys are fetched, be they used or not.
const FETCH: Duration = Duration::from_secs(15 * 60);
/// How soon they are fetched again after that failed.
const RETRY: Duration = Duration::from_secs(30);
/// The least time between two fetches, whatever tokens come.
const LEAST: Duration = Duration::from_secs(10);
/// The largest file, or answer, that is read, in bytes.
const LARGEST: usize = 1 << 20;

/// A place that has keys.
#[derive(Debug)]
pub struct Source {
    origin: Origin,
    keys: RwLock<Arc<KeySet>>,
    last: Mutex<Option<Attempt>>,
}

#[derive(Debug)]
enum Origin {
    /// Certificates in PEM.
    Bundle(PathBuf),
    /// A set of JSON web keys.
    Jwks(PathBuf),
    /// Holdfast's own signing keys.
    Folder(PathBuf),
    /// A set of JSON web keys.
    Url { url: Url, outgoing: Outgoing },
    /// The provider of an issuer, as OpenID Connect Discovery 1.0 has it.
    Discovery { issuer: String, outgoing: Outgoing },
}

/// The last time that somebody asked.
#[derive(Debug)]
struct Attempt {
    at: Instant,
    failed: bool,
    /// What the file or folder looked like.
    stamp: Option<Stamp>,
}

impl Source {
    /// Certificates in a PEM file. It must be there now; when it changes it is read again.
    pub fn bundle(path: impl Into<PathBuf>) -> Result<Self, KeyError> {
        Self::at_rest(Origin::Bundle(path.into()))
    }

    /// A set of JSON web keys: in a file, which must be there now, or at a URL, which is asked once this source runs or a token
    /// needs it. A URL is https, or on loopback.
    pub fn jwks(place: &str, outgoing: &Outgoing) -> Result<Self, KeyError> {
        if place.starts_with("https://") || place.starts_with("http://") {
            let (url, outgoing) = (Outgoing::trustworthy(place)?, outgoing.clone());
            return Ok(Self::empty(Origin::Url { url, outgoing }));
        }
        Self::at_rest(Origin::Jwks(place.into()))
    }

    /// The keys that an OpenID provider publishes. Its URL is https, or on loopback.
    pub(super) fn discovery(issuer: &str, outgoing: &Outgoing) -> Result<Self, KeyError> {
        Outgoing::trustworthy(issuer)?;
        let (issuer, outgoing) = (issuer.to_owned(), outgoing.clone());
        Ok(Self::empty(Origin::Discovery { issuer, outgoing }))
    }

    /// Holdfast's own keys.
    pub(super) fn folder(path: impl Into<PathBuf>) -> Result<Self, KeyError> {
        Self::at_rest(Origin::Folder(path.into()))
    }

    fn at_rest(origin: Origin) -> Result<Self, KeyError> {
        let keys = read(&origin)?;
        let source = Self::empty(origin);
        source.set(keys);
        Ok(source)
    }

    fn empty(origin: Origin) -> Self {
        Self { origin, keys: RwLock::default(), last: Mutex::new(None) }
    }

    /// The keys as they are now.
    pub(super) fn keys(&self) -> Arc<KeySet> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn set(&self, keys: KeySet) {
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
    }

    /// Keeps the keys fresh, for as long as it is polled. Does not return.
    pub async fn run(self: &Arc<Self>) {
        loop {
            self.refresh().await;
            let failed = self.last.lock().await.as_ref().is_some_and(|last| last.failed);
            tokio::time::sleep(self.interval(failed)).await;
        }
    }

    fn interval(&self, failed: bool) -> Duration {
        match self.origin {
            Origin::Url { .. } | Origin::Discovery { .. } if failed => RETRY,
            Origin::Url { .. } | Origin::Discovery { .. } => FETCH,
            _ => LOOK,
        }
    }

    /// Asks anew, unless somebody did a moment ago.
    pub(super) async fn refresh(self: &Arc<Self>) {
        let mut last = self.last.lock().await;
        if last.as_ref().is_some_and(|last| last.at.elapsed() < self.least()) {
            return;
        }
        let stamp = last.take().and_then(|last| last.stamp);
        // It counts, even if nobody waits for the outcome any more.
        *last = Some(Attempt { at: Instant::now(), failed: true, stamp: None });
        let (outcome, stamp) = match &self.origin {
            Origin::Url { url, outgoing } => (fetch(url, outgoing).await.map(Some), None),
            Origin::Discovery { issuer, outgoing } => (discover(issuer, outgoing).await.map(Some), None),
            Origin::Bundle(path) | Origin::Jwks(path) | Origin::Folder(path) => {
                let new = Stamp::of(path);
                let unchanged = new.is_some() && new == stamp;
                (if unchanged { Ok(None) } else { self.read_again().await.map(Some) }, new)
            }
        };
        let failed = outcome.is_err();
        match outcome {
            Ok(Some(keys)) => self.set(keys),
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(%error, "keys for tokens cannot be read; those that were there stay trusted");
            }
        }
        // What could not be read is read again, although it has not changed.
        *last = Some(Attempt { at: Instant::now(), failed, stamp: stamp.filter(|_| !failed) });
    }

    fn least(&self) -> Duration {
        match self.origin {
            Origin::Url { .. } | Origin::Discovery { .. } => LEAST,
            _ => Duration::from_secs(1),
        }
    }

    async fn read_again(self: &Arc<Self>) -> Result<KeySet, KeyError> {
        let source = Arc::clone(self);
        let reading = tokio::task::spawn_blocking(move || read(&source.origin));
        reading.await.unwrap_or(Err(KeyError::Made("reading it was cut off")))
    }
}

/// Reads the keys of a file or a folder.
fn read(origin: &Origin) -> Result<KeySet, KeyError> {
    match origin {
        Origin::Bundle(path) => of_file(path, KeySet::of_bundle),
        Origin::Jwks(path) => of_file(path, KeySet::of_jwks),
        Origin::Folder(path) => signing_keys::public_keys(path),
        Origin::Url { .. } | Origin::Discovery { .. } => Ok(KeySet::default()),
    }
}

fn of_file(path: &Path, parse: fn(&[u8]) -> Result<KeySet, String>) -> Result<KeySet, KeyError> {
    use std::io::Read;
    let file = std::fs::File::open(path).map_err(KeyError::io(path))?;
    let mut bytes = Vec::new();
    file.take(LARGEST as u64 + 1).read_to_end(&mut bytes).map_err(KeyError::io(path))?;
    let read = if bytes.len() > LARGEST { Err("it is larger than 1 MiB".to_owned()) } else { parse(&bytes) };
    read.map_err(|problem| KeyError::File { path: path.to_owned(), problem })
}

async fn fetch(url: &Url, outgoing: &Outgoing) -> Result<KeySet, KeyError> {
    let answer = outgoing.get(url, LARGEST).await?;
    KeySet::of_jwks(&answer).map_err(|problem| KeyError::Answer { url: outgoing::shown(url), problem })
}

/// OpenID Connect Discovery 1.0, section 4: the document must name the very issuer that was asked.
async fn discover(issuer: &str, outgoing: &Outgoing) -> Result<KeySet, KeyError> {
    #[derive(Deserialize)]
    struct Document {
        issuer: String,
        jwks_uri: String,
    }
    let url = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
    let answer = outgoing.get(&Outgoing::trustworthy(&url)?, LARGEST).await?;
    let refused = |problem| KeyError::Answer { url: url.clone(), problem };
    let document: Document = serde_json::from_slice(&answer)
        .map_err(|error| refused(format!("it is no configuration of an OpenID provider: {error}")))?;
    if document.issuer != issuer {
        let named: String = document.issuer.chars().take(100).collect();
        return Err(refused(format!("it is of issuer {named:?}: auth.issuers must name exactly that one")));
    }
    let keys = Outgoing::trustworthy(&document.jwks_uri)
        .map_err(|error: OutgoingError| refused(error.to_string()))?;
    fetch(&keys, outgoing).await
}
