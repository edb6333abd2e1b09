//! Images, as command lines name them.

use crate::oci::{ImageName, Reference, RepositoryName, Tag};

/// `REPOSITORY:TAG`.
#[derive(Debug, Clone)]
pub(super) struct Tagged {
    pub(super) repository: RepositoryName,
    pub(super) tag: Tag,
}

/// An image with a tag or a digest.
#[derive(Debug, Clone)]
pub(super) struct Image {
    pub(super) repository: RepositoryName,
    pub(super) reference: Reference,
}

/// Reads `REPOSITORY:TAG` or `REPOSITORY@DIGEST`.
pub(super) fn image(text: &str) -> Result<Image, String> {
    let ImageName { repository, reference } = name(text)?;
    match reference {
        Some(reference) => Ok(Image { repository, reference }),
        None => Err(format!("which manifest? Write {repository}:TAG or {repository}@DIGEST")),
    }
}

/// Reads `REPOSITORY:TAG`.
pub(super) fn tagged(text: &str) -> Result<Tagged, String> {
    let ImageName { repository, reference } = name(text)?;
    match reference {
        Some(Reference::Tag(tag)) => Ok(Tagged { repository, tag }),
        _ => Err(format!("which tag? Write {repository}:TAG")),
    }
}

/// Reads `REPOSITORY` or `REPOSITORY:TAG`.
pub(super) fn target(text: &str) -> Result<(RepositoryName, Option<Tag>), String> {
    let ImageName { repository, reference } = name(text)?;
    match reference {
        None => Ok((repository, None)),
        Some(Reference::Tag(tag)) => Ok((repository, Some(tag))),
        Some(Reference::Digest(_)) => {
            Err(format!("a digest follows from what it is of: write {repository}:TAG"))
        }
    }
}

fn name(text: &str) -> Result<ImageName, String> {
    text.parse().map_err(|error: crate::oci::ImageNameError| error.to_string())
}
