//! How people name an image: a repository, and which of its manifests.

use std::fmt;
use std::str::FromStr;

use super::as_text::as_text;
use super::{DigestError, NameError, Reference, RepositoryName, TagError};

/// `REPOSITORY`, `REPOSITORY:TAG` or `REPOSITORY@DIGEST`, within a registry: there is no host in front.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageName {
    pub repository: RepositoryName,
    pub reference: Option<Reference>,
}

/// Why a text names no image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImageNameError {
    #[error("{0}; it is named as in the registry, without a host")]
    Repository(#[from] NameError),
    #[error(transparent)]
    Tag(#[from] TagError),
    #[error(transparent)]
    Digest(#[from] DigestError),
}

impl FromStr for ImageName {
    type Err = ImageNameError;

    fn from_str(text: &str) -> Result<Self, ImageNameError> {
        let (repository, reference) = match (text.split_once('@'), text.split_once(':')) {
            (Some((repository, digest)), _) => (repository, Some(Reference::Digest(digest.parse()?))),
            // A name has no colon: what follows the first one with a slash in it follows a host.
            (None, Some((repository, tag))) if !tag.contains('/') => {
                (repository, Some(Reference::Tag(tag.parse()?)))
            }
            (None, _) => (text, None),
        };
        Ok(Self { repository: repository.parse()?, reference })
    }
}

impl fmt::Display for ImageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { repository, reference } = self;
        match reference {
            None => write!(f, "{repository}"),
            Some(Reference::Tag(tag)) => write!(f, "{repository}:{tag}"),
            Some(Reference::Digest(digest)) => write!(f, "{repository}@{digest}"),
        }
    }
}

as_text!(ImageName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_reads_back_as_it_is_written() {
        let digest = format!("sha256:{}", "0".repeat(64));
        for text in ["app".to_owned(), "team/app:v1.0".to_owned(), format!("team/app@{digest}")] {
            assert_eq!(text.parse::<ImageName>().map(|name| name.to_string()), Ok(text));
        }
    }

    #[test]
    fn what_names_no_image_is_refused() {
        assert!(matches!("localhost:5000/app".parse::<ImageName>(), Err(ImageNameError::Repository(_))));
        assert!(matches!("App".parse::<ImageName>(), Err(ImageNameError::Repository(_))));
        assert!(matches!("app:".parse::<ImageName>(), Err(ImageNameError::Tag(_))));
        assert!(matches!("app@latest".parse::<ImageName>(), Err(ImageNameError::Digest(_))));
    }
}
