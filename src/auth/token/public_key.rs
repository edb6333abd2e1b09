//! A public key, whichever way it came: in a JSON web key, or in a certificate.

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{
    AlgorithmParameters, CommonParameters, EllipticCurve, EllipticCurveKeyParameters, EllipticCurveKeyType,
    Jwk, KeyAlgorithm, OctetKeyPairParameters, OctetKeyPairType, PublicKeyUse, RSAKeyParameters, RSAKeyType,
    ThumbprintHash,
};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, crypto};
use x509_parser::oid_registry::{OID_EC_P256, OID_NIST_EC_P384, OID_SIG_ED25519};
use x509_parser::public_key::PublicKey as Parsed;
use x509_parser::x509::SubjectPublicKeyInfo;

use super::error::TokenError;

/// A key that verifies signatures of one kind.
#[derive(Debug)]
pub(super) struct PublicKey {
    key: DecodingKey,
    algorithms: Vec<Algorithm>,
    /// The SHA-256 thumbprint of RFC 7638.
    pub(super) thumbprint: String,
}

impl PublicKey {
    /// The key of a JSON web key (RFC 7517), unless that is for something else than signatures, has an algorithm that is not
    /// known, or is malformed.
    pub(super) fn of_jwk(jwk: &Jwk) -> Option<Self> {
        let is_for_signatures = matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature));
        let only = jwk.common.key_algorithm;
        let parameters = normal_form(&jwk.algorithm).filter(|_| is_for_signatures)?;
        let key = Self::new(parameters)?;
        let algorithms: Vec<Algorithm> = key
            .algorithms
            .into_iter()
            .filter(|fitting| only.is_none_or(|only| KeyAlgorithm::from(*fitting) == only))
            .collect();
        (!algorithms.is_empty()).then_some(Self { algorithms, ..key })
    }

    /// The key of a certificate, if it is of a kind that is known.
    pub(super) fn of_certificate(info: &SubjectPublicKeyInfo<'_>) -> Option<Self> {
        let curve = info.algorithm.parameters.as_ref().and_then(|parameters| parameters.as_oid().ok());
        let parameters = match info.parsed() {
            Ok(Parsed::RSA(key)) => rsa(key.modulus, key.exponent),
            Ok(Parsed::EC(point)) if curve == Some(OID_EC_P256) => {
                elliptic(EllipticCurve::P256, point.data())
            }
            Ok(Parsed::EC(point)) if curve == Some(OID_NIST_EC_P384) => {
                elliptic(EllipticCurve::P384, point.data())
            }
            Ok(Parsed::Unknown(key)) if info.algorithm.algorithm == OID_SIG_ED25519 => edwards(key),
            _ => None,
        };
        Self::new(parameters?)
    }

    fn new(parameters: AlgorithmParameters) -> Option<Self> {
        let algorithms = match &parameters {
            AlgorithmParameters::RSA(_) => AlgorithmFamily::Rsa.algorithms(),
            AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
                &[Algorithm::ES256]
            }
            AlgorithmParameters::EllipticCurve(_) => &[Algorithm::ES384],
            _ => &[Algorithm::EdDSA],
        };
        let jwk = Jwk { common: CommonParameters::default(), algorithm: parameters };
        Some(Self {
            key: DecodingKey::from_jwk(&jwk).ok()?,
            algorithms: algorithms.to_vec(),
            thumbprint: jwk.thumbprint(ThumbprintHash::SHA256).ok()?,
        })
    }

    /// Whether signatures of this kind can be made with the key's other half.
    pub(super) fn fits(&self, algorithm: Algorithm) -> bool {
        self.algorithms.contains(&algorithm)
    }

    /// That the signature, in base64url, is the message's.
    pub(super) fn verify(
        &self,
        message: &str,
        signature: &str,
        algorithm: Algorithm,
    ) -> Result<(), TokenError> {
        match crypto::verify(signature, message.as_bytes(), &self.key, algorithm) {
            Ok(true) => Ok(()),
            _ => Err(TokenError::Signature),
        }
    }
}

/// The parameters as the thumbprint wants them: numbers without leading zeros, coordinates of full length. None if the key is
/// of a kind that is not known.
fn normal_form(parameters: &AlgorithmParameters) -> Option<AlgorithmParameters> {
    let decode = |text: &str| URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok();
    match parameters {
        AlgorithmParameters::RSA(key) => rsa(&decode(&key.n)?, &decode(&key.e)?),
        AlgorithmParameters::EllipticCurve(key) => {
            let point = [&[4], decode(&key.x)?.as_slice(), decode(&key.y)?.as_slice()].concat();
            elliptic(key.curve.clone(), &point)
        }
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
            edwards(&decode(&key.x)?)
        }
        _ => None,
    }
}

