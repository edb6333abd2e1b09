//! A token taken apart: a signed JSON document in compact form (RFC 7515, RFC 7519).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, AlgorithmFamily, Header};

use super::claims::Claims;
use super::error::TokenError;
use super::public_key::PublicKey;

/// The longest token that is read, in bytes.
pub(super) const LONGEST: usize = 16 * 1024;

/// A token of which nothing is proved yet.
pub(super) struct Jws<'a> {
    pub(super) header: Header,
    payload: Vec<u8>,
    /// What was signed: the first two parts.
    message: &'a str,
    signature: &'a str,
}

impl<'a> Jws<'a> {
    /// Takes a token of three parts in unpadded base64 apart. JSON within may be nested 127 deep.
    pub(super) fn parse(token: &'a str) -> Result<Self, TokenError> {
        if token.len() > LONGEST {
            return Err(TokenError::TooLong(token.len()));
        }
        let (message, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed("it has one part"))?;
        let (header, payload) = message.split_once('.').ok_or(TokenError::Malformed("it has two parts"))?;
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part);
        let header = decode(header).map_err(|_| TokenError::Malformed("its header is not in base64url"))?;
        let payload =
            decode(payload).map_err(|_| TokenError::Malformed("its claims are not in base64url"))?;
        decode(signature).map_err(|_| TokenError::Malformed("its signature is not in base64url"))?;
        let header: Header = serde_json::from_slice(&header)
            .map_err(|_| TokenError::Malformed("its header is no JSON object with an alg that is known"))?;
        if header.crit.is_some() {
            return Err(TokenError::Malformed("its header has extensions that must be understood (crit)"));
        }
        Ok(Self { header, payload, message, signature })
    }

    /// The claims, whether or not somebody signed them.
    pub(super) fn claims(&self) -> Result<Claims, TokenError> {
        Claims::parse(&self.payload)
    }

    /// That the signature was made with this key, and with an algorithm that is allowed and fits the key.
    pub(super) fn verify(&self, key: &PublicKey, allowed: &Algorithms) -> Result<(), TokenError> {
        let algorithm = self.header.alg;
        allowed.check(algorithm)?;
        if !key.fits(algorithm) {
            return Err(TokenError::KeyMismatch(name_of(algorithm)));
        }
        key.verify(self.message, self.signature, algorithm)
    }

    /// That its algorithm is one of these.
    pub(super) fn check_algorithm(&self, allowed: &Algorithms) -> Result<(), TokenError> {
        allowed.check(self.header.alg)
    }
}

/// The algorithms with which tokens may be signed. Those with a shared secret (HMAC), and `none`, are never among them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Algorithms(Vec<Algorithm>);

impl Algorithms {
    /// Every name that [`Algorithms::named`] takes.
    pub const NAMES: &[&str] =
        &["EdDSA", "RS256", "RS384", "RS512", "ES256", "ES384", "PS256", "PS384", "PS512"];

    /// Those with these names. Names that are not in [`Algorithms::NAMES`] are passed over.
    pub fn named<Name: AsRef<str>>(names: impl IntoIterator<Item = Name>) -> Self {
        let known = |name: Name| name.as_ref().parse().ok();
        let is_asymmetric = |algorithm: &Algorithm| algorithm.family() != AlgorithmFamily::Hmac;
        Self(names.into_iter().filter_map(known).filter(is_asymmetric).collect())
    }

    fn check(&self, algorithm: Algorithm) -> Result<(), TokenError> {
        if self.0.contains(&algorithm) { Ok(()) } else { Err(TokenError::Algorithm(name_of(algorithm))) }
    }
}

impl Default for Algorithms {
    /// All of them.
    fn default() -> Self {
        Self::named(Self::NAMES)
    }
}

fn name_of(algorithm: Algorithm) -> &'static str {
    let is_called = |name: &&&str| name.parse() == Ok(algorithm);
    Algorithms::NAMES.iter().find(is_called).copied().unwrap_or("a shared secret (HMAC)")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_an_algorithm_and_no_shared_secret_is() {
        assert_eq!(Algorithms::default().0.len(), Algorithms::NAMES.len());
        assert_eq!(Algorithms::named(["HS256", "HS384", "HS512", "none", ""]).0, []);
        assert_eq!(Algorithms::named(["ES256", "nonsense"]).0, [Algorithm::ES256]);
    }
}
