//! Pages of what one repository has, for work that goes through all of it: each page is of one commit, and nothing is held
//! in between.

use crate::oci::{Digest, RepositoryName, Tag};
use crate::store::{ManifestRow, MetadataError, Snapshot};

/// How many rows are read in one go.
pub(super) const PAGE: usize = 256;

/// Behind what a page begins: at first behind nothing.
#[derive(Debug, Default)]
pub(super) struct Place {
    tag: String,
    digest: Option<Digest>,
}

impl Place {
    /// Behind the last of a page, if there may be more.
    fn behind_tags(page: &[Tag]) -> Option<Self> {
        let last = page.last().filter(|_| page.len() == PAGE)?;
        Some(Self { tag: last.to_string(), digest: None })
    }

    /// The same of digests.
    fn behind_digests<T>(page: &[T], digest: impl Fn(&T) -> Digest) -> Option<Self> {
        let last = page.last().filter(|_| page.len() == PAGE)?;
        Some(Self { tag: String::new(), digest: Some(digest(last)) })
    }
}

/// What a page has, and where the next one begins, if there is one.
pub(super) type Page<T> = (Vec<T>, Option<Place>);

/// The next repositories that have a manifest, behind `last`, which need not exist; none behind the last.
pub(super) fn repositories_behind(
    tables: &Snapshot,
    last: &str,
) -> Result<Vec<RepositoryName>, MetadataError> {
    let mut names = Vec::new();
    tables.repositories_after(last, |name| {
        names.extend(name.parse());
        names.len() < PAGE
    })?;
    Ok(names)
}

/// A page of tags.
pub(super) fn tags_behind(
    tables: &Snapshot,
    repository: &RepositoryName,
    place: &Place,
) -> Result<Page<Tag>, MetadataError> {
    let mut page: Vec<Tag> = Vec::new();
    tables.tags_after(repository, &place.tag, |tag| {
        page.extend(tag.parse());
        page.len() < PAGE
    })?;
    let next = Place::behind_tags(&page);
    Ok((page, next))
}

/// A page of manifests.
pub(super) fn manifests_behind(
    tables: &Snapshot,
    repository: &RepositoryName,
    place: &Place,
) -> Result<Page<(Digest, ManifestRow)>, MetadataError> {
    let page = tables.manifests_of(repository, place.digest.as_ref(), PAGE)?;
    let next = Place::behind_digests(&page, |(digest, _)| *digest);
    Ok((page, next))
}

/// A page of blobs.
pub(super) fn blobs_behind(
    tables: &Snapshot,
    repository: &RepositoryName,
    place: &Place,
) -> Result<Page<Digest>, MetadataError> {
    let page = tables.blobs_of(repository, place.digest.as_ref(), PAGE)?;
    let next = Place::behind_digests(&page, |digest| *digest);
    Ok((page, next))
}
