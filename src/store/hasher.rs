//! The one place where bytes are hashed.

use minicbor::bytes::ByteVec;
use sha2::Digest as _;
use sha2::digest::common::hazmat::{SerializableState, SerializedState};

use crate::oci::{Algorithm, Digest};

/// A running hash. Cheap to clone, so that an append can be taken back.
#[derive(Clone)]
pub enum Hasher {
    Sha256(sha2::Sha256),
    Sha512(sha2::Sha512),
    Blake3(Box<blake3::Hasher>),
}

impl Hasher {
    /// The hash of nothing yet.
    pub fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Sha256 => Self::Sha256(sha2::Sha256::new()),
            Algorithm::Sha512 => Self::Sha512(sha2::Sha512::new()),
            Algorithm::Blake3 => Self::Blake3(Box::default()),
        }
    }

    /// The digest of `bytes`.
    pub fn digest(algorithm: Algorithm, bytes: &[u8]) -> Digest {
        let mut hasher = Self::new(algorithm);
        hasher.update(bytes);
        hasher.finish()
    }

    pub fn algorithm(&self) -> Algorithm {
        match self {
            Self::Sha256(_) => Algorithm::Sha256,
            Self::Sha512(_) => Algorithm::Sha512,
            Self::Blake3(_) => Algorithm::Blake3,
        }
    }

    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(hasher) => hasher.update(bytes),
            Self::Sha512(hasher) => hasher.update(bytes),
            Self::Blake3(hasher) => {
                hasher.update(bytes);
            }
        }
    }

    /// The digest of all that was given.
    pub fn finish(&self) -> Digest {
        let digest = |value: &[u8]| {
            Digest::from_bytes(self.algorithm(), value).expect("the length is the algorithm's")
        };
        match self {
            Self::Sha256(hasher) => digest(&hasher.clone().finalize()),
            Self::Sha512(hasher) => digest(&hasher.clone().finalize()),
            Self::Blake3(hasher) => digest(hasher.finalize().as_bytes()),
        }
    }

    /// The state, to go on after a restart; `None` where the algorithm cannot export it.
    pub fn state(&self) -> Option<ByteVec> {
        match self {
            Self::Sha256(hasher) => Some(hasher.serialize().to_vec().into()),
            Self::Sha512(hasher) => Some(hasher.serialize().to_vec().into()),
            Self::Blake3(_) => None,
        }
    }

    /// Goes on from an exported state; `None` if it is not one of this algorithm.
    pub fn from_state(algorithm: Algorithm, state: &[u8]) -> Option<Self> {
        match algorithm {
            Algorithm::Sha256 => {
                let state = SerializedState::<sha2::Sha256>::try_from(state).ok()?;
                sha2::Sha256::deserialize(&state).ok().map(Self::Sha256)
            }
            Algorithm::Sha512 => {
                let state = SerializedState::<sha2::Sha512>::try_from(state).ok()?;
                sha2::Sha512::deserialize(&state).ok().map(Self::Sha512)
            }
            Algorithm::Blake3 => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_digests_of_nothing_are_the_published_ones() {
        let digest = |algorithm| Hasher::digest(algorithm, b"").to_string();
        assert_eq!(
            digest(Algorithm::Sha256),
            "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        assert_eq!(
            digest(Algorithm::Sha512),
            "sha512:cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e"
        );
        assert_eq!(
            digest(Algorithm::Blake3),
            "blake3:af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"
        );
    }

    proptest! {
        #[test]
        fn any_split_and_any_restart_give_the_one_digest(
            algorithm in prop::sample::select(&Algorithm::ALL),
            pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..6),
        ) {
            let mut hasher = Hasher::new(algorithm);
            for piece in &pieces {
                hasher.update(piece);
                if let Some(state) = hasher.state() {
                    hasher = Hasher::from_state(algorithm, &state).expect("an exported state");
                }
            }
            prop_assert_eq!(hasher.finish(), Hasher::digest(algorithm, &pieces.concat()));
        }

        #[test]
        fn a_foreign_state_is_refused_or_taken_without_a_crash(state in prop::collection::vec(any::<u8>(), 0..220)) {
            for algorithm in Algorithm::ALL {
                let _ = Hasher::from_state(algorithm, &state);
            }
        }
    }
}
