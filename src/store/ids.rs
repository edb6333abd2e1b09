//! Identifiers that were never used before.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

use crate::oci::as_text::as_text;

/// Names an upload session and, when it is finished, the payload's file.
///
/// Random, so that it can be neither guessed nor met twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PayloadId(Uuid);

impl PayloadId {
    /// A new one.
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }

    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }

    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }
}

impl fmt::Display for PayloadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

as_text!(PayloadId);

/// A text that is no identifier in the one form that they are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the identifier of an upload")]
pub struct PayloadIdError;

impl FromStr for PayloadId {
    type Err = PayloadIdError;

    fn from_str(text: &str) -> Result<Self, PayloadIdError> {
        let id = Uuid::parse_str(text).map(Self).map_err(|_| PayloadIdError)?;
        if id.to_string() == text { Ok(id) } else { Err(PayloadIdError) }
    }
}
