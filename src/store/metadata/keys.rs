//! How digests and their like stand in keys.

use std::ops::Deref;

use crate::oci::{Algorithm, Digest};
use crate::store::ids::PayloadId;

/// A digest as a key: one byte for the algorithm, then its value. Keys order by algorithm, then by value.
pub(super) struct DigestKey {
    bytes: [u8; 65],
    len: usize,
}

impl DigestKey {
    pub(super) fn new(digest: &Digest) -> Self {
        let value = digest.as_bytes();
        let mut bytes = [0; 65];
        bytes[0] = match digest.algorithm() {
            Algorithm::Sha256 => 1,
            Algorithm::Sha512 => 2,
            Algorithm::Blake3 => 3,
        };
        bytes[1..=value.len()].copy_from_slice(value);
        Self { bytes, len: value.len() + 1 }
    }
}

impl Deref for DigestKey {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// Reads what [`DigestKey`] wrote.
pub(super) fn digest_from_key(key: &[u8]) -> Option<Digest> {
    let (algorithm, value) = key.split_first()?;
    let algorithm = match algorithm {
        1 => Algorithm::Sha256,
        2 => Algorithm::Sha512,
        3 => Algorithm::Blake3,
        _ => return None,
    };
    Digest::from_bytes(algorithm, value)
}

/// Reads a session's id from its key.
pub(super) fn id_from_key(key: &[u8]) -> Option<PayloadId> {
    key.try_into().ok().map(PayloadId::from_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_reads_back_from_its_key() {
        for algorithm in Algorithm::ALL {
            let value = vec![0xa5; algorithm.digest_len()];
            let digest = Digest::from_bytes(algorithm, &value).expect("the length is right");
            assert_eq!(digest_from_key(&DigestKey::new(&digest)), Some(digest));
        }
        assert_eq!(digest_from_key(&[]), None);
        assert_eq!(digest_from_key(&[1, 2, 3]), None);
    }
}