fn rsa(modulus: &[u8], exponent: &[u8]) -> Option<AlgorithmParameters> {
    let number = |bytes: &[u8]| {
        let first = bytes.iter().position(|byte| *byte != 0)?;
        bytes.get(first..).map(|digits| URL_SAFE_NO_PAD.encode(digits))
    };
    let (n, e) = (number(modulus)?, number(exponent)?);
    Some(AlgorithmParameters::RSA(RSAKeyParameters { key_type: RSAKeyType::RSA, n, e }))
}

/// A point of a curve as SEC 1 writes it, uncompressed.
fn elliptic(curve: EllipticCurve, point: &[u8]) -> Option<AlgorithmParameters> {
    let length = match curve {
        EllipticCurve::P256 => 32,
        EllipticCurve::P384 => 48,
        _ => return None,
    };
    let coordinates = point.strip_prefix(&[4]).filter(|coordinates| coordinates.len() == 2 * length)?;
    let (x, y) = coordinates.split_at(length);
    let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
    let key_type = EllipticCurveKeyType::EC;
    Some(AlgorithmParameters::EllipticCurve(EllipticCurveKeyParameters { key_type, curve, x, y }))
}

fn edwards(key: &[u8]) -> Option<AlgorithmParameters> {
    let x = (key.len() == 32).then(|| URL_SAFE_NO_PAD.encode(key))?;
    let (key_type, curve) = (OctetKeyPairType::OctetKeyPair, EllipticCurve::Ed25519);
    Some(AlgorithmParameters::OctetKeyPair(OctetKeyPairParameters { key_type, curve, x }))
}

/// The id that libtrust gave to a key, and that token servers still name it by: of the SHA-256 of its SubjectPublicKeyInfo the
/// first 240 bits in base32, in groups of four with `:` between them.
pub(super) fn libtrust_id(info: &[u8]) -> String {
    const DIGITS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let hash = digest::digest(&digest::SHA256, info);
    let bytes = hash.as_ref();
    let digit = |index: usize| {
        let first = 5 * index;
        let pair = u16::from_be_bytes([bytes[first / 8], bytes[first / 8 + 1]]);
        char::from(DIGITS[usize::from(pair >> (11 - first % 8) & 31)])
    };
    let digits: Vec<char> = (0..48).map(digit).collect();
    digits.chunks(4).map(String::from_iter).collect::<Vec<_>>().join(":")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use super::*;

    fn jwk(json: &str) -> Option<PublicKey> {
        PublicKey::of_jwk(&serde_json::from_str(json).unwrap())
    }

    /// The example of RFC 7638, section 3.1.
    const RSA: &str = r#"{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}"#;

    #[test]
    fn the_thumbprint_is_that_of_rfc_7638() {
        let key = jwk(RSA).unwrap();
        assert_eq!(key.thumbprint, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
        let modulus = RSA.split('"').nth(7).unwrap();
        let behind_zeros = [&[0, 0], URL_SAFE_NO_PAD.decode(modulus).unwrap().as_slice()].concat();
        let padded = RSA.replace(modulus, &URL_SAFE_NO_PAD.encode(behind_zeros)).replace("AQAB", "AAEAAQ==");
        assert_eq!(jwk(&padded).unwrap().thumbprint, key.thumbprint);
    }

    #[test]
    fn an_algorithm_that_the_key_names_is_the_only_one_that_fits() {
        let key = jwk(RSA).unwrap();
        assert!(key.fits(Algorithm::RS256) && !key.fits(Algorithm::PS256) && !key.fits(Algorithm::HS256));
        let any = jwk(&RSA.replace(r#""alg":"RS256","#, "")).unwrap();
        assert!(any.fits(Algorithm::PS256) && !any.fits(Algorithm::ES256) && !any.fits(Algorithm::HS256));
    }

    #[test]
    fn what_is_no_key_for_signatures_is_passed_over() {
        for json in [
            RSA.replace("\"RS256\"", "\"RSA-OAEP\""),
            RSA.replace("\"RS256\"", "\"ES256\""),
            RSA.replace("\"kid\"", "\"use\":\"enc\",\"kid\""),
            RSA.replace("\"AQAB\"", "\"\""),
            r#"{"kty":"oct","k":"c2VjcmV0"}"#.to_owned(),
            r#"{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}"#.to_owned(),
            r#"{"kty":"OKP","crv":"Ed25519","x":"AA"}"#.to_owned(),
            r#"{"kty":"OKP","crv":"X25519","x":"AA"}"#.to_owned(),
            r#"{"kty":"new"}"#.to_owned(),
        ] {
            assert!(jwk(&json).is_none(), "{json}");
        }
    }

    #[test]
    fn the_id_of_libtrust_has_twelve_groups() {
        // SHA-256 of nothing is e3b0c442 98fc1c14 9afbf4c8 996fb924 27ae41e4 649b934c a495991b 7852b855.
        assert_eq!(libtrust_id(b""), "4OYM:IQUY:7QOB:JGX3:6TEJ:S35Z:EQT2:4QPE:MSNZ:GTFE:SWMR:W6CS");
    }
}
