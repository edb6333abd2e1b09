//! The tags of a repository.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::Sender;

use crate::oci::{Digest, RepositoryName, Tag};
use crate::registry::pages::{Page, Place, tags_behind};
use crate::registry::{Error, Registry, blocking};
use crate::store::{MetadataError, Snapshot};

/// A tag, and what it points at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TagEntry {
    pub tag: Tag,
    pub digest: Digest,
    pub media_type: String,
    /// Of the manifest, in bytes.
    pub size: u64,
    /// When it was last set, as RFC 3339 writes it.
    pub set: String,
}

impl Registry {
    /// Tells of the tags of a repository, in bytewise order. Returns how many there are.
    pub async fn tell_tags(
        self: &Arc<Self>,
        repository: RepositoryName,
        listener: Sender<Vec<TagEntry>>,
    ) -> Result<u64, Error> {
        self.expect_repository(&repository)?;
        let (mut count, mut place) = (0, Some(Place::default()));
        while let Some(last) = place {
            let (registry, name) = (Arc::clone(self), repository.clone());
            let (page, next) = blocking(move || page_behind(&registry.store.read(), &name, &last)).await?;
            place = next;
            count += page.len() as u64;
            if listener.send(page).await.is_err() {
                break;
            }
        }
        Ok(count)
    }
}

fn page_behind(
    tables: &Snapshot,
    repository: &RepositoryName,
    place: &Place,
) -> Result<Page<TagEntry>, MetadataError> {
    let (tags, next) = tags_behind(tables, repository, place)?;
    let entries = tags.into_iter().filter_map(|tag| entry(tables, repository, tag).transpose());
    Ok((entries.collect::<Result<_, _>>()?, next))
}

fn entry(
    tables: &Snapshot,
    repository: &RepositoryName,
    tag: Tag,
) -> Result<Option<TagEntry>, MetadataError> {
    let Some(row) = tables.tag(repository, &tag)? else { return Ok(None) };
    let manifest = tables.manifest(repository, &row.digest)?;
    Ok(manifest.map(|manifest| TagEntry {
        tag,
        digest: row.digest,
        media_type: manifest.media_type.to_string(),
        size: manifest.size,
        set: row.set.to_string(),
    }))
}
