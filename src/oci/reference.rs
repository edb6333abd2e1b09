//! What stands behind `/manifests/` in a path.

use std::fmt;
use std::str::FromStr;

use super::as_text::as_text;
use super::{Digest, DigestError, Tag, TagError};

/// A manifest's `<reference>`: a digest if it has a colon, a tag otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Reference {
    Tag(Tag),
    Digest(Digest),
}

impl Reference {
    /// The tag, if it is one.
    pub fn tag(&self) -> Option<&Tag> {
        match self {
            Self::Tag(tag) => Some(tag),
            Self::Digest(_) => None,
        }
    }
}

/// Why a text is neither a tag nor a digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    #[error(transparent)]
    Tag(#[from] TagError),
    #[error(transparent)]
    Digest(#[from] DigestError),
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        if text.contains(':') { Ok(Self::Digest(text.parse()?)) } else { Ok(Self::Tag(text.parse()?)) }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => tag.fmt(f),
            Self::Digest(digest) => digest.fmt(f),
        }
    }
}

as_text!(Reference);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_colon_makes_a_digest() {
        assert!(matches!("latest".parse(), Ok(Reference::Tag(_))));
        assert!(matches!("sha256:baddigeststring".parse::<Reference>(), Err(ReferenceError::Digest(_))));
        assert!(matches!(format!("sha256:{}", "0".repeat(64)).parse(), Ok(Reference::Digest(_))));
        assert!(matches!("..".parse::<Reference>(), Err(ReferenceError::Tag(_))));
    }
}
