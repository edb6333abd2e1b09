//! Holdfast's own tokens.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, Header, encode};
use serde::Serialize;
use serde_json::Value;

use super::access::Access;
use super::error::KeyError;
use super::keys::KeySet;
use super::public_key::PublicKey;
use super::signing_keys::{self, Ages, SigningKey};
use super::source::Source;

/// How often it is looked whether a new key has to sign.
const LOOK: Duration = Duration::from_secs(10 * 60);
/// How long another process may sign with a key after its successor was made.
const SLACK: Duration = Duration::from_secs(2 * 10 * 60);

/// Signs tokens with ES256, with keys that lie in a folder.
#[derive(Debug)]
pub struct Issuer {
    name: String,
    folder: PathBuf,
    ages: Ages,
    /// The last one signs.
    keys: RwLock<Arc<Vec<SigningKey>>>,
    source: Arc<Source>,
}

/// A token, and what its client is told about it.
#[derive(Clone, PartialEq, Eq)]
pub struct Issued {
    /// The token itself. It is a secret.
    pub token: String,
    /// How long it is valid, from `issued_at` on, in whole seconds.
    pub expires_in: Duration,
    /// When it was issued, in whole seconds.
    pub issued_at: SystemTime,
    /// Its id.
    pub jti: String,
}

impl std::fmt::Debug for Issued {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Issued").field("jti", &self.jti).finish_non_exhaustive()
    }
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    exp: u64,
    nbf: u64,
    iat: u64,
    jti: &'a str,
    access: &'a Access,
    /// Who it is for, in holdfast's own words.
    #[serde(skip_serializing_if = "Value::is_null")]
    holdfast: &'a Value,
}

impl Issuer {
    /// The issuer of this name, with its keys in a folder that others may not read; the first start makes folder and key.
    ///
    /// After `rotation` a new key signs; the one before verifies on for `longest`, the longest that a token is good for, and is
    /// deleted then.
    pub fn open(
        name: String,
        folder: impl Into<PathBuf>,
        rotation: Duration,
        longest: Duration,
        now: SystemTime,
    ) -> Result<Self, KeyError> {
        let folder = folder.into();
        let ages = Ages { signing: rotation, verifying: longest + SLACK };
        let keys = signing_keys::maintain(&folder, ages, now)?;
        let source = Arc::new(Source::folder(&folder)?);
        Ok(Self { name, folder, ages, keys: RwLock::new(Arc::new(keys)), source })
    }

    /// What stands in its tokens as their issuer.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its public keys, for whoever verifies its tokens.
    pub fn source(&self) -> Arc<Source> {
        Arc::clone(&self.source)
    }

    /// Signs a token for a subject, who may be nobody (an empty text), that permits `access` at `audience` until `lifetime`,
    /// which is cut to whole seconds, has passed. `own` goes into the claim `holdfast`, unless it is null.
    pub fn issue(
        &self,
        subject: &str,
        audience: &str,
        access: &Access,
        own: &Value,
        lifetime: Duration,
        now: SystemTime,
    ) -> Result<Issued, KeyError> {
        let keys = self.keys();
        let key = keys.last().ok_or(KeyError::Made("there is none"))?;
        let iat = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let jti = uuid::Uuid::new_v4().to_string();
        let exp = iat.saturating_add(lifetime.as_secs());
        let claims = Claims {
            iss: &self.name,
            sub: subject,
            aud: audience,
            exp,
            nbf: iat,
            iat,
            jti: &jti,
            access,
            holdfast: own,
        };
        let header = Header { kid: Some(key.id.clone()), ..Header::new(Algorithm::ES256) };
        let token = encode(&header, &claims, &key.key).map_err(|_| KeyError::Made("it does not sign"))?;
        let issued_at = UNIX_EPOCH + Duration::from_secs(iat);
        Ok(Issued { token, expires_in: Duration::from_secs(lifetime.as_secs()), issued_at, jti })
    }

    /// Its public keys as a set of JSON web keys (RFC 7517), for publishing.
    pub fn jwks(&self) -> String {
        let keys = self.keys().iter().map(|key| key.jwk.clone()).collect();
        serde_json::to_string(&JwkSet { keys }).expect("public keys are texts, which are JSON")
    }

    /// Takes over what other processes have made, makes a key if the one that signs is too old, and deletes those that have had
    /// their time. Reads and writes the disk.
    pub fn maintain(&self, now: SystemTime) -> Result<(), KeyError> {
        let keys = signing_keys::maintain(&self.folder, self.ages, now)?;
        self.source.set(KeySet::of_keys(keys.iter().filter_map(|key| PublicKey::of_jwk(&key.jwk))));
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
        Ok(())
    }

    /// Keeps the keys maintained, for as long as it is polled. Does not return.
    pub async fn run(self: &Arc<Self>) {
        loop {
            tokio::time::sleep(LOOK).await;
            let issuer = Arc::clone(self);
            let maintaining = tokio::task::spawn_blocking(move || issuer.maintain(SystemTime::now()));
            if let Ok(Err(error)) = maintaining.await {
                tracing::error!(%error, "keys that sign tokens cannot be maintained; the old ones stay");
            }
        }
    }

    fn keys(&self) -> Arc<Vec<SigningKey>> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }
}
