//! What was deleted in the source since an import, and so goes here.

use crate::oci::{Digest, RepositoryName, Tag};
use crate::registry::pages::{PAGE, Place, manifests_behind, repositories_behind, tags_behind};

use super::steps::{DropManifest, DropTag};
use super::{Import, ImportError};

impl Import<'_> {
    /// Deletes what the source no longer has of repositories that it no longer has at all.
    pub(super) fn drop_repositories(&mut self) -> Result<(), ImportError> {
        let mut last = String::new();
        loop {
            let names = repositories_behind(&self.registry.store.read(), &last)?;
            let Some(end) = names.last() else { return Ok(()) };
            last = end.to_string();
            for name in names {
                if self.is_wanted(&name) && !self.origin.has_repository(&name)? {
                    self.drop_deleted(&name, |_| false)?;
                }
            }
        }
    }

    /// Deletes the tags of a repository that do not stay, then its manifests that the source no longer has: as far as they
    /// are the import's, and nothing here needs them.
    pub(super) fn drop_deleted(
        &mut self,
        name: &RepositoryName,
        stays: impl Fn(&Tag) -> bool,
    ) -> Result<(), ImportError> {
        self.drop_tags(name, stays)?;
        self.drop_manifests(name)
    }

    fn drop_tags(&mut self, name: &RepositoryName, stays: impl Fn(&Tag) -> bool) -> Result<(), ImportError> {
        let mut place = Some(Place::default());
        while let Some(last) = place {
            let (tags, next) = tags_behind(&self.registry.store.read(), name, &last)?;
            let tags = tags.into_iter().filter(|tag| !stays(tag));
            let steps = tags.map(|tag| DropTag { repository: name.clone(), tag }).collect();
            self.report.deleted_tags += count(&self.submit_all(steps)?);
            place = next;
        }
        Ok(())
    }

    fn drop_manifests(&mut self, name: &RepositoryName) -> Result<(), ImportError> {
        let mut left = self.deleted_manifests(name)?;
        // Those that are part of others can go when these have gone.
        while !left.is_empty() {
            let before = left.len();
            let mut kept = Vec::new();
            for some in left.chunks(PAGE) {
                let step = |digest: &Digest| DropManifest { repository: name.clone(), digest: *digest };
                let went = self.submit_all(some.iter().map(step).collect())?;
                self.report.deleted_manifests += count(&went);
                kept.extend(some.iter().zip(went).filter(|(_, went)| !went).map(|(digest, _)| *digest));
            }
            if kept.len() == before {
                return Ok(());
            }
            left = kept;
        }
        Ok(())
    }

    /// Those that an import has brought and the source has no more.
    fn deleted_manifests(&self, name: &RepositoryName) -> Result<Vec<Digest>, ImportError> {
        let (mut deleted, mut place) = (Vec::new(), Some(Place::default()));
        while let Some(last) = place {
            let (page, next) = manifests_behind(&self.registry.store.read(), name, &last)?;
            for (digest, _) in page.into_iter().filter(|(_, row)| row.is_imported) {
                if !self.origin.has_manifest(name, &digest)? {
                    deleted.push(digest);
                }
            }
            place = next;
        }
        Ok(deleted)
    }
}

fn count(went: &[bool]) -> u64 {
    went.iter().filter(|went| **went).count() as u64
}
