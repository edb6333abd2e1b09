//! What can be changed.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::oci::{RepositoryName, Tag};
use crate::registry::{Copied, Error, ImageCopy, Registry, RemovalTerms, Removed, RemovedTag};

use super::telling::{Events, tell};

/// A removal of tags, each with its repository, one after another up to the first that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoveTags {
    pub tags: Vec<(RepositoryName, Tag)>,
    pub terms: RemovalTerms,
}

/// A removal of a repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoveRepository {
    pub repository: RepositoryName,
    pub terms: RemovalTerms,
}

/// Begins a removal of tags.
pub fn remove_tags(registry: Arc<Registry>, wanted: RemoveTags) -> Events<RemovedTag, ()> {
    let RemoveTags { tags, terms } = wanted;
    tell(move |listener| async move {
        for (repository, tag) in tags {
            let removed = registry.remove_tag(repository, tag, terms).await?;
            // Whoever does not listen any more has asked for it all the same.
            let _ = listener.send(removed).await;
        }
        Ok::<_, Error>(())
    })
}

/// Begins a removal of a repository, and tells how much has gone so far.
pub fn remove_repository(registry: Arc<Registry>, wanted: RemoveRepository) -> Events<Removed, Removed> {
    let RemoveRepository { repository, terms } = wanted;
    tell(move |listener| async move { registry.remove_repository(repository, terms, listener).await })
}

/// Begins a copy of an image, within the registry.
pub fn copy(registry: Arc<Registry>, wanted: ImageCopy) -> Events<(), Copied> {
    tell(move |_| async move { registry.copy_image(wanted).await })
}
