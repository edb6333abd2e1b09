//! Payloads and their digests.

use sha2::Digest as _;

/// A digest algorithm that the registry knows.
#[derive(Clone, Copy)]
pub struct Algorithm {
    pub name: &'static str,
    pub digest: fn(&[u8]) -> String,
}

pub const ALGORITHMS: [Algorithm; 3] = [
    Algorithm { name: "sha256", digest: |bytes| sha256(bytes) },
    Algorithm { name: "sha512", digest: |bytes| sha512(bytes) },
    Algorithm { name: "blake3", digest: |bytes| blake3(bytes) },
];

/// `sha256:…` of the bytes.
pub fn sha256(bytes: impl AsRef<[u8]>) -> String {
    format!("sha256:{}", hex(&sha2::Sha256::digest(bytes.as_ref())))
}

/// `sha512:…` of the bytes.
pub fn sha512(bytes: impl AsRef<[u8]>) -> String {
    format!("sha512:{}", hex(&sha2::Sha512::digest(bytes.as_ref())))
}

/// `blake3:…` of the bytes.
pub fn blake3(bytes: impl AsRef<[u8]>) -> String {
    format!("blake3:{}", ::blake3::hash(bytes.as_ref()).to_hex())
}

/// `length` bytes that look random and are the same at each call with the same seed; seeds tell payloads apart.
pub fn bytes_of(length: usize, seed: u64) -> Vec<u8> {
    let mut bytes = vec![0; length];
    let mut hasher = ::blake3::Hasher::new();
    hasher.update(&seed.to_le_bytes());
    hasher.finalize_xof().fill(&mut bytes);
    bytes
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
