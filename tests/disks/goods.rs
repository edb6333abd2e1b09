//! What is pushed. A number tells everything about a payload, so that books are kept in numbers.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex};

use serde_json::{Value, json};

use crate::support::{bytes_of, image, sha256, to_bytes};

/// Digests are asked for again and again.
static DIGESTS: LazyLock<Mutex<HashMap<Blob, String>>> = LazyLock::new(Mutex::default);

/// A payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Blob(pub(crate) u64);

impl Blob {
    /// Most are small; some lie on either side of the border between log and file; a few are large.
    fn length(self) -> usize {
        let scattered = usize::try_from((self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15)) >> 40).unwrap();
        match scattered % 16 {
            0..12 => 1 + scattered % 20_000,
            12..15 => 100_000 + scattered % 300_000,
            _ => 1_000_000 + scattered % 1_000_000,
        }
    }

    pub(crate) fn bytes(self) -> Vec<u8> {
        bytes_of(self.length(), self.0)
    }

    pub(crate) fn digest(self) -> String {
        if let Some(known) = DIGESTS.lock().unwrap().get(&self) {
            return known.clone();
        }
        let digest = sha256(self.bytes());
        DIGESTS.lock().unwrap().insert(self, digest.clone());
        digest
    }

    fn descriptor(self, media_type: &str) -> Value {
        json!({"mediaType": media_type, "digest": self.digest(), "size": self.length()})
    }
}

/// An image of two payloads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Image {
    pub(crate) config: Blob,
    pub(crate) layer: Blob,
}

impl Image {
    /// Its manifest.
    pub(crate) fn bytes(self) -> Vec<u8> {
        let config = self.config.descriptor("application/vnd.oci.image.config.v1+json");
        let layer = self.layer.descriptor("application/vnd.oci.image.layer.v1.tar");
        to_bytes(&image(&config, &[layer]))
    }

    pub(crate) fn digest(self) -> String {
        sha256(self.bytes())
    }

    pub(crate) fn needs(self, blob: Blob) -> bool {
        self.config == blob || self.layer == blob
    }
}
