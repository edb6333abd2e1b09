//! The tags of a repository.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::Sender;

use crate::oci::{Digest, RepositoryName, Tag};
use crate::registry::{Error, Registry, blocking};
use crate::store::{MetadataError, Snapshot};

use super::PAGE;

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
        let (mut count, mut last) = (0, String::new());
        loop {
            let (registry, name) = (Arc::clone(self), repository.clone());
            let page = blocking(move || page_after(&registry.store.read(), &name, &last)).await?;
            let Some(end) = page.last() else { return Ok(count) };
            last = end.tag.to_string();
            count += page.len() as u64;
            if listener.send(page).await.is_err() {
                return Ok(count);
            }
        }
    }
}

fn page_after(
    tables: &Snapshot,
    repository: &RepositoryName,
    last: &str,
) -> Result<Vec<TagEntry>, MetadataError> {
    let mut tags: Vec<Tag> = Vec::new();
    tables.tags_after(repository, last, |tag| {
        tags.extend(tag.parse());
        tags.len() < PAGE
    })?;
    tags.into_iter().filter_map(|tag| entry(tables, repository, tag).transpose()).collect()
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
