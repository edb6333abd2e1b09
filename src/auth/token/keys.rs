//! The keys that a token may be signed with.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::join_all;
use jsonwebtoken::Header;
use jsonwebtoken::jwk::Jwk;
use serde::Deserialize;

use super::chain::Roots;
use super::error::{Excerpt, TokenError};
use super::public_key::PublicKey;
use super::source::Source;

/// The keys that one source has at one time.
#[derive(Debug, Default)]
pub(super) struct KeySet {
    /// By every id under which a token may name them.
    keys: HashMap<String, Arc<PublicKey>>,
    /// Those that chains of certificates may lead to.
    roots: Roots,
}

impl KeySet {
    /// Of certificates in PEM: each key goes by its thumbprint (RFC 7638) and by the id that libtrust gave it.
    pub(super) fn of_bundle(pem: &[u8]) -> Result<Self, String> {
        let (roots, named) = Roots::of_bundle(pem)?;
        let mut set = Self { roots, ..Self::default() };
        for named in named {
            let key = Arc::new(named.key);
            set.keys.insert(named.libtrust_id, Arc::clone(&key));
            set.add(&key, None);
        }
        Ok(set)
    }

    /// Of a set of JSON web keys (RFC 7517): each goes by its thumbprint, and by the id that it has there. Those that verify no
    /// tokens are passed over; there must be another.
    pub(super) fn of_jwks(json: &[u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Document {
            keys: Vec<serde_json::Value>,
        }
        let document: Document = serde_json::from_slice(json)
            .map_err(|error| format!("it is no set of JSON web keys: {error}"))?;
        let mut set = Self::default();
        for key in document.keys {
            if let Ok(jwk) = serde_json::from_value::<Jwk>(key)
                && let Some(key) = PublicKey::of_jwk(&jwk)
            {
                set.add(&Arc::new(key), jwk.common.key_id);
            }
        }
        match set.keys.is_empty() {
            true => Err("there is no key in it that verifies signatures".to_owned()),
            false => Ok(set),
        }
    }

    /// Of public keys, each of which goes by its thumbprint.
    pub(super) fn of_keys(keys: impl IntoIterator<Item = PublicKey>) -> Self {
        let mut set = Self::default();
        keys.into_iter().for_each(|key| set.add(&Arc::new(key), None));
        set
    }

    /// The first key of an id stays.
    fn add(&mut self, key: &Arc<PublicKey>, id: Option<String>) {
        for id in id.into_iter().chain([key.thumbprint.clone()]) {
            self.keys.entry(id).or_insert_with(|| Arc::clone(key));
        }
    }

    pub(super) fn named(&self, id: &str) -> Option<Arc<PublicKey>> {
        self.keys.get(id).cloned()
    }
}

/// The keys that are trusted with the tokens of one authority, from one source or several.
#[derive(Clone, Debug)]
pub struct TrustedKeys(Vec<Arc<Source>>);

impl TrustedKeys {
    /// Those of all these sources.
    pub fn of(sources: impl IntoIterator<Item = Arc<Source>>) -> Self {
        Self(sources.into_iter().collect())
    }

    /// Keeps the keys fresh, for as long as it is polled. Does not return.
    pub async fn run(&self) {
        join_all(self.0.iter().map(|source| source.run())).await;
    }

    /// Asks all sources anew, unless that happened a moment ago.
    pub(super) async fn refresh(&self) {
        join_all(self.0.iter().map(|source| source.refresh())).await;
    }

    /// The trusted key that a token's header points at: with a chain of certificates (`x5c`), by being that key (`jwk`), or by
    /// its id (`kid`), in this order, as distribution does.
    pub(super) fn find(&self, header: &Header, now: SystemTime) -> Result<Arc<PublicKey>, TokenError> {
        let sets: Vec<Arc<KeySet>> = self.0.iter().map(|source| source.keys()).collect();
        let in_jwk = header.jwk.as_ref().and_then(|jwk| jwk.common.x509_chain.as_ref());
        let with_roots = sets.iter().find(|set| !set.roots.is_empty());
        if let (Some(chain), Some(set)) = (header.x5c.as_ref().or(in_jwk), with_roots) {
            return set.roots.leaf_key(&decode(chain)?, now).map(Arc::new);
        }
        let id = match (&header.jwk, &header.kid) {
            (Some(jwk), _) => {
                PublicKey::of_jwk(jwk)
                    .ok_or(TokenError::Malformed("its jwk is none that verifies signatures"))?
                    .thumbprint
            }
            (None, Some(kid)) => kid.clone(),
            (None, None) => return Err(TokenError::Malformed("it has neither x5c nor jwk nor kid")),
        };
        let named = sets.iter().find_map(|set| set.named(&id));
        named.ok_or_else(|| TokenError::UnknownKey(Excerpt::of(&id)))
    }
}

fn decode(chain: &[String]) -> Result<Vec<Vec<u8>>, TokenError> {
    let decoded: Result<_, _> = chain.iter().map(|certificate| STANDARD.decode(certificate)).collect();
    decoded.map_err(|_| TokenError::Malformed("its certificates (x5c) are not in base64"))
}
