//! Content digests: `algorithm:hex`.

use std::fmt;
use std::str::FromStr;

use super::as_text::as_text;

/// A registered digest algorithm (OCI image specification, "Registered algorithms").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    Sha256,
    Sha512,
    Blake3,
}

impl Algorithm {
    /// All that are supported, in the order in which messages list them.
    pub const ALL: [Self; 3] = [Self::Sha256, Self::Sha512, Self::Blake3];

    /// The identifier in front of the colon.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
            Self::Blake3 => "blake3",
        }
    }

    /// The length of a digest in bytes; its hexadecimal form is twice as long.
    pub const fn digest_len(self) -> usize {
        match self {
            Self::Sha256 | Self::Blake3 => 32,
            Self::Sha512 => 64,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Algorithm {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.as_str() == text)
            .ok_or_else(|| DigestError::UnsupportedAlgorithm(text.to_owned()))
    }
}

/// Why a text is no digest that this registry can hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    #[error("a digest is written ALGORITHM:HEX, such as sha256:e3b0c442…")]
    Malformed,
    #[error("the digest algorithm {0:?} is not supported; use sha256, sha512 or blake3")]
    UnsupportedAlgorithm(String),
    #[error("a {algorithm} digest has {} lowercase hexadecimal digits after the colon", algorithm.digest_len() * 2)]
    Encoded { algorithm: Algorithm },
}

/// A digest in a supported algorithm, held as bytes.
///
/// Orders by algorithm, then by value.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest {
    algorithm: Algorithm,
    /// The value, followed by zeros where the algorithm's is shorter.
    bytes: [u8; 64],
}

impl Digest {
    /// A digest from its raw value, or `None` if the length is not the algorithm's.
    pub fn from_bytes(algorithm: Algorithm, value: &[u8]) -> Option<Self> {
        let mut bytes = [0; 64];
        if value.len() != algorithm.digest_len() {
            return None;
        }
        bytes.get_mut(..value.len())?.copy_from_slice(value);
        Some(Self { algorithm, bytes })
    }

    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The raw value, [`Algorithm::digest_len`] bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.split_at(self.algorithm.digest_len()).0
    }

    /// The part after the colon.
    pub fn hex(&self) -> String {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        self.as_bytes()
            .iter()
            .flat_map(|byte| [byte >> 4, byte & 15])
            .map(|nibble| char::from(DIGITS[usize::from(nibble)]))
            .collect()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm, self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let (algorithm, encoded) = text.split_once(':').ok_or(DigestError::Malformed)?;
        if !is_algorithm(algorithm) || !is_encoded(encoded) {
            return Err(DigestError::Malformed);
        }
        let algorithm: Algorithm = algorithm.parse()?;
        let mut bytes = [0; 64];
        decode_hex(encoded.as_bytes(), bytes.split_at_mut(algorithm.digest_len()).0)
            .ok_or(DigestError::Encoded { algorithm })?;
        Ok(Self { algorithm, bytes })
    }
}

as_text!(Digest);

/// `[a-z0-9]+([+._-][a-z0-9]+)*`
fn is_algorithm(text: &str) -> bool {
    text.split(['+', '.', '_', '-']).all(|component| {
        !component.is_empty() && component.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    })
}

/// `[a-zA-Z0-9=_-]+`
fn is_encoded(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'=' | b'_' | b'-'))
}

/// Fills `target` from exactly twice as many lowercase hexadecimal digits.
fn decode_hex(encoded: &[u8], target: &mut [u8]) -> Option<()> {
    let (pairs, rest) = encoded.as_chunks::<2>();
    if !rest.is_empty() || pairs.len() != target.len() {
        return None;
    }
    for (byte, [high, low]) in target.iter_mut().zip(pairs) {
        *byte = nibble(*high)? << 4 | nibble(*low)?;
    }
    Some(())
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_digest() -> impl Strategy<Value = Digest> {
        (prop::sample::select(&Algorithm::ALL), any::<[u8; 64]>()).prop_map(|(algorithm, bytes)| {
            Digest::from_bytes(algorithm, &bytes[..algorithm.digest_len()]).expect("the length is right")
        })
    }

    proptest! {
        #[test]
        fn a_digest_reads_back_as_it_was_written(digest in any_digest()) {
            prop_assert_eq!(digest.to_string().parse(), Ok(digest));
        }

        #[test]
        fn any_text_is_a_digest_in_its_one_form_or_an_error(text in "\\PC*|[a-z0-9]{0,7}:[0-9a-f]{60,66}") {
            if let Ok(digest) = text.parse::<Digest>() {
                prop_assert_eq!(digest.to_string(), text);
            }
        }
    }

    #[test]
    fn what_is_wrong_with_a_digest_is_told_apart() {
        let parse = |text: &str| text.parse::<Digest>().expect_err("not a digest");
        assert_eq!(parse("latest"), DigestError::Malformed);
        assert_eq!(parse("sha256:"), DigestError::Malformed);
        assert_eq!(parse("sha256:../etc"), DigestError::Malformed);
        assert_eq!(parse("sha256+:00"), DigestError::Malformed);
        assert_eq!(parse("sha384:00"), DigestError::UnsupportedAlgorithm("sha384".to_owned()));
        let sha256 = DigestError::Encoded { algorithm: Algorithm::Sha256 };
        assert_eq!(parse("sha256:baddigeststring"), sha256);
        assert_eq!(parse(&format!("sha256:{}", "A".repeat(64))), sha256);
        assert_eq!(parse(&format!("sha256:{}", "a".repeat(63))), sha256);
    }
}
