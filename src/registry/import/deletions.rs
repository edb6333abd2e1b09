//! What was deleted in the source since an import, and so goes here.

use crate::oci::{Algorithm, Digest, RepositoryName, Tag};
use crate::store::Held;

use super::steps::{DropManifest, DropTag};
use super::tree::Unread;
use super::{Import, ImportError};

/// How much is looked at in one go.
const PAGE: usize = 256;

impl Import<'_> {
    /// Deletes what the source no longer has of repositories that it no longer has at all.
    pub(super) fn drop_repositories(&mut self) -> Result<(), ImportError> {
        let mut last = String::new();
        loop {
            let mut names = Vec::new();
            self.registry.store.read().repositories_after(&last, |name| {
                names.push(name.to_owned());
                names.len() < PAGE
            })?;
            let Some(end) = names.last() else { return Ok(()) };
            last.clone_from(end);
            for name in names.iter().filter_map(|name| name.parse::<RepositoryName>().ok()) {
                if !self.tree.has_repository(&name)? {
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
        let mut last = String::new();
        loop {
            let mut tags = Vec::new();
            self.registry.store.read().tags_after(name, &last, |tag| {
                tags.push(tag.to_owned());
                tags.len() < PAGE
            })?;
            let Some(end) = tags.last() else { return Ok(()) };
            last.clone_from(end);
            let tags = tags.iter().filter_map(|tag| tag.parse::<Tag>().ok()).filter(|tag| !stays(tag));
            let steps = tags.map(|tag| DropTag { repository: name.clone(), tag }).collect();
            self.report.deleted_tags += count(&self.submit_all(steps)?);
        }
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
        let mut deleted = Vec::new();
        let first = Digest::from_bytes(Algorithm::Sha256, &[0; 32]);
        let mut last = first.map(|digest| Held { repository: name.clone(), digest });
        loop {
            let page = self.registry.store.read().manifests_after(last.as_ref(), PAGE)?;
            for (held, row) in &page {
                if held.repository != *name {
                    return Ok(deleted);
                }
                let is_gone = || self.tree.revision(name, &held.digest) == Err(Unread::Absent);
                if row.is_imported && is_gone() {
                    deleted.push(held.digest);
                }
            }
            match page.into_iter().next_back() {
                Some((held, _)) => last = Some(held),
                None => return Ok(deleted),
            }
        }
    }
}

fn count(went: &[bool]) -> u64 {
    went.iter().filter(|went| **went).count() as u64
}
